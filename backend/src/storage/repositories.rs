//! The repositories: one trait for each noun. `Option` means "not there"; errors are storage's own.

use async_trait::async_trait;

use super::Result;
use crate::model::{
    Account, AccountId, ApiKey, Attempt, AuditEntry, CallbackSecretRow, CaptureEndpoint, Card, CardId,
    CardOwner, CardRequest, Channel, Customer, CvvKey, CvvKeyId, CvvRecord, CvvTerms, EndpointId, EventId,
    FormSubmit, HostedForm, Invoice, InvoiceId, KeyId, KeyPairRow, LedgerEntry, Merchant, MerchantId,
    MessageTemplate, Mode, Operation, OperationId, OutboxEvent, OwnerKind, PageId, PageResult, Patch,
    RequestFilter, RequestId, SaleKeyRow, Settlement, StatusChange, Timestamp, VaultKey, WebhookSecretRow,
};

/// One page of a list: at most `limit` rows that follow `after` in the list's own order.
#[derive(Clone, Debug)]
pub struct Page {
    /// The last key of the page before; `None` for the first page.
    pub after: Option<String>,
    /// At most so many rows.
    pub limit: u32,
}

/// Facts about the whole installation.
#[async_trait]
pub trait Installation {
    /// A named fact.
    async fn fact(&mut self, name: &'static str) -> Result<Option<String>>;
    /// Writes a named fact if there is none; answers the one that stands.
    async fn add_fact(&mut self, name: &'static str, value: String) -> Result<String>;
    /// Replaces a named fact that still has a value. Answers whether it did.
    async fn replace_fact(&mut self, name: &'static str, old: String, new: String) -> Result<bool>;
    /// Whether any vault key exists: without its root key such an installation must not start.
    async fn has_vault_keys(&mut self) -> Result<bool>;
}

/// Merchants and their credentials.
#[async_trait]
pub trait Merchants {
    /// Adds a merchant.
    async fn add_merchant(&mut self, merchant: Merchant) -> Result<()>;
    /// The merchant of an id, which is the caller's own.
    async fn lookup_merchant(&mut self, id: MerchantId) -> Result<Option<Merchant>>;
    /// The merchant of this name.
    async fn find_merchant_by_name(&mut self, name: String) -> Result<Option<Merchant>>;
    /// Adds a credential.
    async fn add_api_key(&mut self, key: ApiKey) -> Result<()>;
    /// The credential of a login. No merchant is known before it is found.
    async fn find_api_key_by_secret_name(&mut self, login: String) -> Result<Option<ApiKey>>;
}

/// Vault keys and their pairs.
#[async_trait]
pub trait Keys {
    /// Adds a vault key with its first pair; `Conflict` where the name is taken.
    async fn add_key(&mut self, key: VaultKey, pair: KeyPairRow) -> Result<()>;
    /// The vault key of a name.
    async fn find_key(&mut self, merchant: MerchantId, mode: Mode, name: String) -> Result<Option<VaultKey>>;
    /// A page of vault keys by name.
    async fn list_keys(&mut self, merchant: MerchantId, mode: Mode, page: Page) -> Result<Vec<VaultKey>>;
    /// Replaces custody (salt, kdf, wrapped custody) and current version, where the row still has the version
    /// that `key` was read with; counts the row version up. Answers whether it did.
    async fn update_key(&mut self, key: VaultKey) -> Result<bool>;
    /// Keeps a vault key as it is until the transaction ends. Answers whether its row has this version.
    async fn hold_key(&mut self, merchant: MerchantId, key: KeyId, row_version: i64) -> Result<bool>;
    /// Deletes the capture endpoints of a vault key: after it no capture can store a card under the key.
    async fn delete_key_endpoints(&mut self, merchant: MerchantId, key: KeyId) -> Result<()>;
    /// Deletes a vault key with its pairs, cards, patches, codes and capture endpoints.
    async fn delete_key(&mut self, merchant: MerchantId, key: KeyId) -> Result<()>;
    /// Whether cards are stored under a vault key.
    async fn key_has_cards(&mut self, merchant: MerchantId, key: KeyId) -> Result<bool>;
    /// Adds a pair.
    async fn add_pair(&mut self, merchant: MerchantId, pair: KeyPairRow) -> Result<()>;
    /// Replaces the wrapped private half of a pair. Answers whether the pair is there.
    async fn update_pair(&mut self, merchant: MerchantId, pair: KeyPairRow) -> Result<bool>;
    /// All pairs of a vault key, oldest first.
    async fn pairs(&mut self, merchant: MerchantId, key: KeyId) -> Result<Vec<KeyPairRow>>;
}

/// Cards, patches and security codes.
#[async_trait]
pub trait Cards {
    /// The card of an identity.
    async fn lookup_card(&mut self, merchant: MerchantId, card: CardId) -> Result<Option<Card>>;
    /// The card of (vault key, token, reference).
    async fn find_card(
        &mut self,
        merchant: MerchantId,
        key: KeyId,
        token: String,
        reference: String,
    ) -> Result<Option<Card>>;
    /// Keeps a card from being deleted before the end of this transaction: for who stores what ends with the card.
    /// Answers whether it is there.
    async fn hold_card(&mut self, merchant: MerchantId, card: CardId) -> Result<bool>;
    /// Some cards of a token, whatever their references.
    async fn find_cards_by_token(
        &mut self,
        merchant: MerchantId,
        key: KeyId,
        token: String,
        limit: u32,
    ) -> Result<Vec<Card>>;
    /// A page of a vault key's cards by id; `Page::after` is a card's id.
    async fn list_cards(&mut self, merchant: MerchantId, key: KeyId, page: Page) -> Result<Vec<Card>>;
    /// Adds a card; `Conflict` where (vault key, token, reference) exists.
    async fn add_card(&mut self, card: Card) -> Result<()>;
    /// The waiting patches of a card by number.
    async fn patches(&mut self, merchant: MerchantId, card: CardId) -> Result<Vec<Patch>>;
    /// Writes a fold: replaces sealed members, shown members, key version, where version and last patch still
    /// are those that `card` was read with; counts the version up and deletes exactly the patches up to
    /// `card.last_patch`. Answers whether it did.
    async fn fold_card(&mut self, card: Card) -> Result<bool>;
    /// Deletes a card with its patches, its code, and the endpoints that are locked to it.
    async fn delete_card(&mut self, merchant: MerchantId, card: CardId) -> Result<()>;

    /// The security code of a card.
    async fn find_cvv(&mut self, merchant: MerchantId, card: CardId) -> Result<Option<CvvRecord>>;
    /// Stores a security code in place of any older one.
    async fn put_cvv(&mut self, cvv: CvvRecord) -> Result<()>;
    /// The hourly key of an hour.
    async fn find_cvv_key(&mut self, hour: i64) -> Result<Option<CvvKey>>;
    /// An hourly key by its id.
    async fn lookup_cvv_key(&mut self, id: CvvKeyId) -> Result<Option<CvvKey>>;
    /// Adds an hourly key if its hour has none; answers the one that stands.
    async fn add_cvv_key(&mut self, key: CvvKey) -> Result<CvvKey>;
    /// Deletes codes that ended, codes whose hourly key is not there (a restored backup), and hourly keys of
    /// hours before `hour` that hold none. Answers how many codes.
    async fn sweep_cvvs(&mut self, now: Timestamp, hour: i64) -> Result<u64>;
}

/// Terms of security codes.
#[async_trait]
pub trait Terms {
    /// The terms of a card's code.
    async fn find_cvv_terms(&mut self, merchant: MerchantId, card: CardId) -> Result<Option<CvvTerms>>;
    /// The terms of a card's code, which nobody else changes before the end of this transaction.
    async fn lock_cvv_terms(&mut self, merchant: MerchantId, card: CardId) -> Result<Option<CvvTerms>>;
    /// Replaces the terms of a card's code. Answers whether there was one.
    async fn set_cvv_terms(&mut self, merchant: MerchantId, card: CardId, terms: CvvTerms) -> Result<bool>;
    /// Deletes a card's code. Answers whether there was one.
    async fn delete_cvv(&mut self, merchant: MerchantId, card: CardId) -> Result<bool>;
    /// Cards whose code has ended and takes them along.
    async fn cards_that_end(&mut self, now: Timestamp, limit: u32) -> Result<Vec<(MerchantId, CardId)>>;
}

/// Capture endpoints.
#[async_trait]
pub trait Captures {
    /// Adds an endpoint; `Conflict` where its `unique_id` is taken.
    async fn add_endpoint(&mut self, endpoint: CaptureEndpoint) -> Result<()>;
    /// The endpoint of a `unique_id`, for its owner.
    async fn find_endpoint(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        unique_id: String,
    ) -> Result<Option<CaptureEndpoint>>;
    /// The endpoint of a `unique_id`, for whoever will show its secret.
    async fn find_endpoint_by_secret_name(&mut self, unique_id: String) -> Result<Option<CaptureEndpoint>>;
    /// A page of endpoints by id; `Page::after` is an endpoint's id.
    async fn list_endpoints(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        page: Page,
    ) -> Result<Vec<CaptureEndpoint>>;
    /// Deletes an endpoint.
    async fn delete_endpoint(&mut self, merchant: MerchantId, endpoint: EndpointId) -> Result<()>;
    /// Counts a refused number and switches the endpoint off at the limit. Answers whether it was switched off
    /// by this call.
    async fn count_refused(
        &mut self,
        merchant: MerchantId,
        endpoint: EndpointId,
        now: Timestamp,
    ) -> Result<bool>;
    /// Deletes endpoints that ended before `before`, and limit windows older than the minute of `now`.
    async fn sweep_endpoints(&mut self, before: Timestamp, now: Timestamp) -> Result<u64>;
    /// How many events of a subject were counted in a minute.
    async fn hits(&mut self, scope: &'static str, subject: String, minute: i64) -> Result<u32>;
    /// Counts one event of a subject in a minute, across nodes; answers the count so far.
    async fn hit(&mut self, scope: &'static str, subject: String, minute: i64) -> Result<u32>;
}

/// Hosted forms and page results.
#[async_trait]
pub trait Forms {
    /// Adds a form; `Conflict` where its id is taken.
    async fn add_form(&mut self, form: HostedForm) -> Result<()>;
    /// The form of an id, for its owner.
    async fn find_form(&mut self, merchant: MerchantId, mode: Mode, id: String)
    -> Result<Option<HostedForm>>;
    /// The form of an unguessable id, before it is known who shows it.
    async fn find_form_by_secret_name(&mut self, id: String) -> Result<Option<HostedForm>>;
    /// Deletes a form. Answers whether there was one.
    async fn delete_form(&mut self, merchant: MerchantId, mode: Mode, id: String) -> Result<bool>;
    /// Deletes forms whose ids begin so and that were made before `before`.
    async fn sweep_forms(&mut self, prefix: char, before: Timestamp) -> Result<u64>;
    /// Keeps a page's result.
    async fn add_result(&mut self, result: PageResult) -> Result<()>;
    /// Whether a result is kept under this hash. Needs no write, unlike reading it.
    async fn has_result_by_secret_name(&mut self, id_hash: String) -> Result<bool>;
    /// Reads a result by the hash of its unguessable address, and marks it as read.
    async fn read_result_by_secret_name(&mut self, id_hash: String) -> Result<Option<PageResult>>;
    /// Keeps a submit of a form; `Conflict` where it is kept already.
    async fn add_submit(&mut self, submit: FormSubmit) -> Result<()>;
    /// The kept submit of a form by its digest, which only whoever sent it can bring about.
    async fn find_submit_by_secret_name(&mut self, id_hash: String) -> Result<Option<FormSubmit>>;
    /// Deletes results and submits that ended.
    async fn sweep_results(&mut self, now: Timestamp) -> Result<u64>;
}

/// The audit log.
#[async_trait]
pub trait Audits {
    /// Appends an entry.
    async fn add_audit(&mut self, entry: AuditEntry) -> Result<()>;
    /// A page of a merchant's entries by id, oldest first.
    async fn list_audit(&mut self, merchant: MerchantId, page: Page) -> Result<Vec<AuditEntry>>;
}

/// Outgoing events. What feeds a worker sees all merchants.
#[async_trait]
pub trait Outbox {
    /// Appends an event.
    async fn add_event(&mut self, event: OutboxEvent) -> Result<()>;
    /// When the newest event of a subject was written that still waits.
    async fn newest_waiting(&mut self, merchant: MerchantId, subject: String) -> Result<Option<Timestamp>>;
    /// A page of a merchant's events by id, oldest first.
    async fn list_events(&mut self, merchant: MerchantId, mode: Mode, page: Page)
    -> Result<Vec<OutboxEvent>>;
    /// One event of a merchant.
    async fn find_event(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        id: String,
    ) -> Result<Option<OutboxEvent>>;
    /// The attempts of an event of a merchant, oldest first.
    async fn attempts(&mut self, merchant: MerchantId, event: EventId) -> Result<Vec<Attempt>>;
    /// Lets an event that is at its end wait once more, due now. Answers whether it did.
    async fn reopen_event(&mut self, merchant: MerchantId, event: EventId, now: Timestamp) -> Result<bool>;

    /// Events that are due and have nothing before them, longest due first; none of the busy lanes, and with
    /// `unbounded` none at receivers that are bounded by themselves.
    async fn due_events(
        &mut self,
        now: Timestamp,
        busy: Vec<String>,
        unbounded: bool,
        limit: u32,
    ) -> Result<Vec<OutboxEvent>>;
    /// Leases events, each where it still waits for the time that it was read with, and counts an attempt.
    /// Answers which.
    async fn lease_events(&mut self, seen: Vec<OutboxEvent>, until: Timestamp) -> Result<Vec<EventId>>;
    /// Moves the end of a lease. Answers whether the lease was still held.
    async fn renew_lease(&mut self, event: EventId, lease: Timestamp, until: Timestamp) -> Result<bool>;
    /// Writes what came of an attempt. Answers whether the lease was still held.
    async fn settle_event(&mut self, settlement: Settlement) -> Result<bool>;
    /// Adds an attempt to the log.
    async fn add_attempt(&mut self, attempt: Attempt) -> Result<()>;
    /// Deletes some events that ended and were made before `before`, with their attempts. Answers how many.
    async fn sweep_events(&mut self, before: Timestamp, limit: u32) -> Result<u64>;

    /// The signing secrets of a merchant.
    async fn find_webhook_secret(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
    ) -> Result<Option<WebhookSecretRow>>;
    /// Adds signing secrets if there are none; answers those that stand.
    async fn add_webhook_secret(&mut self, row: WebhookSecretRow) -> Result<WebhookSecretRow>;
    /// Replaces signing secrets where they still are those that were made at `seen`. Answers whether it did.
    async fn replace_webhook_secret(&mut self, row: WebhookSecretRow, seen: Timestamp) -> Result<bool>;
}

/// Card requests, their history, and the templates of their messages.
#[async_trait]
pub trait Requests {
    /// Adds a request.
    async fn add_request(&mut self, request: CardRequest) -> Result<()>;
    /// A request of a merchant, deleted ones too.
    async fn find_request(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        id: RequestId,
    ) -> Result<Option<CardRequest>>;
    /// The request of a link, for whoever holds the link's code.
    async fn find_request_by_secret_name(&mut self, code_hash: String) -> Result<Option<CardRequest>>;
    /// The request whose present link a message brought, for the provider's signed report.
    async fn find_request_by_message_secret_name(&mut self, message: EventId) -> Result<Option<CardRequest>>;
    /// Replaces what changes about a request where its row still has the version that `request` was read with;
    /// counts the version up. Answers whether it did.
    async fn update_request(&mut self, request: CardRequest) -> Result<bool>;
    /// A page of requests that are not deleted, newest first; `Page::after` is a request's id.
    async fn list_requests(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        filter: RequestFilter,
        page: Page,
    ) -> Result<Vec<CardRequest>>;
    /// Requests of all merchants whose time is over and whose state does not say so; feeds the sweeper.
    async fn list_ended_requests(&mut self, now: Timestamp, most: u32) -> Result<Vec<CardRequest>>;
    /// Deletes requests of all merchants that ended before a time, with their histories, at most so many; for the
    /// sweeper. Answers how many.
    async fn sweep_requests(&mut self, before: Timestamp, most: u32) -> Result<u64>;
    /// Appends to a request's history; `Conflict` where the number is taken.
    async fn add_status(&mut self, merchant: MerchantId, change: StatusChange) -> Result<()>;
    /// A request's history, oldest first.
    async fn statuses(&mut self, merchant: MerchantId, request: RequestId) -> Result<Vec<StatusChange>>;
    /// Writes a template, in place of one of the same name, channel and language.
    async fn put_template(&mut self, template: MessageTemplate) -> Result<()>;
    /// All templates of a merchant by name, channel and language.
    async fn list_templates(&mut self, merchant: MerchantId, mode: Mode) -> Result<Vec<MessageTemplate>>;
    /// Deletes a template. Answers whether there was one.
    async fn delete_template(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        name: String,
        channel: Channel,
        language: String,
    ) -> Result<bool>;
}

/// Calls to gateways.
#[async_trait]
pub trait Operations {
    /// Adds an operation.
    async fn add_operation(&mut self, operation: Operation) -> Result<()>;
    /// An operation of a merchant.
    async fn find_operation(&mut self, merchant: MerchantId, id: OperationId) -> Result<Option<Operation>>;
    /// All operations of an owner, oldest first.
    async fn list_operations(
        &mut self,
        merchant: MerchantId,
        owner: OwnerKind,
        owner_id: String,
    ) -> Result<Vec<Operation>>;
    /// Replaces state, answer and times where the row still has the version that `operation` was read with;
    /// counts the version up. Answers whether it did.
    async fn update_operation(&mut self, operation: Operation) -> Result<bool>;
    /// Open operations of all merchants whose inquiry is due, longest due first; feeds the inquirer.
    async fn due_operations(&mut self, now: Timestamp, limit: u32) -> Result<Vec<Operation>>;
    /// Open operations that were called for, of one merchant or of all, oldest first; for the operator, who settles
    /// them by hand.
    async fn open_operations(&mut self, merchant: Option<MerchantId>, page: Page) -> Result<Vec<Operation>>;
    /// An operation, whosever it is; for the operator alone.
    async fn lookup_operation(&mut self, id: OperationId) -> Result<Option<Operation>>;
}

/// The book of the acquirer simulator. It plays another company's: it knows operations, and no merchants.
#[async_trait]
pub trait SandboxLedger {
    /// Adds an entry; `Conflict` where the operation has one.
    async fn add_ledger_entry(&mut self, entry: LedgerEntry) -> Result<()>;
    /// The entry of an operation.
    async fn lookup_ledger_entry(&mut self, operation: OperationId) -> Result<Option<LedgerEntry>>;
    /// The entry of an operation, which nobody else changes before the end of this transaction.
    async fn lock_ledger_entry(&mut self, operation: OperationId) -> Result<Option<LedgerEntry>>;
    /// Replaces what changes about an entry, where it still has the version that `entry` was read with; counts
    /// the version up. Answers whether it did.
    async fn update_ledger_entry(&mut self, entry: LedgerEntry) -> Result<bool>;
}

/// Which invoices a list shows.
#[derive(Clone, Debug, Default)]
pub struct InvoiceFilter {
    /// Only those of this mode.
    pub mode: Option<Mode>,
    /// Only the one of this reference.
    pub reference: Option<String>,
    /// Only those after this one in the list: its time of making and its id.
    pub after: Option<(i64, String)>,
    /// At most so many.
    pub limit: u32,
}

/// Payment invoices, whose cards pay them, and what signs what leaves because of them.
#[async_trait]
pub trait Invoices {
    /// Adds an invoice; `Conflict` where merchant and mode have one of this reference.
    async fn add_invoice(&mut self, invoice: Invoice) -> Result<()>;
    /// An invoice of a merchant, of either mode.
    async fn find_invoice(&mut self, merchant: MerchantId, id: InvoiceId) -> Result<Option<Invoice>>;
    /// The invoice of a payment page, for whoever holds the page's address.
    async fn find_invoice_by_secret_name(&mut self, page: PageId) -> Result<Option<Invoice>>;
    /// Replaces what changes about an invoice where its row still has the version that `invoice` was read with;
    /// counts the version up. Answers whether it did.
    async fn update_invoice(&mut self, invoice: Invoice) -> Result<bool>;
    /// Invoices of a merchant, newest first.
    async fn list_invoices(&mut self, merchant: MerchantId, filter: InvoiceFilter) -> Result<Vec<Invoice>>;
    /// Invoices of all merchants that nobody paid in time; feeds the sweeper.
    async fn list_over_invoices(&mut self, now: Timestamp, most: u32) -> Result<Vec<Invoice>>;
    /// Adds a customer if merchant and mode have none of this reference; answers the one that stands.
    async fn add_customer(&mut self, customer: Customer) -> Result<Customer>;
    /// Makes a card a customer's if it is nobody's; answers what stands.
    async fn add_card_owner(&mut self, owner: CardOwner) -> Result<CardOwner>;
    /// Whose a card is.
    async fn find_card_owner(&mut self, merchant: MerchantId, card: CardId) -> Result<Option<CardOwner>>;
    /// Makes a customer's card usable, and keeps what the scheme called its first payment, where neither is known
    /// yet; touches nothing else, so that it undoes no switch. Answers whether the card has an owner.
    async fn confirm_card_owner(
        &mut self,
        merchant: MerchantId,
        card: CardId,
        at: Timestamp,
        scheme_reference: Option<String>,
    ) -> Result<bool>;
    /// Switches a customer's usable card off, where it is on, or on. Answers whether there is such a card.
    async fn switch_card_owner(
        &mut self,
        merchant: MerchantId,
        card: CardId,
        disabled_at: Option<Timestamp>,
    ) -> Result<bool>;
    /// Adds an account.
    async fn add_account(&mut self, account: Account) -> Result<()>;
    /// The account of a Basic user name. No merchant is known before it is found.
    async fn find_account_by_secret_name(&mut self, id: AccountId) -> Result<Option<Account>>;
    /// Adds a callback secret if there is none; answers the one that stands.
    async fn add_callback_secret(&mut self, row: CallbackSecretRow) -> Result<CallbackSecretRow>;
    /// What callbacks of a merchant are signed with.
    async fn find_callback_secret(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
    ) -> Result<Option<CallbackSecretRow>>;
    /// Adds a key pair of direct sales.
    async fn add_sale_key(&mut self, key: SaleKeyRow) -> Result<()>;
    /// All key pairs of direct sales, oldest first: of the installation.
    async fn list_sale_keys(&mut self) -> Result<Vec<SaleKeyRow>>;
    /// Lets a key pair sign no more.
    async fn retire_sale_key(&mut self, id: String, at: Timestamp) -> Result<()>;
    /// Deletes key pairs that were retired before `before`. Answers how many.
    async fn sweep_sale_keys(&mut self, before: Timestamp) -> Result<u64>;
}
