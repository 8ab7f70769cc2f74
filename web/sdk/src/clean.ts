// What comes from a message reaches the page through here.
//
// Rule 1: text is text: it is never parsed as HTML.
// Rule 2: HTML that an author wrote is parsed in a document that runs nothing, and only the
//   elements and attributes named here are built anew from it; styles and scripts never.
// Rule 3: an address leads to the web, a mail or a phone.

const KEPT =
  /^(A|B|BR|CODE|DIV|EM|H[1-6R]|I|IMG|LI|OL|P|S|SMALL|SPAN|STRONG|SU[BP]|TABLE|TBODY|T[DHR]|U|UL)$/;
const DROPPED = /^(SCRIPT|STYLE|TEMPLATE)$/i;
const ATTRIBUTES = /^(alt|class|dir|height|lang|title|width)$/;
const DEPTH_MAX = 30;

/** An address that a link or picture may have; empty where it is none. */
export function address(text: string | undefined): string {
  try {
    const url = new URL(text as string, location.href);
    return text && /^(https?|mailto|tel):$/.test(url.protocol) ? url.href : "";
  } catch {
    return "";
  }
}

function copy(from: Node, to: Node, depth: number): void {
  for (const child of [...from.childNodes]) {
    if (child.nodeType === 3) to.appendChild(document.createTextNode(child.nodeValue ?? ""));
    if (child.nodeType !== 1 || depth > DEPTH_MAX || DROPPED.test(child.nodeName)) continue;
    const source = child as Element;
    if (!KEPT.test(source.tagName)) {
      copy(source, to, depth + 1);
      continue;
    }
    const made = document.createElement(source.tagName);
    for (const { name, value } of [...source.attributes]) {
      if (ATTRIBUTES.test(name)) made.setAttribute(name, value);
      else if ((name === "href" || name === "src") && address(value)) {
        made.setAttribute(name, address(value));
      }
    }
    copy(source, made, depth + 1);
    to.appendChild(made);
  }
}

/** An author's HTML, of which only what is harmless is left. */
export function fragment(html: string): DocumentFragment {
  const made = document.createDocumentFragment();
  copy(new DOMParser().parseFromString(html, "text/html").body, made, 0);
  return made;
}
