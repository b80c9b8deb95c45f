//! Templates of messages to other servers: mustache's marks around values of a card, with filters (spec A.7).
//!
//! What stands between two marks is evaluated by the library; what stands around it never reaches the library, and
//! values are put in once and not looked through again. So a template can neither loop nor call itself, and no
//! member can bring marks of its own.

mod escape;
mod evaluate;
mod filters;
mod read;

use std::collections::{BTreeMap, HashSet};

use minijinja::Value;
use zeroize::Zeroizing;

pub use escape::Escape;
use evaluate::{evaluate, has_default, is_something, names_of, told};

use crate::json;

/// A template, read and checked.
#[derive(Debug)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Text(String),
    Value { expression: String, raw: bool },
    Section { expression: String, inverted: bool, parts: Vec<Self> },
}

/// Why a template cannot be used. Never holds a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// An opening mark or a section without its end.
    #[error("a mark or a section is opened and not closed")]
    Unclosed,
    /// The end of a section that was not opened.
    #[error("a section is closed that was not opened")]
    NotOpened,
    /// Something between two marks that is no member with filters.
    #[error("between two marks stands a member's name, with filters behind it")]
    Expression,
    /// Another template inside this one.
    #[error("a template cannot hold another template")]
    Partial,
    /// Sections in sections in sections, or very many marks.
    #[error("the template has too many marks or sections in each other")]
    TooDeep,
    /// A name that no value has.
    #[error("there is no member {0}")]
    UnknownMember(String),
    /// A filter that does not exist.
    #[error("there is no filter of this name")]
    UnknownFilter,
    /// A value that a filter cannot work with.
    #[error("a filter cannot work with the value of {0}")]
    Filter(String),
    /// More text than is allowed.
    #[error("the text becomes longer than {0} bytes")]
    TooLong(usize),
}

impl TemplateError {
    /// The stable name of the problem.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownMember(_) => "unknown_member",
            Self::UnknownFilter => "unknown_filter",
            Self::TooLong(_) => "too_long",
            Self::Filter(_) => "filter",
            _ => "template",
        }
    }
}

/// The values that names have.
#[derive(Default)]
pub struct Values(BTreeMap<String, Value>);

impl Values {
    /// The members of an object under their names.
    pub fn of(members: &json::Members) -> Self {
        Self(members.iter().map(|(name, value)| (name.to_owned(), convert(value))).collect())
    }

    /// Gives a name its value, unless it has one.
    pub fn add(&mut self, name: &str, text: impl Into<String>) {
        self.0.entry(name.to_owned()).or_insert_with(|| Value::from(text.into()));
    }

    /// Gives a name a value of any kind, unless it has one.
    pub fn add_value(&mut self, name: &str, value: &json::Value) {
        self.0.entry(name.to_owned()).or_insert_with(|| convert(value));
    }

    /// Whether a name has a value.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

impl Template {
    /// Reads a template.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        Ok(Self { parts: read::parts(text)? })
    }

    /// Whether it holds no marks at all.
    pub fn is_plain(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Text(_)))
    }

    /// The text before the first mark.
    pub fn head(&self) -> &str {
        if let Some(Part::Text(text)) = self.parts.first() { text } else { "" }
    }

    /// The names that it asks for.
    pub fn names(&self) -> HashSet<String> {
        let mut names = HashSet::new();
        collect(&self.parts, &mut names);
        names
    }

    /// Whether a value is put in as it is, or written for a notation that parts nothing in an address.
    pub fn is_unescaped(&self) -> bool {
        self.parts.iter().any(Part::is_unescaped)
    }

    /// What stands right before the values that `sought` tells by a name: the last word of the text there.
    pub fn words_before(&self, sought: &dyn Fn(&str) -> bool) -> HashSet<String> {
        let mut words = HashSet::new();
        let mut before = "";
        words_before(&self.parts, sought, &mut before, &mut words);
        words
    }

    /// Refuses a name outside of sections that has no value. Looks at names alone.
    pub fn missing(&self, values: &Values) -> Option<TemplateError> {
        self.parts.iter().find_map(|part| match part {
            Part::Value { expression, .. } if !has_default(expression) => {
                let missing = names_of(expression).into_iter().find(|name| !values.has(name));
                missing.map(|name| TemplateError::UnknownMember(told(&name)))
            }
            _ => None,
        })
    }

    /// Tries each expression on values, those of every section too. `open` names values that nobody knows yet: of
    /// expressions with one of them nothing is told but a filter that does not exist.
    pub fn check(&self, values: &Values, open: &HashSet<String>) -> Result<(), TemplateError> {
        let context = Value::from(values.0.clone());
        check(&self.parts, &context, values, open)
    }

    /// Puts the values in. The result has at most `most` bytes.
    pub fn render(
        &self,
        values: &Values,
        escape: Escape,
        most: usize,
    ) -> Result<Zeroizing<String>, TemplateError> {
        let context = Value::from(values.0.clone());
        let mut out = Zeroizing::new(String::with_capacity(1024));
        write(&self.parts, &context, values, escape, most, &mut out)?;
        Ok(out)
    }
}

fn collect(parts: &[Part], names: &mut HashSet<String>) {
    for part in parts {
        match part {
            Part::Text(_) => {}
            Part::Value { expression, .. } => names.extend(names_of(expression)),
            Part::Section { expression, parts, .. } => {
                names.extend(names_of(expression));
                collect(parts, names);
            }
        }
    }
}

impl Part {
    fn is_unescaped(&self) -> bool {
        match self {
            Self::Text(_) => false,
            Self::Value { raw: true, .. } => true,
            Self::Value { expression, .. } => {
                let dense: String = expression.chars().filter(|c| !c.is_whitespace()).collect();
                ["|raw", "|json", "|xml"].iter().any(|filter| dense.contains(filter))
            }
            Self::Section { parts, .. } => parts.iter().any(Self::is_unescaped),
        }
    }
}

fn words_before<'t>(
    parts: &'t [Part],
    sought: &dyn Fn(&str) -> bool,
    before: &mut &'t str,
    words: &mut HashSet<String>,
) {
    for part in parts {
        match part {
            Part::Text(text) => *before = text,
            Part::Value { expression, .. } => {
                if names_of(expression).iter().any(|name| sought(name)) {
                    words.extend(last_word(before));
                }
                *before = "";
            }
            Part::Section { parts, .. } => words_before(parts, sought, before, words),
        }
    }
}

/// The last word of a text in lower case, whatever separates it from the end.
fn last_word(text: &str) -> Option<String> {
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    let end = text.trim_end_matches(|c| !is_word(c));
    let word = end.rsplit(|c| !is_word(c)).next().unwrap_or_default();
    Some(word.to_lowercase()).filter(|word| !word.is_empty())
}

fn check(
    parts: &[Part],
    context: &Value,
    values: &Values,
    open: &HashSet<String>,
) -> Result<(), TemplateError> {
    for part in parts {
        let (expression, inside, is_section) = match part {
            Part::Text(_) => continue,
            Part::Value { expression, .. } => (expression, &[][..], false),
            Part::Section { expression, parts, .. } => (expression, parts.as_slice(), true),
        };
        let is_open = is_section || !names_of(expression).is_disjoint(open);
        match evaluate(expression, context, values) {
            Err(error @ (TemplateError::UnknownFilter | TemplateError::Expression)) => return Err(error),
            Err(error) if !is_open => return Err(error),
            Ok(_) | Err(_) => {}
        }
        check(inside, context, values, open)?;
    }
    Ok(())
}

fn write(
    parts: &[Part],
    context: &Value,
    values: &Values,
    escape: Escape,
    most: usize,
    out: &mut String,
) -> Result<(), TemplateError> {
    for part in parts {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Value { expression, raw } => {
                let value = evaluate(expression, context, values)?;
                let text = Zeroizing::new(value.to_string());
                if *raw || value.is_safe() { out.push_str(&text) } else { escape.write(&text, out) }
            }
            Part::Section { expression, inverted, parts } => {
                // A section asks whether there is something; a name without a value is nothing.
                let is = evaluate(expression, context, values).is_ok_and(|value| is_something(&value));
                if is != *inverted {
                    write(parts, context, values, escape, most, out)?;
                }
            }
        }
        if out.len() > most {
            return Err(TemplateError::TooLong(most));
        }
    }
    Ok(())
}

fn convert(value: &json::Value) -> Value {
    match value {
        json::Value::Null => Value::from(""),
        json::Value::Bool(value) => Value::from(*value),
        // Numbers keep their digits as they were written.
        json::Value::Number(text) | json::Value::Text(text) => Value::from(text.as_str()),
        json::Value::List(items) => Value::from(items.iter().map(convert).collect::<Vec<_>>()),
        json::Value::Object(members) => Value::from(Values::of(members).0),
    }
}

#[cfg(test)]
mod tests {
    use super::read::MAX_MARKS;
    use super::*;

    const CARD: &str = r#"{"card_number":"4111111111111111","card_holder":"Ada \"A\" <K> & {{card_number}}","expiry":"06/31",
        "n":1.50,"deep":{"a":"b"},"empty":"","no":false}"#;

    fn render(template: &str, escape: Escape) -> Result<String, TemplateError> {
        let members = json::Members::parse(CARD.as_bytes()).unwrap();
        Template::parse(template)?.render(&Values::of(&members), escape, 2_000).map(|text| text.to_string())
    }

    fn plain(template: &str) -> String {
        render(template, Escape::None).unwrap()
    }

    #[test]
    fn values_stand_where_their_names_stood() {
        assert_eq!(plain("<{{card_number}}>"), "<4111111111111111>");
        assert_eq!(plain(r#"{"a":{"n":{{ n }}}}"#), r#"{"a":{"n":1.50}}"#);
        assert_eq!(plain("{{deep.a}}{{! nothing }}{% if %}{# x #}"), "b{% if %}{# x #}");
    }

    #[test]
    fn a_value_is_not_looked_through_again() {
        assert!(plain("{{card_holder}}").ends_with("{{card_number}}"));
    }

    #[test]
    fn values_are_escaped_for_their_place() {
        let holder = |escape| render("{{card_holder}}", escape).unwrap();
        assert_eq!(holder(Escape::Json), r#"Ada \"A\" <K> & {{card_number}}"#);
        assert_eq!(holder(Escape::Xml), "Ada &quot;A&quot; &lt;K&gt; &amp; {{card_number}}");
        assert_eq!(holder(Escape::Form), "Ada+%22A%22+%3CK%3E+%26+%7B%7Bcard_number%7D%7D");
        assert_eq!(holder(Escape::Url), "Ada%20%22A%22%20%3CK%3E%20%26%20%7B%7Bcard%5Fnumber%7D%7D");
        assert_eq!(render("{{{card_holder}}}", Escape::Xml).unwrap(), holder(Escape::None));
        assert_eq!(render("{{& card_holder}}", Escape::Xml).unwrap(), holder(Escape::None));
        assert_eq!(render("{{card_holder|xml}}", Escape::Json).unwrap(), holder(Escape::Xml));
    }

    #[test]
    fn filters_write_what_acquirers_ask_for() {
        for (template, expected) in [
            ("{{expiry|month}}/{{expiry|year4}}", "06/2031"),
            ("{{expiry|month1}}-{{expiry|year2}}", "6-31"),
            ("{{expiry|digits}}", "0631"),
            ("{{card_number|last4}} {{card_number|first6}}", "1111 411111"),
            ("{{card_number|substr(4, 4)}}", "1111"),
            ("{{deep.a|upper|pad(3,'0')}}", "00B"),
            ("{{missing|default('x')}}", "x"),
            ("{{deep.a|base64}}", "Yg=="),
            ("{{card_number|replace('4111','')}}", "111111111111"),
        ] {
            assert_eq!(plain(template), expected, "{template}");
        }
    }

    #[test]
    fn sections_show_what_depends_on_a_member() {
        assert_eq!(plain("{{#expiry}}a{{/expiry}}{{#cvv}}b{{/cvv}}{{^cvv}}c{{/cvv}}"), "ac");
        assert_eq!(plain("{{#empty}}a{{/empty}}{{#no}}b{{/no}}{{#deep}}c{{/deep}}"), "c");
    }

    #[test]
    fn what_is_no_template_is_refused() {
        use TemplateError::{Expression, NotOpened, Partial, TooDeep, Unclosed, UnknownFilter};
        for (template, error) in [
            ("{{card_number", Unclosed),
            ("{{card_number}", Unclosed),
            ("{{{card_number}}", Unclosed),
            ("{{#expiry}}", Unclosed),
            ("{{#expiry}}{{#n}}{{/expiry}}{{/n}}", Unclosed),
            ("{{/expiry}}", NotOpened),
            ("{{> card}}", Partial),
            ("{{}}", Expression),
            ("{{card_number ~ card_number}}", Expression),
            ("{{'a' * 100000}}", Expression),
            ("{{card_number * 9}}", Expression),
            ("{{card_number.b(1)}}", Expression),
            ("{{n|unmask}}", UnknownFilter),
        ] {
            assert_eq!(render(template, Escape::None).unwrap_err(), error, "{template}");
        }
        assert_eq!(render(&"{{#n}}".repeat(20), Escape::None), Err(TooDeep));
        assert_eq!(render(&"{{n}}".repeat(MAX_MARKS + 1), Escape::None), Err(TooDeep));
    }

    #[test]
    fn an_unknown_member_is_named_and_a_number_is_not() {
        assert_eq!(render("{{pin}}", Escape::None), Err(TemplateError::UnknownMember("pin".into())));
        assert_eq!(render("{{deep.x}}", Escape::None), Err(TemplateError::UnknownMember("deep.x".into())));
        let hidden = render("{{_4111111111111111}}", Escape::None);
        assert_eq!(hidden, Err(TemplateError::UnknownMember("…".into())));
    }

    #[test]
    fn expressions_are_tried_without_the_values_that_nobody_knows() {
        let members = json::Members::parse(CARD.as_bytes()).unwrap();
        let mut values = Values::of(&members);
        values.add("note", "1");
        let open = HashSet::from(["note".to_owned()]);
        let check = |template: &str| Template::parse(template).unwrap().check(&values, &open);
        let filter = |name: &str| Err(TemplateError::Filter(name.into()));
        assert_eq!(check("{{note|month}}{{note.deep}}{{#other}}{{note}}{{/other}}"), Ok(()));
        assert_eq!(check("{{card_number|month}}"), filter("card_number"));
        assert_eq!(check("{{#no}}{{card_number|month}}{{/no}}"), filter("card_number"));
        assert_eq!(check("{{note|nothing}}"), Err(TemplateError::UnknownFilter));
        assert_eq!(check("{{#note|nothing}}{{/note|nothing}}"), Err(TemplateError::UnknownFilter));
        let missing = |template: &str| Template::parse(template).unwrap().missing(&values);
        assert_eq!(missing("{{note}}{{x|default('')}}{{#x}}{{x}}{{/x}}"), None);
        assert_eq!(missing("{{x|month}}"), Some(TemplateError::UnknownMember("x".into())));
    }

    #[test]
    fn the_words_before_values_are_found() {
        let words = |template: &str| {
            let mut words: Vec<_> =
                Template::parse(template).unwrap().words_before(&|name| name == "cvv").into_iter().collect();
            words.sort();
            words.join(" ")
        };
        assert_eq!(words(r#"{"a":"{{cvv}}","b":"{{n}}"}"#), "a");
        assert_eq!(words("<A>{{#cvv}}{{cvv|digits}}{{/cvv}}</A>&b-c={{cvv}}"), "a b-c");
        assert_eq!(words("{{cvv}} {{n}}"), "");
    }

    #[test]
    fn what_parts_nothing_in_an_address_is_told() {
        let is = |template: &str| Template::parse(template).unwrap().is_unescaped();
        assert!(is("{{{n}}}") && is("{{& n}}") && is("{{n | raw}}") && is("{{#n}}{{n|upper|json}}{{/n}}"));
        assert!(!is("a{{n}}{{n|form}}{{#n}}{{n|url}}{{/n}}"));
    }

    #[test]
    fn the_result_is_bounded() {
        assert_eq!(render(&"x".repeat(2_001), Escape::None), Err(TemplateError::TooLong(2_000)));
    }
}
