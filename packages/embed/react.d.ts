import type { ForwardRefExoticComponent, RefAttributes } from "react";

import type { CardForm as Form, EventName, FormEvents, Options } from "./index.js";

type Handlers = { [Name in EventName as `on${Capitalize<Name>}`]?: (event: FormEvents[Name]) => void };

export interface CardFormProps extends Options, Handlers {
  /** The class of the element around the frame. */
  className?: string;
  /** The id of the element around the frame. */
  id?: string;
}

/** What a ref holds. */
export type CardFormHandle = Pick<Form, "submit" | "focus" | "reset" | "setLocale" | "setTheme">;

/**
 * The card form. Another endpoint, form, base or sandbox mounts a new frame; another theme or locale changes the
 * one that is there; handlers may change with each rendering.
 */
export const CardForm: ForwardRefExoticComponent<CardFormProps & RefAttributes<CardFormHandle>>;
