// The form in every state, scheme, direction, width and text size; by keyboard alone; with less motion.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { assertAccessible, assertFits } from "./lib/axe.mjs";
import * as b from "./lib/browser.mjs";
import { startCardamom } from "./lib/cardamom.mjs";

let server, merchant, browser;
let combinations = 0;

before(async () => {
  server = await startCardamom();
  browser = await b.launch();
  merchant = await server.merchant("Accessibility");
});
after(async () => {
  console.log(`axe: ${combinations} combinations of state, scheme, direction, width and text size`);
  await Promise.all([browser?.close(), server?.stop()]);
});

const SCHEMES = {
  light: { colorScheme: "light", forcedColors: "none" },
  dark: { colorScheme: "dark", forcedColors: "none" },
  "high contrast": { colorScheme: "dark", forcedColors: "active" },
};
/** A language of each direction, as the page is served in it; those from right to left are two. */
const LOCALES = { plain: ["en", "ar"], dressed: ["en", "he"], account: ["en"] };
const WIDTHS = [900, 320];
const TEXT_SIZES = [100, 200];

/** The smallest picture, for a logo. */
const LOGO =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/** A form with everything that a merchant can switch on. */
const DRESSED = {
  field_options: {
    reference: { visible: true, validate: false },
    postal_code: { visible: true },
    billing_address: { visible: true },
    billing_city: { visible: true },
    billing_country: { visible: true },
  },
  additional_fields: [
    { name: "mail", label: "E-mail", type: "email", required: true, placeholder: "name@example.com" },
    { name: "size", label: "Size", type: "select", options: ["S", { value: "L", label: "Large" }] },
  ],
  consent: { text: "I agree that the shop stores my card.", version: "v1" },
  card_types: ["visa", "mastercard", "amex"],
  field_labels: { card_holder: "Name as printed" },
  placeholders: { card_holder: "Ada Lovelace" },
  mask_cvv: true,
  force_keypad: true,
  showLanguageSelector: true,
  layout: "compact",
  labels: "floating",
  show_card: true,
  theme: {
    primary_color: "#0a4f8f",
    error_color: "#c00000",
    card_primary_color: "#68b645",
    logo_image: LOGO,
    logo_alt: "Shop",
    radius: 4,
    font: "humanist",
    density: "compact",
    dark: { surface: "#101820" },
  },
};
const FORMS = { plain: {}, dressed: DRESSED, account: { consent: DRESSED.consent, color_scheme: "auto" } };

/** What is typed into each form: what its fields refuse, and what they take. */
const CARD = {
  focus: "card_number",
  error: "#cardamom-cvv-error",
  wrong: (page) => b.fillCard(page, { number: "4111111111111112", expiry: "13/31", cvv: "1" }),
  right: (page) => b.fillCard(page),
};
const ENTRIES = {
  plain: CARD,
  dressed: {
    ...CARD,
    right: async (page) => {
      await b.fillCard(page);
      await b.input(page, "mail").fill("ada@king.example");
      for (const name of ["postal_code", "billing_address", "billing_city"]) await b.input(page, name).fill("10115");
      await page.locator('[name="billing_country"]').fill("DE");
      await page.locator('input[name="consent"]').check();
    },
  },
  account: {
    focus: "routing_number",
    error: "#cardamom-routing_number-error",
    wrong: (page) => b.input(page, "routing_number").fill("021000022"),
    right: async (page) => {
      await b.input(page, "routing_number").fill("021000021");
      await b.input(page, "account_number").fill("000123456789");
      await b.input(page, "account_holder").fill("Ada King");
      await page.locator('select[name="account_type"]').selectOption("Business Savings");
      await page.locator('input[name="consent"]').check();
    },
  },
};

/** A form of a kind, with an endpoint that takes one card or account. */
async function made(name) {
  if (name !== "account") return (await merchant.page(FORMS[name], { max_uses: "1" })).url;
  const form = await merchant.call("POST", "/v1/capture/iframe?form_type=ach", FORMS[name]);
  return merchant.pageUrl(form, await merchant.endpoint({ max_uses: "1" }));
}

/** Runs axe and the two rules on the page as it stands, in every look. */
async function inEveryLook(page, state, holds) {
  const direction = await page.evaluate(() => document.documentElement.dir || "ltr");
  for (const [scheme, media] of Object.entries(SCHEMES)) {
    await page.emulateMedia({ ...media, reducedMotion: "reduce" });
    for (const width of WIDTHS) {
      for (const size of TEXT_SIZES) {
        await page.setViewportSize({ width, height: 800 });
        await page.evaluate((percent) => {
          document.documentElement.style.fontSize = percent === 100 ? "" : `${percent}%`;
        }, size);
        const what = `${state}, ${scheme}, ${direction}, ${width} px, ${size} %`;
        await assertAccessible(page, what);
        await assertFits(page, what);
        combinations += 1;
      }
    }
  }
  await page.evaluate(() => (document.documentElement.style.fontSize = ""));
  await holds();
}

/** Answers submits by hand. The first waits until `release` is called; then they fail until `mend` is. */
async function holdSubmits(context) {
  let release, broken = true;
  const released = new Promise((done) => (release = done));
  await context.route("**/v1/capture/iframe/**", async (route) => {
    if (route.request().method() !== "POST" || !broken) return route.continue();
    await released;
    return route.fulfill({ status: 500, contentType: "application/problem+json", body: "{}" });
  });
  return { release, mend: () => (broken = false) };
}

for (const [name, locale] of Object.entries(LOCALES).flatMap(([name, all]) => all.map((locale) => [name, locale]))) {
  test(`the ${name} form in ${locale} is accessible in every state and look`, { timeout: 900_000 }, async () => {
    const url = `${await made(name)}&locale=${locale}`;
    const entry = ENTRIES[name];
    await b.withPage(browser, async (page, { context }) => {
      const submits = await holdSubmits(context);
      const shows = (selector) => () => page.locator(selector).first().waitFor();
      await page.goto(url);
      await b.hydrated(page);
      assert.equal(await page.evaluate(() => document.documentElement.dir), locale === "en" ? "" : "rtl");
      await inEveryLook(page, `${name}: empty`, shows("#cardamom-submit"));

      await b.input(page, entry.focus).focus();
      await inEveryLook(page, `${name}: focus`, shows(`input[name="${entry.focus}"]:focus`));

      await entry.wrong(page);
      await b.submit(page);
      await inEveryLook(page, `${name}: invalid`, shows(`${entry.error}:visible`));

      await entry.right(page);
      await b.submit(page);
      await inEveryLook(page, `${name}: submitting`, shows('#cardamom-submit[aria-disabled="true"]'));

      submits.release();
      await page.locator("#cardamom-alert:visible").waitFor();
      await inEveryLook(page, `${name}: server error`, shows("#cardamom-alert:visible"));

      submits.mend();
      await b.submit(page);
      await b.saved(page);
      await inEveryLook(page, `${name}: success`, shows(".notice.good:visible"));

      await page.goto(url);
      assert.equal(await page.locator("h1:visible").count(), 1);
      assert.equal(await page.locator("#cardamom-form").count(), 0);
      await inEveryLook(page, `${name}: expired`, shows(".notice:visible"));
    });
  });
}

const active = (page) => page.evaluate(() => document.activeElement.name || document.activeElement.id || document.activeElement.tagName);

/** How the element with the focus is shown: its outline, in CSS pixels. */
const outline = (page) =>
  page.evaluate(() => {
    const style = getComputedStyle(document.activeElement);
    return style.outlineStyle === "none" ? 0 : Number.parseFloat(style.outlineWidth);
  });

for (const media of ["none", "active"]) {
  test(`a card is saved by keyboard alone, with a focus that is seen, forced colours ${media}`, async () => {
    const { url } = await merchant.page({ labels: "floating", show_card: true });
    await b.withPage(browser, async (page) => {
      await page.emulateMedia({ forcedColors: media });
      await page.goto(url);
      await b.hydrated(page);
      const order = [];
      const step = async (key) => {
        await page.keyboard.press(key);
        order.push(await active(page));
        assert.ok((await outline(page)) >= 2, `no outline at ${order.at(-1)}`);
      };
      await step("Tab");
      await page.keyboard.type("4111111111111112");
      for (const text of ["Ada Lovelace", "05/31", "737"]) {
        await step("Tab");
        await page.keyboard.type(text);
      }
      await step("Tab");
      assert.deepEqual(order, ["card_number", "card_holder", "expiry", "cvv", "cardamom-submit"]);

      // The button refuses: the focus is at the first error, and the summary's link leads there too.
      await page.keyboard.press("Enter");
      await page.locator("#cardamom-card_number-error:visible").waitFor();
      assert.equal(await active(page), "card_number");
      assert.equal(await b.input(page, "card_number").getAttribute("aria-describedby"), "cardamom-card_number-error");
      await page.keyboard.press("Shift+Tab");
      assert.equal(await active(page), "A");
      assert.ok((await outline(page)) >= 2);
      await page.keyboard.press("Enter");
      assert.equal(await active(page), "card_number");

      await page.keyboard.press("End");
      await page.keyboard.press("Backspace");
      await page.keyboard.type("1");
      // Enter in a field submits, as in every form.
      await page.keyboard.press("Enter");
      await b.saved(page);
      assert.equal(await active(page), "H1");
      assert.equal(await page.locator("#cardamom-status").textContent(), await page.locator("h1:visible").textContent());
    });
  });
}

for (const reducedMotion of ["no-preference", "reduce"]) {
  test(`motion is ${reducedMotion === "reduce" ? "left out" : "there"} with ${reducedMotion}`, async () => {
    const { url } = await merchant.page({ show_card: true });
    await b.withPage(
      browser,
      async (page, { context }) => {
        const submits = await holdSubmits(context);
        await page.goto(url);
        await b.hydrated(page);
        const moving = () => page.evaluate(() => document.getAnimations().length > 0);
        const turned = () => page.locator(".card").evaluate((card) => getComputedStyle(card).transform);
        await b.input(page, "cvv").focus();
        await b.eventually(async () => (await turned()).startsWith("matrix3d(-1"), "the card's other side");
        const duration = await page.locator(".card").evaluate((card) => getComputedStyle(card).transitionDuration);
        assert.equal(Number.parseFloat(duration) === 0, reducedMotion === "reduce", duration);
        await b.fillCard(page);
        await b.submit(page);
        await page.locator('#cardamom-submit[aria-disabled="true"]').waitFor();
        assert.equal(await moving(), reducedMotion === "no-preference");
        submits.release();
      },
      { reducedMotion },
    );
  });
}

test("the picture of the card holds what was typed and no more, and nothing after the store", async () => {
  const { url } = await merchant.page({ show_card: true });
  await b.withPage(browser, async (page) => {
    await page.goto(url);
    await b.hydrated(page);
    const shown = () => page.locator(".picture").innerText();
    assert.doesNotMatch(await shown(), /\d/);
    await b.input(page, "card_number").fill("411111");
    assert.match(await shown(), /4111 11•• •••• ••••/);
    await b.fillCard(page);
    assert.match(await shown(), /4111 1111 1111 1111/);
    assert.match(await shown(), /Ada Lovelace/);
    assert.match(await shown(), /05 \/ 31/);
    assert.equal((await page.locator(".picture").evaluate((picture) => picture.outerHTML)).includes("737"), false);
    await b.input(page, "card_number").fill("");
    assert.doesNotMatch((await shown()).replace("05 / 31", ""), /\d/);
    await b.fillCard(page);
    await b.submit(page);
    await b.saved(page);
    assert.equal(await page.locator(".picture").count(), 0);
    assert.doesNotMatch(await page.content(), /4111 ?1111/);
  });
});

test("a merchant's colours and logo are on the screen", async () => {
  const png =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
  const theme = { primary_color: "#0a3c78", logo_image: `data:image/png;base64,${png}`, logo_alt: "Shop" };
  const { url } = await merchant.page({ theme, color_scheme: "light" });
  await b.withPage(
    browser,
    async (page, { log }) => {
      await page.goto(url);
      const colour = await page.locator("#cardamom-submit").evaluate((e) => getComputedStyle(e).backgroundColor);
      assert.equal(colour, "rgb(10, 60, 120)");
      // The reader's dark system does not matter to a form that is light.
      assert.equal(await page.evaluate(() => getComputedStyle(document.body).colorScheme), "light");
      const loaded = () => page.getByAltText("Shop").evaluate((image) => image.complete && image.naturalWidth > 0);
      await b.eventually(loaded, "the logo");
      assert.deepEqual(log.filter((line) => /violat|Security Policy/i.test(line)), []);
    },
    { colorScheme: "dark" },
  );
});
