// Goal: before a yes there is no trace; a yes is remembered; a no forgets everything.

import assert from "node:assert/strict";
import { test } from "node:test";
import { SILENCE_MS } from "../src/memory";
import { Server, rest, visit } from "./world";

const gated = { requireConsent: "marketing", flushMs: 5 };
const stored = (window: { localStorage: Storage; document: Document }) => [
  ...Object.keys({ ...window.localStorage }),
  window.document.cookie,
];

test("before consent nothing is stored, sent or asked", async () => {
  const { segue, server, window } = visit(gated, { html: '<p data-segue-placement="a"></p>' });
  segue.track("Early");
  segue.identify("ana");
  await rest(150);
  assert.deepEqual(stored(window), [""]);
  assert.deepEqual(server.seen, []);
});

test("before consent, a page that changes asks for nothing either", async () => {
  const { server, window } = visit(gated, { html: '<p data-segue-placement="a"></p>' });
  window.document.body.append(window.document.createElement("p"));
  await rest(200);
  assert.deepEqual(server.seen, []);
});

test("on consent, what this page said before is sent, with when it was said", async () => {
  const { segue, server } = visit(gated);
  segue.track("Early");
  await rest(40);
  segue.consent({ marketing: true, sale: false });
  await rest(40);
  assert.deepEqual(server.events(), ["page", "Early", "Segment Consent Preference Updated"]);
  const [, early, told] = server.messages() as { timestamp: string; context: unknown }[];
  const when = (message?: { timestamp: string }): number => Date.parse(message?.timestamp ?? "");
  assert.ok(when(told) - when(early) >= 30);
  const { consent } = (told as { context: { consent: unknown } }).context;
  assert.deepEqual(consent, { categoryPreferences: { marketing: true, sale: false } });
});

test("a no forgets what was held, and a later yes still tells of the page", async () => {
  const { segue, server } = visit(gated);
  segue.track("Early");
  segue.consent({ marketing: false });
  segue.track("Late");
  segue.consent(true);
  await rest(40);
  assert.deepEqual(server.events(), ["page", "Late"]);
});

test("a yes of an earlier page counts on the next one", async () => {
  const first = visit(gated);
  first.segue.consent(true);
  await rest(30);
  const kept = { ...first.window.localStorage };
  const next = visit(gated, { kept });
  await rest(30);
  assert.deepEqual(next.server.events(), ["page"]);
});

test("taking consent back is the last thing sent, and leaves no trace", async () => {
  const { segue, server, window } = visit(gated);
  segue.consent({ marketing: true });
  await rest(30);
  segue.consent({ marketing: false });
  await rest(30);
  segue.track("After");
  await rest(40);
  const last = server.messages().at(-1) as { event: string; context: { consent: unknown } };
  assert.equal(last.event, "Segment Consent Preference Updated");
  assert.deepEqual(last.context.consent, { categoryPreferences: { marketing: false } });
  assert.deepEqual(stored(window), [""]);
});

test("nothing is asked after consent was taken back, whatever was under way", async () => {
  const server = new Server();
  const { segue } = visit(gated, { html: '<p data-segue-placement="a"></p>', server });
  const asked = (): number => server.seen.filter(({ path }) => path === "/v1/decide").length;
  segue.consent(true);
  await rest(30);
  // One question is on its way, another is to follow it, events are to leave before both.
  const before = asked();
  segue.track("Late");
  segue.page();
  segue.page();
  segue.consent(false);
  await rest(150);
  assert.equal(asked(), before);
  assert.ok(before > 0);
});

test("reset and another sign-in make a new customer", async () => {
  const { segue } = visit({ page: false });
  const first = segue.ids();
  segue.identify("ana");
  assert.equal(segue.ids().anonymousId, first.anonymousId);
  segue.identify("ben");
  const second = segue.ids();
  assert.notEqual(second.anonymousId, first.anonymousId);
  segue.reset();
  assert.equal(segue.ids().userId, "");
  assert.notEqual(segue.ids().anonymousId, second.anonymousId);
});

test("a session ends with silence, the customer stays", async () => {
  const first = visit({ page: false });
  first.segue.track("One");
  const ids = first.segue.ids();
  const kept = { ...first.window.localStorage };
  assert.equal(visit({ page: false }, { kept }).segue.ids().sessionId, ids.sessionId);
  const old = JSON.parse(kept.segue as string) as { activeAt: number };
  kept.segue = JSON.stringify({ ...old, activeAt: old.activeAt - SILENCE_MS - 1 });
  const later = visit({ page: false }, { kept }).segue.ids();
  assert.equal(later.anonymousId, ids.anonymousId);
  assert.notEqual(later.sessionId, ids.sessionId);
});
