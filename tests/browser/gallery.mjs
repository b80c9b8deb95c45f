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
  const merchant = await server.merchant("Pictures");
  await filled(merchant, "form-phone-light", { colorScheme: "light" }, { labels: "floating", show_card: true });
  await filled(merchant, "form-phone-dark", { colorScheme: "dark" }, { labels: "floating", show_card: true });
} finally {
  await browser.close();
  await server.stop();
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
