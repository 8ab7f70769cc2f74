// Builds what ships: dist/segue.js for pages (and its copy that Segue serves), dist/index.mjs
// with its types for bundlers. `--check` builds nothing: it fails where the served copy is
// not what the sources give.
import { readFile, writeFile, mkdir } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { build, transform } from "esbuild";
import { minify } from "terser";

const here = new URL("./", import.meta.url);
const served = new URL("../../src/segue/server/static/segue.js", here);
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

// Names of properties that no browser, wire or shop knows: they are ours to shorten.
const OURS = /^(allowed|fallback|here|leave|nudge|renew|told|touch|view|wipe)$/;

async function made(entry, format) {
  const result = await build({
    ...shared,
    entryPoints: [new URL(`src/${entry}`, here).pathname],
    format,
    minify: true,
    write: false,
  });
  const { code } = await minify(result.outputFiles[0].text, {
    compress: { ecma: 2020, passes: 3, unsafe_arrows: true },
    ecma: 2020,
    mangle: { module: format === "esm", properties: { regex: OURS, keep_quoted: true } },
    module: format === "esm",
  });
  return Buffer.from(code);
}

export const script = () => made("script.ts", "iife");

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const page = await script();
  if (process.argv.includes("--check")) {
    const kept = await readFile(served).catch(() => Buffer.alloc(0));
    if (!kept.equals(page)) {
      console.error("src/segue/server/static/segue.js is stale: run `npm --prefix web/sdk run build`");
      process.exit(1);
    }
  } else {
    await mkdir(new URL("dist/", here), { recursive: true });
    await mkdir(new URL("./", served), { recursive: true });
    await writeFile(new URL("dist/segue.js", here), page);
    await writeFile(served, page);
    await writeFile(new URL("dist/index.mjs", here), await made("index.ts", "esm"));
  }
  console.log(`segue.js: ${page.length} bytes, ${gzipSync(page, { level: 9 }).length} gzipped`);
}
