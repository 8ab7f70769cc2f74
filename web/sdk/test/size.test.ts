// Goal: it stays small, and what Segue serves is what the sources give.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

const root = process.cwd();

test("the script has less than 8 KB, gzipped", () => {
  const script = readFileSync(join(root, "../../src/segue/server/static/segue.js"));
  assert.ok(gzipSync(script, { level: 9 }).length < 8 * 1024);
});

test("the served script is what the sources give", () => {
  execFileSync(process.execPath, ["build.mjs", "--check"], { cwd: root });
});

test("it depends on nothing", () => {
  const described = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as object;
  assert.ok(!("dependencies" in described));
});
