// Looks at every view of the live page as a person would, in both colour schemes and two sizes:
// node live_page.cjs CHROMIUM SEGUE_URL
const { chromium } = require("playwright-core");

const [, , executablePath, segue] = process.argv;
const flags = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync";
const LOOKS = [
  { viewport: { width: 1360, height: 860 }, colorScheme: "light" },
  { viewport: { width: 390, height: 844 }, colorScheme: "dark" },
];

async function send(messages) {
  const response = await fetch(`${segue}/v1/batch`, {
    method: "POST",
    body: JSON.stringify({ writeKey: "wk_test", batch: messages }),
  });
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
}

async function look(browser, options, told) {
  const context = await browser.newContext(options);
  const tab = await context.newPage();
  tab.on("console", (line) => ["error", "warning"].includes(line.type()) && told.trouble.push(line.text()));
  tab.on("pageerror", (error) => told.trouble.push(error.message));
  const step = async (name, ready) => {
    await ready();
    const wide = await tab.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (wide > 0) told.trouble.push(`${name} is ${wide} px too wide at ${options.viewport.width}`);
    const leaked = (await tab.evaluate(() => document.body.innerText)).match(/\b(null|undefined|NaN|\[object)\b/);
    if (leaked) told.trouble.push(`${name} shows ${leaked[0]}`);
    told.seen.push(name);
  };
  await tab.goto(segue);
  if (told.seen.length === 0) {
    // The first visit finds an empty store and says how to send an event; one arrives.
    await step("start", () => tab.getByRole("heading", { name: "Send an event" }).waitFor());
    const curl = await tab.locator("pre").first().textContent();
    told.curl = curl.includes("wk_test") && curl.includes(segue);
    await tab.getByText("Waiting for an event").waitFor();
    await tab.waitForFunction(() => document.querySelector("#status").dataset.state === "live");
    await send([
      { type: "identify", userId: "ana", traits: { name: "Ana Berg", email: "ana@example.org" } },
      { type: "track", userId: "ana", event: "Product Viewed", properties: { price: 9 } },
    ]);
    await step("arrived", () => tab.getByText("It arrived").waitFor());
  }
  await tab.goto(`${segue}/#/`);
  await step("live", () => tab.locator(".stream li b", { hasText: "Product Viewed" }).first().waitFor());
  await step("named", () => tab.locator(".stream .who", { hasText: "Ana Berg" }).first().waitFor());
  await tab.locator(".stream .who", { hasText: "Ana Berg" }).first().click();
  await step("profile", () => tab.getByRole("heading", { name: "Ana Berg" }).waitFor());
  const verdict = tab.locator(".verdict", { hasText: "Sent greeting by email" });
  await verdict.locator("summary").click();
  await step("why", () => verdict.getByText("Reachable and consented").waitFor());
  await tab.goto(`${segue}/#/messages`);
  await step("preview", () => tab.frameLocator("iframe").locator("b", { hasText: "Hello" }).waitFor());
  await tab.goto(`${segue}/#/profiles`);
  await step("profiles", () => tab.locator("tbody tr", { hasText: "Ana Berg" }).waitFor());
  await tab.goto(`${segue}/#/journeys`);
  await step("journeys", () => tab.locator("svg .box-text", { hasText: "greeting by email" }).waitFor());
  await tab.goto(`${segue}/#/trouble`);
  await step("trouble", () => tab.getByText("Everything that came in could be used").waitFor());
  await context.close();
}

(async () => {
  const browser = await chromium.launch({ executablePath, args: flags.split(" ") });
  const told = { seen: [], trouble: [], curl: false };
  try {
    for (const options of LOOKS) await look(browser, options, told);
  } catch (error) {
    told.trouble.push(error.message);
  } finally {
    await browser.close();
  }
  console.log(JSON.stringify(told));
})();
