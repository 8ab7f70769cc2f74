// The program in force: each journey as a drawing, and the guardrails.

import { get } from "./api.js";
import { card, h, nothing } from "./dom.js";

const WIDE = 196;
const HIGH = 50;
const GAP_X = 26;
const GAP_Y = 44;
const KINDS = { wait_until: "wait until", wait_window: "wait", wait_date: "wait", adapt: "adaptive branch", set: "set trait", call: "webhook", assign: "task" };
const TONES = { send: "violet", show: "violet", wait: "hold", wait_until: "hold", wait_window: "hold", wait_date: "hold", branch: "info", adapt: "info", split: "info", choose: "info", commit: "info", end: "plain" };

export async function journeysView(page) {
  const program = await get("/api/program");
  page.append(h("div", { class: "head" }, h("div", {}, h("h1", {}, "Journeys"), h("p", {}, `Program ${program.name.slice(0, 12)} of ${program.workspace}: ${program.segments.length} segments, ${program.messages.length} messages, days in ${program.zone}.`))));
  const drawings = program.journeys.map((journey) =>
    h("section", { class: "card journey" }, h("header", {}, h("h2", {}, journey.title || journey.name), h("span", { class: `tag ${journey.state === "live" ? "good" : "plain"}` }, journey.state), h("p", {}, [journey.goal ? `Goal: ${journey.goal} within ${journey.goal_within}.` : "", journey.exits.length ? ` Leaves at once: ${journey.exits.join(", ")}.` : ""].join(""))), h("div", { class: "drawing", tabindex: "0", role: "img", "aria-label": spoken(journey) }, draw(journey))),
  );
  const guards = h("ul", { class: "guards pad" }, ...program.policies.map((policy) => h("li", {}, h("strong", {}, policy.name), h("span", { class: "muted" }, policy.text))));
  page.append(h("div", { class: "journeys" }, ...(drawings.length ? drawings : [h("section", { class: "card" }, nothing("No journeys", "The workspace has none yet."))]), program.policies.length ? card("Guardrails", "in force for every message", guards) : ""));
}

const spoken = (journey) => `Starts on ${journey.entries.join(" or ")}. Steps: ${journey.steps.map((step) => `${step.kind.replace("_", " ")} ${step.text}`).join("; ")}.`;

// Rows by the longest way from the start; columns by the leaves of the first visit.
function layout(journey) {
  const steps = new Map(journey.steps.map((step) => [step.id, step]));
  const row = new Map();
  const under = new Map();
  const path = new Set();
  function rank(id, depth) {
    if (!steps.has(id) || path.has(id) || (row.get(id) ?? -1) >= depth) return;
    row.set(id, depth);
    path.add(id);
    for (const arrow of steps.get(id).next) rank(arrow.to, depth + 1);
    path.delete(id);
  }
  rank(journey.start, 1);
  const column = new Map();
  let leaves = 0;
  function place(id) {
    if (column.has(id)) return;
    column.set(id, 0);
    const children = steps.get(id).next.map((arrow) => arrow.to).filter((to) => steps.has(to) && !column.has(to) && row.get(to) > row.get(id));
    const own = [];
    for (const child of children) {
      if (column.has(child)) continue;
      place(child);
      own.push(child);
    }
    under.set(id, own);
    column.set(id, own.length ? own.reduce((sum, child) => sum + column.get(child), 0) / own.length : leaves++);
  }
  if (steps.has(journey.start)) place(journey.start);
  centreJoins(steps, row, column, under);
  return { steps, row, column, leaves: Math.max(1, leaves) };
}

// A step where paths meet again stands between them, with all that follows it.
function centreJoins(steps, row, column, under) {
  const above = new Map();
  for (const [id, step] of steps) for (const { to } of step.next) if (row.get(to) > row.get(id)) above.set(to, [...(above.get(to) ?? []), id]);
  const below = (id) => [id, ...(under.get(id) ?? []).flatMap(below)];
  for (const [id] of [...row].sort((one, other) => one[1] - other[1])) {
    const near = (above.get(id) ?? []).filter((parent) => row.get(id) - row.get(parent) === 1);
    if (near.length < 2) continue;
    const shift = near.reduce((sum, parent) => sum + column.get(parent), 0) / near.length - column.get(id);
    const moved = new Set(below(id));
    const clash = [...moved].some((one) => [...row.keys()].some((other) => !moved.has(other) && row.get(other) === row.get(one) && Math.abs(column.get(other) - column.get(one) - shift) < 1));
    if (!clash) for (const one of moved) column.set(one, column.get(one) + shift);
  }
}

function draw(journey) {
  const { steps, row, column, leaves } = layout(journey);
  const placed = [...row.keys()];
  const deepest = Math.max(0, ...row.values());
  const ends = placed.some((id) => steps.get(id).next.some((arrow) => !steps.has(arrow.to)));
  const wide = leaves * (WIDE + GAP_X) + 60 + 2 * 34;
  const high = deepest * (HIGH + GAP_Y) + HIGH + (ends ? 40 : 0);
  const at = (id) => ({ x: 64 + column.get(id) * (WIDE + GAP_X), y: row.get(id) * (HIGH + GAP_Y) - 12 });
  const svg = h("svg:svg", { width: wide, height: high, viewBox: `0 0 ${wide} ${high}`, "aria-hidden": "true" });
  const edges = h("svg:g");
  const labels = h("svg:g");
  const boxes = h("svg:g");
  svg.append(edges, boxes, labels);
  const startsAt = steps.has(journey.start) ? at(journey.start).x + WIDE / 2 : wide / 2;
  const name = short(journey.entries.join(" or ") || "start", 34);
  const half = Math.max(70, name.length * 3.7 + 16);
  boxes.append(h("svg:rect", { class: "start-box", x: startsAt - half, y: 8, width: half * 2, height: 32, rx: 16 }), h("svg:text", { class: "start-text", x: startsAt, y: 28.5 }, name));
  if (placed.length) edges.append(arrow(startsAt, 40, startsAt, at(journey.start).y));
  for (const id of placed) {
    const step = steps.get(id);
    const from = at(id);
    boxes.append(box(step, from.x, from.y));
    const many = step.next.length;
    step.next.forEach((next, index) => {
      const out = from.x + WIDE / 2 + (index - (many - 1) / 2) * Math.min(44, WIDE / (many + 1));
      const down = from.y + HIGH;
      if (!steps.has(next.to)) {
        const y = down + 16 + (many > 1 ? 12 : 0);
        edges.append(h("svg:path", { class: "edge", d: `M${out} ${down}V${y}` }));
        boxes.append(h("svg:circle", { class: "arrow", cx: out, cy: y + 4, r: 4 }));
        if (next.label) labels.append(h("svg:text", { class: "edge-label", x: out, y: y + 20 }, short(next.label, 20)));
        return;
      }
      const to = at(next.to);
      if (to.y <= from.y) {
        const side = from.x - 12;
        edges.append(h("svg:path", { class: "edge", d: `M${from.x} ${from.y + HIGH / 2}C${side - 30} ${from.y + HIGH / 2} ${side - 30} ${to.y + HIGH / 2} ${to.x - 5} ${to.y + HIGH / 2}` }));
      } else if (row.get(next.to) - row.get(id) > 1) {
        const between = placed.filter((one) => row.get(one) > row.get(id) && row.get(one) < row.get(next.to));
        const side = Math.max(out, ...between.filter((one) => Math.abs(at(one).x - from.x) < (WIDE + GAP_X) * 1.2).map((one) => at(one).x + WIDE)) + 22;
        const end = to.x + WIDE / 2 + 14;
        edges.append(h("svg:path", { class: "edge", d: `M${out} ${down}C${out} ${down + 22} ${side} ${down + 12} ${side} ${down + 34}V${to.y - 34}C${side} ${to.y - 12} ${end} ${to.y - 24} ${end} ${to.y - 5}` }), h("svg:path", { class: "arrow", d: `M${end - 4} ${to.y - 7}h8l-4 6z` }));
        if (next.label) labels.append(h("svg:text", { class: "edge-label", x: side - 8, y: down + 24 }, short(next.label, 22)));
        return;
      } else edges.append(arrow(out, down, to.x + WIDE / 2, to.y));
      if (next.label) labels.append(h("svg:text", { class: "edge-label", x: (out + to.x + WIDE / 2) / 2 + (to.x + WIDE / 2 - out) * 0.18, y: Math.min(to.y - 12, down + GAP_Y / 2 + 8) }, short(next.label, 22)));
    });
  }
  return svg;
}

function box(step, x, y) {
  const group = h("svg:g", { class: TONES[step.kind] ?? "plain" });
  group.append(
    h("svg:rect", { class: "box", x, y, width: WIDE, height: HIGH, rx: 10 }),
    h("svg:rect", { class: "box-tone", x: x + 10, y: y + 12, width: 3, height: HIGH - 24, rx: 1.5 }),
    h("svg:text", { class: "box-title", x: x + 22, y: y + 20 }, KINDS[step.kind] ?? step.kind),
    h("svg:text", { class: "box-text", x: x + 22, y: y + 37 }, short(step.text, 25), h("svg:title", {}, step.text)),
  );
  return group;
}

function arrow(x1, y1, x2, y2) {
  const bend = (y2 - y1) / 2;
  const group = h("svg:g");
  group.append(h("svg:path", { class: "edge", d: x1 === x2 ? `M${x1} ${y1}V${y2 - 5}` : `M${x1} ${y1}C${x1} ${y1 + bend} ${x2} ${y2 - bend - 4} ${x2} ${y2 - 5}` }), h("svg:path", { class: "arrow", d: `M${x2 - 4} ${y2 - 7}h8l-4 6z` }));
  return group;
}

const short = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
