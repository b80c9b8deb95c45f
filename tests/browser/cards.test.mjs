// Numbers while they are typed, pasted, composed and dragged; co-badged cards; the browser's own card autofill.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";

import * as b from "./lib/browser.mjs";
import { startCardamom } from "./lib/cardamom.mjs";

let server, merchant, browser;

before(async () => {
  server = await startCardamom();
  browser = await b.launch();
  merchant = await server.merchant("Cards");
});
after(() => Promise.all([browser?.close(), server?.stop()]));

/** Opens a form and waits for its wasm. */
async function withForm(form, use) {
  const { url } = await merchant.page(form);
  await b.withPage(browser, async (page, opened) => {
    await page.goto(url);
    await b.hydrated(page);
    await use(page, opened);
  });
}

/** What the number's input holds, with the caret as `|`. */
function shown(page) {
  return b.input(page, "card_number").evaluate((input) => {
    const caret = input.selectionStart;
    return caret === input.selectionEnd ? `${input.value.slice(0, caret)}|${input.value.slice(caret)}` : input.value;
  });
}

async function select(page, start, end = start) {
  await b.input(page, "card_number").evaluate((input, [from, to]) => {
    input.focus();
    input.setSelectionRange(from, to);
  }, [start, end]);
}

async function paste(page, text) {
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.evaluate((copied) => navigator.clipboard.writeText(copied), text);
  await page.keyboard.press("Control+v");
}

// ---- The caret

for (const { number, grouped } of [
  { number: "378282246310005", grouped: "3782 822463 10005" },
  { number: "4111111111111111", grouped: "4111 1111 1111 1111" },
  { number: "6205500000000000004", grouped: "6205 5000 0000 0000 004" },
]) {
  test(`a number of ${number.length} digits keeps its digits and the caret through every edit`, async () => {
    await withForm({}, async (page) => {
      const input = b.input(page, "card_number");
      await input.pressSequentially(number);
      assert.equal(await shown(page), `${grouped}|`);

      // Delete in the middle, then type the digit again where it was.
      await select(page, 3);
      await page.keyboard.press("Backspace");
      assert.equal(digits(await shown(page)), number.slice(0, 2) + "|" + number.slice(3));
      await page.keyboard.press(number[2]);
      assert.equal(await shown(page), `${grouped.slice(0, 3)}|${grouped.slice(3)}`);

      // Both delete keys go past a gap.
      await select(page, 5);
      await page.keyboard.press("Backspace");
      assert.equal(await shown(page), `${grouped.slice(0, 4)}|${grouped.slice(4)}`);
      await page.keyboard.press("Delete");
      assert.equal(await shown(page), `${grouped.slice(0, 5)}|${grouped.slice(5)}`);
      await page.keyboard.press("Delete");
      assert.equal(digits(await shown(page)), number.slice(0, 4) + "|" + number.slice(5));
      await page.keyboard.press(number[4]);
      assert.equal((await shown(page)).replace("|", ""), grouped);

      // A selection replaced by a paste with spaces, dashes and full-width digits.
      await select(page, 1, 8);
      const lost = digits(grouped.slice(1, 8));
      await paste(page, ` ${lost[0]}-${String.fromCodePoint(0xff10 + Number(lost[1]))} ${lost.slice(2)} `);
      const at = 1 + lost.length;
      assert.equal(digits(await shown(page)), number.slice(0, at) + "|" + number.slice(at));

      // An input method composes full-width digits in the middle.
      await select(page, 2);
      const cdp = await page.context().newCDPSession(page);
      await cdp.send("Input.imeSetComposition", { text: "７", selectionStart: 1, selectionEnd: 1 });
      await cdp.send("Input.imeSetComposition", { text: "７８", selectionStart: 2, selectionEnd: 2 });
      await cdp.send("Input.insertText", { text: "７８" });
      assert.equal(digits(await shown(page)), number.slice(0, 2) + "78|" + number.slice(2));
      await page.keyboard.press("Backspace");
      await page.keyboard.press("Backspace");
      assert.equal((await shown(page)).replace("|", ""), grouped);
    });
  });
}

function digits(text) {
  return text.replaceAll(/[^\d|]/g, "");
}

for (const { number, last, dropped } of [
  { number: "378282246310005", last: 5, dropped: "1000 5378 2822 463" },
  { number: "4242424242425678", last: 4, dropped: "5678 4242 4242 4242" },
  { number: "6205500000000007894", last: 3, dropped: "8946 2055 0000 0000 007" },
]) {
test(`a selection dragged within ${number.length} digits moves its digits and no others`, async () => {
  await withForm({}, async (page) => {
    await b.input(page, "card_number").pressSequentially(number);
    const end = (await b.input(page, "card_number").inputValue()).length;
    await select(page, end - last, end);
    const input = b.input(page, "card_number");
    const box = await input.boundingBox();
    // Where the selection's middle and the text's beginning are drawn.
    const { from, to } = await input.evaluate((input, last) => {
      const style = getComputedStyle(input);
      const pen = document.createElement("canvas").getContext("2d");
      pen.font = `${style.fontSize} ${style.fontFamily}`;
      const left = parseFloat(style.paddingLeft);
      const before = input.value.slice(0, input.value.length - last / 2);
      return { from: left + pen.measureText(before).width, to: left + 1 };
    }, last);
    const line = box.y + box.height / 2;
    const shownBefore = await input.inputValue();
    await page.mouse.move(box.x + from, line);
    await page.mouse.down();
    await page.mouse.move(box.x + from - 12, line);
    await page.mouse.move(box.x + to + 40, line, { steps: 8 });
    await page.mouse.move(box.x + to, line, { steps: 4 });
    await page.mouse.up();
    await b.eventually(async () => (await input.inputValue()) !== shownBefore, "the dropped digits");
    assert.equal(await input.inputValue(), dropped);
  });
});
}

test("a digit too many is not dropped from the end unseen", async () => {
  await withForm({}, async (page) => {
    const input = b.input(page, "card_number");
    await input.pressSequentially("6205500000000000004");
    await select(page, 2);
    await page.keyboard.press("7");
    assert.equal(digits(await shown(page)), "627|05500000000000004");
    await b.input(page, "card_holder").focus();
    await page.locator("#cardamom-card_number-error:not([hidden])").waitFor();
    assert.equal(await input.getAttribute("aria-invalid"), "true");
  });
});

// ---- Co-badged cards and card types

const DANKORT = "4571000000000001";

test("a co-badged card leaves its holder a choice, by keyboard, and the choice is stored", async () => {
  const made = await merchant.page({ card_types: ["dankort", "visa"] }, { reference: "chosen" });
  await b.withPage(browser, async (page) => {
    await page.goto(made.url);
    await b.hydrated(page);
    const choice = page.getByRole("group", { name: /more than one brand/ });
    assert.equal(await choice.count(), 0);
    await b.input(page, "card_number").pressSequentially(DANKORT);
    await choice.waitFor();
    assert.match(await page.locator("#cardamom-status").innerText(), /more than one brand/);
    const radios = choice.getByRole("radio");
    assert.deepEqual(await radios.evaluateAll((all) => all.map(({ value, checked }) => [value, checked])), [
      ["dankort", true],
      ["visa", false],
    ]);
    assert.deepEqual(await violations(page), []);
    await page.keyboard.press("Tab");
    await page.keyboard.press("ArrowDown");
    assert.equal(await page.getByRole("radio", { name: "Visa" }).isChecked(), true);
    await b.fillCard(page, { ...b.CARD, number: undefined });
    await b.submit(page);
    await b.saved(page);
  }, { bypassCSP: true });
  const card = (await merchant.listCards()).find(({ reference }) => reference === "chosen");
  assert.equal(card.card_metadata.preferred_network, "visa");
  assert.equal((await merchant.readCard(card)).preferred_network, "visa");
});

/** What axe finds by the rules of WCAG 2.2 AA. */
async function violations(page) {
  await page.addScriptTag({ content: await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8") });
  const tags = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"];
  return page.evaluate(async (runOnly) => (await window.axe.run({ runOnly })).violations.map(({ id }) => id), tags);
}

for (const scripts of [true, false]) {
  const way = scripts ? "with wasm blocked" : "with scripts off";
  test(`a co-badged card leaves a choice ${way}`, async () => {
    const reference = `chosen ${way}`;
    const { url } = await merchant.page({}, { reference });
    await b.withPage(
      browser,
      async (page, { context }) => {
        await b.blockWasm(context);
        await page.goto(url);
        await b.fillCard(page, { ...b.CARD, number: DANKORT });
        await b.submit(page);
        await page.getByRole("radio", { name: "Dankort" }).check();
        await b.fillCard(page, { ...b.CARD, number: DANKORT });
        await b.submit(page);
        await b.saved(page);
      },
      { javaScriptEnabled: scripts },
    );
    const card = (await merchant.listCards()).find((listed) => listed.reference === reference);
    assert.equal((await merchant.readCard(card)).preferred_network, "dankort");
  });
}

test("a card type that is not accepted is told when the field is left, and the accepted ones have marks", async () => {
  await withForm({ card_types: ["visa", "mastercard", "amex"] }, async (page) => {
    assert.match(await page.locator("#cardamom-marks").textContent(), /Visa.*Mastercard.*American Express/);
    await b.input(page, "card_number").fill("6011111111111117");
    await b.input(page, "card_holder").focus();
    const error = page.locator("#cardamom-card_number-error");
    await error.waitFor();
    assert.match(await error.innerText(), /not accepted/);
    await b.input(page, "card_number").fill("5555555555554444");
    await page.locator('.mark.on[data-brand="mastercard"]').waitFor();
    assert.equal(await page.locator(".mark.on").count(), 1);
    assert.equal(await error.isVisible(), false);
  });
});

// ---- Autofill

const FILLED = { number: "4111111111111111", name: "Ada Lovelace", expiryMonth: "05", expiryYear: "2031", cvc: "737" };

/** Lets the browser fill the form with a card of its own, as a person does who picks one from its list. */
async function autofill(page, card = FILLED) {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("DOM.enable");
  await cdp.send("Autofill.enable");
  const { root } = await cdp.send("DOM.getDocument");
  const { nodeId } = await cdp.send("DOM.querySelector", { nodeId: root.nodeId, selector: "#cardamom-card_number" });
  const { node } = await cdp.send("DOM.describeNode", { nodeId });
  await page.locator("#cardamom-card_number").click();
  await cdp.send("Autofill.trigger", { fieldId: node.backendNodeId, card });
}

/** The same with an address, from the field at a selector. */
async function autofillAddress(page, selector) {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("DOM.enable");
  await cdp.send("Autofill.enable");
  const { root } = await cdp.send("DOM.getDocument");
  const { nodeId } = await cdp.send("DOM.querySelector", { nodeId: root.nodeId, selector });
  const { node } = await cdp.send("DOM.describeNode", { nodeId });
  await page.locator(selector).click();
  const fields = [
    { name: "NAME_FULL", value: ADDRESS.name },
    { name: "ADDRESS_HOME_LINE1", value: ADDRESS.addressLine1 },
    { name: "ADDRESS_HOME_CITY", value: ADDRESS.city },
    { name: "ADDRESS_HOME_ZIP", value: ADDRESS.zipcode },
    { name: "ADDRESS_HOME_COUNTRY", value: "DE" },
  ];
  await cdp.send("Autofill.trigger", { fieldId: node.backendNodeId, address: { fields } });
}

async function assertFilled(page) {
  await b.eventually(async () => (await b.input(page, "cvv").inputValue()) !== "", "the filled code");
  assert.equal((await b.input(page, "card_number").inputValue()).replaceAll(" ", ""), FILLED.number);
  assert.equal(await b.input(page, "card_holder").inputValue(), FILLED.name);
  assert.match(await b.input(page, "expiry").inputValue(), /^05 ?\/ ?(20)?31$/);
  assert.equal(await b.input(page, "cvv").inputValue(), FILLED.cvc);
}

test("the browser's own card autofill fills every field", async () => {
  const { url } = await merchant.page({}, { reference: "autofilled" });
  await b.withPage(browser, async (page) => {
    await page.goto(url);
    await b.hydrated(page);
    await autofill(page);
    await assertFilled(page);
    assert.equal(await b.input(page, "card_number").inputValue(), "4111 1111 1111 1111");
    assert.equal(await b.input(page, "expiry").inputValue(), "05 / 31");
    await b.submit(page);
    await b.saved(page);
  });
  const card = (await merchant.listCards()).find(({ reference }) => reference === "autofilled");
  assert.equal((await merchant.readCard(card)).expiry, "05/31");
});

const ADDRESS = {
  name: FILLED.name,
  addressLine1: "12 Main Street",
  city: "Berlin",
  zipcode: "10115",
};

test("the browser's own autofill fills card, postal code and the billing address", async () => {
  const visible = { visible: true };
  const billing = { billing_address: visible, billing_city: visible, billing_country: visible };
  const field_options = { postal_code: visible, ...billing };
  await withForm({ field_options }, async (page) => {
    await autofill(page);
    await assertFilled(page);
    await autofillAddress(page, "#cardamom-postal_code");
    await b.eventually(async () => (await b.input(page, "postal_code").inputValue()) !== "", "the filled postal code");
    assert.equal(await b.input(page, "postal_code").inputValue(), ADDRESS.zipcode);
    assert.equal(await b.input(page, "billing_city").inputValue(), ADDRESS.city);
    assert.equal(await b.input(page, "billing_address").inputValue(), ADDRESS.addressLine1);
    assert.equal(await page.locator('[name="billing_country"]').inputValue(), "Germany");
    await assertFilled(page);
    await b.submit(page);
    await b.saved(page);
  });
});

test("what the browser filled before the wasm arrived is kept and formatted", async () => {
  const { url } = await merchant.page();
  await b.withPage(browser, async (page, { context }) => {
    let release;
    const released = new Promise((done) => (release = done));
    await context.route(/\.wasm/, async (route) => {
      await released;
      await route.continue();
    });
    await page.goto(url, { waitUntil: "commit" });
    await page.locator("#cardamom-submit").waitFor();
    await autofill(page);
    await assertFilled(page);
    release();
    await b.hydrated(page);
    await assertFilled(page);
    assert.equal(await b.input(page, "card_number").inputValue(), "4111 1111 1111 1111");
    await b.submit(page);
    await b.saved(page);
  });
});

for (const filled of ["05/2031", "2031-05", "5/31", "05/31", "0531", "５/２０３１"]) {
  test(`an expiry filled as ${filled} is read`, async () => {
    await withForm({}, async (page) => {
      await b.input(page, "expiry").fill(filled);
      assert.equal(await b.input(page, "expiry").inputValue(), "05 / 31");
    });
  });
}

// ---- Going on to the next field

test("the focus stays where it is, unless the form asks for the opposite", async () => {
  await withForm({}, async (page) => {
    await b.input(page, "card_number").pressSequentially(b.CARD.number);
    assert.equal(await focused(page), "card_number");
  });
  await withForm({ auto_advance: true }, async (page) => {
    await b.input(page, "card_number").pressSequentially(b.CARD.number);
    assert.equal(await focused(page), "card_holder");
    await b.input(page, "expiry").pressSequentially("0531");
    assert.equal(await focused(page), "cvv");
    // Neither a wrong number nor a pasted one moves anything.
    await b.input(page, "card_number").fill("");
    await b.input(page, "card_number").pressSequentially("4111111111111112");
    assert.equal(await focused(page), "card_number");
    await b.input(page, "card_number").fill("");
    await b.input(page, "card_number").focus();
    await paste(page, b.CARD.number);
    assert.equal(await focused(page), "card_number");
  });
});

function focused(page) {
  return page.evaluate(() => document.activeElement.name);
}

// ---- Odd characters

test("emoji, bidi controls and full-width digits are told or read in every field", async () => {
  const visible = { visible: true };
  const settings = {
    field_options: { reference: { visible: true, validate: true }, postal_code: visible, billing_city: visible },
  };
  await withForm(settings, async (page) => {
    const odd = {
      card_holder: "Ada\u202EKing", reference: "order\u202E7", postal_code: "101\u202E15", billing_city: "Ber\u2066lin",
    };
    for (const [name, value] of Object.entries(odd)) {
      await b.input(page, name).fill(value);
      await b.input(page, name).blur();
      await page.locator(`#cardamom-${name}-error:not([hidden])`).waitFor();
    }
    // Fields of digits drop what is none.
    await b.input(page, "card_number").fill("４１１１😀１１１１ \u202E1111 1111");
    assert.equal(await b.input(page, "card_number").inputValue(), "4111 1111 1111 1111");
    await b.input(page, "expiry").fill("０５／３１😀");
    assert.equal(await b.input(page, "expiry").inputValue(), "05 / 31");
    await b.input(page, "cvv").fill("７３７\u202E");
    assert.equal(await b.input(page, "cvv").inputValue(), "737");
    await b.input(page, "reference").fill("r".repeat(10_000));
    await b.input(page, "card_holder").fill("Ada 😀");
    await b.input(page, "postal_code").fill("１０１１５");
    await b.input(page, "billing_city").fill("Berlin 😀");
    await b.submit(page);
    await page.locator("#cardamom-reference-error:not([hidden])").waitFor();
    assert.equal(await b.input(page, "reference").evaluate((input) => input === document.activeElement), true);
    await b.input(page, "reference").fill("order 😀");
    await b.submit(page);
    await b.saved(page);
  });
});
