//! The delivery log: what was sent, what came of it, and sending it again by hand.

use crate::core::{Actor, Core};
use crate::model::{Attempt, MerchantId, Mode, OutboxEvent, Outcome};
use crate::storage::{Page, StoreError};

/// An event with its attempts.
pub struct Delivery {
    /// The event.
    pub event: OutboxEvent,
    /// Its attempts, oldest first.
    pub attempts: Vec<Attempt>,
}

/// Why an event was not sent again.
#[derive(Debug, thiserror::Error)]
pub enum ResendError {
    /// No such event of this merchant.
    #[error("unknown event")]
    Unknown,
    /// It still waits for an attempt.
    #[error("the event still waits")]
    Waits,
    /// Its content is gone.
    #[error("the event's content was erased")]
    Erased,
    /// Storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A page of a merchant's events, oldest first.
pub async fn list(
    core: &Core,
    merchant: &MerchantId,
    mode: Mode,
    page: Page,
) -> Result<Vec<OutboxEvent>, StoreError> {
    core.store.read().await?.list_events(merchant.clone(), mode, page).await
}

/// One event of a merchant with its attempts.
pub async fn find(
    core: &Core,
    merchant: &MerchantId,
    mode: Mode,
    id: &str,
) -> Result<Option<Delivery>, StoreError> {
    let mut transaction = core.store.read().await?;
    let Some(event) = transaction.find_event(merchant.clone(), mode, id.to_owned()).await? else {
        return Ok(None);
    };
    let attempts = transaction.attempts(merchant.clone(), event.id.clone()).await?;
    Ok(Some(Delivery { event, attempts }))
}

/// Sends an event again that was taken or given up, under its own id, without holding later ones up.
pub async fn resend(
    core: &Core,
    actor: &Actor,
    merchant: &MerchantId,
    mode: Mode,
    id: &str,
) -> Result<(), ResendError> {
    let mut transaction = core.store.begin().await?;
    let event = transaction.find_event(merchant.clone(), mode, id.to_owned()).await?;
    let event = event.ok_or(ResendError::Unknown)?;
    if event.state.is_open() {
        return Err(ResendError::Waits);
    }
    if event.sealed.is_empty() {
        return Err(ResendError::Erased);
    }
    if !transaction.reopen_event(merchant.clone(), event.id.clone(), core.now()).await? {
        return Err(ResendError::Waits);
    }
    transaction.add_audit(core.entry(actor, "event.resend", event.id.as_str(), Outcome::Done)).await?;
    transaction.commit().await?;
    Ok(())
}

/// What the log keeps of an answer: printable, and without what looks like a card number.
pub(super) fn kept(answer: &str) -> String {
    const MOST: usize = 1024;
    let mut text: String = answer.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if shared::digits::holds_card_number(&text) {
        text = text.chars().map(|c| if c.is_ascii_digit() { '*' } else { c }).collect();
    }
    let end = (0..=MOST.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.truncate(end);
    text
}

#[cfg(test)]
mod tests {
    use super::kept;

    #[test]
    fn the_log_keeps_no_card_number_and_one_kilobyte() {
        assert_eq!(kept("order 17\nis fine"), "order 17 is fine");
        assert_eq!(kept("card 4111 1111 1111 1111, 2"), "card **** **** **** ****, *");
        assert_eq!(kept(&"ü".repeat(1000)).len(), 1024);
        assert_eq!(kept(&format!("a{}", "ü".repeat(1000))).len(), 1023);
    }
}
