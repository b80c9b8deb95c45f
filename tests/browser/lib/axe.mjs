// axe-core in a page, and the two rules that it has no check for.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const source = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/** Fails with what axe finds in the page as it is now, all rules of WCAG 2.2 AA and its best practices. */
export async function assertAccessible(page, what = "") {
  if (!(await page.evaluate(() => "axe" in globalThis))) await page.evaluate(source);
  const { told, passes } = await page.evaluate(async (tags) => {
    const found = await globalThis.axe.run({ runOnly: tags, resultTypes: ["violations"] });
    const told = found.violations.map(({ id, nodes }) => {
      return `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join(" ")}`;
    });
    return { told, passes: found.passes.length };
  }, TAGS);
  assert.deepEqual(told, [], what);
  assert.ok(passes > 5, what);
}

/** Fails if the page has to be scrolled sideways (WCAG 1.4.10), or if a target is lower than 44 pixels. */
export async function assertFits(page, what = "") {
  const { overflow, small } = await page.evaluate(() => {
    const root = document.scrollingElement;
    const targets = [...document.querySelectorAll("input:not([type=hidden]), select, button, a")];
    const small = targets.filter((target) => {
      // A box is pressed by its label too.
      const whole = target.type === "checkbox" ? target.labels[0] : target;
      const { width, height } = whole.getBoundingClientRect();
      return width > 0 && (height < 43.5 || width < 43.5);
    });
    return { overflow: root.scrollWidth - root.clientWidth, small: small.map((target) => target.outerHTML) };
  });
  assert.ok(overflow <= 0, `${what}: ${overflow} pixels too wide`);
  assert.deepEqual(small, [], what);
}
