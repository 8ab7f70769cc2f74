// Pages are written as templates. What is put into one is text, unless it came from a template.

class Markup {
  constructor(text) {
    this.text = text;
  }
}

const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

function shown(value) {
  if (value instanceof Markup) return value.text;
  if (Array.isArray(value)) return value.map(shown).join("");
  if (value === null || value === undefined || value === false) return "";
  return String(value).replace(/[&<>"']/g, (sign) => ENTITIES[sign]);
}

export const html = (parts, ...values) =>
  new Markup(parts.reduce((text, part, n) => text + shown(values[n - 1]) + part));

export const put = (element, markup) => (element.innerHTML = shown(markup));

export const euro = (amount) =>
  new Intl.NumberFormat("en-IE", { style: "currency", currency: "EUR" }).format(amount);

/** Say something to those who can't see that it happened. */
export function announce(text) {
  document.querySelector("#said").textContent = text;
}
