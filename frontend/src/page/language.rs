//! The choice of a language: a form of its own that opens the page anew with `locale` in its address. It needs no script.

use leptos::prelude::*;
use shared::{Text, Texts};

use super::Choices;

/// The list of languages with its button. The button is there with scripts too, so that nothing happens to somebody
/// who only looks through the list.
pub(super) fn language(choices: &Choices, texts: &Texts) -> impl IntoView + use<> {
    let kept: Vec<_> = choices
        .query
        .iter()
        .map(|(name, value)| view! { <input type="hidden" name=name.clone() value=value.clone() /> })
        .collect();
    let options: Vec<_> = choices
        .choices
        .iter()
        .map(|choice| {
            let (tag, name) = (choice.tag.clone(), choice.name.clone());
            view! { <option value=tag.clone() lang=tag selected=choice.chosen>{name}</option> }
        })
        .collect();
    view! {
        <form id="cardamom-language" class="language" method="get">
            {kept}
            <label for="cardamom-locale">{texts.get(Text::Language).to_owned()}</label>
            <select id="cardamom-locale" name="locale" autocomplete="off">
                {options}
            </select>
            <button type="submit" class="plain">{texts.get(Text::Change).to_owned()}</button>
        </form>
    }
}
