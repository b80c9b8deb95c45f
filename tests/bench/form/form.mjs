// Measures the hosted form beside a bare static page, and asks Lighthouse. Called by ../form.sh.

import { createServer } from "node:http";
import { loadavg } from "node:os";
import { gzipSync } from "node:zlib";

import lighthouse from "lighthouse";

import { launch, openPage } from "../../browser/lib/browser.mjs";
import { freePort, startCardamom } from "../../browser/lib/cardamom.mjs";

const RUNS = Number(process.env.RUNS ?? 15);
const LIGHTHOUSE_RUNS = Number(process.env.LIGHTHOUSE_RUNS ?? 5);
/** What Lighthouse has to give: the medians, of 100. */
const LEAST = { accessibility: 100, "best-practices": 100, performance: 98 };

/** The same fields without a style or a script: what any form costs. */
const BARE = `<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta name="viewport"
content="width=device-width, initial-scale=1"><title>Card details</title><link rel="icon" href="data:,"></head><body>
<main><h1>Card details</h1><form method="post">
<p><label>Card number <input name="card_number" autocomplete="cc-number" inputmode="numeric"></label>
<p><label>Name on card <input name="card_holder" autocomplete="cc-name"></label>
<p><label>Expiry date <input name="expiry" autocomplete="cc-exp" inputmode="numeric"></label>
<p><label>Security code <input name="cvv" autocomplete="cc-csc" inputmode="numeric"></label>
<p><button>Save card</button></form></main></body></html>`;

const server = await startCardamom({ env: { CARDAMOM_LIMITS: "off" } });
const bare = await startBare();
const port = await freePort();
const browser = await launch([`--remote-debugging-port=${port}`]);
let missed = [];
try {
  const merchant = await server.merchant("Bench");
  const { url } = await merchant.page({}, {});
  console.log(`load average at the start: ${loadavg().map((load) => load.toFixed(1)).join(" ")}`);
  await times({ form: url, "bare page": bare.url });
  missed = await scores(url);
} finally {
  await browser.close();
  bare.stop();
  await server.stop();
}
for (const miss of missed) console.error(miss);
process.exitCode = missed.length === 0 ? 0 : 1;

async function startBare() {
  const body = gzipSync(BARE);
  const http = createServer((request, response) => {
    response.writeHead(200, { "content-type": "text/html; charset=utf-8", "content-encoding": "gzip" });
    response.end(body);
  });
  await new Promise((open) => http.listen(0, "127.0.0.1", open));
  return { url: `http://127.0.0.1:${http.address().port}/`, stop: () => http.close() };
}

/** Prints medians: bytes once, times for each page, cold and warm, at both speeds. */
async function times(pages) {
  const samples = new Map();
  const bytes = new Map();
  for (let run = 0; run < RUNS; run += 1) {
    for (const rate of [1, 4]) {
      // Alternating, so that what else the machine does falls on both.
      for (const [name, url] of Object.entries(pages)) {
        const { page, context, close } = await openPage(browser);
        await page.addInitScript(watch);
        const devtools = await context.newCDPSession(page);
        await devtools.send("Emulation.setCPUThrottlingRate", { rate });
        for (const state of ["cold", "warm"]) {
          const sizes = await counted(devtools, () => page.goto(url));
          const found = await page.evaluate(settled);
          if (state === "cold") bytes.set(name, sizes);
          const key = `${name}|${state}|${rate}`;
          samples.set(key, [...(samples.get(key) ?? []), found]);
        }
        await close();
      }
    }
  }
  for (const [name, sizes] of bytes) {
    const total = sizes.reduce((sum, { size }) => sum + size, 0);
    console.log(`\n${name}: ${total} bytes over the wire, head and body`);
    for (const { what, size } of sizes) console.log(`  ${String(size).padStart(7)}  ${what}`);
  }
  console.log(`\n| page | cache | CPU | painted | usable | hydrated |\n| --- | --- | --- | --- | --- | --- |`);
  for (const [key, list] of samples) {
    const [name, state, rate] = key.split("|");
    const cells = ["painted", "usable", "hydrated"].map((what) => {
      const values = list.map((sample) => sample[what]).filter((value) => value !== null);
      return values.length === 0 ? "" : `${median(values).toFixed(0)} ms`;
    });
    console.log(`| ${name} | ${state} | ${rate === "1" ? "full" : "a quarter"} | ${cells.join(" | ")} |`);
  }
  console.log(`\nmedians of ${RUNS}; load average at the end: ${loadavg()[0].toFixed(1)}`);
}

/** Runs before the page: notes when the form was taken over by the wasm. */
function watch() {
  window.hydratedAt = null;
  new MutationObserver((_, observer) => {
    if (!document.querySelector("form[novalidate]")) return;
    window.hydratedAt = performance.now();
    observer.disconnect();
  }).observe(document, { subtree: true, childList: true, attributeFilter: ["novalidate"] });
}

/** Runs in the page: waits until everything has happened, and answers when it did, in ms after the navigation. */
async function settled() {
  const hydrates = document.querySelector("script[type=module]") !== null;
  const painted = () => performance.getEntriesByName("first-contentful-paint")[0]?.startTime;
  while (!painted() || (hydrates && window.hydratedAt === null)) await new Promise((next) => setTimeout(next, 5));
  const [navigation] = performance.getEntriesByType("navigation");
  // The form works as it stands once it is parsed and on the screen.
  return { painted: painted(), usable: Math.max(painted(), navigation.domInteractive), hydrated: window.hydratedAt };
}

async function counted(devtools, load) {
  const urls = new Map();
  const sizes = [];
  const sent = ({ requestId, request }) => urls.set(requestId, request.url);
  const finished = ({ requestId, encodedDataLength }) => {
    const url = urls.get(requestId) ?? "";
    if (url.startsWith("http")) sizes.push({ what: new URL(url).pathname.split("/").at(-1), size: encodedDataLength });
  };
  devtools.on("Network.requestWillBeSent", sent);
  devtools.on("Network.loadingFinished", finished);
  await devtools.send("Network.enable");
  await load();
  await devtools.send("Network.disable");
  devtools.off("Network.requestWillBeSent", sent);
  devtools.off("Network.loadingFinished", finished);
  return sizes;
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

/** Lighthouse as it comes (a phone, a slow network, a slow CPU); answers what missed its mark. */
async function scores(url) {
  const found = Object.fromEntries(Object.keys(LEAST).map((category) => [category, []]));
  const failed = new Set();
  for (let run = 0; run < LIGHTHOUSE_RUNS; run += 1) {
    const { lhr } = await lighthouse(url, { port, onlyCategories: Object.keys(LEAST), logLevel: "error" });
    for (const category of Object.keys(LEAST)) {
      found[category].push(Math.round(lhr.categories[category].score * 100));
      if (category === "performance") continue;
      for (const { id, weight } of lhr.categories[category].auditRefs) {
        const { score } = lhr.audits[id];
        if (weight > 0 && score !== null && score < 1) failed.add(id);
      }
    }
  }
  console.log(`\nLighthouse, median of ${LIGHTHOUSE_RUNS}:`);
  for (const [category, list] of Object.entries(found)) console.log(`  ${category} ${median(list)} (${list.join(" ")})`);
  if (failed.size > 0) console.log(`  failed: ${[...failed].join(", ")}`);
  return Object.entries(LEAST)
    .filter(([category, least]) => median(found[category]) < least)
    .map(([category, least]) => `bench: ${category} is ${median(found[category])}, at least ${least} is asked for`);
}
