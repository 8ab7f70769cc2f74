// Goal: who installs the package gets what they need and nothing else: it resolves, it has
// types, bundlers find its parts, and pages without a bundler find the files they serve.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { build } from "esbuild";

const root = process.cwd();
const tsc = join(root, "node_modules/typescript/bin/tsc");
const shop = mkdtempSync(join(root, "node_modules/.shop-"));
const installed = join(shop, "node_modules/segue-browser");

const PAGE = `import { createSegue, type OfferDetail, type PushState } from "segue-browser";
const segue = createSegue({ writeKey: "k", host: "https://segue.example.com", signals: ["exit"] });
segue.track("Product Viewed", { product_id: "p-1" });
export const state: Promise<PushState> = segue.push.subscribe({ worker: "/sw.js" });
export const id: string = segue.ids().anonymousId;
export const told = (offer: OfferDetail): string | undefined => offer.fields.title;
`;

before(() => {
  execFileSync(process.execPath, ["build.mjs"], { cwd: root });
  execFileSync(process.execPath, [tsc, "-p", "tsconfig.build.json"], { cwd: root });
  const packed = execFileSync("npm", ["pack", "--json", "--pack-destination", shop], { cwd: root });
  const [{ filename }] = JSON.parse(packed.toString()) as [{ filename: string }];
  execFileSync("mkdir", ["-p", installed]);
  execFileSync("tar", ["xzf", join(shop, filename), "-C", installed, "--strip-components=1"]);
  writeFileSync(join(shop, "package.json"), '{"type": "module"}');
  writeFileSync(join(shop, "page.ts"), PAGE);
});

after(() => rmSync(shop, { recursive: true }));

test("it holds the built files, their types and the read-me", () => {
  assert.deepEqual(readdirSync(installed).sort(), ["README.md", "dist", "package.json"]);
  const files = readdirSync(join(installed, "dist"));
  const scripts = files.filter((name) => !name.endsWith(".d.ts")).sort();
  assert.deepEqual(scripts, ["index.mjs", "push.js", "segue-sw.js", "segue.js", "signals.js"]);
  for (const name of ["index", "push", "signals"]) assert.ok(files.includes(`${name}.d.ts`));
});

test("every file that package.json names is there", () => {
  const described = JSON.parse(readFileSync(join(installed, "package.json"), "utf8")) as {
    main: string;
    types: string;
    exports: Record<string, string | Record<string, string>>;
  };
  const named = Object.values(described.exports).flatMap((one) =>
    typeof one === "string" ? [one] : Object.values(one),
  );
  for (const path of [described.main, described.types, ...named]) {
    assert.ok(readFileSync(join(installed, path)).length > 0, path);
  }
});

for (const [module, resolution] of [["ESNext", "bundler"], ["NodeNext", "nodenext"]] as const) {
  test(`its types hold for pages that resolve by ${resolution}`, () => {
    const how = { module, moduleResolution: resolution, lib: ["ES2022", "DOM"], types: [] };
    const compilerOptions = { ...how, strict: true, noEmit: true, target: "ES2022" };
    const config = JSON.stringify({ compilerOptions, files: ["page.ts"] });
    writeFileSync(join(shop, "tsconfig.json"), config);
    const { stdout, status } = spawnSync(process.execPath, [tsc, "-p", "."], { cwd: shop });
    assert.equal(status, 0, stdout.toString());
  });
}

test("a bundler puts what is seldom needed into files of their own", async () => {
  const { outputFiles } = await build({
    bundle: true,
    entryPoints: [join(shop, "page.ts")],
    format: "esm",
    outdir: join(shop, "out"),
    splitting: true,
    write: false,
  });
  const page = outputFiles.find((file) => file.path.endsWith("page.js"));
  const parts = outputFiles.filter((file) => file !== page);
  assert.ok(page && !page.text.includes("applicationServerKey"));
  assert.ok(parts.some((file) => file.text.includes("applicationServerKey")));
  assert.ok(parts.some((file) => file.text.includes("Exit Intended")));
});
