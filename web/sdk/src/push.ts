// Push to this browser. The page loads this part only when a shop asks for it, or where the
// customer has said yes before.
//
// Rule 1: permission is asked for in `subscribe` alone, which a shop calls when the customer
//   pressed something: never on arrival.
// Rule 2: a subscription belongs to one customer: the trait `push_token` says so, and it is
//   taken back when they sign out, take back their consent or the permission.
// Rule 3: at most once a day it is looked whether the subscription is still the one that Segue
//   knows, made for the key that it signs with; else it is renewed without asking again.

import { clear, key, read, traits, write } from "./desk.js";
import type { Fields } from "./messages.js";
import type { Options } from "./options.js";

const DAY_MS = 86_400_000;

/**
 * `on`: notifications arrive; `off`: they don't, and may be asked for; `blocked`: the customer
 * said no; `unsupported`: this browser has none; `unavailable`: not now (no consent, no key, no
 * push service).
 */
export type PushState = "on" | "off" | "blocked" | "unsupported" | "unavailable";

export interface PushOptions {
  /** The service worker's file, on the shop's own origin. */
  worker?: string;
  /** The pages that it is for; the folder of its file if nothing is said. */
  scope?: string;
}

/** What the page lends to this part. */
export interface Page {
  options: Options;
  who: () => Record<string, string>;
  /** Say to Segue where notifications go, or that they go nowhere. */
  say: (traits: Fields) => void;
}

const capable = (): boolean =>
  "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;

/** The worker must run before a browser gives a subscription. */
async function running(registration: ServiceWorkerRegistration): Promise<void> {
  const worker = registration.active ?? registration.waiting ?? registration.installing;
  if (!worker || worker.state === "activated") return;
  await new Promise<void>((done, failed) => {
    worker.addEventListener("statechange", () => {
      if (worker.state === "activated") done();
      if (worker.state === "redundant") failed(new Error("the service worker failed"));
    });
  });
}

/** Whether a subscription was made for this key. */
function bound(subscription: PushSubscription, to: string): boolean {
  const bytes = new Uint8Array(subscription.options.applicationServerKey ?? new ArrayBuffer(0));
  const text = btoa(String.fromCharCode(...bytes));
  return text.replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "") === to;
}

async function subscribed(page: Page, how: PushOptions): Promise<PushState> {
  const { host, writeKey } = page.options;
  const wanted = await key(host, writeKey);
  if (!wanted) return "unavailable";
  const worker = how.worker ?? "/segue-sw.js";
  const scoped = how.scope ? { scope: how.scope } : {};
  const registration = await navigator.serviceWorker.register(worker, scoped);
  await running(registration);
  const { pushManager, scope } = registration;
  let found = await pushManager.getSubscription();
  if (found && !bound(found, wanted)) {
    await found.unsubscribe();
    found = null;
  }
  found ??= await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: wanted });
  const token = JSON.stringify(found);
  const kept = (await read())?.kept ?? [];
  const ids = page.who();
  await write({ host, writeKey, ids, worker, scope, token, toldAt: Date.now(), kept });
  page.say(traits(token));
  return "on";
}

/** Subscribe, after the customer was asked; `asked` is what the browser says they answered. */
export async function subscribe(
  page: Page,
  how: PushOptions = {},
  asked?: Promise<NotificationPermission>,
): Promise<PushState> {
  if (!capable()) return "unsupported";
  const answer = await asked;
  if (answer !== "granted") return answer === "denied" ? "blocked" : "off";
  return subscribed(page, how).catch(() => "unavailable");
}

/** How it stands; asks nobody. */
export async function state(): Promise<PushState> {
  if (!capable()) return "unsupported";
  if (Notification.permission === "denied") return "blocked";
  const desk = await read();
  const registration = desk && (await navigator.serviceWorker.getRegistration(desk.scope));
  return (await registration?.pushManager.getSubscription()) ? "on" : "off";
}

/** No notifications any more; `say` was already said where the customer is somebody else now. */
export async function forget(): Promise<PushState> {
  const desk = await read();
  const registration = desk && (await navigator.serviceWorker.getRegistration(desk.scope));
  await (await registration?.pushManager.getSubscription())?.unsubscribe();
  await clear();
  return state();
}

/** A later page of somebody who subscribed: renew what was lost, retire what was taken back. */
export async function look(page: Page): Promise<PushState> {
  const desk = await read();
  if (!desk || Notification.permission !== "granted") {
    page.say(traits(""));
    await clear();
    return state();
  }
  const registration = await navigator.serviceWorker.getRegistration(desk.scope);
  const found = await registration?.pushManager.getSubscription();
  const same = found && JSON.stringify(found) === desk.token;
  return same && Date.now() - desk.toldAt < DAY_MS ? "on" : subscribed(page, desk);
}
