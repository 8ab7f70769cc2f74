// The stream of what happens, figures, why messages were held, and the latest messages.

import { nameOf } from "./app.js";
import { get } from "./api.js";
import { TONES, card, glyph, h, nothing, number, time, who } from "./dom.js";
import { mailList } from "./messages.js";

const ROWS_MAX = 150;
const FILTERS = {
  All: () => true,
  Events: (fact) => fact.kind === "event",
  Decisions: (fact) => fact.kind === "decision",
  Messages: (fact) => ["send", "show", "withdraw", "receipt"].includes(fact.kind),
  Journeys: (fact) => ["run", "segment"].includes(fact.kind),
};

const WORDS = {
  event: (fact) => [h("b", {}, fact.name), fact.detail.emitted ? h("span", {}, " · made by Segue") : h("span", {}, fact.detail.source ? ` · ${fact.detail.source}` : "")],
  segment: (fact) => [h("span", {}, `${fact.detail.change} segment `), h("b", {}, fact.name)],
  run: (fact) => [
    h("b", {}, fact.name),
    h("span", {}, { entered: " entered", moved: ` moved to ${fact.detail.step || "its end"}`, ended: ` ended: ${fact.detail.text}`, refused: ` not entered: ${fact.detail.text}`, goal: " reached its goal" }[fact.detail.change]),
  ],
  decision: (fact) => [h("b", {}, fact.name), h("span", {}, fact.detail.outcome === "admitted" ? ` admitted${place(fact)}` : ` ${fact.detail.outcome}: ${fact.detail.text}`)],
  send: (fact) => [h("b", {}, fact.name), h("span", {}, ` queued by ${fact.detail.channel} to ${fact.detail.address}`)],
  show: (fact) => [h("b", {}, fact.name), h("span", {}, ` shown in ${fact.detail.placement}`)],
  withdraw: (fact) => [h("b", {}, "Withdrawn"), h("span", {}, `: ${fact.detail.text}`)],
  receipt: (fact) => [h("b", {}, fact.name), h("span", {}, ` ${fact.detail.state} by ${fact.detail.channel}`)],
  set_aside: (fact) => [h("b", {}, "Set aside"), h("span", {}, `: ${fact.detail.reason}`)],
};

const place = (fact) => (fact.detail.placement ? ` for ${fact.detail.placement}` : fact.detail.channel ? ` by ${fact.detail.channel}` : "");

function look(fact) {
  if (fact.kind === "decision") return [fact.detail.outcome, TONES[fact.detail.outcome]];
  const tone = { event: "plain", segment: "info", run: "info", send: "violet", show: "violet", withdraw: "hold", receipt: "good", set_aside: "bad" }[fact.kind];
  return [fact.kind, tone];
}

function row(fact, fresh) {
  return h("li", { class: fresh ? "new" : null, "data-profile": fact.profile }, time(fact.at), glyph(...look(fact)), h("span", { class: "what" }, ...WORDS[fact.kind](fact)), fact.profile ? who(fact.profile, nameOf(fact.profile), fact.simulated) : h("span"));
}

export function liveView(page) {
  let filter = "All";
  let paused = false;
  let drawn = new Set();
  const list = h("ol", { class: "stream", "aria-label": "What happens, newest first", tabindex: "0" });
  const skipped = h("p", { class: "skipped", hidden: true });
  const chips = Object.keys(FILTERS).map((name) => h("button", { type: "button", "aria-pressed": String(name === filter), onclick: () => choose(name) }, name));
  const pause = h("button", { class: "button quiet small", type: "button", onclick: hold }, "Pause");
  const figures = h("dl", { class: "figures" });
  const reasons = h("ul", { class: "bars pad" });
  const mails = h("div", {});

  function choose(name) {
    filter = name;
    chips.forEach((chip) => chip.setAttribute("aria-pressed", String(chip.textContent === name)));
    redraw(current);
  }
  function hold() {
    paused = !paused;
    pause.textContent = paused ? "Go on" : "Pause";
    if (!paused) redraw(current);
  }

  let current = null;
  const wanted = (fact) => FILTERS[filter](fact) && !(current.hideSimulated && fact.simulated);

  function redraw(state) {
    current = state;
    const facts = state.facts.filter(wanted).slice(0, ROWS_MAX);
    drawn = new Set(facts.map((fact) => fact.n));
    list.replaceChildren(...(facts.length ? facts.map((fact) => row(fact, false)) : [h("div", {}, nothing("Quiet so far", "What happens appears here at once."))]));
  }

  function add(facts, state) {
    const fresh = facts.filter((fact) => wanted(fact) && !drawn.has(fact.n));
    if (fresh.length === 0) return;
    if (drawn.size === 0) list.replaceChildren();
    fresh.forEach((fact) => drawn.add(fact.n));
    const away = list.scrollTop > 30 ? list.scrollHeight : 0;
    list.prepend(...fresh.map((fact) => row(fact, true)));
    while (list.childElementCount > ROWS_MAX) list.lastElementChild.remove();
    if (away) list.scrollTop += list.scrollHeight - away;
    if (fresh.some((fact) => fact.kind === "receipt")) refreshMails(state);
  }

  let asking = false;
  async function refreshMails(state) {
    if (asking) return;
    asking = true;
    try {
      const { messages } = await get("/api/messages?limit=30");
      const shown = messages.filter((message) => !(state.hideSimulated && message.simulated)).slice(0, 6);
      mails.replaceChildren(shown.length ? mailList(shown) : nothing("No message yet", "What the sandbox keeps appears here, to be read."));
    } finally {
      asking = false;
    }
  }

  page.append(
    h("h1", { class: "skip" }, "Live"),
    figures,
    h("div", { class: "columns" }, h("section", { class: "card" }, h("header", {}, h("h2", {}, "As it happens"), h("div", { class: "chips", role: "group", "aria-label": "Show" }, ...chips), pause), list, skipped), h("div", { class: "stack" }, card("Decisions", "since the start", reasons), card("Latest messages", "", mails))),
  );

  let first = true;
  function update(facts, state) {
    current = state;
    if (first || facts === null) {
      if (first || !paused) redraw(state);
      refreshMails(state);
      first = false;
    } else if (!paused) add(facts, state);
    skipped.hidden = state.skipped === 0;
    skipped.textContent = `${number(state.skipped)} more events came too fast to list; all are counted and kept.`;
    if (state.overview) {
      figures.replaceChildren(...drawFigures(state));
      reasons.replaceChildren(...drawReasons(state.overview.decisions));
    }
  }
  return { update };
}

function drawFigures(state) {
  const { counts, decisions } = state.overview;
  const sum = (outcome) => decisions.filter((line) => line.outcome === outcome).reduce((total, line) => total + line.count, 0);
  const settled = state.rates.slice(-6, -1);
  const rate = settled.reduce((total, value) => total + value, 0) / settled.length;
  const figure = (tone, title, value, small, extra) => h("div", { class: `card figure ${tone}` }, h("dt", {}, h("i"), title), h("dd", {}, value, small ? h("small", {}, small) : null), extra);
  return [
    figure("violet", "Events per second", rate >= 10 ? number(Math.round(rate)) : rate.toFixed(1), `${number(counts.events)} kept`, spark(state.rates)),
    figure("info", "Profiles", number(counts.profiles), counts.waiting ? `${number(counts.waiting)} waiting` : ""),
    figure("good", "Admitted", number(sum("admitted"))),
    figure("hold", "Held", number(sum("held"))),
    figure("bad", "Denied", number(sum("denied"))),
  ];
}

function spark(rates) {
  const most = Math.max(4, ...rates);
  const points = rates.slice(0, -1).map((rate, index) => `${((index / (rates.length - 2)) * 100).toFixed(1)},${(38 - (rate / most) * 32).toFixed(1)}`);
  return h("svg:svg", { viewBox: "0 0 100 40", preserveAspectRatio: "none", "aria-hidden": "true" }, h("svg:polygon", { points: `0,40 ${points.join(" ")} 100,40`, fill: "currentColor", opacity: 0.1 }), h("svg:polyline", { points: points.join(" "), fill: "none", stroke: "currentColor", "stroke-width": 1.6, "vector-effect": "non-scaling-stroke", "stroke-linejoin": "round" }));
}

function drawReasons(decisions) {
  const lines = decisions.slice().sort((one, other) => other.count - one.count).slice(0, 9);
  if (lines.length === 0) return [h("li", {}, nothing("Nothing to decide yet", "Each proposal of a journey is admitted, held or denied, with a reason."))];
  const most = lines[0].count;
  return lines.map((line) => {
    const fill = h("i");
    fill.style.width = `${(line.count / most) * 100}%`;
    const outcome = { admitted: "Admitted", held: "Held" }[line.outcome] ?? "Denied";
    const words = line.text ? `${outcome}: ${line.text}` : outcome;
    return h("li", { class: TONES[line.outcome] }, h("span", { title: words }, words), h("b", {}, number(line.count)), h("div", { class: "track", "aria-hidden": "true" }, fill));
  });
}
