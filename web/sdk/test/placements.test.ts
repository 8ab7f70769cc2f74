// Goal: a page shows what Segue answers and nothing else, tells what became of it, and takes
// nothing on trust that came from data.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fragment } from "../src/clean";
import { offer, rest, visit, type World } from "./world";

const quick = { page: false, flushMs: 5 };
const slot = '<div data-segue-placement="hint"></div>';

function shown(world: World, selector = ".segue"): string[] {
  return Array.from(world.window.document.querySelectorAll(selector), (box) => box.className);
}

test("a slot is filled, reported once, and emptied when the answer is nothing", async () => {
  const world = visit(quick, { html: slot });
  world.server.offers.hint = offer("s1", { title: "Hello", body: "<b>not bold</b>" });
  world.segue.decide();
  await rest(40);
  assert.deepEqual(shown(world), ["segue-inline segue"]);
  assert.equal(world.window.document.querySelector(".segue-body")?.textContent, "<b>not bold</b>");
  world.segue.decide();
  await rest(40);
  const [message] = world.server.messages() as { properties: unknown }[];
  assert.deepEqual(world.server.events(), ["Message Shown"]);
  assert.deepEqual(message?.properties, {
    send_id: "s1",
    message: "about-s1",
    channel: "web",
    placement: "hint",
  });
  world.server.offers = {};
  world.segue.decide();
  await rest(40);
  assert.deepEqual(shown(world), []);
});

test("what was there before a reload is not reported again", async () => {
  const world = visit(quick, { html: slot });
  world.server.offers.hint = offer("s1", { title: "Hello" }, { again: true });
  world.segue.decide();
  await rest(40);
  assert.equal(shown(world).length, 1);
  assert.deepEqual(world.server.events(), []);
});

test("the kind comes from the field, the slot or the name", async () => {
  const html = '<div data-segue-placement="a" data-segue-kind="banner"></div>';
  const world = visit({ ...quick, placements: ["b-modal", "c", "d"] }, { html });
  world.server.offers = {
    a: offer("a", { title: "A" }),
    "b-modal": offer("b", { title: "B" }),
    c: offer("c", { title: "C" }),
    d: offer("d", { title: "D", kind: "banner" }),
  };
  world.segue.decide();
  await rest(40);
  const found = shown(world).sort();
  const kinds = found.map((name) => name.split(" ")[0]);
  assert.deepEqual(kinds, ["segue-banner", "segue-banner", "segue-modal", "segue-toast"]);
});

test("one modal at a time: the second waits for the first", async () => {
  const world = visit({ ...quick, placements: ["a-modal", "b-modal"] });
  const [a, b] = [offer("a", { title: "A" }), offer("b", { title: "B" })];
  world.server.offers = { "a-modal": a, "b-modal": b };
  world.segue.decide();
  await rest(40);
  assert.equal(shown(world, "dialog[open]").length, 1);
  assert.deepEqual(world.server.events(), ["Message Shown"]);
  const close = world.window.document.querySelector(".segue-close") as HTMLElement;
  assert.equal(close.getAttribute("aria-label"), "Close");
  close.click();
  await rest(40);
  assert.equal(world.window.document.querySelector(".segue-title")?.textContent, "B");
  assert.deepEqual(world.server.events(), ["Message Shown", "Message Dismissed", "Message Shown"]);
});

test("an offer ends when its time is over, also where the page's clock is ahead", async () => {
  const world = visit(quick, { html: slot });
  const soon = new Date(Date.now() + 80).toISOString();
  world.server.offers.hint = offer("s1", { title: "Soon over" }, { expires_at: soon });
  world.segue.decide();
  await rest(40);
  assert.equal(shown(world).length, 1);
  await rest(80);
  assert.equal(shown(world).length, 0);
  const past = new Date(Date.now() - 1000).toISOString();
  world.server.offers.hint = offer("s2", { title: "By another clock" }, { expires_at: past });
  world.segue.decide();
  await rest(40);
  assert.equal(shown(world).length, 1);
});

test("slots that come later are found, single-page navigation is another page", async () => {
  const world = visit({ flushMs: 5 });
  world.server.offers.hint = offer("s1", { title: "Hello" });
  await rest(30);
  world.window.history.pushState({}, "", "/cart");
  world.window.document.body.insertAdjacentHTML("beforeend", slot);
  await rest(250);
  assert.equal(shown(world).length, 1);
  assert.deepEqual(world.server.events(), ["page", "page", "Message Shown"]);
});

test("a link leads to the web, a mail or a phone only", async () => {
  const world = visit(quick, { html: slot });
  const addresses = { url: "javascript:alert(1)", image: "data:text/html,x" };
  world.server.offers.hint = offer("s1", { title: "x", action: "Go", ...addresses });
  world.segue.decide();
  await rest(40);
  const action = world.window.document.querySelector(".segue-action") as HTMLElement;
  assert.equal(action.tagName, "BUTTON");
  assert.equal(world.window.document.querySelector(".segue-image"), null);
  action.click();
  await rest(20);
  assert.deepEqual(world.server.events(), ["Message Shown", "Message Clicked"]);
});

test("an author's HTML is built anew from what is harmless", () => {
  const { window } = visit(quick);
  const clean = (html: string): string => {
    const box = window.document.createElement("div");
    box.append(fragment(html));
    return box.innerHTML;
  };
  assert.equal(clean('<p style="x" onclick="x">Hi <b>you</b></p>'), "<p>Hi <b>you</b></p>");
  assert.equal(clean("a<script>x</script><style>x</style><template>x</template>b"), "ab");
  assert.equal(clean('<a href=" java\tscript:alert(1)">x</a>'), "<a>x</a>");
  const link = '<a href="https://shop.example/cart">x</a>';
  assert.equal(clean('<a href="/cart" target="_top">x</a>'), link);
  assert.equal(clean("<form><input name=a><button>x</button></form>"), "x");
  assert.equal(clean("<iframe srcdoc='<b>x</b>'></iframe><svg><script>x</script></svg>"), "");
  const mutant = "<math><mtext><table><mglyph><style><img src=x onerror=y>";
  assert.equal(clean(mutant), "<table></table>");
  const deep = clean("<b>".repeat(200) + "x");
  assert.ok(deep.split("<b>").length < 40);
});

test("the shop may render an offer itself", async () => {
  const world = visit(quick, { html: slot });
  const seen: string[] = [];
  const { document } = world.window;
  document.addEventListener("segue:offer", (event) => {
    event.preventDefault();
    const { detail } = event as CustomEvent<{ id: string; placement: string; shown: () => void }>;
    seen.push(`${detail.placement} ${detail.id}`);
    detail.shown();
  });
  document.addEventListener("segue:closed", () => seen.push("closed"));
  world.server.offers.hint = offer("s1", { title: "Hello" });
  world.segue.decide();
  await rest(40);
  world.server.offers = {};
  world.segue.decide();
  await rest(40);
  assert.deepEqual(seen, ["hint s1", "closed"]);
  assert.deepEqual(shown(world), []);
  assert.deepEqual(world.server.events(), ["Message Shown"]);
});

test("an answer that makes no sense harms nothing", async () => {
  const world = visit({ ...quick, placements: ["b-toast"] }, { html: slot });
  world.server.offers = { hint: { id: "broken" }, "b-toast": offer("b", { title: "B" }) };
  world.segue.decide();
  await rest(40);
  assert.deepEqual(shown(world), ["segue-toast segue"]);
});
