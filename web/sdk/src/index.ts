// The package's door: `import { createSegue } from "segue-browser"`.

import { createSegue as create, type Load, type Segue } from "./client.js";
import type { Options } from "./options.js";

const parts = { push: () => import("./push.js"), signals: () => import("./signals.js") };
const load = ((_host, name) => parts[name]()) as Load;

/** Begin. What only some pages need is loaded when it is needed. */
export const createSegue = (options: Partial<Options>): Segue => create(options, load);

export type { Segue } from "./client.js";
export type { Kind, Options, Signal } from "./options.js";
export type { PushOptions, PushState } from "./push.js";
export type { Offer } from "./render.js";
export type { OfferDetail } from "./placements.js";
