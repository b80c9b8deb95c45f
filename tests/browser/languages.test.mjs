// Languages in the browser: what the server wrote stays when the wasm arrives, and what changes is in the same one.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import * as b from "./lib/browser.mjs";
import { startCardamom } from "./lib/cardamom.mjs";

let server, merchant, browser;

before(async () => {
  server = await startCardamom();
  browser = await b.launch();
  merchant = await server.merchant("Languages");
});
after(() => Promise.all([browser?.close(), server?.stop()]));

const TEXTS = {
  de: { dir: "", label: "Kartennummer", wrong: "Diese Nummer ist ungültig. Prüfen Sie sie Ziffer für Ziffer.", hint: "4 Ziffern auf der Vorderseite" },
  ar: { dir: "rtl", label: "رقم البطاقة", wrong: "هذا الرقم غير صالح. تحقق منه رقمًا رقمًا.", hint: "4 أرقام على الوجه الأمامي" },
};

test("a field of the merchant's own tells problems in the merchant's words, with wasm and without scripts", async () => {
  const form = {
    additional_fields: [{ name: "mail", label: "E-mail", type: "email", required: true }, { name: "note", label: "Note", required: true }],
    translations: { de: { form: { mail: { label: "E-Mail-Adresse", required: "Bitte die Adresse.", invalid: "Das ist keine <b>." } } } },
    locale: "de",
  };
  const { url } = await merchant.page(form);
  const told = (page, place) => page.locator(`#cardamom-extra-${place}-error`).innerText();
  await b.withPage(browser, async (page) => {
    await page.goto(url);
    await b.hydrated(page);
    await b.fillCard(page);
    await b.submit(page);
    await page.locator("#cardamom-extra-0-error:visible").waitFor();
    assert.equal(await told(page, 0), "Bitte die Adresse.");
    assert.equal(await told(page, 1), "Füllen Sie dieses Feld aus.");
    const link = page.locator('a[href="#cardamom-extra-0"]');
    assert.equal(await link.innerText(), "E-Mail-Adresse: Bitte die Adresse.");
    await b.input(page, "mail").fill("nowhere");
    await b.input(page, "note").focus();
    await page.locator("#cardamom-extra-0-error:visible").waitFor();
    assert.equal(await told(page, 0), "Das ist keine <b>.");
  });
  await b.withPage(browser, async (page) => {
    await page.goto(url);
    await b.fillCard(page);
    await b.input(page, "mail").fill("a@b");
    await b.input(page, "note").fill(" ");
    await b.submit(page);
    await page.locator("#cardamom-extra-1-error:visible").waitFor();
    assert.equal(await told(page, 0), "Das ist keine <b>.");
  }, { javaScriptEnabled: false });
});

const read = (page) => page.locator("#cardamom-form").innerText();

for (const [locale, texts] of Object.entries(TEXTS)) {
  test(`a form in ${locale} tells problems in its language, with wasm`, async () => {
    const { url } = await merchant.page({ locale });
    await b.withPage(browser, async (page, { context }) => {
      await b.blockWasm(context);
      await page.goto(url);
      const before = await read(page);
      assert.ok(before.includes(texts.label));
      await context.unroute(/\/assets\/[^?]*(\.wasm|frontend[^/]*\.js)/);
      await page.reload();
      await b.hydrated(page);
      assert.equal(await read(page), before, "hydration changes no text");
      assert.equal(await page.evaluate(() => document.documentElement.dir), texts.dir);
      await b.input(page, "card_number").fill("378282246310005");
      await page.locator("#cardamom-cvv-hint", { hasText: texts.hint }).waitFor();
      await b.input(page, "card_number").fill("4111111111111112");
      await b.submit(page);
      const error = page.locator("#cardamom-card_number-error");
      await error.waitFor();
      assert.equal(await error.innerText(), texts.wrong);
      const link = page.locator('a[href="#cardamom-card_number"]');
      assert.equal(await link.innerText(), `${texts.label}: ${texts.wrong}`);
    });
  });

  test(`a form in ${locale} tells problems in its language, with scripts off`, async () => {
    const { url } = await merchant.page({ locale });
    await b.withPage(
      browser,
      async (page) => {
        await page.goto(url);
        await b.fillCard(page, { ...b.CARD, number: "4111111111111112" });
        await b.submit(page);
        const error = page.locator("#cardamom-card_number-error");
        await error.waitFor();
        assert.equal(await error.innerText(), texts.wrong);
        assert.equal(await page.locator("html").getAttribute("lang"), locale);
      },
      { javaScriptEnabled: false },
    );
  });
}

test("another language opens the page anew, with a secret in the fragment", async () => {
  const created = await merchant.form({ showLanguageSelector: true });
  const url = merchant.fragmentUrl(created, await merchant.endpoint());
  await b.withPage(browser, async (page) => {
    await page.goto(url);
    await b.hydrated(page);
    await page.locator("#cardamom-locale").selectOption("de");
    await page.locator("#cardamom-language button").click();
    await page.locator("h1", { hasText: "Kartendaten" }).waitFor();
    await b.hydrated(page);
    assert.ok(!page.url().includes("secret"), "the secret has left the address");
    await b.fillCard(page);
    await b.submit(page);
    await page.locator("h1", { hasText: "Karte gespeichert" }).waitFor();
  });
});
