//! One field: label, input, what helps to fill it in, and what is wrong with it.

use leptos::prelude::*;
use shared::{Field, FormRules};

use super::state::{Live, Seed, flag, text};

/// The field with its own texts; the same tree for each, so that its code exists once.
pub(super) fn field(
    field: Field,
    rules: &FormRules,
    seed: &Seed,
    live: &Live,
    first: bool,
) -> impl IntoView + use<> {
    let required = rules.of(field).validate;
    let id = format!("cardamom-{}", field.name());
    let error_id = format!("{id}-error");
    let hint_id = format!("{id}-hint");
    let described = match field {
        Field::Cvv => format!("{error_id} {hint_id}"),
        _ => error_id.clone(),
    };
    let at_start = live.with_untracked(|state| state.problem(field));
    view! {
        <div class=if matches!(field, Field::Expiry | Field::Cvv) { "field half" } else { "field" }>
            <label for=id.clone()>
                {field.label()} <span class="optional" hidden=required>"Optional"</span>
            </label>
            <div class="control">
                <input
                    id=id
                    name=field.name()
                    type="text"
                    autocomplete=field.autocomplete()
                    inputmode=inputmode(field)
                    placeholder=placeholder(field)
                    spellcheck="false"
                    autocapitalize=if field == Field::CardHolder { "words" } else { "off" }
                    required=required
                    autofocus=first
                    value=kept(field, seed)
                    aria-describedby=described
                    aria-invalid=text(live, move |state| {
                        if state.problem(field).is_some() { "true" } else { "false" }
                    })
                />
                {(field == Field::CardNumber).then(|| brand(live))}
            </div>
            {(field == Field::Cvv)
                .then(|| view! { <p class="hint" id=hint_id>{text(live, super::State::code_hint)}</p> })}
            <p
                class="error"
                id=error_id
                data-problem=at_start.map(shared::Problem::code)
                hidden=flag(live, move |state| state.problem(field).is_none())
            >
                {text(live, move |state| state.message(field))}
            </p>
        </div>
    }
}

fn brand(live: &Live) -> impl IntoView + use<> {
    view! {
        <span class="brand" aria-hidden="true" data-brand=text(live, |state| state.brand.wire())>
            {text(live, |state| state.brand.title())}
        </span>
    }
}

/// The value to start with. Number and code are never written into a document.
fn kept(field: Field, seed: &Seed) -> Option<String> {
    if matches!(field, Field::CardNumber | Field::Cvv) {
        return None;
    }
    seed.values.iter().find(|(of, _)| *of == field).map(|(_, value)| value.clone())
}

const fn inputmode(field: Field) -> &'static str {
    match field {
        Field::CardNumber | Field::Expiry | Field::Cvv => "numeric",
        Field::CardHolder | Field::Reference => "text",
    }
}

/// Never empty: a label that lies in its empty input is moved by `:placeholder-shown`.
const fn placeholder(field: Field) -> &'static str {
    match field {
        Field::CardNumber => "1234 1234 1234 1234",
        Field::Expiry => "MM / YY",
        Field::CardHolder | Field::Cvv | Field::Reference => " ",
    }
}
