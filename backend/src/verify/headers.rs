//! Headers and content security policy of a live page, compared with what the server would send.

use std::collections::{BTreeMap, BTreeSet};

use super::Difference;
use crate::capture::forms::Settings;
use crate::http::headers::ALWAYS;
use crate::http::pages::{PAGE_HEADERS, policy};

const CSP: &str = "content-security-policy";
/// A page sends none of these: each would give somebody more than the page gives.
const NEVER: [&str; 12] = [
    "set-cookie",
    "refresh",
    "link",
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "content-security-policy-report-only",
    "service-worker-allowed",
    "speculation-rules",
    "sourcemap",
    "x-sourcemap",
    "content-encoding",
    "location",
];

type Directives = BTreeMap<String, BTreeSet<String>>;

/// Compares; answers the nonce of the page's styles, if there is a proper one.
pub fn compare(
    headers: &[(String, String)],
    origins: Option<&[String]>,
    differences: &mut Vec<Difference>,
) -> Option<String> {
    let all = |name: &str| -> Vec<&str> {
        headers.iter().filter(|(of, _)| of == name).map(|(_, value)| value.as_str()).collect()
    };
    let expected = ALWAYS.iter().filter(|(name, _)| *name != CSP).filter(|(name, _)| {
        // What a page sets itself counts.
        !PAGE_HEADERS.iter().any(|(own, _)| own == name)
    });
    for (name, value) in expected.chain(&PAGE_HEADERS) {
        let found = all(name);
        let same = |found: &&str| *found == *value || (*name == "strict-transport-security" && lasts(found));
        if found.is_empty() || !found.iter().all(same) {
            differences.push(Difference::new(format!("header {name}"), *value, told(&found)));
        }
    }
    for name in NEVER {
        let found = all(name);
        if !found.is_empty() {
            differences.push(Difference::new(format!("header {name}"), "none", told(&found)));
        }
    }
    compare_policy(&all(CSP), origins, differences)
}

/// A proxy may ask for more time than the server does.
fn lasts(value: &str) -> bool {
    let age = value.split(';').find_map(|part| part.trim().strip_prefix("max-age="));
    age.and_then(|age| age.parse::<u64>().ok()).is_some_and(|age| age >= 31_536_000)
}

fn compare_policy(
    found: &[&str],
    origins: Option<&[String]>,
    differences: &mut Vec<Difference>,
) -> Option<String> {
    let nonce = found.iter().find_map(|policy| nonce_of(policy));
    let settings = Settings { allowed_origins: origins.unwrap_or_default().to_vec(), ..Settings::default() };
    let expected = policy::card_page(nonce.as_deref().unwrap_or("…"), &settings);
    let [found] = found else {
        differences.push(Difference::new(format!("header {CSP}"), expected, told(found)));
        return nonce;
    };
    let (mut wanted, mut seen) = (directives(&expected), directives(found));
    if origins.is_none() {
        let vague = seen.remove("frame-ancestors").into_iter().flatten().filter(|source| !is_exact(source));
        for source in vague {
            let place = format!("{CSP}: frame-ancestors");
            differences.push(Difference::new(place, "exact origins", source));
        }
        wanted.remove("frame-ancestors");
    }
    let names: BTreeSet<_> = wanted.keys().chain(seen.keys()).cloned().collect();
    for name in names {
        if wanted.get(&name) != seen.get(&name) {
            let part = |of: &Directives| of.get(&name).map_or("nothing".to_owned(), joined);
            differences.push(Difference::new(format!("{CSP}: {name}"), part(&wanted), part(&seen)));
        }
    }
    nonce
}

/// A policy by its directives. Of a directive that is named twice, browsers take the first one.
fn directives(policy: &str) -> Directives {
    let mut directives = Directives::new();
    for directive in policy.split(';') {
        let mut words = directive.split_ascii_whitespace();
        let Some(name) = words.next() else { continue };
        directives.entry(name.to_ascii_lowercase()).or_insert_with(|| words.map(str::to_owned).collect());
    }
    directives
}

/// 16 random bytes as hexadecimal, as the server makes them.
fn nonce_of(policy: &str) -> Option<String> {
    let nonce = policy.split("'nonce-").nth(1)?.split('\'').next()?;
    (nonce.len() == 32 && nonce.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| nonce.to_owned())
}

fn is_exact(source: &str) -> bool {
    source == "'none'" || (source.contains("://") && !source.contains('*'))
}

fn joined(words: &BTreeSet<String>) -> String {
    words.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
}

fn told(found: &[&str]) -> String {
    if found.is_empty() { "nothing".to_owned() } else { found.join(" and ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: &str = "00112233445566778899aabbccddeeff";

    fn places(change: impl FnOnce(&mut Vec<(String, String)>), origins: Option<&[String]>) -> Vec<String> {
        let settings =
            Settings { allowed_origins: vec!["https://shop.example".into()], ..Settings::default() };
        let mut headers: Vec<_> = ALWAYS
            .iter()
            .filter(|(name, _)| *name != CSP && *name != "cross-origin-resource-policy")
            .chain(&PAGE_HEADERS)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        headers.push((CSP.to_owned(), policy::card_page(NONCE, &settings)));
        change(&mut headers);
        let mut differences = Vec::new();
        compare(&headers, origins, &mut differences);
        differences.into_iter().map(|difference| difference.place).collect()
    }

    fn with_policy(change: impl FnOnce(&str) -> String) -> Vec<String> {
        places(
            |headers| {
                let policy = &mut headers.last_mut().unwrap().1;
                *policy = change(policy);
            },
            None,
        )
    }

    #[test]
    fn what_the_server_sends_is_the_same() {
        assert_eq!(places(|_| (), None), Vec::<String>::new());
        assert_eq!(places(|_| (), Some(&["https://shop.example".to_owned()])), Vec::<String>::new());
    }

    #[test]
    fn a_weaker_policy_is_found() {
        let csp = |directive: &str| vec![format!("{CSP}: {directive}")];
        assert_eq!(
            with_policy(|p| p.replace("script-src 'self'", "script-src 'self' https:")),
            csp("script-src")
        );
        assert_eq!(with_policy(|p| p.replace("script-src", "x-src 'none'; script-src")), csp("x-src"));
        assert_eq!(with_policy(|p| p.replace("; base-uri 'none'", "")), csp("base-uri"));
        assert_eq!(
            with_policy(|p| format!("{p}; connect-src *")),
            Vec::<String>::new(),
            "the first one counts"
        );
        assert_eq!(with_policy(|p| format!("connect-src *; {p}")), csp("connect-src"));
        assert_eq!(with_policy(|p| p.replace("https://shop.example", "https:")), csp("frame-ancestors"));
        assert_eq!(
            with_policy(|p| p.replace("https://shop.example", "https://*.example")),
            csp("frame-ancestors")
        );
        assert_eq!(with_policy(|p| p.replace(NONCE, "ab")), csp("style-src"), "a nonce that can be guessed");
        let others = ["https://other.example".to_owned()];
        assert_eq!(places(|_| (), Some(&others)), csp("frame-ancestors"));
        assert_eq!(places(|_| (), Some(&[])), csp("frame-ancestors"));
    }

    #[test]
    fn a_missing_changed_or_further_header_is_found() {
        assert_eq!(places(|headers| drop(headers.pop()), None), [format!("header {CSP}")]);
        let add = |name: &'static str, value: &'static str| {
            places(move |headers| headers.push((name.to_owned(), value.to_owned())), None)
        };
        assert_eq!(add("set-cookie", "a=b"), ["header set-cookie"]);
        assert_eq!(add("link", "</x.js>; rel=modulepreload"), ["header link"]);
        assert_eq!(add("referrer-policy", "unsafe-url"), ["header referrer-policy"]);
        assert_eq!(add(CSP, "default-src 'none'"), [format!("header {CSP}")]);
        assert_eq!(add("strict-transport-security", "max-age=63072000; preload"), Vec::<String>::new());
        assert_eq!(add("strict-transport-security", "max-age=60"), ["header strict-transport-security"]);
        assert_eq!(add("x-request-id", "1"), Vec::<String>::new());
    }
}
