// How to send a first event, and the moment it arrives.

import { card, copyable, h } from "./dom.js";
import { state } from "./app.js";

export function startView(page) {
  const origin = location.origin;
  const key = state.overview?.write_key || "YOUR_WRITE_KEY";
  const curl = `curl ${origin}/v1/track -u ${key}: -H 'Content-Type: application/json' -d '{
  "userId": "ana",
  "event": "Product Added",
  "properties": {"product_id": "p-1", "name": "Trail shoes", "price": 89}
}'`;
  const browser = `import { AnalyticsBrowser } from "@segment/analytics-next"

const analytics = AnalyticsBrowser.load({
  writeKey: "${key}",
  cdnURL: "${origin}",
})
analytics.identify("ana", { email: "ana@example.com" })
analytics.track("Product Added", { product_id: "p-1", price: 89 })`;
  const python = `import segment.analytics as analytics

analytics.write_key = "${key}"
analytics.host = "${origin}"
analytics.identify("ana", {"email": "ana@example.com"})
analytics.track("ana", "Product Added", {"product_id": "p-1", "price": 89})
analytics.flush()`;
  const waiting = h("p", { class: "pulse", role: "status" }, h("i"), h("span", {}, "Waiting for an event…"));
  const box = h("div", { class: "start" }, h("div", {}, h("h1", {}, "Send an event"), h("p", { class: "lead" }, "Segue speaks Segment's protocol, so any Segment or RudderStack client will do. Pick one, and watch the customer appear.")), waiting, card("From a terminal", "curl", h("div", { class: "pad" }, copyable(curl))), card("From a web page", "analytics.js", h("div", { class: "pad" }, copyable(browser))), card("From a server", "Python; Node works alike", h("div", { class: "pad" }, copyable(python))));
  page.append(box);
  return {
    update(facts) {
      const first = facts?.find((fact) => fact.kind === "event" && !fact.simulated && !fact.detail.emitted);
      if (!first) return;
      waiting.replaceChildren(h("span", { class: "tag good" }, "It arrived"), h("span", {}, h("b", {}, first.name), " — "), h("a", { class: "link", href: `#/profile/${encodeURIComponent(first.profile)}` }, "see what it changed"));
    },
  };
}
