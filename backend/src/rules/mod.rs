//! Rules: lists of operations that change the members of a card on its way in or out (spec A.8). They are data:
//! read and checked when they are made, applied in their order by capture, retrieve and proxy.
//!
//! Where the result is kept or shown, a number, a code and what a caller masked are out of reach: an operation may
//! mask them and nothing else. So no rule can carry a masked member into a clear one.

mod operations;
pub mod stored;

use std::collections::HashSet;

use operations::{Change, Fit};
pub use operations::{Told, told};

use crate::card_data::{Meaning, is_same, meaning};
use crate::invalid::Invalid;
use crate::json::{Members, Value};

/// The most operations of a rule.
pub const MAX_OPERATIONS: usize = 32;
/// The most rules that one call can name.
pub const MAX_RULES: usize = 8;
/// The longest text that an operation may make, in bytes.
const MAX_TEXT: usize = 64 * 1024;
/// The largest object after an operation, in bytes of JSON.
const MAX_OBJECT: usize = 256 * 1024;
/// The whole object, in the place of a member's name.
const WHOLE: &str = "*";

/// Where what the rules make will go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// It is stored or answered: capture, retrieve. Numbers, codes and masked members are out of reach.
    Kept,
    /// It goes to a server that the operator allowed, and nowhere else: the proxy.
    Sent,
}

/// The operations of a rule, in their order.
#[derive(Debug)]
pub struct Rule {
    operations: Vec<Operation>,
}

#[derive(Debug)]
struct Operation {
    change: Change,
    input: String,
    output: String,
}

impl Rule {
    /// Reads the body of a rule: `operations`, each with `name`, `input_field`, `output_field`, `order_position` and
    /// `arguments`.
    pub fn parse(body: &Members) -> Result<Self, Vec<Invalid>> {
        let Some(Value::List(items)) = body.find("operations") else {
            return Err(vec![Invalid::new("/operations", "missing", "operations has to be a list.")]);
        };
        if items.is_empty() || items.len() > MAX_OPERATIONS {
            let detail = format!("A rule has 1 to {MAX_OPERATIONS} operations.");
            return Err(vec![Invalid::new("/operations", "too_many", detail)]);
        }
        let mut read = Vec::with_capacity(items.len());
        let mut problems = Vec::new();
        for (index, item) in items.iter().enumerate() {
            match operation(&format!("/operations/{index}"), index, item) {
                Ok(positioned) => read.push(positioned),
                Err(problem) => problems.push(problem),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        // The sort is stable: what has no position, or the same one, stays as it was listed.
        read.sort_by_key(|(position, _)| *position);
        Ok(Self { operations: read.into_iter().map(|(_, operation)| operation).collect() })
    }

    /// Whether an operation reads a member, by any name of its meaning.
    pub fn reads(&self, sought: Meaning) -> bool {
        self.operations.iter().any(|operation| {
            operation.input == WHOLE || meaning(&operation.input) == sought || operation.change.reads(sought)
        })
    }

    /// Adds what operations make of members that are carried already.
    fn carry(&self, carried: &mut Carried) {
        for operation in &self.operations {
            if carried.reaches(operation) && operation.output == WHOLE {
                carried.all = true;
            } else if carried.reaches(operation) {
                carried.names.insert(operation.output.clone());
            }
        }
    }

    fn apply(&self, object: &mut Members, sight: Sight, masked: &[String]) -> Result<(), Invalid> {
        for operation in &self.operations {
            operation.apply(object, sight, masked)?;
        }
        Ok(())
    }
}

/// The names of members that hold a secret, or something that rules make of one.
#[derive(Debug)]
pub struct Carried {
    sought: fn(Meaning) -> bool,
    names: HashSet<String>,
    /// A rule put something of a secret in the place of the whole object.
    all: bool,
}

impl Carried {
    /// The members that `sought` tells by their meaning, and what `rules` make of them.
    pub fn by(rules: &[Rule], sought: fn(Meaning) -> bool) -> Self {
        let mut carried = Self { sought, names: HashSet::new(), all: false };
        for rule in rules {
            rule.carry(&mut carried);
        }
        carried
    }

    /// Whether a member of this name may hold something of the secret.
    pub fn holds(&self, name: &str) -> bool {
        let meant = meaning(name);
        let alike = |known: &String| known == name || meaning(known).is_alike(meant);
        self.all || (self.sought)(meant) || self.names.iter().any(alike)
    }

    fn reaches(&self, operation: &Operation) -> bool {
        operation.input == WHOLE
            || self.holds(&operation.input)
            || operation.change.names().iter().any(|name| self.holds(name))
    }
}

/// Applies rules one after the other. `masked` names the members that the caller masked already.
pub fn apply(
    rules: &[Rule],
    mut object: Members,
    sight: Sight,
    masked: &[String],
) -> Result<Members, Invalid> {
    for rule in rules {
        rule.apply(&mut object, sight, masked)?;
    }
    Ok(object)
}

impl Operation {
    fn apply(&self, object: &mut Members, sight: Sight, masked: &[String]) -> Result<(), Invalid> {
        let guard = Guard { sight, masked };
        let visible = guard.visible(object);
        let Some(input) = self.input(object, &visible, guard)? else { return Ok(()) };
        if self.output == WHOLE {
            return replace(object, self.change.run(&input, &visible), guard);
        }
        if guard.hides(&self.output, None) && self.output != self.input && !self.change.masks() {
            return Err(refused("This operation writes over a member that is out of its reach."));
        }
        let secret = guard.hides(&self.input, Some(&input));
        let made = self.change.run(&input, &visible).map_err(unfit)?;
        // A part of a number is a piece of the secret, whatever it looks like.
        let made = if secret && self.change.masks() { operations::hidden(&input, &made) } else { made };
        object.set(&self.output, bounded(made)?);
        if object.to_json().len() > MAX_OBJECT {
            return Err(refused("The object becomes larger than 256 KB."));
        }
        Ok(())
    }

    /// What the operation works on; `None` where there is no such member, and the operation is passed by.
    fn input(&self, object: &Members, visible: &Members, guard: Guard<'_>) -> Result<Option<Value>, Invalid> {
        if self.input == WHOLE {
            return Ok(Some(Value::Object(visible.copy())));
        }
        let Some(value) = object.find(&self.input) else { return Ok(None) };
        let stays = self.output == self.input && self.change.keeps();
        if guard.hides(&self.input, Some(value)) && !self.change.masks() && !stays {
            return Err(refused("A number, a code or a masked member may be masked and nothing else."));
        }
        Ok(Some(value.copy()))
    }
}

/// Tells what is out of a rule's reach.
#[derive(Clone, Copy)]
struct Guard<'m> {
    sight: Sight,
    masked: &'m [String],
}

impl Guard<'_> {
    fn hides(self, name: &str, value: Option<&Value>) -> bool {
        if self.sight == Sight::Sent {
            return false;
        }
        matches!(meaning(name), Meaning::Number(_) | Meaning::Code | Meaning::Forbidden)
            || self.masked.iter().any(|masked| covers(masked, name))
            || value.is_some_and(holds_secret)
    }

    fn visible(self, object: &Members) -> Members {
        let mut visible = object.copy();
        visible.retain(|name, value| !self.hides(name, Some(value)));
        visible
    }
}

/// Whether a masked member is this one, or inside it.
fn covers(masked: &str, name: &str) -> bool {
    is_same(masked, name) || masked.split('.').next().is_some_and(|outer| is_same(outer, name))
}

/// Replaces what the rule can see; what it cannot see stays.
fn replace(object: &mut Members, made: Result<Value, Fit>, guard: Guard<'_>) -> Result<(), Invalid> {
    let Value::Object(made) = made.map_err(unfit)? else {
        return Err(refused("Only an object can take the place of the whole object."));
    };
    object.retain(|name, value| guard.hides(name, Some(value)));
    for (name, value) in made {
        if !guard.hides(&name, None) {
            object.set(&name, bounded(value)?);
        }
    }
    Ok(())
}

/// Whether a value holds a number, or, at any depth, a member that is named like a number or a code.
fn holds_secret(value: &Value) -> bool {
    match value {
        Value::Text(text) | Value::Number(text) => shared::digits::holds_card_number(text),
        Value::List(items) => items.iter().any(holds_secret),
        Value::Object(members) => members.iter().any(|(name, value)| {
            matches!(meaning(name), Meaning::Number(_) | Meaning::Code | Meaning::Forbidden)
                || shared::digits::holds_card_number(name)
                || holds_secret(value)
        }),
        Value::Null | Value::Bool(_) => false,
    }
}

fn operation(at: &str, index: usize, item: &Value) -> Result<(u32, Operation), Invalid> {
    let Value::Object(item) = item else {
        return Err(Invalid::new(at, "type", "An operation has to be an object."));
    };
    let text = |name: &str| item.find(name).and_then(Value::as_text).unwrap_or_default().to_owned();
    let input = text("input_field");
    if input.is_empty() {
        return Err(Invalid::new(format!("{at}/input_field"), "missing", "input_field is needed."));
    }
    let output = Some(text("output_field")).filter(|output| !output.is_empty()).unwrap_or(input.clone());
    for (field, name) in [("input_field", &input), ("output_field", &output)] {
        if name.len() > 100 || shared::digits::holds_card_number(name) {
            return Err(Invalid::new(format!("{at}/{field}"), "field", "This is no name of a member."));
        }
    }
    let position = match item.find("order_position").map(|value| value.as_typed().unwrap_or_default()) {
        None => u32::try_from(index).unwrap_or(u32::MAX),
        Some(text) => text.parse().map_err(|_| {
            Invalid::new(format!("{at}/order_position"), "type", "order_position has to be a whole number.")
        })?,
    };
    let none = Members::default();
    let arguments = match item.find("arguments") {
        None | Some(Value::Null) => &none,
        Some(Value::Object(arguments)) => arguments,
        Some(_) => {
            return Err(Invalid::new(format!("{at}/arguments"), "type", "arguments has to be an object."));
        }
    };
    let change = Change::parse(at, &text("name"), arguments)?;
    Ok((position, Operation { change, input, output }))
}

fn bounded(value: Value) -> Result<Value, Invalid> {
    match &value {
        Value::Text(text) | Value::Number(text) if text.len() > MAX_TEXT => {
            Err(refused("An operation makes a text longer than 64 KB."))
        }
        _ => Ok(value),
    }
}

fn unfit(fit: Fit) -> Invalid {
    Invalid::new("/rules", "unfit", fit.0)
}

fn refused(detail: &str) -> Invalid {
    Invalid::new("/rules", "rule_refused", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(operations: &str) -> Result<Rule, Vec<Invalid>> {
        Rule::parse(&Members::parse(format!("{{\"operations\":{operations}}}").as_bytes()).unwrap())
    }

    fn run(operations: &str, object: &str, sight: Sight) -> Result<String, &'static str> {
        let members = Members::parse(object.as_bytes()).unwrap();
        let masked = ["secret".to_owned()];
        let made = apply(&[rule(operations).unwrap()], members, sight, &masked);
        made.map(|object| object.to_json().to_string()).map_err(|problem| problem.code)
    }

    fn kept(operations: &str, object: &str) -> Result<String, &'static str> {
        run(operations, object, Sight::Kept)
    }

    const CARD: &str = r#"{"card_number":"4111111111111111","cvv":"737","a":"b","secret":"••••"}"#;

    #[test]
    fn operations_run_by_their_positions() {
        let operations = r#"[{"name":"noop","input_field":"b","output_field":"c","order_position":2},
            {"name":"noop","input_field":"a","output_field":"b","order_position":1},
            {"name":"noop","input_field":"none","output_field":"d"}]"#;
        assert_eq!(kept(operations, r#"{"a":"x"}"#).unwrap(), r#"{"a":"x","b":"x","c":"x"}"#);
    }

    #[test]
    fn a_secret_is_masked_and_nothing_else() {
        let one = |name: &str, input: &str, output: &str| {
            format!(r#"[{{"name":"{name}","input_field":"{input}","output_field":"{output}"}}]"#)
        };
        for name in ["noop", "stringify", "encode", "hash", "convert_to_int", "parse_json"] {
            for input in ["card_number", "cvv", "secret"] {
                assert_eq!(kept(&one(name, input, "x"), CARD), Err("rule_refused"), "{name} {input}");
            }
        }
        let masked = kept(&one("mask", "card_number", "x"), CARD).unwrap();
        assert!(masked.contains(r#""x":"411111••••••1111""#), "{masked}");
        let masked = kept(&one("mask", "cvv", "x"), CARD).unwrap();
        assert!(masked.contains(r#""x":"•••""#), "{masked}");
        assert_eq!(kept(&one("noop", "card_number", "card_number"), CARD).unwrap(), CARD);
    }

    #[test]
    fn other_spellings_and_names_of_a_masked_member_are_masked_too() {
        let run = |masked: &str, input: &str| {
            let object =
                r#"{"card_holder":"••","HolderName":"••","Front-Desk":"•","a":{"b":"•"},"exp_month":"••"}"#;
            let one = format!(r#"[{{"name":"stringify","input_field":"{input}","output_field":"x"}}]"#);
            let made = apply(
                &[rule(&one).unwrap()],
                Members::parse(object.as_bytes()).unwrap(),
                Sight::Kept,
                &[masked.to_owned()],
            );
            made.map(|object| object.to_json().to_string()).map_err(|problem| problem.code)
        };
        for (masked, input) in [
            ("card_holder", "HolderName"),
            ("name_on_card", "card_holder"),
            ("front_desk", "Front-Desk"),
            ("a.b", "a"),
            ("expiry", "exp_month"),
        ] {
            assert_eq!(run(masked, input), Err("rule_refused"), "{masked} {input}");
            assert!(!run(masked, "*").unwrap().contains(&format!("\\\"{input}\\\"")), "{masked}");
        }
    }

    #[test]
    fn what_rules_make_of_a_secret_is_carried_along() {
        let rules = |operations: &str| [rule(operations).unwrap()];
        let secret = |rules: &[Rule], name: &str| {
            Carried::by(rules, |meaning| matches!(meaning, Meaning::Number(_) | Meaning::Code)).holds(name)
        };
        assert!(secret(&[], "PAN") && secret(&[], "cvc2") && !secret(&[], "x") && !secret(&[], "expiry"));
        let chain = rules(
            r#"[{"name":"noop","input_field":"pan","output_field":"a"},
                {"name":"noop","input_field":"a","output_field":"expiry"},
                {"name":"noop","input_field":"card_holder","output_field":"b"}]"#,
        );
        assert!(secret(&chain, "a") && secret(&chain, "expiry_year") && !secret(&chain, "b"));
        let whole = rules(r#"[{"name":"noop","input_field":"*","output_field":"*"}]"#);
        assert!(secret(&whole, "anything"));
        let template = rules(
            r#"[{"name":"template","input_field":"x","output_field":"y","arguments":{"template":"{{cvv}}"}}]"#,
        );
        assert!(secret(&template, "y") && !secret(&template, "x"));
    }

    #[test]
    fn a_mask_shows_no_more_of_a_number_than_may_be_shown() {
        let wide = r#"[{"name":"mask","input_field":"card_number","output_field":"x",
            "arguments":{"first":15,"last":15}}]"#;
        assert!(kept(wide, CARD).unwrap().contains(r#""x":"411111••••••1111""#));
        let code = r#"[{"name":"mask","input_field":"cvv","output_field":"x","arguments":{"last":2}}]"#;
        assert!(kept(code, CARD).unwrap().contains(r#""x":"•••""#));
    }

    #[test]
    fn the_whole_object_and_templates_do_not_show_secrets() {
        let whole = r#"[{"name":"stringify","input_field":"*","output_field":"x"}]"#;
        assert!(kept(whole, CARD).unwrap().ends_with(r#""x":"{\"a\":\"b\"}"}"#));
        let template = r#"[{"name":"template","input_field":"*","output_field":"x",
            "arguments":{"template":"{{card_number}}"}}]"#;
        assert_eq!(kept(template, CARD), Err("unfit"));
        let nested = r#"[{"name":"stringify","input_field":"o","output_field":"x"}]"#;
        assert_eq!(kept(nested, r#"{"o":{"deep":[{"cvv":"737"}]}}"#), Err("rule_refused"));
    }

    #[test]
    fn what_is_sent_may_be_made_of_anything() {
        let encode = r#"[{"name":"encode","input_field":"card_number","output_field":"x"}]"#;
        let sent = run(encode, CARD, Sight::Sent).unwrap();
        assert!(sent.contains(r#""x":"NDExMTExMTExMTExMTExMQ==""#), "{sent}");
    }

    #[test]
    fn what_grows_is_stopped() {
        let double = r#"{"name":"template","input_field":"*","output_field":"a",
            "arguments":{"template":"{{a}}{{a}}"}}"#;
        let operations = format!("[{}]", [double; MAX_OPERATIONS].join(","));
        let error = kept(&operations, r#"{"a":"xxxxxxxx"}"#);
        assert!(matches!(error, Err("rule_refused" | "unfit")), "{error:?}");
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        let pointer = |operations: &str| rule(operations).unwrap_err().remove(0).pointer;
        assert_eq!(pointer("[]"), "/operations");
        assert_eq!(pointer("[1]"), "/operations/0");
        assert_eq!(pointer(r#"[{"name":"noop"}]"#), "/operations/0/input_field");
        assert_eq!(pointer(r#"[{"name":"unmask","input_field":"a"}]"#), "/operations/0/name");
        assert_eq!(
            pointer(r#"[{"name":"noop","input_field":"a","order_position":"x"}]"#),
            "/operations/0/order_position"
        );
        let many = format!("[{}]", [r#"{"name":"noop","input_field":"a"}"#; MAX_OPERATIONS + 1].join(","));
        assert_eq!(pointer(&many), "/operations");
    }
}
