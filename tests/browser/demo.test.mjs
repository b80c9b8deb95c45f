// The demo shop: a purchase as a new user tries it first, and the desk that asks for a card by a link.

import assert from "node:assert/strict";
import { get } from "node:http";
import { connect } from "node:net";
import { after, before, test } from "node:test";

import * as b from "./lib/browser.mjs";
import { startCardamom } from "./lib/cardamom.mjs";

const SHOP = "http://localhost:8081";

let server, browser;

before(async () => {
  // The shop's port is fixed: a demo that runs already would be tested in place of this one.
  assert.equal(await isTaken(8081), false, "port 8081 is in use: end the demo that runs there, then test again");
  server = await startCardamom({ args: ["--demo"] });
  browser = await b.launch();
});
after(() => Promise.all([browser?.close(), server?.stop()]));

function isTaken(port) {
  return new Promise((answer) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("error", () => answer(false));
    socket.once("connect", () => {
      socket.destroy();
      answer(true);
    });
  });
}

for (const wasm of [true, false]) {
  test(`a purchase ends with the token and the masked card, ${wasm ? "with" : "without"} wasm`, async () => {
    await b.withPage(browser, async (page, { context, log }) => {
      if (!wasm) await b.blockWasm(context);
      await page.goto(SHOP);
      const frame = page.frameLocator("iframe");
      if (wasm) await b.hydrated(frame);
      await b.fillCard(frame);
      await b.submit(frame);
      await page.waitForURL(`${SHOP}/thanks?**`);
      const text = await page.locator("main").innerText();
      assert.match(text, /[0-9a-f]{64}/);
      assert.match(text, /411111\D+1111/);
      assert.equal(text.replaceAll(/\s/g, "").includes(b.CARD.number), false);
      assert.equal((await page.content()).includes(b.CARD.cvv), false);
      assert.deepEqual(log.filter((line) => /Security Policy/i.test(line)), []);
    });
    assert.equal(server.output.join("\n").includes(b.CARD.number), false);
  });
}

test("the desk sends a request, shows its message and follows it live", async () => {
  await b.withPage(browser, async (desk, { context, log }) => {
    await desk.goto(`${SHOP}/request`);
    await desk.getByLabel("E-mail").fill("grace@example.com");
    await desk.getByLabel("Language").selectOption({ label: "Français" });
    await desk.getByRole("button", { name: "Send the link" }).click();
    await desk.waitForURL(`${SHOP}/request/req_*`);
    const link = await desk.locator('.message a[href*="/r/"]').getAttribute("href");
    const message = await desk.locator(".message").innerText();
    assert.ok(message.includes("16,30") && message.includes("page sécurisée"), message);
    assert.deepEqual(await states(desk), ["MessageQueued"]);

    // The customer, elsewhere; nobody touches the desk from here on.
    const form = await context.newPage();
    await form.goto(link);
    await b.hydrated(form);
    await b.input(form, "card_holder").fill("Grace");
    await desk.getByText("FormViewed").waitFor();
    await b.fillCard(form);
    await b.submit(form);
    await b.saved(form);
    await desk.getByText("CardStored").first().waitFor();
    assert.deepEqual(await states(desk), ["MessageQueued", "FormViewed", "CardStored"]);
    assert.match(await desk.locator(".token").innerText(), /\/api\/payments\/paycard\/\w+$/);
    assert.equal((await desk.content()).includes(b.CARD.number), false);
    assert.deepEqual(log.filter((line) => /Security Policy/i.test(line)), []);
  });
});

test("an order is paid by a new card, and the next one by the card that was kept", async () => {
  const order = async (page, button) => {
    await page.goto(`${SHOP}/order`);
    await page.getByRole("button", { name: button }).click();
    await page.waitForURL(/\/hpp\//);
    await b.hydrated(page);
  };
  const paid = async (page) => {
    await page.waitForURL(`${SHOP}/order/**`);
    await page.getByRole("heading", { name: "Thank you for your order" }).waitFor();
    return page.locator("main").innerText();
  };
  await b.withPage(browser, async (page, { log }) => {
    await order(page, "Pay by card");
    await b.fillCard(page, { number: "5519283812030000", holder: "Ada King", expiry: "12/31", cvv: "123" });
    await page.locator('input[name="consent"]').check();
    await b.submit(page);
    assert.match(await paid(page), /processed \(ok\)[^]*mastercard •••• 0000[^]*Token\s+\w{20}/);

    await order(page, /^Pay with mastercard •••• 0000$/);
    assert.equal(await b.input(page, "card_number").count(), 0);
    await b.submit(page);
    assert.match(await paid(page), /processed \(ok\)/);
    assert.deepEqual(log.filter((line) => /Security Policy/i.test(line)), []);
  });
});

// The history that the desk shows.
function states(desk) {
  return desk.locator("main ul li b").allInnerTexts();
}

test("the start tells where the shop is", () => {
  assert.ok(server.output.some((line) => line.includes(SHOP)));
});

test("the shop answers to its own name alone", async () => {
  const status = (host) =>
    new Promise((answer, fail) => {
      get("http://127.0.0.1:8081/", { headers: { host } }, (response) => answer(response.resume().statusCode)).on("error", fail);
    });
  assert.equal(await status("localhost:8081"), 200);
  assert.equal(await status("rebound.example:8081"), 421);
});
