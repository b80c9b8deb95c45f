//! What a batch of captures does, decided in memory: engines read and lock what `Wanted` names, let `Known`
//! decide over all captures in their order, and write what `Plan` holds.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::lane::SealedCvv;
use super::{CaptureSubmission, NewCard, Result, StoreError, Stored};
use crate::model::{
    AuditEntry, CaptureEndpoint, Card, CardId, CvvRecord, EndpointId, FormSubmit, KeyId, OutboxEvent, Patch,
    Refusal,
};

/// The answer to one capture.
pub type Outcome = Result<std::result::Result<Stored, Refusal>>;

/// What tells a merchant's cards apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// The vault key.
    pub key: KeyId,
    /// The token.
    pub token: String,
    /// The reference; empty where there is none.
    pub reference: String,
}

impl Identity {
    /// The identity of a card.
    pub fn of(card: &Card) -> Self {
        Self { key: card.key.clone(), token: card.token.clone(), reference: card.reference.clone() }
    }
}

/// Whose captures are counted: the kind of limit and the address or merchant.
pub type Subject = (&'static str, String);

/// A minute and its captures so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Minutes since the epoch.
    pub minute: i64,
    /// Captures in it.
    pub hits: u32,
}

impl Window {
    /// The window that a capture of this minute counts in. One that was overtaken on its way counts in the
    /// minute after its own, so that it does not begin the count anew.
    fn at(self, minute: i64) -> Self {
        if self.minute == minute || self.minute == minute.saturating_add(1) {
            self
        } else {
            Self { minute, hits: 0 }
        }
    }
}

/// What an engine reads, and locks in this order, before a batch can be decided.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Endpoints.
    pub endpoints: BTreeSet<EndpointId>,
    /// Limit windows, each with the minute to begin with where there is none.
    pub windows: BTreeMap<Subject, i64>,
    /// Submits of forms, by their digests. The lock on their endpoint holds them too.
    pub submits: BTreeSet<String>,
}

impl Wanted {
    /// What these captures need.
    pub fn by<'s>(submissions: impl Iterator<Item = &'s CaptureSubmission>) -> Self {
        let mut wanted = Self::default();
        for submission in submissions {
            wanted.endpoints.insert(submission.endpoint.clone());
            wanted.submits.extend(submission.once.as_ref().map(|once| once.id_hash.clone()));
            for (subject, _) in limits(submission) {
                wanted.windows.insert(subject, submission.at.minute());
            }
        }
        wanted
    }
}

/// What an engine has read.
#[derive(Debug, Default)]
pub struct Known {
    /// Endpoints that exist.
    pub endpoints: HashMap<EndpointId, CaptureEndpoint>,
    /// Limit windows that exist.
    pub windows: HashMap<Subject, Window>,
    /// Cards that exist.
    pub cards: BTreeMap<Identity, Card>,
    /// Submits that were stored before.
    pub submits: BTreeSet<String>,
}

impl Known {
    /// The cards to look for, once the endpoints are known.
    pub fn identities<'s>(
        &self,
        submissions: impl Iterator<Item = &'s CaptureSubmission>,
    ) -> BTreeSet<Identity> {
        submissions.filter_map(|submission| self.identity(submission)).collect()
    }

    /// Decides over all captures in their order.
    pub fn decide<'s>(self, submissions: impl Iterator<Item = &'s CaptureSubmission>) -> Plan {
        let mut draft = Draft::new(self);
        for submission in submissions {
            let outcome = draft.decide(submission);
            draft.plan.outcomes.push(outcome);
        }
        draft.close()
    }

    fn identity(&self, submission: &CaptureSubmission) -> Option<Identity> {
        if let Some(new) = &submission.card {
            return Some(Identity::of(&new.row));
        }
        let lock = submission.lock.as_ref()?;
        let endpoint = self.endpoints.get(&submission.endpoint)?;
        Some(Identity {
            key: endpoint.key.clone(),
            token: lock.token.clone(),
            reference: lock.reference.clone(),
        })
    }
}

/// What has to be written in the batch's transaction, and what is answered after its commit. No row is named
/// twice.
#[derive(Debug, Default)]
pub struct Plan {
    /// An answer for each capture, in order.
    pub outcomes: Vec<Outcome>,
    /// New cards, sorted by identity. The engine found none of them when it looked.
    pub new_cards: Vec<Card>,
    /// Cards whose counters and shown members changed.
    pub changed_cards: Vec<Card>,
    /// Patches.
    pub patches: Vec<Patch>,
    /// Security codes, each in place of any older one.
    pub cvvs: Vec<CvvRecord>,
    /// Audit entries.
    pub entries: Vec<AuditEntry>,
    /// Outgoing events.
    pub events: Vec<OutboxEvent>,
    /// Endpoints whose counters changed.
    pub endpoints: Vec<CaptureEndpoint>,
    /// Limit windows that changed.
    pub windows: Vec<(Subject, Window)>,
    /// Submits of forms that were stored.
    pub submits: Vec<FormSubmit>,
}

struct Draft {
    known: Known,
    new: BTreeSet<CardId>,
    changed: BTreeSet<CardId>,
    cvvs: BTreeMap<CardId, CvvRecord>,
    counted: BTreeSet<EndpointId>,
    hit: BTreeSet<Subject>,
    plan: Plan,
}

impl Draft {
    fn new(known: Known) -> Self {
        Self {
            known,
            new: BTreeSet::new(),
            changed: BTreeSet::new(),
            cvvs: BTreeMap::new(),
            counted: BTreeSet::new(),
            hit: BTreeSet::new(),
            plan: Plan::default(),
        }
    }

    fn decide(&mut self, submission: &CaptureSubmission) -> Outcome {
        // Before all else: the first of them may have used the endpoint up.
        if submission.once.as_ref().is_some_and(|once| self.known.submits.contains(&once.id_hash)) {
            return Ok(Err(Refusal::Repeated));
        }
        if let Err(refusal) = self.admit(submission) {
            return Ok(Err(refusal));
        }
        let Some(identity) = self.known.identity(submission) else { return Ok(Err(Refusal::NoCard)) };
        let stored = match (self.known.cards.get(&identity), &submission.card) {
            (None, None) => return Ok(Err(Refusal::NoCard)),
            (None, Some(new)) => self.add(identity, new),
            (Some(card), Some(new)) if card.fingerprint != new.row.fingerprint => {
                return Ok(Err(Refusal::TokenTaken));
            }
            (Some(card), _) => match Change::of(submission, card)? {
                Ok(change) => self.keep(identity, change),
                Err(refusal) => return Ok(Err(refusal)),
            },
        };
        self.count(submission);
        if let Some(once) = &submission.once {
            self.known.submits.insert(once.id_hash.clone());
            self.plan.submits.push(once.clone());
        }
        let mut entry = AuditEntry { object: stored.card.to_string(), ..submission.audit.clone() };
        submission.late.mark(&mut entry);
        self.plan.entries.push(entry);
        let subject = stored.card.to_string();
        self.plan.events.extend(submission.event.clone().map(|event| OutboxEvent { subject, ..event }));
        Ok(Ok(stored))
    }

    fn add(&mut self, identity: Identity, new: &NewCard) -> Stored {
        let id = &new.row.id;
        self.known.cards.insert(identity, new.row.clone());
        self.new.insert(id.clone());
        if let Some(cvv) = &new.cvv {
            self.cvvs.insert(id.clone(), cvv.clone());
        }
        Stored { card: id.clone(), new: true }
    }

    fn keep(&mut self, identity: Identity, change: Change) -> Stored {
        let id = change.card.id.clone();
        if let Some(patch) = change.patch {
            self.plan.patches.push(patch);
            self.changed.insert(id.clone());
            self.known.cards.insert(identity, change.card);
        }
        if let Some(cvv) = change.cvv {
            self.cvvs.insert(id.clone(), cvv);
        }
        Stored { card: id, new: false }
    }

    fn admit(&self, submission: &CaptureSubmission) -> std::result::Result<(), Refusal> {
        let endpoint = self.known.endpoints.get(&submission.endpoint).ok_or(Refusal::Unknown)?;
        if endpoint.merchant != submission.merchant {
            return Err(Refusal::Unknown);
        }
        endpoint.state(submission.at, submission.limits.is_some(), submission.single_use)?;
        let minute = submission.at.minute();
        let full = limits(submission).into_iter().any(|(subject, most)| {
            self.known.windows.get(&subject).is_some_and(|window| window.at(minute).hits >= most)
        });
        if full { Err(Refusal::TooMany) } else { Ok(()) }
    }

    fn count(&mut self, submission: &CaptureSubmission) {
        if let Some(endpoint) = self.known.endpoints.get_mut(&submission.endpoint) {
            endpoint.count(submission.at);
            self.counted.insert(submission.endpoint.clone());
        }
        let minute = submission.at.minute();
        for (subject, _) in limits(submission) {
            let window = self.known.windows.entry(subject.clone()).or_insert(Window { minute, hits: 0 });
            *window = window.at(minute);
            window.hits = window.hits.saturating_add(1);
            self.hit.insert(subject);
        }
    }

    fn close(mut self) -> Plan {
        for card in self.known.cards.into_values() {
            if self.new.contains(&card.id) {
                self.plan.new_cards.push(card);
            } else if self.changed.contains(&card.id) {
                self.plan.changed_cards.push(card);
            }
        }
        self.plan.cvvs = self.cvvs.into_values().collect();
        self.plan.endpoints = self.counted.iter().filter_map(|id| self.known.endpoints.remove(id)).collect();
        self.plan.windows =
            self.known.windows.into_iter().filter(|(subject, _)| self.hit.contains(subject)).collect();
        self.plan
    }
}

/// What a capture changes on a card that exists: sealed completely before anything of it is kept.
struct Change {
    card: Card,
    patch: Option<Patch>,
    cvv: Option<CvvRecord>,
}

impl Change {
    fn of(submission: &CaptureSubmission, card: &Card) -> Result<std::result::Result<Self, Refusal>> {
        let sealing = |_| StoreError::Engine("sealing failed".to_owned());
        let number = card.last_patch.saturating_add(1);
        let sealed = submission.late.patch(&card.id, number).map_err(sealing)?;
        let mut change = Self { card: card.clone(), patch: None, cvv: None };
        if let Some(patch) = sealed {
            if !card.has_room(patch.sealed.len()) {
                return Ok(Err(Refusal::PatchesFull));
            }
            change.card.last_patch = number;
            change.card.waiting += 1;
            change.card.waiting_bytes += u32::try_from(patch.sealed.len()).unwrap_or(u32::MAX);
            change.card.updated_at = submission.at;
            patch.shown.apply(&mut change.card.shown);
            change.patch = Some(Patch {
                card: card.id.clone(),
                number,
                key_version: patch.key_version,
                sealed: patch.sealed,
                created_at: submission.at,
            });
        }
        change.cvv = submission.late.cvv(&card.id).map_err(sealing)?.map(|cvv| record(cvv, card, submission));
        Ok(Ok(change))
    }
}

fn record(cvv: SealedCvv, card: &Card, submission: &CaptureSubmission) -> CvvRecord {
    let SealedCvv { cvv_key, key_version, sealed, expires_at, uses_left } = cvv;
    CvvRecord {
        card: card.id.clone(),
        cvv_key,
        key_version,
        sealed,
        expires_at,
        uses_left,
        created_at: submission.at,
    }
}

/// The limits of a capture beside its endpoint's: whose captures, and how many a minute.
fn limits(submission: &CaptureSubmission) -> Vec<(Subject, u32)> {
    submission.limits.map_or_else(Vec::new, |limits| {
        vec![
            (("capture.address", neighbourhood(&submission.address)), limits.per_address),
            (("capture.merchant", submission.merchant.to_string()), limits.per_merchant),
        ]
    })
}

/// Who counts as one client: an IPv4 address, or the /64 that one IPv6 holder has at will.
fn neighbourhood(address: &str) -> String {
    match address.parse::<std::net::Ipv6Addr>() {
        Ok(six) => format!("{}/64", std::net::Ipv6Addr::from_bits(six.to_bits() >> 64 << 64)),
        Err(_) => address.to_owned(),
    }
}
