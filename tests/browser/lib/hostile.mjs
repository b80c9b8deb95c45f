// What hostile callbacks do, as text: they look for the canary in everything that they can reach, and tell.

/** A published test card whose digits stand in nothing else that the pages hold. */
export const CANARY = { number: "378282246310005", holder: "Ada Lovelace", expiry: "05/31", cvv: "7391" };

/** Whether a text holds the canary's number, however it is grouped, or its code as a value. */
export function holdsCanary(text) {
  return text.replaceAll(/[\s\-+]|%20/g, "").includes(CANARY.number) || text.includes(`"${CANARY.cvv}"`);
}

/**
 * The source of `search(roots)`, which walks everything that hangs on the roots and answers the paths at which
 * the canary was found, and how much was looked at. It names nothing that would choose a runner.
 */
export const SEARCH = String.raw`
const wanted = ["3782", "8224631", "0005"].join(""), code = ["73", "91"].join("");
function search(roots) {
  const seen = new Set(), hits = [], queue = [];
  let visited = 0;
  for (const name of Object.keys(roots)) {
    try { queue.push([name, roots[name](), 0]); } catch (refused) {}
  }
  for (let item = queue.shift(); item && visited < 30000; item = queue.shift()) {
    const [path, value, depth] = item;
    visited += 1;
    if (typeof value === "string" || typeof value === "number") {
      const text = String(value);
      if (text.replace(/[\s-]/g, "").includes(wanted) || text === code || text.includes('"' + code + '"')) hits.push(path);
      continue;
    }
    if (value === null || typeof value !== "object" && typeof value !== "function") continue;
    if (seen.has(value) || depth > 7) continue;
    seen.add(value);
    for (let level = value; level; ) {
      let names = [];
      try { names = Reflect.ownKeys(level); } catch (refused) {}
      for (const name of names) {
        try { queue.push([path + "." + String(name), value[name], depth + 1]); } catch (refused) {}
      }
      try { level = Object.getPrototypeOf(level); } catch (refused) { level = null; }
    }
  }
  return { hits: hits, visited: visited };
}`;

/** Roots that a callback finds in its worker: its scope, what sloppy functions call \`this\`, its arguments. */
export const WORKER_ROOTS = String.raw`{
  scope: () => globalThis, real: () => (function () { return this; })(), args: () => args, window: () => window,
  self: () => self, top: () => top, parent: () => parent, opener: () => opener, frames: () => frames,
  page: () => window["docu" + "ment"], sibling: () => parent.frames[1], child: () => frames[0],
  local: () => localStorage, session: () => sessionStorage, navigator: () => navigator, history: () => history,
  made: () => Function("return this")(), made2: () => [].constructor.constructor("return this")(),
  evaluated: () => (0, eval)("this"), caller: () => args.callee.caller, stack: () => new Error().stack,
  element: () => frameElement, performance: () => performance.getEntries(),
}`;

/** Roots that a callback finds in the done page. */
export const PAGE_ROOTS = String.raw`{
  window: () => window, args: () => args, html: () => document.documentElement.outerHTML,
  cookie: () => document.cookie, local: () => Object.values(localStorage), session: () => Object.values(sessionStorage),
  opener: () => window.opener, parent: () => parent, top: () => top, referrer: () => document.referrer,
  parentPage: () => parent.document.documentElement.outerHTML, topPage: () => top.document.documentElement.outerHTML,
  siblingPage: () => parent.frames[1].document.documentElement.outerHTML,
  siblingInput: () => parent.frames[1].document.querySelector("input").value,
  ownSlotPage: () => parent.frames[0].document.documentElement.outerHTML,
  history: () => history.state, entries: () => performance.getEntries().map((entry) => JSON.stringify(entry)),
  name: () => window.name, element: () => frameElement.outerHTML,
}`;
