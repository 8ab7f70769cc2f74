// Profiles: a list, and one with its state and its why.

import { get } from "./api.js";
import { TONES, ago, brief, card, face, glyph, h, icon, nothing, number, time } from "./dom.js";

export async function profilesView(page) {
  const field = h("input", { type: "search", placeholder: "user:ana, anonymous:…, or an id", "aria-label": "Find a profile" });
  field.className = "find";
  const form = h("form", { onsubmit: find }, field);
  function find(event) {
    event.preventDefault();
    if (field.value.trim()) location.hash = `#/profile/${encodeURIComponent(field.value.trim())}`;
  }
  const body = h("tbody");
  const more = h("button", { class: "button quiet", type: "button", onclick: () => load() }, "More");
  let after = "";
  let rows = [];
  async function load() {
    const found = await get(`/api/profiles?limit=100&after=${encodeURIComponent(after)}`);
    rows = rows.concat(found.profiles);
    after = found.next ?? "";
    more.hidden = !found.next;
    draw();
  }
  let hide = false;
  function draw() {
    const shown = rows.filter((row) => !(hide && row.simulated));
    body.replaceChildren(...shown.map(line));
    empty.hidden = shown.length > 0;
  }
  const empty = nothing("No profile yet", "The first event of a customer makes one.");
  const table = h("table", {}, h("thead", {}, h("tr", {}, ...["Customer", "Segments", "Journeys", "Last seen"].map((name) => h("th", { scope: "col" }, name)))), body);
  page.append(h("div", { class: "head" }, h("div", {}, h("h1", {}, "Profiles"), h("p", {}, "Each customer has one live state.")), form), h("section", { class: "card" }, h("div", { class: "scroll" }, table), empty), h("p", { class: "nothing" }, more));
  await load();
  return {
    update(_facts, state) {
      if (hide !== state.hideSimulated) {
        hide = state.hideSimulated;
        draw();
      }
    },
  };
}

function line(row) {
  const to = `#/profile/${encodeURIComponent(row.id)}`;
  return h(
    "tr",
    { class: "go", onclick: () => (location.hash = to) },
    h("td", {}, h("a", { class: row.simulated ? "who sim" : "who", href: to }, face(row.id, row.name), h("span", {}, row.name || brief(row.id)))),
    h("td", {}, h("div", { class: "tags" }, ...row.segments.slice(0, 4).map((name) => h("span", { class: "tag info" }, name)), row.segments.length > 4 ? `+${row.segments.length - 4}` : null)),
    h("td", {}, h("div", { class: "tags" }, ...row.runs.slice(0, 3).map((name) => h("span", { class: "tag violet" }, name)))),
    h("td", { class: "muted" }, ago(row.last_seen_at)),
  );
}

export async function profileView(page, reference) {
  const path = `/api/profiles/${encodeURIComponent(reference)}`;
  const head = h("div", { class: "person" });
  const left = h("div", { class: "stack" });
  const right = h("ol", { class: "why" });
  const note = h("span", { class: "hint" });
  page.append(h("a", { class: "crumb", href: "#/profiles" }, "← Profiles"), head, h("div", { class: "columns" }, h("section", { class: "card" }, h("header", {}, h("h2", {}, "What happened, and why"), note), right), left));
  let id = "";
  const opened = new Set();
  async function load() {
    const [profile, timeline] = await Promise.all([get(path), get(`${path}/timeline?limit=200`)]);
    id = profile.id;
    head.replaceChildren(face(profile.id, profile.name, true), h("div", {}, h("h1", {}, profile.name), h("p", { class: "mono" }, [...profile.user_ids.map((one) => `user:${one}`), ...profile.anonymous_ids.map((one) => `anonymous:${one}`)].join("  ") || profile.id)), profile.simulated ? h("span", { class: "tag sim" }, "simulated shopper") : "", h("span", { class: "muted" }, `last seen ${ago(profile.last_seen_at)}`));
    left.replaceChildren(session(profile), ...standing(profile));
    note.textContent = `${timeline.entries.length} entries`;
    right.replaceChildren(...(timeline.entries.length ? timeline.entries.map((one) => entry(one, opened)) : [nothing("Nothing yet", "")]));
  }
  await load();
  let due = null;
  return {
    update(facts) {
      if (!due && facts?.some((fact) => fact.profile === id)) due = setTimeout(() => ((due = null), load().catch(() => {})), 300);
    },
    close: () => clearTimeout(due),
  };
}

// ── state ──

function session(profile) {
  const live = profile.session;
  if (!live) return card("Session", "", h("div", { class: "nothing" }, h("strong", {}, "Not on the site"), `${number(profile.sessions)} session${profile.sessions === 1 ? "" : "s"} so far`));
  const scores = Object.entries(live.scores ?? {});
  const intent = scores.find(([name]) => name === "intent") ?? scores[0];
  const fact = (title, value) => h("div", {}, h("dt", {}, title), h("dd", {}, value));
  const facts = h("dl", { class: "facts" }, fact("Views", number(live.views)), fact("In cart", number(live.carts)), fact("Searches", number(live.searches)), fact("Cart value", number(Math.round(live.cart_value * 100) / 100)), fact("Products", number(live.products.length)), fact("Events", number(live.events)));
  return card(`Session ${live.number}`, `began ${ago(live.started_at)}, active ${ago(live.last_at)}`, h("div", { class: "pad gauge" }, gauge(intent ? intent[1].probability : 0, intent ? intent[0] : "intent"), facts));
}

function gauge(value, name) {
  const length = Math.PI * 52;
  const arc = h("svg:path", { class: "arc value", d: "M12 66a52 52 0 0 1 104 0", "stroke-dasharray": `${length}`, "stroke-dashoffset": `${length * (1 - value)}` });
  return h("svg:svg", { viewBox: "0 0 128 78", role: "img", "aria-label": `${name} ${Math.round(value * 100)} percent` }, h("svg:path", { class: "arc", d: "M12 66a52 52 0 0 1 104 0" }), value > 0.005 ? arc : null, h("svg:text", { x: 64, y: 58 }, `${Math.round(value * 100)}%`), h("svg:text", { class: "small", x: 64, y: 75 }, name));
}

function standing(profile) {
  const cards = [];
  const memberships = Object.entries(profile.segments).sort((one, other) => other[1] - one[1]);
  cards.push(card("Segments", `${memberships.length}`, h("div", { class: "pad" }, memberships.length ? h("div", { class: "tags" }, ...memberships.map(([name, since]) => h("span", { class: "tag info", title: `since ${new Date(since).toLocaleString()}` }, name))) : h("p", { class: "faint" }, "in none"))));
  const rows = (list, build, none) => h("ul", { class: "rows pad" }, ...(list.length ? list.map(build) : [h("li", { class: "faint" }, none)]));
  cards.push(card("Journeys", `${profile.runs.length} under way`, rows(profile.runs, (run) => h("li", {}, h("span", {}, h("strong", {}, run.journey), h("span", { class: "sub" }, `at ${run.step || "its end"}, entered ${ago(run.entered_at)}`)), run.due_at ? h("span", { class: "tag plain" }, ago(run.due_at)) : null), "in none")));
  const held = profile.proposals.filter((proposal) => proposal.reason);
  if (held.length) cards.push(card("Held", `${held.length}`, rows(held, (one) => h("li", {}, h("span", {}, h("strong", {}, one.message), h("span", { class: "sub" }, one.text)), h("span", { class: "tag hold" }, one.retry_at ? `again ${ago(one.retry_at)}` : "until something changes")), "")));
  if (profile.offers.length) cards.push(card("On offer", `${profile.offers.length}`, rows(profile.offers, (offer) => h("li", {}, h("span", {}, h("strong", {}, offer.message), h("span", { class: "sub" }, `in ${offer.placement}`)), h("span", { class: offer.shown_at ? "tag good" : "tag plain" }, offer.shown_at ? "shown" : `ends ${ago(offer.expires_at)}`)), "")));
  const ledger = profile.ledger.slice().reverse().slice(0, 12);
  cards.push(card("Ledger", `${profile.ledger.length} message${profile.ledger.length === 1 ? "" : "s"}`, rows(ledger, (sent) => h("li", {}, h("span", {}, h("strong", {}, sent.message), h("span", { class: "sub" }, `${sent.placement ? `in ${sent.placement}` : `by ${sent.channel}`}, ${ago(sent.at)}`)), h("span", { class: `tag ${{ failed: "bad", cancelled: "hold", unknown: "hold", queued: "plain", claimed: "plain" }[sent.state] ?? "good"}` }, sent.clicked_at ? "clicked" : sent.dismissed_at ? "dismissed" : sent.state)), "nothing sent or shown yet")));
  const traits = Object.entries(profile.traits);
  if (traits.length) cards.push(card("Traits", "", h("div", { class: "scroll" }, h("table", {}, h("tbody", {}, ...traits.map(([name, value]) => h("tr", {}, h("td", { class: "muted" }, name), h("td", {}, text(value)))))))));
  const consents = Object.entries(profile.consents);
  if (consents.length) cards.push(card("Consent", "", rows(consents, ([name, consent]) => h("li", {}, h("span", {}, h("strong", {}, name), h("span", { class: "sub" }, `${consent.source}, ${ago(consent.at)}`)), h("span", { class: `tag ${{ granted: "good", denied: "bad" }[consent.state] ?? "hold"}` }, consent.state)), "")));
  return cards;
}

function text(value) {
  if (typeof value === "string") return value;
  if (Array.isArray(value)) return value.every((one) => typeof one !== "object") ? value.join(", ") : value.map((one) => one?.name ?? one?.product_id ?? "…").join(", ");
  if (value && typeof value === "object") return Object.entries(value).slice(0, 3).map(([name, one]) => `${name} ${text(one)}`).join(", ");
  return String(value);
}

// ── why ──

function entry(one, opened) {
  if (one.type === "event") {
    const properties = Object.entries({ ...one.properties, ...one.traits }).slice(0, 6);
    const late = one.at - one.happened_at > 60_000 ? ` · happened ${ago(one.happened_at)}` : "";
    return h("li", {}, glyph("event", one.emitted ? "info" : "plain"), h("div", { class: "line" }, h("span", {}, h("b", {}, one.name), h("span", { class: "faint" }, one.emitted ? " made by Segue" : one.source ? ` from ${one.source}${late}` : late)), time(one.at)), properties.length ? h("p", { class: "props" }, properties.map(([name, value]) => `${name}: ${text(value)}`).join(" · ")) : null);
  }
  const tone = one.notes.map((note) => TONES[note.outcome]).find(Boolean) ?? "info";
  const sign = one.notes.map((note) => note.outcome).find(Boolean) ?? (one.notes[0]?.kind === "segment" ? "segment" : one.notes[0]?.kind === "settled" ? "receipt" : "run");
  return h("li", {}, glyph(sign, one.notes[0]?.kind === "settled" ? "good" : tone), h("div", { class: "line" }, h("div", { class: "notes" }, ...one.notes.map((note, index) => (note.kind === "considered" ? verdict(note, `${one.sequence}/${index}`, opened) : h("span", {}, note.text)))), time(one.at)));
}

function verdict(note, key, opened) {
  const details = h("details", { class: `verdict ${TONES[note.outcome]}`, ontoggle: () => (details.open ? opened.add(key) : opened.delete(key)) }, h("summary", {}, h("b", {}, note.text)), h("ul", { class: "checks" }, ...note.checks.map((check) => h("li", { class: TONES[check.verdict] }, icon(check.verdict), h("span", {}, check.title), h("span", {}, `${check.verdict === "pass" ? "" : `${check.verdict === "hold" ? "held" : "denied"}: `}${check.text || (check.verdict === "pass" ? "passes" : "")}${check.until ? `, until ${new Date(check.until).toLocaleString()}` : ""}`)))));
  if (opened.has(key) || note.outcome !== "admitted") details.open = true;
  return details;
}
