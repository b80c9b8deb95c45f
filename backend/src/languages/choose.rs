//! Which language fits what is asked: by Unicode's data on likely scripts and regions, so that `zh-TW` is answered in
//! traditional characters, `de-AT` in German and `no` in Bokmål.

use icu_locale::{LanguageIdentifier, Locale, LocaleCanonicalizer, LocaleDirectionality, LocaleExpander};

/// The most languages of a browser's list that are looked at.
const MOST: usize = 20;
/// The longest tag that is looked at.
const LONGEST: usize = 35;

/// The known tag that fits one asked tag: the same one, or another of the same language and script. Among several,
/// one of the same region, then one that names no region.
pub fn fit<'a>(asked: &str, known: &[&'a str]) -> Option<&'a str> {
    let asked = read(asked)?;
    let full = expand(&asked);
    let mut fitting: Vec<_> = known
        .iter()
        .filter_map(|tag| Some((*tag, read(tag)?)))
        .filter(|(_, id)| {
            let other = expand(id);
            other.language == full.language && other.script == full.script
        })
        .collect();
    fitting.sort_by_key(|(_, id)| {
        (*id != asked, asked.region.is_none() || id.region != asked.region, id.region.is_some())
    });
    fitting.first().map(|(tag, _)| *tag)
}

/// The known tag that fits a browser's `Accept-Language` best (RFC 9110, 12.5.4).
pub fn fit_list<'a>(accept: &str, known: &[&'a str]) -> Option<&'a str> {
    let mut wishes: Vec<(u16, &str)> = accept.split(',').take(MOST).filter_map(wish).collect();
    wishes.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    wishes.into_iter().find_map(|(_, tag)| fit(tag, known))
}

/// A tag as BCP 47 writes it; `None` if it is none.
pub fn canonical(tag: &str) -> Option<String> {
    read(tag).map(|id| id.to_string())
}

/// Whether a language is written from right to left.
pub fn is_rtl(tag: &str) -> bool {
    read(tag).is_some_and(|id| LocaleDirectionality::new_extended().is_right_to_left(&id))
}

/// A language and its weight in thousandths; nothing for weight 0 and for `*`.
fn wish(part: &str) -> Option<(u16, &str)> {
    let mut parts = part.split(';').map(str::trim);
    let tag = parts.next().filter(|tag| !tag.is_empty() && *tag != "*")?;
    let weight = parts.find_map(|parameter| parameter.strip_prefix("q=").or(parameter.strip_prefix("Q=")));
    let weight = match weight {
        None => 1000,
        Some(text) => {
            text.parse::<f32>().ok().filter(|weight| (0.0..=1.0).contains(weight)).map(thousandths)?
        }
    };
    (weight > 0).then_some((weight, tag))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the weight is 0 to 1")]
fn thousandths(weight: f32) -> u16 {
    (weight * 1000.0) as u16
}

/// Reads a tag, also one with underscores. Old names get their new ones (`iw` is `he`); Norwegian is Bokmål, the
/// form of it that is here.
fn read(tag: &str) -> Option<LanguageIdentifier> {
    if tag.len() > LONGEST {
        return None;
    }
    let mut locale = Locale::try_from_str(&tag.replace('_', "-")).ok()?;
    LocaleCanonicalizer::new_extended().canonicalize(&mut locale);
    let mut id = locale.id;
    if id.language.is_unknown() {
        return None;
    }
    if matches!(id.language.as_str(), "no" | "nn") {
        id.language = "nb".parse().ok()?;
    }
    id.variants.clear();
    Some(id)
}

fn expand(id: &LanguageIdentifier) -> LanguageIdentifier {
    let mut full = id.clone();
    LocaleExpander::new_extended().maximize(&mut full);
    full
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 9] = ["en", "de", "pt", "pt-BR", "zh-Hans", "zh-Hant", "nb", "he", "id"];

    #[test]
    fn regions_scripts_and_old_names_find_their_language() {
        for (asked, expected) in [
            ("de", "de"),
            ("de-AT", "de"),
            ("DE_ch", "de"),
            ("zh", "zh-Hans"),
            ("zh-TW", "zh-Hant"),
            ("zh-HK", "zh-Hant"),
            ("zh-Hant-HK", "zh-Hant"),
            ("zh-SG", "zh-Hans"),
            ("pt", "pt"),
            ("pt-BR", "pt-BR"),
            ("pt-PT", "pt"),
            ("pt-AO", "pt"),
            ("no", "nb"),
            ("nn-NO", "nb"),
            ("iw", "he"),
            ("in-ID", "id"),
            ("en-GB", "en"),
        ] {
            assert_eq!(fit(asked, &KNOWN), Some(expected), "{asked}");
        }
    }

    #[test]
    fn what_is_no_known_language_fits_nothing() {
        for asked in ["", "xx", "english", "sr-Latn", "../de", "und", "*", "d", &"de-".repeat(40), "de\0"] {
            assert_eq!(fit(asked, &KNOWN), None, "{asked:?}");
        }
    }

    #[test]
    fn a_browsers_list_is_weighed() {
        for (accept, expected) in [
            ("fr-CH, fr;q=0.9, en;q=0.8, de;q=0.7, *;q=0.5", Some("en")),
            ("en;q=0.2,de;q=0.9", Some("de")),
            ("de;q=0, en", Some("en")),
            ("xx, *;q=0.1", None),
            ("de;q=nan,en;q=2", None),
            ("", None),
            (",,;;,", None),
        ] {
            assert_eq!(fit_list(accept, &KNOWN), expected, "{accept}");
        }
    }

    #[test]
    fn directions_are_known() {
        for (tag, rtl) in
            [("ar", true), ("he", true), ("ur", true), ("az-Arab", true), ("de", false), ("ja", false)]
        {
            assert_eq!(is_rtl(tag), rtl, "{tag}");
        }
    }
}
