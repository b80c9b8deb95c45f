// The package for shops: what is served is what its source makes, it is small, its types are right, npm packs it.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { build } from "esbuild";

import * as b from "./lib/browser.mjs";
import { startCardamom } from "./lib/cardamom.mjs";
import { events } from "./lib/embed.mjs";
import { startPages } from "./lib/sites.mjs";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const PACKAGE = join(ROOT, "packages/embed");
/** Bytes of the script as it is served, before compression. */
const LIMIT = 3071;

const run = promisify(execFile);
const text = (path) => readFile(join(ROOT, path), "utf8");
const { version } = JSON.parse(await text("packages/embed/package.json"));

let folder;

/** A folder in which the package stands installed as npm would do it. */
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "cardamom-package-"));
  await mkdir(join(folder, "node_modules/@types"), { recursive: true });
  for (const name of ["react", "react-dom", "scheduler", "csstype", "@types/react"]) {
    await symlink(join(HERE, "node_modules", name), join(folder, "node_modules", name));
  }
  await cp(PACKAGE, join(folder, "node_modules/cardamom-embed"), { recursive: true });
});
after(() => rm(folder, { recursive: true, force: true }));

test("what is served is what the source makes, and is small", async () => {
  await run("node", [join(PACKAGE, "build.mjs"), "--check"]);
  for (const file of ["embed.js", "embed.mjs"]) {
    const size = Buffer.byteLength(await text(`static/embed/${version}/${file}`));
    assert.ok(size <= LIMIT, `${file} has ${size} bytes`);
  }
  assert.ok((await text("packages/embed/index.js")).includes(`version = "${version}"`));
});

test("the documentation shows the hashes of what is served", async () => {
  for (const file of ["embed.js", "embed.mjs"]) {
    const bytes = await readFile(join(ROOT, `static/embed/${version}/${file}`));
    const integrity = `sha384-${createHash("sha384").update(bytes).digest("base64")}`;
    assert.ok((await text("docs/embedding.md")).includes(integrity), `${file}: ${integrity}`);
  }
});

test("npm packs exactly what users need", async () => {
  const { stdout } = await run("npm", ["pack", "--dry-run", "--json", "--offline"], { cwd: PACKAGE });
  const [packed] = JSON.parse(stdout);
  assert.equal(packed.name, "cardamom-embed");
  assert.deepEqual(
    packed.files.map(({ path }) => path).sort(),
    ["LICENSE", "README.md", "example.html", "index.d.ts", "index.js", "package.json", "react.d.ts", "react.js"],
  );
});

const RIGHT = `
import { mount, type CardForm as Form, type FormEvents } from "cardamom-embed";
import { CardForm, type CardFormHandle } from "cardamom-embed/react";
import { createElement, createRef } from "react";

const card: Form = mount("#card", { base: "https://cards.example", uniqueId: "u", secret: "s", theme: "auto" });
const off: () => void = card.on("success", ({ token, reference }) => console.log(token?.length, reference));
card.on("change", ({ brand, complete, fields }) => console.log(brand.length, complete === true, fields.cvv === "empty"));
card.on("error", (event: FormEvents["error"]) => console.log(event.reason === "network"));
card.setTheme("dark");
card.focus("cvv");
off();
const handle = createRef<CardFormHandle>();
createElement(CardForm, {
  ref: handle, base: "https://cards.example", uniqueId: "u", secret: "s",
  onSuccess: ({ token }) => console.log(token), onChange: ({ complete }) => console.log(complete),
});
handle.current?.submit();
console.log(Cardamom?.version);
`;

const WRONG = [
  `import { mount } from "cardamom-embed"; mount("#card", { base: "https://cards.example", uniqueId: "u" });`,
  `import { mount } from "cardamom-embed"; mount("#card", { base: "x", uniqueId: "u", secret: "s", theme: "pink" });`,
  `import type { CardForm } from "cardamom-embed"; export const f = (card: CardForm) => card.on("key", () => 0);`,
  `import type { CardForm } from "cardamom-embed"; export const f = (c: CardForm) => c.on("change", (e) => e.number);`,
];

test("the types accept what is right and refuse what is not", async () => {
  const files = await Promise.all(
    [RIGHT, ...WRONG].map(async (source, index) => {
      const file = join(folder, `check${index}.ts`);
      await writeFile(file, source);
      return file;
    }),
  );
  const tsc = join(HERE, "node_modules/typescript/bin/tsc");
  const args = [tsc, "--strict", "--noEmit", "--target", "es2022", "--module", "nodenext", "--lib", "es2022,dom", ...files];
  const said = await run("node", args, { cwd: folder }).then(() => "", ({ stdout }) => stdout);
  const wrong = new Set([...said.matchAll(/(check\d)\.ts\(.*error TS/g)].map(([, name]) => name));
  assert.deepEqual([...wrong].sort(), WRONG.map((_, index) => `check${index + 1}`), said);
});

test("the React component mounts once, follows its properties, and leaves nothing", async () => {
  const server = await startCardamom();
  const source = `
    import { createElement, StrictMode, useState } from "react";
    import { createRoot } from "react-dom/client";
    import { CardForm } from "cardamom-embed/react";
    window.events = [];
    const options = JSON.parse(document.body.dataset.options);
    function Shop() {
      const [theme, setTheme] = useState("light");
      const [shown, setShown] = useState(true);
      const [note, setNote] = useState("first");
      Object.assign(window, { setTheme, setShown, setNote });
      return shown && createElement(CardForm, {
        ...options, theme, ref: (handle) => { window.handle = handle; },
        onReady: (event) => window.events.push(event),
        onSuccess: (event) => window.events.push({ ...event, note }),
      });
    }
    createRoot(document.getElementById("root")).render(createElement(StrictMode, null, createElement(Shop)));`;
  const made = await build({
    stdin: { contents: source, resolveDir: folder },
    bundle: true, write: false, format: "iife", define: { "process.env.NODE_ENV": '"development"' },
  });
  const bundle = made.outputFiles[0].text;
  const shop = await startPages((request, url, response) => {
    if (url.pathname === "/shop.js") {
      response.setHeader("content-type", "text/javascript; charset=utf-8");
      return bundle;
    }
    const options = (url.searchParams.get("options") ?? "{}").replaceAll("&", "&amp;").replaceAll('"', "&quot;");
    return `<!DOCTYPE html><meta charset="utf-8"><body data-options="${options}"><div id="root"></div><script src="/shop.js"></script>`;
  });
  const browser = await b.launch();
  try {
    const merchant = await server.merchant("React");
    const { form, endpoint } = await merchant.page({ allowed_origins: [shop.url] });
    const options = { base: server.url, form: form.id, uniqueId: endpoint.unique_id, secret: endpoint.secret };
    await b.withPage(browser, async (page, { log }) => {
      await page.goto(`${shop.url}/?${new URLSearchParams({ options: JSON.stringify(options) })}`);
      const frame = page.frameLocator("iframe");
      await b.hydrated(frame);
      await b.eventually(async () => (await events(page, "ready")).length, "ready");
      assert.equal(await page.locator("iframe").count(), 1, "strict mode mounts twice and leaves one");
      const ground = () => frame.locator("html").evaluate((html) => getComputedStyle(html).backgroundColor);
      const light = await ground();
      await page.evaluate(() => window.setTheme("dark"));
      await b.eventually(async () => (await ground()) !== light, "a dark form");
      await b.fillCard(frame);
      await page.evaluate(() => window.setNote("second"));
      await page.evaluate(() => window.handle.submit());
      const success = await b.eventually(async () => (await events(page, "success"))[0], "the success");
      assert.equal(success.note, "second", "the newest handler is called");
      await page.evaluate(() => window.setShown(false));
      await b.eventually(async () => (await page.locator("iframe").count()) === 0, "nothing left");
      assert.deepEqual(log.filter((line) => /error|warning/i.test(line)), []);
    });
  } finally {
    await Promise.all([browser.close(), shop.stop(), server.stop()]);
  }
});
