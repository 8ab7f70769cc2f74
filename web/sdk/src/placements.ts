// Which placements this page has, what belongs there, and what stands there now.
//
// Rule 1: Segue decides; the page shows what the last answer says, and nothing else. An answer
//   of nothing takes away what stands there.
// Rule 2: questions are asked one at a time. What calls for one in between is answered by one
//   more at the end.
// Rule 3: the shop may render an offer itself: it cancels the `segue:offer` event.

import { complain, guard, later, listen } from "./guard.js";
import type { Fields } from "./messages.js";
import type { Kind, Options } from "./options.js";
import { mayPass, type Reply } from "./outbox.js";
import { render, type Offer, type Reactions, type View } from "./render.js";

/** Placements in one question, as the server has it; of more, the first are asked about. */
const ASKED_MAX = 20;
const TRIES_MAX = 4;
/** Longest wait that a timer of the browser can hold. */
const TIMER_MS_MAX = 2 ** 31 - 1;
const ATTRIBUTE = "data-segue-placement";

interface Standing {
  offer: Offer;
  kind: Kind;
  slot: Element | null;
  view: View | null;
  told: Reactions;
  timer: ReturnType<typeof setTimeout> | undefined;
}

interface Slot {
  slot: Element | null;
  kind: Kind | "";
}

interface Answered {
  placements?: Record<string, Offer | null>;
}

/** What the shop gets with `segue:offer`, to render it itself. */
export interface OfferDetail extends Offer {
  placement: string;
  shown: () => void;
  clicked: (url?: string) => void;
  dismissed: () => void;
}

/** What Segue answers; nothing where it may not be asked. */
export type Ask = (names: string[]) => Promise<Reply | undefined>;
export type Report = (outcome: "Shown" | "Clicked" | "Dismissed", fields: Fields) => void;

export interface Placements {
  /** Ask what belongs on this page now. */
  decide: () => void;
  /** Name a placement that needs no element. */
  add: (name: string, kind?: Kind) => void;
  withdraw: (id: string) => void;
  /** Take everything away. */
  clear: () => void;
}

export function placements(options: Options, ask: Ask, report: Report): Placements {
  const named = new Map<string, Kind | "">();
  const standing = new Map<string, Standing>();
  let known = "";
  let asking = false;
  let again = false;
  let tries = 0;
  /** Rises when everything is taken away: answers to older questions no longer count. */
  let age = 0;
  const add = (name: string, kind: Kind | "" = ""): void => void named.set(name, kind);
  options.placements.forEach((name) => add(name));

  const slots = (): Map<string, Slot> => {
    const found = new Map<string, Slot>();
    document.querySelectorAll<HTMLElement>(`[${ATTRIBUTE}]`).forEach((slot) => {
      const name = slot.getAttribute(ATTRIBUTE);
      const kind = (slot.dataset.segueKind ?? "") as Kind | "";
      if (name && !found.has(name)) found.set(name, { slot, kind });
    });
    named.forEach((kind, name) => {
      if (!found.has(name)) found.set(name, { slot: null, kind });
    });
    return found;
  };

  const kindOf = (name: string, { slot, kind }: Slot, offer: Offer): Kind => {
    const said = kind || offer.fields.kind || /(modal|banner|toast)$/.exec(name)?.[0];
    const normal = offer.channel === "checkout" ? "checkout" : "inline";
    return (said as Kind | undefined) ?? (slot ? normal : "toast");
  };

  /** Say it on the page; false if the shop took it upon itself. */
  const tell = (what: string, { slot }: Standing, detail: Offer): boolean => {
    const init = { bubbles: true, cancelable: true, detail };
    return (slot ?? document).dispatchEvent(new CustomEvent(`segue:${what}`, init));
  };

  const remove = (name: string): void => {
    const found = standing.get(name);
    if (!found) return;
    standing.delete(name);
    clearTimeout(found.timer);
    found.view?.close();
    tell("closed", found, found.offer);
    next();
  };

  /** Open the first modal that waits for its turn. */
  const next = (): void => {
    for (const [name, one] of standing) {
      if (!one.view && one.kind === "modal" && !document.querySelector("dialog[open]")) {
        open(name, one);
      }
    }
  };

  const reactions = (name: string, offer: Offer, overlay: boolean): Reactions => {
    const { id, message, channel } = offer;
    const fields = { send_id: id, message, channel, placement: name };
    // What was here before a reload was reported then.
    let seen = offer.again;
    return {
      shown: () => {
        if (!seen) report("Shown", fields);
        seen = true;
      },
      clicked: (url) => {
        report("Clicked", { ...fields, url });
        if (overlay) remove(name);
      },
      dismissed: () => {
        report("Dismissed", fields);
        remove(name);
      },
    };
  };

  const open = (name: string, one: Standing): void => {
    const detail: OfferDetail = { ...one.offer, placement: name, ...one.told };
    one.view = tell("offer", one, detail)
      ? render(one.kind, one.offer, one.slot, options, one.told)
      : { close: () => undefined, here: () => one.slot?.isConnected !== false };
  };

  const put = (name: string, at: Slot, offer: Offer | null | undefined): void => {
    const now = standing.get(name);
    const kind = offer ? kindOf(name, at, offer) : "toast";
    const slot = kind === "modal" || kind === "toast" ? null : at.slot;
    // What stands stays, unless the page has a slot for it now, or has none any more.
    const same = offer && now?.offer.id === offer.id && now.slot === slot;
    if (same && now.view?.here() !== false) return;
    remove(name);
    if (!offer) return;
    const told = reactions(name, offer, !slot);
    const one: Standing = { offer, kind, slot, told, view: null, timer: undefined };
    standing.set(name, one);
    // A clock that runs far ahead would end it before it began: then Segue withdraws it.
    const left = Date.parse(offer.expires_at) - Date.now();
    if (left > 0) one.timer = later(() => remove(name), Math.min(left, TIMER_MS_MAX));
    if (kind === "modal") next();
    else open(name, one);
  };

  const question = async (): Promise<void> => {
    const found = slots();
    const asked = age;
    known = [...found.keys()].join();
    for (const name of standing.keys()) if (!found.has(name)) remove(name);
    const names = [...found.keys()].slice(0, ASKED_MAX);
    if (!names.length) return;
    const answer = await ask(names);
    if (!answer || age !== asked) return;
    if (mayPass(answer.status)) {
      tries += 1;
      if (tries < TRIES_MAX) later(decide, Math.max(answer.pause, 2 ** tries) * 1000);
      return;
    }
    tries = 0;
    const filled = (answer.body as Answered | null)?.placements;
    if (!filled) return;
    for (const name of names) guard(put)(name, found.get(name) as Slot, filled[name]);
  };

  const decide = (): void => {
    again = asking;
    if (asking) return;
    asking = true;
    void question()
      .catch(complain)
      .finally(() => {
        asking = false;
        if (again) decide();
      });
  };

  let pending: ReturnType<typeof setTimeout> | undefined;
  new MutationObserver(
    guard(() => {
      // Pages that render in the browser change in bursts: look once, when it calms down.
      pending ??= later(() => {
        pending = undefined;
        const gone = [...standing.values()].some((one) => one.view?.here() === false);
        if (gone || [...slots().keys()].join() !== known) decide();
      }, 100);
    }),
  ).observe(document.documentElement, { childList: true, subtree: true });
  // Escape puts away what came last, unless a dialog (anybody's) is open: then it is its own.
  listen<KeyboardEvent>(document, "keydown", (event) => {
    if (event.key !== "Escape" || document.querySelector("dialog[open]")) return;
    [...standing.values()].filter((one) => one.view && !one.slot).pop()?.told.dismissed();
  });
  // A dialog of the shop's own closes: a modal may have waited for it.
  listen(document, "close", next, { capture: true });

  return {
    decide,
    add,
    withdraw(id) {
      for (const [name, one] of standing) if (one.offer.id === id) remove(name);
    },
    clear() {
      age += 1;
      for (const name of standing.keys()) remove(name);
    },
  };
}
