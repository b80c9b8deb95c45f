//! A described gateway: its calls as templates, its answers as conditions and values.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;
use zeroize::Zeroizing;

use super::file::{Call, File, Reading, secret};
use crate::gateways::Patience;
use crate::model::{OperationKind, published};

/// What stays as it is in a part of an address.
const IN_ADDRESS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// The escape of values in a template that is an address.
const URL: &str = "url";

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {problem}")]
pub struct DescriptionError {
    /// The file.
    pub file: String,
    /// What is wrong, without values of secrets.
    pub problem: String,
}

/// A described gateway.
pub struct Description {
    pub(super) file: File,
    pub(super) base: Url,
    pub(super) secrets: BTreeMap<String, Zeroizing<String>>,
    pub(super) engine: Environment<'static>,
}

impl Description {
    /// Reads and checks a file, and the secrets that it names, beside it.
    pub fn read(path: &Path) -> Result<Self, DescriptionError> {
        let wrong = |problem: String| DescriptionError { file: path.display().to_string(), problem };
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let file: File = toml::from_str(&text).map_err(|error| wrong(error.message().to_owned()))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut secrets = BTreeMap::new();
        for (name, place) in &file.secrets {
            let secret =
                secret(&folder.join(place)).map_err(|problem| wrong(format!("secrets.{name}: {problem}")))?;
            secrets.insert(name.clone(), secret);
        }
        Self::build(file, secrets).map_err(wrong)
    }

    /// A description of a text, with its secrets.
    pub fn parse(text: &str, secrets: BTreeMap<String, Zeroizing<String>>) -> Result<Self, DescriptionError> {
        let wrong = |problem: String| DescriptionError { file: "description".to_owned(), problem };
        let file: File = toml::from_str(text).map_err(|error| wrong(error.message().to_owned()))?;
        if let Some(name) = file.secrets.keys().find(|name| !secrets.contains_key(*name)) {
            return Err(wrong(format!("secrets.{name} is not given")));
        }
        Self::build(file, secrets).map_err(wrong)
    }

    /// The same with another base, such as a test system of the gateway.
    #[must_use]
    pub fn at(mut self, base: Url) -> Self {
        self.base = base;
        self
    }

    fn build(file: File, secrets: BTreeMap<String, Zeroizing<String>>) -> Result<Self, String> {
        let base = Url::parse(&file.base).map_err(|_| "base is no address".to_owned())?;
        let description = Self { file, base, secrets, engine: engine() };
        description.check()?;
        Ok(description)
    }

    /// A call of a name.
    pub fn call(&self, name: &str) -> Option<&Call> {
        self.file.calls.get(name)
    }

    /// The inquiry about an operation of an age: a call of its own, or the same call again while the gateway is sure
    /// to know its key. What the gateway has taken and tells later is not sent again.
    pub fn inquiry(&self, kind: OperationKind, age: Duration, is_pending: bool) -> Option<&Call> {
        let (inquiry, call) = match kind {
            OperationKind::Authorize | OperationKind::Sale | OperationKind::Verify => {
                ("inquire_charge", None)
            }
            OperationKind::Capture => ("inquire_capture", Some("capture")),
            OperationKind::Void => ("inquire_void", Some("void")),
            OperationKind::Refund => ("inquire_refund", Some("refund")),
        };
        let longest = self.file.repeats_for_ms.map(Duration::from_millis);
        let repeats = !is_pending && longest.is_some_and(|longest| age < longest);
        let again = call.filter(|name| repeats && self.file.repeats.iter().any(|repeated| repeated == name));
        self.call(inquiry).or_else(|| self.call(again?))
    }

    /// Whether one of the fields came back that `complete` needs.
    pub fn takes_return(&self, returned: &[(String, String)]) -> bool {
        let Some(call) = self.call("complete") else { return false };
        let needs = |name: &String| call.returns.contains(name);
        call.returns.is_empty() || returned.iter().any(|(name, _)| needs(name))
    }

    /// How an answer is read.
    pub fn reading(&self, call: &Call) -> Option<&Reading> {
        self.file.answers.get(&call.answer)
    }

    /// What a gateway's reason means.
    pub fn resolution(&self, reason: &str) -> String {
        let known = self.file.resolutions.get(reason).or_else(|| self.file.resolutions.get("default"));
        known.map_or(published::DECLINED, String::as_str).to_owned()
    }

    /// The host that is called.
    pub fn host(&self) -> &str {
        self.base.host_str().unwrap_or_default()
    }

    /// How long the gateway is waited for.
    pub fn patience(&self) -> Patience {
        let call = Duration::from_millis(self.file.timeout_ms);
        let certain = Duration::from_millis(self.file.certain_ms);
        let again = Duration::from_millis(self.file.unheard_again_ms);
        Patience { call, inquiry: call, certain, again }
    }

    /// The secrets as templates see them.
    pub fn secrets(&self) -> Value {
        let secrets = self.secrets.iter().map(|(name, secret)| (name.as_str(), secret.as_str()));
        Value::from_pairs([("secrets", Value::from_pairs(secrets))])
    }

    /// The address of a call; `None` where it would leave the base.
    pub fn url(&self, call: &Call, facts: &Value) -> Result<Option<Url>, minijinja::Error> {
        let path = self.engine.render_named_str("path.url", &call.path, facts)?;
        let url = self.base.join(&path).ok();
        Ok(url.filter(|url| url.origin() == self.base.origin() && url.path().starts_with(self.base.path())))
    }

    /// The headers of a call.
    pub fn headers(&self, call: &Call, facts: &Value) -> Result<Vec<(String, String)>, minijinja::Error> {
        let kind = if call.json.is_some() { "application/json" } else { "application/x-www-form-urlencoded" };
        let mut headers: BTreeMap<_, _> = [("accept".to_owned(), "application/json".to_owned())].into();
        if call.method != "GET" {
            headers.insert("content-type".to_owned(), kind.to_owned());
        }
        for (name, template) in self.file.headers.iter().chain(&call.headers) {
            headers.insert(name.to_lowercase(), self.engine.render_str(template, facts)?);
        }
        headers.retain(|_, value| !value.is_empty());
        Ok(headers.into_iter().collect())
    }

    /// The body of a call, with marks in the place of the card's number and code.
    pub fn body(&self, call: &Call, facts: &Value) -> Result<String, minijinja::Error> {
        if let Some(template) = &call.json {
            return self.engine.render_named_str("body.json", template, facts);
        }
        let mut form = form_urlencoded::Serializer::new(String::new());
        for (name, template) in &call.form {
            let value = self.engine.render_str(template, facts)?;
            if !value.is_empty() {
                form.append_pair(name, &value);
            }
        }
        Ok(form.finish())
    }

    /// Whether a condition holds.
    pub fn holds(&self, condition: Option<&String>, facts: &Value) -> Result<bool, minijinja::Error> {
        let Some(condition) = condition else { return Ok(false) };
        Ok(self.engine.compile_expression(condition)?.eval(facts)?.is_true())
    }

    /// The value of an expression.
    pub fn evaluate(&self, expression: &str, facts: &Value) -> Result<Value, minijinja::Error> {
        self.engine.compile_expression(expression)?.eval(facts)
    }

    /// The text of a template.
    pub fn text(&self, template: &str, facts: &Value) -> Result<String, minijinja::Error> {
        self.engine.render_str(template, facts)
    }
}

fn engine() -> Environment<'static> {
    let mut engine = Environment::new();
    // Gateways leave members out; what is not there is empty.
    engine.set_undefined_behavior(UndefinedBehavior::Chainable);
    engine.set_auto_escape_callback(|name| match name.rsplit_once('.') {
        Some((_, "json")) => AutoEscape::Json,
        Some((_, "url")) => AutoEscape::Custom(Cow::Borrowed(URL)),
        _ => AutoEscape::None,
    });
    engine.set_formatter(|out, state, value| match state.auto_escape() {
        AutoEscape::Custom(kind) if kind == URL => out
            .write_str(&utf8_percent_encode(&value.to_string(), IN_ADDRESS).to_string())
            .map_err(Into::into),
        _ => minijinja::escape_formatter(out, state, value),
    });
    engine
}

#[cfg(test)]
mod tests {
    use super::super::SMALL;
    use super::*;

    #[test]
    fn addresses_stay_within_the_base() {
        let text = SMALL.replace("\"payments\"", "\"payments/{{ original_reference }}/x\"");
        let description = Description::parse(&text, BTreeMap::new()).unwrap();
        let url = |reference: &str| {
            let facts = Value::from_pairs([("original_reference", reference)]);
            description
                .url(description.call("authorize").unwrap(), &facts)
                .unwrap()
                .map(|url| url.to_string())
        };
        assert_eq!(url("pi_1-2").unwrap(), "https://acquirer.example/v1/payments/pi_1-2/x");
        assert_eq!(url("a/../b?c#d").unwrap(), "https://acquirer.example/v1/payments/a%2F..%2Fb%3Fc%23d/x");
        let outside = SMALL.replace("\"payments\"", "\"//other.example/\"");
        let description = Description::parse(&outside, BTreeMap::new()).unwrap();
        assert!(description.url(description.call("authorize").unwrap(), &Value::from(())).unwrap().is_none());
    }

    #[test]
    fn what_is_old_or_pending_is_not_sent_again() {
        let text = SMALL.replacen("base =", "repeats = [\"refund\"]\nrepeats_for_ms = 3600000\nbase =", 1);
        let refund = "[calls.refund]\npath = \"refunds\"\nanswer = \"payment\"\n[answers.payment]";
        let text = text.replacen("[answers.payment]", refund, 1);
        let description = Description::parse(&text, BTreeMap::new()).unwrap();
        let inquiry = |minutes, is_pending| {
            let age = Duration::from_mins(minutes);
            description.inquiry(OperationKind::Refund, age, is_pending).is_some()
        };
        assert!(inquiry(59, false) && !inquiry(60, false) && !inquiry(59, true));
        let asked = "[calls.inquire_refund]\npath = \"refunds\"\nanswer = \"payment\"\n[answers.payment]";
        let text = text.replacen("[answers.payment]", asked, 1);
        let description = Description::parse(&text, BTreeMap::new()).unwrap();
        for (age, is_pending) in [(Duration::ZERO, false), (Duration::MAX, true)] {
            let call = description.inquiry(OperationKind::Refund, age, is_pending).unwrap();
            assert!(std::ptr::eq(call, description.call("inquire_refund").unwrap()));
        }
    }
}
