// What `<script async src="https://HOST/segue.js" data-write-key="KEY"></script>` runs.
//
// Calls made before it loaded stand in the array `window.segue`; they are made now, in order.

import { createSegue, type Segue } from "./client";
import { complain, guard } from "./guard";
import { fromScript } from "./options";

type Call = [keyof Segue, ...unknown[]] | ((segue: Segue) => void);
type Loaded = Segue & { push: (...calls: Call[]) => void };

declare global {
  interface Window {
    segue?: Call[] | Loaded;
  }
}

guard(() => {
  const script = document.currentScript as HTMLScriptElement | null;
  if (!script?.dataset.writeKey) return complain("segue.js: data-write-key is missing");
  const options = fromScript(script);
  const begin = (): void => {
    // Read now: scripts of the page may have made calls since this one ran.
    const before = window.segue;
    if (before && !Array.isArray(before)) return complain("segue.js is loaded twice");
    const segue = createSegue(options);
    const make = guard((call: Call) => {
      if (typeof call === "function") return call(segue);
      const [name, ...given] = call;
      (segue[name] as (...given: unknown[]) => unknown)(...given);
    });
    window.segue = { ...segue, push: (...calls) => calls.forEach(make) };
    before?.forEach(make);
  };
  // The first page view asks for its slots, and they stand in the body.
  if (document.body && document.readyState !== "loading") begin();
  else document.addEventListener("DOMContentLoaded", guard(begin));
})();
