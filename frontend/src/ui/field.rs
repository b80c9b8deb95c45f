//! One field: label, input, what helps to fill it in, and what is wrong with it.

use leptos::either::Either;
use leptos::prelude::*;
use shared::{Field, FormRules, Text};

use super::face::Face;
use super::state::{Live, Seed, flag, text, value, words};

/// The field with its own texts; the same tree for each, so that its code exists once.
pub(super) fn field(
    field: Field,
    rules: &FormRules,
    seed: &Seed,
    live: &Live,
    first: bool,
) -> impl IntoView + use<> {
    let face = seed.face(field);
    let required = rules.of(field).validate;
    let id = format!("cardamom-{}", field.name());
    let error_id = format!("{id}-error");
    let hint_id = format!("{id}-hint");
    let place = Place {
        described: match field {
            Field::Cvv => format!("{error_id} {hint_id}"),
            _ => error_id.clone(),
        },
        id: id.clone(),
        required,
        first,
    };
    let at_start = live.with_untracked(|state| state.problem(field));
    let label = face.label.clone().unwrap_or_else(|| label(field, seed, live));
    view! {
        <div class=class(field)>
            <label for=id>
                {label} " " <span class="optional" hidden=required>{text(live, Text::Optional)}</span>
            </label>
            <div class="control">
                {if rules.is_choice(field) {
                    Either::Left(list(place, &face, field, live))
                } else {
                    Either::Right(input(place, face, field, live))
                }}
                {(field == Field::CardNumber).then(|| brand(live))}
            </div>
            {(field == Field::Cvv)
                .then(|| view! { <p class="hint" id=hint_id>{words(live, super::State::code_hint)}</p> })}
            <p
                class="error"
                id=error_id
                data-problem=at_start.map(shared::Problem::code)
                hidden=flag(live, move |state| state.problem(field).is_none())
            >
                {words(live, move |state| state.message(field))}
            </p>
            {(field == Field::CardNumber).then(|| view! { <div inner_html=seed.choice.clone()></div> })}
        </div>
    }
}

/// What a field is called where it is listed.
pub(super) fn label(field: Field, seed: &Seed, live: &Live) -> String {
    match Text::label(field) {
        Some(label) => text(live, label),
        None => seed.face(field).label.unwrap_or_default(),
    }
}

/// Where an input stands: its id, what describes it, and whether it has to be filled.
struct Place {
    id: String,
    described: String,
    required: bool,
    first: bool,
}

fn input(place: Place, face: Face, field: Field, live: &Live) -> impl IntoView + use<> {
    view! {
        <input
            id=place.id
            name=face.name
            type=face.input_type
            class=face.masked.then_some("masked")
            autocomplete=face.autocomplete
            inputmode=face.inputmode
            placeholder=face.placeholder
            maxlength=face.max
            dir=face.dir
            spellcheck="false"
            autocapitalize=face.autocapitalize
            required=place.required
            autofocus=place.first
            value=face.value
            aria-describedby=place.described
            aria-invalid=invalid(field, live)
        />
    }
}

fn list(place: Place, face: &Face, field: Field, live: &Live) -> impl IntoView + use<> {
    view! {
        <select
            id=place.id
            name=face.name.clone()
            autocomplete=face.autocomplete.clone()
            required=place.required
            autofocus=place.first
            aria-describedby=place.described
            aria-invalid=invalid(field, live)
            inner_html=face.options()
        ></select>
    }
}

fn invalid(field: Field, live: &Live) -> super::state::Value {
    value(live, move |state| if state.problem(field).is_some() { "true" } else { "false" })
}

fn brand(live: &Live) -> impl IntoView + use<> {
    view! {
        <span class="brand" aria-hidden="true" data-brand=value(live, |state| state.brand.wire())>
            {words(live, |state| state.brand.title())}
        </span>
    }
}

/// Short fields share a row; the text of a box stands behind it.
const fn class(field: Field) -> &'static str {
    match field {
        Field::Expiry | Field::Cvv | Field::PostalCode | Field::BillingCity => "field half",
        Field::Consent => "field check",
        _ => "field",
    }
}
