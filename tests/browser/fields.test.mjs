// Additional and billing fields, the consent box, the masked code, the keypad and the bank account form, with wasm
// and without.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";

import * as b from "./lib/browser.mjs";
import { startCardamom } from "./lib/cardamom.mjs";

let server, merchant, browser, axe;

before(async () => {
  axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
  server = await startCardamom();
  browser = await b.launch();
  merchant = await server.merchant("Fields");
});
after(() => Promise.all([browser?.close(), server?.stop()]));

const MORE = {
  additional_fields: [
    { name: "mail", label: "E-mail", type: "email", required: true },
    { name: "size", label: "Size", type: "select", options: ["S", { value: "L", label: "Large" }] },
  ],
  field_options: { postal_code: { visible: true } },
  consent: { text: "I agree that the shop stores my card.", version: "v1" },
};

async function accountPage(settings = {}) {
  const form = await merchant.call("POST", "/v1/capture/iframe?form_type=ach", settings);
  const endpoint = await merchant.endpoint();
  return { endpoint, url: merchant.pageUrl(form, endpoint) };
}

async function storedBy(endpoint) {
  const reference = endpoint.url.split("/").at(-1);
  const [card] = (await merchant.listCards()).filter((card) => card.reference === reference);
  return card && merchant.readCard(card);
}

const digits = (page) => page.locator(".keypad button").filter({ hasText: /^\d$/ });

async function press(page, number) {
  for (const digit of number) await page.locator(`.keypad button[value="${digit}"]`).click();
}

async function assertAccessible(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  assert.deepEqual(
    violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`),
    [],
  );
}

for (const wasm of [true, false]) {
  const how = wasm ? "with wasm" : "without wasm";
  const open = (use, options) =>
    b.withPage(
      browser,
      async (page, opened) => {
        if (!wasm) await b.blockWasm(opened.context);
        const go = async (url) => {
          await page.goto(url);
          if (wasm) await b.hydrated(page);
        };
        await use(page, go, opened);
      },
      { reducedMotion: "reduce", ...options },
    );
  // Without wasm the browser itself would hold an incomplete form back: here the server shall refuse it.
  const send = async (page) => {
    if (!wasm) await page.locator("#cardamom-form").evaluate((form) => (form.noValidate = true));
    await b.submit(page);
  };

  test(`added fields and the consent are refused, told and stored, ${how}`, () =>
    open(async (page, go, { log }) => {
      const { url, endpoint } = await merchant.page(MORE);
      await go(url);
      assert.equal(await page.locator('input[name="consent"]').isChecked(), false);
      await assertAccessible(page);
      await b.fillCard(page);
      await b.input(page, "mail").fill("nowhere");
      await page.locator('select[name="size"]').selectOption("L");
      await send(page);
      await page.locator("#cardamom-extra-0-error").waitFor();
      assert.equal(await page.locator("#cardamom-consent-error").isVisible(), true);
      assert.equal(await page.locator("#cardamom-postal_code-error").isVisible(), true);
      assert.equal(await page.evaluate(() => document.activeElement.name), "postal_code");
      assert.equal(await page.locator('select[name="size"]').inputValue(), "L");
      assert.equal(await page.locator('input[name="consent"]').isChecked(), false);
      await assertAccessible(page);
      await page.locator('.alerts a[href="#cardamom-extra-0"]').click();
      assert.equal(await page.evaluate(() => document.activeElement.name), "mail");
      await b.fillCard(page);
      await b.input(page, "mail").fill("ada@king.example");
      await b.input(page, "postal_code").fill("10115");
      await page.locator('input[name="consent"]').check();
      await send(page);
      await b.saved(page);
      const card = await storedBy(endpoint);
      assert.deepEqual([card.mail, card.size, card.postal_code], ["ada@king.example", "L", "10115"]);
      assert.deepEqual([card.consent.given, card.consent.version], [true, "v1"]);
      assert.ok(!log.some((line) => /hydrat|panick|unreachable/i.test(line)), log.join("\n"));
    }));

  test(`a bank account is refused, told and stored, ${how}`, () =>
    open(async (page, go, { log }) => {
      const { url, endpoint } = await accountPage();
      await go(url);
      await assertAccessible(page);
      await b.input(page, "routing_number").fill("021000022");
      await b.input(page, "account_number").fill("000123456789");
      await b.input(page, "account_holder").fill("Ada King");
      await send(page);
      await page.locator("#cardamom-routing_number-error").waitFor();
      assert.equal(await page.locator("#cardamom-account_type-error").isVisible(), true);
      assert.equal(await b.input(page, "account_holder").inputValue(), "Ada King");
      await assertAccessible(page);
      await b.input(page, "routing_number").fill("0210 00021");
      await b.input(page, "account_number").fill("000123456789");
      await page.locator('select[name="account_type"]').selectOption("Business Savings");
      await send(page);
      await b.saved(page);
      assert.equal(await page.locator("h1:visible").textContent(), "Account saved");
      assert.deepEqual(await storedBy(endpoint), {
        account_number: "000123456789",
        routing_number: "021000021",
        account_holder: "Ada King",
        account_type: "Business Savings",
        last_four: "6789",
      });
      assert.ok(!log.some((line) => /hydrat|panick|unreachable/i.test(line)), log.join("\n"));
    }));

  test(`a keypad in an order that changes types numbers, ${how}`, () =>
    open(async (page, go) => {
      const { url, endpoint } = await merchant.page({ force_keypad: true, mask_cvv: true });
      await go(url);
      const number = b.input(page, "card_number");
      const orders = new Set();
      for (let showing = 0; showing < 6; showing += 1) {
        await number.focus();
        const order = await digits(page).allTextContents();
        assert.deepEqual([...order].sort(), [..."0123456789"]);
        orders.add(order.join(""));
        await b.input(page, "card_holder").focus();
        assert.equal(await page.locator(".keypad").count(), 0);
      }
      assert.ok(orders.size > 1, "ten digits in six showings are the same once in 10^32");
      await number.click();
      assert.equal(await number.getAttribute("inputmode"), "none");
      await press(page, b.CARD.number.slice(0, 6) + "9");
      await page.locator('.keypad button[value="delete"]').click();
      await press(page, b.CARD.number.slice(6));
      assert.equal((await number.inputValue()).replaceAll(" ", ""), b.CARD.number);
      assert.equal(await page.evaluate(() => document.activeElement.name), "card_number");
      assert.equal(await page.locator("#cardamom-status").textContent(), "Digits entered: 16");
      await assertAccessible(page);
      await b.input(page, "card_holder").fill(b.CARD.holder);
      await b.input(page, "expiry").fill(b.CARD.expiry);
      await b.input(page, "cvv").focus();
      await press(page, b.CARD.cvv);
      await send(page);
      await b.saved(page);
      assert.equal((await storedBy(endpoint)).card_number, b.CARD.number);
    }));
}

test("the keypad is used by the keyboard alone, and nobody complains meanwhile", () =>
  b.withPage(browser, async (page) => {
    const { url } = await merchant.page({ force_keypad: true });
    await page.goto(url);
    await b.hydrated(page);
    await b.input(page, "card_number").focus();
    await page.keyboard.type("4");
    await page.keyboard.press("Tab");
    const first = await page.evaluate(() => document.activeElement.value);
    assert.match(first, /^\d$/, "the keypad is the next stop");
    assert.equal(await page.locator("#cardamom-card_number-error").isVisible(), false);
    await page.keyboard.press("ArrowRight");
    const second = await page.evaluate(() => document.activeElement.value);
    await page.keyboard.press("Enter");
    assert.equal(await b.input(page, "card_number").inputValue(), `4${second}`);
    await page.keyboard.press("Escape");
    assert.equal(await page.evaluate(() => document.activeElement.name), "card_number");
    assert.equal(await page.locator(".keypad").count(), 0);
    await b.input(page, "card_number").click();
    await page.keyboard.press("Tab");
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.name), "card_holder");
    assert.equal(await page.locator("#cardamom-card_number-error").isVisible(), true, "now it was left");
  }));

test("without scripts there is no keypad, and the input is as usual", () =>
  b.withPage(
    browser,
    async (page) => {
      const { url, endpoint } = await merchant.page({ force_keypad: true, mask_cvv: true, ...MORE });
      await page.goto(url);
      assert.equal(await b.input(page, "card_number").getAttribute("inputmode"), "numeric");
      await b.input(page, "card_number").focus();
      assert.equal(await page.locator(".keypad").count(), 0);
      await b.fillCard(page);
      await b.input(page, "mail").fill("ada@king.example");
      await b.input(page, "postal_code").fill("10115");
      await page.locator('input[name="consent"]').check();
      await b.submit(page);
      await b.saved(page);
      assert.equal((await storedBy(endpoint)).consent.given, true);
    },
    { javaScriptEnabled: false },
  ));

test("a masked code is no password, and is copied and pasted", () =>
  b.withPage(
    browser,
    async (page) => {
      const { url } = await merchant.page({ mask_cvv: true });
      await page.goto(url);
      await b.hydrated(page);
      const code = b.input(page, "cvv");
      assert.deepEqual([await code.getAttribute("type"), await code.getAttribute("autocomplete")], ["text", "cc-csc"]);
      assert.equal(await code.evaluate((input) => getComputedStyle(input).webkitTextSecurity), "disc");
      await code.fill("737");
      await code.press("Control+A");
      await code.press("Control+C");
      await b.input(page, "card_holder").focus();
      await page.keyboard.press("Control+V");
      assert.equal(await b.input(page, "card_holder").inputValue(), "737");
      await code.fill("");
      await code.press("Control+V");
      assert.equal(await code.inputValue(), "737");
    },
    { permissions: ["clipboard-read", "clipboard-write"] },
  ));

test("the merchant's own button text stays when the form is busy and comes back", () =>
  b.withPage(browser, async (page, { context }) => {
    const { url } = await merchant.page({ submit: "Keep my card", field_labels: { card_holder: "Your name" } });
    await page.goto(url);
    await b.hydrated(page);
    await context.route("**/v1/capture/iframe/**", (route) => route.abort());
    await b.fillCard(page);
    await b.submit(page);
    await page.locator("#cardamom-alert").waitFor();
    assert.equal((await page.locator("#cardamom-submit").textContent()).trim(), "Keep my card");
    await b.input(page, "card_holder").fill("");
    await b.submit(page);
    assert.match(await page.locator('.alerts li:visible a[href="#cardamom-card_holder"]').textContent(), /Your name/);
  }));
