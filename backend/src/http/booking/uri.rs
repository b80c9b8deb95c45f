//! The URI of a stored card: what these clients call its token.

use url::Url;

use crate::http::router::App;
use crate::vault::paycards::PaycardName;

const PATH: &str = "/api/payments/paycard/";

/// The URI of a card's token.
pub fn card_uri(app: &App, token: &str) -> String {
    format!("{}{PATH}{token}", app.public_url.origin().ascii_serialization())
}

/// The card that a URI names, or a token alone. The host is not looked at: a proxy may have another name.
pub fn card_of_uri(text: &str) -> Option<PaycardName> {
    let Ok(url) = Url::parse(text) else {
        let plain = !text.is_empty() && !text.contains(['/', '?', '#']);
        return plain.then(|| PaycardName { token: text.to_owned(), reference: None });
    };
    let token = url.path().strip_prefix(PATH)?.trim_end_matches('/').to_owned();
    let reference = url.query_pairs().find(|(name, _)| name.eq_ignore_ascii_case("reference"));
    let plain = !token.is_empty() && !token.contains('/');
    plain.then(|| PaycardName { token, reference: reference.map(|(_, value)| value.into_owned()) })
}

#[cfg(test)]
mod tests {
    use super::card_of_uri;

    #[test]
    fn a_card_is_named_by_its_uri_or_its_token() {
        let named = |text| card_of_uri(text).map(|name| (name.token, name.reference));
        let token = || ("abc".to_owned(), None);
        assert_eq!(named("abc"), Some(token()));
        assert_eq!(named("https://cards.example/api/payments/paycard/abc"), Some(token()));
        assert_eq!(named("https://cards.example/api/payments/paycard/abc/"), Some(token()));
        let with = named("https://x.example/api/payments/paycard/abc?Reference=r%201");
        assert_eq!(with, Some(("abc".to_owned(), Some("r 1".to_owned()))));
        for text in ["", "a/b", "https://x.example/v1/vault", "https://x.example/api/payments/paycard/a/cvv"]
        {
            assert_eq!(named(text), None, "{text}");
        }
    }
}
