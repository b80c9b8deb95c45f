//! A document that holds one page of ours in a frame and nothing else: what the calls that make an endpoint answer
//! who asks for HTML (spec A.4, A.6). A merchant hands it out from its own origin. What is typed and shown stays on
//! ours, out of reach of the merchant's scripts.

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use maud::{PreEscaped, html};
use shared::{Text, Wording};

use super::{answer, policy};
use crate::http::asked::Asked;
use crate::http::router::App;
use crate::model::CaptureEndpoint;

/// The standard card form.
const FORM: &str = "/v1/capture/iframe/pcd";

/// Whether a call asks for HTML before JSON. A bare `*`, which is no media range, is how Java's own client lists what it
/// takes where nobody said anything: HTML first, and not meant.
pub fn is_asked_for(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kinds = accept.split(',').map(|kind| kind.split(';').next().unwrap_or_default().trim());
    let mut known = kinds.filter(|kind| ["application/json", "text/html", "*/*", "*"].contains(kind));
    known.next() == Some("text/html") && !known.any(|kind| kind == "*")
}

/// The card form of a capture endpoint.
pub fn form(app: &App, asked: &Asked, endpoint: &CaptureEndpoint, secret: &str) -> Response {
    let id = ("unique_id", endpoint.unique_id.as_str());
    let address = if endpoint.lock.is_some() {
        // Which fields a locked endpoint takes only the server knows, who does not see what stands behind `#`.
        address(app, FORM, &[id, ("secret", secret)])
    } else {
        secret_address(app, FORM, &[id], secret)
    };
    show(app, asked, Text::Title, &address)
}

/// The page at `address`, which shows a stored card.
pub fn reveal(app: &App, asked: &Asked, address: &str) -> Response {
    show(app, asked, Text::RevealTitle, address)
}

/// The address of a page of ours, with the secret where no server sees it (security rule 18).
pub fn secret_address(app: &App, path: &str, query: &[(&str, &str)], secret: &str) -> String {
    format!("{}#secret={secret}", address(app, path, query))
}

fn address(app: &App, path: &str, query: &[(&str, &str)]) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    format!("{}{path}?{query}", app.public_url.as_str().trim_end_matches('/'))
}

fn show(app: &App, asked: &Asked, title: Text, address: &str) -> Response {
    let (nonce, wording) = (answer::nonce(app), asked.wording());
    let origin = app.public_url.origin().ascii_serialization();
    let page = document(&nonce, &wording, wording.get(title), address);
    answer::html(StatusCode::OK, page, &policy::framed_page(&nonce, &origin))
}

fn document(nonce: &str, wording: &Wording, title: &str, address: &str) -> String {
    let head = html! {
        meta name="robots" content="noindex";
        style nonce=(nonce) { (PreEscaped(STYLE)) }
    };
    let body = html! {
        main { iframe src=(address) title=(title) allow="clipboard-write" referrerpolicy="no-referrer" {} }
    };
    answer::document(wording, title, &head, &body)
}

const STYLE: &str =
    "html,body,main{margin:0;height:100%}iframe{display:block;width:100%;height:100%;border:0}";

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn html_is_answered_where_it_is_named_before_json() {
        for (accept, is_html) in [
            ("", false),
            ("*/*", false),
            ("application/json", false),
            ("text/html", true),
            ("text/html,application/xhtml+xml,*/*;q=0.8", true),
            ("application/json, text/html", false),
            ("image/png, text/html;level=1", true),
            ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(is_asked_for(&headers), is_html, "{accept}");
        }
    }
}
