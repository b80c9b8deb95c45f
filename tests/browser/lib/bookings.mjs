// A merchant of the booking interface with its card forms, a shop around them, and a browser.

import * as b from "./browser.mjs";
import { startCardamom } from "./cardamom.mjs";
import { startShop } from "./sites.mjs";

export async function startBookings() {
  const server = await startCardamom();
  const shop = await startShop();
  const browser = await b.launch();
  const merchant = await server.merchant("Bookings");

  /** The address of a card form. */
  async function formAt(query) {
    const sessionToken = await merchant.call("POST", "/api/payments/paycard/tempsession", {});
    return `${server.url}/api/payments/capturecard?${new URLSearchParams({ sessionToken, brand: "x", ...query })}`;
  }

  /** The stored card of a reference. */
  async function cardOf(reference) {
    return (await merchant.listCards()).find((card) => card.reference === reference);
  }

  const stop = () => Promise.all([browser.close(), shop.stop(), server.stop()]);
  return { server, shop, browser, merchant, formAt, cardOf, stop };
}
