//! What has to fit together in the file of a described gateway. Checked when it is read, so that a mistake is told at
//! start.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use super::description::Description;
use super::file::{Call, Reading};
use crate::model::published;

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
/// The calls whose answers can send a payer to the issuer.
const CHARGES: [&str; 4] = ["authorize", "verify", "complete", "inquire_charge"];
/// How old what is sent again may be: up to half of the day that gateways remember keys for.
const REPEATS_FOR: RangeInclusive<u64> = 60_000..=43_200_000;
/// The longest distance of two answers that say "never heard of it".
const LONGEST_AGAIN: u64 = 86_400_000;
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
/// What readings of answers may name of the call.
pub const ASKED: [&str; 7] =
    ["operation", "kind", "minor", "amount", "currency", "reference", "original_reference"];
/// The values that an answer gives, each a template.
const VALUES: [&str; 13] = [
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

impl Description {
    /// Whether everything in the file fits together; what does not is told with its place.
    pub fn check(&self) -> Result<(), String> {
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
        if file.unheard_again_ms > LONGEST_AGAIN {
            return Err(format!("unheard_again_ms has to be 0 to {LONGEST_AGAIN}"));
        }
        self.check_repeats()?;
        self.check_resolutions()?;
        for (name, call) in &file.calls {
            self.check_call(name, call)?;
        }
        file.answers.iter().try_for_each(|(name, reading)| self.check_reading(name, reading))?;
        CHARGES.iter().try_for_each(|name| self.check_challenge(name))
    }

    /// Merchants read these words: they have to be published ones.
    fn check_resolutions(&self) -> Result<(), String> {
        let strange = self.file.resolutions.iter().find(|(_, ours)| published::refusal(ours).is_none());
        let told = |(reason, ours)| format!("resolutions.{reason}: {ours} is no resolution of a refusal");
        strange.map_or(Ok(()), |row| Err(told(row)))
    }

    /// Gateways forget keys, and then do again what is sent again.
    fn check_repeats(&self) -> Result<(), String> {
        let file = &self.file;
        for name in &file.repeats {
            if !["capture", "void", "refund"].contains(&name.as_str()) {
                return Err(format!("repeats: {name} is none of capture, void, refund"));
            }
        }
        match (file.repeats.is_empty(), file.repeats_for_ms) {
            (true, None) => Ok(()),
            (true, Some(_)) => Err("repeats_for_ms is of use with repeats alone".to_owned()),
            (false, Some(age)) if REPEATS_FOR.contains(&age) => Ok(()),
            (false, _) => Err(format!(
                "repeats needs repeats_for_ms, {} to {}, well below the time that the gateway remembers keys for",
                REPEATS_FOR.start(),
                REPEATS_FOR.end()
            )),
        }
    }

    /// Who can send a payer to the issuer needs a way to go on after that.
    fn check_challenge(&self, call: &str) -> Result<(), String> {
        let Some(call) = self.call(call) else { return Ok(()) };
        let Some(reading) = self.reading(call).filter(|reading| reading.challenged.is_some()) else {
            return Ok(());
        };
        let place = format!("answers.{}.challenged", call.answer);
        if self.call("complete").is_none() {
            return Err(format!(
                "{place}: calls.complete is missing, by which a payment goes on after the issuer"
            ));
        }
        if !reading.values.contains_key("challenge_url") {
            return Err(format!("{place}: values.challenge_url is missing, to which the payer is sent"));
        }
        Ok(())
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
        if name != "complete" && !call.returns.is_empty() {
            return Err(format!("calls.{name}.returns: only complete takes what came back"));
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
        let Reading { item, unheard, approved, challenged, pending, declined, challenge_params, values } =
            reading;
        let place = format!("answers.{name}");
        if let Some(expression) = item {
            let names = self.names_in(&place, expression)?;
            if names.contains("item") {
                return Err(format!("{place}: item cannot name itself"));
            }
            check_answer_names(&place, names)?;
        }
        for expression in
            [unheard, approved, challenged, pending, declined, challenge_params].into_iter().flatten()
        {
            check_answer_names(&place, self.names_in(&place, expression)?)?;
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

    fn names_in(&self, place: &str, expression: &str) -> Result<HashSet<String>, String> {
        let compiled = self.engine.compile_expression(expression);
        Ok(compiled.map_err(|error| format!("{place}: {error}"))?.undeclared_variables(false))
    }
}

/// Answers are read by what came, and by what was asked.
fn check_answer_names(place: &str, names: impl IntoIterator<Item = String>) -> Result<(), String> {
    let known = |name: &str| ["http", "body", "item"].contains(&name) || ASKED.contains(&name);
    let strange = names.into_iter().find(|name| !known(name));
    let told =
        |name| format!("{place}: {name} is not known; there are http, body, item, {}", ASKED.join(", "));
    strange.map_or(Ok(()), |name| Err(told(name)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::SMALL;
    use super::*;

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
            ("base =", "repeats = [\"refund\"]\nbase =", "repeats needs repeats_for_ms"),
            ("base =", "repeats = [\"refund\"]\nrepeats_for_ms = 86400000\nbase =", "60000 to 43200000"),
            ("base =", "repeats_for_ms = 60000\nbase =", "with repeats alone"),
            ("base =", "unheard_again_ms = 90000000\nbase =", "unheard_again_ms has to be"),
            ("path =", "returns = [\"PaRes\"]\npath =", "only complete"),
            ("approved =", "item = \"item.x\"\napproved =", "item cannot name itself"),
            ("approved =", "item = \"card.number\"\napproved =", "card is not known"),
            ("base =", "timeout_ms = 20000\nbase =", "timeout_ms has to be"),
            ("base =", "certain_ms = 20000\nbase =", "at least twice"),
            ("path =", "method = \"FETCH\"\npath =", "no method of HTTP"),
            ("path =", "json = \"{}\"\npath =", "two bodies"),
            (
                "[answers.payment]",
                "[resolutions]\n51 = \"insufficient_fund\"\n[answers.payment]",
                "resolutions.51: insufficient_fund is no resolution",
            ),
            ("[answers.payment]", "[resolutions]\n51 = \"ok\"\n[answers.payment]", "resolutions.51: ok"),
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
    fn a_gateway_that_asks_for_the_payer_goes_on_after_that() {
        let challenged = SMALL.replacen("approved =", "challenged = \"http == 202\"\napproved =", 1);
        assert!(problem(&challenged).contains("answers.payment.challenged: calls.complete is missing"));
        let complete = "[calls.complete]\npath = \"details\"\nanswer = \"payment\"\n[answers.payment]";
        let complete = challenged.replacen("[answers.payment]", complete, 1);
        assert!(problem(&complete).contains("answers.payment.challenged: values.challenge_url is missing"));
        let whole =
            complete.replacen("approved =", "values = { challenge_url = \"{{ body.url }}\" }\napproved =", 1);
        assert!(Description::parse(&whole, BTreeMap::new()).is_ok());
        // The file and the member are told at start.
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("acquirer.toml");
        std::fs::write(&file, challenged).unwrap();
        let told = Description::read(&file).map(drop).unwrap_err().to_string();
        assert!(told.contains("acquirer.toml: answers.payment.challenged"), "{told}");
    }
}
