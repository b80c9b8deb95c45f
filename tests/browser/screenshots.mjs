// Pictures of every page, into shots/, to be looked at: node screenshots.mjs

import { mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import * as b from "./lib/browser.mjs";
import { startCardamom } from "./lib/cardamom.mjs";

const FOLDER = fileURLToPath(new URL("shots/", import.meta.url));
const SIZES = { wide: { width: 900, height: 780 }, phone: { width: 390, height: 780 }, small: { width: 320, height: 700 } };

await mkdir(FOLDER, { recursive: true });
const server = await startCardamom({ args: ["--demo"] });
const browser = await b.launch();
try {
  const merchant = await server.merchant("Pictures");
  for (const colorScheme of ["light", "dark"]) {
    for (const [size, viewport] of Object.entries(SIZES)) {
      await pictures(merchant, `${size}-${colorScheme}`, { colorScheme, viewport });
    }
  }
} finally {
  await browser.close();
  await server.stop();
}

async function pictures(merchant, name, options) {
  const take = (page, what) => page.screenshot({ path: `${FOLDER}${what}-${name}.png`, fullPage: true });
  await b.withPage(
    browser,
    async (page) => {
      const { url, endpoint } = await merchant.page({}, { max_uses: "1" });
      await page.goto(url);
      await b.hydrated(page);
      await take(page, "form");
      await b.fillCard(page, { number: "378282246310004", expiry: "13/31", cvv: "12" });
      await b.submit(page);
      await page.locator(".alerts li:visible").first().waitFor();
      await take(page, "errors");
      await b.fillCard(page);
      await take(page, "filled");
      await b.submit(page);
      await b.saved(page);
      await take(page, "success");
      await page.goto(merchant.pageUrl("pcd", endpoint));
      await take(page, "gone");
      await page.goto(merchant.fragmentUrl("pcd", endpoint).split("#")[0]);
      await page.locator("#cardamom-incomplete").waitFor();
      await take(page, "incomplete");

      await page.goto("http://localhost:8081");
      const frame = page.frameLocator("iframe");
      await b.hydrated(frame);
      await take(page, "shop");
      await b.fillCard(frame);
      await b.submit(frame);
      await page.waitForURL("**/thanks?**");
      await take(page, "thanks");
    },
    options,
  );
}
