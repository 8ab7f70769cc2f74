// Drives Segment's analytics.js in Chromium, on a page of another origin than Segue's:
// node browser_client.cjs CHROMIUM SEGUE_URL STRATEGY WAIT_MS
const fs = require("node:fs");
const http = require("node:http");
const path = require("node:path");
const { chromium } = require("playwright-core");

const [, , executablePath, segue, strategy, wait] = process.argv;
const root = path.join(__dirname, "node_modules/@segment/analytics-next/dist/umd");
const page = `<!doctype html><title>Shop</title><script src="/index.js"></script>`;

const shop = http.createServer((request, response) => {
  const name = path.basename(new URL(request.url, "http://shop").pathname);
  const file = path.join(root, name);
  if (name.endsWith(".js") && fs.existsSync(file)) {
    response.setHeader("Content-Type", "text/javascript");
    response.end(fs.readFileSync(file));
  } else {
    response.setHeader("Content-Type", "text/html");
    response.end(page);
  }
});

async function visit(browser, address) {
  const tab = await browser.newPage();
  const trouble = [];
  tab.on("pageerror", (error) => trouble.push(error.message));
  await tab.goto(`${address}/products/1?utm_source=news`);
  const answered = await tab.evaluate(
    async ({ segue, strategy }) => {
      const batching = { deliveryStrategy: { strategy: "batching", config: { size: 10, timeout: 300 } } };
      const [analytics] = await window.AnalyticsNext.AnalyticsBrowser.load(
        { writeKey: "wk_test", cdnURL: segue },
        strategy === "batching" ? { integrations: { "Segment.io": batching } } : {},
      );
      await analytics.identify("user-1", { email: "a@example.com" });
      await analytics.track("Product Added", { product_id: "p1", price: 18.99 });
      await analytics.page("Docs", "Home");
      await analytics.screen("Main", { x: 1 });
      await analytics.group("acct-9", { name: "Initech" });
      await analytics.alias("user-1b", "user-1");
      const decided = await fetch(`${segue}/v1/decide`, {
        method: "POST",
        headers: { "Content-Type": "text/plain" },
        body: JSON.stringify({ writeKey: "wk_test", userId: "user-1", placements: ["banner"] }),
      });
      return { decided: decided.status, beacon: navigator.sendBeacon(`${segue}/v1/t?writeKey=wk_test`, JSON.stringify({ event: "Left", userId: "user-1", messageId: "beacon-1" })) };
    },
    { segue, strategy },
  );
  await tab.waitForTimeout(Number(wait));
  return { ...answered, trouble };
}

shop.listen(0, "127.0.0.1", async () => {
  const flags = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync";
  const browser = await chromium.launch({ executablePath, args: flags.split(" ") });
  try {
    const told = await visit(browser, `http://127.0.0.1:${shop.address().port}`);
    console.log(JSON.stringify(told));
  } finally {
    await browser.close();
    shop.close();
  }
});
