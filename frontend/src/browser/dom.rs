//! The document as the form needs it: found once, asked by field, never by selector from elsewhere.

use shared::{Entry, Field, FieldOptions, FormRules, Problem, YearMonth};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{
    CustomEvent, CustomEventInit, Document, Element, Event, EventTarget, HtmlElement, HtmlFormElement,
    HtmlInputElement,
};

use super::picture;
use crate::ui::{self, State};

/// The form in the document, and the rules that its markup tells.
#[derive(Clone)]
pub(super) struct Page {
    pub form: HtmlFormElement,
    pub rules: FormRules,
}

impl Page {
    /// A field is visible if its input is in the document, and validated if that input is required.
    pub fn find() -> Option<Self> {
        let form: HtmlFormElement = by_id(ui::FORM)?;
        let mut rules = FormRules::default();
        rules.disable_luhn = form.has_attribute("data-luhn");
        for field in Field::ALL {
            let input = input(field);
            let options = FieldOptions {
                visible: input.is_some(),
                validate: input.is_some_and(|input| input.required()),
            };
            rules.set(field, options);
        }
        Some(Self { form, rules })
    }

    /// The state that the server rendered, so that hydration finds what it expects.
    pub fn state(&self) -> State {
        let mut state = State::default();
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

    /// What stands in the inputs now.
    pub fn entry(&self) -> Entry {
        let mut entry = Entry::default();
        for field in self.rules.visible() {
            if let Some(input) = input(field) {
                entry.set(field, input.value());
            }
        }
        entry
    }

    /// Empties every input, the secret's included, and the picture of the card.
    pub fn wipe(&self) {
        for input in self.inputs() {
            input.set_value("");
        }
        picture::clear();
    }

    /// Every input of the form, hidden ones included.
    pub fn inputs(&self) -> impl Iterator<Item = HtmlInputElement> + use<> {
        let elements = self.form.elements();
        (0..elements.length()).filter_map(move |index| elements.item(index)?.dyn_into().ok())
    }

    /// Moves the focus to a field's input.
    #[expect(clippy::unused_self, reason = "only a page that was found has fields")]
    pub fn focus(&self, field: Field) {
        if let Some(input) = input(field) {
            let _ = input.focus();
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

/// The document's input of a field.
pub(super) fn input(field: Field) -> Option<HtmlInputElement> {
    by_id(&id(field, ""))
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
