/** The version of this script, which is part of its address. */
export const version: string;

/** The events that a form tells. */
export const events: readonly EventName[];

export type EventName = keyof FormEvents;

/** A field of the form by its name: `card_number`, `card_holder`, `expiry`, `cvv`, `reference`. */
export type FieldName = string;

export type Theme = "light" | "dark" | "auto";

export interface Options {
  /** Where Cardamom is, such as `https://cards.example`. */
  base: string | URL;
  /** The form's id; `pcd`, the standard form, without one. */
  form?: string;
  /** The `unique_id` of the capture endpoint. */
  uniqueId: string;
  /** The secret of the capture endpoint. It travels behind the `#` of the frame's address. */
  secret: string;
  /** The name of the frame for assistive technology; `Card details` without one. */
  title?: string;
  /** The language of the form, a BCP 47 tag; the browser's without one. */
  locale?: string;
  /** Light, dark, or what the person prefers (`auto`, also without one). */
  theme?: Theme;
  /** Sandboxes the frame: `true` for exactly the flags that the form needs, or flags of your own. */
  sandbox?: boolean | string;
  /** Further members of the frame's address, such as `reference` or `title`. */
  params?: Record<string, string>;
}

/** What each event carries besides its type. */
export interface FormEvents {
  /** The form takes commands. Told again for each document of the frame. */
  ready: FormEvent<"ready">;
  /** Something about what was entered changed. Never a digit of it. */
  change: FormEvent<"change"> & {
    /** The brand of the number so far, such as `visa`; empty for none. */
    brand: string;
    /** Whether the form can be sent. */
    complete: boolean;
    /** Whether no field shows a problem. */
    valid: boolean;
    /** How it stands with each visible field. */
    fields: Record<FieldName, "empty" | "partial" | "complete" | "invalid">;
  };
  /** A field got the focus. */
  focus: FormEvent<"focus"> & { field: FieldName };
  /** A field lost the focus. */
  blur: FormEvent<"blur"> & { field: FieldName };
  /** The form was found right and is being sent. */
  submit: FormEvent<"submit">;
  /** The card is stored. */
  success: FormEvent<"success"> & {
    /** The vault key's name. Only with `allowed_origins`, as the other two. */
    user?: string;
    token?: string;
    reference?: string;
  };
  /** The form was not stored; the person reads why in it. */
  error: FormEvent<"error"> & {
    /** The HTTP status; 0 where no answer came, 400 for fields that are wrong. */
    code?: number;
    /** Why: `load` for a frame that never said that it is ready. */
    reason?: "invalid" | "network" | "limit" | "refused" | "server" | "load" | "locale";
  };
  /** The endpoint cannot be used any more: it ended, was used up, or was withdrawn. */
  expired: FormEvent<"expired">;
}

export interface FormEvent<Type extends string> {
  type: Type;
  /** The form's id. */
  form?: string;
  /** The `unique_id` of the capture endpoint. */
  unique_id?: string;
}

export interface CardForm {
  /** The frame. */
  readonly frame: HTMLIFrameElement;
  /** Listens to an event; answers a function that ends it. */
  on<Name extends EventName>(type: Name, listener: (event: FormEvents[Name]) => void): () => void;
  /** Sends the form, as its button does. */
  submit(): void;
  /** Moves the focus to a field: the first that is empty or wrong without a name. */
  focus(field?: FieldName): void;
  /** Empties the form. */
  reset(): void;
  /** Shows the form in another language. Only while nothing was entered: else an `error` with `locale` comes. */
  setLocale(locale: string): void;
  /** Chooses between light and dark. Colours are the form's own: see docs/embedding.md. */
  setTheme(theme: Theme): void;
  /** Takes the frame away and ends all listening. */
  destroy(): void;
}

/** Mounts a form inside an element, or inside the first one that a selector finds. */
export function mount(target: Element | string, options: Options): CardForm;

declare global {
  /** What the classic script of the same name defines. */
  // eslint-disable-next-line no-var
  var Cardamom: { version: typeof version; events: typeof events; mount: typeof mount } | undefined;
}
