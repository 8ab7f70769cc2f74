// The SDK put together: public calls in, messages and questions out.
//
// Rule 1: before consent, where it is required, calls are held in the memory of this page and
//   nowhere else; they are sent on consent and forgotten without it.
// Rule 2: events leave before a question is asked, so that its answer knows of them.

import { complain, guard, listen, tellFailures } from "./guard.js";
import { live } from "./live.js";
import {
  draw,
  KEY,
  memory,
  parsed,
  recall,
  type Preferences,
  type Remembered,
} from "./memory.js";
import { context, pageFields, type Fields } from "./messages.js";
import { complete, type Kind, type Options } from "./options.js";
import { outbox, post } from "./outbox.js";
import { placements } from "./placements.js";
import type { PushOptions, PushState } from "./push.js";
import type { Signals } from "./signals.js";

/** Calls held before consent; beyond, the oldest give way. */
const HELD_MAX = 100;

/** What a page can say and ask. */
export interface Segue {
  page: (name?: string | Fields, fields?: Fields) => void;
  track: (event: string, fields?: Fields) => void;
  identify: (userId?: string | number | Fields | null, traits?: Fields) => void;
  alias: (userId: string | number, previousId?: string | number) => void;
  group: (groupId: string | number, traits?: Fields) => void;
  /** Whether, or to which categories, the customer consents. */
  consent: (given: boolean | Preferences) => void;
  /** The customer signs out: somebody new may follow. */
  reset: () => void;
  /** Name a placement that needs no element of the page, and ask what belongs there. */
  place: (name: string, kind?: Kind) => void;
  /** Ask again what belongs on this page. */
  decide: () => void;
  /** Send what waits; the promise ends when it is durable or has to be tried again later. */
  flush: () => Promise<void>;
  ids: () => { anonymousId: string; userId: string; sessionId: string };
  /** Push to this browser. `subscribe` asks the customer: call it when they pressed something. */
  push: {
    subscribe: (how?: PushOptions) => Promise<PushState>;
    unsubscribe: () => Promise<PushState>;
    state: () => Promise<PushState>;
  };
}

/** What only some pages need. */
interface Parts {
  push: typeof import("./push.js");
  signals: typeof import("./signals.js");
}

/** Loads a part from Segue, or wherever the page has it. */
export type Load = <Name extends keyof Parts>(host: string, name: Name) => Promise<Parts[Name]>;

type Part = (
  name: "subscribe" | "state" | "forget" | "look",
  how?: PushOptions,
  asked?: Promise<NotificationPermission>,
) => Promise<PushState>;

/** The same calls, guarded. */
function guardAll<T extends object>(calls: T): T {
  const guarded = Object.entries(calls).map(([name, call]) => [
    name,
    guard(call as (...a: unknown[]) => unknown),
  ]);
  return Object.fromEntries(guarded) as T;
}

export function createSegue(given: Partial<Options>, load: Load): Segue {
  const options = complete(given);
  tellFailures(options.debug);
  const remembered = memory(options);
  let allowed = false;
  let held: (() => void)[] = [];

  const box = outbox(options, () => line.nudge());
  const permitted = (work: () => void): void => {
    if (allowed) work();
    else held = [...held, work].slice(-HELD_MAX);
  };

  /** Send a message; `more` is what it says besides what all messages say. */
  const send = (type: string, more: () => Fields | void): void => {
    const timestamp = new Date().toISOString();
    const around = context();
    permitted(() => {
      remembered.touch();
      const said = more();
      const { sessionId, groupId, consent: preferences } = remembered.now;
      box.add({
        type,
        messageId: `segue-${draw()}`,
        timestamp,
        context: {
          ...around,
          sessionId,
          groupId: groupId || undefined,
          consent: preferences ? { categoryPreferences: preferences } : undefined,
        },
        ...who(),
        ...said,
      });
    });
  };

  const track = (event: string, properties: Fields = {}): void => {
    send("track", () => {
      watch.heard(event);
      return { event, properties };
    });
  };

  /** The ids that the live line listens for; empty while it is not wanted. */
  let heard = "";
  const who = (): Record<string, string> => {
    remembered.save();
    const { anonymousId, userId } = remembered.now;
    return userId ? { anonymousId, userId } : { anonymousId };
  };

  const spots = placements(
    options,
    async (names) => {
      // Asked here, where it would leave: a page may change before a yes, and an answer, a
      // retry or a flush may end after a no.
      if (allowed) await box.flush();
      if (!allowed) return;
      const { writeKey } = options;
      const asked = { writeKey, ...who(), placements: names, context: context() };
      const ids = JSON.stringify(who());
      if (ids !== heard) {
        heard = ids;
        line.start();
      }
      return post(`${options.host}/v1/decide`, JSON.stringify(asked));
    },
    (outcome, fields) => {
      track(`Message ${outcome}`, fields);
      // A click may lead away: what it says leaves at once, and survives the page.
      if (outcome !== "Shown") void box.flush();
    },
  );
  /** What was tracked before the part that listens for it was there. */
  const early: string[] = [];
  let watch: Signals = { turn: () => undefined, heard: (event) => void early.push(event) };
  const { decide } = spots;
  const line = live(options, who, decide, spots.withdraw);

  const reports = options.page && !options.beside;
  const page = (name?: string | Fields, fields?: Fields): void => {
    const more = typeof name === "object" ? name : fields;
    const properties = { ...pageFields(), ...more };
    const called = typeof name === "string" ? name : undefined;
    send("page", () => ({ name: called, properties }));
    watch.turn();
    decide();
  };

  const identify: Segue["identify"] = (userId, traits) => {
    const alone = userId && typeof userId === "object";
    const named = alone ? "" : String(userId ?? "");
    const said = alone ? userId : (traits ?? {});
    send("identify", () => {
      const { now } = remembered;
      // Somebody else signs in on this device: the two are never one customer.
      const other = named && now.userId && now.userId !== named;
      if (other) {
        void unsubscribe();
        remembered.renew();
      }
      remembered.say(named ? { userId: named } : {});
      return { traits: said };
    });
    permitted(decide);
  };

  const pushed = {
    options,
    who,
    say(traits: Fields) {
      remembered.say({ push: !traits.$unset });
      identify(null, traits);
    },
  };
  /** Do it in the part for push, which is loaded now. */
  const part: Part = (name, ...given) =>
    load(options.host, "push")
      .then((loaded) => loaded[name](pushed, ...given))
      .catch(() => "unavailable");
  /** Notifications are for one customer: the next one asks for their own. */
  const unsubscribe = (): Promise<PushState> | undefined => {
    if (!remembered.now.push) return;
    pushed.say({ $unset: ["push_token"] });
    return part("forget");
  };

  let watched = false;
  const opens = (): void => {
    allowed = true;
    remembered.open();
    box.open();
    const calls = held;
    held = [];
    calls.forEach((call) => call());
    decide();
    if (remembered.now.push) void part("look");
    if (options.signals.length && !watched) {
      watched = true;
      void load(options.host, "signals")
        .then(({ signals }) => (watch = signals(options, track, early)))
        .catch(complain);
    }
  };

  /** Whether what the customer said covers what this page asks for. */
  const covers = (preferences: Preferences | null): boolean => {
    const needed = options.requireConsent;
    if (!needed) return true;
    if (typeof needed === "string") return !!preferences?.[needed];
    return !!preferences && Object.values(preferences).some(Boolean);
  };

  const consent = (said: boolean | Preferences): void => {
    const plain = typeof said === "boolean";
    const needed = options.requireConsent;
    const preferences = plain ? { [typeof needed === "string" ? needed : "all"]: said } : said;
    const may = covers(preferences);
    if (may && !allowed) opens();
    if (allowed) {
      remembered.say({ consent: preferences });
      // A yes or no to this page alone is no topic; categories are, on every channel.
      if (!plain) track("Segment Consent Preference Updated");
    }
    if (!may) closes();
  };

  /** No more: what was still allowed to be said is sent, then all is forgotten. */
  const closes = (): void => {
    held = [];
    watch.heard("Cart Cleared");
    void unsubscribe();
    const before = allowed;
    allowed = false;
    // A later yes is a yes to being seen on this page.
    if (reports) page();
    if (!before) return;
    heard = "";
    line.stop();
    spots.clear();
    void box.flush().finally(() => {
      if (allowed) return;
      box.wipe();
      remembered.wipe();
    });
  };

  /** What the browser keeps now: another tab learned who this is, or was told yes or no. */
  const learn = (text: string | null): void => {
    const said = parsed(text) as Remembered | null;
    if (!said) {
      if (!allowed || !options.requireConsent) return;
      remembered.wipe();
      closes();
      return;
    }
    // That tab had not heard yet what was said in this one: it is told again.
    if (said.saidAt < remembered.now.saidAt) return remembered.save();
    Object.assign(remembered.now, said);
    if (!allowed && covers(said.consent)) opens();
    else if (JSON.stringify(who()) !== heard) decide();
  };
  listen<StorageEvent>(window, "storage", ({ key, newValue }) => {
    if (key === KEY) learn(newValue);
  });

  /** Single-page navigation: another path is another page. */
  let path = location.pathname + location.search;
  const moved = (): void => {
    const now = location.pathname + location.search;
    if (now === path) return;
    path = now;
    if (reports) page();
    else decide();
  };
  const push = history.pushState;
  history.pushState = function (...state) {
    push.apply(history, state);
    // Later: the page has its title and its slots by then, and its error is its own.
    setTimeout(guard(moved));
  };
  listen(window, "popstate", moved);
  listen(window, "pagehide", () => {
    box.leave();
    line.stop();
  });
  listen<PageTransitionEvent>(window, "pageshow", (event) => {
    // Come back to, as it was left: that is another view of it, perhaps by somebody else.
    if (!event.persisted) return;
    learn(recall(KEY));
    if (heard) line.start();
    if (reports) page();
    else decide();
  });
  listen(document, "visibilitychange", () => {
    void box.flush();
    if (heard) line.start();
  });

  const start = (): void => {
    if (reports) page();
    if (!options.requireConsent || covers(remembered.allowed())) opens();
  };

  const api: Omit<Segue, "push"> = {
    page,
    track,
    identify,
    alias: (userId, previousId) =>
      send("alias", () => {
        const { userId: user, anonymousId } = remembered.now;
        const before = String(previousId ?? "") || user || anonymousId;
        remembered.say({ userId: String(userId) });
        return { userId: String(userId), previousId: before };
      }),
    group: (groupId, traits = {}) =>
      send("group", () => {
        remembered.say({ groupId: String(groupId) });
        return { groupId: String(groupId), traits };
      }),
    consent,
    reset: () =>
      permitted(() => {
        void unsubscribe();
        spots.clear();
        remembered.renew();
        decide();
      }),
    place(name, kind) {
      spots.add(name, kind);
      decide();
    },
    decide,
    flush: () => box.flush(),
    ids: () => ({ ...remembered.now }),
  };
  const notifications: Segue["push"] = {
    // At once: browsers let a page ask for a moment after the customer pressed something.
    subscribe: async (how) =>
      allowed ? part("subscribe", how, window.Notification?.requestPermission()) : "unavailable",
    unsubscribe: async () => unsubscribe() ?? part("state"),
    state: () => part("state"),
  };
  guard(start)();
  return { ...guardAll(api), push: guardAll(notifications) };
}
