// What the browser remembers: who this is, since when, and what was allowed.
//
// Rule 1: nothing is read or written until `open`: before consent there is no trace.
// Rule 2: a browser that forbids storage is no error; the page is then remembered while it lasts.
// Rule 3: of what two tabs keep, what was said last counts: a tab writes what it knows before it
// hears of the other's.

import type { Options } from "./options.js";

export const KEY = "segue";
const COOKIE = "segue_anonymous_id";
const YEAR_S = 31_536_000;

/** A session ends after this much silence. */
export const SILENCE_MS = 1_800_000;

/** Categories of consent, as the shop names them. */
export type Preferences = Record<string, boolean>;

export interface Remembered {
  anonymousId: string;
  userId: string;
  groupId: string;
  sessionId: string;
  /** When this browser was last active, for the end of the session. */
  activeAt: number;
  consent: Preferences | null;
  /** Whether notifications were asked for, here and by this customer. */
  push: boolean;
  /** When something of this was said, but for `activeAt`. */
  saidAt: number;
}

/** An id that nobody else draws. */
export function draw(): string {
  // Not randomUUID: it exists on https and localhost only, and shops are tried out elsewhere, too.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Read what is kept under a name; nothing where storage is forbidden. */
export function recall(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

/** Keep a text under a name, or forget it; says whether that worked. */
export function keep(key: string, text: string | null): boolean {
  try {
    if (text === null) localStorage.removeItem(key);
    else localStorage.setItem(key, text);
    return true;
  } catch {
    return false;
  }
}

/** A JSON value, or nothing where it is none. */
export function parsed(text: string | null): unknown {
  try {
    return JSON.parse(text as string) as unknown;
  } catch {
    return null;
  }
}

function cookie(): string | undefined {
  return new RegExp(`\\b${COOKIE}=(\\w+)`).exec(document.cookie)?.[1];
}

export interface Memory {
  now: Remembered;
  open: () => void;
  /** What this browser's customer allowed on an earlier page; kept only if it was a yes. */
  allowed: () => Preferences | null;
  save: () => void;
  /** Something new was said of this customer. */
  say: (news: Partial<Remembered>) => void;
  /** Become somebody else: a new anonymous id, no user, a new session. */
  renew: () => void;
  /** Forget everything, here and in the browser. */
  wipe: () => void;
  /** Something happened: begins a new session if the last one ended. */
  touch: () => void;
}

export function memory(options: Options): Memory {
  const blank = (): Remembered => ({
    anonymousId: draw(),
    userId: "",
    groupId: "",
    sessionId: draw(),
    activeAt: Date.now(),
    consent: null,
    push: false,
    saidAt: 0,
  });
  let opened = false;

  const bake = (value: string, age: number): void => {
    if (options.storage !== "cookie") return;
    const domain = options.cookieDomain && `; domain=${options.cookieDomain}`;
    const secure = location.protocol === "https:" ? "; secure" : "";
    document.cookie =
      `${COOKIE}=${value}; path=/; samesite=lax; max-age=${age}` +
      domain +
      secure;
  };

  const self: Memory = {
    now: blank(),
    open() {
      opened = true;
      Object.assign(self.now, parsed(recall(KEY)));
      if (options.storage === "cookie") {
        self.now.anonymousId = cookie() || self.now.anonymousId;
      }
      self.touch();
    },
    allowed: () => (parsed(recall(KEY)) as Remembered | null)?.consent ?? null,
    save() {
      if (options.beside) {
        const user = parsed(recall("ajs_user_id"));
        const anonymous = parsed(recall("ajs_anonymous_id"));
        if (user) self.now.userId = String(user);
        if (anonymous) self.now.anonymousId = String(anonymous);
        // It has drawn none yet: it will find ours, and the two speak of one customer.
        else if (opened) keep("ajs_anonymous_id", JSON.stringify(self.now.anonymousId));
      }
      if (!opened) return;
      keep(KEY, JSON.stringify(self.now));
      bake(self.now.anonymousId, YEAR_S);
    },
    say(news) {
      Object.assign(self.now, news, { saidAt: Date.now() });
      self.save();
    },
    renew() {
      self.say({ ...blank(), consent: self.now.consent });
    },
    wipe() {
      opened = false;
      self.say(blank());
      keep(KEY, null);
      bake("", 0);
    },
    touch() {
      const now = Date.now();
      if (now - self.now.activeAt > SILENCE_MS) self.now.sessionId = draw();
      self.now.activeAt = now;
      self.save();
    },
  };
  return self;
}
