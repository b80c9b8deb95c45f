//! The page of a custom form: an empty document of opaque origin in which the merchant's scripts build the form. They
//! can send to the endpoint of the page's address and load nothing (security rule 23).

use axum::http::StatusCode;
use axum::response::Response;
use maud::{PreEscaped, html};
use shared::{Text, Wording};

use super::form::Opened;
use super::inline::Inline;
use super::{answer, policy};
use crate::capture::custom::{Custom, Link};
use crate::capture::{endpoints, fill};
use crate::http::router::App;

/// The element that a form is built in.
const ROOT: &str = "cardamom-custom-form";
/// What is told where no script defines the form.
const FAILED: &str = "cardamom-custom-failed";

/// The page for the endpoint whose name stands in the parameters.
pub fn show(app: &App, opened: &Opened<'_>, form: &Custom) -> Response {
    let params = opened.params;
    let wording = opened.asked.wording();
    let unique_id = params.find("unique_id").unwrap_or_default();
    // It becomes a part of the policy.
    if endpoints::check_id("/unique_id", unique_id).is_err() {
        return answer::gone(app, wording);
    }
    let shown = |name| params.find(name).filter(|text| !shared::digits::holds_card_number(text));
    let others: Vec<_> = params
        .iter()
        .filter(|(name, _)| !fill::OWN.contains(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let link = Link { reference: shown("reference").map(str::to_owned), extra: fill::usable_extra(&others) };
    let origin = app.public_url.origin().ascii_serialization();
    let submit_url = format!("{origin}/v1/capture/{unique_id}");
    let settings = form.handed(&submit_url, params.find("secret"), link).to_json();
    let title = shown("title").map(|title| title.chars().take(100).collect::<String>());
    let title = title.unwrap_or_else(|| wording.get(Text::Title).to_owned());
    let scripts = scripts(form, &answer::in_script(&settings));
    let policy = policy::custom_page(&form.allowed_origins, &submit_url, &scripts.sources());
    answer::html(StatusCode::OK, document(&title, &wording, form, &scripts), &policy)
}

/// The merchant's scripts, the callbacks, and the call of the form. A callback that cannot be read spoils nothing else.
fn scripts(form: &Custom, settings: &str) -> Inline {
    let mut scripts = Inline::default();
    for script in &form.scripts {
        scripts.add(&script.code);
    }
    for (name, code) in
        [("success_callback", &form.success_callback), ("error_callback", &form.error_callback)]
    {
        if let Some(code) = code {
            scripts.add(&format!("document.getElementById(\"{ROOT}\").{name} = ({code});"));
        }
    }
    scripts.add(&CALL.replace("ROOT", ROOT).replace("FAILED", FAILED).replace("SETTINGS", settings));
    scripts
}

/// A secret that stood in the fragment goes from the address (security rule 18).
const CALL: &str = r##"{
  const element = document.getElementById("ROOT");
  const settings = SETTINGS;
  if (!settings.submit_secret) {
    settings.submit_secret = new URLSearchParams(location.hash.slice(1)).get("secret") ?? "";
    location.replace("#");
  }
  for (const name of ["success_callback", "error_callback"]) {
    if (element[name]) settings[name] = element[name];
  }
  if (typeof window.custom_form === "function") {
    window.custom_form(element, settings);
  } else {
    document.getElementById("FAILED").hidden = false;
  }
}"##;

fn document(title: &str, wording: &Wording, form: &Custom, scripts: &Inline) -> String {
    let head = html! {
        @if !form.css.is_empty() {
            style { (PreEscaped(&form.css)) }
        }
    };
    let body = html! {
        noscript { p { (wording.get(Text::NeedsScripts)) } }
        div id=(ROOT) {}
        p id=(FAILED) role="alert" hidden { (wording.get(Text::FailedText)) }
        @for code in scripts.iter() {
            script { (PreEscaped(code)) }
        }
    };
    answer::document(wording, title, &head, &body)
}
