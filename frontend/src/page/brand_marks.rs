//! The brands that a form takes, as small marks of our own above the fields: letters on a plate, drawn by CSS.

use leptos::prelude::*;
use shared::{Brand, Text, Texts};

/// The marks with their text alternative; nothing where the form takes all brands.
pub(super) fn brand_marks(card_types: &[String], texts: &Texts) -> Option<impl IntoView + use<>> {
    let brands: Vec<Brand> =
        card_types.iter().map(|name| Brand::from_wire(name)).filter(|&brand| brand != Brand::Other).collect();
    if brands.is_empty() {
        return None;
    }
    let names: Vec<&str> = brands.iter().map(|brand| brand.title()).collect();
    let alternative =
        [texts.get(Text::AcceptedCards), texts.get(Text::Colon), " ", &names.join(", ")].concat();
    let marks: Vec<_> = brands.into_iter().map(mark).collect();
    Some(view! {
        <p class="marks" id="cardamom-marks">
            <span class="unseen">{alternative}</span>
            {marks}
        </p>
    })
}

fn mark(brand: Brand) -> impl IntoView {
    view! {
        <span class="mark" aria-hidden="true" data-brand=brand.wire()>
            {brand.title()}
        </span>
    }
}
