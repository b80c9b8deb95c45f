// Cards that are asked for by a link: a real mail server, the link out of the message that arrived, the page in a
// real browser, and callbacks verified by the official library.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Webhook } from "standardwebhooks";

import * as b from "./lib/browser.mjs";
import { startCardamom } from "./lib/cardamom.mjs";
import { startMail } from "./lib/mail.mjs";
import { startElsewhere } from "./lib/sites.mjs";

let mail, shop, server, merchant, browser;

before(async () => {
  mail = await startMail();
  shop = await startElsewhere();
  server = await startCardamom({
    env: {
      CARDAMOM_SMTP_URL: mail.url,
      CARDAMOM_MAIL_FROM: "Cards <cards@pay.example>",
      CARDAMOM_ALLOW_HTTP_CALLBACKS: "true",
      CARDAMOM_ALLOW_PRIVATE_ADDRESSES: "127.0.0.0/8",
    },
  });
  browser = await b.launch();
  merchant = await server.merchant("Spice & Co");
});
after(() => Promise.all([browser?.close(), server?.stop(), shop?.stop(), mail?.stop()]));

async function ask(path, body) {
  const response = await fetch(server.url + path, {
    method: "POST",
    headers: { authorization: merchant.login },
    body: JSON.stringify({ RecipientName: "Ada Lovelace", CallbackUrl: `${shop.url}/status`, ...body }),
  });
  assert.equal(response.status, 201);
  assert.equal(await response.text(), "");
  const location = response.headers.get("location");
  return { location, id: location.split("/").pop(), show: () => merchant.call("GET", new URL(location).pathname) };
}

// The link of the message that arrived for somebody: alone on its line of the text part.
async function linkFor(address) {
  const found = () => mail.messages.find(({ to }) => to.some((one) => one.address === address));
  const message = await b.eventually(found, `a message for ${address}`);
  const link = message.text.split("\n").find((line) => /^https?:\/\/\S+\/r\/[0-9a-f]{32}$/.test(line.trim()));
  assert.ok(link, message.text);
  return { message, link: link.trim() };
}

// The states that were told of a request, each checked by the library that receivers use.
async function told(id, count) {
  const { secret } = await merchant.call("GET", "/v1/webhook/secret");
  const webhook = new Webhook(secret);
  const of = () =>
    shop.requests.filter(({ method, body }) => method === "POST" && body.includes(id)).map(({ headers, body }) => ({
      ...webhook.verify(body, headers),
      id: headers["webhook-id"],
    }));
  await b.eventually(() => of().length >= count, `${count} callbacks`);
  const calls = of();
  assert.equal(new Set(calls.map((call) => call.id)).size, calls.length);
  return calls.map(({ LastNotifiedStatus }) => LastNotifiedStatus);
}

test("a card is asked for by e-mail, filled in a browser, told and fetched", async () => {
  const request = await ask("/api/cardrequest", {
    RecipientEmail: "card@example.com",
    Amount: 12.4,
    Currency: "EUR",
    CustomerSupportEmail: "help@shop.example",
  });
  const { message, link } = await linkFor("card@example.com");
  assert.equal(message.subject, "Spice & Co asks for your card details");
  assert.deepEqual(message.from, { name: "Spice & Co", address: "cards@pay.example" });
  assert.equal(message.replyTo[0].address, "help@shop.example");
  assert.equal(message.headers.find(({ key }) => key === "auto-submitted").value, "auto-generated");
  assert.match(message.messageId, /^<evt_\w+@pay\.example>$/);
  assert.ok(message.html.includes(link));

  // A scanner's look is no view.
  await fetch(link);
  assert.equal((await request.show()).Status, "MessageQueued");
  await b.withPage(browser, async (page, { log }) => {
    await page.goto(link);
    await b.hydrated(page);
    assert.ok((await page.locator("main").innerText()).includes("€12.40"));
    await b.input(page, "card_holder").fill("Ada");
    await b.eventually(async () => (await request.show()).Status === "FormViewed", "the view");
    await b.fillCard(page);
    await b.submit(page);
    await b.saved(page);
    assert.deepEqual(log.filter((line) => /error|violat/i.test(line)), []);
  });
  assert.deepEqual(await told(request.id, 3), ["MessageQueued", "FormViewed", "CardStored"]);
  const shown = await request.show();
  assert.deepEqual(shown.StatusHistory.map(({ Status }) => Status), ["MessageQueued", "FormViewed", "CardStored"]);
  const token = shown.CardUri.split("/").pop();
  assert.equal((await merchant.readCard({ token })).card_number, b.CARD.number);
  await b.withPage(browser, async (page) => {
    await page.goto(link);
    assert.equal(await page.locator("h1").innerText(), "Link Expired");
  });
});

test("a security code is asked for by e-mail and filled without wasm", async () => {
  const { token } = await merchant.storeCard({ card_number: b.CARD.number, card_holder: "Ada", card_expiry: "05/31" });
  const request = await ask("/api/cardrequest/csc", {
    RecipientEmail: "code@example.com",
    CardUri: `${server.url}/api/payments/paycard/${token}`,
  });
  const { link } = await linkFor("code@example.com");
  await b.withPage(browser, async (page, { context }) => {
    await b.blockWasm(context);
    await page.goto(link);
    assert.ok((await page.locator("main").innerText()).includes("1111"));
    assert.equal(await b.input(page, "card_number").count(), 0);
    await b.input(page, "cvv").fill("737");
    await b.submit(page);
    await page.locator(".notice.good").waitFor();
  });
  assert.deepEqual(await told(request.id, 3), ["MessageQueued", "FormViewed", "CardStored"]);
  assert.ok((await request.show()).CardUri.endsWith(token));
  assert.equal((await merchant.readCard({ token })).cvv, "737");
});

test("a link without scripts works too, and a page that is open dies with its request", async () => {
  const request = await ask("/api/cardrequest", { RecipientEmail: "plain@example.com" });
  const { link } = await linkFor("plain@example.com");
  await b.withPage(
    browser,
    async (page) => {
      await page.goto(link);
      await b.fillCard(page, { ...b.CARD, number: "4111111111111112" });
      await b.submit(page);
      await page.locator('[aria-invalid="true"]').waitFor();
      await b.fillCard(page);
      const gone = await fetch(request.location, { method: "DELETE", headers: { authorization: merchant.login } });
      assert.equal(gone.status, 200);
      await b.submit(page);
      await page.getByRole("heading", { name: "Link Expired" }).waitFor();
      await page.getByRole("button").click();
      await page.getByRole("heading", { name: "Thank you" }).waitFor();
    },
    { javaScriptEnabled: false },
  );
  const states = await told(request.id, 4);
  assert.deepEqual(states.slice(0, 4), ["MessageQueued", "FormViewed", "StoreFailed", "LinkExpired"]);
});
