// Events on their way: gathered, sent in order, kept until they are durable over there.
//
// Rule 1: a message leaves the outbox when Segue answered for it (200: it is durable; 4xx: it
//   can't be used), never before. Repeats are harmless: `messageId` makes each count once.
// Rule 2: 429, 5xx and a broken line are tried again, with growing pauses, `Retry-After` heeded.
// Rule 3: what waits is kept in the browser under a name of this tab; the next page takes over
//   whatever any tab left. The bound is WAITING_MAX: the oldest give way.

import { complain, guard, later, listen } from "./guard.js";
import { draw, keep, parsed, recall } from "./memory.js";
import type { Options } from "./options.js";

/** Messages that wait; beyond, the oldest give way. */
export const WAITING_MAX = 500;
/** Messages in one request. */
export const BATCH_MAX = 100;
/** Bytes in one request: what browsers let a leaving page send. */
export const BATCH_BYTES_MAX = 60_000;
const PAUSE_MAX_MS = 60_000;
const SHELF = "segue.q.";

/** A message in Segment's words. */
export type Message = Record<string, unknown> & { messageId: string };

/** What a request came to: its status (0: it never got there) and the answer. */
export interface Reply {
  status: number;
  body: unknown;
  /** Seconds, as `Retry-After` says. */
  pause: number;
}

/** Post, as a simple request: no preflight, no cookie. */
export async function post(url: string, body: string, keepalive = false): Promise<Reply> {
  try {
    const answer = await fetch(url, {
      method: "POST",
      body,
      keepalive,
      credentials: "omit",
      headers: { "Content-Type": "text/plain" },
    });
    const text = await answer.text();
    const pause = Number(answer.headers.get("Retry-After")) || 0;
    return { status: answer.status, body: parsed(text), pause };
  } catch {
    return { status: 0, body: null, pause: 0 };
  }
}

/** Whether the same request may succeed later. */
export function mayPass(status: number): boolean {
  return status === 0 || status === 429 || status >= 500;
}

export interface Outbox {
  add: (message: Message) => void;
  /** Send all that waits; ends when it is durable, or has to be tried again later. */
  flush: () => Promise<void>;
  /** The page goes away: hand what waits to the browser. */
  leave: () => void;
  /** From now on, keep what waits in the browser, and take over what other pages left. */
  open: () => void;
  wipe: () => void;
}

export function outbox(options: Options, sent: () => void): Outbox {
  const shelf = SHELF + draw();
  let waiting: Message[] = [];
  let opened = false;
  let failures = 0;
  let blocked = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let sending: Promise<void> | undefined;

  const store = (): void => {
    if (!opened) return;
    let kept = waiting;
    // Where the browser's room is used up, what is newest matters most for what happens next.
    while (!keep(shelf, kept.length ? JSON.stringify(kept) : null) && kept.length) {
      kept = kept.slice(Math.ceil(kept.length / 2));
    }
  };

  const parcel = (): Message[] => {
    const batch: Message[] = [];
    let bytes = 0;
    for (const message of waiting.slice(0, BATCH_MAX)) {
      bytes += new Blob([JSON.stringify(message)]).size + 1;
      if (batch.length && bytes > BATCH_BYTES_MAX) break;
      batch.push(message);
    }
    return batch;
  };

  const body = (batch: Message[]): string =>
    JSON.stringify({ writeKey: options.writeKey, sentAt: new Date().toISOString(), batch });

  const done = (batch: Message[]): void => {
    const gone = new Set(batch.map((message) => message.messageId));
    waiting = waiting.filter((message) => !gone.has(message.messageId));
    store();
  };

  const schedule = (ms: number): void => {
    clearTimeout(timer);
    timer = later(() => {
      blocked = false;
      void self.flush();
    }, ms);
  };

  const send = async (): Promise<void> => {
    while (waiting.length && opened) {
      const batch = parcel();
      const text = body(batch);
      const survives = text.length < BATCH_BYTES_MAX / 3;
      const answer = await post(`${options.host}/v1/batch`, text, survives);
      if (mayPass(answer.status)) {
        failures += 1;
        blocked = true;
        const pause = Math.min(PAUSE_MAX_MS, 500 * 2 ** failures) * (0.5 + Math.random() / 2);
        schedule(Math.max(pause, answer.pause * 1000));
        return;
      }
      if (answer.status >= 400) complain(answer.body);
      failures = 0;
      done(batch);
      sent();
    }
  };

  const self: Outbox = {
    add(message) {
      // As it is now: what can't be written down fails here and alone.
      waiting.push(JSON.parse(JSON.stringify(message)) as Message);
      if (waiting.length > WAITING_MAX) waiting = waiting.slice(-WAITING_MAX);
      store();
      if (!blocked) schedule(options.flushMs);
    },
    flush() {
      if (sending || blocked || !opened) return sending ?? Promise.resolve();
      clearTimeout(timer);
      sending = send().finally(() => {
        sending = undefined;
      });
      return sending;
    },
    leave() {
      // Without a line, the browser would drop it: it stays on the shelf for the next page.
      while (waiting.length && opened && navigator.onLine) {
        const batch = parcel();
        if (!navigator.sendBeacon(`${options.host}/v1/batch`, body(batch))) return;
        done(batch);
      }
    },
    open() {
      opened = true;
      guard(() => {
        for (const key of Object.keys(localStorage)) {
          if (!key.startsWith(SHELF) || key === shelf) continue;
          const left = parsed(recall(key));
          keep(key, null);
          if (Array.isArray(left)) waiting = [...(left as Message[]), ...waiting];
        }
      })();
      waiting = waiting.filter((message) => message?.messageId).slice(-WAITING_MAX);
      store();
    },
    wipe() {
      clearTimeout(timer);
      waiting = [];
      store();
      opened = false;
    },
  };

  listen(window, "online", () => {
    blocked = false;
    void self.flush();
  });
  return self;
}
