// Push in Chromium: node push.cjs CHROMIUM SEGUE_URL FOLDER [STORIES]
//
// Chromium's own push service is out of a test's reach, so this file takes its place. The page is
// given a subscription whose endpoint and keys are ours; what Segue posts there is decrypted as a
// browser would (RFC 8291), and handed to the real service worker through Chromium's own
// `deliverPushMessage`. What a finger does on a notification is an event made by hand.
const http = require("node:http");
const { createDecipheriv, createECDH, hkdfSync, randomBytes } = require("node:crypto");
const { at, profile, tell, until } = require("./world.cjs");

const ends = new Map();

/** A browser's end of a subscription. */
function end(endpoint) {
  const ecdh = createECDH("prime256v1");
  ecdh.generateKeys();
  const one = { ecdh, auth: randomBytes(16), heard: [], status: 201 };
  ends.set(endpoint, one);
  const keys = { p256dh: ecdh.getPublicKey("base64url"), auth: one.auth.toString("base64url") };
  return { one, subscription: { endpoint: `${service}${endpoint}`, expirationTime: null, keys } };
}

function decrypted({ ecdh, auth }, body) {
  const salt = body.subarray(0, 16);
  const theirs = body.subarray(21, 21 + body[20]);
  const info = Buffer.concat([Buffer.from("WebPush: info\0"), ecdh.getPublicKey(), theirs]);
  const key = Buffer.from(hkdfSync("sha256", ecdh.computeSecret(theirs), auth, info, 32));
  const part = (name, length) => Buffer.from(hkdfSync("sha256", key, salt, `Content-Encoding: ${name}\0`, length));
  const open = createDecipheriv("aes-128-gcm", part("aes128gcm", 16), part("nonce", 12));
  open.setAuthTag(body.subarray(-16));
  const padded = Buffer.concat([open.update(body.subarray(21 + body[20], -16)), open.final()]);
  return padded.subarray(0, padded.lastIndexOf(2)).toString();
}

let service;
const receiver = http.createServer((request, response) => {
  const one = ends.get(request.url);
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    if (one && one.status < 300) {
      one.heard.push({ text: decrypted(one, Buffer.concat(parts)), signed: request.headers.authorization });
    }
    response.statusCode = one ? one.status : 404;
    response.end();
  });
});

/** In the page or the worker: what the browser's push service would do. */
function pretend({ subscription, worker }) {
  const scope = globalThis;
  scope.key = scope.key ?? null;
  scope.held = scope.held ?? null;
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (one) => one.charCodeAt(0)).buffer;
  const remember = (text) => (worker ? undefined : scope.localStorage?.setItem("pretend", text));
  const made = (applicationServerKey) => ({
    ...subscription,
    options: { applicationServerKey: bytes(applicationServerKey), userVisibleOnly: true },
    toJSON: () => subscription,
    unsubscribe: async () => { scope.held = null; remember(""); return true; },
  });
  scope.PushManager.prototype.subscribe = async (given) => {
    if (!given.userVisibleOnly || !given.applicationServerKey) throw new Error("not as browsers want it");
    scope.key = given.applicationServerKey;
    remember(scope.key);
    return (scope.held = made(scope.key));
  };
  scope.PushManager.prototype.getSubscription = async () => {
    const kept = worker ? "" : scope.localStorage?.getItem("pretend");
    return scope.held ?? (kept ? (scope.held = made(kept)) : null);
  };
}

/** A page whose customer has said yes; `subscription` is what its push service gives. */
async function subscribed({ context, tab, id, trouble }, endpoint) {
  const { one, subscription } = end(endpoint);
  await context.grantPermissions(["notifications"], { origin: at("") });
  await context.addInitScript(pretend, { subscription });
  await tab.reload();
  await tab.waitForFunction(() => window.segue && !Array.isArray(window.segue));
  const before = await tab.evaluate(() => window.segue.push.state());
  const state = await tab.evaluate(() => window.segue.push.subscribe({ worker: "/sw.js" }));
  const who = await id();
  if (state !== "on") throw new Error(`${state}: ${trouble}`);
  await until(async () => (await profile(who)).traits?.push_token);
  const worker = await until(() => context.serviceWorkers()[0]);
  return { one, subscription, before, state, who, worker };
}

/** Hand a text to the worker, as the browser does with what it decrypted. */
async function deliver({ context, tab }, text) {
  const cdp = await context.newCDPSession(tab);
  const found = new Promise((resolve) => cdp.on("ServiceWorker.workerRegistrationUpdated", ({ registrations }) => registrations[0] && resolve(registrations[0])));
  await cdp.send("ServiceWorker.enable");
  const { registrationId } = await found;
  await cdp.send("ServiceWorker.deliverPushMessage", { origin: at(""), registrationId, data: text });
  await cdp.detach();
}

const shown = (worker) =>
  worker.evaluate(async () => (await self.registration.getNotifications()).map(({ title, body, tag, icon, data }) => ({ title, body, tag, icon, data })));

/** What Segue knows became of the send. */
const line = async (who, message) => (await profile(who)).ledger?.find((one) => one.message === message);

const act = (worker, kind) =>
  worker.evaluate(async (kind) => {
    self.opened = [];
    // Only a real finger may open a window.
    self.clients.openWindow = async (url) => void self.opened.push(url);
    const [notification] = await self.registration.getNotifications();
    self.dispatchEvent(new NotificationEvent(kind, { notification }));
    return self.opened;
  }, kind);

const stories = {
  async arrives(page) {
    const { tab, track, trouble } = page;
    const { one, before, state, who, worker } = await subscribed(page, "/arrives");
    await track("Push Asked");
    const { text, signed } = await until(() => one.heard[0]);
    await worker.evaluate(() => { const line = self.fetch; self.told = []; self.fetch = (url, given) => { self.told.push(JSON.parse(given.body).outcome); return line(url, given); }; });
    await deliver(page, text);
    const notifications = await until(async () => { const all = await shown(worker); return all.length && all; });
    await deliver(page, text);
    await tab.waitForTimeout(300);
    const again = (await shown(worker)).length;
    await act(worker, "notificationclick");
    const opened = await until(() => worker.evaluate(() => self.opened.length && self.opened));
    const seen = await until(async () => { const found = await line(who, "back-by-push"); return found?.clicked_at && found; });
    const left = (await shown(worker)).length;
    // What is none of Segue's is another's business.
    await deliver(page, JSON.stringify({ title: "Another's", body: "x" }));
    await deliver(page, "no JSON at all");
    await tab.waitForTimeout(300);
    const foreign = (await shown(worker)).filter(({ data }) => data).length;
    return { id: who, before, state, signed, notifications, again, opened, left, foreign, trouble, message: seen.message, told: await worker.evaluate(() => self.told), after: await tab.evaluate(() => window.segue.push.state()) };
  },
  async dismissed(page) {
    const { track } = page;
    const { one, who, worker } = await subscribed(page, "/dismissed");
    await track("Push Asked");
    const { text } = await until(() => one.heard[0]);
    // The line is bad while it is put away: told later, with what comes next.
    await worker.evaluate(() => { self.tried = 0; self.line = self.fetch; self.fetch = async () => { self.tried += 1; throw new TypeError("offline"); }; });
    await deliver(page, text);
    await until(async () => (await shown(worker)).length);
    await act(worker, "notificationclose");
    await until(() => worker.evaluate(() => self.tried >= 2));
    const early = (await line(who, "back-by-push")).dismissed_at;
    await worker.evaluate(() => { self.fetch = self.line; });
    await act(worker, "notificationclose");
    await until(async () => (await line(who, "back-by-push")).dismissed_at);
    return { id: who, early };
  },
  async renewed(page) {
    const { who, worker } = await subscribed(page, "/renewed");
    const { subscription } = end("/renewed-again");
    await worker.evaluate(pretend, { subscription, worker: true });
    await worker.evaluate(() => self.dispatchEvent(new ExtendableEvent("pushsubscriptionchange")));
    await until(async () => (await profile(who)).traits.push_token?.includes("/renewed-again"));
    await worker.evaluate(() => { PushManager.prototype.subscribe = async () => { throw new Error("no more"); }; self.dispatchEvent(new ExtendableEvent("pushsubscriptionchange")); });
    await until(async () => !("push_token" in (await profile(who)).traits));
    return { id: who };
  },
  async gone(page) {
    const { track, tab } = page;
    const { one, who } = await subscribed(page, "/gone");
    one.status = 410;
    await track("Push Asked");
    await until(async () => (await profile(who)).unreachable?.push || (await line(who, "back-by-push"))?.state === "failed");
    const { state } = await line(who, "back-by-push");
    // The customer takes it back in the browser's own settings: the next page says so.
    await page.context.clearPermissions();
    await tab.reload();
    await until(async () => !("push_token" in (await profile(who)).traits));
    return { id: who, state };
  },
  async leaves(page) {
    const { tab, asked } = page;
    await tab.evaluate(() => window.segue.consent(true));
    const { who } = await subscribed(page, "/leaves");
    await tab.evaluate(() => window.segue.identify("somebody"));
    await tab.evaluate(() => window.segue.flush());
    const kept = (await profile(who)).traits.push_token !== undefined;
    await tab.evaluate(() => window.segue.reset());
    await until(async () => !("push_token" in (await profile(who)).traits));
    const next = await tab.evaluate(() => window.segue.ids().anonymousId);
    const state = await until(async () => (await tab.evaluate(() => window.segue.push.state())) === "off" && "off");
    const caches = await tab.evaluate(() => caches.keys());
    // And the next one, who takes their consent back.
    await tab.evaluate(() => window.segue.push.subscribe({ worker: "/sw.js" }));
    await until(async () => (await profile(next)).traits?.push_token);
    await tab.evaluate(() => window.segue.consent(false));
    await until(async () => !("push_token" in (await profile(next)).traits));
    await until(async () => (await tab.evaluate(() => caches.keys())).length === 0);
    asked.length = 0;
    const refused = await tab.evaluate(() => window.segue.push.subscribe({ worker: "/sw.js" }));
    return { id: who, kept, state, caches, refused, asked: [...asked], next };
  },
  /** Chromium as it is: refused, or with a push service that can't be reached. */
  async honest({ context, tab, trouble }) {
    const refused = await tab.evaluate(() => window.segue.push.subscribe({ worker: "/sw.js" }));
    await context.grantPermissions(["notifications"], { origin: at("") });
    await tab.reload();
    await tab.waitForFunction(() => window.segue && !Array.isArray(window.segue));
    const state = await tab.evaluate(() => Promise.race([window.segue.push.subscribe({ worker: "/sw.js" }), new Promise((resolve) => setTimeout(resolve, 100_000, "waits"))]));
    return { refused, state, trouble };
  },
};

receiver.listen(0, "127.0.0.1", () => {
  service = `http://127.0.0.1:${receiver.address().port}`;
  tell(stories, { leaves: "data-require-consent" }, {}, () => receiver.close());
});
