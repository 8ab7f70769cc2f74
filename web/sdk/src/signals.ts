// How the page is used, as events; each kind is opted into, and told once per page view.

import { later, listen } from "./guard";
import type { Fields } from "./messages";
import type { Options } from "./options";

const DEPTHS = [25, 50, 75, 90];
const DWELLS_S = [15, 30, 60, 120, 300];

export interface Signals {
  /** A new page view: count afresh. */
  turn: () => void;
  /** The shop tracked this. */
  heard: (event: string) => void;
}

export function signals(options: Options, track: (event: string, fields: Fields) => void): Signals {
  const on = new Set(options.signals);
  let left = false;
  let depth = 0;
  let seconds = 0;
  let cart = false;
  let idle = 0;

  if (on.has("exit")) {
    listen<MouseEvent>(document, "mouseout", (event) => {
      // Out at the top, to nothing: to the tabs and the address.
      if (left || event.relatedTarget || event.clientY > 0) return;
      left = true;
      track("Exit Intended", { seconds });
    });
  }
  if (on.has("idle-cart")) {
    const active = (): void => void (idle = 0);
    for (const name of ["pointerdown", "keydown", "scroll"]) {
      listen(window, name, active, { passive: true, capture: true });
    }
  }
  const measure = (): void => {
    const { scrollHeight, clientHeight, scrollTop } = document.documentElement;
    const reached = ((scrollTop + clientHeight) / scrollHeight) * 100;
    for (const mark of scrollHeight > clientHeight ? DEPTHS : []) {
      if (mark > depth && reached >= mark) track("Scroll Depth Reached", { depth: (depth = mark) });
    }
  };
  const tick = (): void => {
    later(tick, 1000);
    if (document.visibilityState === "hidden") return;
    seconds += 1;
    idle += 1;
    if (on.has("scroll")) measure();
    if (on.has("dwell") && DWELLS_S.includes(seconds)) track("Dwell Reached", { seconds });
    if (cart && idle >= options.idleCartSeconds) {
      cart = false;
      track("Cart Idled", { seconds: idle });
    }
  };
  if (on.size) later(tick, 1000);

  return {
    turn() {
      left = false;
      depth = seconds = 0;
    },
    heard(event) {
      idle = 0;
      if (event === "Product Added") cart = on.has("idle-cart");
      if (/^(Order Completed|Cart Cleared|Checkout Started)$/.test(event)) cart = false;
    },
  };
}
