// What the sandbox kept: a list, and a reader with a safe preview.

import { get } from "./api.js";
import { ago, brief, glyph, h, nothing, time } from "./dom.js";
import { nameOf } from "./app.js";

const GLYPHS = { email: "email", sms: "sms", push: "push" };

const title = (message) => message.fields.subject || message.fields.title || message.fields.body || message.message;

export function mailList(messages, open = "") {
  return h("ul", { class: "mails" }, ...messages.map((message) => h("li", {}, h("a", { href: `#/messages/${encodeURIComponent(message.id)}`, "aria-current": message.id === open ? "true" : null }, glyph(GLYPHS[message.channel] ?? "send", "violet"), h("span", {}, h("strong", {}, title(message)), h("span", { class: "sub" }, `${message.channel} to ${message.address || nameOf(message.profile) || brief(message.profile)}`)), h("span", {}, message.simulated ? h("span", { class: "tag sim" }, "simulated") : null, " ", time(message.at, ago(message.at)))))));
}

export async function messagesView(page, wanted) {
  const { messages } = await get("/api/messages?limit=200");
  const list = h("div", {});
  const reader = h("div", {});
  page.append(h("div", { class: "head" }, h("div", {}, h("h1", {}, "Messages"), h("p", {}, "What the sandbox channel kept instead of sending it."))));
  page.append(h("div", { class: "reader" }, h("section", { class: "card" }, list), reader));
  const seen = () => `${messages[0]?.id}`;
  let hidden = null;
  let newest = seen();

  function draw(state) {
    const shown = messages.filter((message) => !(state.hideSimulated && message.simulated));
    const open = shown.find((message) => message.id === wanted) ?? shown[0];
    list.replaceChildren(shown.length ? mailList(shown, open?.id) : nothing("No message yet", "When a journey's message is admitted, it appears here."));
    reader.replaceChildren(open ? letter(open) : h("section", { class: "card" }, nothing("Nothing to read", "Choose a message on the left.")));
  }
  return {
    async update(facts, state) {
      if (hidden !== state.hideSimulated) {
        hidden = state.hideSimulated;
        draw(state);
      } else if (facts?.some((fact) => fact.kind === "receipt")) {
        const found = await get("/api/messages?limit=200");
        messages.splice(0, messages.length, ...found.messages);
        if (newest !== seen()) {
          newest = seen();
          const shown = messages.filter((message) => !(state.hideSimulated && message.simulated));
          list.replaceChildren(mailList(shown, wanted));
        }
      }
    },
  };
}

function letter(message) {
  const body = h("div", {});
  const forms = [];
  if (message.preview) forms.push(["Preview", () => h("iframe", { title: "Preview of the message", sandbox: "", src: message.preview, loading: "lazy" })]);
  const text = message.fields.text || message.fields.body;
  if (text) forms.push(["Text", () => (message.channel === "sms" || message.channel === "push" ? h("div", { class: "phone" }, text) : h("pre", { class: "code" }, text))]);
  forms.push(["Fields", () => h("pre", { class: "code" }, JSON.stringify(message.fields, null, 2))]);
  const buttons = forms.map(([name, build]) => h("button", { type: "button", "aria-pressed": "false", onclick: () => show(name, build) }, name));
  function show(name, build) {
    buttons.forEach((button) => button.setAttribute("aria-pressed", String(button.textContent === name)));
    body.replaceChildren(build());
  }
  show(...forms[0]);
  return h(
    "section",
    { class: "card letter" },
    h(
      "header",
      {},
      h("h2", {}, title(message)),
      h("div", { class: "segmented", role: "group", "aria-label": "Form" }, ...buttons),
      h("dl", {}, h("dt", {}, "To"), h("dd", {}, message.address), h("dt", {}, "Message"), h("dd", {}, message.message), h("dt", {}, "For"), h("dd", {}, h("a", { class: "link", href: `#/profile/${encodeURIComponent(message.profile)}` }, nameOf(message.profile) || message.profile), " · ", h("a", { class: "link", href: `#/profile/${encodeURIComponent(message.profile)}` }, "why?")), h("dt", {}, "When"), h("dd", {}, time(message.at, new Date(message.at).toLocaleString()))),
    ),
    body,
  );
}
