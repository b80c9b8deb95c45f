//! One field: label, input, what helps to fill it in, and what is wrong with it.

use leptos::either::Either;
use leptos::prelude::*;
use shared::{Field, FormRules, Text};

use super::SECOND;
use super::face::Face;
use super::state::{Live, Seed, Words, flag, text, value, words};

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
    let hint = hint(field, rules, &face, live);
    let place = Place {
        described: match hint {
            Some(_) => format!("{error_id} {hint_id}"),
            None => error_id.clone(),
        },
        id: id.clone(),
        required,
        first,
    };
    let at_start = live.with_untracked(|state| state.problem(field));
    let label = face.label.clone().unwrap_or_else(|| label(field, seed, live));
    view! {
        <div class=class(field, rules)>
            <label for=id>
                {label} " " <span class="optional" hidden=required>{text(live, Text::Optional)}</span>
            </label>
            <div class=if is_pair(field, rules) { "control pair" } else { "control" }>
                {if rules.is_choice(field) {
                    Either::Left(lists(place, &face, field, live))
                } else {
                    Either::Right(input(place, face, field, live))
                }}
                {(field == Field::CardNumber).then(|| brand(live))}
            </div>
            {hint.map(|hint| view! { <p class="hint" id=hint_id>{hint}</p> })}
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

/// What helps to fill the field in. The browser is not handed a hint that stays.
fn hint(field: Field, rules: &FormRules, face: &Face, live: &Live) -> Option<Words> {
    match field {
        Field::Cvv => Some(words(live, super::State::code_hint)),
        Field::Expiry if rules.min_expiry.is_some() => {
            let hint = face.hint.clone().unwrap_or_default();
            Some(Box::new(move || hint.clone()))
        }
        _ => None,
    }
}

/// Whether the field has two lists, of months and of years.
fn is_pair(field: Field, rules: &FormRules) -> bool {
    field == Field::Expiry && rules.expiry_lists
}

fn lists(place: Place, face: &Face, field: Field, live: &Live) -> impl IntoView + use<> {
    let second = (field == Field::Expiry).then(|| {
        let place = Place {
            id: [&place.id, SECOND].concat(),
            described: place.described.clone(),
            required: place.required,
            first: false,
        };
        list(place, face.second.as_deref().unwrap_or(&Face::default()), field, live)
    });
    view! { {list(place, face, field, live)} {second} }
}

fn list(place: Place, face: &Face, field: Field, live: &Live) -> impl IntoView + use<> {
    view! {
        <select
            id=place.id
            name=face.name.clone()
            autocomplete=face.autocomplete.clone()
            aria-label=face.spoken.clone()
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
const fn class(field: Field, rules: &FormRules) -> &'static str {
    match field {
        Field::Expiry if rules.expiry_lists => "field",
        Field::Expiry | Field::Cvv | Field::PostalCode | Field::BillingCity => "field half",
        Field::Consent => "field check",
        _ => "field",
    }
}
