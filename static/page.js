// The script of the card form and of its result page. It works with wasm and without: it takes the secret
// from the address, runs the merchant's callbacks where they can see nothing, carries out what they ask
// for after checking it, and tells the page that frames us.
(function () {
  const node = document.getElementById("cardamom-config");
  if (!node) return;
  const config = JSON.parse(node.textContent);
  const callbacks = config.callbacks || {};
  const origins = config.allowed_origins || [];
  const form = document.getElementById("cardamom-form");
  const languages = document.getElementById("cardamom-language");
  const framed = window.parent !== window;

  // ---- The secret in the fragment (security rule 18)

  // Moves the secret from the address into the form, where the plain POST and the wasm both find it.
  function takeSecret() {
    const found = /(?:^#|&)secret=([^&]+)/.exec(location.hash);
    let input = form.querySelector('input[type="hidden"][name="secret"]');
    if (found) {
      if (!input) {
        input = document.createElement("input");
        input.type = "hidden";
        input.name = "secret";
        form.append(input);
      }
      input.value = decoded(found[1]);
      history.replaceState(null, "", location.pathname + location.search);
    }
    const complete = Boolean(input && input.value);
    document.getElementById("cardamom-submit").disabled = !complete;
    document.getElementById("cardamom-incomplete").hidden = complete;
  }

  // Another language is another page: it gets the secret where this one got it.
  function keepSecret() {
    const input = form.querySelector('input[type="hidden"][name="secret"]');
    if (!config.fragment || !input) return;
    languages.action = location.pathname + "#secret=" + encodeURIComponent(input.value);
  }

  function decoded(text) {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  }

  // ---- Messages to the page that frames us

  // Of several origins only one frames us; where the browser says which, the others need not be tried.
  const around = location.ancestorOrigins && location.ancestorOrigins[0];
  const targets = origins.includes(around) ? [around] : origins;
  // A page of opaque origin (sandboxed, a file) cannot be named.
  const anybody = [around && around !== "null" ? around : "*"];
  // What a page of any site may be told, where a form names no origins.
  const PUBLIC = ["ready", "resize", "success", "error", "expired"];

  // With an allow-list the members of `told` go to its origins only; without one nobody learns them, but for the
  // height that a frame needs.
  function tell(type, told) {
    if (!framed) return;
    const open = origins.length === 0;
    if (open && !PUBLIC.includes(type)) return;
    const details = open && type !== "resize" ? {} : told;
    const spoken = config.messages === "card_request" ? inCardRequestWords(type, details) : inOurWords(type, details);
    if (spoken === undefined) return;
    for (const target of open ? anybody : targets) window.parent.postMessage(spoken, target);
  }

  function inOurWords(type, told) {
    return { type: "cardamom:" + type, form: config.form, unique_id: config.unique_id, ...told };
  }

  // The messages of the card request interface (spec B.3).
  function inCardRequestWords(type, told) {
    if (type === "ready" || type === "valid" || type === "invalid") return type;
    if (type === "resize") return `frameDimensionsChanged:${told.width}:${told.height}`;
    if (type === "success") {
      const { token: cardToken, brand: cardType, last_four: lastDigits } = told;
      return { messageType: "CardSubmitSuccess", cardToken, cardType, lastDigits };
    }
    if (type === "question") return { messageType: "CustomValidation", ...told };
    if (type === "error" && told.reason === "invalid") return "invalid";
    if (type === "error" || type === "expired") {
      const message = type === "expired" ? "This form can no longer be used." : "The card was not stored.";
      return { messageType: "CardSubmitFailure", message, errorCode: told.code };
    }
    return undefined;
  }

  function succeeded(result) {
    const { user, token, reference } = result.response || {};
    const { card_type, last_four } = result.request || {};
    const inWords = config.messages === "card_request" ? { brand: card_type, last_four } : {};
    tell("success", { user, token, reference, ...inWords });
    run(callbacks.success, [result.response || {}, result.request || {}], result.fallback);
  }

  function failed(failure) {
    const { code, status } = failure;
    if (status === 404) tell("expired", { code });
    else tell("error", { code, status, reason: reasonOf(status, failure.data) });
    run(callbacks.error, [failure]);
  }

  function reasonOf(status, data) {
    if (status === 0) return "network";
    if (status === 429) return "limit";
    if (status >= 500) return "server";
    return data && Array.isArray(data.errors) && data.errors.length > 0 ? "invalid" : "refused";
  }

  // The frame grows and shrinks with the form. The height of the window says nothing: it is what is asked for.
  function tellSize() {
    const size = { width: 0, height: 0 };
    new ResizeObserver(() => {
      const { width, height } = document.body.getBoundingClientRect();
      const now = { width: Math.ceil(width), height: Math.ceil(height) };
      if (now.width === size.width && now.height === size.height) return;
      tell("resize", Object.assign(size, now));
    }).observe(document.body);
  }

  // What happens in the form. The wasm tells how it stands with the fields: brand, whether all is complete, whether a
  // problem is shown, and a word for each field; never what was entered.
  function tellEvents() {
    const fieldOf = (event) => (event.target.type === "hidden" ? "" : event.target.name);
    form.addEventListener("focusin", (event) => fieldOf(event) && tell("focus", { field: fieldOf(event) }));
    form.addEventListener("focusout", (event) => fieldOf(event) && tell("blur", { field: fieldOf(event) }));
    document.addEventListener("cardamom:submit", () => tell("submit", {}));
    document.addEventListener("cardamom:checked", (event) => {
      // The check before a question is answered by the question.
      if (!event.detail || !checking) tell(event.detail ? "valid" : "invalid", {});
    });
    document.addEventListener("cardamom:refused", () => tell("error", { code: 400, status: 400, reason: "invalid" }));
    document.addEventListener("cardamom:change", (event) => {
      const [brand, complete, valid, ...fields] = event.detail.split(" ");
      typedBrand = brand;
      tell("change", {
        brand,
        complete: complete === "true",
        valid: valid === "true",
        fields: Object.fromEntries(fields.map((field) => field.split("="))),
      });
    });
    form.addEventListener("input", () => {
      // Without wasm only the browser's own check is known.
      if (!form.noValidate) tell("change", { brand: "", complete: form.checkValidity(), valid: true, fields: {} });
    });
  }

  // ---- What the page that frames us may ask for

  // Only that page, only from an origin of the form, and nothing that shows or changes what was entered, or what
  // the person reads beside it.
  function listen() {
    if (!framed || origins.length === 0) return;
    addEventListener("message", (event) => {
      if (event.source !== window.parent || !origins.includes(event.origin)) return;
      const data = event.data;
      if (config.messages === "card_request") {
        if (data === "submit") submitForm();
        else if (data === "validate") validateForm();
        else hear(data);
      } else if (data && typeof data.type === "string") {
        obey(data.type, data);
      }
    });
  }

  function obey(type, asked) {
    // To pay is the payer's own click.
    if (type === "cardamom:submit" && !config.payment) submitForm();
    else if (type === "cardamom:focus") focusField(asked.field);
    else if (type === "cardamom:reset") form.reset();
    else if (type === "cardamom:theme") chooseScheme(asked.theme);
    else if (type === "cardamom:locale") chooseLocale(asked.locale);
  }

  function submitForm() {
    const button = document.getElementById("cardamom-submit");
    if (form.isConnected && button && !button.disabled) form.requestSubmit(button);
  }

  // ---- The check by the page that frames us (useCustomValidation, spec B.3)

  // So long it may take to answer.
  const QUESTION = 10000;
  let typedBrand = "";
  let checking = false;
  let question = null;
  let allowed = false;

  // Holds every submit of a form that is right until the page around has allowed it. What it says is shown as text.
  function askAround() {
    const verdict = document.createElement("div");
    verdict.setAttribute("role", "alert");
    document.getElementById("cardamom-fields").before(verdict);
    form.addEventListener("input", () => verdict.replaceChildren());
    document.addEventListener(
      "submit",
      (event) => {
        if (event.target !== form || allowed) return;
        event.preventDefault();
        event.stopImmediatePropagation();
        if (question || !isRight()) return;
        verdict.replaceChildren();
        ask((answer) => {
          if (answer.allows) {
            allowed = true;
            submitForm();
            allowed = false;
          } else {
            const text = document.createElement("p");
            text.className = "alert";
            text.textContent = answer.message || config.asks_around.failed;
            verdict.append(text);
            verdict.scrollIntoView({ block: "nearest" });
          }
        });
      },
      true,
    );
  }

  // Without wasm the browser has checked the form before it is submitted.
  function isRight() {
    if (!form.noValidate) return true;
    let right = false;
    const note = (event) => (right = event.detail);
    document.addEventListener("cardamom:checked", note);
    checking = true;
    form.dispatchEvent(new CustomEvent("cardamom:check"));
    checking = false;
    document.removeEventListener("cardamom:checked", note);
    return right;
  }

  function ask(answered) {
    const digits = typedDigits();
    const end = (answer) => {
      clearTimeout(question.timer);
      question = null;
      wait(false);
      // Another number than the one that was asked about has to be asked about.
      if (answer.allows && typedDigits() !== digits) ask(answered);
      else answered(answer);
    };
    const late = () => {
      end({ allows: false });
      tell("error", { code: 408 });
    };
    question = { end, timer: setTimeout(late, QUESTION) };
    wait(true);
    tell("question", { cardType: typedBrand || "unspecified", ...masked(digits) });
  }

  function hear(data) {
    const answer = typeof data === "string" ? parsed(data) : data;
    if (!question || !answer || answer.action !== "customValidationResponse") return;
    const message = typeof answer.message === "string" ? answer.message.trim().slice(0, 300) : "";
    question.end({ allows: String(answer.success).toLowerCase() === "true", message });
  }

  function wait(waits) {
    document.getElementById("cardamom-submit").setAttribute("aria-disabled", String(waits));
    document.getElementById("cardamom-status").textContent = waits ? config.asks_around.waits : "";
  }

  function typedDigits() {
    const number = form.elements.namedItem("card_number");
    return number ? number.value.normalize("NFKC").replace(/\D/g, "") : "";
  }

  // What may be told of a number: its ends, as long as six digits stay hidden.
  function masked(digits) {
    const shown = Math.min(6, Math.max(0, digits.length - 10));
    return { leadingDigits: digits.slice(0, shown), lastDigits: digits.length < 12 ? "" : digits.slice(-4) };
  }

  function validateForm() {
    if (!form.isConnected) return;
    if (form.noValidate) form.dispatchEvent(new CustomEvent("cardamom:check"));
    else tell(form.reportValidity() ? "valid" : "invalid", {});
  }

  function shownFields() {
    // The brands of a co-badged card are hidden until there is a choice.
    const fields = [...form.querySelectorAll("input:not([type=hidden]), select, textarea")];
    return fields.filter((field) => !field.closest("[hidden]"));
  }

  // Whether something was entered since the page came.
  function isTouched(field) {
    if (field.options) return field.selectedIndex !== [...field.options].findIndex((one) => one.defaultSelected) && field.value !== "";
    return field.checked !== field.defaultChecked || field.value !== field.defaultValue;
  }

  function focusField(name) {
    const fields = shownFields();
    const wanted = fields.find((field) => field.name === name);
    const open = fields.find((field) => field.value === "" || field.getAttribute("aria-invalid") === "true");
    (wanted || open || fields[0])?.focus();
  }

  // Light or dark is all that a page may choose while a form is shown: with colours of its own it could hide a
  // label or a message. Colours are set with the form, where their contrast is checked.
  const media = new Map();
  function chooseScheme(theme) {
    const scheme = { light: "light", dark: "dark", auto: "" }[theme];
    if (scheme === undefined) return;
    document.documentElement.style.colorScheme = scheme;
    for (const sheet of document.styleSheets) {
      for (const rule of sheet.cssRules) {
        const written = media.get(rule) || (rule.media && rule.media.mediaText);
        const asked = /prefers-color-scheme:\s*(dark|light)/.exec(written || "");
        if (!asked) continue;
        media.set(rule, written);
        const chosen = scheme === "" ? asked[0] : scheme === asked[1] ? "min-width: 0" : "max-width: 0";
        rule.media.mediaText = written.replace(asked[0], chosen);
      }
    }
  }

  // Another language is another document, so nothing that was entered may be lost by it.
  function chooseLocale(locale) {
    if (typeof locale !== "string" || !/^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$/.test(locale)) return;
    if (!form.isConnected || shownFields().some(isTouched)) {
      tell("error", { reason: "locale" });
      return;
    }
    const address = new URL(location.href);
    address.searchParams.set("locale", locale);
    const secret = form.elements.namedItem("secret");
    if (config.fragment && secret) address.hash = "secret=" + encodeURIComponent(secret.value);
    location.replace(address);
  }

  // ---- What a callback asks for (security rule 15)

  const LOOPBACK = ["localhost", "127.0.0.1", "[::1]"];

  // The address if it may be navigated to: absolute, https, and not ours.
  function allowedAddress(text) {
    let url;
    try {
      url = new URL(text);
    } catch {
      return null;
    }
    const local = config.insecure_navigation && url.protocol === "http:" && LOOPBACK.includes(url.hostname);
    return (url.protocol === "https:" || local) && url.origin !== location.origin ? url.href : null;
  }

  function navigate(ask) {
    const address = allowedAddress(ask.url);
    if (!address) {
      console.warn("cardamom: a callback asked for an address that is not allowed");
      return;
    }
    const target = ask.where === "top" ? window.top : ask.where === "parent" ? window.parent : window;
    try {
      if (ask.replace) target.location.replace(address);
      else target.location.href = address;
    } catch {
      offerLink(address);
    }
  }

  // A browser may let a frame navigate the page around it only by a click: then there is something to click.
  function offerLink(address) {
    const notice = document.querySelector(".notice:not([hidden])");
    if (!notice || notice.querySelector("a")) return;
    const link = document.createElement("a");
    link.href = address;
    link.target = "_top";
    link.rel = "noreferrer";
    link.className = "button";
    link.textContent = config.texts.continue;
    notice.append(link);
  }

  function message(ask) {
    const target = ask.where === "top" ? window.top : window.parent;
    if (target === window) return;
    for (const origin of origins) {
      if (ask.origin === "*" || ask.origin === origin || ask.origin === origin + "/") {
        target.postMessage(ask.data, origin);
      }
    }
  }

  // ---- The room in which a callback runs

  const PATIENCE = 10000;
  const MOST_ASKS = 20;
  const MOST_CHARACTERS = 65536;

  // A worker from a data: address has an opaque origin and no document, and cannot take the focus. Where the
  // browser starts none, the frame goes to the done page, which runs the callback too.
  function run(source, args, fallback) {
    if (!source || callbacks.runner !== "worker") return;
    const goElsewhere = () => {
      if (typeof fallback === "string" && /^\/(?!\/)/.test(fallback)) location.assign(fallback);
      else console.warn("cardamom: the callback could not be started");
    };
    let started = false;
    let worker;
    try {
      worker = new Worker("data:text/javascript;charset=utf-8," + encodeURIComponent(program(source, args)));
    } catch {
      goElsewhere();
      return;
    }
    let asks = 0;
    const end = setTimeout(() => worker.terminate(), PATIENCE);
    worker.onmessage = (event) => {
      asks += 1;
      if (asks > MOST_ASKS) worker.terminate();
      if (asks > MOST_ASKS || typeof event.data !== "string" || event.data.length > MOST_CHARACTERS) return;
      const ask = parsed(event.data) || {};
      if (ask.kind === "started") started = true;
      else if (ask.kind === "navigate") navigate(ask);
      else if (ask.kind === "message") message(ask);
    };
    worker.onerror = (event) => {
      // The browser's own report would quote the callback and its data.
      event.preventDefault();
      clearTimeout(end);
      worker.terminate();
      if (started) console.warn("cardamom: the callback failed");
      else goElsewhere();
    };
  }

  function parsed(text) {
    try {
      return JSON.parse(text);
    } catch {
      return null;
    }
  }

  // The whole source of the worker. Data enter as JSON; the callback is an expression inside `with`, so that
  // its free names are looked up among the stand-ins.
  function program(source, args) {
    const place = {};
    for (const part of ["origin", "protocol", "host", "hostname", "port", "pathname"]) {
      place[part] = location[part];
    }
    place.href = place.origin + place.pathname;
    const input = JSON.stringify(JSON.stringify({ args: args, place: place }));
    return `(${room})(${input}, function (scope) { with (scope) { const callback = ${source}\n; return callback; } });`;
  }

  // Runs in the worker, by its text: takes away what reaches out, then gives the callback stand-ins that ask.
  function room(json, make) {
    const root = globalThis;
    const input = JSON.parse(json);
    const post = root.postMessage.bind(root);
    const write = JSON.stringify;
    const ask = (what) => post(write(what));
    const nothing = () => {};
    ask({ kind: "started" });

    const kept =
      "Object Function Array String Number Boolean BigInt Symbol Math Date JSON RegExp Map Set WeakMap WeakSet " +
      "Promise Proxy Reflect Error TypeError RangeError SyntaxError ReferenceError EvalError URIError Intl " +
      "ArrayBuffer DataView Uint8Array Uint8ClampedArray Int8Array Uint16Array Int16Array Uint32Array Int32Array " +
      "Float32Array Float64Array parseInt parseFloat isNaN isFinite NaN Infinity undefined encodeURI decodeURI " +
      "encodeURIComponent decodeURIComponent escape unescape URL URLSearchParams TextEncoder TextDecoder atob btoa " +
      "setTimeout clearTimeout setInterval clearInterval queueMicrotask structuredClone console";
    const names = new Set(kept.split(" "));
    const basics = Object.create(null);
    for (const name of names) {
      const value = root[name];
      // Called through `with`, a function of the host would get the scope as its `this`.
      basics[name] = typeof value === "function" && /^[a-z]/.test(name) ? value.bind(root) : value;
    }
    for (let level = root; level && level !== Object.prototype; level = Object.getPrototypeOf(level)) {
      for (const name of Reflect.ownKeys(level)) {
        if (!names.has(name)) Reflect.deleteProperty(level, name);
      }
    }

    function locationOf(where) {
      const go = (url, replace) => ask({ kind: "navigate", where: where, url: String(url), replace: replace });
      const members = Object.assign(Object.create(null), input.place, {
        search: "",
        hash: "",
        assign: (url) => go(url, false),
        replace: (url) => go(url, true),
        reload: nothing,
        toString: () => input.place.href,
      });
      return new Proxy(Object.create(null), {
        get: (_, name) => (name === Symbol.toPrimitive ? members.toString : members[name]),
        set: (_, name, value) => {
          if (name === "href") go(value, false);
          return true;
        },
      });
    }

    function open(url, target) {
      const where = { _top: "top", _parent: "parent", _self: "frame" }[target];
      if (where) ask({ kind: "navigate", where: where, url: String(url), replace: false });
      return null;
    }

    // A window: its location asks, its links lead to other stand-ins, what is written to it stays in it.
    function windowOf(where) {
      const members = Object.assign(Object.create(null), basics, {
        location: locationOf(where),
        name: "",
        closed: false,
        length: 0,
        opener: null,
        frameElement: null,
        open: open,
        close: nothing,
        focus: nothing,
        blur: nothing,
        alert: nothing,
        addEventListener: nothing,
        removeEventListener: nothing,
        dispatchEvent: nothing,
        history: { length: 1, state: null, back: nothing, forward: nothing, go: nothing, pushState: nothing, replaceState: nothing },
        postMessage: nothing,
      });
      if (where !== "frame") {
        members.postMessage = (data, origin) => {
          const to = origin && typeof origin === "object" ? origin.targetOrigin : origin;
          ask({ kind: "message", where: where, data: data, origin: String(to) });
        };
      }
      const view = new Proxy(members, {
        has: () => true,
        get: (_, name) => (name === Symbol.unscopables ? undefined : members[name]),
        set: (_, name, value) => {
          if (name === "location") members.location.href = value;
          else if (name !== "top" && name !== "parent") members[name] = value;
          return true;
        },
      });
      for (const name of ["window", "self", "globalThis", "frames"]) members[name] = view;
      return view;
    }

    const top = windowOf("top");
    const parent = windowOf("parent");
    const view = windowOf("frame");
    const link = (from, to) => Object.defineProperties(from, { top: { value: top }, parent: { value: to } });
    link(top, top);
    link(parent, top);
    link(view, parent);

    const callback = make(view);
    if (typeof callback === "function") callback.apply(view, input.args);
  }

  // ---- Payments

  // What the issuer wants to know of the browser, for the inputs that stand ready for it.
  function tellBrowser() {
    const facts = {
      browser_color_depth: screen.colorDepth,
      browser_java_enabled: false,
      browser_language: navigator.language,
      browser_screen_height: screen.height,
      browser_screen_width: screen.width,
      browser_tz: new Date().getTimezoneOffset(),
      window_height: innerHeight,
      window_width: innerWidth,
    };
    for (const [name, value] of Object.entries(facts)) {
      const input = form.elements.namedItem(name);
      if (input) input.value = value;
    }
  }

  // The payer goes to the issuer at once; who comes back from there, or reloads the page, is asked.
  function goToIssuer() {
    const [visit] = performance.getEntriesByType("navigation");
    if (visit && visit.type !== "navigate") return;
    const step = document.getElementById("cardamom-issuer");
    if (step.tagName === "FORM") step.requestSubmit();
    else step.click();
  }

  // ---- Start

  // Where the browser did not follow `autofocus`, as in a frame of another site; and where the form wants it.
  function focusFirst() {
    const wrong = form.querySelector('[aria-invalid="true"]') || (config.auto_focus && shownFields()[0]);
    if (wrong && document.activeElement === document.body) wrong.focus();
  }

  // What is sent again unchanged is the same submit, and stored once. What was changed after it was sent is
  // another one, whatever became of the first.
  function renewSubmits() {
    let sent = false;
    document.addEventListener("submit", () => {
      sent = true;
    });
    document.addEventListener("input", () => {
      const number = form.elements.namedItem("submit_id");
      if (sent && number) number.value = crypto.getRandomValues(new Uint32Array(4)).join("-");
      sent = false;
    });
  }

  // The first touch of a person says that the form was seen; opening the page does not, scanners do that too.
  function tellFirstTouch() {
    const events = ["pointerdown", "keydown", "input"];
    const told = () => {
      for (const event of events) form.removeEventListener(event, told, true);
      navigator.sendBeacon(config.beacon);
    };
    for (const event of events) form.addEventListener(event, told, true);
  }

  if (form) {
    if (config.fragment) {
      takeSecret();
      addEventListener("hashchange", takeSecret);
    }
    // Without wasm the browser posts the form itself; it does so once.
    let posted = false;
    document.addEventListener("submit", (event) => {
      if (event.target === languages) keepSecret();
      if (event.target !== form || event.defaultPrevented) return;
      if (posted) event.preventDefault();
      else tell("submit", {});
      posted = true;
    });
    addEventListener("pageshow", () => {
      posted = false;
    });
    for (const name of ["copy", "cut"]) document.addEventListener(name, takeMasked);
    renewSubmits();
    if (config.beacon) tellFirstTouch();
    if (config.payment) tellBrowser();
    requestAnimationFrame(focusFirst);
    if (framed && origins.length > 0 && config.asks_around) askAround();
    if (framed && origins.length > 0 && config.submit_by_message) {
      // The page around the frame has a button of its own.
      document.getElementById("cardamom-submit").hidden = true;
    }
    tellEvents();
    listen();
    tell("ready", {});
    if (!config.failure && form.querySelector('[aria-invalid="true"]')) {
      tell("error", { code: 422, status: 422, reason: "invalid" });
    }
  }

  // A browser copies the dots of a masked code. Who copies means what was typed.
  function takeMasked(event) {
    const input = event.target;
    if (!input.matches || !input.matches(".masked")) return;
    const text = input.value.slice(input.selectionStart, input.selectionEnd);
    if (!text) return;
    event.preventDefault();
    event.clipboardData.setData("text/plain", text);
    if (event.type === "cut") document.execCommand("delete");
  }

  if (framed) {
    document.documentElement.dataset.framed = "";
    tellSize();
  }
  if (config.ended) tell("expired", { code: 404 });
  // How a payment ended is told by the page that comes next.
  document.addEventListener("cardamom:success", (event) => {
    if (!config.payment) succeeded(event.detail);
  });
  document.addEventListener("cardamom:error", (event) => failed(event.detail));
  if (config.result) succeeded(config.result);
  if (config.failure) failed(config.failure);
  if (config.to_issuer) goToIssuer();
})();
