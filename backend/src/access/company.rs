//! Companies: what a merchant calls the gateway interface with, how a call is let in, and what is set for it.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{AccessError, Caller};
use crate::core::Core;
use crate::crypto::binding::Binding;
use crate::crypto::entropy::{self, Entropy};
use crate::crypto::{CryptoError, secret};
use crate::model::{Company, MerchantId, Mode, Outcome, Scope, Scopes};
use crate::storage::{StoreError, Transaction};

/// Lengths of what is made; the interface takes 1 to 11, 10 to 30 and 1 to 30 (spec A.2).
const ID_DIGITS: usize = 9;
const MID_DIGITS: usize = 6;
const SECRET_LENGTH: usize = 30;
/// So many networks may be listed.
const MOST_NETWORKS: usize = 50;

/// The credentials of a company in clear: shown once.
pub struct CompanyCredentials {
    /// `company_id`.
    pub id: String,
    /// `company_pass`.
    pub pass: Zeroizing<String>,
    /// `company_mid_id`.
    pub mid: String,
    /// `company_hashcode`.
    pub hash_code: Zeroizing<String>,
}

/// What is sealed with a company. No Debug; wiped when dropped.
#[derive(Clone, Default, Deserialize, Serialize, Zeroize, ZeroizeOnDrop)]
pub struct CompanySettings {
    /// What requests and answers are signed with.
    pub hash_code: String,
    /// Where webhooks of the interface go.
    #[serde(default)]
    pub webhook_url: Option<String>,
    /// Networks that calls may come from; from everywhere where there are none.
    #[serde(default)]
    pub addresses: Vec<String>,
}

/// Why nothing was done with a company.
#[derive(Debug, thiserror::Error)]
pub enum CompanyError {
    /// A setting was refused: its name, and what is allowed.
    #[error("{0} is refused; allowed: {1}")]
    Invalid(&'static str, &'static str),
    /// The merchant has no company in this mode.
    #[error("there is no company")]
    Unknown,
    /// Storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The root key failed.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
}

/// Makes the company of a merchant and mode in the caller's transaction.
pub async fn create(
    core: &Core,
    transaction: &mut dyn Transaction,
    merchant: &MerchantId,
    mode: Mode,
) -> Result<CompanyCredentials, CompanyError> {
    let made = CompanyCredentials {
        id: digits(&*core.entropy, ID_DIGITS),
        pass: letters(&*core.entropy, SECRET_LENGTH),
        mid: digits(&*core.entropy, MID_DIGITS),
        hash_code: letters(&*core.entropy, SECRET_LENGTH),
    };
    let settings =
        CompanySettings { hash_code: made.hash_code.to_string(), webhook_url: None, addresses: Vec::new() };
    let mut company = Company {
        id: made.id.clone(),
        merchant: merchant.clone(),
        mode,
        mid: made.mid.clone(),
        pass_hash: secret::hash(&made.pass).to_vec(),
        sealed: Vec::new(),
        version: 1,
        created_at: core.now(),
    };
    company.sealed = seal(core, &company, &settings)?;
    transaction.add_company(company).await?;
    Ok(made)
}

/// Gives a merchant's company a new pass and hash code in the caller's transaction; makes the company where the
/// merchant is older than companies.
pub async fn renew(
    core: &Core,
    transaction: &mut dyn Transaction,
    merchant: &MerchantId,
    mode: Mode,
) -> Result<CompanyCredentials, CompanyError> {
    let Some(mut company) = transaction.find_company(merchant.clone(), mode).await? else {
        return create(core, transaction, merchant, mode).await;
    };
    let made = CompanyCredentials {
        id: company.id.clone(),
        pass: letters(&*core.entropy, SECRET_LENGTH),
        mid: company.mid.clone(),
        hash_code: letters(&*core.entropy, SECRET_LENGTH),
    };
    let mut settings = open(core, &company)?;
    settings.hash_code = made.hash_code.to_string();
    company.pass_hash = secret::hash(&made.pass).to_vec();
    company.sealed = seal(core, &company, &settings)?;
    if transaction.update_company(company).await? { Ok(made) } else { Err(StoreError::Retry.into()) }
}

/// The settings of a company.
pub fn open(core: &Core, company: &Company) -> Result<CompanySettings, CryptoError> {
    let text = core.root.unwrap(&bind(company), &company.sealed)?;
    serde_json::from_slice(&text).map_err(|_| CryptoError::Open)
}

/// The company of a caller's merchant and mode, with its settings.
pub async fn show(core: &Core, caller: &Caller) -> Result<(Company, CompanySettings), CompanyError> {
    let found = core.store.read().await?.find_company(caller.merchant.clone(), caller.mode).await?;
    let company = found.ok_or(CompanyError::Unknown)?;
    let settings = open(core, &company)?;
    Ok((company, settings))
}

/// Sets where webhooks go and where calls may come from.
pub async fn change(
    core: &Core,
    caller: &Caller,
    webhook_url: Option<String>,
    addresses: Vec<String>,
) -> Result<(Company, CompanySettings), CompanyError> {
    let networks = "up to 50 networks or addresses, such as 192.0.2.0/24";
    if addresses.len() > MOST_NETWORKS || addresses.iter().any(|text| network(text).is_none()) {
        return Err(CompanyError::Invalid("addresses", networks));
    }
    let (mut company, mut settings) = show(core, caller).await?;
    settings.webhook_url = webhook_url;
    settings.addresses = addresses;
    company.sealed = seal(core, &company, &settings)?;
    let mut transaction = core.store.begin().await?;
    if !transaction.update_company(company.clone()).await? {
        return Err(StoreError::Retry.into());
    }
    transaction.add_audit(core.entry(&caller.actor(), "company.change", &company.id, Outcome::Done)).await?;
    transaction.commit().await?;
    Ok((company, settings))
}

/// The caller of a right pass from an allowed address. Who fails is told by whoever asks.
pub fn admit(
    company: &Company,
    settings: &CompanySettings,
    pass: &str,
    mid: &str,
    address: &str,
) -> Result<Caller, AccessError> {
    let right = secret::matches(pass, &company.pass_hash);
    if right && (mid.is_empty() || mid == company.mid) && is_allowed(settings, address) {
        Ok(acting(&company.merchant, company.mode, &company.id, address))
    } else {
        Err(AccessError::Unauthenticated)
    }
}

/// Who acts for a company.
pub fn acting(merchant: &MerchantId, mode: Mode, company: &str, address: &str) -> Caller {
    Caller {
        merchant: merchant.clone(),
        mode,
        login: format!("company:{company}"),
        scopes: Scopes::of(&[Scope::Gateway]),
        address: address.to_owned(),
    }
}

/// So many random digits; the first is none that a number could lose.
pub fn digits(entropy: &dyn Entropy, length: usize) -> String {
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let [byte] = entropy::bytes::<1>(entropy);
        // 250 is the largest multiple of ten: what lies above would make some digits likelier.
        if byte < 250 && (byte % 10 > 0 || !text.is_empty()) {
            text.push(char::from(b'0' + byte % 10));
        }
    }
    text
}

fn letters(entropy: &dyn Entropy, length: usize) -> Zeroizing<String> {
    const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut text = Zeroizing::new(String::with_capacity(length));
    while text.len() < length {
        let [byte] = entropy::bytes::<1>(entropy);
        // Six bits; two of 64 values have no letter.
        if let Some(letter) = LETTERS.get(usize::from(byte & 63)) {
            text.push(char::from(*letter));
        }
    }
    text
}

fn is_allowed(settings: &CompanySettings, address: &str) -> bool {
    if settings.addresses.is_empty() {
        return true;
    }
    let Ok(address) = address.parse::<IpAddr>() else { return false };
    settings.addresses.iter().filter_map(|text| network(text)).any(|network| network.contains(&address))
}

fn network(text: &str) -> Option<IpNet> {
    text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).ok()
}

fn seal(core: &Core, company: &Company, settings: &CompanySettings) -> Result<Vec<u8>, CryptoError> {
    let text = Zeroizing::new(serde_json::to_vec(settings).map_err(|_| CryptoError::Open)?);
    core.root.wrap(&bind(company), &text, &*core.entropy)
}

fn bind(company: &Company) -> Binding<'_> {
    Binding {
        merchant: company.merchant.as_str(),
        mode: company.mode.as_str(),
        record: &company.id,
        kind: "company",
        field: "settings",
        number: 0,
        key_version: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::entropy::SeededEntropy;

    #[test]
    fn what_is_made_has_its_length_and_letters() {
        let entropy = SeededEntropy::new(1);
        for _ in 0..200 {
            let number = digits(&entropy, 10);
            assert!(number.len() == 10 && !number.starts_with('0'), "{number}");
            assert!(number.bytes().all(|byte| byte.is_ascii_digit()));
            let secret = letters(&entropy, 30);
            assert!(secret.len() == 30 && secret.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        }
    }

    #[test]
    fn addresses_are_networks_or_alone() {
        let settings = |addresses: &[&str]| {
            let mut settings = CompanySettings::default();
            settings.addresses.extend(addresses.iter().map(|text| (*text).to_owned()));
            settings
        };
        assert!(is_allowed(&settings(&[]), "203.0.113.9"));
        let some = settings(&["192.0.2.0/24", "2001:db8::1"]);
        assert!(is_allowed(&some, "192.0.2.9") && is_allowed(&some, "2001:db8::1"));
        assert!(
            !is_allowed(&some, "192.0.3.9") && !is_allowed(&some, "") && !is_allowed(&some, "2001:db8::2")
        );
    }
}
