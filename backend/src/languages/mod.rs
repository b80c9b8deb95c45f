//! The languages of the cardholders' pages: which there are, and which one a person is shown. The texts stand in
//! `backend/texts`, one file a language; their keys are `shared::Text`.

mod table;

use shared::{Texts, Wording};

pub use table::{LANGUAGES, Language};

/// The tag of the original, which is shown where nothing else fits.
const ENGLISH: &str = "en";

/// The English texts: for programs, and where no other language fits.
pub fn english() -> Texts {
    Language::of(ENGLISH).map(Language::texts).unwrap_or_default()
}

/// What a person, or the link that was followed, asks for.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// `locale` of the page's address.
    pub locale: Option<String>,
    /// The browser's `Accept-Language`.
    pub accept: Option<String>,
}

impl Asked {
    /// The wording of a page that belongs to no form.
    pub fn wording(&self) -> Wording {
        Wording { lang: ENGLISH.to_owned(), rtl: false, texts: english() }
    }
}

#[cfg(test)]
mod tests {
    use shared::Text;

    use super::*;

    #[test]
    fn the_original_is_there() {
        assert_eq!(english().get(Text::Gone), "Link expired");
    }
}
