//! The file of a described gateway: its calls as templates, its answers as conditions and values. Everything is
//! compiled once when it is read, so that a mistake is told at start.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use url::Url;
use zeroize::Zeroizing;

use crate::gateways::Patience;
use crate::model::OperationKind;

/// The names of calls.
const CALLS: [&str; 10] = [
    "authorize",
    "verify",
    "complete",
    "capture",
    "void",
    "refund",
    "inquire_charge",
    "inquire_capture",
    "inquire_void",
    "inquire_refund",
];
/// What templates of calls may name.
const FACTS: [&str; 17] = [
    "operation",
    "kind",
    "minor",
    "amount",
    "currency",
    "takes",
    "order",
    "description",
    "credential",
    "reason",
    "scheme_reference",
    "payer",
    "return_url",
    "card",
    "reference",
    "original_reference",
    "returned",
];
/// The values that an answer gives, each a template.
pub const VALUES: [&str; 13] = [
    "reference",
    "approval_code",
    "rrn",
    "scheme_reference",
    "bank_code",
    "resolution",
    "message",
    "cvv_check",
    "address_check",
    "zip_check",
    "authenticated",
    "challenge_url",
    "challenge_method",
];
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
    file: File,
    base: Url,
    secrets: BTreeMap<String, Zeroizing<String>>,
    engine: Environment<'static>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Where all addresses begin.
    base: String,
    /// How long a call is waited for.
    #[serde(default = "usual_timeout")]
    timeout_ms: u64,
    /// What the gateway has not heard of after so long, it never will.
    #[serde(default = "usual_certain")]
    certain_ms: u64,
    /// Names of secrets and the files that hold them.
    #[serde(default)]
    secrets: BTreeMap<String, PathBuf>,
    /// Headers of every call.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// Calls that are sent again, with the same idempotency key, in place of an inquiry.
    #[serde(default)]
    repeats: Vec<String>,
    /// The calls.
    calls: BTreeMap<String, Call>,
    /// Answers by the names that calls give.
    answers: BTreeMap<String, Reading>,
    /// The gateway's reasons and the resolutions that they mean; `default` for all others.
    #[serde(default)]
    resolutions: BTreeMap<String, String>,
}

/// One call.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The method of HTTP.
    #[serde(default = "post")]
    pub method: String,
    /// The address, from `base` on.
    path: String,
    /// Headers beside those of every call, or in their place; one that comes out empty is left out.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// The body as JSON.
    json: Option<String>,
    /// The body as a form; fields that come out empty are left out.
    #[serde(default)]
    form: BTreeMap<String, String>,
    /// How its answer is read.
    pub answer: String,
}

/// How an answer is read: the first condition that holds decides.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reading {
    /// Of inquiries: the gateway never heard of the operation.
    pub unheard: Option<String>,
    /// Done.
    pub approved: Option<String>,
    /// The payer has to go to the issuer.
    pub challenged: Option<String>,
    /// Taken, and told later.
    pub pending: Option<String>,
    /// Refused.
    pub declined: Option<String>,
    /// An expression that gives the fields of a challenge.
    pub challenge_params: Option<String>,
    /// What the answer says, by our names.
    #[serde(default)]
    pub values: BTreeMap<String, String>,
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

    /// The inquiry about an operation: a call of its own, or the same call again.
    pub fn inquiry(&self, kind: OperationKind) -> Option<&Call> {
        let (inquiry, call) = match kind {
            OperationKind::Authorize | OperationKind::Sale | OperationKind::Verify => {
                ("inquire_charge", None)
            }
            OperationKind::Capture => ("inquire_capture", Some("capture")),
            OperationKind::Void => ("inquire_void", Some("void")),
            OperationKind::Refund => ("inquire_refund", Some("refund")),
        };
        let again = call.filter(|name| self.file.repeats.iter().any(|repeated| repeated == name));
        self.call(inquiry).or_else(|| self.call(again?))
    }

    /// How an answer is read.
    pub fn reading(&self, call: &Call) -> Option<&Reading> {
        self.file.answers.get(&call.answer)
    }

    /// What a gateway's reason means.
    pub fn resolution(&self, reason: &str) -> String {
        let known = self.file.resolutions.get(reason).or_else(|| self.file.resolutions.get("default"));
        known.map_or("declined", String::as_str).to_owned()
    }

    /// The host that is called.
    pub fn host(&self) -> &str {
        self.base.host_str().unwrap_or_default()
    }

    /// How long the gateway is waited for.
    pub fn patience(&self) -> Patience {
        let call = Duration::from_millis(self.file.timeout_ms);
        Patience { call, inquiry: call, certain: Duration::from_millis(self.file.certain_ms) }
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

    fn check(&self) -> Result<(), String> {
        let file = &self.file;
        if self.base.cannot_be_a_base() || self.base.host_str().is_none() || !self.base.path().ends_with('/')
        {
            return Err("base has to be an address that ends with a slash".to_owned());
        }
        if !(100..=15_000).contains(&file.timeout_ms) || file.certain_ms < file.timeout_ms * 2 {
            return Err("timeout_ms has to be 100 to 15000, certain_ms at least twice as much".to_owned());
        }
        if !file.calls.contains_key("authorize") {
            return Err("calls.authorize is missing".to_owned());
        }
        for (name, template) in &file.headers {
            self.check_template(&format!("headers.{name}"), template)?;
        }
        for name in &file.repeats {
            if !["capture", "void", "refund"].contains(&name.as_str()) {
                return Err(format!("repeats: {name} is none of capture, void, refund"));
            }
        }
        for (name, call) in &file.calls {
            self.check_call(name, call)?;
        }
        file.answers.iter().try_for_each(|(name, reading)| self.check_reading(name, reading))
    }

    fn check_call(&self, name: &str, call: &Call) -> Result<(), String> {
        if !CALLS.contains(&name) {
            return Err(format!("calls.{name}: there are {}", CALLS.join(", ")));
        }
        if !["GET", "POST", "PUT", "PATCH", "DELETE"].contains(&call.method.as_str()) {
            return Err(format!("calls.{name}.method is no method of HTTP"));
        }
        if call.json.is_some() && !call.form.is_empty() {
            return Err(format!("calls.{name} has two bodies"));
        }
        if !self.file.answers.contains_key(&call.answer) {
            return Err(format!("calls.{name}.answer names no table of answers"));
        }
        let texts = call.headers.values().chain(call.form.values()).chain(&call.json).chain([&call.path]);
        for template in texts {
            self.check_template(&format!("calls.{name}"), template)?;
        }
        Ok(())
    }

    fn check_template(&self, place: &str, template: &str) -> Result<(), String> {
        let wrong = |error: minijinja::Error| format!("{place}: {error}");
        let names = self.engine.template_from_str(template).map_err(wrong)?.undeclared_variables(true);
        for name in names {
            let (first, rest) = name.split_once('.').unwrap_or((&name, ""));
            let known = FACTS.contains(&first) || (first == "secrets" && self.secrets.contains_key(rest));
            if !known {
                return Err(format!(
                    "{place}: {name} is not known; there are secrets and {}",
                    FACTS.join(", ")
                ));
            }
        }
        Ok(())
    }

    fn check_reading(&self, name: &str, reading: &Reading) -> Result<(), String> {
        let Reading { unheard, approved, challenged, pending, declined, challenge_params, values } = reading;
        let place = format!("answers.{name}");
        for expression in
            [unheard, approved, challenged, pending, declined, challenge_params].into_iter().flatten()
        {
            let compiled = self.engine.compile_expression(expression);
            let names = compiled.map_err(|error| format!("{place}: {error}"))?.undeclared_variables(false);
            check_answer_names(&place, names)?;
        }
        for (value, template) in values {
            if !VALUES.contains(&value.as_str()) {
                return Err(format!("{place}.values.{value}: there are {}", VALUES.join(", ")));
            }
            let parsed =
                self.engine.template_from_str(template).map_err(|error| format!("{place}: {error}"))?;
            check_answer_names(&place, parsed.undeclared_variables(false))?;
        }
        Ok(())
    }
}

fn check_answer_names(place: &str, names: impl IntoIterator<Item = String>) -> Result<(), String> {
    let strange = names.into_iter().find(|name| !["http", "body"].contains(&name.as_str()));
    strange.map_or(Ok(()), |name| Err(format!("{place}: {name} is not known; there are http and body")))
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

fn secret(path: &Path) -> Result<Zeroizing<String>, String> {
    let mode = std::fs::metadata(path).map_err(|error| error.to_string())?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err("the file may be read by others than its owner".to_owned());
    }
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(|error| error.to_string())?);
    let line = text.trim_end_matches(['\r', '\n']);
    if line.is_empty() || line.contains('\n') {
        return Err("the file has to hold one line".to_owned());
    }
    Ok(Zeroizing::new(line.to_owned()))
}

fn post() -> String {
    "POST".to_owned()
}

const fn usual_timeout() -> u64 {
    15_000
}

const fn usual_certain() -> u64 {
    120_000
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"
        base = "https://acquirer.example/v1/"
        [calls.authorize]
        path = "payments"
        form = { amount = "{{ minor }}" }
        answer = "payment"
        [answers.payment]
        approved = "http == 200"
    "#;

    fn problem(text: &str) -> String {
        Description::parse(text, BTreeMap::new()).map(drop).unwrap_err().problem
    }

    #[test]
    fn a_mistake_is_told_when_the_file_is_read() {
        assert!(Description::parse(SMALL, BTreeMap::new()).is_ok());
        for (from, to, told) in [
            ("v1/\"", "v1\"", "ends with a slash"),
            ("[calls.authorize]", "[calls.autorize]", "calls.authorize is missing"),
            ("{{ minor }}", "{{ miner }}", "miner is not known"),
            ("{{ minor }}", "{{ minor ", "calls.authorize: "),
            ("{{ minor }}", "{{ secrets.key }}", "secrets.key is not known"),
            ("http == 200", "status == 200", "status is not known"),
            ("http == 200", "http ==", "answers.payment: "),
            ("\"payment\"", "\"other\"", "names no table"),
            ("path =", "pfad =", "unknown field"),
            ("base =", "repeats = [\"authorize\"]\nbase =", "none of capture"),
            ("base =", "timeout_ms = 20000\nbase =", "timeout_ms has to be"),
            ("base =", "certain_ms = 20000\nbase =", "at least twice"),
            ("path =", "method = \"FETCH\"\npath =", "no method of HTTP"),
            ("path =", "json = \"{}\"\npath =", "two bodies"),
            (
                "[answers.payment]",
                "[calls.pay]\npath = \"\"\nanswer = \"payment\"\n[answers.payment]",
                "calls.pay",
            ),
            ("approved =", "values = { colour = \"\" }\napproved =", "values.colour"),
        ] {
            let told_of = problem(&SMALL.replacen(from, to, 1));
            assert!(told_of.contains(told), "{to}: {told_of}");
        }
    }

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
    fn a_secret_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "s3cret\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(secret(&path).unwrap_err().contains("owner"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(secret(&path).unwrap().as_str(), "s3cret");
        std::fs::write(&path, "two\nlines\n").unwrap();
        assert!(secret(&path).unwrap_err().contains("one line"));
    }
}
