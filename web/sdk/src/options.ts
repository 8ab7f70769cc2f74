// What a shop may set, on the script tag or in code, with the defaults.

/** Kinds of placement. */
export type Kind = "modal" | "banner" | "toast" | "inline" | "checkout";

/** What may be reported of how the page is used; each is opted into. */
export type Signal = "exit" | "scroll" | "dwell" | "idle-cart";

export interface Options {
  /** The public key of the source, from Segue's console or `segue run`. */
  writeKey: string;
  /** Where Segue answers, without a path. */
  host: string;
  /** Nothing is stored or sent before consent: to anything (true), or to this category. */
  requireConsent: boolean | string;
  /** Report page views, also those of single-page navigation. */
  page: boolean;
  /** Placements that need no element of the page (modals, toasts, banners). */
  placements: string[];
  /** How the open page hears of changes. */
  live: "sse" | "poll" | "off";
  /** Where the anonymous id is kept. */
  storage: "cookie" | "local";
  /** The cookie's domain, for shops that span subdomains. */
  cookieDomain: string;
  /** What is reported of how the page is used. */
  signals: Signal[];
  /** Seconds without activity after which a filled cart counts as idle. */
  idleCartSeconds: number;
  /** `auto` follows the page's own `color-scheme`; `none` leaves all styling to the shop. */
  theme: "auto" | "light" | "dark" | "none";
  /** An analytics.js reports events already: take its ids, and report only what was shown. */
  beside: boolean;
  /** What the button that closes an offer is called for those who can't see it. */
  closeLabel: string;
  /** How long events are gathered before they leave. */
  flushMs: number;
  /** Tell failures on the console. */
  debug: boolean;
}

const DEFAULTS: Options = {
  writeKey: "",
  host: "",
  requireConsent: false,
  page: true,
  placements: [],
  live: "sse",
  storage: "cookie",
  cookieDomain: "",
  signals: [],
  idleCartSeconds: 90,
  theme: "auto",
  beside: false,
  closeLabel: "Close",
  flushMs: 250,
  debug: false,
};

/** Options with the defaults where nothing is said. */
export function complete(given: Partial<Options>): Options {
  const options = { ...DEFAULTS, ...given };
  options.host = options.host.replace(/\/+$/, "");
  return options;
}

/** Read `data-*` attributes: `data-require-consent`, `data-signals="exit scroll"`, ... */
export function fromScript(script: HTMLScriptElement): Options {
  const given: Record<string, unknown> = {};
  if (script.src) given.host = new URL(script.src).origin;
  for (const [name, text] of Object.entries(script.dataset)) {
    const normal = (DEFAULTS as unknown as Record<string, unknown>)[name];
    if (text === undefined || normal === undefined) continue;
    if (Array.isArray(normal)) given[name] = text.split(/[\s,]+/).filter(Boolean);
    else if (typeof normal === "number") given[name] = Number(text) || normal;
    else given[name] = /^(true|false|)$/.test(text) ? text !== "false" : text;
  }
  // The workspace's word, which Segue puts before this script; no tag lifts it.
  given.requireConsent = (script as { consent?: unknown }).consent || given.requireConsent;
  return complete(given);
}
