// "What Segue sees": this visitor's live profile, and why each message was sent, held or
// taken back. It asks the admin API, which answers a page on the same machine only; a real
// shop's page has nothing of this.

import { html, put } from "./dom.js";
import { leave } from "./store.js";

const EVERY_MS = 1500;
const KEPT = "lune-sees";
const LINES_MAX = 20;
const TITLES = { segments: {}, journeys: {}, messages: {} };

const get = async (path) => {
  const answer = await fetch(path);
  if (!answer.ok) throw Object.assign(new Error(answer.statusText), { status: answer.status });
  return answer.json();
};

async function titles() {
  if (Object.keys(TITLES.journeys).length > 0) return;
  const program = await get("/api/program");
  for (const kind of Object.keys(TITLES)) {
    for (const one of program[kind]) TITLES[kind][one.name] = one.title || one.name;
  }
}

const span = (ms) => {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds >= 600) return `${Math.round(seconds / 60)} min`;
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")} min`;
};
const left = (until) => (until ? `, for another ${span(until - Date.now())} at most` : "");
const time = (at) => new Date(at).toLocaleTimeString("en-GB");
const letter = (name) => TITLES.messages[name] ?? name;

const row = (state, label, title, about = "") => html`
  <li class="sees-row" data-state="${state}"><b>${label}</b><span>${title}${about && html`<small>${about}</small>`}</span></li>`;

const SENT = { queued: "Queued", claimed: "Leaving", accepted: "Sent", delivered: "Sent", failed: "Failed", cancelled: "Taken back", unknown: "Unsure" };

/** Letters: held, queued and sent; and those taken back, of which only the reason is left. */
function letters(profile, notes) {
  const held = profile.proposals.map((one) =>
    row("held", "Held", letter(one.message), `${one.text}${left(one.retry_at)}`));
  const back = notes
    .filter((note) => note.kind === "ended" && !onSite(profile, note.name))
    .slice(0, 3)
    .map((note) => row("back", "Taken back", letter(note.name), note.text.split(": ").slice(1).join(": ")));
  const sent = profile.ledger
    .filter((one) => !one.placement && one.state !== "cancelled")
    .slice(-4)
    .reverse()
    .map((one) => row("sent", SENT[one.state] ?? one.state, letter(one.message), `by ${one.channel}, ${time(one.at)}`));
  return [...held, ...back, ...sent];
}

const onSite = (profile, name) => profile.ledger.some((one) => one.placement && one.message === name);

function offers(profile) {
  return profile.offers.map((one) =>
    row(one.shown_at ? "open" : "held", one.shown_at ? "Open" : "Ready", letter(one.message),
      one.shown_at ? `on this page${left(one.expires_at)}; e‑mail waits for it` : "for the next page that asks"));
}

function codes(profile) {
  return profile.grants.map((one) => {
    const used = one.redeemed_at !== null;
    const over = !used && one.expires_at < Date.now();
    return row(used ? "sent" : over ? "back" : "open", used ? "Redeemed" : over ? "Expired" : "Promised",
      `${one.code || one.name}, ${one.worth} % off`, used || over ? "" : `good${left(one.expires_at).replace(",", "").replace(" at most", "")}`);
  });
}

const part = (title, rows, empty = "") =>
  (rows.length > 0 || empty) && html`<section><h3>${title}</h3>${rows.length > 0 ? html`<ul>${rows}</ul>` : html`<p class="sees-none">${empty}</p>`}</section>`;

function meter(profile, notes) {
  const intent = profile.session?.scores.intent?.probability ?? 0;
  const shown = Math.round(intent * 100);
  const scored = notes.find((note) => note.kind === "scored")?.text ?? "";
  const why = /\((.*)\)/.exec(scored)?.[1] ?? "";
  return html`
    <section class="sees-intent"><h3>Likely to buy in this visit <output>${shown} %</output></h3>
      <progress max="100" value="${shown}" data-level="${shown >= 50 ? "hot" : shown >= 20 ? "warm" : "cool"}" aria-label="Likely to buy"></progress>
      <p class="sees-marks" aria-hidden="true"><span>help at 20</span><span>offer at 50</span></p>
      ${why && html`<p class="sees-none">${why}</p>`}</section>`;
}

const CAUSES = { woke: "Time passed", asked: "The page asked", reported: "A report came" };

/** Each event with what it led to; and what time, a question or a report led to. */
function happened(entries) {
  const led = new Map();
  const groups = [];
  for (const { type, at, cause = "", notes = [], id, name, emitted } of entries) {
    const told = notes.filter((note) => note.kind !== "scored" && note.reason !== "shown_already");
    if (type === "event") groups.push({ at, name, id, emitted });
    else if (cause.startsWith("event:")) led.set(cause.slice(6), told);
    else if (told.length > 0) groups.push({ at, name: CAUSES[cause.split(":")[0]] ?? "Segue", told });
  }
  const lines = [];
  for (const { at, name, id, emitted, told = led.get(id) ?? [] } of groups) {
    if (lines.length >= LINES_MAX) break;
    lines.push(html`<li class="sees-event"><time>${time(at)}</time><b>${name}</b>${emitted && html`<i>by Segue</i>`}</li>`);
    for (const note of told) lines.push(html`<li class="sees-note" data-outcome="${note.outcome ?? note.kind}">${note.text}</li>`);
  }
  return html`<section><h3>What happened, the newest first</h3><ol class="sees-log">${lines}</ol></section>`;
}

/** A step by its name in the workspace; one that has none there is called by what it does. */
function where(step) {
  const [last, path] = step.split(".").reverse();
  return `at “${last.replace(/^\d+-/, "")}”${path ? `, on the path “${path}”` : ""}`;
}

function portrait(profile, entries) {
  const notes = entries.filter((entry) => entry.type === "why").flatMap((entry) => entry.notes);
  const known = profile.user_ids.length > 0;
  return html`
    <p class="sees-who"><b>${profile.name}</b><span>${known ? "known" : "anonymous: no letter can reach them"}, visit ${profile.sessions}</span></p>
    ${meter(profile, notes)}
    ${part("On the page", offers(profile))}
    ${part("Letters", letters(profile, notes), known ? "None yet. Put something into the cart and wait twenty seconds." : "Sign in, so that a letter has somewhere to go.")}
    ${part("Codes", codes(profile))}
    ${part("Journeys under way", profile.runs.map((run) => row("run", "Running", TITLES.journeys[run.journey] ?? run.journey, where(run.step))))}
    <section><h3>Segments</h3><ul class="sees-chips">${Object.keys(profile.segments).map((name) => html`<li title="${name}">${TITLES.segments[name] ?? name}</li>`)}</ul></section>
    ${happened(entries)}
    <p class="sees-more"><a class="link" href="/#/profile/${encodeURIComponent(profile.id)}">All of it, with every check</a> <button class="plain" type="button" data-sees="over">Start over as somebody new</button></p>`;
}

/** The drawer: closed it is a small tab, open it follows the visitor. */
export function drawer() {
  const tab = document.createElement("button");
  tab.type = "button";
  tab.className = "sees-tab";
  tab.setAttribute("aria-expanded", "false");
  tab.setAttribute("aria-controls", "sees");
  tab.innerHTML = `<svg viewBox="0 0 20 20" width="18" height="18" aria-hidden="true"><path d="M1.5 10C4 5.500 7 4 10 4s6 1.5 8.500 6C16 14.500 13 16 10 16s-6-1.5-8.500-6z" fill="none" stroke="currentColor" stroke-width="1.5"/><circle cx="10" cy="10" r="2.6" fill="currentColor"/></svg><span>What Segue sees</span>`;
  const panel = document.createElement("aside");
  panel.className = "sees";
  panel.id = "sees";
  panel.hidden = true;
  panel.setAttribute("aria-label", "What Segue sees");
  panel.innerHTML = `<header><h2>What Segue sees</h2><button type="button" class="sees-close" data-sees="close" aria-label="Close"></button></header><div class="sees-body" tabindex="0"></div>`;
  document.body.append(tab, panel);
  const body = panel.querySelector(".sees-body");
  let timer = 0;
  let drawn = "";

  const visitor = () => window.segue?.ids?.().anonymousId ?? "";

  async function refresh() {
    if (panel.hidden || document.visibilityState === "hidden") return;
    clearTimeout(timer);
    timer = setTimeout(refresh, EVERY_MS);
    const view = await look().catch((error) => trouble(error));
    if (view.text !== drawn) put(body, view);
    drawn = view.text;
  }

  async function look() {
    const who = visitor();
    if (!who) return html`<p class="sees-none">Segue's script is not here yet.</p>`;
    await titles();
    const reference = `anonymous:${encodeURIComponent(who)}`;
    const [profile, { entries }] = await Promise.all([
      get(`/api/profiles/${reference}`),
      get(`/api/profiles/${reference}/timeline?limit=60`),
    ]);
    return portrait(profile, entries);
  }

  function trouble({ status }) {
    if (status === 404) return html`<p class="sees-none">Nothing yet: the first event is on its way.</p>`;
    if (status === 401) return html`<p class="sees-none">Segue tells this only to its own machine. Open the shop there, or look at <a class="link" href="/">its page</a> with the admin token.</p>`;
    return html`<p class="sees-none">Segue does not answer. Is it running?</p>`;
  }

  function open(wanted = true) {
    panel.hidden = !wanted;
    tab.setAttribute("aria-expanded", String(wanted));
    document.documentElement.classList.toggle("sees-open", wanted);
    sessionStorage.setItem(KEPT, wanted ? "open" : "");
    clearTimeout(timer);
    if (wanted) void refresh();
  }

  tab.addEventListener("click", () => {
    open(panel.hidden);
    if (!panel.hidden) panel.querySelector(".sees-close").focus();
  });
  panel.addEventListener("click", (event) => {
    const asked = event.target.closest("[data-sees]")?.dataset.sees;
    if (asked === "close") {
      open(false);
      tab.focus();
    }
    if (asked === "over") {
      leave();
      setTimeout(() => location.assign("/shop"), 300);
    }
  });
  document.addEventListener("visibilitychange", () => void refresh());
  if (sessionStorage.getItem(KEPT)) open();
  return { open: () => open(true), refresh: () => setTimeout(refresh, 350) };
}
