//! The document as the form needs it: found once, asked by field, never by selector from elsewhere.

use js_sys::Reflect;
use shared::{
    Accepted, CodeLengths, Entry, ExtraKind, ExtraRule, Field, FieldOptions, FormRules, Problem, Texts,
    YearMonth, expiry,
};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{
    CustomEvent, CustomEventInit, Document, Element, Event, EventTarget, HtmlElement, HtmlFormElement,
};

use super::networks;
use super::picture;
use crate::ui::{self, State};

/// The form in the document, and the rules that its markup tells.
#[derive(Clone)]
pub(super) struct Page {
    pub form: HtmlFormElement,
    pub rules: FormRules,
}

impl Page {
    /// A field is visible if its control is in the document, and validated if that is required.
    pub fn find() -> Option<Self> {
        let form: HtmlFormElement = by_id(ui::FORM)?;
        let mut rules = FormRules::hidden();
        rules.disable_luhn = form.has_attribute("data-luhn");
        rules.any_expiry = form.has_attribute("data-any-expiry");
        rules.expiry_lists = second().is_some();
        rules.auto_advance = form.has_attribute("data-advance");
        let told = |name| form.get_attribute(name).unwrap_or_default();
        rules.min_expiry = YearMonth::read(&told("data-min-expiry"));
        rules.accepted = Accepted::from_names(&told("data-cards"));
        rules.codes = CodeLengths::from_markup(&told("data-codes"));
        for field in Field::ALL {
            let Some(control) = control(field) else { continue };
            let validate = control.has_attribute("required");
            if let Field::Extra(place) = field {
                let kind = ExtraKind::of_input_type(&text(&control, "type"));
                let max = control.get_attribute("maxlength").and_then(|max| max.parse().ok());
                rules.set_extra(place, validate, ExtraRule { kind, max: max.unwrap_or(u16::MAX) });
            } else {
                rules.set(field, FieldOptions { visible: true, validate });
            }
        }
        Some(Self { form, rules })
    }

    /// The state that the server rendered, so that hydration finds what it expects.
    pub fn state(&self) -> State {
        let mut state = State::new(self.texts());
        for field in self.rules.visible() {
            let problem = by_id::<Element>(&id(field, "-error"))
                .and_then(|error| error.get_attribute("data-problem"))
                .and_then(|code| Problem::from_code(&code));
            state.set(field, problem);
        }
        state.refused = state.first_problem().is_some();
        state.alert = by_id::<HtmlElement>("cardamom-alert")
            .filter(|alert| !alert.hidden())
            .and_then(|alert| alert.text_content())
            .unwrap_or_default();
        state
    }

    /// What the server handed over to be read here, line by line.
    fn texts(&self) -> Texts {
        let texts = self.form.get_attribute(ui::TEXTS).unwrap_or_default();
        Texts::of_browser(texts.split('\n').map(Box::from))
    }

    /// What stands in the inputs now.
    pub fn entry(&self) -> Entry {
        let mut entry = Entry::default();
        entry.network = networks::chosen();
        for field in self.rules.visible() {
            if let Some(control) = control(field).filter(counts) {
                entry.set(field, value(field, &control));
            }
        }
        entry
    }

    /// The field that the server means by a name.
    pub fn named(&self, name: &str) -> Option<Field> {
        self.rules
            .visible()
            .find(|&f| f.name() == name || control(f).is_some_and(|control| text(&control, "name") == name))
    }

    /// Empties every input, the secret's included, and the picture of the card.
    pub fn wipe(&self) {
        for control in self.controls() {
            let _ = Reflect::set(&control, &JsValue::from_str("value"), &JsValue::from_str(""));
        }
        picture::clear();
    }

    /// Every control of the form that has a name, hidden inputs included.
    pub fn controls(&self) -> impl Iterator<Item = Element> + use<> {
        let elements = self.form.elements();
        (0..elements.length())
            .filter_map(move |index| elements.item(index))
            .filter(|control| !text(control, "name").is_empty())
    }

    /// Moves the focus to a field's input.
    #[expect(clippy::unused_self, reason = "only a page that was found has fields")]
    pub fn focus(&self, field: Field) {
        let first = by_id::<HtmlElement>(&id(field, ""));
        // Of two lists the one in which nothing is chosen yet.
        let second = second().filter(|years| {
            let is_chosen = |list: &HtmlElement| !text(list, "value").is_empty();
            field == Field::Expiry && first.as_ref().is_some_and(is_chosen) && !is_chosen(years)
        });
        if let Some(control) = second.or(first) {
            let _ = control.focus();
        }
    }

    /// Shows the message above the fields to somebody who is further down.
    #[expect(clippy::unused_self, reason = "only a page that was found has messages")]
    pub fn show_alert(&self) {
        if let Some(alert) = by_id::<Element>("cardamom-alert") {
            alert.scroll_into_view();
        }
    }

    /// Takes the form out of the document and shows a notice in its place.
    pub fn end(&self, notice: &str) {
        self.form.remove();
        let Some(notice) = by_id::<HtmlElement>(notice) else { return };
        notice.set_hidden(false);
        let heading = notice.query_selector("h1").ok().flatten();
        if let Some(heading) = heading.and_then(|heading| heading.dyn_into::<HtmlElement>().ok()) {
            say(&heading.text_content().unwrap_or_default());
            let _ = heading.focus();
        }
    }
}

/// The document's control of a field: an input or a list.
pub(super) fn control(field: Field) -> Option<Element> {
    by_id(&id(field, ""))
}

/// The list of years, where the expiry is chosen from two lists.
fn second() -> Option<HtmlElement> {
    by_id(&id(Field::Expiry, ui::SECOND))
}

/// What stands in a field.
pub(super) fn value(field: Field, control: &Element) -> String {
    let value = text(control, "value");
    match second().filter(|_| field == Field::Expiry) {
        Some(years) => expiry::joined(&value, &text(&years, "value")),
        None => value,
    }
}

/// The field of a control.
pub(super) fn field_of(control: &Element) -> Option<Field> {
    let id = control.id();
    let name = id.strip_prefix("cardamom-")?;
    Field::from_name(name.strip_suffix(ui::SECOND).unwrap_or(name))
}

/// A text that a control has as a property; empty for none.
pub(super) fn text(control: &Element, property: &str) -> String {
    Reflect::get(control, &JsValue::from_str(property))
        .ok()
        .and_then(|text| text.as_string())
        .unwrap_or_default()
}

/// Whether a control's value counts: a box that is not ticked has one, and does not say it; so has a brand that is
/// not chosen, or that no card is known for yet.
pub(super) fn counts(control: &Element) -> bool {
    let ticked = Reflect::get(control, &JsValue::from_str("checked")).is_ok_and(|ticked| ticked.is_truthy());
    match &*text(control, "type") {
        "checkbox" => ticked,
        "radio" => ticked && !text(control, "value").is_empty(),
        _ => true,
    }
}

/// The element with an id, if it is of the type asked for.
pub(super) fn by_id<T: JsCast>(id: &str) -> Option<T> {
    document()?.get_element_by_id(id)?.dyn_into().ok()
}

/// The month in which the form is filled, by the person's own calendar.
pub(super) fn today() -> YearMonth {
    let now = js_sys::Date::new_0();
    YearMonth {
        year: u16::try_from(now.get_full_year()).unwrap_or(2000),
        month: u8::try_from(now.get_month() + 1).unwrap_or(1),
    }
}

/// Tells the live region.
pub(super) fn say(text: &str) {
    if let Some(status) = by_id::<Element>(ui::STATUS) {
        status.set_text_content(Some(text));
    }
}

/// Tells `page.js` how a submit ended.
pub(super) fn announce(name: &str, detail: &JsValue) {
    let init = CustomEventInit::new();
    init.set_detail(detail);
    if let (Some(document), Ok(event)) = (document(), CustomEvent::new_with_event_init_dict(name, &init)) {
        let _ = document.dispatch_event(&event);
    }
}

/// Listens for the rest of the document's life.
pub(super) fn listen(target: &EventTarget, name: &str, handler: impl FnMut(Event) + 'static) {
    let handler = Closure::<dyn FnMut(Event)>::new(handler);
    let _ = target.add_event_listener_with_callback(name, handler.as_ref().unchecked_ref());
    handler.forget();
}

/// The name of the field that a clicked link of the summary points at.
pub(super) fn link_target(event: &Event) -> Option<String> {
    let element: Element = event.target()?.dyn_into().ok()?;
    let target = element.get_attribute("href")?;
    target.strip_prefix("#cardamom-").map(String::from)
}

fn document() -> Option<Document> {
    web_sys::window()?.document()
}

fn id(field: Field, part: &str) -> String {
    let mut id = String::from("cardamom-");
    id.push_str(field.name());
    id.push_str(part);
    id
}
