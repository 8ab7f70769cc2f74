// What this browser remembers of its customer: the cart, who signed in, what was ordered.
//
// Whatever is done here is said to Segue as well, in the words of Segment's ecommerce
// specification, version 2.

import { CODES, product } from "./catalog.js";

const KEPT = "lune";
const fresh = () => ({ cart: draw("cart"), order: draw("LU"), lines: {}, coupon: "", customer: null, topics: null, delivery: "post", orders: [] });

function draw(prefix) {
  const [number] = crypto.getRandomValues(new Uint32Array(1));
  return `${prefix}-${(number % 90000) + 10000}`;
}

function read() {
  try {
    return { ...fresh(), ...JSON.parse(localStorage.getItem(KEPT)) };
  } catch {
    return fresh();
  }
}

export let now = read();

const listeners = new Set();
export const onChange = (listener) => listeners.add(listener);

function keep() {
  localStorage.setItem(KEPT, JSON.stringify(now));
  listeners.forEach((listener) => listener());
}

/** Say something to Segue: at once, or when its script has loaded. */
export function say(...call) {
  (window.segue ??= []).push(call);
}

const here = (path) => new URL(path, location.origin).href;

const told = (one, quantity = 1) => ({
  product_id: one.id,
  name: one.name,
  category: one.category,
  price: one.price,
  quantity,
  currency: "EUR",
  image_url: here(one.image),
  url: here(`/shop/p/${one.id}`),
});

// ── what the cart holds ──

export const lines = () =>
  Object.entries(now.lines)
    .map(([id, quantity]) => ({ one: product(id), quantity }))
    .filter(({ one }) => one);
export const count = () => lines().reduce((sum, { quantity }) => sum + quantity, 0);

const cents = (amount) => Math.round(amount * 100) / 100;

export function totals(shipping = 0) {
  const value = lines().reduce((sum, { one, quantity }) => sum + one.price * quantity, 0);
  const discount = cents((value * (CODES[now.coupon] ?? 0)) / 100);
  return { value, discount, shipping, total: cents(value - discount + shipping) };
}

const products = () => lines().map(({ one, quantity }) => told(one, quantity));

// ── what a customer does ──

export const viewed = (one) => say("track", "Product Viewed", told(one));
export const listed = (category, all) =>
  say("track", "Product List Viewed", { category, products: all.map((one) => told(one)) });

export function add(id) {
  const one = product(id);
  now.lines[id] = (now.lines[id] ?? 0) + 1;
  keep();
  say("track", "Product Added", { ...told(one), cart_id: now.cart, cart_url: here("/shop/cart") });
}

export function change(id, quantity) {
  const one = product(id);
  const before = now.lines[id] ?? 0;
  if (quantity < 1) delete now.lines[id];
  else now.lines[id] = quantity;
  keep();
  const by = Math.abs(quantity - before);
  if (by === 0) return;
  const what = quantity > before ? "Product Added" : "Product Removed";
  say("track", what, { ...told(one, by), cart_id: now.cart, cart_url: here("/shop/cart") });
  if (count() === 0) say("track", "Cart Cleared", { cart_id: now.cart });
}

export const looked = () => say("track", "Cart Viewed", { cart_id: now.cart, products: products() });

/** Whether the till knows this code. */
export function apply(code) {
  const written = code.trim().toUpperCase();
  const known = written in CODES;
  now.coupon = known ? written : "";
  keep();
  const said = { order_id: now.order, cart_id: now.cart, coupon_id: written };
  if (known) say("track", "Coupon Applied", { ...said, discount: totals().discount });
  else if (written) say("track", "Coupon Denied", { ...said, reason: "unknown code" });
  return known;
}

export function began() {
  const { value, discount } = totals();
  const said = { order_id: now.order, value, discount, currency: "EUR" };
  say("track", "Checkout Started", { ...said, products: products(), cart_url: here("/shop/cart") });
}

export const step = (number) =>
  say("track", "Checkout Step Viewed", { checkout_id: now.order, step: number, value: totals().value });

export function deliver(how) {
  now.delivery = how;
  keep();
}

export function order(shipping) {
  const sums = totals(shipping);
  const placed = { id: now.order, at: Date.now(), total: sums.total, count: count() };
  say("track", "Order Completed", {
    order_id: now.order,
    total: sums.total,
    revenue: cents(sums.total - shipping),
    shipping,
    discount: sums.discount,
    ...(now.coupon ? { coupon: now.coupon } : {}),
    currency: "EUR",
    products: products(),
    account_url: here("/shop/account"),
  });
  const { customer, topics, orders } = now;
  now = { ...fresh(), customer, topics, orders: [placed, ...orders].slice(0, 5) };
  keep();
  return placed;
}

// ── who it is ──

export function signIn(email, name) {
  now.customer = { email, name };
  keep();
  say("identify", email.toLowerCase(), { email, ...(name ? { first_name: name } : {}) });
}

export function allow(topics) {
  now.topics = topics;
  keep();
  say("consent", topics);
}

/** Somebody new comes through the door. */
export function leave() {
  now = fresh();
  keep();
  say("reset");
}
