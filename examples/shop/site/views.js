// The shop's pages, drawn from the catalog and from what this browser remembers.

import { ARTICLES, DELIVERY, PRODUCTS, SECTIONS, article, product } from "./catalog.js";
import { euro, html } from "./dom.js";
import { lines, now, totals } from "./store.js";

const card = (one) => html`
  <li class="card">
    <a href="/shop/p/${one.id}">
      <span class="frame"><img src="${one.image}" alt="" width="400" height="480" loading="lazy"></span>
      <span class="card-name">${one.name}</span>
      <span class="card-price">${euro(one.price)}</span>
    </a>
  </li>`;

export const home = () => html`
  <section class="hero">
    <div class="hero-text">
      <h1>Things for<br>long evenings</h1>
      <p>Clay, light and linen for tables that nobody wants to leave.</p>
      <a class="button" href="/shop#table">See the collection</a>
    </div>
    <img src="/shop/art/table.svg" alt="A table at dusk: a terracotta carafe with branches, a slate mug and a bowl of fruit" width="960" height="720">
  </section>
  ${SECTIONS.map(([category, id, line]) => html`
    <section class="shelf" id="${id}" aria-labelledby="${id}-title">
      <header><h2 id="${id}-title">${category}</h2><p>${line}</p></header>
      <ul class="grid">${PRODUCTS.filter((one) => one.category === category).map(card)}</ul>
    </section>`)}
  <section class="promise">
    <p><b>Small batches</b>Each kiln holds sixty pieces. When they are gone, we light it again.</p>
    <p><b>Thirty days</b>Used or not. Clay wants to be tried.</p>
    <p><b>Straw and paper</b>Wrapped by hand, with no plastic, on Tuesdays and Fridays.</p>
  </section>`;

export function detail(id) {
  const one = product(id);
  if (!one) return lost();
  const others = PRODUCTS.filter((other) => other !== one);
  const near = others.filter((other) => other.category === one.category);
  const beside = [...near, ...others.filter((other) => !near.includes(other))].slice(0, 4);
  return html`
    <article class="detail">
      <div class="frame"><img src="${one.image}" alt="${one.name}" width="400" height="480"></div>
      <div class="detail-text">
        <p class="over"><a href="/shop#${SECTIONS.find(([name]) => name === one.category)[1]}">${one.category}</a></p>
        <h1>${one.name}</h1>
        <p class="price">${euro(one.price)}</p>
        <p class="lead">${one.about}</p>
        <button class="button wide" type="button" data-add="${one.id}">Add to cart</button>
        <p class="small">In stock, leaves on Friday. Thirty days to change your mind.</p>
        <ul class="facts">${one.facts.map((fact) => html`<li>${fact}</li>`)}</ul>
      </div>
    </article>
    <section class="shelf" aria-labelledby="beside"><header><h2 id="beside">Goes well beside it</h2></header>
      <ul class="grid four">${beside.map(card)}</ul>
    </section>`;
}

const code = (message) => html`
  <form class="code" data-form="code" novalidate>
    <label for="code">Code</label>
    <div class="joined">
      <input id="code" name="code" value="${now.coupon}" autocomplete="off" autocapitalize="characters" spellcheck="false" aria-describedby="code-said">
      <button class="button quiet" type="submit">Apply</button>
    </div>
    <p id="code-said" class="small" role="status">${message}</p>
  </form>`;

const sums = ({ value, discount, shipping, total }, withShipping) => html`
  <dl class="sums">
    <div><dt>Things</dt><dd>${euro(value)}</dd></div>
    ${discount > 0 && html`<div class="less"><dt>Code ${now.coupon}</dt><dd>−${euro(discount)}</dd></div>`}
    ${withShipping && html`<div><dt>Delivery</dt><dd>${shipping ? euro(shipping) : "free"}</dd></div>`}
    <div class="total"><dt>Together</dt><dd>${euro(total)}</dd></div>
  </dl>`;

/** Where an offer stands at the till, instead of lying over the page. */
const slot = () => html`<div class="slot" data-segue-placement="offer" data-segue-kind="inline"${now.coupon && html` data-used`}></div>`;

export function cart(message = "") {
  if (lines().length === 0) {
    return html`<section class="quiet-page"><h1>Your cart is empty</h1><p>That can be changed.</p><a class="button" href="/shop">Look around</a></section>`;
  }
  return html`
    <h1 class="page-title">Your cart</h1>
    <div class="two">
      <ul class="lines">
        ${lines().map(({ one, quantity }) => html`
          <li>
            <a class="frame" href="/shop/p/${one.id}" tabindex="-1" aria-hidden="true"><img src="${one.image}" alt="" width="120" height="144"></a>
            <div><a class="line-name" href="/shop/p/${one.id}">${one.name}</a><p class="small">${one.category}</p>
              <button class="plain" type="button" data-quantity="${one.id}:0" aria-label="Remove ${one.name}">Remove</button></div>
            <div class="stepper" role="group" aria-label="Quantity of ${one.name}">
              <button type="button" data-quantity="${one.id}:${quantity - 1}" aria-label="One less">−</button><span>${quantity}</span><button type="button" data-quantity="${one.id}:${quantity + 1}" aria-label="One more">+</button>
            </div>
            <p class="line-price">${euro(one.price * quantity)}</p>
          </li>`)}
      </ul>
      <aside class="summary" aria-label="Summary">
        ${slot()} ${code(message)} ${sums(totals(), false)}
        <a class="button wide" href="/shop/checkout">Check out</a>
      </aside>
    </div>`;
}

const field = (id, label, more = {}) => html`
  <p class="field"><label for="${id}">${label}</label>
  <input id="${id}" name="${id}" value="${more.value}" type="${more.type ?? "text"}" autocomplete="${more.complete ?? "off"}"${more.needed === false ? "" : html` required`}></p>`;

export function checkout(step) {
  if (lines().length === 0) return cart();
  const shipping = DELIVERY.find(([id]) => id === now.delivery)[3];
  const customer = now.customer ?? {};
  const first = html`
    <form data-form="contact" class="fields">
      <h2>Who is it for?</h2>
      ${field("email", "E-mail", { type: "email", complete: "email", value: customer.email })}
      <div class="pair">${field("name", "First name", { complete: "given-name", value: customer.name })} ${field("city", "City", { complete: "address-level2", value: "Lübeck" })}</div>
      <fieldset><legend>Delivery</legend>
        ${DELIVERY.map(([id, name, when, price]) => html`
          <label class="choice"><input type="radio" name="delivery" value="${id}"${id === now.delivery && html` checked`}>
          <span><b>${name}</b><span class="small">${when}</span></span><span>${price ? euro(price) : "free"}</span></label>`)}
      </fieldset>
      <button class="button wide" type="submit">On to payment</button>
    </form>`;
  const second = html`
    <form data-form="pay" class="fields">
      <h2>Payment</h2>
      <p class="small">A demonstration: whatever you choose, nothing is charged.</p>
      <fieldset><legend>Pay by</legend>
        <label class="choice"><input type="radio" name="pay" checked><span><b>Card ending 4242</b><span class="small">It is not real</span></span></label>
        <label class="choice"><input type="radio" name="pay"><span><b>Invoice</b><span class="small">Neither is this</span></span></label>
      </fieldset>
      <button class="button wide" type="submit">Order for ${euro(totals(shipping).total)}</button>
      <p><a class="link" href="/shop/checkout">Back to the address</a></p>
    </form>`;
  return html`
    <h1 class="page-title">Checkout</h1>
    <ol class="steps" aria-label="Steps">
      <li${step === 1 && html` aria-current="step"`}><span>1</span> Address</li>
      <li${step === 2 && html` aria-current="step"`}><span>2</span> Payment</li>
    </ol>
    <div class="two">
      ${step === 1 ? first : second}
      <aside class="summary" aria-label="Summary">
        ${slot()}
        <ul class="mini">${lines().map(({ one, quantity }) => html`<li><img src="${one.image}" alt="" width="52" height="62"><span>${one.name}${quantity > 1 && ` × ${quantity}`}</span><span>${euro(one.price * quantity)}</span></li>`)}</ul>
        ${sums(totals(shipping), true)}
      </aside>
    </div>`;
}

export function thanks() {
  const [placed] = now.orders;
  if (!placed) return cart();
  return html`
    <section class="quiet-page">
      <img src="/shop/art/candles.svg" alt="" width="200" height="240">
      <h1>Thank you${now.customer?.name && `, ${now.customer.name}`}</h1>
      <p>Order ${placed.id}, ${euro(placed.total)}. We light the candles and start wrapping.</p>
      <p class="small">The confirmation is on its way to ${now.customer?.email}. In this demonstration it stays on <a class="link" href="/#/messages">Segue's page</a>.</p>
      <a class="button" href="/shop">Back to the shop</a>
    </section>`;
}

const TOPICS = [
  ["cart", "Remind me of my cart", "When something was left in it"],
  ["offers", "Offers", "A code now and then, also on the page"],
  ["advice", "Advice while I look around", "A hint on the page, never by e-mail"],
  ["feedback", "Ask me how it was", "Once, after the parcel"],
];

export function account() {
  const { customer, orders } = now;
  if (!customer) {
    return html`
      <section class="narrow"><h1>Sign in</h1>
        <p class="lead">Your e-mail is enough: this is a demonstration, so there is no password and no letter to confirm.</p>
        <form data-form="sign-in" class="fields">
          ${field("email", "E-mail", { type: "email", complete: "email" })}
          ${field("name", "First name", { complete: "given-name", needed: false })}
          <button class="button wide" type="submit">Sign in</button>
        </form></section>`;
  }
  const topics = now.topics ?? Object.fromEntries(TOPICS.map(([id]) => [id, true]));
  return html`
    <section class="narrow"><h1>Hello${customer.name && `, ${customer.name}`}</h1>
      <p class="lead">Signed in as ${customer.email}.</p>
      <form data-form="topics" class="fields"><fieldset><legend>What may we tell you?</legend>
        ${TOPICS.map(([id, name, about]) => html`
          <label class="choice"><input type="checkbox" name="${id}"${topics[id] && html` checked`}><span><b>${name}</b><span class="small">${about}</span></span></label>`)}
        </fieldset>
        <p class="small" id="topics-said" role="status">Changes count at once.</p>
      </form>
      <h2>Orders</h2>
      ${orders.length === 0 ? html`<p class="small">None yet.</p>` : html`<ul class="orders">${orders.map((one) => html`<li><b>${one.id}</b><span>${one.count} ${one.count === 1 ? "thing" : "things"}</span><span>${euro(one.total)}</span></li>`)}</ul>`}
      <button class="button quiet" type="button" id="sign-out">Sign out</button>
    </section>`;
}

export const help = () => html`
  <section class="narrow"><h1>Help</h1>
    <p class="lead">Short answers. If three of them don't help, somebody will ask.</p>
    <ul class="articles">${ARTICLES.map((one) => html`<li><a href="/shop/help/${one.id}">${one.title}<span aria-hidden="true">→</span></a></li>`)}</ul>
  </section>`;

export function answer(id) {
  const one = article(id);
  if (!one) return lost();
  return html`
    <section class="narrow"><p class="over"><a href="/shop/help">Help</a></p><h1>${one.title}</h1>
      ${one.text.map((line) => html`<p class="text">${line}</p>`)}
      <h2>Other answers</h2>
      <ul class="articles">${ARTICLES.filter((other) => other !== one).slice(0, 4).map((other) => html`<li><a href="/shop/help/${other.id}">${other.title}<span aria-hidden="true">→</span></a></li>`)}</ul>
    </section>`;
}

export const lost = () => html`<section class="quiet-page"><h1>There is nothing here</h1><p>Somebody may have bought it.</p><a class="button" href="/shop">Back to the shop</a></section>`;
