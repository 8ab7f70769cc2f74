// Which page is shown, and what its buttons do.
//
// Pages change without a reload: what Segue pushes to the open page stays where it is.

import { DELIVERY, PRODUCTS, article, product } from "./catalog.js";
import { announce, put } from "./dom.js";
import { drawer } from "./sees.js";
import * as store from "./store.js";
import * as views from "./views.js";

const main = document.querySelector("#main");
const sees = drawer();

/** Each page: its path, its title, what it shows, and what is said when it is seen. */
const PAGES = [
  [/^\/shop\/?$/, () => "Lune", views.home, () => store.listed("", PRODUCTS.slice(0, 12))],
  [/^\/shop\/p\/([\w-]+)$/, (id) => product(id)?.name, views.detail, (id) => product(id) && store.viewed(product(id))],
  [/^\/shop\/cart$/, () => "Cart", () => views.cart(said), store.looked],
  [/^\/shop\/checkout$/, () => "Checkout", () => views.checkout(1), () => checkout(1)],
  [/^\/shop\/checkout\/payment$/, () => "Payment", () => views.checkout(2), () => checkout(2)],
  [/^\/shop\/thanks$/, () => "Thank you", views.thanks, () => undefined],
  [/^\/shop\/account$/, () => "Account", views.account, () => undefined],
  [/^\/shop\/help$/, () => "Help", views.help, () => undefined],
  [/^\/shop\/help\/([\w-]+)$/, (id) => article(id)?.title, views.answer, read],
];

/** What is said below the field for codes. */
let said = "";

function read(id) {
  const one = article(id);
  if (one) store.say("track", "Help Article Viewed", { article_id: id, title: one.title });
}

function checkout(step) {
  if (store.count() === 0) return;
  if (step === 1) store.began();
  store.step(step);
}

function found() {
  for (const [pattern, title, view, seen] of PAGES) {
    const match = pattern.exec(location.pathname);
    if (match) return { title: title(match[1]) ?? "Lune", view: () => view(match[1]), seen: () => seen(match[1]) };
  }
  return { title: "Lune", view: views.lost, seen: () => undefined };
}

function draw() {
  put(main, found().view());
}

function show(moved) {
  const here = found();
  document.title = here.title === "Lune" ? "Lune: things for long evenings" : `${here.title} · Lune`;
  document.body.dataset.page = location.pathname.split("/")[2] ?? "home";
  const code = new URLSearchParams(location.search).get("code");
  if (code && location.pathname === "/shop/cart") code_(code);
  draw();
  here.seen();
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (target) target.scrollIntoView();
  else if (moved) scrollTo(0, 0);
  if (moved) {
    main.focus({ preventScroll: true });
    announce(document.title);
  }
  sees.refresh();
}

function go(address) {
  if (address !== location.href) history.pushState(null, "", address);
  show(true);
}

function code_(code) {
  const known = store.apply(code);
  said = known ? "A tenth off: it counts below." : "We don't know this code.";
  if (!code.trim()) said = "";
}

// ── the frame around the pages ──

function frame() {
  const count = document.querySelector("#cart-count");
  count.hidden = store.count() === 0;
  count.textContent = store.count();
  const { customer } = store.now;
  document.querySelector("#account-link").textContent = customer ? customer.name || "Account" : "Sign in";
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (link && plain && !link.target && link.origin === location.origin && /^\/shop(\/|$)/.test(link.pathname)) {
    event.preventDefault();
    go(link.href);
    return;
  }
  const button = event.target.closest?.("button");
  if (!button) return;
  if (button.dataset.add) {
    store.add(button.dataset.add);
    announce("It is in the cart");
    button.textContent = "It is in your cart";
    button.classList.add("done");
    setTimeout(() => {
      button.textContent = "Add another";
      button.classList.remove("done");
    }, 1600);
  }
  if (button.dataset.quantity) {
    const [id, quantity] = button.dataset.quantity.split(":");
    store.change(id, Number(quantity));
    draw();
    document.querySelector(`[data-quantity^="${id}:"]`)?.focus();
  }
  if (button.id === "sign-out") {
    store.leave();
    go("/shop");
  }
  if (button.id === "sees-from-foot") sees.open();
  sees.refresh();
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  const given = new FormData(form);
  const name = form.dataset?.form;
  if (!name) return;
  event.preventDefault();
  if (name === "code") {
    code_(String(given.get("code")));
    draw();
    document.querySelector("#code").focus();
  }
  if (name === "sign-in") {
    store.signIn(String(given.get("email")).trim(), String(given.get("name")).trim());
    draw();
    main.focus();
  }
  if (name === "contact") {
    store.deliver(String(given.get("delivery")));
    store.signIn(String(given.get("email")).trim(), String(given.get("name")).trim());
    go("/shop/checkout/payment");
  }
  if (name === "pay") {
    store.order(DELIVERY.find(([id]) => id === store.now.delivery)[3]);
    said = "";
    go("/shop/thanks");
  }
  sees.refresh();
});

document.addEventListener("change", (event) => {
  const form = event.target.form;
  if (form?.dataset.form === "topics") {
    store.allow(Object.fromEntries([...form.elements].filter((one) => one.type === "checkbox").map((one) => [one.name, one.checked])));
    document.querySelector("#topics-said").textContent = "Saved.";
    sees.refresh();
  }
  if (event.target.name === "delivery") {
    store.deliver(event.target.value);
    const { email, name, city } = event.target.form.elements;
    const kept = [email.value, name.value, city.value];
    draw();
    ["email", "name", "city"].forEach((id, n) => (document.getElementById(id).value = kept[n]));
    document.querySelector(`[name=delivery][value=${store.now.delivery}]`).focus();
  }
});

addEventListener("popstate", () => show(true));
store.onChange(frame);
frame();
show(false);
