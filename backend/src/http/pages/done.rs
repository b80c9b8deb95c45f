//! The done page: a document of opaque origin in which the merchant's scripts run after the store. It holds the
//! endpoint's answer and the allowed members of the request, and nothing of the card.

use maud::{PreEscaped, html};
use serde_json::Value;
use shared::{Text, Wording};

use super::answer::{self, for_script};
use super::inline::Inline;
use crate::capture::forms::Settings;

/// The merchant's scripts: the embedded one, then the callback with what it is told.
pub fn scripts(settings: &Settings, response: &Value, request: &Value) -> Inline {
    let mut scripts = Inline::default();
    if let Some(code) = &settings.embedded_js {
        scripts.add(code);
    }
    if let Some(code) = &settings.success_callback {
        scripts.add(&format!("({code})({}, {});", for_script(response), for_script(request)));
    }
    scripts
}

/// The document. Linked scripts come before those that stand in it.
pub fn page(nonce: &str, settings: &Settings, wording: &Wording, scripts: &Inline) -> String {
    let style = if settings.look.bare { "" } else { STYLE };
    let head = html! {
        style nonce=(nonce) { (PreEscaped(settings.look.css())) (PreEscaped(style)) (PreEscaped(&settings.css)) }
    };
    let body = html! {
        main role="status" {
            h1 { (wording.get(Text::Saved)) }
            p { (wording.get(Text::DoneText)) }
        }
        @for link in &settings.js_links {
            script src=(link) {}
        }
        @for code in scripts.iter() {
            script { (PreEscaped(code)) }
        }
    };
    answer::document(wording, wording.get(Text::Saved), &head, &body)
}

const STYLE: &str = "body{font:calc(1rem*var(--scale))/1.5 var(--font);margin:2rem;\
color:var(--text);background:var(--surface)}";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::languages::Asked;

    #[test]
    fn scripts_stay_in_their_elements() {
        let settings = Settings {
            success_callback: Some("function(){ '</ScRiPt><img>' ; '<!-- <script' }".to_owned()),
            ..Settings::default()
        };
        let wording = Asked::default().wording();
        let scripts = scripts(&settings, &json!({ "token": "</script>" }), &json!({}));
        let page = page("ab", &settings, &wording, &scripts);
        assert_eq!(page.to_lowercase().matches("</script>").count(), 1);
        assert!(!page.contains("<!--"));
        assert!(page.contains("'\\x3c/ScRiPt><img>'"));
    }
}
