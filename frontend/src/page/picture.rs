//! The picture of a card above the fields. It is not read out, holds nothing until a script mirrors what is
//! typed, and turns by CSS alone.

use leptos::prelude::*;

use crate::ui::PICTURE;

pub(super) fn picture() -> impl IntoView {
    view! {
        <div class="picture" aria-hidden="true" id=PICTURE data-brand="other" translate="no">
            <div class="card">
                <div class="face">
                    <svg class="chip" viewBox="0 0 40 30">
                        <rect x="1" y="1" width="38" height="28" rx="6"></rect>
                        <path d="M1 11h12v8H1m38-8H27v8h12M13 1v28M27 1v28"></path>
                    </svg>
                    <span class="mark"></span>
                    <span class="digits">"•••• •••• •••• ••••"</span>
                    <span class="holder"></span>
                    <span class="until">"•• / ••"</span>
                </div>
                <div class="face back">
                    <span class="stripe"></span>
                    <span class="panel">"•••"</span>
                </div>
            </div>
        </div>
    }
}
