// Builds the tests and runs them: `npm test`.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { shared } from "../build.mjs";

const here = fileURLToPath(new URL("./", import.meta.url));
// Beside the sources, so that the tests find the packages that stay outside of the bundle.
const folder = mkdtempSync(join(here, "../node_modules/.tests-"));
const entryPoints = readdirSync(here).filter((name) => name.endsWith(".test.ts"));
await build({
  ...shared,
  entryPoints: entryPoints.map((name) => join(here, name)),
  external: ["esbuild", "jsdom"],
  format: "esm",
  outdir: folder,
  outExtension: { ".js": ".mjs" },
  platform: "node",
});
const files = readdirSync(folder).map((name) => join(folder, name));
const done = spawnSync(process.execPath, ["--test", ...files], { stdio: "inherit" });
rmSync(folder, { recursive: true });
process.exit(done.status ?? 1);
