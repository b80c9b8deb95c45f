// One capture in the end: however often the button is pressed, and whatever becomes of the connection.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import * as b from "./lib/browser.mjs";
import { startCardamom } from "./lib/cardamom.mjs";

let server, merchant, browser;

before(async () => {
  server = await startCardamom();
  browser = await b.launch();
  merchant = await server.merchant("Resends");
});
after(() => Promise.all([browser?.close(), server?.stop()]));

const FORM = /\/v1\/capture\/iframe\//;

/** Lets `act` see each POST of the form; it fulfils, aborts or passes it on. */
async function posts(context, act) {
  let count = 0;
  await context.route(FORM, (route) => {
    if (route.request().method() !== "POST") return route.continue();
    count += 1;
    return act(route, count);
  });
  return () => count;
}

/** How many cards have this reference, and how often the card was changed since. */
async function cardsOf(reference) {
  return (await merchant.listCards()).filter((card) => card.reference === reference).length;
}

for (const how of ["a double click", "Enter while it is sent"]) {
  for (const wasm of [true, false]) {
    test(`${how} is one capture, ${wasm ? "with" : "without"} wasm`, async () => {
      // A second capture would be refused and said so.
      const { url } = await merchant.page({}, { reference: `${how} ${wasm}`, max_uses: "1" });
      await b.withPage(browser, async (page, { context }) => {
        if (!wasm) await b.blockWasm(context);
        let release;
        const released = new Promise((done) => (release = done));
        const count = await posts(context, async (route) => {
          await released;
          await route.continue();
        });
        await page.goto(url);
        if (wasm) await b.hydrated(page);
        await b.fillCard(page);
        if (how === "a double click") {
          await page.locator("#cardamom-submit").dblclick({ noWaitAfter: true });
        } else {
          await b.input(page, "cvv").focus();
          await page.keyboard.press("Enter");
          await b.eventually(() => count() === 1, "the request");
          await page.keyboard.press("Enter");
        }
        await b.eventually(() => count() === 1, "the request");
        release();
        await b.saved(page);
        assert.equal(count(), 1);
      });
      assert.equal(await cardsOf(`${how} ${wasm}`), 1);
    });
  }
}

test("a connection that is lost before the request arrives loses nothing", async () => {
  const { url } = await merchant.page({}, { reference: "lost before" });
  await b.withPage(browser, async (page, { context }) => {
    await posts(context, (route, count) => (count === 1 ? route.abort("connectionfailed") : route.continue()));
    await page.goto(url);
    await b.hydrated(page);
    await b.fillCard(page);
    await b.submit(page);
    const alert = page.locator("#cardamom-alert");
    await alert.waitFor();
    assert.match(await alert.innerText(), /no connection.*try again/is);
    assert.equal(await b.input(page, "card_number").inputValue(), "4111 1111 1111 1111");
    assert.equal(await b.input(page, "cvv").inputValue(), b.CARD.cvv);
    await b.submit(page);
    await b.saved(page);
  });
  assert.equal(await cardsOf("lost before"), 1);
});

test("an answer that is lost is given again, and the card is stored once", async () => {
  const { url } = await merchant.page({}, { reference: "lost after", max_uses: "1" });
  await b.withPage(browser, async (page, { context }) => {
    const count = await posts(context, async (route, count) => {
      if (count > 1) return route.continue();
      assert.equal((await route.fetch()).status(), 200);
      return route.abort("connectionreset");
    });
    await page.goto(url);
    await b.hydrated(page);
    await b.fillCard(page);
    await b.submit(page);
    await page.locator("#cardamom-alert", { hasText: "try again" }).waitFor();
    await b.submit(page);
    await b.saved(page);
    assert.equal(count(), 2);
  });
  assert.equal(await cardsOf("lost after"), 1);
});

test("what was changed after a lost answer is another capture", async () => {
  const { url } = await merchant.page({}, { reference: "changed", max_uses: "2" });
  await b.withPage(browser, async (page, { context }) => {
    await posts(context, async (route, count) => {
      if (count > 1) return route.continue();
      await route.fetch();
      return route.abort("connectionreset");
    });
    await page.goto(url);
    await b.hydrated(page);
    await b.fillCard(page);
    await b.submit(page);
    await page.locator("#cardamom-alert", { hasText: "try again" }).waitFor();
    await b.input(page, "cvv").fill("123");
    await b.submit(page);
    await b.saved(page);
  });
  const [card] = (await merchant.listCards()).filter(({ reference }) => reference === "changed");
  assert.equal((await merchant.readCard(card)).cvv, "123");
});

test("a plain form that is sent again after a lost answer is stored once", async () => {
  const { url } = await merchant.page({}, { reference: "plain", max_uses: "1" });
  await b.withPage(
    browser,
    async (page, { context }) => {
      await posts(context, async (route, count) => {
        if (count > 1) return route.continue();
        await route.fetch({ maxRedirects: 0 });
        return route.abort("connectionreset");
      });
      await page.goto(url);
      await b.fillCard(page);
      await page.locator("#cardamom-submit").click({ noWaitAfter: true });
      await b.eventually(() => page.url().startsWith("chrome-error://"), "the browser's own error page");
      // What the error page offers: the same request again.
      await page.reload();
      await b.saved(page);
    },
    { javaScriptEnabled: false },
  );
  assert.equal(await cardsOf("plain"), 1);
});
