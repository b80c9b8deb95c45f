//! The inside of the form: messages above, the visible fields, the button.

use leptos::prelude::*;
use shared::{Field, FormRules, Text};

use super::field::{field, label};
use super::state::{Live, Seed, flag, text, value, words};

/// What the element with the id `ROOT` holds. The browser builds it with an empty seed over what the server wrote.
pub fn fields(rules: &FormRules, seed: &Seed, live: &Live) -> impl IntoView + use<> {
    let visible: Vec<Field> = rules.visible().collect();
    let first = live.with_untracked(super::State::first_problem);
    let items: Vec<_> = visible.iter().map(|&of| item(of, seed, live)).collect();
    let rows: Vec<_> = visible.iter().map(|&of| field(of, rules, seed, live, first == Some(of))).collect();
    view! {
        <div role="alert" class="alerts">
            <p class="alert" id="cardamom-alert" hidden=flag(live, |state| state.alert.is_empty())>
                {words(live, |state| &state.alert)}
            </p>
            <div class="alert" hidden=flag(live, |state| !state.refused)>
                <p>{text(live, Text::Summary)}</p>
                <ul>{items}</ul>
            </div>
        </div>
        <div class="rows">{rows}</div>
        <button
            type="submit"
            id="cardamom-submit"
            disabled=seed.locked
            aria-disabled=value(live, |state| if state.busy { "true" } else { "false" })
        >
            {words(live, super::State::button)}
        </button>
    }
}

/// A line of the summary, which leads to its field.
fn item(field: Field, seed: &Seed, live: &Live) -> impl IntoView + use<> {
    let mut target = String::from("#cardamom-");
    target.push_str(field.name());
    view! {
        <li hidden=flag(live, move |state| state.problem(field).is_none())>
            <a href=target>
                {label(field, seed, live)} {text(live, Text::Colon)} " "
                {words(live, move |state| state.message(field))}
            </a>
        </li>
    }
}
