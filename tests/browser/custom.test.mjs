// Custom forms: the merchant's own scripts build the form, send it to the endpoint, and reach nothing else.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import * as b from "./lib/browser.mjs";
import { startCardamom } from "./lib/cardamom.mjs";
import { startElsewhere, startShop } from "./lib/sites.mjs";

let server, merchant, shop, elsewhere, browser;

before(async () => {
  server = await startCardamom();
  [shop, elsewhere] = await Promise.all([startShop(), startElsewhere()]);
  browser = await b.launch();
  merchant = await server.merchant("Custom");
});
after(() => Promise.all([browser?.close(), shop?.stop(), elsewhere?.stop(), server?.stop()]));

// As in docs/form.md.
const FORM = `window.custom_form = (element, settings) => {
  element.innerHTML = '<form><label>Number <input name="card_number"></label><label>Code <input name="cvv"></label><button id="cardamom-submit">Save</button></form>';
  const form = element.querySelector("form");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const answer = await fetch(settings.submit_url + "?reference=" + encodeURIComponent(settings.reference ?? ""), {
      method: "POST",
      headers: { "X-PCIVault-Capture-Secret": settings.submit_secret },
      body: JSON.stringify({ ...settings.extra_data, ...Object.fromEntries(new FormData(form)) }),
    });
    const data = await answer.json();
    if (answer.ok) settings.success_callback?.(data, {});
    else settings.error_callback?.({ code: answer.status, status: answer.status, data }, {});
  });
};`;

const made = (body) => {
  const texts = ["embedded_js", "embedded_css", "success_callback", "error_callback"];
  const encoded = ([name, value]) => [name, texts.includes(name) ? Buffer.from(value).toString("base64") : value];
  return merchant.call("POST", "/v1/capture/iframe?form_type=custom", Object.fromEntries(Object.entries(body).map(encoded)));
};

for (const place of ["query", "fragment"]) {
  test(`a merchant's own form stores a card, with the secret in the ${place}`, async () => {
    const success_callback = `(data) => parent.postMessage({ type: "own", token: data.token, origin: String(origin), at: location.href }, "*")`;
    const form = await made({ embedded_js: FORM, success_callback, extra_data: { plan: "gold" }, allowed_origins: [shop.url] });
    const endpoint = await merchant.endpoint();
    const reference = `own-${place}`;
    const url = place === "query" ? `${merchant.pageUrl(form, endpoint)}&reference=${reference}`
      : merchant.fragmentUrl(form, endpoint).replace("#", `&reference=${reference}#`);
    await b.withPage(browser, async (page, { log }) => {
      await page.goto(shop.framing(url));
      const frame = b.inFrame(page);
      await b.fillCard(frame, { number: b.CARD.number, cvv: b.CARD.cvv });
      await b.submit(frame);
      const [{ data, origin }] = await b.eventually(async () => {
        const told = await b.messages(page, "own");
        return told.length > 0 && told;
      }, "the callback's message");
      assert.equal(origin, "null");
      assert.equal(data.origin, "null");
      assert.match(data.token, /^[0-9a-f]{64}$/);
      assert.equal(data.at.includes(endpoint.secret), place === "query", "a fragment's secret left the address");
      const card = await merchant.readCard({ token: data.token, reference });
      assert.deepEqual([card.card_number, card.plan], [b.CARD.number, "gold"]);
      assert.deepEqual(log.filter((line) => /Security Policy|Error/.test(line)), []);
    });
  });
}

test("a refusal is told to the merchant's own form", async () => {
  const error_callback = `(error) => { document.getElementById("cardamom-custom-form").dataset.told = error.status + " " + error.data.errors[0].code; }`;
  const form = await made({ embedded_js: FORM, error_callback });
  await b.withPage(browser, async (page) => {
    await page.goto(merchant.pageUrl(form, await merchant.endpoint()));
    await b.fillCard(page, { number: "4111111111111112", cvv: "737" });
    await b.submit(page);
    await page.locator('[data-told="400 checksum"]').waitFor();
  });
});

test("a custom form's scripts reach nothing but their endpoint", async () => {
  const other = await merchant.endpoint();
  const embedded_js = `window.custom_form = async (element, settings) => {
    const tried = {};
    const attempt = async (name, act) => {
      try { tried[name] = String(await act()); } catch (refused) { tried[name] = "refused"; }
    };
    const load = (tag, values) => new Promise((done, failed) => {
      const made = Object.assign(document.createElement(tag), values, { onload: () => done("loaded"), onerror: failed });
      document.body.append(made);
    });
    await attempt("fetch elsewhere", () => fetch("${elsewhere.url}/sent").then(() => "sent"));
    await attempt("fetch another endpoint", () => fetch(settings.submit_url.replace(/[^/]+$/, "${other.url.split("/").at(-1)}"), { method: "POST" }).then(() => "sent"));
    await attempt("beacon", () => navigator.sendBeacon("${elsewhere.url}/beacon") ? new Promise((done) => addEventListener("securitypolicyviolation", () => done("violated"), { once: true })) : "refused");
    await attempt("import", () => import("${elsewhere.url}/module").then(() => "ran"));
    await attempt("import data", () => import("data:text/javascript,export default 1").then(() => "ran"));
    await attempt("script", () => load("script", { src: "${elsewhere.url}/script" }));
    await attempt("image", () => load("img", { src: "${elsewhere.url}/image" }));
    await attempt("eval", () => (0, eval)("'ran'"));
    await attempt("worker", () => new Promise((done, failed) => {
      const worker = new Worker(URL.createObjectURL(new Blob(["postMessage(1)"])));
      worker.onmessage = () => done("ran"); worker.onerror = failed;
    }));
    await attempt("storage", () => localStorage.length);
    await attempt("cookie", () => document.cookie);
    await attempt("parent", () => parent.document.title);
    await attempt("window", () => window.open("${elsewhere.url}/window"));
    await attempt("top", () => { top.location.href = "${elsewhere.url}/top"; return "tried"; });
    parent.postMessage({ type: "tried", tried }, "*");
  };`;
  const form = await made({ embedded_js });
  elsewhere.requests.length = 0;
  await b.withPage(browser, async (page) => {
    await page.goto(shop.framing(merchant.pageUrl(form, await merchant.endpoint())));
    const [{ data }] = await b.eventually(async () => {
      const told = await b.messages(page, "tried");
      return told.length > 0 && told;
    }, "what was tried");
    const { beacon, window: opened, ...others } = data.tried;
    assert.ok(["violated", "refused"].includes(beacon), beacon);
    assert.equal(opened, "null");
    assert.deepEqual(new Set(Object.values(others)), new Set(["refused"]), JSON.stringify(others));
  });
  assert.deepEqual(elsewhere.visits(), []);
});

test("a custom form whose script defines nothing says that it failed", async () => {
  const form = await made({ embedded_js: "window.nothing = 1;", success_callback: "this is no script" });
  await b.withPage(browser, async (page) => {
    await page.goto(merchant.pageUrl(form, await merchant.endpoint()));
    await page.getByRole("alert").waitFor();
    assert.match(await page.getByRole("alert").innerText(), /problem/);
  });
});
