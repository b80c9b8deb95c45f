//! Who may call: company, pass, MID, address, signature, timestamp, and each signed request once.

use super::params::Refused;
use super::reply::Echo;
use super::request::Request;
use super::{TransactionError, codes, hash, params, query, stamp};
use crate::access::company::{self, CompanySettings};
use crate::access::{AccessError, Caller};
use crate::core::{ANONYMOUS, Actor, Core};
use crate::crypto::{hex, secret};
use crate::model::{Company, TransactionKind};
use crate::storage::{StoreError, Transaction};

/// So many failures of an address in a minute; then everything it sends is refused (spec, security points).
const MOST_FAILURES: u32 = 60;
const FAILURES: &str = "gateway.refused";

/// The company that a request names, and what its answer is signed with.
pub struct Signer {
    known: Option<(Company, CompanySettings)>,
    dummy: String,
}

/// A request that was let in.
pub struct Admitted {
    /// The company.
    pub company: Company,
    /// Its settings.
    pub settings: CompanySettings,
    /// Who calls.
    pub caller: Caller,
    /// What the request is known by, so that it is taken once.
    digest: String,
}

impl Signer {
    /// Looks the company up by its id before anything else, so that no signature counts for another one.
    pub async fn find(core: &Core, request: &Request) -> Result<Self, TransactionError> {
        let id = readable(request, "company_id");
        let found = match id.as_str() {
            "" => None,
            id => core.store.read().await?.find_company_by_secret_name(id.to_owned()).await?,
        };
        let known = match found {
            Some(company) => {
                let settings = company::open(core, &company)?;
                Some((company, settings))
            }
            None => None,
        };
        // An unknown company is answered like a known one: by a signature that stays the same.
        let digest = secret::keyed_digest(&core.subkey("gateway dummy"), &[id.as_bytes()]);
        let dummy = hex(&digest);
        Ok(Self { known, dummy })
    }

    /// What answers are signed with.
    pub fn hash_code(&self) -> &str {
        self.known.as_ref().map_or(&self.dummy, |(_, settings)| &settings.hash_code)
    }

    /// What is repeated to a caller who has not shown yet that he can sign.
    ///
    /// An answer is signed over timestamp, type, company, transaction and code, a request over timestamp, type, company
    /// and one value more (spec A.3). The signature of an answer is therefore that of a request of the same type whose
    /// last value is the code. Nobody gets one made here that is good for anything:
    /// - No authorisation is repeated, since its last value is an order id, which may be any number; nor what a query
    ///   asks for.
    /// - The last value of all other types is a transaction of ten digits, which no code is.
    /// - A word that is no type is the type of no request.
    /// - Timestamp and company are the server's own, and the transaction is empty. No code that strangers are answered
    ///   ends in 1, so that no part of the text can be taken for the code of an approval.
    /// - The text of a webhook is 64 characters long before the hash code; here there are 48 at most.
    pub fn echo(request: &Request, kind_name: &'static str, kind: &str) -> Echo {
        let is_harmless = match TransactionKind::parse(kind) {
            Some(known) => !known.is_authorisation(),
            None => params::find("transaction_type").is_some_and(|row| params::is_in_form(row, kind)),
        };
        let is_query = kind_name == query::KIND || query::is_known(kind);
        Echo {
            company: readable(request, "company_id"),
            // What was sent: a known company's own would tell it from an unknown one.
            mid: readable(request, "company_mid_id"),
            kind: if is_harmless && !is_query { kind.to_owned() } else { String::new() },
            kind_name,
        }
    }

    /// Lets a request in whose pass and signature are right. `signed` are the values between timestamp and hash code.
    /// Failures are counted and audited.
    pub async fn admit(
        self,
        core: &Core,
        request: &Request,
        address: &str,
        signed: &[&str],
    ) -> Result<Admitted, TransactionError> {
        let proven = self.prove(core, request, address, signed).await;
        let action = match &proven {
            Err(TransactionError::Refused(Refused { code: codes::CREDENTIALS, .. })) => {
                "gateway.authenticate"
            }
            Err(TransactionError::Refused(Refused { code: codes::HASH, .. })) => "gateway.hash",
            _ => return proven,
        };
        failed(core, address, &readable(request, "company_id"), action).await?;
        proven
    }

    /// The same for a look beforehand, of which nothing is written.
    pub async fn prove(
        self,
        core: &Core,
        request: &Request,
        address: &str,
        signed: &[&str],
    ) -> Result<Admitted, TransactionError> {
        let failures = failures(core, address).await?;
        let limited = core.policy.limits.is_some() && failures >= MOST_FAILURES;
        let (pass, mid) = (request.text("", "company_pass"), request.text("", "company_mid_id"));
        let admitted = match self.known {
            Some((company, settings)) if !limited => {
                let caller = company::admit(&company, &settings, pass, mid, address);
                caller.map(|caller| (company, settings, caller))
            }
            _ => Err(AccessError::Unauthenticated),
        };
        let (company, settings, caller) = admitted.map_err(|_| refused(codes::CREDENTIALS, ""))?;
        let timestamp = request.text("", "timestamp");
        let values: Vec<&str> = std::iter::once(timestamp).chain(signed.iter().copied()).collect();
        let expected = hash::signed(&values, &settings.hash_code);
        if !hash::is(&expected, request.text("", "request_hash")) {
            return Err(refused(codes::HASH, ""));
        }
        check_stamp(core, timestamp)?;
        Ok(Admitted { company, settings, caller, digest: hash::sha256_hex(&expected) })
    }
}

impl Admitted {
    /// What its answers repeat. The MID is the company's where none was sent.
    pub fn echo(&self, request: &Request, kind_name: &'static str, kind: &str) -> Echo {
        let mid = readable(request, "company_mid_id");
        Echo {
            company: self.company.id.clone(),
            mid: if mid.is_empty() { self.company.mid.clone() } else { mid },
            kind: kind.to_owned(),
            kind_name,
        }
    }

    /// Whether the request was taken before, so that whoever sends it need not be who signed it.
    pub async fn is_repeated(&self, core: &Core) -> Result<bool, StoreError> {
        if !core.policy.transactions.replay_check {
            return Ok(false);
        }
        let (company, digest) = (self.company.id.clone(), self.digest.clone());
        core.store.read().await?.knows_gateway_request(company, digest).await
    }

    /// Takes the request in the transaction of what it does: once, so that nobody can send it again.
    pub async fn take(&self, core: &Core, transaction: &mut dyn Transaction) -> Result<(), TransactionError> {
        if !core.policy.transactions.replay_check {
            return Ok(());
        }
        let (company, digest) = (self.company.id.clone(), self.digest.clone());
        if transaction.take_gateway_request(company, digest, core.now()).await? {
            return Ok(());
        }
        Err(TransactionError::Repeated)
    }
}

fn refused(code: u16, name: &str) -> TransactionError {
    Refused { code, name: name.to_owned() }.into()
}

/// A value of the envelope that has its form; else empty.
fn readable(request: &Request, name: &str) -> String {
    let text = request.text("", name);
    let row = params::find(name).filter(|row| params::is_in_form(row, text));
    row.map(|_| text.to_owned()).unwrap_or_default()
}

fn check_stamp(core: &Core, timestamp: &str) -> Result<(), TransactionError> {
    let policy = &core.policy.transactions;
    let wrong = || refused(codes::PARAMETERS, "timestamp");
    let at = stamp::parse(timestamp, policy.short_timestamps).ok_or_else(wrong)?;
    match policy.window {
        Some(window) if !stamp::is_within(at, core.now(), window) => Err(wrong()),
        _ => Ok(()),
    }
}

async fn failures(core: &Core, address: &str) -> Result<u32, StoreError> {
    core.store.read().await?.hits(FAILURES, address.to_owned(), core.now().minute()).await
}

/// Counts and audits a failure.
async fn failed(core: &Core, address: &str, company: &str, action: &'static str) -> Result<(), StoreError> {
    let mut transaction = core.store.begin().await?;
    transaction.hit(FAILURES, address.to_owned(), core.now().minute()).await?;
    transaction.commit().await?;
    let actor = Actor { merchant: None, mode: None, name: ANONYMOUS.into(), address: address.to_owned() };
    core.refused(&actor, action, company).await;
    Ok(())
}
