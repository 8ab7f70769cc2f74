// The service worker: shows what was pushed, tells what became of it, keeps the subscription.
//
// A shop's own worker may import this file: pushes that are none of Segue's are left alone.
//
// Rule 1: every push is shown, as browsers demand; the same send shows once (`tag`).
// Rule 2: what could not be told is kept, and told with what comes next or when the line is
//   back. Repeats are harmless: a report only moves a send on.
// Rule 3: only addresses of the web are opened.

import { key, read, tell, traits, write } from "./desk.js";

declare const self: ServiceWorkerGlobalScope;

/** What Segue sends, decrypted by the browser. */
interface Push {
  segue_send?: string;
  tag?: string;
  title?: string;
  body?: string;
  url?: string;
  image?: string;
  icon?: string;
  action?: string;
}

interface Kept {
  segue: string;
  url: string;
}

/** What newer browsers know of notifications, and the types don't yet. */
type Options = NotificationOptions & {
  image?: string | undefined;
  actions?: { action: string; title: string }[];
};

function pushed(data: PushMessageData | null): Push | null {
  try {
    return data?.json() as Push | null;
  } catch {
    return null;
  }
}

async function report(outcome: string, send: string): Promise<void> {
  const ids = (await read())?.ids;
  if (!ids) return;
  const all = await tell({ path: "report", body: { ...ids, send_id: send, outcome } });
  const later = self.registration as unknown as { sync?: { register(tag: string): Promise<void> } };
  if (!all) await later.sync?.register("segue").catch(() => undefined);
}

async function show(push: Push, send: string): Promise<void> {
  const { title = "", body, icon, image, action, tag = send, url = "" } = push;
  const data: Kept = { segue: send, url };
  const options: Options = { body: body ?? "", tag, data };
  if (icon) options.icon = icon;
  if (image) options.image = image;
  if (action) options.actions = [{ action: "open", title: action }];
  await self.registration.showNotification(title, options);
  await report("shown", send);
}

/** A tab that shows the page already, else a new one. */
async function open(url: string): Promise<void> {
  const { href, protocol } = new URL(url, self.registration.scope);
  if (!/^https?:$/.test(protocol)) return;
  const tabs = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const there = tabs.find((tab) => tab.url === href);
  await (there ? there.focus() : self.clients.openWindow(href));
}

/** The push service gave another subscription, or took the old one away. */
async function renew(given: PushSubscription | null | undefined): Promise<void> {
  const desk = await read();
  if (!desk) return;
  const { pushManager } = self.registration;
  const again = async (): Promise<PushSubscription> =>
    pushManager.subscribe({
      userVisibleOnly: true,
      applicationServerKey: await key(desk.host, desk.writeKey),
    });
  const found = given ?? (await again().catch(() => null));
  const token = found ? JSON.stringify(found) : "";
  await write({ ...desk, token, toldAt: Date.now() });
  const said = { type: "identify", ...desk.ids, traits: traits(token) };
  const messageId = `segue-${crypto.randomUUID()}`;
  const timestamp = new Date().toISOString();
  // As history: nobody is at the shop, so no visit begins.
  await tell({ path: "import", body: { batch: [{ ...said, messageId, timestamp }] } });
}

self.addEventListener("push", (event) => {
  const push = pushed(event.data);
  if (push?.segue_send) event.waitUntil(show(push, push.segue_send));
});

self.addEventListener("notificationclick", (event) => {
  const kept = event.notification.data as Kept | null;
  if (!kept?.segue) return;
  event.notification.close();
  event.waitUntil(Promise.allSettled([open(kept.url), report("clicked", kept.segue)]));
});

self.addEventListener("notificationclose", (event) => {
  const kept = event.notification.data as Kept | null;
  if (kept?.segue) event.waitUntil(report("dismissed", kept.segue));
});

self.addEventListener("pushsubscriptionchange", (event) => {
  const change = event as ExtendableEvent & { newSubscription?: PushSubscription | null };
  change.waitUntil(renew(change.newSubscription));
});

self.addEventListener("sync", (event) => {
  const { tag } = event as Event & { tag?: string };
  if (tag === "segue") (event as ExtendableEvent).waitUntil(tell());
});
