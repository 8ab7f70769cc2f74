// The open page hears that something changed for it: that it should ask again, or that an
// offer was withdrawn. Nothing else is said over this line.
//
// Rule 1: only a visible page listens: browsers allow six streams per host, tabs are many.
// Rule 2: where streams are not let through (a proxy, a policy), the page asks now and then.

import { guard, later, listen } from "./guard.js";
import type { Options } from "./options.js";
import { parsed } from "./memory.js";

/** Times that the stream may break before the page polls instead. */
const BREAKS_MAX = 3;
const POLL_MS = 10_000;
const POLL_MS_MAX = 120_000;

interface Polled {
  cursor?: string;
  decide?: boolean;
  withdrawn?: string[];
}

export interface Live {
  /** Listen for this customer; also after the ids changed. `asked` is when the page asked. */
  start: () => void;
  stop: () => void;
  /** Something was sent: what it changes may be known by now. */
  nudge: () => void;
}

export function live(
  options: Options,
  ids: () => Record<string, string>,
  decide: () => void,
  withdraw: (id: string) => void,
): Live {
  let mode = options.live;
  let source: EventSource | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let cursor = "";
  let breaks = 0;
  let wanted = false;

  const url = (path: string): string =>
    `${options.host}/v1/${path}?` +
    new URLSearchParams({ writeKey: options.writeKey, ...ids(), after: cursor }).toString();

  const poll = async (pause = POLL_MS): Promise<void> => {
    clearTimeout(timer);
    const asked = url("poll");
    try {
      const answer = await fetch(asked, { credentials: "omit" });
      const told = (await answer.json()) as Polled;
      pause = answer.ok ? POLL_MS : pause * 2;
      cursor = told.cursor ?? cursor;
      told.withdrawn?.forEach(withdraw);
      if (told.decide) decide();
    } catch {
      pause *= 2;
    }
    pause = Math.min(POLL_MS_MAX, pause);
    clearTimeout(timer);
    if (wanted) timer = later(() => void poll(pause), pause);
  };

  const connect = (): void => {
    if (mode === "off") return;
    if (mode === "poll") {
      void poll();
      return;
    }
    source = new EventSource(url("live"));
    const heard = (name: string, work: (text: string) => void): void => {
      listen<MessageEvent<string>>(source as EventSource, name, (event) => {
        breaks = 0;
        cursor = event.lastEventId || cursor;
        work(event.data);
      });
    };
    heard("hello", () => undefined);
    heard("decide", decide);
    heard("withdraw", (text) => {
      const { id } = (parsed(text) ?? {}) as { id?: string };
      if (id) withdraw(id);
    });
    source.onerror = guard(() => {
      breaks += 1;
      // CLOSED: it was refused. A stream that only breaks is taken up again by the browser.
      if (source?.readyState === 2 || breaks > BREAKS_MAX) {
        source?.close();
        mode = "poll";
        if (wanted) void poll();
      }
    });
  };

  const stop = (): void => {
    wanted = false;
    source?.close();
    clearTimeout(timer);
  };

  return {
    start() {
      stop();
      wanted = document.visibilityState !== "hidden";
      if (wanted) connect();
    },
    stop,
    nudge() {
      if (!wanted) return;
      if (mode === "off") decide();
      if (mode === "poll") void poll();
    },
  };
}
