// The payment page in a real browser: from the invoice to the token and on, with callbacks that are verified, with and
// without scripts, and whatever payers do to a page.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";

import { Webhook } from "standardwebhooks";

import { assertAccessible, assertFits } from "./lib/axe.mjs";
import * as b from "./lib/browser.mjs";
import { startCardamom } from "./lib/cardamom.mjs";
import { startElsewhere, startShop } from "./lib/sites.mjs";

// Spec B.9: a good card, one whose issuer asks, one that is refused; the expiry of a refused one chooses why.
const GOOD = { number: "5519283812030000", holder: "Ada King", expiry: "12/31", cvv: "123" };
const CHALLENGED = { ...GOOD, number: "5123817234060000" };
const BAD = { ...GOOD, number: "4302912837020000", expiry: "05/29" };

let shop, frames, strangers, server, merchant, browser;

before(async () => {
  shop = await startElsewhere();
  frames = await startShop();
  strangers = await startShop();
  server = await startCardamom({
    env: { CARDAMOM_ALLOW_HTTP_CALLBACKS: "true", CARDAMOM_ALLOW_PRIVATE_ADDRESSES: "127.0.0.0/8" },
  });
  browser = await b.launch();
  merchant = await server.merchant("Spice & Co");
});
after(async () => {
  await browser?.close();
  await Promise.all([server, shop, frames, strangers].map((one) => one?.stop()));
});

let made = 0;

/** Makes an invoice in test mode, told to the shop. */
async function make(more = {}) {
  // Counted: one in some hundred random ones has digits that look like a card number, and is refused.
  made += 1;
  const reference = `order-${made}`;
  const attributes = {
    test_mode: true,
    reference_id: reference,
    service: "payment_card_eur_hpp",
    currency: "EUR",
    amount: 12.4,
    description: "Green cardamom",
    customer: { reference_id: "customer-1" },
    callback_url: `${shop.url}/told`,
    ...more,
  };
  const { data } = await merchant.trade("POST", "/payment-invoices", { data: { type: "payment-invoices", attributes } });
  return {
    id: data.id,
    reference,
    url: data.attributes.flow_data.action,
    sale: data.attributes.flow_data.metadata.token,
    show: async () => (await merchant.trade("GET", `/payment-invoices/${data.id}`)).data.attributes,
  };
}

const TOKENIZE = { gateway_options: { cardgate: { tokenize: true } } };

/** The documents that the shop was sent of an invoice, both signatures verified. */
async function told(invoice, last) {
  const webhook = new Webhook(merchant.account.test.webhook_secret);
  const calls = () =>
    shop.requests
      .filter(({ path, body }) => path === "/told" && body.includes(invoice.id))
      .map(({ headers, body }) => {
        const own = merchant.account.callback_secret_test;
        const signature = createHash("sha1").update(own + body + own).digest("base64");
        assert.equal(headers["x-signature"], signature);
        return webhook.verify(body, headers).data.attributes;
      });
  await b.eventually(() => calls().at(-1)?.status === last, `the shop is told of ${last}`);
  return calls();
}

async function pay(page, card) {
  await b.fillCard(page, card);
  await b.submit(page);
}

const paid = (page) => page.getByRole("heading", { name: "Payment accepted" }).waitFor();
const atIssuer = (page) => page.getByRole("button", { name: "Approve" }).waitFor();
const approve = (page) => page.getByRole("button", { name: "Approve" }).click();

/** How often money was taken: the answers of the sandbox are what its book holds. */
async function isPaidOnce(invoice) {
  const attributes = await invoice.show();
  assert.equal(attributes.status, "processed");
  assert.equal(attributes.processed_amount, 12.4);
}

async function token() {
  const invoice = await make(TOKENIZE);
  await b.withPage(browser, async (page) => {
    await page.goto(invoice.url);
    await b.hydrated(page);
    await b.fillCard(page, GOOD);
    await page.locator('input[name="consent"]').check();
    await b.submit(page);
    await paid(page);
  });
  return (await invoice.show()).payload.token;
}

test("a card is paid with and kept, then paid with by its payer, then charged without", async () => {
  const first = await make({ ...TOKENIZE, return_url: `${shop.url}/thanks` });
  await b.withPage(browser, async (page, { log }) => {
    await page.goto(first.url);
    await b.hydrated(page);
    assert.match(await page.locator("#cardamom-title").innerText(), /Spice & Co\s+€12\.40/);
    assert.equal(await page.locator("#cardamom-submit").innerText(), "Pay €12.40");
    assert.equal(await page.locator('input[name="consent"]').isChecked(), false);
    await b.fillCard(page, CHALLENGED);
    await page.locator('input[name="consent"]').check();
    await b.submit(page);
    await atIssuer(page);
    await approve(page);
    await page.waitForURL(`${shop.url}/thanks`);
    assert.deepEqual(log.filter((line) => /violat|Security Policy/i.test(line)), []);
  });
  const last = (await told(first, "processed")).at(-1);
  assert.equal(last.payload.payment_card.mask, "512381******0000");
  assert.match(last.payload.token, /^[0-9A-Za-z]{20,}$/);
  assert.ok(shop.requests.every(({ body }) => !body.includes(CHALLENGED.number)));

  const second = await make({ token: last.payload.token });
  await b.withPage(browser, async (page) => {
    await page.goto(second.url);
    await b.hydrated(page);
    assert.match(await page.locator(".kept").innerText(), /Mastercard\s+•••• 0000\s+12 \/ 31/);
    assert.equal(await b.input(page, "card_number").count(), 0);
    await b.submit(page);
    await atIssuer(page);
    await approve(page);
    await paid(page);
  });
  assert.equal((await told(second, "processed")).at(-1).payload.payment_card.last, "0000");

  const third = await make({ token: last.payload.token, gateway_options: { cardgate: { instant: true } } });
  const sold = await fetch(`${server.url}/payment/sale`, {
    method: "POST",
    headers: { authorization: `Bearer ${third.sale}`, "content-type": "application/json" },
    body: JSON.stringify({ data: { type: "sale-operation", attributes: {} } }),
  });
  assert.equal(sold.status, 201);
  await told(third, "processed");
});

test("a card that its payer does not want to be kept leaves no token", async () => {
  const invoice = await make(TOKENIZE);
  await b.withPage(browser, async (page) => {
    await page.goto(invoice.url);
    await b.hydrated(page);
    await pay(page, GOOD);
    await paid(page);
  });
  assert.equal((await invoice.show()).payload.token, null);
});

test("a payment needs no scripts, the issuer included", async () => {
  const invoice = await make();
  await b.withPage(
    browser,
    async (page) => {
      await page.goto(invoice.url);
      await pay(page, { ...CHALLENGED, number: "5123817234060001" });
      await page.locator('#cardamom-card_number[aria-invalid="true"]').waitFor();
      assert.equal(await b.input(page, "card_number").inputValue(), "");
      assert.equal(await b.input(page, "card_holder").inputValue(), "Ada King");
      await pay(page, CHALLENGED);
      await page.getByRole("heading", { name: "Confirm with your bank" }).waitFor();
      await page.getByRole("button", { name: "Continue" }).click();
      await approve(page);
      await paid(page);
    },
    { javaScriptEnabled: false },
  );
  await isPaidOnce(invoice);
});

/** What an invoice has more whose page the shop may frame. */
async function framed() {
  const { user, password } = merchant.account.test;
  const login = `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
  const form = await merchant.callAs(login, "POST", "/v1/capture/iframe?form_type=pcd", { allowed_origins: [frames.url] });
  return { gateway_options: { cardgate: { form: form.id } } };
}

test("nobody frames a payment but the origins that its form names", async () => {
  const refused = async (site, invoice) =>
    b.withPage(browser, async (page, { log }) => {
      await page.goto(site.framing(invoice.url));
      await b.eventually(() => log.some((line) => /frame-ancestors/.test(line)), "the browser refuses");
      assert.equal(await b.inFrame(page).locator("#cardamom-form").count(), 0);
      assert.deepEqual(await b.messages(page), []);
    });
  await refused(frames, await make());
  const invoice = await make(await framed());
  await refused(strangers, invoice);
  await b.withPage(browser, async (page) => {
    await page.goto(frames.framing(invoice.url));
    const frame = b.inFrame(page);
    await b.hydrated(frame);
    await b.fillCard(frame, GOOD);
    // The page around the frame may lead the payer, and not pay. It is heard in order.
    await page.evaluate((origin) => {
      const tell = (message) => window.frames[0].postMessage(message, origin);
      tell({ type: "cardamom:submit" });
      tell({ type: "cardamom:focus", field: "card_holder" });
    }, server.url);
    const heard = async () => (await b.messages(page, "cardamom:focus")).at(-1)?.data.field === "card_holder";
    await b.eventually(heard, "the field has the focus");
    assert.deepEqual(await b.messages(page, "cardamom:submit"), []);
    await b.submit(frame);
    await paid(frame);
  });
  await isPaidOnce(invoice);
});

test("a payment works in the shop's frame, the issuer included, and tells the shop", async () => {
  const invoice = await make({ return_url: `${shop.url}/back`, ...(await framed()) });
  await b.withPage(browser, async (page, { log }) => {
    await page.goto(frames.framing(invoice.url));
    const frame = b.inFrame(page);
    await b.hydrated(frame);
    await pay(frame, CHALLENGED);
    await atIssuer(frame);
    await approve(frame);
    await paid(frame);
    await b.eventually(async () => (await b.messages(page, "cardamom:success")).length === 1, "the message");
    assert.deepEqual(log.filter((line) => /violat|Security Policy/i.test(line)), []);
    // In a frame the way back is the payer's click.
    await frame.getByRole("link", { name: "Back to the shop" }).click();
    await page.waitForURL(`${shop.url}/back`);
  });
});

test("a declined card can be followed by another one; five declined ones end the invoice", async () => {
  const invoice = await make();
  await b.withPage(browser, async (page) => {
    await page.goto(invoice.url);
    await b.hydrated(page);
    await pay(page, BAD);
    await page.locator("#cardamom-alert:visible").waitFor();
    assert.match(await page.locator("#cardamom-alert").innerText(), /declined/);
    assert.equal((await invoice.show()).status, "process_pending");
    await b.hydrated(page);
    await pay(page, GOOD);
    await paid(page);
  });
  await isPaidOnce(invoice);

  const hopeless = await make({ return_urls: { fail: `${shop.url}/failed` } });
  await b.withPage(browser, async (page) => {
    for (let left = 5; left > 0; left -= 1) {
      await page.goto(hopeless.url);
      await b.hydrated(page);
      assert.equal(await page.locator('input[name="attempts_left"]').inputValue(), String(left));
      await pay(page, BAD);
      if (left > 1) await page.locator("#cardamom-alert:visible").waitFor();
    }
    await page.waitForURL(`${shop.url}/failed`);
    await page.goto(hopeless.url);
    assert.match(await page.locator("main").innerText(), /too many attempts/);
    assert.equal(await page.locator("form").count(), 0);
  });
  const last = (await told(hopeless, "process_failed")).at(-1);
  assert.equal(last.resolution, "insufficient_funds");
});

test("who reloads, goes back or keeps an old tab pays once", async () => {
  const invoice = await make();
  await b.withPage(browser, async (page, { context }) => {
    const old = await context.newPage();
    await old.goto(invoice.url);
    await b.hydrated(old);
    await b.fillCard(old, GOOD);
    await page.goto(invoice.url);
    await b.hydrated(page);
    await pay(page, GOOD);
    await paid(page);
    await page.reload();
    await paid(page);
    await page.goBack();
    await page.goto(invoice.url);
    await paid(page);
    await b.submit(old);
    await paid(old);
  });
  await isPaidOnce(invoice);
  assert.equal((await told(invoice, "processed")).filter(({ status }) => status === "processed").length, 1);
});

for (const wasm of [true, false]) {
  test(`a double click on a refused card is one attempt, ${wasm ? "with" : "without"} wasm`, async () => {
    const invoice = await make();
    await b.withPage(browser, async (page, { context }) => {
      if (!wasm) await b.blockWasm(context);
      await page.goto(invoice.url);
      if (wasm) await b.hydrated(page);
      await b.fillCard(page, BAD);
      await page.locator("#cardamom-submit").dblclick();
      await page.locator("#cardamom-alert:visible").waitFor();
      assert.equal(await page.locator('input[name="attempts_left"]').inputValue(), "4");
    });
  });
}

test("the same form sent twice at once is one attempt", async () => {
  const invoice = await make();
  const form = new URLSearchParams({
    attempts_left: "5", card_number: GOOD.number, card_holder: GOOD.holder, expiry: GOOD.expiry, cvv: GOOD.cvv,
  });
  const send = () => fetch(invoice.url, { method: "POST", body: form, redirect: "manual" });
  const answers = await Promise.all([send(), send(), send()]);
  const page = new URL(invoice.url).pathname;
  assert.deepEqual(answers.map(({ status }) => status), [303, 303, 303]);
  assert.deepEqual(answers.map(({ headers }) => headers.get("location")), Array(3).fill(`${page}/done`));
  await isPaidOnce(invoice);
});

test("who leaves at the issuer finds the payment again, and can go on or take another card", async () => {
  const invoice = await make();
  await b.withPage(browser, async (page) => {
    await page.goto(invoice.url);
    await b.hydrated(page);
    await pay(page, CHALLENGED);
    await atIssuer(page);
  });
  // The window was closed. The address offers to go on at the issuer, and so does a reload, or the browser's button.
  await b.withPage(browser, async (page) => {
    const goOn = () => page.getByRole("button", { name: "Continue" }).click();
    await page.goto(invoice.url);
    await page.getByRole("heading", { name: "Confirm with your bank" }).waitFor();
    await page.reload();
    await goOn();
    await atIssuer(page);
    assert.equal((await invoice.show()).status, "process_pending");
    await page.goBack();
    await goOn();
    await atIssuer(page);
    await page.goto(`${invoice.url}?locale=de`);
    await page.locator("#cardamom-issuer button").click();
    await atIssuer(page);
  });
  await b.withPage(
    browser,
    async (page) => {
      await page.goto(invoice.url);
      await page.getByRole("button", { name: "Use another card" }).click();
      await b.fillCard(page, GOOD);
      await b.submit(page);
      await paid(page);
    },
    { javaScriptEnabled: false },
  );
  await isPaidOnce(invoice);
});

test("who refuses at the issuer is declined, and may pay by another card than the stored one", async () => {
  const invoice = await make({ token: await token() });
  await b.withPage(browser, async (page) => {
    await page.goto(invoice.url);
    await b.hydrated(page);
    await page.getByRole("link", { name: "Use another card" }).click();
    await b.hydrated(page);
    await pay(page, CHALLENGED);
    await page.getByRole("button", { name: "Refuse" }).click();
    await page.locator("#cardamom-alert:visible").waitFor();
    assert.match(await page.locator(".kept").innerText(), /0000/);
    await b.hydrated(page);
    await b.submit(page);
    await paid(page);
  });
  await isPaidOnce(invoice);
});

test("a payment that stays open says so and takes no other", async () => {
  const invoice = await make();
  await b.withPage(browser, async (page) => {
    await page.goto(invoice.url);
    await b.hydrated(page);
    await pay(page, { ...GOOD, expiry: "07/77" });
    await page.getByRole("heading", { name: "Your payment is being processed" }).waitFor();
    await page.goto(invoice.url);
    await page.getByRole("heading", { name: "Your payment is being processed" }).waitFor();
    assert.equal(await page.locator("form").count(), 0);
  });
});

test("an unknown page tells nothing, and each page has its own policy", async () => {
  const unknown = await fetch(`${server.url}/hpp/cgi_0000000000000000`);
  assert.equal(unknown.status, 404);
  const invoice = await make();
  const open = await fetch(invoice.url);
  assert.match(open.headers.get("content-security-policy"), /; form-action 'self'; base-uri 'none'; frame-ancestors 'none'$/);
  assert.equal(open.headers.get("cache-control"), "no-store");
  const form = { attempts_left: "5", card_number: CHALLENGED.number, card_holder: "Ada", expiry: "12/31", cvv: "123" };
  const elsewhere = await fetch(invoice.url, {
    method: "POST", body: new URLSearchParams(form), headers: { "sec-fetch-site": "cross-site" }, redirect: "manual",
  });
  assert.equal(elsewhere.status, 403);
  await fetch(invoice.url, { method: "POST", body: new URLSearchParams(form), redirect: "manual" });
  const issuer = await fetch(invoice.url);
  const policy = issuer.headers.get("content-security-policy");
  assert.ok(policy.includes(`; form-action 'self' ${server.url};`), policy);
  assert.equal((await issuer.text()).includes(CHALLENGED.number), false);
  assert.equal(server.output.join("\n").includes(CHALLENGED.number), false);
});

test("the page speaks the payer's language", async () => {
  const invoice = await make({ amount: 1234.5 });
  await b.withPage(browser, async (page) => {
    await page.goto(`${invoice.url}?locale=de`);
    await b.hydrated(page);
    assert.equal(await page.locator("#cardamom-submit").innerText(), "1.234,50\u00a0€ zahlen");
    await pay(page, BAD);
    await page.locator("#cardamom-alert:visible").waitFor();
    assert.equal(await page.locator("html").getAttribute("lang"), "de");
  });
});

test("every page of a payment is accessible and fits", { timeout: 600_000 }, async () => {
  const kept = await token();
  const inEveryLook = async (page, state) => {
    for (const colorScheme of ["light", "dark"]) {
      for (const width of [1280, 320]) {
        await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
        await page.setViewportSize({ width, height: 800 });
        await assertAccessible(page, `${state}, ${colorScheme}, ${width}`);
        await assertFits(page, `${state}, ${colorScheme}, ${width}`);
      }
    }
  };
  await b.withPage(browser, async (page) => {
    const invoice = await make({ ...TOKENIZE, return_url: undefined });
    await page.goto(invoice.url);
    await b.hydrated(page);
    await inEveryLook(page, "form");
    await pay(page, BAD);
    await page.locator("#cardamom-alert:visible").waitFor();
    await inEveryLook(page, "declined");
    await b.hydrated(page);
    await pay(page, GOOD);
    await paid(page);
    await inEveryLook(page, "paid");
    await page.goto(`${(await make({ token: kept })).url}`);
    await inEveryLook(page, "stored card");
    await page.goto(`${server.url}/hpp/cgi_0000000000000000`);
    await inEveryLook(page, "gone");
  });
  const challenged = await make();
  await b.withPage(
    browser,
    async (page) => {
      await page.goto(challenged.url);
      await pay(page, CHALLENGED);
      await page.getByRole("button", { name: "Continue" }).waitFor();
    },
    { javaScriptEnabled: false },
  );
  await b.withPage(browser, async (page, { context }) => {
    // axe needs scripts; without the page's own one the payer stays.
    await context.route(/page[^/]*\.js/, (route) => route.abort());
    await page.goto(challenged.url);
    await page.getByRole("button", { name: "Continue" }).waitFor();
    await inEveryLook(page, "issuer");
  });
});
