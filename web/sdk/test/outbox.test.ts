// Goal: what a page says arrives once it can, in order, and never at the page's expense.

import assert from "node:assert/strict";
import { test } from "node:test";
import { WAITING_MAX } from "../src/outbox";
import { rest, Server, visit } from "./world";

const quick = { page: false, flushMs: 5 };

test("calls are gathered into one request in Segment's words", async () => {
  const { segue, server } = visit({ flushMs: 5 });
  segue.identify("ana", { plan: "pro" });
  segue.track("Product Added", { price: 9 });
  segue.group("acct-1", { name: "Initech" });
  segue.alias("ana-2");
  await rest(40);
  assert.deepEqual(server.events(), ["page", "identify", "Product Added", "group", "alias"]);
  const [page, , added, group, alias] = server.messages() as Record<string, never>[];
  assert.equal(server.seen.filter(({ path }) => path === "/v1/batch").length, 1);
  assert.ok(server.seen[0]?.body.sentAt);
  const context = added?.context as unknown as Record<string, Record<string, unknown>>;
  assert.deepEqual(context.campaign, { source: "news", name: "autumn" });
  assert.equal(context.page?.path, "/products/1");
  assert.ok(context.userAgent && context.locale && context.timezone && context.sessionId);
  assert.equal(context.library?.name, "segue.js");
  assert.equal(added?.userId, "ana");
  assert.equal(added?.anonymousId, page?.anonymousId);
  assert.equal(group?.groupId, "acct-1");
  assert.deepEqual([alias?.userId, alias?.previousId], ["ana-2", "ana"]);
  assert.equal(new Set(server.messages().map(({ messageId }) => messageId)).size, 5);
});

test("a server in trouble is asked again later, with the same messages", async () => {
  const server = new Server();
  server.script = [{ status: 503 }, { status: 0 }];
  const { segue } = visit(quick, { server });
  segue.track("One");
  await rest(3500);
  assert.deepEqual(server.events(), ["One", "One", "One"]);
  assert.equal(new Set(server.messages().map(({ messageId }) => messageId)).size, 1);
  const sent = server.seen.map(({ body }) => body.sentAt);
  assert.notEqual(sent[0], sent[2]);
});

test("Retry-After is heeded", async () => {
  const server = new Server();
  server.script = [{ status: 429, retryAfter: 2 }];
  const { segue } = visit(quick, { server });
  segue.track("One");
  await rest(1500);
  segue.track("Two");
  assert.deepEqual(server.events(), ["One"]);
  await rest(900);
  assert.deepEqual(server.events(), ["One", "One", "Two"]);
});

test("what can't be used is dropped, and what follows is sent", async () => {
  const server = new Server();
  server.script = [{ status: 400 }];
  const { segue } = visit(quick, { server });
  segue.track("Bad");
  await rest(30);
  segue.track("Good");
  await rest(30);
  assert.deepEqual(server.events(), ["Bad", "Good"]);
});

test("what was not sent is kept, and the next page sends it", async () => {
  const server = new Server();
  server.script = [{ status: 0 }];
  const first = visit(quick, { server });
  first.segue.track("Said Offline");
  await rest(30);
  const kept = { ...first.window.localStorage };
  assert.equal(Object.keys(kept).filter((key) => key.startsWith("segue.q.")).length, 1);
  const next = visit(quick, { kept });
  next.segue.track("Said After");
  await next.segue.flush();
  await rest(30);
  assert.deepEqual(next.server.events(), ["Said Offline", "Said After"]);
  assert.equal(Object.keys({ ...next.window.localStorage }).length, 1);
});

test("garbage in the storage is no error", async () => {
  const kept = { segue: "{", "segue.q.x": "[1, null, {}]", "segue.q.y": '"a"' };
  const { segue, server } = visit(quick, { kept });
  segue.track("One");
  await rest(30);
  assert.deepEqual(server.events(), ["One"]);
});

test("the queue is bounded: the oldest give way", async () => {
  const server = new Server();
  server.script = [{ status: 0 }];
  const { segue, window } = visit(quick, { server });
  segue.track("First");
  await rest(30);
  for (let n = 0; n < WAITING_MAX + 20; n += 1) segue.track(`Later ${n}`);
  const key = Object.keys({ ...window.localStorage }).find((name) => name.startsWith("segue.q."));
  const text = window.localStorage.getItem(key as string) as string;
  const kept = JSON.parse(text) as { event: string }[];
  assert.equal(kept.length, WAITING_MAX);
  assert.equal(kept[0]?.event, "Later 20");
});

test("large messages leave in requests that a leaving page may send", async () => {
  const { segue, server } = visit(quick);
  for (let n = 0; n < 8; n += 1) segue.track(`Large ${n}`, { text: "ä".repeat(9_000) });
  await rest(60);
  const sizes = server.seen.map(({ body }) => new Blob([JSON.stringify(body)]).size);
  assert.ok(sizes.length > 1 && Math.max(...sizes) < 64 * 1024, String(sizes));
  assert.equal(server.messages().length, 8);
});

test("a leaving page hands over what waits", async () => {
  const { segue, window, beacons, server } = visit({ page: false, flushMs: 1000 });
  segue.track("Left");
  window.dispatchEvent(new window.Event("pagehide"));
  assert.equal(beacons.length, 1);
  assert.match(beacons[0] as string, /"Left"/);
  await segue.flush();
  assert.deepEqual(server.events(), []);
});

test("a browser that forbids storage is no error", async () => {
  const { segue, server, window } = visit(quick);
  const refuse = (): never => {
    throw new window.DOMException("denied", "SecurityError");
  };
  Object.defineProperty(window.Storage.prototype, "setItem", { value: refuse });
  Object.defineProperty(window.Storage.prototype, "getItem", { value: refuse });
  segue.track("One");
  await rest(30);
  assert.deepEqual(server.events(), ["One"]);
});

test("nothing that a page passes in makes a call throw", async () => {
  const { segue, server } = visit(quick);
  const loop: Record<string, unknown> = {};
  loop.self = loop;
  assert.doesNotThrow(() => segue.track("Loop", loop));
  assert.doesNotThrow(() => (segue.track as (...given: unknown[]) => void)());
  assert.doesNotThrow(() => (segue.identify as (...given: unknown[]) => void)(null, null));
  segue.track("Fine");
  await rest(60);
  assert.ok(server.events().includes("Fine"), String(server.events()));
});
