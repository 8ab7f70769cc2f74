// A shop for the browser tests: pages of another origin than Segue's, under a strict policy.
// `tell` opens each story's page, runs it, and prints as the last line what each saw, as JSON.
const fs = require("node:fs");
const http = require("node:http");
const path = require("node:path");
const { createRequire } = require("node:module");
const clients = createRequire(path.join(__dirname, "../integration/node/package.json"));
const { chromium } = clients("playwright-core");

const [, , executablePath, segue, pictures] = process.argv;

/** How long a story waits for what has to happen: a busy machine is slow, and none of these is a race. */
const PATIENCE_MS = 120_000;
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
  if (url.pathname === "/sw.js") return say("text/javascript", `importScripts("${segue}/segue-sw.js");`);
  if (url.pathname === "/before.js") return say("text/javascript", BEFORE);
  if (url.pathname.startsWith("/analytics/")) {
    const file = path.join(analytics, path.basename(url.pathname));
    return say("text/javascript", fs.existsSync(file) ? fs.readFileSync(file) : "");
  }
  const extra = url.searchParams.has("analytics") ? '<script src="/analytics/index.js"></script>' : "";
  say("text/html", page(url.searchParams.get("with") ?? "", extra));
});

/** What `work` finds, once it finds something. */
async function until(work) {
  for (const deadline = Date.now() + PATIENCE_MS; Date.now() < deadline; ) {
    const found = await work();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`in vain: ${work}`);
}

async function told(path) {
  const answer = await fetch(`${segue}/api/profiles/anonymous:${path}`);
  return answer.ok ? answer.json() : {};
}

/** Segue has so many events of this name by this visitor. */
const arrived = (id, name, times = 1) =>
  until(async () => ((await told(`${id}/timeline?limit=500`)).entries ?? []).filter((one) => one.name === name).length >= times);

/** The page has nothing to say any more. Not by frames: a tab in the background draws none. */
const silent = (tab) => tab.evaluate(() => window.segue.flush()).then(() => tab.waitForFunction(() => !Object.keys(localStorage).some((key) => key.startsWith("segue.q.")), null, { polling: 100 }));

/** The page has told the last it had to tell, and forgot everything. */
const forgotten = (tab) => tab.waitForFunction(() => document.cookie === "" && localStorage.length === 0, null, { polling: 100 });

let browser;
let origin;

async function visit(options = {}, attributes = "", extra = "") {
  const context = await browser.newContext({ viewport: { width: 1280, height: 820 }, ...options });
  context.setDefaultTimeout(PATIENCE_MS);
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


/** Run stories, or those that the command line names; `attributes` are what their tags say. */
function tell(stories, attributes = {}, extras = {}, after = () => {}) {
  shop.listen(0, "127.0.0.1", async () => {
    origin = `http://127.0.0.1:${shop.address().port}`;
    browser = await chromium.launch({
      executablePath,
      args: flags.split(" "),
      // Pages that are left and come back to are kept whole, as they are for customers.
      ignoreDefaultArgs: ["--disable-back-forward-cache"],
    });
    const wanted = process.argv[5] ? process.argv[5].split(",") : Object.keys(stories);
    const seen = {};
    for (const name of wanted) {
      let opened;
      try {
        const alone = extras[name] === null;
        if (!alone) {
          opened = await visit({}, attributes[name], extras[name]);
        }
        seen[name] = await stories[name](opened);
      } catch (error) {
        seen[name] = { failed: error.message, trouble: opened?.trouble };
      }
      await opened?.context.close();
    }
    await browser.close();
    shop.close();
    after();
    console.log(JSON.stringify(seen));
  });
}

module.exports = { arrived, forgotten, pictures, profile: told, segue, silent, tell, until, visit, at: (path) => `${origin}${path}` };
