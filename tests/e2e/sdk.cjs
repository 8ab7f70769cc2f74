// Drives the browser SDK in Chromium, on a page of another origin under a strict policy:
// node sdk.cjs CHROMIUM SEGUE_URL FOLDER_FOR_PICTURES
// The last line printed is what each story saw, as JSON.
const path = require("node:path");
const { arrived, at, forgotten, pictures, segue, silent, tell, until, visit } = require("./world.cjs");

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
    await arrived(await id(), "Message Dismissed");
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
    await arrived(await id(), "Message Shown", 3);
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
    const waiting = () => tab.evaluate(() => Object.keys(localStorage).filter((key) => key.startsWith("segue.q.")).flatMap((key) => JSON.parse(localStorage[key])).length);
    const kept = await until(async () => (await waiting()) === 2 && 2);
    await context.setOffline(false);
    await silent(tab);
    // And what a tab could not send before it was closed, the next page sends.
    await context.setOffline(true);
    await track("Said Before Closing");
    const who = await id();
    await tab.close();
    await context.setOffline(false);
    const next = await context.newPage();
    await next.goto(at("/"));
    await next.waitForFunction(() => window.segue && !Array.isArray(window.segue));
    await next.evaluate(() => window.segue.flush());
    return { kept, id: who, same: who === (await next.evaluate(() => window.segue.ids().anonymousId)) };
  },
  async unload({ tab, id }) {
    await tab.evaluate(() => window.segue.flush());
    const who = await id();
    await tab.evaluate(() => { window.segue.track("Said While Leaving"); location.href = "about:blank"; });
    await tab.waitForURL("about:blank");
    await arrived(who, "Said While Leaving");
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
    await forgotten(tab);
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
    // The cart was filled on one page and is left on another.
    await tab.reload();
    const who = await id();
    await tab.evaluate(() => window.scrollTo(0, document.documentElement.scrollHeight));
    // Depth is looked at every second: once it is heard, the part that listens is there.
    await arrived(who, "Scroll Depth Reached");
    await tab.mouse.move(300, 200);
    for (let n = 0; n < 2; n += 1) await tab.evaluate(() => document.dispatchEvent(new MouseEvent("mouseout", { clientY: -1, relatedTarget: null })));
    await arrived(who, "Cart Idled");
    await arrived(who, "Exit Intended");
    return { id: who };
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

tell(stories, ATTRIBUTES, { beside: "&analytics", looks: null });
