//! Content security policies of pages (security rules 13, 16, 19).

use crate::capture::forms::Settings;

/// Who may frame a page: the form's origins, or anybody where it names none (the seed's case).
fn frame_ancestors(settings: &Settings) -> String {
    if settings.allowed_origins.is_empty() {
        return String::new();
    }
    format!("; frame-ancestors {}", settings.allowed_origins.join(" "))
}

/// The card page and our own result pages. No merchant script runs on them, and no inline script at all: the
/// nonce is for styles alone.
pub fn card_page(nonce: &str, settings: &Settings) -> String {
    format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'nonce-{nonce}'; \
         img-src 'self' data:; connect-src 'self'; worker-src data:; form-action 'self'; base-uri 'none'{}",
        frame_ancestors(settings)
    )
}

/// A page behind a link that was sent: nobody frames it (security rule 19).
pub fn link_page(nonce: &str) -> String {
    format!("{}; frame-ancestors 'none'", card_page(nonce, &Settings::default()))
}

/// The page that shows a stored card: our own script, and nothing of anybody else. It may be framed, as the form may.
pub fn reveal_page(nonce: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self'; style-src 'nonce-{nonce}'; connect-src 'self'; form-action 'none'; \
         base-uri 'none'"
    )
}

/// The done page: opaque origin, where callbacks run that need a document.
pub fn done_page(nonce: &str, settings: &Settings) -> String {
    let links = settings.js_links.iter().fold(String::new(), |links, link| links + " " + link);
    format!(
        "sandbox allow-scripts allow-forms allow-top-navigation-by-user-activation; default-src 'none'; \
         script-src 'nonce-{nonce}'{links}; style-src 'nonce-{nonce}'; connect-src https:; form-action https:; \
         frame-src 'none'; worker-src 'none'; base-uri 'none'{}",
        frame_ancestors(settings)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_decide_who_frames() {
        let open = Settings::default();
        assert!(!card_page("ab", &open).contains("frame-ancestors"));
        let closed = Settings { allowed_origins: vec!["https://shop.example".into()], ..Settings::default() };
        assert!(card_page("ab", &closed).ends_with("; frame-ancestors https://shop.example"));
        assert!(done_page("ab", &closed).starts_with("sandbox allow-scripts"));
        assert!(!done_page("ab", &closed).contains("allow-same-origin"));
    }
}
