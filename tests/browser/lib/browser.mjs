// Chromium, and what a cardholder does in it.

import { chromium } from "playwright-core";

const ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** A card that schemes publish for tests. */
export const CARD = { number: "4111111111111111", holder: "Ada Lovelace", expiry: "05/31", cvv: "737" };

/** Starts Chromium; `args` are further flags. */
export function launch(args = []) {
  const executablePath = process.env.CARDAMOM_CHROMIUM ?? "/usr/bin/chromium";
  return chromium.launch({ executablePath, args: [...ARGS, ...args] });
}

/** A fresh profile with one page. `log` holds everything that its console said. */
export async function openPage(browser, options = {}) {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  const log = [];
  context.on("console", (message) => log.push(message.text()));
  context.on("weberror", (error) => log.push(String(error.error())));
  return { page, context, log, close: () => context.close() };
}

/** Runs `use` with a fresh page and closes it however that ends. */
export async function withPage(browser, use, options) {
  const opened = await openPage(browser, options);
  try {
    return await use(opened.page, opened);
  } finally {
    await opened.close();
  }
}

/** The card page in the shop's frame. */
export function inFrame(page, index = 0) {
  return page.frameLocator(`iframe[name="card${index}"]`);
}

/** Waits until the wasm has taken the form over. */
export async function hydrated(scope) {
  await scope.locator("#cardamom-form[novalidate]").waitFor();
}

/** Blocks the wasm and its glue, as an old browser or a filter does. */
export async function blockWasm(context) {
  await context.route(/\/assets\/[^?]*(\.wasm|frontend[^/]*\.js)/, (route) => route.abort());
}

export function input(scope, name) {
  return scope.locator(`input[name="${name}"]:not([type="hidden"])`);
}

/** Types what of the card the form asks for. */
export async function fillCard(scope, card = CARD) {
  const names = { card_number: card.number, card_holder: card.holder, expiry: card.expiry, cvv: card.cvv };
  for (const [name, value] of Object.entries(names)) {
    if (value !== undefined) await input(scope, name).fill(value);
  }
}

export async function submit(scope) {
  await scope.locator("#cardamom-submit").click();
}

/** Waits for the success notice. */
export async function saved(scope) {
  await scope.locator(".notice.good:not([hidden])").waitFor();
}

/** Waits until `found` answers something true, and answers that. */
export async function eventually(found, what, patience = 15_000) {
  const end = Date.now() + patience;
  for (;;) {
    const value = await found();
    if (value) return value;
    if (Date.now() > end) throw new Error(`this never came: ${what}`);
    await new Promise((next) => setTimeout(next, 20));
  }
}

/** The messages that the shop's page got, of a type if one is named. */
export async function messages(page, type) {
  const all = await page.evaluate(() => window.messages);
  return type ? all.filter(({ data }) => data?.type === type) : all;
}
