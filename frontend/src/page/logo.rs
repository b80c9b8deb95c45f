//! The merchant's logo, above the form and above what the form ends with.

use leptos::prelude::*;

use super::Look;

pub(super) fn logo(look: &Look) -> impl IntoView + use<> {
    look.logo.clone().map(|logo| {
        view! { <img class="logo" src=logo.url width=logo.width height=logo.height alt=logo.alt /> }
    })
}
