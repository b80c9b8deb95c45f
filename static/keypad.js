// The keypad of a form that asks for one (`force_keypad`): ten digits in an order that changes each time it is
// shown, below the field that has the focus. It types into the input as a keyboard does, so formatting and checks
// are the form's own. The input stays one: a keyboard, pasting, autofill and assistive technology reach it as
// before; only the system's own keypad is kept away.
(function () {
  const template = document.getElementById("cardamom-keypad");
  if (!template) return;
  const NAMES = ["card_number", "cvv", "routing_number", "account_number"];
  const inputs = NAMES.map((name) => document.getElementById("cardamom-" + name)).filter(Boolean);
  const status = document.getElementById("cardamom-status");
  const pad = template.content.firstElementChild.cloneNode(true);
  const name = pad.getAttribute("aria-label");
  const buttons = Array.from(pad.querySelectorAll("button"));
  const digits = buttons.slice(0, 10);
  let current = null;
  let closing = false;
  let pressed = false;
  let afterPress = null;

  // Fisher-Yates. A byte that would make some places likelier than others is thrown away.
  function shuffle(list) {
    const byte = new Uint8Array(1);
    for (let left = list.length; left > 1; left -= 1) {
      do crypto.getRandomValues(byte);
      while (byte[0] >= 256 - (256 % left));
      const other = byte[0] % left;
      [list[left - 1], list[other]] = [list[other], list[left - 1]];
    }
    return list;
  }

  function show(input) {
    if (current === input) return;
    current = input;
    pad.prepend(...shuffle(digits));
    const label = document.querySelector('label[for="' + input.id + '"]').firstChild.textContent.trim();
    pad.setAttribute("aria-label", name + ": " + label);
    stop(pad.firstElementChild);
    // Last in its field, where nothing that is hydrated comes after it.
    input.closest(".field").append(pad);
  }

  function hide() {
    current = null;
    pad.remove();
    status.textContent = "";
  }

  // One key of the pad is a stop of the Tab key; arrows lead to the others.
  function stop(button) {
    for (const other of buttons) other.tabIndex = other === button ? 0 : -1;
  }

  function move(by) {
    const order = Array.from(pad.children);
    const place = order.indexOf(document.activeElement);
    const next = order[(place + by + order.length) % order.length];
    stop(next);
    next.focus();
  }

  // The place of the caret. It is kept by the input while a button has the focus.
  function type(kind, text) {
    let [start, end] = [current.selectionStart, current.selectionEnd];
    if (kind === "clear") [start, end] = [0, current.value.length];
    else if (!text && start === end && start > 0) {
      start -= 1;
      // A gap is the form's own: what is meant is the digit before it.
      while (start > 0 && !/\d/.test(current.value[start])) start -= 1;
    }
    current.setRangeText(text, start, end, "end");
    const inputType = text ? "insertText" : "deleteContentBackward";
    current.dispatchEvent(new InputEvent("input", { bubbles: true, inputType: inputType, data: text || null }));
    tellCount();
  }

  // How many digits there are, not which: the keypad is for those who may be overheard.
  function tellCount() {
    const count = (current.value.match(/\d/g) || []).length;
    status.textContent = template.dataset.count.replace("{n}", count);
  }

  function close() {
    const input = current;
    hide();
    closing = true;
    input.focus();
    closing = false;
  }

  function press(value) {
    if (value === "close") close();
    else type(value, value === "delete" || value === "clear" ? "" : value);
  }

  // Pressing a key must not take the focus, and with it the caret, from the input.
  pad.addEventListener("mousedown", (event) => event.preventDefault());
  pad.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) press(button.value);
  });
  pad.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 3, ArrowUp: -3 }[event.key];
    if (by) move(by);
    else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
  });

  const inside = (node) => node !== null && (node === current || pad.contains(node));

  // While the focus is in the pad the field has not been left: nobody complains about it yet. Where a press takes
  // the focus away, the pad goes after it: otherwise what is pressed would move from under the pointer.
  document.addEventListener(
    "focusout",
    (event) => {
      if (!current || !inside(event.target)) return;
      if (inside(event.relatedTarget)) {
        event.stopImmediatePropagation();
        return;
      }
      const [left, target] = [current, event.target];
      const leave = () => {
        if (current !== left || inside(document.activeElement)) return;
        hide();
        if (target !== left) left.dispatchEvent(new FocusEvent("focusout", { bubbles: true }));
      };
      if (pressed) afterPress = leave;
      else leave();
    },
    true,
  );

  document.addEventListener("pointerdown", () => (pressed = true), true);
  for (const end of ["pointerup", "pointercancel"])
    document.addEventListener(end, () => {
      const leave = afterPress;
      pressed = false;
      afterPress = null;
      // The click comes behind this event.
      if (leave) setTimeout(leave);
    });

  for (const input of inputs) {
    input.inputMode = "none";
    input.addEventListener("focus", () => closing || show(input));
    input.addEventListener("click", () => show(input));
    input.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && current) close();
    });
    if (document.activeElement === input) show(input);
  }
})();
