// Cardamom's card form in a page of yours: mounts the frame, keeps its height, tells what happens in it, and
// asks it to do things. Number and code never leave the frame.

export const version = "0.1.0";

/** The events that a form tells. */
export const events = ["ready", "change", "focus", "blur", "submit", "success", "error", "expired"];

const PREFIX = "cardamom:";
/** So many milliseconds may pass before a frame that says nothing is an error. */
const PATIENCE = 20000;
/** What a frame needs where it is sandboxed. */
const SANDBOX = "allow-scripts allow-same-origin allow-forms";

/**
 * Mounts a form inside an element, or inside the first one that a selector finds.
 * The options and the answer are described in index.d.ts.
 */
export function mount(target, options) {
  const place = typeof target === "string" ? document.querySelector(target) : target;
  if (!place) throw new TypeError("cardamom: nothing to mount in");
  const url = new URL("/v1/capture/iframe/" + encodeURIComponent(options.form || "pcd"), options.base);
  // An exact origin is what everything below rests on.
  if (!/^https?:$/.test(url.protocol)) throw new TypeError("cardamom: base");
  const query = { ...options.params, unique_id: options.uniqueId, locale: options.locale };
  for (const name in query) if (query[name]) url.searchParams.set(name, query[name]);
  // Behind the # the secret reaches no server with the request for the page.
  url.hash = "secret=" + encodeURIComponent(options.secret);

  const frame = document.createElement("iframe");
  const listeners = {};
  let theme = options.theme;
  let waiting = [];
  let ready;

  frame.title = options.title || "Card details";
  frame.referrerPolicy = "no-referrer";
  if (options.sandbox) frame.setAttribute("sandbox", options.sandbox === true ? SANDBOX : options.sandbox);
  // Not as an attribute: a page without inline styles in its policy takes these too.
  Object.assign(frame.style, { display: "block", width: "100%", height: "30em", border: "0" });
  frame.src = url.href;

  const tell = (type, detail) => {
    for (const listener of listeners[type] || []) listener({ ...detail, type });
  };
  const ask = (type, detail) => {
    if (ready) frame.contentWindow.postMessage({ ...detail, type: PREFIX + type }, url.origin);
    else if (waiting) waiting.push([type, detail]);
  };
  const hear = ({ source, origin, data }) => {
    if (source !== frame.contentWindow || origin !== url.origin || !data || typeof data.type !== "string") return;
    if (!data.type.startsWith(PREFIX)) return;
    const type = data.type.slice(PREFIX.length);
    if (type === "resize" && data.height > 0) frame.style.height = data.height + "px";
    if (type === "ready") {
      // Again after each document of the frame, as where no wasm runs.
      clearTimeout(patience);
      ready = 1;
      if (theme) ask("theme", { theme });
      for (const [asked, detail] of waiting.splice(0)) ask(asked, detail);
    }
    if (events.includes(type)) tell(type, data);
  };
  const patience = setTimeout(() => tell("error", { code: 0, reason: "load" }), PATIENCE);

  addEventListener("message", hear);
  place.append(frame);

  return {
    frame,
    on(type, listener) {
      const all = (listeners[type] = listeners[type] || new Set());
      all.add(listener);
      return () => all.delete(listener);
    },
    submit: () => ask("submit"),
    focus(field) {
      frame.focus();
      ask("focus", { field });
    },
    reset: () => ask("reset"),
    setLocale: (locale) => ask("locale", { locale }),
    setTheme(wanted) {
      theme = wanted;
      ask("theme", { theme });
    },
    destroy() {
      removeEventListener("message", hear);
      clearTimeout(patience);
      ready = waiting = 0;
      frame.remove();
    },
  };
}
