// What the address of a card form asks for: lists of months, how long a card has to be valid, the owner's identity
// number, the merchant's style alone, and the check by the page around.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { assertAccessible, assertFits } from "./lib/axe.mjs";
import * as b from "./lib/browser.mjs";
import { startBookings } from "./lib/bookings.mjs";

let bookings, server, merchant, shop, browser, cardOf;
let forms = 0;

before(async () => {
  bookings = await startBookings();
  ({ server, merchant, shop, browser, cardOf } = bookings);
});
after(() => bookings?.stop());

/** The address of a form, and the reference of its card. */
async function formAt(query) {
  const reference = `form ${(forms += 1)}`;
  return { url: await bookings.formAt({ creatorReference: reference, ...query }), reference };
}

/** The card as its URI shows it; nothing where none was stored. */
async function shownOf(reference) {
  const card = await cardOf(reference);
  return card && (await merchant.call("GET", `/api/payments/paycard/${card.token}`)).BankCard;
}

const list = (scope, name) => scope.locator(`select[name="${name}"]`);
const { number, holder } = b.CARD;

const WAYS = {
  "with wasm": { options: {}, wasm: true },
  "with wasm blocked": { options: {}, wasm: false },
  "without scripts": { options: { javaScriptEnabled: false }, wasm: false },
};

async function openIn(page, context, url, wasm) {
  if (!wasm) await b.blockWasm(context);
  await page.goto(url);
  if (wasm) await b.hydrated(page);
}

for (const [way, { options, wasm }] of Object.entries(WAYS)) {
  test(`month and year are chosen from lists in the language of the page, ${way}`, async () => {
    const { url, reference } = await formAt({ expirationMonths: "names", language: "de" });
    await b.withPage(
      browser,
      async (page, { context }) => {
        await openIn(page, context, url, wasm);
        const [month, year] = [page.getByLabel("Gültig bis: Monat"), page.getByLabel("Gültig bis: Jahr")];
        assert.equal(await month.getAttribute("autocomplete"), "cc-exp-month");
        assert.equal(await year.getAttribute("autocomplete"), "cc-exp-year");
        await b.fillCard(page, { number: "4111111111111112", holder });
        await month.selectOption({ label: "März (03)" });
        await year.selectOption("2033");
        await b.submit(page);
        // A refusal of another field keeps what was chosen.
        await page.locator("#cardamom-card_number[aria-invalid=true]").waitFor();
        assert.deepEqual([await month.inputValue(), await year.inputValue()], ["03", "2033"]);
        await b.input(page, "card_number").fill(number);
        await b.submit(page);
        await b.saved(page);
      },
      options,
    );
    assert.deepEqual((await shownOf(reference)).ExpirationDate, { Month: 3, Year: 2033 });
  });
}

test("half a choice is told beside both lists and leads to the other half", async () => {
  const { url, reference } = await formAt({ expirationMonths: "names" });
  await b.withPage(browser, async (page) => {
    await page.goto(url);
    await b.hydrated(page);
    await b.fillCard(page, { number, holder });
    await list(page, "expiry_month").selectOption("05");
    await b.submit(page);
    const error = page.locator("#cardamom-expiry-error");
    await error.waitFor();
    assert.equal(await error.textContent(), "Choose the month and the year in which your card expires.");
    for (const name of ["expiry_month", "expiry_year"]) {
      assert.equal(await list(page, name).getAttribute("aria-invalid"), "true");
    }
    await b.eventually(
      () => list(page, "expiry_year").evaluate((year) => year === document.activeElement),
      "the focus on the year",
    );
    await assertAccessible(page, "half a choice");
    await list(page, "expiry_year").selectOption("2031");
    await error.waitFor({ state: "hidden" });
    await b.submit(page);
    await b.saved(page);
  });
  assert.deepEqual((await shownOf(reference)).ExpirationDate, { Month: 5, Year: 2031 });
});

test("a card that ends too soon is told when its field is left, before anything is sent", async () => {
  for (const expirationMonths of ["numbers", "names"]) {
    const { url, reference } = await formAt({ minExpiration: "062031", expirationMonths });
    await b.withPage(browser, async (page) => {
      const sent = [];
      page.on("request", (request) => request.method() === "POST" && sent.push(request.url()));
      await page.goto(url);
      await b.hydrated(page);
      const names = expirationMonths === "names";
      const until = names ? "06 / 2031" : "06 / 31";
      assert.equal(await page.locator("#cardamom-expiry-hint").textContent(), `Valid until ${until} or later`);
      const enter = async (month) => {
        if (!names) return b.input(page, "expiry").fill(`${month}/31`);
        await list(page, "expiry_month").selectOption(month);
        await list(page, "expiry_year").focus();
        await list(page, "expiry_year").selectOption("2031");
      };
      await b.fillCard(page, { number, holder });
      await enter("05");
      await b.input(page, "card_holder").focus();
      const error = page.locator("#cardamom-expiry-error");
      await error.waitFor();
      assert.match(await error.textContent(), /^This card expires too soon/);
      await b.submit(page);
      await page.locator('.alert a[href="#cardamom-expiry"]').waitFor();
      assert.deepEqual(sent, []);
      await enter("06");
      await b.submit(page);
      await b.saved(page);
    });
    assert.deepEqual((await shownOf(reference)).ExpirationDate, { Month: 6, Year: 2031 });
  }
});

test("the picture of the card shows the month and the year that were chosen", async () => {
  await merchant.call("POST", "/v1/capture/iframe?form_type=pcd", { form_id: "pictured", show_card: true });
  const { url } = await formAt({ expirationMonths: "names", brand: "pictured" });
  await b.withPage(browser, async (page) => {
    await page.goto(url);
    await b.hydrated(page);
    const until = page.locator("#cardamom-picture .until");
    await list(page, "expiry_year").selectOption("2031");
    assert.equal(await until.textContent(), "•• / ••");
    await list(page, "expiry_month").selectOption("05");
    await b.eventually(async () => (await until.textContent()) === "05 / 2031", "the date on the picture");
  });
});

test("the identity number is asked for in the language of the page and shown masked afterwards", async () => {
  const { url, reference } = await formAt({ showOwnerId: "true", language: "fr" });
  await b.withPage(browser, async (page) => {
    await page.goto(url);
    await b.hydrated(page);
    const field = page.getByLabel("Numéro d’identité du titulaire");
    await b.fillCard(page, { number, holder, expiry: "05/31" });
    await b.submit(page);
    await page.locator('.alert a[href="#cardamom-extra-0"]').waitFor();
    assert.equal(await field.getAttribute("aria-invalid"), "true");
    await field.fill("03456782-9");
    await b.submit(page);
    await b.saved(page);
  });
  assert.equal((await shownOf(reference)).OwnerID, "••••••829");
});

test("the form with everything is accessible and fits, in both schemes and directions", async () => {
  for (const colorScheme of ["light", "dark"]) {
    for (const language of ["en", "ar", "el"]) {
      for (const width of [900, 320]) {
        const what = `${colorScheme} ${language} ${width}`;
        const query = { expirationMonths: "names", minExpiration: "062031", showOwnerId: "true", cvv: "true", language };
        const { url } = await formAt(query);
        await b.withPage(
          browser,
          async (page) => {
            await page.goto(url);
            await b.hydrated(page);
            await assertAccessible(page, what);
            await assertFits(page, what);
            await b.submit(page);
            await page.locator("#cardamom-expiry-error").waitFor();
            await assertAccessible(page, `${what}, refused`);
            await assertFits(page, `${what}, refused`);
          },
          { colorScheme, viewport: { width, height: 900 } },
        );
      }
    }
  }
});

for (const [way, { options, wasm }] of Object.entries(WAYS)) {
  test(`a page without our style shows what it has to and hides what it has to, ${way}`, async () => {
    const css = btoa(".field { border: 3px solid rgb(1, 2, 3) } .error { color: rgb(140, 0, 0) }");
    const form = `styled-${wasm}-${options.javaScriptEnabled ?? true}`;
    await merchant.call("POST", "/v1/capture/iframe?form_type=pcd", { form_id: form, embedded_css: css, show_card: true });
    const { url, reference } = await formAt({
      removeBaseCss: "true", css: form, brand: form, cardTypes: "Visa,MasterCard", expirationMonths: "names", cvv: "true",
    });
    await b.withPage(
      browser,
      async (page, { context }) => {
        await openIn(page, context, url, wasm);
        const style = (selector, name) =>
          page.locator(selector).first().evaluate((element, name) => getComputedStyle(element)[name], name);
        assert.equal(await style(".field", "borderTopColor"), "rgb(1, 2, 3)");
        assert.equal(await style("#cardamom-submit", "borderRadius"), "0px", "nothing of ours");
        for (const hidden of ["#cardamom-success", "#cardamom-gone", "#cardamom-networks", "#cardamom-cvv-error"]) {
          assert.equal(await page.locator(hidden).isVisible(), false, hidden);
        }
        assert.equal(await page.locator("#cardamom-picture").count(), 0);
        const box = await page.locator("#cardamom-status").boundingBox();
        assert.ok(box.width <= 1 && box.height <= 1, "read, not seen");
        await b.fillCard(page, { number: "4111111111111112", holder, cvv: "737" });
        await list(page, "expiry_month").selectOption("05");
        await list(page, "expiry_year").selectOption("2031");
        if (wasm) await assertAccessible(page, "bare");
        await b.submit(page);
        // Announced as in any other form: an alert above, a description at the field.
        await page.locator('[role="alert"] a[href="#cardamom-card_number"]').waitFor();
        assert.equal(await page.locator("#cardamom-card_number-error").isVisible(), true);
        assert.equal(await style("#cardamom-card_number-error", "color"), "rgb(140, 0, 0)");
        assert.match(await b.input(page, "card_number").getAttribute("aria-describedby"), /cardamom-card_number-error/);
        if (wasm) await assertAccessible(page, "bare, refused");
        await b.fillCard(page, { number, cvv: "737" });
        await b.submit(page);
        await b.saved(page);
        assert.equal(await page.locator("#cardamom-gone:visible, #cardamom-form:visible").count(), 0);
        const sign = await page.locator(".notice.good svg").boundingBox();
        assert.ok(sign.width < 40, "a sign as small as text");
      },
      options,
    );
    assert.ok(await cardOf(reference));
  });
}

/** A framed form whose parent is asked: `use` gets the frame, the parent's ears and its mouth. */
async function asking(query, use, { wasm = true, clock = false } = {}) {
  const { url, reference } = await formAt({ postMessageHost: shop.url, useCustomValidation: "true", ...query });
  await b.withPage(browser, async (page, { context }) => {
    if (!wasm) await b.blockWasm(context);
    if (clock) await page.clock.install();
    await page.goto(shop.framing(url));
    const frame = b.inFrame(page);
    if (wasm) await b.hydrated(frame);
    const all = async (type) => (await b.messages(page)).filter(({ data }) => data.messageType === type);
    const questions = () => all("CustomValidation");
    await use({
      page,
      frame,
      all,
      questions,
      asked: (count = 1) => b.eventually(async () => (await questions())[count - 1], `question ${count}`),
      say: (data) => page.evaluate(([data, to]) => window.frames[0].postMessage(data, to), [data, server.url]),
      verdict: frame.locator("#cardamom-form > [role=alert] .alert:not([hidden])"),
    });
  });
  return reference;
}

const yes = { action: "customValidationResponse", success: true };

for (const wasm of [true, false]) {
  test(`a card is sent once the page around allows it, ${wasm ? "with wasm" : "with wasm blocked"}`, async () => {
    const evil = '<img src=x onerror="document.title=1"> No cards of this kind.';
    const reference = await asking({}, async ({ page, frame, all, questions, asked, say, verdict }) => {
      // Nothing was asked yet, so nothing is answered.
      await say(yes);
      if (wasm) {
        await b.submit(frame);
        await frame.locator("#cardamom-card_number[aria-invalid=true]").waitFor();
        assert.deepEqual(await questions(), [], "an incomplete form is nobody's question");
      }
      await b.fillCard(frame, { number, holder, expiry: "05/31" });
      await b.submit(frame);
      const { data, origin } = await asked();
      const cardType = wasm ? "visa" : "unspecified";
      assert.deepEqual(data, { messageType: "CustomValidation", cardType, leadingDigits: "411111", lastDigits: "1111" });
      assert.equal(origin, server.url);
      // Pressed again meanwhile, as people do.
      await frame.locator("#cardamom-submit").click({ force: true });
      await say({ action: "customValidationResponse", success: false, message: evil });
      await verdict.waitFor();
      assert.equal(await verdict.textContent(), evil);
      assert.equal(await verdict.locator("img").count(), 0);
      assert.equal((await questions()).length, 1, "one question at a time");
      assert.deepEqual(await all("CardSubmitSuccess"), []);
      if (wasm) await assertAccessible(page.frame({ name: "card0" }), "what the page around said");
      await b.input(frame, "card_holder").fill("Ada King");
      await verdict.waitFor({ state: "detached" });
      await b.submit(frame);
      await asked(2);
      await say(JSON.stringify(yes));
      await b.eventually(async () => (await all("CardSubmitSuccess")).length === 1, "CardSubmitSuccess");
      for (const { data } of await b.messages(page)) {
        assert.ok(!JSON.stringify(data).includes(number), "masked data alone go out");
      }
    }, { wasm });
    assert.equal((await shownOf(reference)).NameOnCard, "A•• K•••");
  });
}

test("a number that was changed while the page around thought is asked about anew", async () => {
  await asking({}, async ({ frame, all, asked, say }) => {
    await b.fillCard(frame, { number, holder, expiry: "05/31" });
    await b.submit(frame);
    await asked();
    await b.input(frame, "card_number").fill("5555555555554444");
    await say(yes);
    const { data } = await asked(2);
    assert.deepEqual([data.cardType, data.lastDigits], ["mastercard", "4444"]);
    assert.deepEqual(await all("CardSubmitSuccess"), []);
    await say(yes);
    const [{ data: told }] = await b.eventually(async () => {
      const stored = await all("CardSubmitSuccess");
      return stored.length > 0 && stored;
    }, "CardSubmitSuccess");
    assert.equal(told.lastDigits, "4444");
  });
});

test("a page around that does not answer ends the wait, and an answer that comes later counts for nothing", async () => {
  const reference = await asking({ submitWithPostMessage: "true" }, async ({ page, frame, all, asked, say, verdict }) => {
    await b.fillCard(frame, { number, holder, expiry: "05/31" });
    await say("submit");
    await asked();
    await page.clock.fastForward(10_000);
    await verdict.waitFor();
    assert.equal(await verdict.textContent(), "Your card could not be checked. Please try again.");
    const [{ data }] = await all("CardSubmitFailure");
    assert.equal(data.errorCode, 408);
    await say(yes);
    await say("validate");
    await b.eventually(async () => (await b.messages(page)).some(({ data }) => data === "valid"), "valid");
    assert.deepEqual(await all("CardSubmitSuccess"), []);
    await say("submit");
    await asked(2);
  }, { clock: true });
  assert.equal(await cardOf(reference), undefined);
});
