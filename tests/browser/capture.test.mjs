// A card goes from the cardholder's browser into the vault: framed and redirected, with wasm, without, and
// without any script.

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
  merchant = await server.merchant("Captures");
});
after(() => Promise.all([browser?.close(), shop?.stop(), server?.stop()]));

const CVV_ONLY = {
  card_number: { visible: false },
  card_holder: { visible: false },
  expiry: { visible: false },
  reference: { visible: false },
};

// The seed's callback, with the shop's address for its website.
const seedCallback = () => `function(responseData, requestData) {
const reference = responseData.reference;
window.location.replace(\`${shop.url}/update/success?reference=\${reference}\`);
}`;

// ---- A new card

test("a card is captured in a cross-site frame, and the merchant opens it", async () => {
  const { url, endpoint } = await merchant.page({ allowed_origins: [shop.url] }, { reference: "framed" });
  const told = await b.withPage(browser, async (page) => {
    await page.goto(shop.framing(url));
    const frame = b.inFrame(page);
    await b.hydrated(frame);
    await b.fillCard(frame);
    assert.equal(await b.input(frame, "card_number").inputValue(), "4111 1111 1111 1111");
    await b.submit(frame);
    await b.saved(frame);
    const [message] = await b.eventually(
      async () => (await b.messages(page, "cardamom:success")).slice(0, 1).filter(Boolean),
      "the message of the success",
    );
    return message;
  });
  assert.equal(told.origin, server.url);
  assert.equal(told.data.unique_id, endpoint.url.split("/").at(-1));
  const card = await merchant.readCard(told.data);
  assert.equal(card.card_number, b.CARD.number);
  assert.equal(card.card_holder, b.CARD.holder);
  assert.equal(card.expiry, b.CARD.expiry);
  assert.equal(told.data.reference, "framed");
});

test("a card is captured on the page itself, after a redirect", async () => {
  const { url } = await merchant.page({}, { reference: "redirected" });
  await b.withPage(browser, async (page) => {
    await page.goto(url);
    await b.hydrated(page);
    await b.fillCard(page);
    await b.submit(page);
    await b.saved(page);
    assert.equal(await page.locator("input").count(), 0);
  });
  const card = (await merchant.listCards()).find(({ reference }) => reference === "redirected");
  assert.equal((await merchant.readCard(card)).card_number, b.CARD.number);
});

test("the seed's callback leads a redirected person back to the shop", async () => {
  const { url } = await merchant.page({ success_callback: seedCallback() }, { reference: "back" });
  await b.withPage(browser, async (page) => {
    await page.goto(url);
    await b.hydrated(page);
    await b.fillCard(page);
    await b.submit(page);
    await page.waitForURL(`${shop.url}/update/success?reference=back`);
  });
});

test("text that was typed before the wasm arrived is kept and formatted", async () => {
  const { url } = await merchant.page();
  await b.withPage(browser, async (page, { context }) => {
    let release;
    const released = new Promise((done) => (release = done));
    await context.route(/\.wasm/, async (route) => {
      await released;
      await route.continue();
    });
    await page.goto(url, { waitUntil: "commit" });
    await b.fillCard(page, { number: b.CARD.number, holder: b.CARD.holder });
    const expiry = b.input(page, "expiry");
    await expiry.pressSequentially("05");
    release();
    await b.hydrated(page);
    // The person goes on where they were.
    await expiry.pressSequentially("31");
    assert.equal(await b.input(page, "card_number").inputValue(), "4111 1111 1111 1111");
    assert.equal(await b.input(page, "card_holder").inputValue(), b.CARD.holder);
    assert.match(await expiry.inputValue(), /^05 ?\/ ?31$/);
    await b.input(page, "cvv").fill(b.CARD.cvv);
    await b.submit(page);
    await b.saved(page);
  });
});

test("the caret stays where the person edits", async () => {
  const { url } = await merchant.page();
  await b.withPage(browser, async (page) => {
    await page.goto(url);
    await b.hydrated(page);
    const number = b.input(page, "card_number");
    await number.fill("411111111111111");
    await number.evaluate((element) => element.setSelectionRange(6, 6));
    await page.keyboard.type("9");
    assert.equal(await number.inputValue(), "4111 1911 1111 1111");
    assert.equal(await number.evaluate((element) => element.selectionStart), 7);
  });
});

test("one click on the button tells every problem, though leaving a field shows one too", async () => {
  const { url } = await merchant.page();
  await b.withPage(browser, async (page) => {
    await page.goto(url);
    await b.hydrated(page);
    await b.fillCard(page, { number: "378282246310004", expiry: "13/31", cvv: "12" });
    await b.submit(page);
    await page.locator(".alerts", { hasText: "Please check these fields" }).waitFor();
    assert.equal(await page.locator(".alerts li:not([hidden])").count(), 4);
    assert.equal(await page.evaluate(() => document.activeElement.name), "card_number");
    assert.equal(await b.input(page, "card_number").inputValue(), "3782 822463 10004");
  });
});

// ---- The seed's form: the security code alone, on an endpoint locked to a stored card

const ways = {
  "with wasm": {},
  "with wasm blocked": { wasm: false },
  "with scripts off": { wasm: false, scripts: false },
};

for (const [way, { wasm = true, scripts = true }] of Object.entries(ways)) {
  test(`the seed's form merges the code into the stored card, ${way}`, async () => {
    const reference = `seed ${way}`;
    const members = { card_number: "5555555555554444", card_holder: "Grace Hopper", expiry: "09/30", shelf: "7" };
    const stored = await merchant.storeCard(members, reference);
    const before = await merchant.readCard(stored);
    const { url } = await merchant.page(
      { success_callback: seedCallback(), field_options: CVV_ONLY },
      { token: stored.token, reference },
    );
    await b.withPage(
      browser,
      async (page, { context }) => {
        if (!wasm) await b.blockWasm(context);
        await page.goto(shop.framing(url));
        const frame = b.inFrame(page);
        if (wasm) await b.hydrated(frame);
        assert.equal(await frame.locator('input:not([type="hidden"])').count(), 1);
        await b.input(frame, "cvv").fill("145");
        await b.submit(frame);
        if (scripts) {
          await frame.locator("h1", { hasText: "Shop" }).waitFor();
        } else {
          await b.saved(frame);
        }
      },
      { javaScriptEnabled: scripts },
    );
    if (scripts) {
      const visits = shop.visits().filter((visit) => visit.query.get("reference") === reference);
      assert.deepEqual(visits.map(({ path }) => path), ["/update/success"]);
    }
    const { cvv, ...rest } = await merchant.readCard(stored);
    assert.equal(cvv, "145");
    assert.deepEqual(rest, before);
    // A read counts as the use.
    assert.equal("cvv" in (await merchant.readCard(stored)), false);
  });
}

// ---- The plain form

test("a card is captured with wasm blocked", async () => {
  const { url } = await merchant.page({}, { reference: "blocked" });
  await b.withPage(browser, async (page, { context }) => {
    await b.blockWasm(context);
    await page.goto(url);
    await b.fillCard(page);
    await b.submit(page);
    await b.saved(page);
    assert.match(page.url(), /\/v1\/capture\/result\/[^?#]+$/);
  });
  assert.ok((await merchant.listCards()).some(({ reference }) => reference === "blocked"));
});

test("a card is captured in a frame with scripts off", async () => {
  const { url } = await merchant.page({}, { reference: "plain" });
  await b.withPage(
    browser,
    async (page) => {
      await page.goto(shop.framing(url));
      const frame = b.inFrame(page);
      await b.fillCard(frame);
      await b.submit(frame);
      await b.saved(frame);
    },
    { javaScriptEnabled: false },
  );
  assert.ok((await merchant.listCards()).some(({ reference }) => reference === "plain"));
});

for (const scripts of [true, false]) {
  const way = scripts ? "with wasm blocked" : "with scripts off";
  test(`refused values come back beside their fields, number and code do not, ${way}`, async () => {
    const field_options = { reference: { visible: true } };
    const { url } = await merchant.page({ field_options }, { reference: "" });
    const refused = { number: "4111111111111112", holder: b.CARD.holder, expiry: "13/31", cvv: "9041" };
    await b.withPage(
      browser,
      async (page, { context }) => {
        await b.blockWasm(context);
        await page.goto(url);
        await b.fillCard(page, refused);
        await b.input(page, "reference").fill("order-17");
        await b.submit(page);
        await page.locator("#cardamom-card_number-error").waitFor();
        for (const name of ["card_number", "expiry"]) {
          assert.equal(await b.input(page, name).getAttribute("aria-invalid"), "true", name);
          assert.notEqual(await page.locator(`#cardamom-${name}-error`).innerText(), "", name);
        }
        assert.equal(await b.input(page, "card_holder").inputValue(), b.CARD.holder);
        assert.equal(await b.input(page, "expiry").inputValue(), "13/31");
        assert.equal(await b.input(page, "reference").inputValue(), "order-17");
        assert.equal(await b.input(page, "card_number").inputValue(), "");
        assert.equal(await b.input(page, "cvv").inputValue(), "");
        const html = (await page.content()).replaceAll(/[\s-]/g, "");
        assert.equal(html.includes(refused.number), false);
        assert.equal(html.includes(refused.cvv), false);

        // The same page takes the card once it is right.
        await b.fillCard(page);
        await b.submit(page);
        await b.saved(page);
      },
      { javaScriptEnabled: scripts },
    );
    const card = (await merchant.listCards()).find(({ reference }) => reference === "order-17");
    assert.equal((await merchant.readCard(card)).card_number, b.CARD.number);
    await merchant.call("DELETE", `/v1/vault?user=managed&token=${card.token}&reference=order-17`);
  });
}

// ---- The secret in the fragment

test("a secret in the fragment works, and leaves the address", async () => {
  const endpoint = await merchant.endpoint({ reference: "fragment" });
  await b.withPage(browser, async (page) => {
    await page.goto(merchant.fragmentUrl("pcd", endpoint));
    await b.hydrated(page);
    assert.equal(new URL(page.url()).hash, "");
    assert.equal(page.url().includes(endpoint.secret), false);
    await b.fillCard(page);
    await b.submit(page);
    await b.saved(page);
  });
  assert.ok((await merchant.listCards()).some(({ reference }) => reference === "fragment"));
});

test("a secret in the fragment works with wasm blocked", async () => {
  const endpoint = await merchant.endpoint({ reference: "fragment, blocked" });
  await b.withPage(browser, async (page, { context }) => {
    await b.blockWasm(context);
    await page.goto(merchant.fragmentUrl("pcd", endpoint));
    await b.fillCard(page);
    await b.submit(page);
    await b.saved(page);
  });
});

test("a fragment without a secret is told, and so is the lack of scripts", async () => {
  const endpoint = await merchant.endpoint();
  const url = merchant.fragmentUrl("pcd", endpoint);
  await b.withPage(browser, async (page) => {
    await page.goto(url.split("#")[0]);
    await page.locator("#cardamom-incomplete").waitFor();
    assert.equal(await page.locator("#cardamom-submit").isDisabled(), true);
  });
  await b.withPage(
    browser,
    async (page) => {
      await page.goto(url);
      assert.match(await page.locator("noscript .alert, .alert").first().innerText(), /needs scripts/);
      assert.equal(await page.locator("#cardamom-submit").isDisabled(), true);
    },
    { javaScriptEnabled: false },
  );
});
