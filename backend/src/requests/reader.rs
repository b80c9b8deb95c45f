//! The members of a body of the booking interface, read one by one (spec B.4).

use std::str::FromStr as _;

use lettre::Address;
use phonenumber::Mode as PhoneFormat;
use url::Url;

use super::words;
use crate::invalid::Invalid;
use crate::json::{Members, Value};

/// The longest address.
pub const MAX_ADDRESS: usize = 2_000;

/// The members of a body by name, whatever its case. Tells every problem, never a value.
pub struct Reader {
    members: Vec<(String, Value)>,
    problems: Vec<Invalid>,
}

impl Reader {
    /// Of a body.
    pub fn new(body: Members) -> Self {
        let mut reader = Self { members: Vec::new(), problems: Vec::new() };
        for (name, value) in body {
            let folded = name.to_lowercase();
            if reader.members.iter().any(|(known, _)| *known == folded) {
                reader.tell("", "duplicate", "The body names a member twice.");
            }
            reader.members.push((folded, value));
        }
        reader
    }

    /// What was read, or every problem.
    pub fn finish<T>(self, read: T) -> Result<T, Vec<Invalid>> {
        if self.problems.is_empty() { Ok(read) } else { Err(self.problems) }
    }

    /// Notes a problem of a member.
    pub fn tell(&mut self, name: &str, code: &'static str, detail: impl Into<String>) {
        let pointer = if name.is_empty() { String::new() } else { format!("/{name}") };
        self.problems.push(Invalid::new(pointer, code, detail));
    }

    /// The text of a member, trimmed; `None` where it is missing, null or empty.
    pub fn text(&mut self, name: &str, most: usize) -> Option<String> {
        let text = match self.find(name) {
            None | Some(Value::Null) => return None,
            Some(value) => value.as_typed().map(|text| text.trim().to_owned()),
        };
        let Some(text) = text else {
            self.tell(name, "type", format!("{name} has to be a text."));
            return None;
        };
        if text.chars().count() > most {
            self.tell(name, "too_long", format!("{name} has at most {most} characters."));
            return None;
        }
        Some(text).filter(|text| !text.is_empty())
    }

    /// A text of one line for people, without a card number in it (security rule 10).
    pub fn line(&mut self, name: &str, most: usize) -> Option<String> {
        let text = self.text(name, most)?;
        if text.chars().any(shared::holder::is_unprintable) {
            self.tell(name, "characters", format!("{name} may hold no line ends and no control characters."));
            return None;
        }
        self.without_number(name, text)
    }

    /// A text with placeholders.
    pub fn words(&mut self, name: &str, most: usize) -> Option<String> {
        let text = self.text(name, most)?;
        if let Err(error) = words::check(&text) {
            self.tell(name, "placeholder", format!("{error}."));
            return None;
        }
        self.without_number(name, text.replace("\r\n", "\n"))
    }

    /// A switch.
    pub fn switch(&mut self, name: &str, default: bool) -> bool {
        let value = match self.find(name) {
            None | Some(Value::Null) => return default,
            Some(Value::Bool(value)) => Some(*value),
            Some(value) => match value.as_typed().map(str::to_lowercase).as_deref() {
                Some("true" | "1") => Some(true),
                Some("false" | "0") => Some(false),
                Some("") => return default,
                _ => None,
            },
        };
        value.unwrap_or_else(|| {
            self.tell(name, "type", format!("{name} has to be true or false."));
            default
        })
    }

    /// An e-mail address.
    pub fn email(&mut self, name: &str) -> Option<String> {
        let text = self.text(name, 254)?;
        if Address::from_str(&text).is_err() || text.chars().any(shared::holder::is_unprintable) {
            self.tell(name, "email", format!("{name} has to be an e-mail address."));
            return None;
        }
        Some(text)
    }

    /// A telephone number as E.164; clients of the interface leave the plus out.
    pub fn phone(&mut self, name: &str) -> Option<String> {
        let text = self.text(name, 40)?;
        let whole = if text.starts_with('+') { text } else { format!("+{text}") };
        match phonenumber::parse(None, &whole) {
            Ok(number) if phonenumber::is_valid(&number) => {
                Some(number.format().mode(PhoneFormat::E164).to_string())
            }
            _ => {
                let detail = format!("{name} has to be a telephone number with its country code.");
                self.tell(name, "phone", detail);
                None
            }
        }
    }

    /// An https address.
    pub fn address(&mut self, name: &str) -> Option<String> {
        let text = self.text(name, MAX_ADDRESS)?;
        let usable = Url::parse(&text).ok().filter(|url| {
            matches!(url.scheme(), "https" | "http")
                && url.has_host()
                && url.username().is_empty()
                && url.password().is_none()
        });
        if usable.is_none() {
            self.tell(name, "url", format!("{name} has to be an https address."));
        }
        usable.map(String::from)
    }

    /// The value of a member, whatever it is.
    pub fn find(&self, name: &str) -> Option<&Value> {
        let folded = name.to_lowercase();
        self.members.iter().find(|(known, _)| *known == folded).map(|(_, value)| value)
    }

    fn without_number(&mut self, name: &str, text: String) -> Option<String> {
        if shared::digits::holds_card_number(&text) {
            self.tell(name, "holds_number", format!("{name} holds what looks like a card number."));
            return None;
        }
        Some(text)
    }
}
