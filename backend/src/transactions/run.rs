//! A call from its body to its signed answer: the order of the checks, and which use case a type is.

use super::gate::{Admitted, Signer};
use super::params::{self, Refused};
use super::reply::{Echo, Reply};
use super::request::Request;
use super::{TransactionError, authorise, codes, follow, manage, payer, query, updater};
use crate::access::idempotency::{Holder, Keys};
use crate::core::Core;
use crate::json::{JsonError, Members};
use crate::model::{GatewayTransaction, Subscription, TransactionId, TransactionKind, TransactionState};
use crate::operations::Operations;

use zeroize::Zeroizing;

/// The member that says what a transaction does.
const KIND: &str = "transaction_type";

/// A transaction's request that was let in.
pub struct Call<'c> {
    /// The parts of use cases.
    pub core: &'c Core,
    /// Calls to gateways.
    pub operations: &'c Operations,
    /// What was sent.
    pub request: &'c Request,
    /// Who sent it.
    pub admitted: Admitted,
    /// `transaction_type`.
    pub kind: TransactionKind,
    /// `subscription_type`.
    pub subscription: Option<Subscription>,
}

/// An answer, and whether it tells a failure of ours.
pub struct Answered {
    /// The members.
    pub members: Members,
    /// Whether something failed that is nobody's fault but ours.
    pub is_failure: bool,
    /// Whether it was refused before anything began.
    pub is_refusal: bool,
}

/// Runs `POST /api.php`.
pub async fn run(
    core: &Core,
    operations: &Operations,
    body: Result<Members, JsonError>,
    address: &str,
) -> Answered {
    let (request, body) = request_of(body);
    let signer = match Signer::find(core, &request).await {
        Ok(signer) => signer,
        Err(error) => return answered(core, Err(error), &Echo::nothing(KIND), ""),
    };
    let before = Signer::echo(&request, KIND, request.text("transaction", KIND));
    let (mut echo, hash_code) = (before.clone(), Zeroizing::new(signer.hash_code().to_owned()));
    let result = match body {
        Ok(()) => transact(core, operations, &request, signer, address, &mut echo).await,
        Err(refused) => Err(refused.into()),
    };
    // Whoever sends a signed request once more need not be who signed it.
    let echo = if matches!(result, Err(TransactionError::Repeated)) { before } else { echo };
    answered(core, result, &echo, &hash_code)
}

/// Runs `POST /api.php/status`.
pub async fn run_query(core: &Core, body: Result<Members, JsonError>, address: &str) -> Answered {
    let (request, body) = request_of(body);
    let signer = match Signer::find(core, &request).await {
        Ok(signer) => signer,
        Err(error) => return answered(core, Err(error), &Echo::nothing(query::KIND), ""),
    };
    let mut echo = Signer::echo(&request, query::KIND, "");
    let hash_code = Zeroizing::new(signer.hash_code().to_owned());
    let result = match body {
        Ok(()) => query::run(core, &request, signer, address, &mut echo).await,
        Err(refused) => Err(refused.into()),
    };
    answered(core, result, &echo, &hash_code)
}

fn request_of(body: Result<Members, JsonError>) -> (Request, Result<(), Refused>) {
    match body {
        Ok(members) => (Request::new(members), Ok(())),
        Err(error) => (Request::new(Members::default()), Err(Refused::parameter(error.to_string()))),
    }
}

fn answered(core: &Core, result: Result<Reply, TransactionError>, echo: &Echo, hash_code: &str) -> Answered {
    let (reply, is_failure) = match result {
        Ok(reply) => (reply, false),
        Err(TransactionError::Refused(refused)) => (refused.into(), false),
        Err(TransactionError::Repeated) => {
            (Refused::parameter("timestamp (this request was taken before)").into(), false)
        }
        Err(error) => {
            tracing::error!(%error, "a gateway transaction failed");
            (Reply::of(codes::FAILED), true)
        }
    };
    let is_refusal = !is_failure && reply.transaction.is_empty();
    Answered { members: reply.sign(echo, core.now(), hash_code), is_failure, is_refusal }
}

async fn transact(
    core: &Core,
    operations: &Operations,
    request: &Request,
    signer: Signer,
    address: &str,
    echo: &mut Echo,
) -> Result<Reply, TransactionError> {
    // Before the signature, whose fourth value depends on the type.
    let kind = request.kind().map_err(|()| Refused::parameter("transaction_type"))?;
    let kind = kind.ok_or(Refused { code: codes::TYPE, name: String::new() })?;
    let subscription = request.subscription().map_err(|()| Refused::parameter("subscription_type"))?;
    check_subscription(kind, subscription)?;
    params::check(request, kind, subscription)?;
    let admitted = signer.admit(core, request, address, &signed(request, kind)).await?;
    if admitted.is_repeated(core).await? {
        return Err(TransactionError::Repeated);
    }
    *echo = admitted.echo(request, KIND, kind.as_str());
    let call = Call { core, operations, request, admitted, kind, subscription };
    let result = match kind {
        kind if kind.is_authorisation() && request.is_completion() => payer::complete(&call).await,
        TransactionKind::AuthOnly | TransactionKind::AuthCapture => authorise::run(&call).await,
        TransactionKind::Capture | TransactionKind::Void | TransactionKind::Refund => {
            follow::run(&call).await
        }
        TransactionKind::SubscriptionManage => manage::run(&call).await,
        TransactionKind::AccountUpdater => updater::request(&call).await,
    };
    if let Err(TransactionError::Refused(_) | TransactionError::Repeated) = &result {
        let original = request.text("transaction", "original_transaction_id");
        core.refused(&call.admitted.caller.actor(), "transaction.refuse", original).await;
    }
    result
}

/// What a request is signed over, between its timestamp and the hash code.
fn signed(request: &Request, kind: TransactionKind) -> [&str; 3] {
    let fourth = if kind.is_authorisation() { "merchant_order_id" } else { "original_transaction_id" };
    [kind.as_str(), request.text("", "company_id"), request.text("transaction", fourth)]
}

/// Who sent a request, and what its refusals are signed with, where pass and signature are right. Writes nothing: what
/// is not right is refused when it is run.
pub async fn prove(core: &Core, body: &[u8], address: &str) -> Option<Proven> {
    let request = Request::new(Members::parse(body).ok()?);
    let kind = request.kind().ok()??;
    let signer = Signer::find(core, &request).await.ok()?;
    let admitted = signer.prove(core, &request, address, &signed(&request, kind)).await.ok()?;
    let holder = Holder {
        merchant: admitted.caller.merchant.clone(),
        mode: admitted.caller.mode,
        keys: Keys::Merchant,
        name: admitted.caller.login.clone(),
        secret: Zeroizing::new(request.text("", "company_pass").to_owned()),
    };
    let echo = admitted.echo(&request, KIND, kind.as_str());
    let hash_code = Zeroizing::new(admitted.settings.hash_code.clone());
    Some(Proven { holder, refuser: Refuser { echo, hash_code } })
}

/// The sender of a request.
pub struct Proven {
    /// Whose idempotency keys count.
    pub holder: Holder,
    /// What refuses the request.
    pub refuser: Refuser,
}

/// Refuses a request that is not run at all.
pub struct Refuser {
    echo: Echo,
    hash_code: Zeroizing<String>,
}

impl Refuser {
    /// An answer that names a header, and says why.
    pub fn refuse(&self, core: &Core, why: &str) -> Answered {
        answered(core, Err(Refused::parameter(why).into()), &self.echo, &self.hash_code)
    }
}

fn check_subscription(kind: TransactionKind, subscription: Option<Subscription>) -> Result<(), Refused> {
    use Subscription as S;
    let fits = match (kind, subscription) {
        (_, None) => true,
        (TransactionKind::SubscriptionManage, Some(part)) => {
            matches!(part, S::UpdateBilling | S::Enable | S::Disable)
        }
        (kind, Some(part)) => {
            kind.is_authorisation() && matches!(part, S::Init | S::Rebill | S::Reuse | S::UpdateBilling)
        }
    };
    if fits { Ok(()) } else { Err(Refused::parameter("subscription_type")) }
}

impl Call<'_> {
    /// A checked value of the transaction.
    pub fn text(&self, name: &str) -> &str {
        self.request.text("transaction", name)
    }

    /// A new transaction of this call, open.
    pub fn transaction(&self) -> GatewayTransaction {
        let now = self.core.now();
        GatewayTransaction {
            id: TransactionId::new(now, &*self.core.entropy),
            number: crate::access::company::digits(&*self.core.entropy, 10),
            merchant: self.admitted.caller.merchant.clone(),
            mode: self.admitted.caller.mode,
            kind: self.kind,
            subscription: self.subscription,
            token: String::new(),
            original: String::new(),
            order_id: self.text("merchant_order_id").to_owned(),
            holds_order: false,
            amount: None,
            operation: None,
            card: None,
            owns_card: false,
            state: TransactionState::Open,
            code: codes::PENDING,
            sealed: Vec::new(),
            waits: false,
            created_at: now,
            settled_at: None,
        }
    }

    /// The refusal of a token or transaction that is unknown, or another company's: all alike.
    pub fn unknown_original() -> TransactionError {
        Refused::parameter("original_transaction_id").into()
    }
}
