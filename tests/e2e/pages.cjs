// How pages live in Chromium: several tabs, back and forward, a bad line, a workspace that asks for
// consent: node pages.cjs CHROMIUM SEGUE_URL FOLDER [STORIES]
const { at, forgotten, segue, silent, tell } = require("./world.cjs");

const ready = (tab) => tab.waitForFunction(() => window.segue && !Array.isArray(window.segue));
const stored = (tab) => tab.evaluate(() => ({ cookie: document.cookie, local: Object.keys(localStorage), session: Object.keys(sessionStorage) }));

async function second(context, tab) {
  const other = await context.newPage();
  await other.goto(tab.url());
  await ready(other);
  return other;
}

const stories = {
  /** What one tab does, the other shows; what one is told, the other knows. */
  async tabs({ context, tab, track, id }) {
    const other = await second(context, tab);
    const ids = await Promise.all([tab, other].map((one) => one.evaluate(() => window.segue.ids())));
    await track("Product Viewed", 2);
    await other.locator("#hint .segue-inline").waitFor();
    await tab.locator("#hint .segue-close").click();
    await other.locator("#hint .segue-inline").waitFor({ state: "detached" });
    await tab.evaluate(() => window.segue.identify("ana"));
    // Not by frames: a tab in the background draws none.
    await other.waitForFunction(() => window.segue.ids().userId === "ana", null, { polling: 100 });
    await other.evaluate(() => window.segue.track("Said In The Other"));
    await tab.reload();
    await ready(tab);
    const user = await tab.evaluate(() => window.segue.ids().userId);
    await other.evaluate(() => window.segue.flush());
    return { id: await id(), same: ids[0].anonymousId === ids[1].anonymousId, session: ids[0].sessionId === ids[1].sessionId, user };
  },
  /** A yes in one tab is a yes in all; so is a no. */
  async agree({ context, tab, asked }) {
    const other = await second(context, tab);
    await other.evaluate(() => window.segue.consent(true));
    await tab.waitForFunction(() => document.cookie !== "");
    await tab.evaluate(() => window.segue.flush());
    const who = await tab.evaluate(() => window.segue.ids().anonymousId);
    const same = who === (await other.evaluate(() => window.segue.ids().anonymousId));
    await other.evaluate(() => window.segue.consent(false));
    await forgotten(tab);
    asked.length = 0;
    await tab.evaluate(() => window.segue.track("Said After Another's No"));
    await tab.waitForTimeout(600);
    return { id: who, same, asked: [...asked], ...(await stored(tab)) };
  },
  /** Left and come back to, kept whole by the browser. */
  async returns({ tab, track, id }) {
    await tab.evaluate(() => { window.kept = "whole"; });
    await tab.goto("about:blank");
    await tab.goBack({ waitUntil: "commit" });
    const kept = await tab.evaluate(() => window.kept ?? "");
    await track("Product Viewed", 2);
    await tab.locator("#hint .segue-inline").waitFor();
    await tab.evaluate(() => window.segue.flush());
    return { kept, id: await id() };
  },
  /** Busy, then broken, then well: nothing is lost or doubled, and `Retry-After` is heeded. */
  async retries({ tab, track, id }) {
    await tab.evaluate(() => window.segue.flush());
    const tries = [];
    await tab.route(`${segue}/v1/batch`, async (route) => {
      tries.push(Date.now());
      const headers = { "Access-Control-Allow-Origin": at(""), "Access-Control-Allow-Credentials": "true", "Access-Control-Expose-Headers": "Retry-After", "Retry-After": "2" };
      if (tries.length === 1) return route.fulfill({ status: 429, headers, body: "{}" });
      if (tries.length === 2) return route.abort();
      return route.continue();
    });
    await track("Said On A Bad Line", 3);
    await silent(tab);
    return { id: await id(), tries: tries.length, pause: tries[1] - tries[0] };
  },
  /** What stands stays, whatever else happens; what comes moves nothing that is there. */
  async steady({ tab, track }) {
    // The page's own coming into shape, on a slow machine a late one, is none of ours.
    await tab.waitForLoadState("load");
    await tab.evaluate(() => new Promise((done) => requestIdleCallback(done, { timeout: 2000 })));
    await tab.evaluate(() => {
      window.moves = 0;
      new PerformanceObserver((list) => { for (const one of list.getEntries()) window.moves += one.value; }).observe({ type: "layout-shift", buffered: false });
    });
    await track("Shipping Asked");
    await tab.locator(".segue-banner").waitFor();
    await track("Stock Asked");
    await tab.locator(".segue-toast").waitFor();
    await tab.evaluate(() => { for (const one of document.querySelectorAll(".segue")) one.marked = true; });
    await track("Page Read", 5);
    await tab.evaluate(() => window.segue.flush().then(() => window.segue.decide()));
    await tab.waitForTimeout(700);
    return { marked: await tab.evaluate(() => [...document.querySelectorAll(".segue")].map((one) => one.marked === true)), moves: await tab.evaluate(() => window.moves) };
  },
  /** The shop's own looks: by variables, or all of them. */
  async dressed({ tab, track }) {
    await track("Shipping Asked");
    const banner = tab.locator(".segue-banner");
    await banner.waitFor();
    const look = () => banner.evaluate((one) => { const { position, backgroundColor } = getComputedStyle(one); return { position, backgroundColor }; });
    return { sheets: await tab.evaluate(() => document.adoptedStyleSheets.length), ...(await look()) };
  },
  async tinted({ tab, track }) {
    await tab.evaluate(() => document.documentElement.style.setProperty("--segue-surface", "rgb(1, 2, 3)"));
    await track("Shipping Asked");
    await tab.locator(".segue-banner").waitFor();
    return { backgroundColor: await tab.locator(".segue-banner").evaluate((one) => getComputedStyle(one).backgroundColor) };
  },
  /** The tag says nothing of consent; the workspace does. */
  async unasked({ context, tab, track, id }) {
    const requests = [];
    tab.on("request", (request) => request.url().startsWith(segue) && requests.push(new URL(request.url()).pathname));
    await tab.reload();
    await ready(tab);
    await track("Said Before Consent");
    await tab.evaluate(() => { document.dispatchEvent(new MouseEvent("mouseout", { clientY: -1, relatedTarget: null })); window.scrollTo(0, 900); });
    await tab.waitForTimeout(1800);
    const before = { ...(await stored(tab)), cookies: (await context.cookies()).length, databases: await tab.evaluate(async () => (await indexedDB.databases()).length + (await caches.keys()).length), requests: [...requests] };
    await tab.evaluate(() => window.segue.consent({ marketing: true }));
    await tab.evaluate(() => window.segue.flush());
    return { before, after: await stored(tab), id: await id(), requests };
  },
};

tell(stories, {
  agree: "data-require-consent",
  dressed: 'data-theme="none"',
  unasked: 'data-require-consent="false" data-signals="exit scroll dwell idle-cart"',
});
