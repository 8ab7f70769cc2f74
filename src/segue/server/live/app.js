// The live page: what is known, which view is open, and the stream that feeds both.

import { Refused, follow, get, keepToken, post } from "./api.js";
import { h, nothing } from "./dom.js";
import { journeysView } from "./journeys.js";
import { liveView } from "./live.js";
import { messagesView } from "./messages.js";
import { profileView, profilesView } from "./profiles.js";
import { startView } from "./start.js";
import { troubleView } from "./trouble.js";

const FACTS_MAX = 400;
const main = document.querySelector("#main");

// Everything the views read. Facts are newest first.
export const state = {
  overview: null,
  facts: [],
  names: new Map(),
  rates: new Array(60).fill(0),
  hideSimulated: localStorage.getItem("segue-hide-simulated") === "yes",
  skipped: 0,
};

let view = { update() {}, close() {} };
let asked = new Set();

const VIEWS = {
  "": ["live", liveView],
  profiles: ["profiles", profilesView],
  profile: ["profiles", profileView],
  messages: ["messages", messagesView],
  journeys: ["journeys", journeysView],
  trouble: ["trouble", troubleView],
  start: ["", startView],
};

async function open() {
  const [, name = "", rest = ""] = /^#\/([^/]*)\/?(.*)$/.exec(location.hash || "#/") ?? [];
  const [tab, build] = VIEWS[name] ?? VIEWS[""];
  for (const link of document.querySelectorAll(".tabs a")) {
    if (link.dataset.view === tab) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  view.close?.();
  try {
    const page = h("div", { class: "view" });
    view = (await build(page, decodeURIComponent(rest))) ?? {};
    main.replaceChildren(page);
    window.scrollTo(0, 0);
    view.update?.([], state);
  } catch (error) {
    view = {};
    if (error instanceof Refused && error.status === 401) askForToken();
    else main.replaceChildren(h("div", { class: "card" }, nothing("That did not work", `${error.message}. ${error.hint ?? ""}`)));
  }
}

function askForToken() {
  const field = h("input", { type: "password", name: "token", autocomplete: "current-password", "aria-label": "Admin token", placeholder: "Admin token" });
  const form = h("form", { class: "card token", onsubmit: enter }, h("h1", {}, "This page is locked"), h("p", { class: "muted" }, "Enter the admin token of this installation."), field, h("button", { class: "button", type: "submit" }, "Open"));
  function enter(event) {
    event.preventDefault();
    keepToken(field.value.trim());
    location.reload();
  }
  main.replaceChildren(form);
  field.focus();
}

// ── what is known ──

let refreshing = false;

async function refresh() {
  if (refreshing) return;
  refreshing = true;
  try {
    const was = state.overview;
    state.overview = await get("/api/overview");
    header(state.overview);
    const empty = state.overview.counts.events === 0 && !state.overview.simulation?.on;
    if (!was && empty && (location.hash === "" || location.hash === "#/")) location.hash = "#/start";
    view.update?.([], state);
  } catch (error) {
    if (error.status === 401) askForToken();
  } finally {
    refreshing = false;
  }
}

function header(overview) {
  document.querySelector("#workspace").textContent = overview.workspace;
  document.title = `${overview.workspace} · Segue`;
  const trouble = overview.counts.dead + overview.counts.set_aside;
  const badge = document.querySelector("#trouble-count");
  badge.hidden = trouble === 0;
  badge.textContent = trouble > 999 ? "999+" : String(trouble);
  simulated(overview.simulation);
}

let shownSimulation = "";

function simulated(simulation) {
  const key = JSON.stringify([simulation, state.hideSimulated]);
  if (key === shownSimulation) return;
  shownSimulation = key;
  const banner = document.querySelector("#simulation");
  banner.hidden = !simulation;
  if (!simulation) return;
  const hide = h("input", { type: "checkbox", role: "switch", onchange: toggle });
  hide.checked = state.hideSimulated;
  function toggle() {
    state.hideSimulated = hide.checked;
    localStorage.setItem("segue-hide-simulated", hide.checked ? "yes" : "no");
    view.update?.(null, state);
  }
  const button = h("button", { class: "button quiet small", type: "button", onclick: change }, simulation.on ? "Stop them" : "Start them");
  async function change() {
    button.disabled = true;
    await post("/api/simulation", { on: !simulation.on });
    await refresh();
  }
  const words = simulation.on
    ? [h("strong", {}, "Simulated shoppers are about. "), "They show how it feels with traffic; everything they cause is marked."]
    : [h("strong", {}, "Simulated shoppers have gone home. "), "What they did is still here, and marked."];
  banner.replaceChildren(h("p", {}, ...words), h("label", { class: "toggle" }, hide, "Hide what is simulated"), button);
}

// ── names of profiles, asked for in groups ──

export function nameOf(id) {
  if (id && !state.names.has(id)) asked.add(id);
  return state.names.get(id)?.name ?? "";
}

async function learnNames() {
  if (asked.size === 0) return;
  const ids = [...asked].slice(0, 50);
  ids.forEach((id) => asked.delete(id));
  try {
    const { profiles } = await get(`/api/profiles?ids=${ids.map(encodeURIComponent).join(",")}`);
    for (const profile of profiles) state.names.set(profile.id, { name: profile.name, at: Date.now() });
    view.update?.(null, state);
  } catch {
    // The next round asks again.
  }
}

// ── the stream ──

function onFrame(name, { facts, skipped }) {
  const newest = facts.slice().reverse();
  if (name === "recent") state.facts = newest;
  else state.facts = [...newest, ...state.facts].slice(0, FACTS_MAX);
  if (name !== "recent") {
    state.rates[state.rates.length - 1] += skipped + facts.filter((fact) => fact.kind === "event").length;
    state.skipped += skipped;
  }
  for (const fact of facts) {
    // An identify may have told the name since it was last asked for.
    if (fact.name === "Profile Identified") state.names.delete(fact.profile);
  }
  view.update?.(name === "recent" ? null : newest, state);
}

function onState(name) {
  const status = document.querySelector("#status");
  status.dataset.state = name;
  status.lastElementChild.textContent = { live: "Live", off: "Reconnecting", locked: "Locked" }[name];
}

function theme() {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => localStorage.getItem("segue-theme") ?? (dark.matches ? "dark" : "light");
  const apply = () => (root.dataset.theme = chosen());
  apply();
  dark.addEventListener("change", apply);
  document.querySelector("#theme").addEventListener("click", () => {
    localStorage.setItem("segue-theme", root.dataset.theme === "dark" ? "light" : "dark");
    apply();
  });
}

theme();
addEventListener("hashchange", open);
await refresh();
await open();
follow("/api/live", onFrame, onState);
setInterval(refresh, 2000);
setInterval(learnNames, 400);
setInterval(() => {
  state.rates = [...state.rates.slice(1), 0];
  view.update?.([], state);
}, 1000);
