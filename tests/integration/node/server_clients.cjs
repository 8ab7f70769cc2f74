// Drives one Node client against a running Segue: node server_clients.cjs CLIENT URL SCENARIO
const [, , client, url, scenario] = process.argv;
const KEY = "wk_test";
const errors = [];

function segment() {
  const { Analytics } = require("@segment/analytics-node");
  const analytics = new Analytics({ writeKey: KEY, host: url, maxRetries: 6, flushInterval: 200 });
  analytics.on("error", (error) => errors.push(String(error.reason ?? error.code)));
  return [analytics, () => analytics.closeAndFlush({ timeout: 60_000 })];
}

function rudder() {
  const Rudder = require("@rudderstack/rudder-sdk-node");
  const analytics = new (Rudder.default ?? Rudder)(KEY, { dataPlaneUrl: url, flushInterval: 200, logLevel: "error" });
  const settle = scenario === "retry" ? 9_000 : 1_500;
  return [
    analytics,
    async () => {
      await new Promise((resolve) => setTimeout(resolve, 500));
      await analytics.flush().catch((error) => errors.push(String(error)));
      await new Promise((resolve) => setTimeout(resolve, settle));
    },
  ];
}

(async () => {
  const [analytics, close] = client === "segment" ? segment() : rudder();
  if (scenario === "six") {
    const who = { userId: "user-1", anonymousId: "anon-1" };
    analytics.identify({ ...who, traits: { email: "a@example.com", plan: "pro" } });
    analytics.track({ ...who, event: "Product Added", properties: { product_id: "p1", price: 18.99 } });
    analytics.page({ userId: "user-1", category: "Docs", name: "Home", properties: { path: "/" } });
    analytics.screen({ userId: "user-1", name: "Main", properties: { x: 1 } });
    analytics.group({ userId: "user-1", groupId: "acct-9", traits: { name: "Initech" } });
    analytics.alias({ previousId: "anon-2", userId: "user-1" });
  } else {
    const count = scenario === "retry" ? 5 : 200;
    for (let n = 0; n < count; n++) {
      analytics.track({ userId: `u${n}`, event: "Counted", properties: { n } });
    }
  }
  await close();
  console.log(JSON.stringify({ errors }));
  process.exit(0);
})();
