// Writes what Cardamom serves from the package's source: static/embed/{version}/embed.js, a classic script that
// defines `Cardamom`, and embed.mjs, a module. With --check it compares and writes nothing.
// esbuild is among the packages of tests/browser, which ./dev installs.

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const root = new URL("../../", import.meta.url);
const { build } = createRequire(new URL("tests/browser/package.json", root))("esbuild");
const { version } = JSON.parse(await readFile(new URL("package.json", import.meta.url), "utf8"));
const folder = new URL(`static/embed/${version}/`, root);

const options = {
  bundle: true,
  minify: true,
  target: "es2020",
  legalComments: "none",
  write: false,
  banner: { js: `/* Cardamom ${version}, Apache-2.0 */` },
};

const made = {
  "embed.js": await text('import * as all from "./index.js"; globalThis.Cardamom = { ...all };', "iife"),
  "embed.mjs": await text('export * from "./index.js";', "esm"),
};

const check = process.argv.includes("--check");
if (!check) await mkdir(folder, { recursive: true });
for (const [name, wanted] of Object.entries(made)) {
  const file = new URL(name, folder);
  if (!check) await writeFile(file, wanted);
  else if ((await readFile(file, "utf8")) !== wanted) {
    throw new Error(`${name} is not what index.js makes: run npm run build in packages/embed`);
  }
  console.log(`${version}/${name}: ${Buffer.byteLength(wanted)} bytes`);
}

async function text(contents, format) {
  const stdin = { contents, resolveDir: fileURLToPath(new URL(".", import.meta.url)) };
  return (await build({ ...options, stdin, format })).outputFiles[0].text;
}
