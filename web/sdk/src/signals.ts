// How the page is used, as events; each kind is opted into, and told once per page view. A page
// that wants none does not load this part.
//
// A cart is filled on one page and left on another: that it is, the tab remembers.

import { guard, later, listen, tellFailures } from "./guard.js";
import type { Fields } from "./messages.js";
import type { Options } from "./options.js";

const DEPTHS = [25, 50, 75, 90];
const DWELLS_S = [15, 30, 60, 120, 300];
const CART = "segue.cart";

export interface Signals {
  /** A new page view: count afresh. */
  turn: () => void;
  /** The shop tracked this. */
  heard: (event: string) => void;
}

/** `early` is what was tracked on this page before. */
export function signals(
  options: Options,
  track: (event: string, fields: Fields) => void,
  early: string[],
): Signals {
  tellFailures(options.debug);
  const on = new Set(options.signals);
  let left = false;
  let depth = 0;
  let seconds = 0;
  let cart = false;
  let idle = 0;

  /** The cart is filled and not forgotten yet, or it is not. */
  const fill = (filled: boolean): void => {
    cart = filled && on.has("idle-cart");
    guard(() => {
      if (cart) sessionStorage.setItem(CART, "1");
      else sessionStorage.removeItem(CART);
    })();
  };
  if (on.has("exit")) {
    listen<MouseEvent>(document, "mouseout", (event) => {
      // Out at the top, to nothing: to the tabs and the address.
      if (left || event.relatedTarget || event.clientY > 0) return;
      left = true;
      track("Exit Intended", { seconds });
    });
  }
  if (on.has("idle-cart")) {
    cart = guard(() => sessionStorage.getItem(CART) === "1")() ?? false;
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
      fill(false);
      track("Cart Idled", { seconds: idle });
    }
  };
  later(tick, 1000);

  const self: Signals = {
    turn() {
      left = false;
      depth = seconds = 0;
    },
    heard(event) {
      idle = 0;
      if (event === "Product Added") fill(true);
      if (/^(Order Completed|Cart Cleared|Checkout Started)$/.test(event)) fill(false);
    },
  };
  early.forEach(self.heard);
  return self;
}
