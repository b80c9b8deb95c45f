//! Content security policies of pages (security rules 13, 16, 19).

use crate::capture::forms::Settings;

/// Who may frame a page: the form's origins, or anybody where it names none (the seed's case).
fn frame_ancestors(allowed_origins: &[String]) -> String {
    if allowed_origins.is_empty() {
        return String::new();
    }
    format!("; frame-ancestors {}", allowed_origins.join(" "))
}

/// The card page and our own result pages. No merchant script runs on them, and no inline script at all: the
/// nonce is for styles alone.
pub fn card_page(nonce: &str, settings: &Settings) -> String {
    format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'nonce-{nonce}'; \
         img-src 'self' data:; connect-src 'self'; worker-src data:; form-action 'self'; base-uri 'none'{}",
        frame_ancestors(&settings.allowed_origins)
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

/// A document that frames one page of ours, for who asked for HTML. It has no scripts and is for a window of its own.
pub fn framed_page(nonce: &str, origin: &str) -> String {
    format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; frame-src {origin}; form-action 'none'; base-uri 'none'; \
         frame-ancestors 'none'"
    )
}

/// A payment's page: nobody frames it but the origins of the form that its invoice names. Forms lead to the payer's
/// issuer on the one page that sends the payer there.
pub fn payment_page(nonce: &str, settings: &Settings, issuer: Option<&str>) -> String {
    let policy =
        if settings.allowed_origins.is_empty() { link_page(nonce) } else { card_page(nonce, settings) };
    match issuer {
        Some(origin) => policy.replace("form-action 'self'", &format!("form-action 'self' {origin}")),
        None => policy,
    }
}

/// The done page: opaque origin, where callbacks run that need a document. The merchant's scripts are those of the
/// form, by hash or address, and can load no others; the nonce is for styles alone.
pub fn done_page(nonce: &str, settings: &Settings, scripts: &[String]) -> String {
    let links = settings.js_links.iter().map(|link| source(link));
    let scripts = sources(scripts.iter().cloned().chain(links));
    format!(
        "{SANDBOX}; default-src 'none'; script-src {scripts}; style-src 'nonce-{nonce}'; connect-src https:; form-action https:; \
         frame-src 'none'; worker-src 'none'; base-uri 'none'{}",
        frame_ancestors(&settings.allowed_origins)
    )
}

/// The page of a custom form: opaque origin, the form's own scripts by hash, and one address to send to.
pub fn custom_page(allowed_origins: &[String], submit_url: &str, scripts: &[String]) -> String {
    let scripts = sources(scripts.iter().cloned());
    format!(
        "{SANDBOX}; default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; img-src data:; \
         connect-src {submit_url}; form-action 'none'; base-uri 'none'{}",
        frame_ancestors(allowed_origins)
    )
}

/// A document of opaque origin.
const SANDBOX: &str = "sandbox allow-scripts allow-forms allow-top-navigation-by-user-activation";

/// What a directive lists; nothing at all is a word of its own.
fn sources(listed: impl Iterator<Item = String>) -> String {
    let listed: Vec<_> = listed.collect();
    if listed.is_empty() { "'none'".to_owned() } else { listed.join(" ") }
}

/// A linked script's address as the policy can name it: without the query.
fn source(link: &str) -> String {
    link.split(['?', '#']).next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_lead_to_the_issuer_from_one_page_alone() {
        let settings = Settings::default();
        assert!(payment_page("ab", &settings, None).contains("form-action 'self';"));
        let issuer = payment_page("ab", &settings, Some("https://acs.example"));
        assert!(issuer.contains("form-action 'self' https://acs.example;"));
        assert_eq!(issuer.matches("acs.example").count(), 1);
    }

    #[test]
    fn a_payment_is_framed_by_named_origins_alone() {
        let closed = Settings::default();
        assert!(payment_page("ab", &closed, None).ends_with("; frame-ancestors 'none'"));
        let shop = Settings { allowed_origins: vec!["https://shop.example".into()], ..closed };
        assert!(payment_page("ab", &shop, None).ends_with("; frame-ancestors https://shop.example"));
    }

    #[test]
    fn origins_decide_who_frames() {
        let open = Settings::default();
        assert!(!card_page("ab", &open).contains("frame-ancestors"));
        let closed = Settings { allowed_origins: vec!["https://shop.example".into()], ..Settings::default() };
        assert!(card_page("ab", &closed).ends_with("; frame-ancestors https://shop.example"));
        assert!(done_page("ab", &closed, &[]).starts_with("sandbox allow-scripts"));
        assert!(!done_page("ab", &closed, &[]).contains("allow-same-origin"));
    }

    #[test]
    fn the_done_pages_scripts_are_named_one_by_one() {
        let js_links = vec!["https://cdn.example/a.js?v=1".to_owned()];
        let settings = Settings { js_links, ..Settings::default() };
        let policy = done_page("ab", &settings, &["'sha256-x='".to_owned()]);
        assert!(
            policy.contains("script-src 'sha256-x=' https://cdn.example/a.js; style-src 'nonce-ab';"),
            "{policy}"
        );
        assert!(done_page("ab", &Settings::default(), &[]).contains("script-src 'none';"));
    }
}
