// Links that lead nowhere any more, and the addresses of results.

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
  merchant = await server.merchant("Links");
});
after(() => Promise.all([browser?.close(), shop?.stop(), server?.stop()]));

// What a page looks like but for its nonce.
async function answerOf(url) {
  const response = await fetch(url);
  const nonce = /'nonce-([0-9a-f]+)'/.exec(response.headers.get("content-security-policy") ?? "")?.[1];
  return { status: response.status, html: (await response.text()).replaceAll(nonce ?? "\0", "NONCE") };
}

test("deleted, used, expired, unknown and wrongly opened links show one page", async () => {
  const links = {};
  const deleted = await merchant.endpoint();
  await merchant.call("DELETE", deleted.url);
  links.deleted = merchant.pageUrl("pcd", deleted);

  const used = await merchant.endpoint({ max_uses: "1" });
  await capture(used);
  links.used = merchant.pageUrl("pcd", used);

  const once = await merchant.page({ single_use: true });
  await b.withPage(browser, async (page) => {
    await page.goto(once.url);
    await b.hydrated(page);
    await b.fillCard(page);
    await b.submit(page);
    await b.saved(page);
  });
  links.usedOnce = once.url;

  const expiring = await merchant.endpoint({ ttl: "PT1S" });
  links.expired = merchant.pageUrl("pcd", expiring);
  await b.eventually(async () => (await fetch(links.expired)).status === 404, "the end of the link");

  const open = await merchant.endpoint();
  links.unknown = merchant.pageUrl("pcd", { url: "/v1/capture/unknownunknownunknown", secret: open.secret });
  links.wrongSecret = merchant.pageUrl("pcd", { url: open.url, secret: deleted.secret });
  links.unknownForm = merchant.pageUrl("unknownunknownunknown", open);
  links.unknownResult = `${server.url}/v1/capture/result/unknownunknownunknown`;

  const expected = await answerOf(links.unknown);
  for (const [name, link] of Object.entries(links)) {
    const { status, html } = await answerOf(link);
    assert.equal(status, expected.status, name);
    assert.ok(html === expected.html, `${name} shows another page`);
  }
  assert.equal(expected.status, 404);
  await b.withPage(browser, async (page) => {
    await page.goto(links.deleted);
    assert.equal(await page.locator("h1").innerText(), "Link expired");
    assert.equal(await page.locator("form, input").count(), 0);
  });
});

test("a link that is only busy shows its form", async () => {
  const endpoint = await merchant.endpoint();
  const url = merchant.pageUrl("pcd", endpoint);
  // 30 captures a minute are the default.
  for (let taken = 0; taken < 30; taken += 1) await capture(endpoint);
  assert.equal((await fetch(url)).status, 200);
});

for (const wasm of [true, false]) {
  test(`a link that ends while its form is open is told after the submit, ${wasm ? "with" : "without"} wasm`, async () => {
    const { endpoint, url } = await merchant.page();
    await b.withPage(browser, async (page, { context }) => {
      if (!wasm) await b.blockWasm(context);
      await page.goto(url);
      if (wasm) await b.hydrated(page);
      await b.fillCard(page);
      await merchant.call("DELETE", endpoint.url);
      await b.submit(page);
      await page.locator(".notice:not([hidden]) h1", { hasText: "Link expired" }).waitFor();
      assert.equal(await page.locator("input").count(), 0);
    });
  });
}

test("a result's address shows the plain success page when it is read again", async () => {
  const callback = `function (response) { parent.postMessage({ type: "ran", token: response.token }, "${shop.url}"); }`;
  const { url } = await merchant.page({ success_callback: callback, allowed_origins: [shop.url] });
  await b.withPage(browser, async (page, { context }) => {
    await b.blockWasm(context);
    await page.goto(shop.framing(url));
    const frame = b.inFrame(page);
    await b.fillCard(frame);
    await b.submit(frame);
    await b.eventually(async () => (await b.messages(page, "ran")).length > 0, "the callback's message");

    const result = page.frames().find((frame) => frame.url().includes("/v1/capture/result/")).url();
    await page.goto(shop.framing(result));
    await b.saved(frame);
    // Without data for the page's script no callback runs and no message is sent.
    assert.equal(await frame.locator("#cardamom-config, script").count(), 0);
  });
});

test("the done page of a form shows the plain success page when it is read again", async () => {
  const callback = `function () { document.title = "ran"; }`;
  const { url } = await merchant.page({ success_callback: callback });
  await b.withPage(browser, async (page) => {
    await page.goto(url);
    await b.hydrated(page);
    await b.fillCard(page);
    await b.submit(page);
    await page.waitForURL(/\/v1\/capture\/done\//);
    await b.eventually(async () => (await page.title()) === "ran", "the callback's title");
    await page.reload();
    await b.saved(page);
    assert.equal(await page.locator("script").count(), 0);
    assert.notEqual(await page.title(), "ran");
  });
});

async function capture({ url, secret }) {
  const response = await fetch(server.url + url, {
    method: "POST",
    headers: { "X-Capture-Secret": secret },
    body: JSON.stringify({ card_number: b.CARD.number }),
  });
  assert.equal(response.status, 200);
}
