//! The done page: a document of opaque origin in which the merchant's scripts run after the store. It holds the
//! endpoint's answer and the allowed members of the request, and nothing of the card.

use maud::{DOCTYPE, PreEscaped, html};
use serde_json::Value;
use shared::{Text, Wording};

use super::answer::for_script;
use crate::capture::forms::Settings;

/// The document. Scripts are the merchant's own text in elements with our nonce.
pub fn page(
    nonce: &str,
    settings: &Settings,
    wording: &Wording,
    response: &Value,
    request: &Value,
) -> String {
    let callback = settings
        .success_callback
        .as_ref()
        .map(|code| format!("({})({}, {});", neutral(code), for_script(response), for_script(request)));
    html! {
        (DOCTYPE)
        html lang=(wording.lang) dir=[wording.rtl.then_some("rtl")] {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (wording.get(Text::Saved)) }
                style nonce=(nonce) { (PreEscaped(settings.look.css())) (PreEscaped(STYLE)) (PreEscaped(&settings.css)) }
            }
            body {
                main role="status" {
                    h1 { (wording.get(Text::Saved)) }
                    p { (wording.get(Text::DoneText)) }
                }
                @for link in &settings.js_links {
                    script nonce=(nonce) src=(link) {}
                }
                @if let Some(code) = &settings.embedded_js {
                    script nonce=(nonce) { (PreEscaped(neutral(code))) }
                }
                @if let Some(callback) = callback {
                    script nonce=(nonce) { (PreEscaped(callback)) }
                }
            }
        }
    }
    .into_string()
}

const STYLE: &str = "body{font:calc(1rem*var(--scale))/1.5 var(--font);margin:2rem;\
color:var(--text);background:var(--surface)}";

/// A script that cannot end its element, or begin a comment that swallows the end (security rule 15).
fn neutral(code: &str) -> String {
    let mut out = String::with_capacity(code.len() + 16);
    let mut rest = code;
    while let Some(place) = rest.find('<') {
        let (before, from) = rest.split_at(place);
        out.push_str(before);
        let lower: String = from.chars().take(8).flat_map(char::to_lowercase).collect();
        if lower.starts_with("</script") || lower.starts_with("<script") || lower.starts_with("<!--") {
            out.push_str("\\x3c");
        } else {
            out.push('<');
        }
        rest = from.get(1..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

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
        let page = page("ab", &settings, &wording, &json!({ "token": "</script>" }), &json!({}));
        assert_eq!(page.to_lowercase().matches("</script>").count(), 1);
        assert!(!page.contains("<!--"));
        assert!(page.contains("'\\x3c/ScRiPt><img>'"));
    }

    #[test]
    fn comparisons_are_left_alone() {
        assert_eq!(neutral("for (i = 0; i < 3; i++) {}"), "for (i = 0; i < 3; i++) {}");
    }
}
