// A customer of the demo shop, in a real browser: node shop.cjs CHROMIUM SEGUE_URL STORY
//
// Run in tests/integration/node, where playwright-core is installed. Tells what was seen as JSON.
const { createRequire } = require("node:module");
const { chromium } = createRequire(`${process.cwd()}/`)("playwright-core");

const [, , executablePath, segue, story] = process.argv;
const flags = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync";
const shop = `${segue}/shop`;
const told = { seen: [], trouble: [] };

/** How long a story waits for what has to happen: a busy machine is slow, and none of these is a race. */
const PATIENCE_MS = 120_000;

async function until(what, work) {
  for (const deadline = Date.now() + PATIENCE_MS; Date.now() < deadline; ) {
    const found = await work();
    if (found) {
      told.seen.push(what);
      return found;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`in vain: ${what}`);
}

async function opened(browser, options) {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(PATIENCE_MS);
  const tab = await context.newPage();
  tab.on("console", (line) => ["error", "warning"].includes(line.type()) && told.trouble.push(line.text()));
  tab.on("pageerror", (error) => told.trouble.push(error.message));
  return tab;
}

const visitor = (tab) => tab.evaluate(() => window.segue.ids().anonymousId);
const profile = async (who) => {
  const answer = await fetch(`${segue}/api/profiles/anonymous:${who}`);
  return answer.ok ? answer.json() : null;
};

async function look(tab, name) {
  await tab.goto(`${shop}`);
  await tab.locator(".card", { hasText: name }).locator("a").click();
  await tab.getByRole("heading", { level: 1, name }).waitFor();
}

async function signIn(tab) {
  await tab.goto(`${shop}/account`);
  await tab.getByLabel("E-mail").fill("ana@example.com");
  await tab.getByLabel("First name").fill("Ana");
  await tab.locator("main").getByRole("button", { name: "Sign in" }).click();
  await tab.getByRole("heading", { name: "Hello, Ana" }).waitFor();
}

/** Browse, hesitate, leave in the middle of the checkout, come back, buy. */
async function buys(browser) {
  const tab = await opened(browser, { viewport: { width: 1360, height: 860 } });
  await signIn(tab);
  const who = await visitor(tab);

  // From here on nothing is loaded again: what appears was pushed to the open page.
  await tab.goto(shop);
  await tab.evaluate(() => (window.untouched = true));
  const walk = async (name) => {
    await tab.locator(".card", { hasText: name }).first().locator("a").click();
    await tab.getByRole("heading", { level: 1, name }).waitFor();
    products += 1;
    await until(`${name} arrived`, async () => (await profile(who))?.session?.products.length === products);
  };
  let products = 0;
  await walk("Evening carafe");
  await walk("Wide bowl");
  await walk("Vase for three stems");
  await until("help", () => tab.locator(".segue-banner", { hasText: "Not sure which one?" }).isVisible());
  await walk("Two mugs, unmatched");
  told.early = await tab.locator(".segue-toast").count();
  await tab.getByRole("button", { name: "Add to cart" }).click();
  await until("offer", () => tab.locator(".segue-toast", { hasText: "LUNE10" }).isVisible());
  await until("help is taken back", async () => (await tab.locator(".segue-banner").count()) === 0);
  told.untouched = await tab.evaluate(() => window.untouched === true);

  // While it is open, no letter goes out.
  await until("cart letter is held", async () => (await profile(who)).proposals.some((one) => one.message === "cart-reminder" && one.reason === "on_site_active"));
  await tab.locator(".sees-tab").click();
  await until("drawer tells", () => tab.locator(".sees-row[data-state=held]", { hasText: "Your cart is waiting" }).isVisible());

  // The offer leads to the cart, stands there, and its code counts.
  await tab.locator(".segue-toast .segue-action").click();
  await until("code counts", () => tab.locator(".sums", { hasText: "−€3.80" }).isVisible());
  await until("offer stands in the cart", () => tab.locator(".slot .segue-inline").isVisible());
  await tab.getByRole("link", { name: "Check out" }).click();
  await tab.getByRole("button", { name: "On to payment" }).waitFor();
  await until("checkout began", async () => (await profile(who)).session.checkout_at !== null);

  // Away, in the middle of it.
  await tab.goto("about:blank");
  const held = await until("second letter is held", async () => {
    const { proposals } = await profile(who);
    return proposals.length === 2 && proposals;
  });
  told.held = Object.fromEntries(held.map((one) => [one.message, one.reason]));

  // Back, and bought.
  await tab.goto(`${shop}/checkout`);
  await until("offer is still there", () => tab.locator(".slot .segue-inline", { hasText: "LUNE10" }).isVisible());
  await tab.getByRole("button", { name: "On to payment" }).click();
  await tab.locator("[data-form=pay] button").click();
  await tab.getByRole("heading", { name: "Thank you, Ana" }).waitFor();
  const after = await until("letters are gone", async () => {
    const now = await profile(who);
    return now.orders === 1 && now.proposals.length === 0 && now.offers.length === 0 && now;
  });
  await until("offer is gone", async () => (await tab.locator(".segue").count()) === 0);
  told.redeemed = after.grants.map((one) => [one.code, one.redeemed_at !== null]);
  told.profile = after.id;
  told.runs = after.runs.map((one) => one.journey);
  for (const [state, text] of [["back", "Your cart is waiting"], ["back", "Was something in the way?"], ["sent", "Thank you for your order"], ["sent", "LUNE10"]]) {
    await until(`drawer: ${text}`, () => tab.locator(`.sees-row[data-state=${state}]`, { hasText: text }).first().isVisible());
  }
  await until("confirmed", async () => {
    const { messages } = await (await fetch(`${segue}/api/messages?profile=${encodeURIComponent(after.id)}`)).json();
    told.letters = messages.map((one) => one.message);
    return messages.length > 0;
  });
}

/** Every page, wide and narrow; and somebody who reads and reads is asked. */
async function strolls(browser) {
  const paths = ["", "/p/lamp", "/p/nothing", "/cart", "/checkout", "/checkout/payment", "/thanks", "/account", "/help", "/help/care", "/nowhere"];
  for (const options of [{ viewport: { width: 1360, height: 860 } }, { viewport: { width: 360, height: 740 }, reducedMotion: "reduce" }]) {
    const tab = await opened(browser, options);
    await tab.goto(`${shop}/p/tray`);
    await tab.getByRole("button", { name: "Add to cart" }).click();
    for (const path of paths) {
      await tab.goto(`${shop}${path}`);
      await tab.locator("main h1").waitFor();
      const wide = await tab.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (wide > 0) told.trouble.push(`/shop${path} is ${wide} px too wide at ${options.viewport.width}`);
      const leaked = (await tab.evaluate(() => document.body.innerText)).match(/\b(null|undefined|NaN|\[object)\b/);
      if (leaked) told.trouble.push(`/shop${path} shows ${leaked[0]}`);
      const nameless = await tab.evaluate(() => [...document.querySelectorAll("button, a:not([aria-hidden]), input")].filter((one) => !(one.ariaLabel || one.textContent.trim() || one.labels?.length || one.querySelector("img[alt]:not([alt=''])"))).length);
      if (nameless > 0) told.trouble.push(`/shop${path} has ${nameless} controls without a name`);
    }
    await tab.locator(".sees-tab").click();
    await tab.locator(".sees-intent").waitFor();
    await tab.getByRole("button", { name: "Close", exact: true }).first().click();
    told.seen.push(`all at ${options.viewport.width}`);
    await tab.context().close();
  }
  const tab = await opened(browser, {});
  await tab.goto(`${shop}/help`);
  for (const title of ["Delivery", "Returns", "Care"]) await tab.locator("main").getByRole("link", { name: title }).first().click();
  await until("asked", () => tab.locator(".segue-banner", { hasText: "Shall we look at it together?" }).isVisible());
  await tab.locator(".segue-banner .segue-close").click();
  const who = await visitor(tab);
  await until("dismissed", async () => (await profile(who)).ledger.some((one) => one.message === "talk-to-us" && one.dismissed_at !== null));
}

(async () => {
  const browser = await chromium.launch({ executablePath, args: flags.split(" ") });
  try {
    await { buys, strolls }[story](browser);
  } catch (error) {
    told.trouble.push(error.message);
  } finally {
    await browser.close();
  }
  console.log(JSON.stringify(told));
})();
