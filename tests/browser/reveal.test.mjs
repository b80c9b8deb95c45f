// The page that shows a stored card: masked first, in clear after a click and for a time, once.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { assertAccessible, assertFits } from "./lib/axe.mjs";
import * as b from "./lib/browser.mjs";
import { startCardamom } from "./lib/cardamom.mjs";
import { startPages, startShop } from "./lib/sites.mjs";

const CARD = { card_number: "4111111111111111", card_holder: "Ada Lovelace", card_expiry: "06-2031", order: "A 17" };
const SHOWN = "4111 1111 1111 1111";

let server, merchant, shop, browser;

before(async () => {
  server = await startCardamom();
  shop = await startShop();
  browser = await b.launch();
  merchant = await server.merchant("Reveal");
});
after(() => Promise.all([browser?.close(), shop?.stop(), server?.stop()]));

/** A retrieve endpoint for a stored card, and the page's address as its merchant hands it out. */
async function page(query = "") {
  const { token } = await merchant.call("POST", "/v1/vault?user=managed&algorithm=random", CARD);
  const made = await merchant.call("POST", `/v1/retrieve?user=managed&token=${token}${query}`, {});
  return { ...made, token, page: made.page_url };
}

const number = (scope) => scope.locator("#others dd").first().locator("span");
const button = (scope) => scope.locator("#show");

test("a card is masked, shown on a click, hidden again, and shown once", async () => {
  const made = await page();
  await b.withPage(browser, async (tab, { log }) => {
    await tab.goto(made.page);
    await number(tab).filter({ hasText: "411111••••••1111" }).waitFor();
    assert.equal(await tab.locator(".copy").count(), 0);
    assert.equal(tab.url(), `${server.url}/v1/retrieve/iframe/pcd`, "the secret has left the address");
    await assertAccessible(tab, "masked");
    await assertFits(tab, "masked");
    if (process.env.CARDAMOM_PICTURES) await tab.screenshot({ path: `${process.env.CARDAMOM_PICTURES}/masked.png` });

    await button(tab).click();
    await number(tab).filter({ hasText: SHOWN }).waitFor();
    assert.match(await tab.locator("#others").textContent(), /Ada Lovelace.*06-2031.*A 17/);
    assert.match(await button(tab).textContent(), /Hide \(\d+\)/);
    await assertAccessible(tab, "shown");
    await assertFits(tab, "shown");
    if (process.env.CARDAMOM_PICTURES) await tab.screenshot({ path: `${process.env.CARDAMOM_PICTURES}/shown.png` });

    await button(tab).click();
    await number(tab).filter({ hasText: "411111••••••1111" }).waitFor();
    assert.doesNotMatch(await tab.content(), /1111 1111|4111111111111111|Lovelace/);
    await button(tab).click();
    await tab.locator("#status").filter({ hasText: "can no longer be shown" }).waitFor();
    assert.ok(await button(tab).isHidden());
    const { uses, reveals } = await merchant.call("GET", made.url);
    assert.deepEqual([uses, reveals], [1, 1], "its merchant sees the one reveal");
    assert.deepEqual(log.filter((line) => /411111|Content Security/.test(line)), []);
  });
});

test("what is shown goes away by itself, and when the page is left", async () => {
  const made = await page("&max_reveals=2");
  await b.withPage(browser, async (tab) => {
    await tab.clock.install();
    await tab.goto(made.page);
    await button(tab).click();
    await number(tab).filter({ hasText: SHOWN }).waitFor();
    await tab.clock.fastForward("00:29");
    await number(tab).filter({ hasText: SHOWN }).waitFor();
    await tab.clock.fastForward("00:02");
    await number(tab).filter({ hasText: "411111••••••1111" }).waitFor();

    await button(tab).click();
    await number(tab).filter({ hasText: SHOWN }).waitFor();
    await tab.evaluate(() => dispatchEvent(new PageTransitionEvent("pagehide")));
    await number(tab).filter({ hasText: "411111••••••1111" }).waitFor();
  });
});

test("what is handed out opens the page and reads nothing by the API", async () => {
  const made = await page();
  const { hash } = new URL(made.page);
  const read = (secret) => fetch(server.url + made.url, { headers: { "x-retrieve-secret": secret } });
  assert.equal((await read(hash.replace("#secret=", ""))).status, 403);
  assert.equal((await (await read(made.secret)).json()).card_number, CARD.card_number);
});

test("the document for who asks for HTML shows the card in a frame of ours, on anybody's site", async () => {
  const { token } = await merchant.call("POST", "/v1/vault?user=managed&algorithm=random", CARD);
  const answer = await fetch(`${server.url}/v1/retrieve?user=managed&token=${token}`, {
    method: "POST",
    headers: { authorization: merchant.login, accept: "text/html" },
  });
  const document = await answer.text();
  const site = await startPages(() => document);
  await b.withPage(browser, async (tab, { log }) => {
    await tab.goto(site.url);
    const framed = tab.frameLocator("iframe");
    await number(framed).filter({ hasText: "411111••••••1111" }).waitFor();
    await button(framed).click();
    await number(framed).filter({ hasText: SHOWN }).waitFor();
    assert.ok(!(await tab.locator("body").textContent()).includes("1111"), "out of reach of the site around it");
    assert.deepEqual(log.filter((line) => /411111|Content Security/.test(line)), []);
  });
  await site.stop();
});

test("values are copied as they are stored", async () => {
  const made = await page();
  const permissions = ["clipboard-read", "clipboard-write"];
  await b.withPage(
    browser,
    async (tab) => {
      await tab.goto(made.page);
      await button(tab).click();
      await tab.locator(".copy").first().waitFor();
      const values = [CARD.card_number, CARD.card_holder, CARD.card_expiry, CARD.order];
      assert.equal(await tab.locator(".copy").count(), values.length);
      for (const [index, value] of values.entries()) {
        await tab.evaluate(() => navigator.clipboard.writeText(""));
        await tab.locator(".copy").nth(index).click();
        await b.eventually(() => tab.evaluate(() => navigator.clipboard.readText()), value);
        assert.equal(await tab.evaluate(() => navigator.clipboard.readText()), value);
      }
      await tab.locator("#status").filter({ hasText: "Copied" }).waitFor();
    },
    { permissions },
  );
});

test("an address with the secret in its query works, a wrong one and one without do not", async () => {
  const made = await page();
  await b.withPage(browser, async (tab) => {
    await tab.goto(made.page.replace("#secret=", "&secret="));
    await number(tab).filter({ hasText: "411111••••••1111" }).waitFor();
    assert.doesNotMatch(tab.url(), /secret/);
    await tab.goto(`${made.page}x`);
    await tab.locator("#status").filter({ hasText: "can no longer be shown" }).waitFor();
    await tab.goto("about:blank");
    await tab.goto(made.page.replace(/#.*/, ""));
    await tab.locator("#status").filter({ hasText: "incomplete" }).waitFor();
    assert.ok(await button(tab).isHidden());
  });
});

test("no script of anybody else runs on the page", async () => {
  const made = await page();
  await b.withPage(browser, async (tab) => {
    await tab.goto(made.page);
    const ran = await tab.evaluate(() => {
      const script = document.createElement("script");
      script.textContent = "window.ran = true";
      document.body.append(script);
      return window.ran === true;
    });
    assert.equal(ran, false);
  });
});
