// What `<script async src="https://HOST/segue.js" data-write-key="KEY"></script>` runs.
//
// Calls made before it loaded stand in the array `window.segue`; they are made now, in order.

import { createSegue, type Load, type Segue } from "./client.js";
import { complain, guard } from "./guard.js";
import { fromScript } from "./options.js";

type Call = [keyof Segue, ...unknown[]] | ((segue: Segue) => void);
type Loaded = Segue & { push: Segue["push"] & ((...calls: Call[]) => void) };

/** A part that only some pages need; a module, so that what allows this script allows it. */
const load = ((host, name) => import(`${host}/segue-${name}.js`)) as Load;

declare global {
  interface Window {
    segue?: Call[] | Loaded;
  }
}

guard(() => {
  const script = document.currentScript as HTMLScriptElement | null;
  if (!script?.dataset.writeKey) return console.warn("segue.js: no data-write-key");
  const options = fromScript(script);
  const begin = (): void => {
    // Read now: scripts of the page may have made calls since this one ran.
    const before = window.segue;
    if (before && !Array.isArray(before)) return complain("loaded twice");
    const segue = createSegue(options, load);
    const make = guard((call: Call) => {
      if (typeof call === "function") return call(segue);
      const [name, ...given] = call;
      (segue[name] as unknown as (...given: unknown[]) => unknown)(...given);
    });
    const push = (...calls: Call[]): void => calls.forEach(make);
    window.segue = { ...segue, push: Object.assign(push, segue.push) };
    before?.forEach(make);
  };
  // The first page view asks for its slots, and they stand in the body.
  if (document.body && document.readyState !== "loading") begin();
  else document.addEventListener("DOMContentLoaded", guard(begin));
})();
