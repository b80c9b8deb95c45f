// The card form of the booking interface: the words that it speaks in a frame, and where it leads afterwards.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import * as b from "./lib/browser.mjs";
import { startBookings } from "./lib/bookings.mjs";

let bookings, server, merchant, shop, browser, formAt, cardOf;

before(async () => {
  bookings = await startBookings();
  ({ server, merchant, shop, browser, formAt, cardOf } = bookings);
});
after(() => bookings?.stop());

test("the page around the frame has the button and hears the interface's words", async () => {
  const reference = "framed";
  const url = await formAt({
    postMessageHost: shop.url, SubmitWithPostMessage: "True", language: "de", CVV: "true", creatorReference: reference,
  });
  await b.withPage(browser, async (page) => {
    await page.goto(shop.framing(url));
    const frame = b.inFrame(page);
    await b.hydrated(frame);
    const heard = async (data) => (await b.messages(page)).some((message) => message.data === data);
    const say = (data) => page.evaluate(([data, to]) => window.frames[0].postMessage(data, to), [data, server.url]);
    await b.eventually(() => heard("ready"), "ready");
    assert.equal(await frame.locator("#cardamom-submit").isVisible(), false);
    assert.equal(await frame.locator("html").getAttribute("lang"), "de");
    await say("validate");
    await b.eventually(() => heard("invalid"), "invalid");
    await b.fillCard(frame);
    await say("validate");
    await b.eventually(() => heard("valid"), "valid");
    await say("submit");
    const { data, origin } = await b.eventually(
      async () => (await b.messages(page)).find(({ data }) => data.messageType === "CardSubmitSuccess"),
      "CardSubmitSuccess",
    );
    const { token } = await cardOf(reference);
    assert.deepEqual(data, { messageType: "CardSubmitSuccess", cardToken: token, cardType: "visa", lastDigits: "1111" });
    assert.equal(origin, server.url);
    const ours = (await b.messages(page)).filter(({ data }) => String(data.type).startsWith("cardamom:"));
    assert.deepEqual(ours, []);
  });
});

test("a form that is refused and sent again without wasm keeps its language and its missing button", async () => {
  const url = await formAt({ postMessageHost: shop.url, submitWithPostMessage: "true", language: "de" });
  await b.withPage(browser, async (page, { context }) => {
    await b.blockWasm(context);
    await page.goto(shop.framing(url));
    const frame = b.inFrame(page);
    const say = (data) => page.evaluate(([data, to]) => window.frames[0].postMessage(data, to), [data, server.url]);
    const heard = async (data) => (await b.messages(page)).filter((message) => message.data === data).length;
    await b.eventually(() => heard("ready"), "ready");
    await b.fillCard(frame, { number: "4111111111111112", holder: b.CARD.holder, expiry: b.CARD.expiry });
    await say("submit");
    await frame.locator('[aria-invalid="true"]').first().waitFor();
    await b.eventually(async () => (await heard("ready")) > 1, "ready again");
    assert.equal(await frame.locator("html").getAttribute("lang"), "de");
    assert.equal(await frame.locator("#cardamom-submit").isVisible(), false);
    await b.input(frame, "card_number").fill(b.CARD.number);
    await say("submit");
    await b.eventually(
      async () => (await b.messages(page)).some(({ data }) => data.messageType === "CardSubmitSuccess"),
      "CardSubmitSuccess",
    );
    assert.equal(await frame.locator("html").getAttribute("lang"), "de");
  });
});

for (const [way, wasm, cvv] of [["with wasm", true, true], ["with wasm blocked", false, false]]) {
  test(`a stored card leads to the success address with every placeholder filled, ${way}`, async () => {
    const reference = `stored ${way}`;
    const holder = "Ada & Søn = 1/2?";
    const success =
      `${shop.url}/ok?way=${encodeURIComponent(way)}&card={cardToken}&type={cardType}&number={cardNumber}&code={cvv}` +
      "&until={expiration}&holder={CARDHOLDERNAME}&indication={threeDSecIndication}&other={other}";
    const failure = `${shop.url}/failed`;
    const url = await formAt({ success, failure, cvv: String(cvv), creatorReference: reference });
    await b.withPage(browser, async (page, { context }) => {
      if (!wasm) await b.blockWasm(context);
      await page.goto(url);
      if (wasm) await b.hydrated(page);
      await b.fillCard(page, { ...b.CARD, holder, cvv: cvv ? b.CARD.cvv : undefined });
      await b.submit(page);
      await page.locator("h1", { hasText: "Shop" }).waitFor();
    });
    const visit = shop.visits().find(({ path, query }) => path === "/ok" && query.get("way") === way);
    const { token } = await cardOf(reference);
    assert.deepEqual(Object.fromEntries(visit.query), {
      way,
      card: `${server.url}/api/payments/paycard/${token}`,
      type: "visa",
      number: "************1111",
      code: String(cvv),
      until: "05/31",
      holder,
      indication: "",
      other: "{other}",
    });
  });
}

test("a refused form leads to the failure address", async () => {
  const url = await formAt({ success: `${shop.url}/unexpected`, failure: `${shop.url}/failed?order=7` });
  await b.withPage(browser, async (page) => {
    await page.goto(url);
    await b.hydrated(page);
    await b.fillCard(page, { ...b.CARD, cvv: undefined });
    const id = await page.locator('input[name="unique_id"]').first().getAttribute("value");
    await merchant.call("DELETE", `/v1/capture/${id}`);
    await b.submit(page);
    await page.locator("h1", { hasText: "Shop" }).waitFor();
  });
  const visits = shop.visits();
  assert.equal(visits.filter(({ path, query }) => path === "/failed" && query.get("order") === "7").length, 1);
  assert.equal(visits.some(({ path }) => path === "/unexpected"), false);
});

test("the cursor stands in the first field where the address wants it", async () => {
  for (const autoFocus of ["true", "false"]) {
    await b.withPage(browser, async (page) => {
      await page.goto(await formAt({ autoFocus }));
      await b.hydrated(page);
      // A frame of the browser after the page's own.
      await page.evaluate(() => new Promise((next) => requestAnimationFrame(() => requestAnimationFrame(next))));
      const focused = await page.evaluate(() => document.activeElement.getAttribute("name"));
      assert.equal(focused, autoFocus === "true" ? "card_number" : null);
    });
  }
});
