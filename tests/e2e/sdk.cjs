// Drives the browser SDK in Chromium, on a page of another origin under a strict policy:
// node sdk.cjs CHROMIUM SEGUE_URL FOLDER_FOR_PICTURES
// The last line printed is what each story saw, as JSON.
const fs = require("node:fs");
const http = require("node:http");
const path = require("node:path");
const { createRequire } = require("node:module");
const clients = createRequire(path.join(__dirname, "../integration/node/package.json"));
const { chromium } = clients("playwright-core");

const [, , executablePath, segue, pictures] = process.argv;
const flags = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync";
const analytics = path.join(path.dirname(clients.resolve("@segment/analytics-next/package.json")), "dist/umd");

// No inline script or style, nothing from elsewhere but Segue's script and its answers.
const POLICY = `default-src 'none'; script-src 'self' ${segue}; connect-src ${segue}; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'`;

const page = (attributes, extra) => `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Shop</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="stylesheet" href="/shop.css">
<script src="/before.js"></script>${extra}<script async src="${segue}/segue.js" data-write-key="wk_e2e"
data-placements="offer-modal news-toast shop-banner" ${attributes}></script></head><body>
<header><b>Halden</b><nav>Shoes Jackets Packs</nav><button id="cart">Cart (2)</button></header>
<main><h1>Trail 3</h1><div class="columns"><img src="/photo.svg" alt="A shoe"><div><p class="price">129.00</p><p>Light, dry, and ready for a wet
autumn. The sole grips on roots and on rock, and the upper dries overnight.</p><a class="buy" id="buy" href="#buy">Add to cart</a>
<div data-segue-placement="product-hint" id="hint"></div><div data-segue-placement="word-slot"></div></div></div>
<h2>Order summary</h2><div data-segue-placement="pay-slot"></div><p>Subtotal 129.00</p></main></body></html>`;
const CSS = `:root{color-scheme:light dark}body{margin:0;font:16px/1.5 system-ui,sans-serif;background:light-dark(#faf9f7,#111113);color:light-dark(#222,#eee)}
header{display:flex;gap:24px;align-items:center;padding:16px 32px;border-bottom:1px solid light-dark(#e5e2dc,#2a2a2e)}header button{margin-left:auto}
main{max-width:1000px;margin:32px auto;padding:0 32px;min-height:1800px}.columns{display:grid;grid-template-columns:repeat(auto-fit,minmax(280px,1fr));gap:32px}
.columns>div{min-width:0}img{max-width:100%}button{text-transform:uppercase}.price{font-size:24px}[data-segue-placement]{margin:20px 0}.buy{display:inline-block;padding:12px 24px;background:#2f5d50;color:#fff;border-radius:8px;text-decoration:none}`;
const PHOTO = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 300"><defs><linearGradient id="g" x2="1" y2="1"><stop stop-color="#d9c9ae"/><stop offset="1" stop-color="#7d9a8c"/></linearGradient></defs><rect width="400" height="300" fill="url(#g)"/><path d="M70 205c60-2 90-60 140-80l40 40c30 18 70 20 84 40v20H70z" fill="#2f3e38"/><path d="M70 228h264v14H70z" fill="#f4efe6"/></svg>`;
const BEFORE = `window.segue = window.segue || []; window.segue.push(["track", "Said Early", { n: 1 }]);`;

const shop = http.createServer((request, response) => {
  const url = new URL(request.url, "http://shop");
  const say = (type, body) => { response.setHeader("Content-Type", type); response.end(body); };
  response.setHeader("Content-Security-Policy", POLICY);
  if (url.pathname === "/shop.css") return say("text/css", CSS);
  if (url.pathname === "/photo.svg") return say("image/svg+xml", PHOTO);
  if (url.pathname === "/before.js") return say("text/javascript", BEFORE);
  if (url.pathname.startsWith("/analytics/")) {
    const file = path.join(analytics, path.basename(url.pathname));
    return say("text/javascript", fs.existsSync(file) ? fs.readFileSync(file) : "");
  }
  const extra = url.searchParams.has("analytics") ? '<script src="/analytics/index.js"></script>' : "";
  say("text/html", page(url.searchParams.get("with") ?? "", extra));
});

let browser;
let origin;

async function visit(options = {}, attributes = "", extra = "") {
  const context = await browser.newContext({ viewport: { width: 1280, height: 820 }, ...options });
  const tab = await context.newPage();
  const trouble = [];
  const asked = [];
  tab.on("console", (line) => line.type() === "error" && trouble.push(line.text()));
  tab.on("pageerror", (error) => trouble.push(error.message));
  tab.on("request", (request) => request.url().startsWith(`${segue}/v1/`) && asked.push(new URL(request.url()).pathname));
  await tab.goto(`${origin}/products/1?with=${encodeURIComponent(attributes)}${extra}`);
  await tab.waitForFunction(() => window.segue && !Array.isArray(window.segue));
  const track = (event, times = 1) =>
    tab.evaluate(([event, times]) => { for (let n = 0; n < times; n += 1) window.segue.track(event, { product_id: `p${n}`, price: 129 }); }, [event, times]);
  const id = () => tab.evaluate(() => window.segue.ids().anonymousId);
  return { context, tab, trouble, asked, track, id };
}

const stories = {
  async rising({ tab, track, trouble, id }) {
    await tab.focus("#cart");
    const empty = await tab.evaluate(() => document.getElementById("hint").getBoundingClientRect().height);
    await track("Product Viewed", 2);
    const inline = tab.locator("#hint .segue-inline");
    await inline.waitFor();
    const role = await inline.getAttribute("role");
    await track("Product Viewed", 2);
    const dialog = tab.locator("dialog.segue-modal[open]");
    await dialog.waitFor();
    await inline.waitFor({ state: "detached" });
    const inside = [];
    for (let n = 0; n < 6; n += 1) {
      await tab.keyboard.press("Tab");
      inside.push(await tab.evaluate(() => document.activeElement === document.body || !!document.activeElement.closest("dialog")));
    }
    const inert = await tab.evaluate(() => { document.getElementById("buy").focus(); return document.activeElement.id !== "buy"; });
    await tab.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    const back = await tab.evaluate(() => document.activeElement.id);
    await tab.waitForTimeout(800);
    return { empty, role, inside, inert, back, again: await dialog.count(), trouble, id: await id() };
  },
  async bought({ tab, track, id }) {
    await track("Product Viewed", 2);
    await tab.locator("#hint .segue-inline").waitFor();
    await track("Order Completed");
    await tab.locator("#hint .segue-inline").waitFor({ state: "detached" });
    return { id: await id() };
  },
  async overlays({ tab, track, trouble, id }) {
    await track("Stock Asked");
    const toast = tab.locator(".segue-toasts[role=status] .segue-toast");
    await toast.waitFor();
    const focus = await tab.evaluate(() => document.activeElement === document.body);
    await tab.keyboard.press("Escape");
    await toast.waitFor({ state: "detached" });
    await track("Shipping Asked");
    const banner = tab.locator(".segue-banner");
    await banner.waitFor();
    await banner.locator(".segue-action").click();
    await banner.waitFor({ state: "detached" });
    const hash = new URL(tab.url()).hash;
    await track("Checkout Started");
    await tab.locator("[data-segue-placement=pay-slot] .segue-checkout").waitFor();
    await tab.waitForTimeout(600);
    return { focus, hash, trouble, id: await id() };
  },
  async words({ tab, track }) {
    await tab.evaluate(() => window.segue.identify("mallory", { name: "<img src=x onerror=window.hacked=true>" }));
    await track("Words Asked");
    const slot = tab.locator("[data-segue-placement=word-slot] .segue-inline");
    await slot.waitFor();
    const html = await slot.locator(".segue-html").evaluate((element) => element.innerHTML);
    const title = await slot.locator(".segue-title").textContent();
    await slot.locator("a").click();
    await tab.waitForTimeout(300);
    return { html, title, hacked: await tab.evaluate(() => window.hacked === true) };
  },
  async offline({ context, tab, track, id }) {
    await tab.evaluate(() => window.segue.flush());
    await context.setOffline(true);
    await track("Said Offline", 2);
    await tab.waitForTimeout(700);
    const kept = await tab.evaluate(() => Object.keys(localStorage).filter((key) => key.startsWith("segue.q.")).flatMap((key) => JSON.parse(localStorage[key])).length);
    await context.setOffline(false);
    await tab.evaluate(() => window.segue.flush());
    await tab.waitForFunction(() => !Object.keys(localStorage).some((key) => key.startsWith("segue.q.")));
    // And what a tab could not send before it was closed, the next page sends.
    await context.setOffline(true);
    await track("Said Before Closing");
    const who = await id();
    await tab.close();
    await context.setOffline(false);
    const next = await context.newPage();
    await next.goto(`${origin}/`);
    await next.waitForFunction(() => window.segue && !Array.isArray(window.segue));
    await next.evaluate(() => window.segue.flush());
    return { kept, id: who, same: who === (await next.evaluate(() => window.segue.ids().anonymousId)) };
  },
  async unload({ tab, id }) {
    await tab.evaluate(() => window.segue.flush());
    const who = await id();
    await tab.evaluate(() => { window.segue.track("Said While Leaving"); location.href = "about:blank"; });
    await tab.waitForURL("about:blank");
    await tab.waitForTimeout(300);
    return { id: who };
  },
  async consent({ context, tab, asked, track }) {
    await track("Said Before Consent");
    await tab.waitForTimeout(600);
    const stored = () => tab.evaluate(() => ({ cookie: document.cookie, keys: Object.keys(localStorage) }));
    const before = { ...(await stored()), asked: [...asked], cookies: (await context.cookies()).length };
    await tab.evaluate(() => window.segue.consent({ advertising: true }));
    await tab.waitForTimeout(400);
    const other = { ...(await stored()), asked: [...asked] };
    await tab.evaluate(() => window.segue.consent({ marketing: true, advertising: false }));
    await tab.evaluate(() => window.segue.flush());
    const who = await tab.evaluate(() => window.segue.ids().anonymousId);
    const during = await stored();
    await tab.reload();
    await tab.waitForFunction(() => window.segue && !Array.isArray(window.segue));
    const kept = await tab.evaluate(() => window.segue.ids().anonymousId);
    await tab.evaluate(() => window.segue.consent({ marketing: false }));
    await tab.waitForTimeout(500);
    asked.length = 0;
    await track("Said After Refusal");
    await tab.waitForTimeout(500);
    return { before, other, during, id: who, same: kept === who, after: { ...(await stored()), asked } };
  },
  async polled({ tab, track, asked }) {
    await tab.route(`${segue}/v1/live*`, (route) => route.abort());
    await track("Stock Asked");
    await tab.locator(".segue-toast").waitFor();
    return { asked: [...new Set(asked)] };
  },
  async navigates({ tab, track, id }) {
    await tab.evaluate(() => {
      document.getElementById("hint").remove();
      history.pushState({}, "", "/products/2");
      document.title = "Another";
    });
    await track("Product Viewed", 2);
    await tab.waitForTimeout(400);
    const without = await tab.locator(".segue-inline").count();
    await tab.evaluate(() => {
      const slot = document.createElement("section");
      slot.dataset.seguePlacement = "product-hint";
      document.querySelector("main").append(slot);
    });
    await tab.locator("section .segue-inline").waitFor();
    await tab.reload();
    await tab.locator("#hint .segue-inline").waitFor();
    return { without, id: await id() };
  },
  async beside({ tab, trouble }) {
    const anonymous = await tab.evaluate(async (segue) => {
      const [ajs] = await window.AnalyticsNext.AnalyticsBrowser.load({ writeKey: "wk_e2e", cdnURL: segue });
      await ajs.page();
      await ajs.track("Product Viewed", { product_id: "p1", price: 9 });
      await ajs.track("Product Viewed", { product_id: "p2", price: 9 });
      return ajs.user().anonymousId();
    }, segue);
    await tab.locator("#hint .segue-inline").waitFor();
    return { id: anonymous, ours: await tab.evaluate(() => window.segue.ids().anonymousId), trouble };
  },
  async own({ tab, track, id }) {
    await tab.evaluate(() => {
      window.seen = [];
      document.addEventListener("segue:offer", (event) => {
        event.preventDefault();
        window.seen.push(event.detail.fields.title);
        event.detail.shown();
        event.detail.clicked();
      });
      document.addEventListener("segue:closed", (event) => window.seen.push(`closed ${event.detail.message}`));
    });
    await track("Stock Asked");
    await tab.waitForFunction(() => window.seen.length >= 2);
    await tab.evaluate(() => window.segue.flush());
    return { seen: await tab.evaluate(() => window.seen), ours: await tab.locator(".segue").count(), id: await id() };
  },
  async signals({ tab, id }) {
    await tab.evaluate(() => window.segue.track("Product Added", { product_id: "p1" }));
    await tab.evaluate(() => window.scrollTo(0, document.documentElement.scrollHeight));
    await tab.mouse.move(300, 200);
    await tab.evaluate(() => document.dispatchEvent(new MouseEvent("mouseout", { clientY: -1, relatedTarget: null })));
    await tab.waitForTimeout(3400);
    await tab.evaluate(() => window.segue.flush());
    return { id: await id() };
  },
  async looks() {
    const seen = {};
    const all = [
      ["light", { colorScheme: "light" }],
      ["dark", { colorScheme: "dark" }],
      ["phone", { colorScheme: "light", viewport: { width: 390, height: 780 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true }],
      ["still", { reducedMotion: "reduce" }],
    ];
    for (const [name, options] of all) {
      const { tab, track, context } = await visit(options);
      const shoot = async (what) => {
        await tab.waitForTimeout(400);
        await tab.screenshot({ path: path.join(pictures, `${name}-${what}.png`) });
      };
      await track("Product Viewed", 2);
      await tab.locator(".segue-inline").waitFor();
      await tab.evaluate(() => document.querySelector(".segue-inline").scrollIntoView({ block: "center" }));
      await shoot("inline");
      await track("Checkout Started");
      await tab.locator(".segue-checkout").waitFor();
      await tab.evaluate(() => document.querySelector(".segue-checkout").scrollIntoView({ block: "center" }));
      await shoot("checkout");
      await context.close();
      const second = await visit(options);
      const shootTwo = async (what) => {
        await second.tab.waitForTimeout(400);
        await second.tab.screenshot({ path: path.join(pictures, `${name}-${what}.png`) });
      };
      await second.track("Stock Asked");
      await second.tab.locator(".segue-toast").waitFor();
      await shootTwo("toast");
      await second.tab.keyboard.press("Escape");
      await second.track("Shipping Asked");
      await second.tab.locator(".segue-banner").waitFor();
      await shootTwo("banner");
      await second.tab.locator(".segue-banner .segue-close").click();
      await second.track("Product Viewed", 4);
      await second.tab.locator("dialog[open]").waitFor();
      await shootTwo("modal");
      const wide = await second.tab.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      const motion = await second.tab.evaluate(() => getComputedStyle(document.querySelector("dialog")).animationName);
      seen[name] = { wide, motion };
      await second.context.close();
    }
    return seen;
  },
};

const ATTRIBUTES = {
  consent: 'data-require-consent="marketing"',
  polled: 'data-live="poll"',
  beside: "data-beside",
  signals: 'data-signals="exit scroll dwell idle-cart" data-idle-cart-seconds="2"',
};

shop.listen(0, "127.0.0.1", async () => {
  origin = `http://127.0.0.1:${shop.address().port}`;
  browser = await chromium.launch({ executablePath, args: flags.split(" ") });
  const wanted = process.argv[5] ? process.argv[5].split(",") : Object.keys(stories);
  const told = {};
  for (const name of wanted) {
    let opened;
    try {
      if (name !== "looks") {
        opened = await visit({}, ATTRIBUTES[name], name === "beside" ? "&analytics" : "");
        opened.tab.setDefaultTimeout(8000);
      }
      told[name] = await stories[name](opened);
    } catch (error) {
      told[name] = { failed: error.message, trouble: opened?.trouble };
    }
    await opened?.context.close();
  }
  await browser.close();
  shop.close();
  console.log(JSON.stringify(told));
});
