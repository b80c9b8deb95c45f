//! The nouns of the product as plain records: no I/O, no axum, no SQL. What use cases and storage exchange.

pub mod access;
pub mod audit;
pub mod bin;
pub mod capture;
pub mod card;
pub mod form;
pub mod id;
pub mod idempotent;
pub mod invoice;
pub mod key;
pub mod ledger;
pub mod money;
pub mod operation;
mod operator;
pub mod outbox;
pub mod proxy;
pub mod published;
pub mod request;
pub mod retrieve;
pub mod terms;
pub mod time;
pub mod transaction;

pub use access::{ApiKey, Merchant, Scope, Scopes};
pub use audit::{AuditEntry, AuditRow, Head, Outcome, Seal, WaitingEntries};
pub use bin::{BinRange, Issuer};
pub use capture::{CaptureEndpoint, Lock, Refusal};
pub use card::{Card, CvvKey, CvvRecord, Patch, Shown};
pub use form::{FormSubmit, HostedForm, PageResult};
pub use id::{
    ApiKeyId, AuditId, CardId, CvvKeyId, EndpointId, EventId, HostId, KeyId, MerchantId, OperationId,
    OperatorKeyId, RequestId, RetrieveId, SendId, TransactionId, UpdateId,
};
pub use idempotent::IdempotentCall;
pub use invoice::{
    Account, AccountId, CallbackSecretRow, CardOwner, Customer, CustomerId, Flow, Invoice, InvoiceId,
    InvoiceStatus, PageId, SaleKeyRow,
};
pub use key::{Custody, KeyPairRow, VaultKey};
pub use ledger::LedgerEntry;
pub use money::{Money, MoneyError};
pub use operation::{Operation, OperationKind, OperationState, OwnerKind};
pub use operator::OperatorKey;
pub use outbox::{Attempt, EventState, OutboxEvent, Schedule, Settlement, WebhookSecretRow};
pub use proxy::{ProxyHost, ProxySend, RuleRow, SendState, WaitingCode};
pub use request::{
    CardRequest, Channel, Happening, MessageTemplate, Passcode, RequestFilter, RequestKind, Status,
    StatusChange,
};
pub use retrieve::RetrieveEndpoint;
pub use terms::{CvvDestination, CvvTerms, DestinationKind, Use};
pub use time::{Clock, Mode, SystemClock, Timestamp};
pub use transaction::{
    AccountUpdate, Company, GatewayToken, GatewayTransaction, Subscription, TransactionFilter,
    TransactionKind, TransactionState, UpdateCause, UpdateState,
};
