//! A merchant's scripts inside a document. Its policy names each by its hash (CSP 3, section 2.3.1): a nonce would also
//! let them load others by `import()`, from anywhere.

use crate::assets::integrity;

/// Scripts as they stand in their elements, in order.
#[derive(Default)]
pub struct Inline(Vec<String>);

impl Inline {
    /// Adds a script.
    pub fn add(&mut self, code: &str) {
        self.0.push(neutral(code));
    }

    /// The texts for the elements.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// What the policy's `script-src` names.
    pub fn sources(&self) -> Vec<String> {
        self.0.iter().map(|code| format!("'{}'", integrity(code.as_bytes()))).collect()
    }
}

/// A script that cannot end its element, or begin a comment that swallows the end (security rule 15). Line ends and
/// NUL are as the browser's parser leaves them, so that the hash is that of what it finds.
fn neutral(code: &str) -> String {
    let code = code.replace("\r\n", "\n").replace('\r', "\n").replace('\0', "\u{FFFD}");
    let mut out = String::with_capacity(code.len() + 16);
    let mut rest = code.as_str();
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
    use super::*;

    #[test]
    fn comparisons_are_left_alone() {
        assert_eq!(neutral("for (i = 0; i < 3; i++) {}"), "for (i = 0; i < 3; i++) {}");
    }

    #[test]
    fn what_the_parser_changes_is_changed_before() {
        assert_eq!(neutral("a\r\nb\rc\0"), "a\nb\nc\u{FFFD}");
    }
}
