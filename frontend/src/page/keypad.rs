//! The keypad for number and code, as a template that `static/keypad.js` copies: without scripts there is none, and
//! the inputs stay as they are.

use leptos::prelude::*;
use shared::{Text, Texts};

/// Ten digits in order (the script changes it each time), and what takes digits away. One stop of the Tab key.
pub(super) fn keypad(texts: &Texts) -> impl IntoView + use<> {
    let word = |text| texts.get(text).to_owned();
    let digits: Vec<_> = (0..10_u8)
        .map(|digit| {
            let digit = digit.to_string();
            view! { <button type="button" tabindex="-1" value=digit.clone()>{digit.clone()}</button> }
        })
        .collect();
    view! {
        <template id="cardamom-keypad" data-count=word(Text::KeypadCount)>
            <div class="keypad" role="toolbar" dir="ltr" aria-label=word(Text::Keypad)>
                {digits}
                <button type="button" tabindex="-1" value="delete" aria-label=word(Text::KeypadDelete)>
                    "\u{232B}"
                </button>
                <button type="button" tabindex="-1" value="clear">{word(Text::KeypadClear)}</button>
                <button type="button" tabindex="-1" value="close">{word(Text::KeypadClose)}</button>
            </div>
        </template>
    }
}
