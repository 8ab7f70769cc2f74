// Builds what ships: for pages dist/segue.js, its part for push and the service worker (and
// the copies that Segue serves), for bundlers dist/index.mjs and dist/push.js with their types.
// `--check` builds nothing: it fails where a served copy is not what the sources give.
import { readFile, writeFile, mkdir } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { build, transform } from "esbuild";
import { minify } from "terser";

const here = new URL("./", import.meta.url);
const served = new URL("../../src/segue/server/static/", here);
const { version } = JSON.parse(await readFile(new URL("package.json", here), "utf8"));

/** Style sheets are imported as minified text. */
export const styles = {
  name: "styles",
  setup(on) {
    on.onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const { code } = await transform(await readFile(path, "utf8"), { loader: "css", minify: true });
      return { contents: code.trim().replace(/(--\w+:|,) /g, "$1"), loader: "text" };
    });
  },
};

/** What all builds share; the tests build with it, too. */
export const shared = {
  bundle: true,
  charset: "utf8",
  define: { VERSION: JSON.stringify(version) },
  legalComments: "none",
  logLevel: "warning",
  plugins: [styles],
  target: "es2022",
};

// Names of properties that no browser, wire, shop or other file of ours knows: they are ours to
// shorten.
const OURS =
  /^(allowed|clear|fallback|here|leave|nudge|offer|open|pause|renew|save|slot|start|stop|timer|told|touch|view|wipe|withdraw)$/;

async function made(entry, format, ours = OURS) {
  const result = await build({
    ...shared,
    entryPoints: [new URL(`src/${entry}`, here).pathname],
    external: ["./push.js", "./signals.js"],
    format,
    minify: true,
    write: false,
  });
  const { code } = await minify(result.outputFiles[0].text, {
    compress: { ecma: 2020, passes: 3, reduce_funcs: false, sequences: false, unsafe_arrows: true },
    ecma: 2020,
    mangle: { module: format === "esm", properties: ours && { regex: ours, keep_quoted: true } },
    module: format === "esm",
  });
  return Buffer.from(code);
}

/** What Segue serves, by name; and what it is called in the package. */
const SERVED = {
  "segue.js": ["segue.js", () => made("script.ts", "iife")],
  "segue-push.js": ["push.js", () => made("push.ts", "esm", false)],
  "segue-signals.js": ["signals.js", () => made("signals.ts", "esm", false)],
  "segue-sw.js": ["segue-sw.js", () => made("worker.ts", "iife", false)],
};

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const dist = new URL("dist/", here);
  const checking = process.argv.includes("--check");
  await mkdir(dist, { recursive: true });
  await mkdir(served, { recursive: true });
  for (const [name, [packed, make]] of Object.entries(SERVED)) {
    const body = await make();
    if (checking) {
      const kept = await readFile(new URL(name, served)).catch(() => Buffer.alloc(0));
      if (!kept.equals(body)) {
        console.error(`src/segue/server/static/${name} is stale: run \`npm --prefix web/sdk run build\``);
        process.exitCode = 1;
      }
    } else {
      await writeFile(new URL(name, served), body);
      await writeFile(new URL(packed, dist), body);
    }
    console.log(`${name}: ${body.length} bytes, ${gzipSync(body, { level: 9 }).length} gzipped`);
  }
  if (!checking) await writeFile(new URL("index.mjs", dist), await made("index.ts", "esm"));
}
