// The form in a shop's page by embed.js: what it tells, what it obeys, and under which policies it works.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import * as b from "./lib/browser.mjs";
import { startCardamom } from "./lib/cardamom.mjs";
import { SHOP_HASH, events, newest, optionsOf, startEmbedShop } from "./lib/embed.mjs";
import { startPages, startShop } from "./lib/sites.mjs";

let server, merchant, script, shop, plain, browser;

before(async () => {
  server = await startCardamom();
  script = await newest(server);
  [shop, plain] = [await startEmbedShop(script), await startShop()];
  browser = await b.launch();
  merchant = await server.merchant("Embeds");
});
after(() => Promise.all([browser?.close(), shop?.stop(), plain?.stop(), server?.stop()]));

/** A form for the shop and an endpoint, as options of mount. */
async function options(form = {}, endpoint = {}) {
  const made = await merchant.page({ allowed_origins: [shop.url], ...form }, endpoint);
  return optionsOf(merchant, made.form, made.endpoint);
}

const card = (page) => page.frameLocator("#card iframe");

async function told(page, type) {
  return (await b.eventually(async () => (await events(page, type)).slice(-1), `the event ${type}`))[0];
}

async function arrived(page, type) {
  return b.eventually(async () => (await events(page, type))[0], `the event ${type}`);
}

/** Opens the shop with a mounted form and waits until it is alive. */
async function visit(page, mount, headers = {}) {
  await page.goto(shop.page(mount, headers));
  await b.hydrated(card(page));
  await arrived(page, "ready");
}

// ---- What it tells

test("a card is captured under a policy without inline styles or scripts, and each step is told", async () => {
  const headers = {
    "content-security-policy":
      `default-src 'none'; script-src '${script.integrity}' '${SHOP_HASH}'; style-src 'none'; ` +
      `frame-src ${server.url}; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'`,
  };
  await b.withPage(browser, async (page) => {
    await visit(page, await options({}, { reference: "embedded" }), headers);
    const frame = page.locator("#card iframe");
    assert.equal(await frame.getAttribute("title"), "Card details");
    assert.equal(await frame.getAttribute("role"), null);
    assert.equal((await frame.getAttribute("src")).split("#")[0].includes("secret"), false);
    await b.fillCard(card(page));
    await b.eventually(async () => (await told(page, "change")).complete, "the complete form");
    const changes = await events(page, "change");
    assert.equal(changes[0].complete, false);
    for (const change of changes) {
      assert.deepEqual(Object.keys(change).sort(), ["brand", "complete", "fields", "form", "type", "unique_id", "valid"]);
      assert.ok(["", "visa", "unknown", "other"].includes(change.brand), change.brand);
      const words = ["empty", "partial", "complete", "invalid"];
      for (const word of Object.values(change.fields)) assert.ok(words.includes(word), word);
    }
    assert.deepEqual(changes.at(-1).fields, {
      card_number: "complete", card_holder: "complete", expiry: "complete", cvv: "complete",
    });
    await b.submit(card(page));
    const success = await arrived(page, "success");
    assert.equal(success.reference, "embedded");
    assert.match(success.token, /^[0-9a-f]{64}$/);
    assert.equal((await events(page, "submit")).length, 1);
    assert.deepEqual((await events(page, "focus")).map(({ field }) => field).slice(0, 4), [
      "card_number", "card_holder", "expiry", "cvv",
    ]);
    assert.ok((await events(page, "blur")).length >= 3);
    assert.deepEqual(await page.evaluate(() => violations), []);
    const all = JSON.stringify(await page.evaluate(() => messages)).replaceAll(" ", "");
    assert.equal(all.includes(b.CARD.number) || all.includes(`"${b.CARD.cvv}"`), false);
  });
  assert.ok((await merchant.listCards()).some(({ reference }) => reference === "embedded"));
});

test("the frame is as high as the form, and grows with its messages", async () => {
  await b.withPage(browser, async (page) => {
    await visit(page, await options());
    const inner = () => card(page).locator("body").evaluate((body) => Math.ceil(body.getBoundingClientRect().height));
    const outer = async () => Math.round((await page.locator("#card iframe").boundingBox()).height);
    await b.eventually(async () => (await inner()) === (await outer()), "the height of the form");
    const before = await outer();
    await b.submit(card(page));
    await b.eventually(async () => (await outer()) > before && (await inner()) === (await outer()), "a higher frame");
    assert.equal(await card(page).locator("html").evaluate((html) => html.scrollHeight > html.clientHeight), false);
  });
});

test("an endpoint that is gone when the page opens or the form is sent is told as expired", async () => {
  const mount = await options();
  await b.withPage(browser, async (page) => {
    await visit(page, mount);
    await b.fillCard(card(page));
    await merchant.call("DELETE", `/v1/capture/${mount.uniqueId}`);
    await b.submit(card(page));
    await card(page).locator("h1", { hasText: "Link expired" }).waitFor();
    await arrived(page, "expired");
    assert.deepEqual(await events(page, "error"), []);
    assert.equal(await card(page).locator("input").count(), 0, "nothing is left to be sent");
  });
  await b.withPage(browser, async (page) => {
    const { secret, uniqueId, ...rest } = mount;
    await page.goto(shop.page({ ...rest, uniqueId, secret: "", params: { secret } }));
    await card(page).locator("h1", { hasText: "Link expired" }).waitFor();
    await arrived(page, "expired");
  });
});

test("the plain form tells too, where no wasm runs", async () => {
  await b.withPage(browser, async (page, { context }) => {
    await b.blockWasm(context);
    await page.goto(shop.page(await options()));
    await arrived(page, "ready");
    await b.fillCard(card(page), { ...b.CARD, number: "4111111111111112" });
    await b.eventually(async () => (await told(page, "change")).complete, "the complete form");
    await page.evaluate(() => window.card.submit());
    const error = await arrived(page, "error");
    assert.equal(error.reason, "invalid");
    await b.fillCard(card(page));
    await b.submit(card(page));
    assert.match((await arrived(page, "success")).token, /^[0-9a-f]{64}$/);
  });
});

// ---- What it obeys

test("the page around the frame submits, moves the focus, empties and darkens the form", async () => {
  await b.withPage(browser, async (page) => {
    await visit(page, await options());
    await page.evaluate(() => window.card.submit());
    assert.equal((await arrived(page, "error")).reason, "invalid");
    const active = () => card(page).locator("body").evaluate(() => document.activeElement.name);
    assert.equal(await active(), "card_number");
    await page.evaluate(() => window.card.focus("cvv"));
    await b.eventually(async () => (await active()) === "cvv", "the focus in the code");
    await b.fillCard(card(page));
    await page.evaluate(() => window.card.focus());
    await b.eventually(async () => (await active()) === "card_number", "the focus in the first field");

    await page.evaluate(() => window.card.reset());
    await b.eventually(async () => (await b.input(card(page), "card_number").inputValue()) === "", "empty fields");
    await b.eventually(async () => Object.values((await told(page, "change")).fields).every((w) => w === "empty"), "empty");
    assert.equal(await card(page).locator('[aria-invalid="true"]').count(), 0);

    const ground = () => card(page).locator("html").evaluate((html) => getComputedStyle(html).backgroundColor);
    const light = await ground();
    await page.evaluate(() => window.card.setTheme("dark"));
    await b.eventually(async () => (await ground()) !== light, "a dark form");
    await page.evaluate(() => window.card.setTheme("light"));
    await b.eventually(async () => (await ground()) === light, "a light form");
    await page.evaluate(() => window.card.setTheme("url(https://elsewhere.example)"));

    await b.fillCard(card(page));
    await page.evaluate(() => window.card.submit());
    await arrived(page, "success");
  }, { colorScheme: "light" });
});

test("another language is another document, unless something was entered", async () => {
  await b.withPage(browser, async (page) => {
    await visit(page, await options());
    await page.evaluate(() => window.card.setLocale("de"));
    await b.eventually(async () => (await events(page, "ready")).length === 2, "the form in another language");
    await b.hydrated(card(page));
    assert.equal(await card(page).locator("html").evaluate(() => location.search.includes("locale=de")), true);
    assert.equal(await card(page).locator("html").evaluate(() => location.hash), "");
    await b.fillCard(card(page));
    await page.evaluate(() => window.card.setLocale("fr"));
    assert.equal((await arrived(page, "error")).reason, "locale");
    assert.equal(await b.input(card(page), "card_holder").inputValue(), b.CARD.holder);
    await b.submit(card(page));
    await arrived(page, "success");
  });
});

test("lists and boxes hold the language back only once they were touched", async () => {
  const form = {
    additional_fields: [{ name: "size", label: "Size", type: "select", options: ["S", "L"] }],
    consent: { text: "I agree that the shop stores my card.", version: "v1" },
  };
  const touches = [
    (frame) => frame.locator('select[name="size"]').selectOption("L"),
    (frame) => frame.locator('input[name="consent"]').check(),
  ];
  for (const touch of touches) {
    await b.withPage(browser, async (page) => {
      await visit(page, await options(form));
      await page.evaluate(() => window.card.setLocale("de"));
      await b.eventually(async () => (await events(page, "ready")).length === 2, "the form in another language");
      await b.hydrated(card(page));
      await touch(card(page));
      await page.evaluate(() => window.card.setLocale("fr"));
      assert.equal((await arrived(page, "error")).reason, "locale");
    });
  }
});

test("a removed form says nothing more", async () => {
  await b.withPage(browser, async (page) => {
    await visit(page, await options());
    await page.evaluate(() => {
      window.card.destroy();
      window.card.submit();
    });
    assert.equal(await page.locator("iframe").count(), 0);
  });
});

// ---- Who is heard

/** Counts in the frame what arrives there, so that a test knows when a message has been passed by. */
async function counting(frame) {
  await frame.locator("body").evaluate(() => {
    window.arrived = 0;
    addEventListener("message", () => (window.arrived += 1));
  });
  return (count) =>
    b.eventually(() => frame.locator("body").evaluate((_, count) => window.arrived === count, count), "the message");
}

test("commands of foreign origins and other windows are ignored", async () => {
  const reset = { type: "cardamom:reset" };
  // The parent is of an origin that the form does not name, and framing is open to all: no command counts.
  const open = await merchant.page();
  await b.withPage(browser, async (page) => {
    await page.goto(plain.framing(open.url));
    const frame = b.inFrame(page);
    await b.hydrated(frame);
    await b.fillCard(frame);
    const seen = await counting(frame);
    await page.evaluate((reset) => window.frames[0].postMessage(reset, "*"), reset);
    await seen(1);
    assert.equal(await b.input(frame, "card_holder").inputValue(), b.CARD.holder);
    const types = (await b.messages(page)).map(({ data }) => data.type);
    assert.deepEqual(types.filter((type) => !["cardamom:ready", "cardamom:resize"].includes(type)), []);
  });
  // Another frame of the right origin is not the parent; nor is the frame's own window.
  const mount = await options();
  await b.withPage(browser, async (page) => {
    await visit(page, mount);
    await b.fillCard(card(page));
    const seen = await counting(card(page));
    await page.evaluate(async (reset) => {
      const other = document.createElement("iframe");
      document.body.append(other);
      const send = other.contentWindow.Function("to", "what", "to.postMessage(what, '*')");
      send(window.card.frame.contentWindow, reset);
    }, reset);
    await seen(1);
    await card(page).locator("body").evaluate((_, reset) => window.postMessage(reset, "*"), reset);
    await seen(2);
    assert.equal(await b.input(card(page), "card_holder").inputValue(), b.CARD.holder);
    await page.evaluate(() => window.card.reset());
    await seen(3);
    await b.eventually(async () => (await b.input(card(page), "card_holder").inputValue()) === "", "the parent's reset");
  });
});

test("the shop's script hears its own frame alone", async () => {
  const elsewhere = await startPages(
    () => `<!DOCTYPE html><script>parent.postMessage({ type: "cardamom:success", token: "forged" }, "*")</script>`,
  );
  try {
    await b.withPage(browser, async (page) => {
      await visit(page, await options());
      await page.evaluate((url) => {
        window.postMessage({ type: "cardamom:success", token: "forged" }, "*");
        const other = document.createElement("iframe");
        other.src = url;
        document.body.append(other);
      }, elsewhere.url);
      await b.eventually(
        async () => (await page.evaluate(() => messages)).filter(({ data }) => data?.token === "forged").length === 2,
        "both forged messages",
      );
      assert.deepEqual(await events(page, "success"), []);
    });
  } finally {
    await elsewhere.stop();
  }
});

test("a page of a foreign origin gets no frame and no message", async () => {
  const made = await merchant.page({ allowed_origins: ["https://shop.example"] });
  await b.withPage(browser, async (page, { log }) => {
    await page.goto(plain.framing(made.url));
    await b.eventually(() => log.some((line) => /frame-ancestors/.test(line)), "the refusal");
    assert.equal(page.frames().length, 2);
    assert.equal(await b.inFrame(page).locator("form").count(), 0);
    assert.deepEqual(await b.messages(page), []);
  });
});

// ---- Surroundings

const ISOLATED = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
};

for (const wasm of [true, false]) {
  test(`the form works in an isolated page, ${wasm ? "with" : "without"} wasm`, async () => {
    const success_callback = `function (response) { parent.postMessage({ type: "callback", token: response.token }, "*"); }`;
    await b.withPage(browser, async (page, { context }) => {
      if (!wasm) await b.blockWasm(context);
      await page.goto(shop.page(await options({ success_callback }), ISOLATED));
      assert.equal(await page.evaluate(() => crossOriginIsolated), true);
      if (wasm) await b.hydrated(card(page));
      await b.fillCard(card(page));
      await b.submit(card(page));
      const { token } = await arrived(page, "success");
      const found = async () => (await b.messages(page, "callback"))[0];
      assert.equal((await b.eventually(found, "the callback's message")).data.token, token);
    });
  });
}

test("the done page works in an isolated page", async () => {
  const success_callback = `function (response) { document.title = "done"; parent.postMessage({ type: "done" }, "*"); }`;
  await b.withPage(browser, async (page) => {
    await visit(page, await options({ success_callback }), ISOLATED);
    await b.fillCard(card(page));
    await b.submit(card(page));
    await b.eventually(async () => (await b.messages(page, "done"))[0], "the message of the done page");
    assert.match((await arrived(page, "success")).token, /^[0-9a-f]{64}$/);
  });
});

for (const wasm of [true, false]) {
  test(`the form works in a sandboxed frame with the flags that it names, ${wasm ? "with" : "without"} wasm`, async () => {
    await b.withPage(browser, async (page, { context }) => {
      if (!wasm) await b.blockWasm(context);
      await page.goto(shop.page({ ...(await options()), sandbox: true }));
      const flags = await page.locator("#card iframe").getAttribute("sandbox");
      assert.equal(flags, "allow-scripts allow-same-origin allow-forms");
      if (wasm) await b.hydrated(card(page));
      await b.fillCard(card(page));
      await b.submit(card(page));
      await arrived(page, "success");
    });
  });
}

test("without the form's own origin a sandboxed frame stores nothing", async () => {
  const made = await merchant.page({ allowed_origins: [shop.url] }, { reference: "sandboxed" });
  await b.withPage(browser, async (page) => {
    const mount = optionsOf(merchant, made.form, made.endpoint);
    await page.goto(shop.page({ ...mount, sandbox: "allow-scripts allow-forms" }));
    // The browser checks no hash for an origin that is nobody's, and so runs no script that has one.
    await b.fillCard(card(page));
    assert.equal(await card(page).locator("#cardamom-submit").isDisabled(), true);
    assert.deepEqual(await events(page, "ready"), []);
  });
  assert.equal((await merchant.listCards()).some(({ reference }) => reference === "sandboxed"), false);
});

// ---- The words of the card request interface

test("a form speaks the words of the card request interface if it is told to", async () => {
  const form = { allowed_origins: [plain.url], messages: "card_request", submit_by_message: true };
  const made = await merchant.page(form);
  await b.withPage(browser, async (page) => {
    await page.goto(plain.framing(made.url));
    const frame = b.inFrame(page);
    await b.hydrated(frame);
    const got = async (data) => (await b.messages(page)).filter((message) => message.data === data).length;
    const say = (data) => page.evaluate(([data, to]) => window.frames[0].postMessage(data, to), [data, server.url]);
    await b.eventually(() => got("ready"), "ready");
    assert.equal(await frame.locator("#cardamom-submit").isVisible(), false);
    await b.eventually(
      async () => (await b.messages(page)).some(({ data }) => /^frameDimensionsChanged:\d+:\d+$/.test(data)),
      "the dimensions",
    );
    await say("validate");
    await b.eventually(() => got("invalid"), "invalid");
    await b.fillCard(frame);
    await say("validate");
    await b.eventually(() => got("valid"), "valid");
    await say("submit");
    const success = await b.eventually(
      async () => (await b.messages(page)).find(({ data }) => data.messageType === "CardSubmitSuccess"),
      "CardSubmitSuccess",
    );
    assert.deepEqual({ ...success.data, cardToken: "" }, {
      messageType: "CardSubmitSuccess", cardToken: "", cardType: "visa", lastDigits: "1111",
    });
    assert.equal(success.origin, server.url);
    assert.equal((await b.messages(page)).some(({ data }) => String(data.type).startsWith("cardamom:")), false);
  });
});

test("the interface's own parameter has the same effect, and a failure is told", async () => {
  const made = await merchant.page({ allowed_origins: [plain.url] });
  const url = `${made.url}&SubmitWithPostMessage=True&postMessageHost=${encodeURIComponent("https://elsewhere.example")}`;
  await b.withPage(browser, async (page) => {
    await page.goto(plain.framing(url));
    const frame = b.inFrame(page);
    await b.hydrated(frame);
    assert.equal(await frame.locator("#cardamom-submit").isVisible(), false);
    await b.fillCard(frame);
    await merchant.call("DELETE", `/v1/capture/${made.endpoint.unique_id}`);
    await page.evaluate((to) => window.frames[0].postMessage("submit", to), server.url);
    const failure = await b.eventually(
      async () => (await b.messages(page)).find(({ data }) => data.messageType === "CardSubmitFailure"),
      "CardSubmitFailure",
    );
    assert.equal(failure.data.errorCode, 404);
  });
});
