// A shop that mounts the form by embed.js, under policies of its own.

import { createHash } from "node:crypto";

import { startPages } from "./sites.mjs";

/** The newest version that a server has: version, address and hash. */
export async function newest(server) {
  const list = await (await fetch(`${server.url}/.well-known/cardamom/scripts.json`)).json();
  const { version, script } = list.embed.at(-1);
  return { url: `${server.url}/embed/${version}/embed.js`, integrity: script.integrity };
}

// What the shop's own script does: mounts with what stands in the page, keeps all events and what it is told.
const SHOP = `const options = JSON.parse(document.getElementById("options").dataset.options);
window.events = [];
window.violations = [];
window.messages = [];
addEventListener("securitypolicyviolation", (event) => violations.push(event.violatedDirective + " " + event.blockedURI));
addEventListener("message", ({ origin, data }) => messages.push({ origin, data }));
window.card = Cardamom.mount("#card", options);
for (const type of Cardamom.events) card.on(type, (event) => events.push(event));
`;

export const SHOP_HASH = `sha384-${createHash("sha384").update(SHOP).digest("base64")}`;

/**
 * Starts the shop. Its address takes `options` (for mount, as JSON) and `headers` (name and value, as JSON).
 */
export async function startEmbedShop(script) {
  const shop = await startPages((request, url, response) => {
    for (const [name, value] of Object.entries(JSON.parse(url.searchParams.get("headers") ?? "{}"))) {
      response.setHeader(name, value);
    }
    if (url.pathname === "/shop.js") {
      response.setHeader("content-type", "text/javascript");
      response.setHeader("cross-origin-resource-policy", "same-origin");
      return SHOP;
    }
    const options = (url.searchParams.get("options") ?? "").replaceAll("&", "&amp;").replaceAll('"', "&quot;");
    return `<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Shop</title>
<div id="options" data-options="${options}"></div><h1>Shop</h1><div id="card"></div>
<script src="${script.url}" integrity="${script.integrity}" crossorigin="anonymous"></script>
<script src="/shop.js" integrity="${SHOP_HASH}" crossorigin="anonymous"></script></html>`;
  });
  return {
    ...shop,
    /** The address of a page with the form. */
    page: (options, headers = {}) =>
      `${shop.url}/?${new URLSearchParams({ options: JSON.stringify(options), headers: JSON.stringify(headers) })}`,
  };
}

/** What mount needs for a form and an endpoint. */
export function optionsOf(merchant, form, endpoint) {
  return { base: merchant.url, form: form.id ?? form, uniqueId: endpoint.unique_id, secret: endpoint.secret };
}

/** The events of a type that the shop got so far. */
export async function events(page, type) {
  return (await page.evaluate(() => window.events)).filter((event) => event.type === type);
}
