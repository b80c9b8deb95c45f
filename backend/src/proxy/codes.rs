//! Security codes in answers: what stands behind the name of one is hidden, and the code that was sent wherever it
//! stands as it was sent.

use std::collections::HashSet;
use std::ops::Range;

use zeroize::Zeroizing;

use super::Wish;
use crate::card_data::scan::{is_json, stands_bare};
use crate::card_data::{Meaning, meaning};
use crate::rules::{Carried, Rule};

/// What may stand between a name and its value, in characters.
const WIDEST: usize = 16;
/// So many characters before a value are looked through for a word that means a code.
const NEAR: usize = 40;
/// What ends the place of a value: a word before it belongs to another one.
const ENDS: [&str; 6] = [",\"", ", \"", "},", "&", "\n", "</"];
/// Words that mean a code, folded.
const WORDS: [&str; 7] = ["cvv", "cvc", "cvn", "csc", "cav2", "securitycode", "verification"];

/// A code that was put into a message, and the names that stood before it there.
pub struct SentCode {
    digits: Zeroizing<String>,
    names: HashSet<String>,
}

impl SentCode {
    /// The code of a message, and behind which words its templates wrote it.
    pub fn of(wish: &Wish, rules: &[Rule], digits: &str) -> Self {
        let carried = Carried::by(rules, |meaning| meaning == Meaning::Code);
        let holds = |name: &str| carried.holds(name);
        let mut names: HashSet<String> =
            wish.body.as_ref().map(|body| body.words_before(&holds)).unwrap_or_default();
        for (header, template) in &wish.headers {
            if template.names().iter().any(|name| holds(name)) {
                names.insert(header.to_lowercase());
                names.extend(template.words_before(&holds));
            }
        }
        Self { digits: Zeroizing::new(digits.to_owned()), names }
    }
}

/// The text without security codes.
pub fn hide(text: &str, sent: Option<&SentCode>) -> String {
    let is_json = is_json(text);
    let mut out = String::with_capacity(text.len());
    let (mut written, mut at) = (0, 0);
    while let Some(start) = digit_from(text, at) {
        let end = after_digits(text, start);
        at = end;
        if !(3..=4).contains(&(end - start)) || !is_code(text, start, end, sent) {
            continue;
        }
        let dots = "•".repeat(end - start);
        out.push_str(text.get(written..start).unwrap_or_default());
        let quote = if is_json && stands_bare(text, &Range { start, end }) { "\"" } else { "" };
        for part in [quote, &dots, quote] {
            out.push_str(part);
        }
        written = end;
    }
    out.push_str(text.get(written..).unwrap_or_default());
    out
}

fn digit_from(text: &str, at: usize) -> Option<usize> {
    text.get(at..)?.find(|c: char| c.is_ascii_digit()).map(|found| at + found)
}

fn after_digits(text: &str, start: usize) -> usize {
    let rest = text.get(start..).unwrap_or_default();
    rest.find(|c: char| !c.is_ascii_digit()).map_or(text.len(), |length| start + length)
}

fn is_code(text: &str, start: usize, end: usize, sent: Option<&SentCode>) -> bool {
    let before = text.get(..start).unwrap_or_default();
    let name = name_before(before);
    if meaning(&name) == Meaning::Code {
        return true;
    }
    let Some(sent) = sent.filter(|sent| text.get(start..end) == Some(sent.digits.as_str())) else {
        return false;
    };
    let alone = text.trim_matches(|c: char| c.is_whitespace() || c == '"') == sent.digits.as_str();
    alone || sent.names.contains(&name.to_lowercase()) || is_near(before)
}

/// The word before a value, in JSON, XML, a form or plain text; JSON in JSON has backslashes.
fn name_before(before: &str) -> String {
    let separates =
        |c: &char| c.is_whitespace() || matches!(c, '"' | '\'' | '\\' | ':' | '=' | '>' | '[' | '(');
    let mut rest = before.chars().rev().peekable();
    let mut skipped = 0;
    while skipped < WIDEST && rest.next_if(separates).is_some() {
        skipped += 1;
    }
    let word = rest.take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '-')).take(NEAR);
    let backwards: Vec<char> = word.collect();
    backwards.into_iter().rev().collect()
}

/// Whether a word that means a code stands shortly before.
fn is_near(before: &str) -> bool {
    let backwards: Vec<char> = before.chars().rev().take(NEAR).collect();
    let near: String = backwards.into_iter().rev().collect();
    let start = ENDS.iter().filter_map(|end| near.rfind(end).map(|at| at + end.len())).max();
    let near = near.get(start.unwrap_or_default()..).unwrap_or_default();
    let folded: String = near.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    WORDS.iter().any(|word| folded.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Members;

    fn sent(body: &str) -> SentCode {
        let request = format!(r#"{{"request":{{"url":"https://a.example/","body":{body}}}}}"#);
        let wish = Wish::parse(Members::parse(request.as_bytes()).unwrap());
        SentCode::of(&wish.ok().unwrap(), &[], "737")
    }

    #[test]
    fn what_stands_behind_the_name_of_a_code_is_hidden() {
        for (text, hidden) in [
            (r#"{"cvv":"123","id":"123"}"#, r#"{"cvv":"•••","id":"123"}"#),
            (r#"{"cvc": 1234, "amount": 737}"#, r#"{"cvc": "••••", "amount": 737}"#),
            ("<c:securityCode>123</c:securityCode>", "<c:securityCode>•••</c:securityCode>"),
            ("pan=x&cvv2=123&cvv2=", "pan=x&cvv2=•••&cvv2="),
            (r#"{"echo":"{\"cvv\":\"123\"}"}"#, r#"{"echo":"{\"cvv\":\"•••\"}"}"#),
            ("CVV 123 is wrong", "CVV ••• is wrong"),
        ] {
            assert_eq!(hide(text, None), hidden);
        }
    }

    #[test]
    fn the_code_that_was_sent_is_hidden_where_it_stands_as_it_was_sent() {
        let sent = sent(r#""{\"field55\":\"{{cvv}}\",\"amount\":737}""#);
        for (text, hidden) in [
            (r#"{"field55":"737","amount":737}"#, r#"{"field55":"•••","amount":737}"#),
            (r#"{"Field55":737}"#, r#"{"Field55":"•••"}"#),
            ("737", "•••"),
            ("\"737\"\n", "\"•••\"\n"),
            (r#"<cvv kind="x"><value>737</value></cvv>"#, r#"<cvv kind="x"><value>•••</value></cvv>"#),
            ("the security code given, 737, is wrong", "the security code given, •••, is wrong"),
            (r#"{"cvv":null,"amount":737}"#, r#"{"cvv":null,"amount":737}"#),
            ("currency 737, 7370, 1737", "currency 737, 7370, 1737"),
        ] {
            assert_eq!(hide(text, Some(&sent)), hidden);
        }
    }

    #[test]
    fn a_long_answer_is_gone_through_once() {
        let text = "a 737 ".repeat(170_000);
        assert_eq!(hide(&text, Some(&sent(r#""{{cvv}}""#))), text);
    }
}
