// What could not be used, and what could not be delivered.

import { get, post } from "./api.js";
import { ago, card, h, nothing, time } from "./dom.js";

export async function troubleView(page) {
  const dead = h("div", { class: "scroll" });
  const bad = h("div", { class: "scroll" });
  page.append(h("div", { class: "head" }, h("div", {}, h("h1", {}, "Trouble"), h("p", {}, "Kept with its reason; nothing else waits for it."))), h("div", { class: "stack" }, card("Dead letters", "refused, or tried too often", dead), card("Set aside", "inputs that could not be used", bad)));
  async function load() {
    const [letters, aside] = await Promise.all([get("/api/outbox?state=dead&limit=100"), get("/api/set-aside?limit=100")]);
    dead.replaceChildren(letters.sends.length ? table(["When", "Message", "Channel", "Reason", ""], letters.sends.map(letter)) : nothing("None", "Every message found its way, or waits for its turn."));
    bad.replaceChildren(aside.set_aside.length ? table(["When", "Source", "Reason", "What was sent"], aside.set_aside.map(input)) : nothing("None", "Everything that came in could be used."));
  }
  function letter(row) {
    const again = h("button", { class: "button quiet small", type: "button", onclick: retry }, "Try again");
    async function retry() {
      again.disabled = true;
      await post("/api/outbox/retry", { ids: [row.id] });
      await load();
    }
    return h("tr", {}, h("td", { class: "muted" }, time(row.settled_at ?? row.queued_at, ago(row.settled_at ?? row.queued_at))), h("td", {}, h("a", { class: "link", href: `#/profile/${encodeURIComponent(row.profile)}` }, row.effect.message ?? row.effect.kind)), h("td", {}, row.effect.channel ?? row.effect.kind), h("td", {}, row.detail), h("td", {}, again));
  }
  await load();
  return { update: (facts) => facts?.some((fact) => fact.kind === "set_aside" || fact.detail.state === "failed") && load() };
}

function input(row) {
  return h("tr", {}, h("td", { class: "muted" }, time(row.at, ago(row.at))), h("td", {}, row.source), h("td", {}, h("span", { class: "tag bad" }, row.code), h("br"), row.reason), h("td", { class: "mono" }, row.body.length > 300 ? `${row.body.slice(0, 300)}…` : row.body));
}

function table(heads, rows) {
  return h("table", {}, h("thead", {}, h("tr", {}, ...heads.map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, ...rows));
}
