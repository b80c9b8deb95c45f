//! What a page needs after a redirect: kept sealed for five minutes under an unguessable address.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::CaptureError;
use crate::core::Core;
use crate::crypto::binding::Binding;
use crate::crypto::{hex, secret};
use crate::model::{MerchantId, Mode, PageResult};
use crate::storage::{StoreError, until_won};

/// How long a result is kept.
const LIFE: Duration = Duration::from_mins(5);
/// Tries where the store asks for another one.
const TRIES: usize = 5;

/// What a page shows after a submit.
#[derive(Clone, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Outcome {
    /// The card is stored.
    Stored {
        /// The form that was filled.
        form: String,
        /// The endpoint's name.
        unique_id: String,
        /// The answer of the endpoint: user, token, reference.
        response: serde_json::Value,
        /// The members of the request that callbacks may see.
        request: serde_json::Value,
        /// The done page, where the browser starts no worker for the callback.
        fallback: Option<String>,
    },
    /// The form comes again, with what was wrong.
    Refused {
        /// The form that was filled.
        form: String,
        /// The endpoint's name.
        unique_id: String,
        /// The endpoint's secret, which the page needs again. Sealed here like everything else.
        secret: String,
        /// The query's reference and further members, as hidden inputs.
        hidden: Vec<(String, String)>,
        /// Entered values that are no secrets: field name and text.
        values: Vec<(String, String)>,
        /// Field name and problem code.
        errors: Vec<(String, String)>,
        /// Wire names of the brands to choose between, the chosen one first.
        #[serde(default)]
        networks: Vec<String>,
        /// Status and general message, where the server refused as a whole.
        failure: Option<(u16, String)>,
    },
}

/// A result that was read.
pub struct Read {
    /// What to show.
    pub outcome: Outcome,
    /// Whose page.
    pub merchant: MerchantId,
    /// Test or live.
    pub mode: Mode,
    /// Whether somebody read it before; then only the plain page is shown.
    pub again: bool,
}

/// Keeps a result; answers its identifier for the address.
pub async fn keep(
    core: &Core,
    merchant: &MerchantId,
    mode: Mode,
    outcome: &Outcome,
) -> Result<String, CaptureError> {
    let id = secret::generate_secret(&*core.entropy);
    let id_hash = hex(&secret::hash(&id));
    let text = Zeroizing::new(serde_json::to_string(outcome).unwrap_or_default());
    let result = PageResult {
        sealed: core.root.wrap(&bind(merchant, mode, &id_hash), text.as_bytes(), &*core.entropy)?,
        id_hash,
        merchant: merchant.clone(),
        mode,
        was_read: false,
        expires_at: core.now().plus(LIFE),
    };
    // The card is stored already: the page after it is worth another try by itself.
    until_won(TRIES, StoreError::is_race, || add(core, result.clone())).await?;
    Ok(id.to_string())
}

async fn add(core: &Core, result: PageResult) -> Result<(), StoreError> {
    let mut transaction = core.store.begin().await?;
    transaction.add_result(result).await?;
    transaction.commit().await
}

/// Reads a result by the identifier in its address. `Unknown` when it ended.
pub async fn read(core: &Core, id: &str) -> Result<Read, CaptureError> {
    let id_hash = hex(&secret::hash(id));
    // Addresses that lead nowhere must not take the writer from captures.
    if !core.store.read().await?.has_result_by_secret_name(id_hash.clone()).await? {
        return Err(CaptureError::Unknown);
    }
    let mut transaction = core.store.begin().await?;
    let found = transaction.read_result_by_secret_name(id_hash).await?;
    transaction.commit().await?;
    let result = found.filter(|result| result.expires_at > core.now()).ok_or(CaptureError::Unknown)?;
    let text = core.root.unwrap(&bind(&result.merchant, result.mode, &result.id_hash), &result.sealed)?;
    let outcome = serde_json::from_slice(&text).map_err(|_| crate::crypto::CryptoError::Open)?;
    Ok(Read { outcome, merchant: result.merchant, mode: result.mode, again: result.was_read })
}

fn bind<'a>(merchant: &'a MerchantId, mode: Mode, id_hash: &'a str) -> Binding<'a> {
    Binding {
        merchant: merchant.as_str(),
        mode: mode.as_str(),
        record: id_hash,
        kind: "page result",
        field: "outcome",
        number: 0,
        key_version: 0,
    }
}
