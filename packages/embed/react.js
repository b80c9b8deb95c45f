// The card form as a React component. React is the page's own; nothing else is needed and nothing is built.

import { createElement, forwardRef, useEffect, useImperativeHandle, useRef } from "react";

import { events, mount } from "./index.js";

const METHODS = ["submit", "focus", "reset", "setLocale", "setTheme"];
const handlerOf = (type) => "on" + type[0].toUpperCase() + type.slice(1);

export const CardForm = forwardRef(function CardForm(props, ref) {
  const { base, form, uniqueId, secret, sandbox, locale, theme, className, id } = props;
  const place = useRef(null);
  const card = useRef(null);
  // Handlers may change with each rendering; the frame stays.
  const current = useRef(props);
  useEffect(() => {
    current.current = props;
  });
  useEffect(() => {
    const made = mount(place.current, current.current);
    card.current = made;
    for (const type of events) made.on(type, (event) => current.current[handlerOf(type)]?.(event));
    return () => {
      card.current = null;
      made.destroy();
    };
  }, [String(base), form, uniqueId, secret, sandbox]);
  useChange(() => card.current?.setTheme(theme ?? "auto"), theme);
  useChange(() => locale && card.current?.setLocale(locale), locale);
  useImperativeHandle(ref, () => {
    const call = (name) => (argument) => card.current?.[name](argument);
    return Object.fromEntries(METHODS.map((name) => [name, call(name)]));
  }, []);
  return createElement("div", { ref: place, className, id });
});

/** Runs when a value is another one than at the rendering before: not at the first, which mounts with it. */
function useChange(run, value) {
  const before = useRef(value);
  useEffect(() => {
    if (before.current !== value) run();
    before.current = value;
  }, [value]);
}
