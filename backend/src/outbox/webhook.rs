//! The courier of webhooks: a signed POST (Standard Webhooks), its answer read by the rules of issue 4.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::Url;

use super::{Courier, OutboxError, Parcel, Receipt, Verdict, secrets};
use crate::core::Core;
use crate::model::{OutboxEvent, Schedule, Timestamp};
use crate::outgoing::{Answer, Outgoing, OutgoingError};

/// The channel of webhooks and callbacks; addresses are URLs.
pub const CHANNEL: &str = "webhook";
/// However late a receiver asks us to come again, it is not later than this.
const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// Sends webhooks by the one client that refuses private addresses.
pub struct WebhookCourier {
    core: Core,
    client: Arc<Outgoing>,
}

impl WebhookCourier {
    /// With the client for callbacks.
    pub fn new(core: Core, client: Arc<Outgoing>) -> Self {
        Self { core, client }
    }

    async fn headers(
        &self,
        event: &OutboxEvent,
        parcel: &Parcel,
    ) -> Result<Vec<(String, String)>, OutboxError> {
        let now = self.core.now();
        let keys = secrets::signing_keys(&self.core, &event.merchant, event.mode).await?;
        let mut headers = vec![
            ("content-type".to_owned(), "application/json".to_owned()),
            ("webhook-id".to_owned(), event.id.to_string()),
            ("webhook-timestamp".to_owned(), seconds(now).to_string()),
            ("webhook-signature".to_owned(), signatures(&keys, event, now, &parcel.body)),
        ];
        headers.extend(parcel.headers.iter().cloned());
        Ok(headers)
    }
}

#[async_trait]
impl Courier for WebhookCourier {
    fn channel(&self) -> &'static str {
        CHANNEL
    }

    async fn deliver(&self, event: &OutboxEvent, parcel: &Parcel) -> Receipt {
        let Ok(url) = Url::parse(&parcel.to) else {
            return Receipt::failed(Verdict::Stop, "the address cannot be read");
        };
        let headers = match self.headers(event, parcel).await {
            Ok(headers) => headers,
            Err(error) => {
                tracing::error!(%error, "a webhook could not be signed");
                return Receipt::failed(Verdict::Again(None), "the webhook could not be signed");
            }
        };
        match self.client.post(&url, &headers, parcel.body.clone().into_bytes()).await {
            Ok(answer) => answered(answer, event.schedule, self.core.now()),
            Err(error) => Receipt::failed(verdict_of(&error), error.to_string()),
        }
    }
}

/// `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`, one for each key, with spaces between
/// (Standard Webhooks, symmetric signatures).
fn signatures(keys: &[secrets::SigningKey], event: &OutboxEvent, now: Timestamp, body: &str) -> String {
    let signed = format!("{}.{}.{body}", event.id, seconds(now));
    let one = |key: &secrets::SigningKey| format!("v1,{}", STANDARD.encode(key.sign(signed.as_bytes())));
    keys.iter().map(one).collect::<Vec<_>>().join(" ")
}

fn seconds(time: Timestamp) -> i64 {
    time.millis().div_euclid(1000)
}

fn answered(answer: Answer, schedule: Schedule, now: Timestamp) -> Receipt {
    let later = answer.retry_after.and_then(|text| retry_after(&text, now));
    let strict = schedule.asks_for_200();
    let (verdict, result) = match answer.status {
        201..=299 if strict => (Verdict::Again(later), "the receiver did not answer 200"),
        200..=299 => (Verdict::Accepted, "accepted"),
        300..=399 => (Verdict::Again(later), "the receiver redirects, which is not followed"),
        410 if !strict => (Verdict::Stop, "the receiver wants no more of it"),
        _ => (Verdict::Again(later), "the receiver refused it"),
    };
    Receipt {
        verdict,
        status: Some(answer.status),
        result: result.to_owned(),
        answer: String::from_utf8_lossy(&answer.body_head).into_owned(),
        reference: None,
    }
}

fn verdict_of(error: &OutgoingError) -> Verdict {
    match error {
        // Neither the address nor the headers of a parcel change.
        OutgoingError::Scheme | OutgoingError::Credentials | OutgoingError::Header(_) => Verdict::Stop,
        _ => Verdict::Again(None),
    }
}

/// Seconds, or a date (RFC 9110, 10.2.3).
pub fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    let wait = if let Ok(seconds) = text.parse() {
        Duration::from_secs(seconds)
    } else {
        let date = jiff::fmt::rfc2822::parse(text).ok()?;
        let millis = date.timestamp().as_millisecond().saturating_sub(now.millis());
        Duration::from_millis(u64::try_from(millis).unwrap_or(0))
    };
    Some(wait.min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(784_111_777_000); // Sun, 06 Nov 1994 08:49:37 GMT

    #[test]
    fn a_time_to_come_again_is_seconds_or_a_date() {
        let seconds = |text| retry_after(text, NOW).map(|wait| wait.as_secs());
        assert_eq!(seconds("120"), Some(120));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:50:37 GMT"), Some(60));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:00:00 GMT"), Some(0));
        assert_eq!(seconds("999999999"), Some(86_400));
        assert_eq!(seconds("soon"), None);
    }

    #[test]
    fn answers_are_read_by_their_status() {
        let verdict = |schedule, status| {
            let answer = Answer { status, body_head: Vec::new(), retry_after: Some("7".to_owned()) };
            answered(answer, schedule, NOW).verdict
        };
        let later = Verdict::Again(Some(Duration::from_secs(7)));
        let usual = |status| verdict(Schedule::STANDARD, status);
        assert_eq!([200, 204, 299].map(usual), [Verdict::Accepted; 3]);
        assert_eq!([301, 307, 400, 404, 429, 500, 503].map(usual), [later; 7]);
        assert_eq!(usual(410), Verdict::Stop);
        for strict in [Schedule::MINUTES, Schedule::TEN_MINUTES] {
            assert_eq!(verdict(strict, 200), Verdict::Accepted);
            let others = [201, 202, 204, 299, 301, 410, 500].map(|status| verdict(strict, status));
            assert_eq!(others, [later; 7]);
        }
    }
}
