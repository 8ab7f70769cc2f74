// Building the page: elements, icons, times. Rule: text enters as text nodes, never as markup.

export function h(tag, options = {}, ...children) {
  const node = tag.startsWith("svg:")
    ? document.createElementNS("http://www.w3.org/2000/svg", tag.slice(4))
    : document.createElement(tag);
  for (const [name, value] of Object.entries(options ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "tone") node.style.setProperty("--face", value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

const PATHS = {
  event: "M8 2 3 9h4l-1 5 6-8H8z",
  segment: "M8 2a6 6 0 1 0 6 6H8z",
  run: "M3 3h4v4H3zM9 9h4v4H9zM5 7v4h4",
  admitted: "M3 8.500l3.300 3.300L13 5",
  held: "M5.500 3v10M10.500 3v10",
  denied: "M4 4l8 8M12 4l-8 8",
  send: "M2 8l12-5-4 11-3-5z",
  show: "M2.500 3.500h11v7h-11zM6 13.500h4",
  withdraw: "M6 4 2.500 7.500 6 11M3 7.500h6a4 4 0 0 1 4 4",
  receipt: "M1.500 8.500l2.800 2.800L9 5M8 11.300 14 5",
  set_aside: "M8 2.500 14.500 13.500h-13zM8 6.500v3.500M8 11.500v.300",
  email: "M2 4h12v8.500H2zM2 4.500l6 4.500 6-4.500",
  sms: "M2.500 3h11v8H7l-3 2.500V11H2.500z",
  push: "M8 2.500a3.800 3.800 0 0 1 3.800 3.800c0 4 1.700 4.700 1.700 4.700h-11s1.700-.700 1.700-4.700A3.800 3.800 0 0 1 8 2.500zM6.500 13.500h3",
  person: "M8 8a2.800 2.800 0 1 0 0-5.600A2.800 2.800 0 0 0 8 8zM2.800 14c.500-3 2.500-4.300 5.200-4.300s4.700 1.300 5.200 4.300",
  pass: "M3 8.500l3.300 3.300L13 5",
  hold: "M5.500 3v10M10.500 3v10",
  deny: "M4 4l8 8M12 4l-8 8",
};

export function icon(name) {
  const path = h("svg:path", {
    d: PATHS[name] ?? PATHS.event,
    fill: "none",
    stroke: "currentColor",
    "stroke-width": 1.7,
    "stroke-linecap": "round",
    "stroke-linejoin": "round",
  });
  return h("svg:svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, path);
}

export const glyph = (name, tone) => h("span", { class: `glyph ${tone}` }, icon(name));

export const TONES = { admitted: "good", held: "hold", denied: "bad", pass: "good", hold: "hold", deny: "bad" };

export const number = (value) => new Intl.NumberFormat("en").format(value ?? 0);

export function clock(at) {
  return new Date(at).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

export function ago(at) {
  if (!at) return "never";
  const seconds = Math.round((Date.now() - at) / 1000);
  const [size, ahead] = [Math.abs(seconds), seconds < -1];
  const [count, unit] =
    size < 60 ? [size, "s"] : size < 3600 ? [Math.round(size / 60), "min"] : size < 86400 ? [Math.round(size / 3600), "h"] : [Math.round(size / 86400), "d"];
  return size < 2 ? "now" : ahead ? `in ${count} ${unit}` : `${count} ${unit} ago`;
}

export function time(at, words) {
  return h("time", { datetime: new Date(at).toISOString(), title: new Date(at).toLocaleString() }, words ?? clock(at));
}

const HUES = [250, 160, 20, 200, 330, 45, 280, 100, 0, 220];

export function face(id, name, large = false) {
  let sum = 0;
  for (const letter of id) sum = (sum * 31 + letter.codePointAt(0)) >>> 0;
  const words = (name || id).replace(/[^\p{L}\p{N} ]/gu, " ").trim().split(/\s+/);
  const initials = words.slice(0, large ? 2 : 1).map((word) => word[0] ?? "").join("").toUpperCase();
  return h("span", { class: large ? "face large" : "face", tone: `hsl(${HUES[sum % HUES.length]} 48% 46%)`, "aria-hidden": "true" }, initials);
}

export const brief = (id) => (id.length > 16 ? `${id.slice(0, 8)}…${id.slice(-4)}` : id);

export function who(id, name, simulated) {
  const label = simulated ? "simulated shopper" : "customer";
  return h("a", { class: simulated ? "who sim" : "who", href: `#/profile/${encodeURIComponent(id)}`, title: `${name || id} (${label})` }, face(id, name), h("span", {}, name || brief(id)));
}

export function nothing(title, words) {
  return h("div", { class: "nothing" }, h("strong", {}, title), words);
}

export function card(title, hint, ...children) {
  return h("section", { class: "card" }, h("header", {}, h("h2", {}, title), hint ? h("span", { class: "hint" }, hint) : null), ...children);
}

export function copyable(text) {
  const button = h("button", { class: "button quiet small", type: "button", onclick: copy }, "Copy");
  async function copy() {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 1600);
  }
  return h("div", { class: "copy" }, h("pre", { class: "code", tabindex: "0" }, text), button);
}
