// The package's door: `import { createSegue } from "segue-browser"`.

export { createSegue, type Segue } from "./client";
export type { Kind, Options, Signal } from "./options";
export type { Offer } from "./render";
export type { OfferDetail } from "./placements";
