//! The choice between the brands of a co-badged card, and the marks of the accepted ones, in the document.

use shared::networks::MOST;
use shared::{Brand, Networks};
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement, HtmlInputElement};

use super::dom::{by_id, say};
use crate::ui;

/// The brands that the document leaves to choose between.
pub(super) fn offered() -> Networks {
    Networks::of((0..MOST).filter_map(|place| brand(&radio(place)?)))
}

/// The brand that is chosen; none where there is no choice.
pub(super) fn chosen() -> Option<Brand> {
    (0..MOST).filter_map(radio).find(HtmlInputElement::checked).and_then(|radio| brand(&radio))
}

/// Shows the brands with the preferred one chosen, and tells that there is a choice; none hide it.
pub(super) fn offer(networks: Networks) {
    let Some(choice) = by_id::<HtmlElement>(ui::NETWORKS) else { return };
    for (place, radio) in (0..MOST).filter_map(|place| Some((place, radio(place)?))) {
        let brand = networks.at(place);
        radio.set_value(brand.map_or("", Brand::wire));
        radio.set_checked(place == 0);
        if let Some(title) = radio.next_element_sibling() {
            title.set_text_content(brand.map(Brand::title));
        }
        if let Some(label) = radio.parent_element() {
            label.unchecked_ref::<HtmlElement>().set_hidden(brand.is_none());
        }
    }
    choice.set_hidden(!networks.is_choice());
    if networks.is_choice() {
        say(&choice.first_element_child().and_then(|legend| legend.text_content()).unwrap_or_default());
    }
}

/// Highlights the mark of the brand that is being typed.
pub(super) fn mark(brand: Brand) {
    let Some(marks) = by_id::<Element>("cardamom-marks").map(|marks| marks.children()) else { return };
    // The first child is the text for those who do not see the marks.
    for mark in (1..marks.length()).filter_map(|index| marks.item(index)) {
        let is_it = mark.get_attribute("data-brand").is_some_and(|name| name == brand.wire());
        mark.set_class_name(if is_it { "mark on" } else { "mark" });
    }
}

fn radio(place: usize) -> Option<HtmlInputElement> {
    by_id(&ui::network_id(place))
}

/// The brand of a radio button; those without one are not shown.
fn brand(radio: &HtmlInputElement) -> Option<Brand> {
    Some(Brand::from_wire(&radio.value())).filter(|&brand| brand != Brand::Other)
}
