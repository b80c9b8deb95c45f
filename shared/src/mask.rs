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

/// An identity number with its last characters left, at most three, and none of a short one: `••••••782`.
pub fn id(text: &str) -> String {
    let letters: Vec<char> = text.chars().filter(|letter| letter.is_alphanumeric()).collect();
    let shown = match letters.len() {
        0..5 => 0,
        5..8 => 2,
        _ => 3,
    };
    let hidden = letters.len() - shown;
    std::iter::repeat_n('•', hidden.min(12)).chain(letters.into_iter().skip(hidden)).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn masks_leave_what_may_be_shown() {
        assert_eq!(super::name("Ada King Lovelace"), "A•• K••• L•••••••");
        for (id, masked) in [("0345-6782 A", "••••••82A"), ("12345", "•••45"), ("AB1", "•••"), (" ", "")]
        {
            assert_eq!(super::id(id), masked);
        }
        assert_eq!(super::number("411111", "1111", 16), "411111••••••1111");
    }
}
