// What every page keeps to: its policy and headers, no inline styles; the refused form without wasm.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { assertAccessible } from "./lib/axe.mjs";
import * as b from "./lib/browser.mjs";
import { startCardamom } from "./lib/cardamom.mjs";
import { startShop } from "./lib/sites.mjs";

let server, merchant, shop, browser;

before(async () => {
  server = await startCardamom();
  shop = await startShop();
  browser = await b.launch();
  merchant = await server.merchant("Looks");
});
after(() => Promise.all([browser?.close(), shop?.stop(), server?.stop()]));

for (const colorScheme of ["light", "dark"]) {
  test(`the form that the server refused is accessible, ${colorScheme}`, async () => {
    const { url } = await merchant.page();
    await b.withPage(
      browser,
      async (page, { context }) => {
        await b.blockWasm(context);
        await page.goto(url);
        await b.fillCard(page, { ...b.CARD, number: "4111111111111112" });
        await b.submit(page);
        await page.locator("#cardamom-card_number-error").waitFor();
        assert.equal(await page.evaluate(() => document.activeElement.name), "card_number");
        await assertAccessible(page);
      },
      { colorScheme },
    );
  });
}

const kinds = {
  "without a callback": {},
  "with a worker": { success_callback: "() => { console.log('ran'); }" },
  "with a done page": { success_callback: "() => { document.title = 'ran'; console.log('ran'); }" },
};

for (const [kind, form] of Object.entries(kinds)) {
  for (const wasm of [true, false]) {
    test(`no policy is violated ${kind}, ${wasm ? "with wasm" : "without"}`, async () => {
      const { url } = await merchant.page(form);
      await b.withPage(browser, async (page, { context, log }) => {
        await context.addInitScript(() => {
          document.addEventListener("securitypolicyviolation", (event) => {
            console.log(`violated: ${event.violatedDirective} ${event.blockedURI}`);
          });
        });
        if (!wasm) await b.blockWasm(context);
        await page.goto(shop.framing(url));
        const frame = b.inFrame(page);
        if (wasm) await b.hydrated(frame);
        assert.equal(await frame.locator("[style]").count(), 0);
        await b.fillCard(frame);
        await b.submit(frame);
        await frame.locator("h1", { hasText: "Card saved" }).waitFor();
        if (form.success_callback) await b.eventually(() => log.includes("ran"), "the callback");
        assert.deepEqual(log.filter((line) => /violat|Security Policy/i.test(line)), []);
      });
    });
  }
}

test("every page carries its headers, and none has an inline style or handler", async () => {
  const { url } = await merchant.page({ allowed_origins: [shop.url] });
  const done = await merchant.page({ success_callback: "() => { document.title = 'ran'; }" });
  const gone = `${server.url}/v1/capture/result/unknownunknownunknown`;
  const pages = { form: url, gone, result: await resultOf(url), done: await resultOf(done.url) };
  for (const [name, address] of Object.entries(pages)) {
    const response = await fetch(address);
    const header = (of) => response.headers.get(of);
    assert.equal(header("x-content-type-options"), "nosniff", name);
    assert.equal(header("referrer-policy"), "no-referrer", name);
    assert.equal(header("cache-control"), "no-store", name);
    assert.equal(header("set-cookie"), null, name);
    assert.equal(header("cross-origin-resource-policy"), "cross-origin", name);
    assert.equal(header("cross-origin-embedder-policy"), name === "done" ? "credentialless" : "require-corp", name);
    const policy = header("content-security-policy");
    assert.match(policy, /default-src 'none'/, name);
    assert.match(policy, /base-uri 'none'/, name);
    assert.doesNotMatch(policy, /unsafe-inline|unsafe-eval(?<!wasm-unsafe-eval)/, name);
    assert.equal(policy.includes("allow-same-origin"), false, name);
    assert.equal(policy.startsWith("sandbox"), name === "done", name);
    const html = await response.text();
    assert.doesNotMatch(html, /<[^>]+\s(style|on[a-z]+)=/i, name);
  }
  const policy = (await fetch(url)).headers.get("content-security-policy");
  assert.ok(policy.endsWith(`frame-ancestors ${shop.url}`));
  assert.match(policy, /; script-src 'self' 'wasm-unsafe-eval';/);
});

/** Submits the plain form; answers the address of what comes next. */
async function resultOf(url) {
  const asked = new URL(url);
  const body = new URLSearchParams({
    unique_id: asked.searchParams.get("unique_id"),
    secret: asked.searchParams.get("secret"),
    card_number: b.CARD.number,
    card_holder: b.CARD.holder,
    expiry: b.CARD.expiry,
    cvv: b.CARD.cvv,
  });
  const response = await fetch(asked.origin + asked.pathname, { method: "POST", body, redirect: "manual" });
  assert.equal(response.status, 303);
  return new URL(response.headers.get("location"), asked.origin).href;
}
