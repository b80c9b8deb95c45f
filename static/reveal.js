// The page that shows a stored card to whoever holds a retrieve endpoint's secret: masked first, in clear after a click
// and for a time. What it shows is nowhere but in the page, and gone from it afterwards.
"use strict";
(() => {
  const main = document.querySelector("main");
  const button = main.querySelector("#show");
  const status = main.querySelector("#status");
  const others = main.querySelector("#others");
  const words = main.dataset;

  // The secret leaves the address before anything else happens.
  const query = new URLSearchParams(location.search);
  const fragment = new URLSearchParams(location.hash.slice(1));
  const find = (name) => fragment.get(name) ?? query.get(name) ?? undefined;
  const secret = find("secret");
  const asked = { unique_id: find("unique_id"), token: find("token"), reference: find("reference") };
  history.replaceState(null, "", location.pathname);

  let masked = null;
  let ends = 0;
  let timer = 0;

  const call = async (reveal) => {
    const answer = await fetch(location.pathname, {
      method: "POST",
      headers: { "content-type": "application/json", "x-retrieve-secret": secret },
      body: JSON.stringify({ ...asked, reveal }),
      cache: "no-store",
      credentials: "omit",
      referrerPolicy: "no-referrer",
    });
    if (answer.ok) return answer.json();
    throw new Error(answer.status === 404 ? words.ended : words.failed);
  };

  /** Digits in the groups that cards are printed with; anything else as it is. */
  const grouped = (text) => {
    if (!/^\d{12,19}$/.test(text)) return text;
    return text.length === 15 ? text.replace(/^(.{4})(.{6})/, "$1 $2 ") : text.replace(/(.{4})(?=.)/g, "$1 ");
  };

  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // A frame may have no leave for the clipboard; a selection that is copied needs none.
      const field = document.createElement("textarea");
      field.value = text;
      main.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
      button.focus();
    }
    status.textContent = words.copied;
  };

  const row = (name, value, open) => {
    const term = document.createElement("dt");
    const text = document.createElement("dd");
    const shown = document.createElement("span");
    term.textContent = name;
    shown.textContent = grouped(value);
    shown.dir = "auto";
    text.append(shown);
    if (open) {
      const copies = document.createElement("button");
      copies.type = "button";
      copies.className = "copy";
      copies.textContent = words.copy;
      copies.setAttribute("aria-label", `${words.copy}: ${name}`);
      copies.addEventListener("click", () => copy(value));
      text.append(copies);
    }
    return [term, text];
  };

  const fill = (rows, open) => {
    others.replaceChildren(...rows.flatMap(([name, value]) => row(words[name] ?? name, value, open)));
    main.dataset.open = open;
  };

  const hide = () => {
    clearInterval(timer);
    if (main.dataset.open !== "true") return;
    fill(masked, false);
    button.textContent = words.show;
    status.textContent = "";
  };

  const tick = () => {
    const left = Math.ceil((ends - performance.now()) / 1000);
    if (left <= 0) hide();
    else button.textContent = `${words.hide} (${left})`;
  };

  const failed = (error) => {
    hide();
    status.textContent = error.message === words.ended ? words.ended : words.failed;
    if (error.message === words.ended) button.hidden = true;
  };

  button.addEventListener("click", async () => {
    if (main.dataset.open === "true") return hide();
    button.disabled = true;
    status.textContent = "";
    try {
      const { rows } = await call(true);
      fill(rows, true);
      ends = performance.now() + Number(words.seconds) * 1000;
      timer = setInterval(tick, 250);
      tick();
    } catch (error) {
      failed(error);
    } finally {
      button.disabled = false;
    }
  });

  // Nothing stays open where nobody looks, nor in what the browser keeps of a page that was left.
  document.addEventListener("visibilitychange", () => document.hidden && hide());
  addEventListener("pagehide", hide);

  if (!secret || !asked.unique_id) {
    status.textContent = words.incomplete;
    return;
  }
  call(false).then(
    ({ rows }) => {
      masked = rows;
      fill(masked, false);
      button.hidden = false;
    },
    (error) => failed(error),
  );
})();
