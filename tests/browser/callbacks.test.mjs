// Callbacks and messages: what a merchant's script is given, and what it may do.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import * as b from "./lib/browser.mjs";
import { startCardamom } from "./lib/cardamom.mjs";
import { startShop } from "./lib/sites.mjs";

let server, merchant, shop, browser;

before(async () => {
  server = await startCardamom();
  shop = await startShop();
  browser = await b.launch();
  merchant = await server.merchant("Callbacks");
});
after(() => Promise.all([browser?.close(), shop?.stop(), server?.stop()]));

const ways = { "with wasm": true, "with wasm blocked": false };

/** Opens the page in the shop's frame, fills the card and submits it. */
async function captureInShop(url, wasm, use, card = b.CARD) {
  return b.withPage(browser, async (page, opened) => {
    if (!wasm) await b.blockWasm(opened.context);
    await page.goto(shop.framing(url));
    const frame = b.inFrame(page);
    if (wasm) await b.hydrated(frame);
    await b.fillCard(frame, card);
    await b.submit(frame);
    return use(page, frame, opened);
  });
}

for (const [way, wasm] of Object.entries(ways)) {
  test(`a success callback redirects the frame, ${way}`, async () => {
    const success_callback = `(response, request) => {
      location.href = "${shop.url}/frame?" + new URLSearchParams({ ...response, ...request });
    }`;
    const { url, form } = await merchant.page({ success_callback }, { reference: `frame ${way}` });
    assert.equal(form.callback_runner, "worker");
    await captureInShop(url, wasm, async (page, frame) => {
      await frame.locator("h1", { hasText: "Shop" }).waitFor();
      assert.match(page.url(), /\?frame=/);
    });
    const visit = shop.visits().find(({ query }) => query.get("reference") === `frame ${way}`);
    const got = Object.fromEntries(visit.query);
    assert.match(got.token, /^[0-9a-f]{64}$/);
    delete got.token;
    assert.deepEqual(got, {
      user: "managed",
      reference: `frame ${way}`,
      card_type: "visa",
      last_four: "1111",
      card_holder: b.CARD.holder,
      expiry: "05/31",
      expiry_year: "2031",
      expiry_year_short: "31",
      expiry_month: "05",
    });
  });

  for (const how of ["top.location = url", "top.location.href = url", "window.top.location.assign(url)", "window.open(url, '_top')"]) {
    test(`a success callback with ${how} redirects the shop, ${way}`, async () => {
      const success_callback = `function (response) { const url = "${shop.url}/thanks?token=" + response.token; ${how}; }`;
      const { url } = await merchant.page({ success_callback });
      await captureInShop(url, wasm, async (page) => {
        await page.waitForURL(/\/thanks\?token=[0-9a-f]{64}$/);
      });
    });
  }

  test(`where no worker starts, the done page runs the callback, ${way}`, async () => {
    const success_callback = `(response) => { location.href = "${shop.url}/frame?without=" + response.reference; }`;
    const reference = `worker ${way}`.replaceAll(" ", "-");
    const { url, form } = await merchant.page({ success_callback }, { reference });
    assert.equal(form.callback_runner, "worker");
    await b.withPage(browser, async (page, { context }) => {
      await context.addInitScript(() => {
        globalThis.Worker = class {
          constructor() {
            throw new Error("no workers here");
          }
        };
      });
      if (!wasm) await b.blockWasm(context);
      await page.goto(shop.framing(url));
      const frame = b.inFrame(page);
      if (wasm) await b.hydrated(frame);
      await b.fillCard(frame);
      await b.submit(frame);
      await frame.locator("h1", { hasText: "Shop" }).waitFor();
    });
    assert.ok(shop.visits().some(({ query }) => query.get("without") === reference));
  });

  test(`a callback that needs a document runs in the done page, ${way}`, async () => {
    const success_callback = `function (response, request) {
      document.querySelector("h1").textContent = "Thanks, " + request.card_holder;
      parent.postMessage({ type: "done", token: response.token, origin: String(origin) }, "*");
    }`;
    const { url, form } = await merchant.page({ success_callback });
    assert.equal(form.callback_runner, "done_page");
    await captureInShop(url, wasm, async (page, frame) => {
      await frame.locator("h1", { hasText: `Thanks, ${b.CARD.holder}` }).waitFor();
      const message = await b.eventually(async () => (await b.messages(page, "done"))[0], "the callback's message");
      assert.equal(message.origin, "null");
      assert.equal(message.data.origin, "null");
      assert.match(message.data.token, /^[0-9a-f]{64}$/);
    });
  });

  test(`an error callback gets code, status and data, ${way}`, async () => {
    const error_callback = `(error) => parent.postMessage({ type: "failed", error: error }, "${shop.url}")`;
    // A field that is not validated lets a refusal of the vault itself through to the callback.
    const field_options = { card_number: { visible: true, validate: false } };
    const { url } = await merchant.page({ error_callback, field_options, allowed_origins: [shop.url] });
    await captureInShop(
      url,
      wasm,
      async (page, frame) => {
        await b.eventually(async () => (await b.messages(page, "failed")).length > 0, "the callback's message");
        const [{ data }] = await b.messages(page, "failed");
        assert.equal(data.error.code, 400);
        assert.equal(data.error.status, 400);
        assert.equal(typeof data.error.data.error, "string");
        const told = await b.eventually(async () => (await b.messages(page, "cardamom:error"))[0], "the form's message");
        assert.equal(told.data.status, 400);
        await frame.locator("#cardamom-form").waitFor();
      },
      { ...b.CARD, number: "" },
    );
  });

  test(`messages tell the token to exact origins only, ${way}`, async () => {
    const forms = { exact: { allowed_origins: [shop.url] }, open: {} };
    const told = {};
    for (const [name, form] of Object.entries(forms)) {
      const { url } = await merchant.page(form, { reference: `told ${name} ${way}` });
      told[name] = await captureInShop(url, wasm, async (page) => {
        const found = async () => (await b.messages(page, "cardamom:success"))[0];
        return (await b.eventually(found, "the message of the success")).data;
      });
    }
    assert.match(told.exact.token, /^[0-9a-f]{64}$/);
    assert.equal(told.exact.reference, `told exact ${way}`);
    assert.deepEqual(Object.keys(told.open).sort(), ["form", "type", "unique_id"]);
  });
}

test("a page of an origin that is not listed cannot frame the form", async () => {
  const { url } = await merchant.page({ allowed_origins: ["https://shop.example"] });
  await b.withPage(browser, async (page, { log }) => {
    await page.goto(shop.framing(url));
    await b.eventually(() => log.some((line) => line.includes("frame-ancestors")), "the browser's refusal");
    assert.equal(await b.inFrame(page).locator("form").count(), 0);
  });
});

test("a callback cannot lead to other schemes or to the card's own origin", async () => {
  const { form: other, endpoint } = await merchant.page();
  const own = merchant.pageUrl(other, endpoint);
  for (const target of ["javascript:alert(1)", "data:text/html,x", "blob:null/1", "http://shop.example/", own, "/v1/x"]) {
    const success_callback = `() => { location.href = ${JSON.stringify(target)}; top.location.href = ${JSON.stringify(target)}; }`;
    const { url } = await merchant.page({ success_callback });
    await captureInShop(url, true, async (page, frame, { log }) => {
      const refusals = () => log.filter((line) => line.includes("not allowed")).length === 2;
      await b.eventually(refusals, `both refusals of ${target.split("?")[0]}`);
      await b.saved(frame);
      assert.match(page.url(), /\?frame=/);
    });
  }
});

test("a callback that throws leaves the success page and tells nothing", async () => {
  const success_callback = `(response) => { throw new Error("token " + response.token); }`;
  const { url } = await merchant.page({ success_callback });
  await captureInShop(url, true, async (page, frame, { log }) => {
    await b.eventually(() => log.some((line) => line.includes("callback failed")), "the warning");
    await b.saved(frame);
    assert.equal(log.some((line) => /[0-9a-f]{64}/.test(line)), false);
  });
});
