// Goal: of what several tabs say of a customer, what was said last counts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { rest, visit, type World } from "./world";

const kept = ({ window }: World): Record<string, unknown> =>
  JSON.parse(window.localStorage.getItem("segue") ?? "{}") as Record<string, unknown>;

/** Another tab keeps this. */
function writes({ window }: World, newValue: string): void {
  window.localStorage.setItem("segue", newValue);
  window.dispatchEvent(new window.StorageEvent("storage", { key: "segue", newValue }));
}

test("who signed in here stays so when a tab that had not heard writes what it knew", async () => {
  const world = visit({ flushMs: 5 });
  await rest(20);
  const before = JSON.stringify(kept(world));
  world.segue.identify("ana");
  writes(world, before);
  assert.equal(world.segue.ids().userId, "ana");
  assert.equal(kept(world).userId, "ana", "and the other tab is told again");
});

test("who signs in in another tab is known here, and who signs out there is not", async () => {
  const world = visit({ flushMs: 5 });
  world.segue.identify("ana");
  await rest(10);
  const now = kept(world);
  writes(world, JSON.stringify({ ...now, userId: "ben", saidAt: Date.now() }));
  assert.equal(world.segue.ids().userId, "ben");
  writes(world, JSON.stringify({ ...now, anonymousId: "new", userId: "", saidAt: Date.now() }));
  assert.deepEqual([world.segue.ids().anonymousId, world.segue.ids().userId], ["new", ""]);
});

test("a no in this tab is not undone by a tab that had not heard of it", async () => {
  const world = visit({ requireConsent: "marketing", flushMs: 5 });
  world.segue.consent({ marketing: true });
  await rest(30);
  const before = JSON.stringify(kept(world));
  world.segue.consent({ marketing: false });
  await rest(60);
  writes(world, before);
  const asked = world.server.seen.length;
  world.segue.track("After");
  await rest(60);
  assert.equal(world.server.seen.length, asked);
});
