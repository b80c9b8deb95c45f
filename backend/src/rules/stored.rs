//! Stored rules: made, listed, deleted by a merchant, and found again by the calls that name them.

use super::{MAX_RULES, Rule};
use crate::access::Caller;
use crate::core::Core;
use crate::invalid::Invalid;
use crate::json::Members;
use crate::model::{Outcome, RuleRow};
use crate::storage::StoreError;
use crate::vault::VaultError;

/// The most rules of a merchant in one mode.
const MAX_STORED: usize = 100;

/// Stores a rule; its name has to be free.
pub async fn create(core: &Core, caller: &Caller, name: &str, body: &Members) -> Result<RuleRow, VaultError> {
    check_name(name)?;
    Rule::parse(body).map_err(VaultError::Invalid)?;
    let row = RuleRow {
        merchant: caller.merchant.clone(),
        mode: caller.mode,
        name: name.to_owned(),
        operations: body.to_json().to_string(),
        created_at: core.now(),
    };
    if shared::digits::holds_card_number(&row.operations) {
        let detail = "The rule holds what looks like a card number.";
        return Err(Invalid::new("/operations", "holds_number", detail).into());
    }
    let mut transaction = core.store.begin().await?;
    if transaction.list_rules(caller.merchant.clone(), caller.mode).await?.len() >= MAX_STORED {
        let detail = format!("There are at most {MAX_STORED} rules.");
        return Err(Invalid::new("/id", "too_many", detail).into());
    }
    transaction.add_rule(row.clone()).await.map_err(|error| match error {
        StoreError::Conflict => {
            Invalid::new("/id", "taken", "A rule of this id exists; delete it first.").into()
        }
        other => VaultError::Store(other),
    })?;
    transaction.add_audit(core.entry(&caller.actor(), "rule.create", name, Outcome::Done)).await?;
    transaction.commit().await?;
    Ok(row)
}

/// All rules of the caller's merchant and mode.
pub async fn list(core: &Core, caller: &Caller) -> Result<Vec<RuleRow>, StoreError> {
    core.store.read().await?.list_rules(caller.merchant.clone(), caller.mode).await
}

/// One rule.
pub async fn find(core: &Core, caller: &Caller, name: &str) -> Result<Option<RuleRow>, StoreError> {
    core.store.read().await?.find_rule(caller.merchant.clone(), caller.mode, name.to_owned()).await
}

/// Deletes a rule. Answers whether there was one. Capture endpoints keep what they were made with.
pub async fn delete(core: &Core, caller: &Caller, name: &str) -> Result<bool, StoreError> {
    let mut transaction = core.store.begin().await?;
    let deleted = transaction.delete_rule(caller.merchant.clone(), caller.mode, name.to_owned()).await?;
    if deleted {
        transaction.add_audit(core.entry(&caller.actor(), "rule.delete", name, Outcome::Done)).await?;
    }
    transaction.commit().await?;
    Ok(deleted)
}

/// The rules that a call names, `a,b,c`, as they are stored: for calls that keep them.
pub async fn named_rows(core: &Core, caller: &Caller, names: &str) -> Result<Vec<RuleRow>, VaultError> {
    let names: Vec<_> = names.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    if names.len() > MAX_RULES {
        return Err(
            Invalid::new("/rules", "too_many", format!("A call names at most {MAX_RULES} rules.")).into()
        );
    }
    let mut transaction = core.store.read().await?;
    let mut rows = Vec::with_capacity(names.len());
    for (index, name) in names.iter().enumerate() {
        if names.iter().take(index).any(|earlier| earlier == name) {
            return Err(Invalid::new("/rules", "duplicate", "A rule is named twice.").into());
        }
        let found = transaction.find_rule(caller.merchant.clone(), caller.mode, (*name).to_owned()).await?;
        rows.push(found.ok_or_else(|| Invalid::new("/rules", "unknown", "There is no rule of this id."))?);
    }
    Ok(rows)
}

/// The rules that a call names, `a,b,c`, ready to be applied in that order.
pub async fn named(core: &Core, caller: &Caller, names: &str) -> Result<Vec<Rule>, VaultError> {
    let rows = named_rows(core, caller, names).await?;
    rows.iter().map(|row| parsed(&row.operations)).collect()
}

/// Rules as one text, to be kept with what was made with them; `None` for none.
pub fn kept(rows: &[RuleRow]) -> Option<String> {
    let all: Vec<_> = rows.iter().map(|row| row.operations.as_str()).collect();
    (!all.is_empty()).then(|| format!("{{\"rules\":[{}]}}", all.join(",")))
}

/// The rules of such a text.
pub fn of_kept(text: &str) -> Result<Vec<Rule>, VaultError> {
    let mut object = Members::parse_sealed(text.as_bytes()).map_err(|_| inconsistent())?;
    let Some(crate::json::Value::List(items)) = object.take("rules") else { return Err(inconsistent()) };
    items
        .into_iter()
        .map(|item| match item {
            crate::json::Value::Object(body) => Rule::parse(&body).map_err(|_| inconsistent()),
            _ => Err(inconsistent()),
        })
        .collect()
}

fn parsed(operations: &str) -> Result<Rule, VaultError> {
    let body = Members::parse_sealed(operations.as_bytes()).map_err(|_| inconsistent())?;
    Rule::parse(&body).map_err(|_| inconsistent())
}

fn inconsistent() -> VaultError {
    StoreError::Inconsistent { table: "rule", what: "operations" }.into()
}

fn check_name(name: &str) -> Result<(), Invalid> {
    let usable = (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && !shared::digits::holds_card_number(name);
    if usable {
        return Ok(());
    }
    let detail = "The id of a rule has 1 to 64 letters, digits, dots, dashes and underscores.";
    Err(Invalid::new("/id", "characters", detail))
}
