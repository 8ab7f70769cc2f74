// An offer becomes a part of the page.
//
// Rule 1: elements are made one by one, classes only: no inline style or script, so a strict
//   CSP holds; a slot takes no room before it is filled.
// Rule 2: modals are native dialogs: the browser keeps the focus inside, the rest of the page
//   inert, and gives the focus back. Toasts are announced, never grab the focus.
// Rule 3: a view tells what the customer did, once; what that means is not its concern.

import { address, fragment } from "./clean.js";
import { listen } from "./guard.js";
import type { Kind, Options } from "./options.js";
import css from "./styles.css";

/** What Segue answers for a placement. */
export interface Offer {
  id: string;
  message: string;
  channel: string;
  fields: Record<string, string>;
  expires_at: string;
  again: boolean;
}

/** What a customer does with an offer. */
export interface Reactions {
  shown: () => void;
  clicked: (url?: string) => void;
  dismissed: () => void;
}

/** An offer on the page; `close` takes it away, `here` says whether it still stands there. */
export interface View {
  close: () => void;
  here: () => boolean;
}

let styled = false;

/** Our style sheet, in a way that no CSP forbids. */
function style(options: Options): void {
  if (styled || options.theme === "none") return;
  styled = true;
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  document.adoptedStyleSheets = [sheet, ...document.adoptedStyleSheets];
}

/** Dark where the shop says so, or where its page is dark: the page's word, not the system's. */
function dark({ theme }: Options): boolean {
  const schemes = getComputedStyle(document.documentElement).colorScheme;
  if (theme !== "auto" || !/dark/.test(schemes)) return theme === "dark";
  return !/light/.test(schemes) || matchMedia("(prefers-color-scheme: dark)").matches;
}

function make<T extends keyof HTMLElementTagNameMap>(
  tag: T,
  part: string,
  into?: Element,
  text?: string,
): HTMLElementTagNameMap[T] {
  const made = document.createElement(tag);
  made.className = `segue-${part}`;
  if (text) made.textContent = text;
  into?.append(made);
  return made;
}

/** Fill a box with an offer's fields; returns its title, or what stands for it. */
function fill(box: HTMLElement, offer: Offer, options: Options, told: Reactions): HTMLElement {
  const { fields } = offer;
  const picture = address(fields.image);
  if (picture) {
    const image = make("img", "image", box);
    image.alt = fields.image_alt ?? "";
    image.decoding = "async";
    image.src = picture;
  }
  const content = make("div", "content", box);
  const title = make("p", "title", content, fields.title);
  title.hidden = !fields.title;
  if (fields.html) make("div", "html", content).append(fragment(fields.html));
  else if (fields.body) make("p", "body", content, fields.body);
  if (fields.code) make("code", "code", content, fields.code);

  const actions = make("div", "actions", box);
  const url = address(fields.url);
  if (fields.action) {
    const action = make(url ? "a" : "button", "action", actions, fields.action);
    if (action instanceof HTMLAnchorElement) action.href = url;
    else action.type = "button";
  }
  const close = (part: string, text: string): HTMLButtonElement => {
    const button = make("button", part, part === "close" ? box : actions, text);
    button.type = "button";
    listen(button, "click", told.dismissed);
    return button;
  };
  if (fields.dismiss) close("later", fields.dismiss);
  close("close", "").setAttribute("aria-label", options.closeLabel);
  listen<MouseEvent>(box, "click", (event) => {
    const target = (event.target as Element).closest("a, .segue-action");
    if (target) told.clicked(target instanceof HTMLAnchorElement ? target.href : undefined);
  });
  return title;
}

/** Tell that it is seen: at once where it lies over the page, else once half of it is in view. */
function watch(box: HTMLElement, shown: () => void): () => void {
  const observer = new IntersectionObserver(
    (seen) => {
      if (!seen.some((one) => one.isIntersecting)) return;
      observer.disconnect();
      shown();
    },
    { threshold: 0.5 },
  );
  observer.observe(box);
  return () => observer.disconnect();
}

/** Where toasts stand: there before them, for only what changes is announced. */
function corner(): Element {
  const found = document.querySelector(".segue-toasts");
  if (found) return found;
  const made = make("div", "toasts", document.body);
  made.setAttribute("role", "status");
  return made;
}

/** Put an offer on the page: into its slot, else over the page. */
export function render(
  kind: Kind,
  offer: Offer,
  slot: Element | null,
  options: Options,
  told: Reactions,
): View {
  style(options);
  const modal = kind === "modal";
  const box = make(modal ? "dialog" : "div", kind);
  box.classList.add("segue");
  if (dark(options)) box.classList.add("segue-dark");
  box.dataset.segueMessage = offer.message;
  const title = fill(box, offer, options, told);
  box.setAttribute("aria-label", offer.fields.title || offer.message);
  let unwatch = (): void => undefined;
  if (modal) {
    const dialog = box as HTMLDialogElement;
    title.tabIndex = -1;
    title.autofocus = true;
    document.body.append(dialog);
    listen(dialog, "cancel", told.dismissed);
    listen(dialog, "click", (event) => {
      if (event.target === dialog) told.dismissed();
    });
    dialog.showModal();
    told.shown();
  } else {
    box.setAttribute("role", kind === "toast" ? "group" : "region");
    (slot ?? (kind === "toast" ? corner() : document.body)).append(box);
    if (slot) unwatch = watch(box, told.shown);
    else told.shown();
  }
  return {
    close() {
      unwatch();
      if (modal) (box as HTMLDialogElement).close();
      box.remove();
    },
    here: () => box.isConnected,
  };
}
