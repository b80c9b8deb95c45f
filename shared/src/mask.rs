//! How secrets are shown: names by their first letters, numbers by their ends.

/// A name with only the first letter of each word left: `A•• L•••`, at most six words.
pub fn name(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    for word in text.split_whitespace().take(6) {
        if !masked.is_empty() {
            masked.push(' ');
        }
        let mut letters = word.chars();
        masked.extend(letters.next());
        masked.extend(letters.take(7).map(|_| '•'));
    }
    masked
}

/// A number by what may be shown of it: `411111••••••1111`.
pub fn number(first: &str, last: &str, length: usize) -> String {
    let hidden = length.saturating_sub(first.len() + last.len());
    let mut masked = String::with_capacity(length * 3);
    masked.push_str(first);
    masked.extend(std::iter::repeat_n('•', hidden));
    masked.push_str(last);
    masked
}

#[cfg(test)]
mod tests {
    #[test]
    fn masks_leave_what_may_be_shown() {
        assert_eq!(super::name("Ada King Lovelace"), "A•• K••• L•••••••");
        assert_eq!(super::number("411111", "1111", 16), "411111••••••1111");
    }
}
