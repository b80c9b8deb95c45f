// Pictures of the gallery and of real pages, into docs/images: node tests/browser/gallery.mjs

import { mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import * as b from "./lib/browser.mjs";
import { startCardamom } from "./lib/cardamom.mjs";

const FOLDER = fileURLToPath(new URL("../../docs/images/", import.meta.url));
const GALLERY = "http://localhost:8081/gallery";

await mkdir(FOLDER, { recursive: true });
const server = await startCardamom({ args: ["--demo"] });
const browser = await b.launch();
const take = (page, what) => page.screenshot({ path: `${FOLDER}${what}.png`, fullPage: true });
try {
  for (const scheme of ["light", "dark"]) {
    await b.withPage(
      browser,
      async (page) => {
        await page.goto(`${GALLERY}?scheme=${scheme}`, { waitUntil: "networkidle" });
        await take(page, `gallery-${scheme}`);
      },
      // High enough for all of it: frames out of sight are not painted.
      { viewport: { width: 1684, height: 2400 }, reducedMotion: "reduce" },
    );
  }
  const merchant = await server.merchant("Spice & Co");
  await filled(merchant, "form-phone-light", { colorScheme: "light" }, { labels: "floating", show_card: true });
  await filled(merchant, "form-phone-dark", { colorScheme: "dark" }, { labels: "floating", show_card: true });
  const paid = await invoice(merchant, { gateway_options: { cardgate: { tokenize: true } } });
  await payment({ colorScheme: "light" }, paid.url, async (page) => {
    await b.fillCard(page, { number: "5519283812030000", holder: "Ada King", expiry: "12/31", cvv: "123" });
    await page.locator('input[name="consent"]').check();
    await take(page, "payment-phone-light");
    await b.submit(page);
    await page.locator(".notice.good").waitFor();
  });
  const stored = await invoice(merchant, { token: (await paid.show()).payload.token });
  await payment({ colorScheme: "dark" }, stored.url, (page) => take(page, "payment-phone-dark"));
} finally {
  await browser.close();
  await server.stop();
}

let invoices = 0;

/** An invoice in test mode. */
async function invoice(merchant, more) {
  const attributes = {
    test_mode: true, reference_id: `picture-${(invoices += 1)}`, service: "payment_card_eur_hpp", currency: "EUR", amount: 16.3,
    description: "Green cardamom, 250 g, and shipping", customer: { reference_id: "customer-1" }, ...more,
  };
  const body = { data: { type: "payment-invoices", attributes } };
  const { data } = await merchant.trade("POST", "/payment-invoices", body);
  const show = async () => (await merchant.trade("GET", `/payment-invoices/${data.id}`)).data.attributes;
  return { url: data.attributes.flow_data.action, show };
}

/** A payment's page, as a phone shows it. */
function payment(media, url, use) {
  const phone = { viewport: { width: 390, height: 720 }, deviceScaleFactor: 2, reducedMotion: "reduce" };
  return b.withPage(
    browser,
    async (page) => {
      await page.goto(url);
      await b.hydrated(page);
      await use(page);
    },
    { ...media, ...phone },
  );
}

/** A filled form, as a phone shows it. */
async function filled(merchant, name, media, form) {
  await b.withPage(
    browser,
    async (page) => {
      const { url } = await merchant.page(form);
      await page.goto(url);
      await b.hydrated(page);
      await b.fillCard(page);
      await b.input(page, "card_holder").focus();
      await take(page, name);
    },
    { ...media, viewport: { width: 390, height: 780 }, deviceScaleFactor: 2, reducedMotion: "reduce" },
  );
}
