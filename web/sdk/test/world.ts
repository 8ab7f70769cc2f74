// A page in jsdom, and a Segue that answers as the test says.

import { JSDOM } from "jsdom";
import { createSegue, type Load, type Segue } from "../src/client";
import * as push from "../src/push";
import * as signals from "../src/signals";
import type { Options } from "../src/options";

const load = ((_host, name) => Promise.resolve({ push, signals }[name])) as Load;

/** What Segue was asked, and is to answer. */
export class Server {
  seen: { path: string; body: Record<string, unknown>; keepalive: boolean }[] = [];
  /** Statuses of the next answers to /v1/batch; 0 breaks the line. */
  script: { status: number; retryAfter?: number }[] = [];
  offers: Record<string, unknown> = {};

  fetch = async (url: string, init: RequestInit = {}): Promise<Response> => {
    const { pathname } = new URL(url);
    const body = JSON.parse(String(init.body ?? "{}")) as Record<string, unknown>;
    this.seen.push({ path: pathname, body, keepalive: init.keepalive === true });
    if (pathname === "/v1/batch") {
      const { status, retryAfter } = this.script.shift() ?? { status: 200 };
      if (status === 0) throw new TypeError("the line is broken");
      const headers = retryAfter ? { "Retry-After": String(retryAfter) } : {};
      return new Response('{"success": true}', { status, headers });
    }
    const asked = (body.placements ?? []) as string[];
    const placements = Object.fromEntries(asked.map((name) => [name, this.offers[name] ?? null]));
    return new Response(JSON.stringify({ decision_id: "d", placements }));
  };

  /** Messages that were accepted or sent again, in order. */
  messages(): Record<string, unknown>[] {
    return this.seen
      .filter(({ path }) => path === "/v1/batch")
      .flatMap(({ body }) => body.batch as Record<string, unknown>[]);
  }

  events(): unknown[] {
    return this.messages().map(({ type, event }) => event ?? type);
  }
}

export interface World {
  segue: Segue;
  server: Server;
  window: JSDOM["window"];
  beacons: string[];
}

const NAMES =
  "window document location history localStorage navigator MutationObserver CustomEvent " +
  "DOMParser HTMLAnchorElement Blob Element Event KeyboardEvent MouseEvent getComputedStyle";

const realTimeout = globalThis.setTimeout;
let opened = 0;

/** Open a page, and leave the one before: its timers are over.
 * `kept` is what the browser's storage held before. */
export function visit(
  given: Partial<Options> = {},
  { html = "", kept = {}, server = new Server() }: Visit = {},
): World {
  const dom = new JSDOM(`<!doctype html><body>${html}</body>`, {
    url: "https://shop.example/products/1?utm_source=news&utm_campaign=autumn",
    pretendToBeVisual: true,
  });
  const { window } = dom;
  for (const [key, text] of Object.entries(kept)) window.localStorage.setItem(key, text);
  for (const name of NAMES.split(" ")) {
    const value = (window as unknown as Record<string, unknown>)[name];
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
  const mine = ++opened;
  const timeout = (work: () => void, ms?: number) =>
    realTimeout(() => (mine === opened ? work() : undefined), ms);
  Object.assign(globalThis, { setTimeout: timeout });
  const beacons: string[] = [];
  window.navigator.sendBeacon = (_url, body) => beacons.push(String(body)) > 0;
  missing(window);
  Object.assign(globalThis, { fetch: server.fetch });
  const options = { writeKey: "wk", host: "https://segue.example/", live: "off" as const };
  return { segue: createSegue({ ...options, ...given }, load), server, window, beacons };
}

export interface Visit {
  html?: string;
  kept?: Record<string, string>;
  server?: Server;
}

/** What jsdom does not have, as far as it is asked here. */
function missing(window: JSDOM["window"]): void {
  const dialog = window.HTMLDialogElement.prototype;
  dialog.showModal = function () {
    this.setAttribute("open", "");
  };
  dialog.close = function () {
    this.removeAttribute("open");
    this.dispatchEvent(new window.Event("close"));
  };
  class Sheet {
    replaceSync(): void {}
  }
  class Seen {
    constructor(private readonly seen: (entries: { isIntersecting: boolean }[]) => void) {}
    observe(): void {
      this.seen([{ isIntersecting: true }]);
    }
    disconnect(): void {}
  }
  Object.defineProperty(window.document, "adoptedStyleSheets", { value: [], writable: true });
  Object.assign(window, { IntersectionObserver: Seen });
  Object.assign(globalThis, { CSSStyleSheet: Sheet, IntersectionObserver: Seen });
}

/** Let timers of this length and all that follows from them pass. */
export function rest(ms = 20): Promise<void> {
  return new Promise((resolve) => realTimeout(resolve, ms));
}

export function offer(id: string, fields: Record<string, string>, more = {}): unknown {
  const expires_at = new Date(Date.now() + 60_000).toISOString();
  return { id, message: `about-${id}`, channel: "web", fields, expires_at, again: false, ...more };
}
