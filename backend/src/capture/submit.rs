//! The way of a capture into the store: secret proved, members sorted, sealed to the public half, handed to the
//! capture lane. Nothing here can open what it stores.

use std::sync::Arc;

use shared::{Cvv, Problem};
use zeroize::Zeroizing;

use super::CaptureError;
use super::brands;
use super::facts::{Facts, FactsCache};
use super::once::Ticket;
use crate::audit::AuditKeys;
use crate::core::{Actor, Core};
use crate::crypto::CryptoError;
use crate::invalid::Invalid;
use crate::json::{Members, Value};
use crate::model::{AuditEntry, CaptureEndpoint, Card, CardId, Issuer, Outcome, Refusal, Shown};
use crate::outbox::events;
use crate::rules::{self, Sight};
use crate::storage::{CaptureSubmission, LateSeal, NewCard, SealedCvv, SealedPatch, ShownChange};
use crate::vault::cards;
use crate::vault::content::Content;
use crate::vault::cvv::{self, CvvSealer};
use crate::vault::members::{self, Rules, Sorted};
use crate::vault::number::Number;
use crate::vault::sealing::{Part, Sealer};

/// A capture as it arrives.
pub struct Submission {
    /// The endpoint's name.
    pub unique_id: String,
    /// The secret that was sent.
    pub secret: Option<Zeroizing<String>>,
    /// The reference from the query; counts only if the endpoint has none (security rule 20).
    pub reference: Option<String>,
    /// The members.
    pub body: Members,
    /// The client's address.
    pub address: String,
    /// What the form that was filled says, if it was a form.
    pub form: FormSwitches,
    /// The submit of a form that must not be stored twice.
    pub once: Option<Ticket>,
    /// The consent that was given through a form, which the server alone writes.
    pub consent: Option<Value>,
}

/// What a hosted form changes about a capture.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
#[derive(Clone, Copy, Debug)]
pub struct FormSwitches {
    /// Whether numbers are checked by their check digits.
    pub luhn: bool,
    /// Whether the number is that of a bank account.
    pub account: bool,
    /// Whether the endpoint takes one capture only.
    pub single_use: bool,
    /// Whether the security code was checked by the form's own lengths already.
    pub code_checked: bool,
}

impl Default for FormSwitches {
    fn default() -> Self {
        Self { luhn: true, account: false, single_use: false, code_checked: false }
    }
}

/// A stored capture: what may be answered.
#[derive(Debug)]
pub struct Captured {
    /// The vault key's name.
    pub user: String,
    /// The token.
    pub token: String,
    /// The reference.
    pub reference: String,
    /// What may be shown of the card; only where the endpoint returns metadata and the number was captured.
    pub metadata: Option<Shown>,
    /// Its issuer, where metadata is returned and the table of issuers knows it.
    pub issuer: Option<Issuer>,
}

/// Other numbers with the same shortened token are passed by so often.
const TOKEN_TRIES: u32 = 64;

/// Stores a capture. Answered after it is durable (design.md, decision 8).
pub async fn capture(
    core: &Core,
    facts: &FactsCache,
    submission: Submission,
) -> Result<Captured, CaptureError> {
    let Submission { unique_id, secret, reference, body, address, form, once, consent } = submission;
    let given = secret.as_ref().map(|secret| secret.as_str());
    let facts_of = facts.prove(core, &unique_id, given, &address).await?;
    let endpoint = &facts_of.endpoint;
    let actor = actor_of(&facts_of, &address);
    let FormSwitches { luhn, account, code_checked, .. } = form;
    let rules = Rules { luhn, account, locked: endpoint.lock.is_some(), brand: facts_of.brand, code_checked };
    let sorted = genuine(body)
        .and_then(|body| changed(&facts_of, body))
        .and_then(|body| members::sort(body, rules))
        .and_then(|sorted| complete(&facts_of, sorted))
        .and_then(|sorted| accepted(endpoint, sorted))
        .and_then(|sorted| valid_long_enough(endpoint, sorted));
    let sorted = match sorted {
        Ok(mut sorted) => {
            if let Some(consent) = consent {
                sorted.rest.set(CONSENT, consent);
            }
            sorted
        }
        Err(problems) => return Err(refuse_values(core, &facts_of, &actor, problems).await?),
    };
    let sealer = core.keyring.sealer(core, &facts_of.key, &facts_of.pair)?;
    let cvv = if sorted.cvv.is_some() { Some(CvvSealer::new(core, sealer.clone()).await?) } else { None };
    let reference = resolve_reference(&facts_of, reference)?;
    let job = Job { core, facts: facts_of, actor, sealer, cvv: cvv.map(Arc::new), reference, form, once };
    let result = job.store(sorted).await;
    if matches!(result, Err(CaptureError::Refused(Refusal::Unknown))) {
        facts.forget(&unique_id);
    }
    result
}

/// The member that tells what was agreed to.
pub const CONSENT: &str = "consent";

/// A consent in a card was written here, when a form with a box was filled: nobody brings one along.
fn genuine(body: Members) -> Result<Members, Vec<Invalid>> {
    if body.iter().any(|(name, _)| name.eq_ignore_ascii_case(CONSENT)) {
        let detail = "The consent is written by the server when a form with a box is filled.";
        return Err(vec![Invalid::new(format!("/{CONSENT}"), "reserved", detail)]);
    }
    Ok(body)
}

/// What the endpoint's rules make of a body. What they make is looked through like anything that is sent.
fn changed(facts: &Facts, body: Members) -> Result<Members, Vec<Invalid>> {
    if facts.rules.is_empty() {
        return Ok(body);
    }
    rules::apply(&facts.rules, body, Sight::Kept, &[]).map_err(|problem| vec![problem])
}

/// Whether the members are enough: a number for an open endpoint, anything at all for a locked one.
fn complete(facts: &Facts, sorted: Sorted) -> Result<Sorted, Vec<Invalid>> {
    if facts.endpoint.lock.is_some() {
        if sorted.rest.is_empty() && sorted.cvv.is_none() {
            return Err(vec![Invalid::new("", "missing", "There is nothing to store.")]);
        }
    } else if sorted.number.is_none() {
        return Err(vec![Invalid::new("/card_number", "missing", "A card number is needed.")]);
    }
    Ok(sorted)
}

/// Whether the endpoint takes the card's type; the brand under which the card is used goes with it.
fn accepted(endpoint: &CaptureEndpoint, mut sorted: Sorted) -> Result<Sorted, Vec<Invalid>> {
    if endpoint.card_types.is_empty() {
        return Ok(sorted);
    }
    let used = match &sorted.number {
        None => return Ok(sorted),
        // A list of card types has no bank accounts on it.
        Some((name, Number::Account(_))) => {
            return Err(vec![brands::not_accepted(&members::pointer("", name))]);
        }
        Some((name, Number::Card(number))) => {
            brands::check(&endpoint.card_types, name, number, sorted.network)
        }
    };
    if let Some(brand) = used.map_err(|problem| vec![problem])? {
        sorted.network = Some(brand);
        sorted.rest.set(members::NETWORK, Value::text(brand.wire()));
    }
    Ok(sorted)
}

/// Whether the card is valid as long as the endpoint's cards have to be.
fn valid_long_enough(endpoint: &CaptureEndpoint, sorted: Sorted) -> Result<Sorted, Vec<Invalid>> {
    let Some(month) = endpoint.min_expiry else { return Ok(sorted) };
    let problem = match sorted.expiry {
        Some(expiry) if !expiry.is_past(month) => return Ok(sorted),
        Some(_) => Problem::TooSoon,
        None => Problem::Missing,
    };
    let detail = format!("The card has to be valid until {} at least.", month.written());
    Err(vec![Invalid::new("/expiry", problem.code(), detail)])
}

/// The endpoint's reference; else the query's; else the endpoint's own name (spec A.4).
fn resolve_reference(facts: &Facts, query: Option<String>) -> Result<String, CaptureError> {
    let endpoint = &facts.endpoint;
    if let Some(lock) = &endpoint.lock {
        return Ok(lock.reference.clone());
    }
    if let Some(own) = &endpoint.reference {
        return Ok(own.clone());
    }
    let reference = query.filter(|text| !text.is_empty()).unwrap_or_else(|| endpoint.unique_id.clone());
    cards::check_reference(&reference)?;
    Ok(reference)
}

async fn refuse_values(
    core: &Core,
    facts: &Facts,
    actor: &Actor,
    problems: Vec<Invalid>,
) -> Result<CaptureError, CaptureError> {
    let is_number = |problem: &Invalid| {
        matches!(
            problem.code,
            "checksum" | "too_short" | "too_long" | "immutable" | "holds_number" | "not_accepted"
        )
    };
    count_refused(core, facts, actor, problems.iter().any(is_number)).await?;
    Ok(CaptureError::Invalid(problems))
}

/// Who captures through an endpoint, as the audit log names it.
pub(super) fn actor_of(facts: &Facts, address: &str) -> Actor {
    Actor {
        merchant: Some(facts.endpoint.merchant.clone()),
        mode: Some(facts.endpoint.mode),
        name: format!("endpoint:{}", facts.endpoint.id),
        address: address.to_owned(),
    }
}

/// Audits refused values, and counts refused numbers until the endpoint is switched off (security rule 8).
pub(super) async fn count_refused(
    core: &Core,
    facts: &Facts,
    actor: &Actor,
    is_number: bool,
) -> Result<(), CaptureError> {
    let endpoint = &facts.endpoint;
    core.refused(actor, "capture.values", endpoint.id.as_str()).await;
    if core.policy.limits.is_some() && is_number {
        let mut transaction = core.store.begin().await?;
        let (merchant, id) = (endpoint.merchant.clone(), endpoint.id.clone());
        if transaction.count_refused(merchant, id, core.now()).await?
            && let Some(webhook) = &facts.webhook
        {
            transaction.add_event(events::endpoint_disabled(core, endpoint, webhook)?).await?;
        }
        transaction.commit().await?;
    }
    Ok(())
}

/// A capture that passed all checks that need no transaction.
struct Job<'c> {
    core: &'c Core,
    facts: Arc<Facts>,
    actor: Actor,
    sealer: Sealer,
    cvv: Option<Arc<CvvSealer>>,
    reference: String,
    form: FormSwitches,
    once: Option<Ticket>,
}

impl Job<'_> {
    async fn store(&self, sorted: Sorted) -> Result<Captured, CaptureError> {
        for attempt in 0..TOKEN_TRIES {
            let prepared = self.prepare(&sorted, attempt)?;
            let (token, shown, issuer) =
                (prepared.token.clone(), prepared.shown.clone(), prepared.issuer.clone());
            match self.core.store.capture(self.submission(prepared)?).await? {
                Ok(_) => return Ok(self.captured(token, shown, issuer)),
                Err(Refusal::TokenTaken) => {}
                // Nobody is refused: the answer is kept.
                Err(Refusal::Repeated) => return Err(CaptureError::Refused(Refusal::Repeated)),
                Err(refusal) => {
                    self.core.refused(&self.actor, "capture.store", self.facts.endpoint.id.as_str()).await;
                    return Err(CaptureError::Refused(refusal));
                }
            }
        }
        Err(crate::vault::VaultError::Contended.into())
    }

    fn prepare(&self, sorted: &Sorted, attempt: u32) -> Result<Prepared, CaptureError> {
        let late = Late {
            sealer: self.sealer.clone(),
            audit: Arc::clone(&self.core.audit),
            cvv: self.cvv.clone(),
            code: sorted.cvv.as_ref().map(|code| Zeroizing::new(code.digits().to_owned())),
            members: self.patch_members(sorted),
            shown: ShownChange {
                expiry: sorted.expiry,
                // A capture onto a card that exists changes its code and expiry only (security rule 20).
                holder: sorted.holder.clone().filter(|_| self.facts.endpoint.lock.is_some()),
                owner_id: sorted.owner_id.clone().filter(|_| self.facts.endpoint.lock.is_some()),
                network: sorted.network.filter(|_| self.facts.endpoint.lock.is_some()),
            },
        };
        let Some((name, number)) = &sorted.number else {
            let token = self.facts.endpoint.lock.as_ref().map(|lock| lock.token.clone()).unwrap_or_default();
            return Ok(Prepared { token, shown: None, issuer: None, card: None, late });
        };
        let token = self.sealer.token(self.facts.algorithm, number.digits(), attempt);
        let shown = cards::shown(number, sorted);
        let mut row = self.row(token.clone(), shown.clone());
        row.fingerprint = self.sealer.fingerprint(self.facts.algorithm, number.digits());
        let content = Content::new(number, name, sorted.rest.copy()).encode();
        row.sealed = self.sealer.seal(&row.id, Part::Members(row.version), content.as_bytes())?;
        let code = late.cvv(&row.id)?.map(|sealed| cvv::row(&row.id, sealed, row.created_at));
        let issuer = self.core.bins.issuer(number.digits());
        let card = Some(NewCard { row, cvv: code });
        Ok(Prepared { token, shown: Some(shown), issuer, card, late })
    }

    fn submission(&self, prepared: Prepared) -> Result<CaptureSubmission, CaptureError> {
        let endpoint = &self.facts.endpoint;
        let action = if endpoint.lock.is_some() { "capture.update" } else { "capture.store" };
        let event = match &self.facts.webhook {
            None => None,
            Some(webhook) => {
                let shown = prepared.shown.clone();
                let shown = shown.unwrap_or_else(|| self.shown_unknown(&prepared.late.shown));
                let (token, reference) = (&prepared.token, &self.reference);
                let card =
                    events::CardTold { token, reference, shown: &shown, issuer: prepared.issuer.as_ref() };
                Some(events::card_captured(self.core, endpoint, webhook, &card)?)
            }
        };
        let captured = self.captured(prepared.token, None, None);
        let seal = |ticket: &Ticket| ticket.seal(self.core, &endpoint.merchant, endpoint.mode, &captured);
        Ok(CaptureSubmission {
            once: self.once.as_ref().map(seal).transpose()?,
            endpoint: endpoint.id.clone(),
            merchant: endpoint.merchant.clone(),
            at: self.core.now(),
            address: self.actor.address.clone(),
            limits: self.core.policy.limits,
            single_use: self.form.single_use,
            card: prepared.card,
            lock: endpoint.lock.clone(),
            late: Box::new(prepared.late),
            audit: self.core.entry(&self.actor, action, "", Outcome::Done),
            event,
        })
    }

    fn captured(&self, token: String, shown: Option<Shown>, issuer: Option<Issuer>) -> Captured {
        let returned = self.facts.endpoint.return_card_metadata;
        Captured {
            user: self.facts.endpoint.key_name.clone(),
            token,
            reference: self.reference.clone(),
            metadata: shown.filter(|_| returned),
            issuer: issuer.filter(|_| returned),
        }
    }

    /// The members of a patch: everything through a locked endpoint; through an open one the expiry, and the
    /// consent, which is the server's own word.
    fn patch_members(&self, sorted: &Sorted) -> Option<Zeroizing<String>> {
        if self.facts.endpoint.lock.is_some() {
            return (!sorted.rest.is_empty()).then(|| sorted.rest.to_json());
        }
        let mut patch = Members::default();
        if let Some(expiry) = sorted.expiry {
            patch.set("expiry", Value::text(expiry.short()));
        }
        if let Some(consent) = sorted.rest.find(CONSENT) {
            patch.set(CONSENT, consent.copy());
        }
        (!patch.is_empty()).then(|| patch.to_json())
    }

    fn row(&self, token: String, shown: Shown) -> Card {
        let now = self.core.now();
        let endpoint = &self.facts.endpoint;
        Card {
            id: CardId::new(now, &*self.core.entropy),
            merchant: endpoint.merchant.clone(),
            mode: endpoint.mode,
            key: endpoint.key.clone(),
            key_version: self.sealer.version,
            token,
            reference: self.reference.clone(),
            fingerprint: String::new(),
            shown,
            version: 1,
            last_patch: 0,
            waiting: 0,
            waiting_bytes: 0,
            sealed: Vec::new(),
            created_at: now,
            updated_at: now,
        }
    }

    /// What an event can say of a card that was updated without being opened.
    fn shown_unknown(&self, change: &ShownChange) -> Shown {
        Shown {
            brand: self.facts.brand.unwrap_or(shared::Brand::Other),
            network: change.network,
            first_six: String::new(),
            last_four: String::new(),
            digits: 0,
            expiry: change.expiry,
            holder: change.holder.clone().unwrap_or_default(),
            owner_id: change.owner_id.clone().unwrap_or_default(),
        }
    }
}

struct Prepared {
    token: String,
    shown: Option<Shown>,
    issuer: Option<Issuer>,
    card: Option<NewCard>,
    late: Late,
}

/// What a capture brings for a card that exists already. Wiped with its members.
struct Late {
    sealer: Sealer,
    audit: Arc<AuditKeys>,
    cvv: Option<Arc<CvvSealer>>,
    code: Option<Zeroizing<String>>,
    members: Option<Zeroizing<String>>,
    shown: ShownChange,
}

impl LateSeal for Late {
    fn patch(&self, card: &CardId, number: u32) -> Result<Option<SealedPatch>, CryptoError> {
        let Some(members) = &self.members else { return Ok(None) };
        let sealed = self.sealer.seal(card, Part::Patch(number), members.as_bytes())?;
        Ok(Some(SealedPatch { key_version: self.sealer.version, sealed, shown: self.shown.clone() }))
    }

    fn cvv(&self, card: &CardId) -> Result<Option<SealedCvv>, CryptoError> {
        let (Some(sealer), Some(code)) = (&self.cvv, &self.code) else { return Ok(None) };
        // It was parsed before; parsing again keeps the type's promise without copying the type.
        let code = Cvv::parse(code, None).map_err(|_| CryptoError::Open)?;
        sealer.seal(card, &code).map(Some)
    }

    fn mark(&self, entry: &mut AuditEntry) {
        self.audit.mark(entry);
    }
}
