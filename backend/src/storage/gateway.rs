//! The repositories of the gateway interface: transactions with the companies that call for them, and tokens.

use async_trait::async_trait;

use super::{Page, Result};
use crate::model::{
    AccountUpdate, CardId, Company, GatewayToken, GatewayTransaction, MerchantId, Mode, Timestamp,
    TransactionFilter, TransactionId, UpdateId,
};

/// Gateway transactions, the companies that call for them, and the requests that were seen.
#[async_trait]
pub trait Transactions {
    /// Adds a company; `Conflict` where its id is taken.
    async fn add_company(&mut self, company: Company) -> Result<()>;
    /// The company of an id, before it is known who calls.
    async fn find_company_by_secret_name(&mut self, id: String) -> Result<Option<Company>>;
    /// A merchant's company.
    async fn find_company(&mut self, merchant: MerchantId, mode: Mode) -> Result<Option<Company>>;
    /// Replaces pass and sealed settings where the row still has the version that `company` was read with; counts
    /// the version up. Answers whether it did.
    async fn update_company(&mut self, company: Company) -> Result<bool>;
    /// Remembers a signed request. Answers whether it is a new one.
    async fn take_gateway_request(&mut self, company: String, digest: String, at: Timestamp) -> Result<bool>;
    /// Whether a signed request was remembered.
    async fn knows_gateway_request(&mut self, company: String, digest: String) -> Result<bool>;
    /// Forgets some requests that were seen before `before`.
    async fn sweep_gateway_requests(&mut self, before: Timestamp) -> Result<u64>;

    /// Adds a transaction; `Conflict` where its number, or the order id that it holds, is taken.
    async fn add_transaction(&mut self, transaction: GatewayTransaction) -> Result<()>;
    /// The transaction of a number.
    async fn find_transaction(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        number: String,
    ) -> Result<Option<GatewayTransaction>>;
    /// The transaction of a number, which nobody else changes before the end of this transaction.
    async fn lock_transaction(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        number: String,
    ) -> Result<Option<GatewayTransaction>>;
    /// The authorisation that holds an order id.
    async fn find_order(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        order_id: String,
    ) -> Result<Option<GatewayTransaction>>;
    /// Remembers that the end of a transaction is to be told. Answers whether it is still open.
    async fn await_transaction(&mut self, merchant: MerchantId, id: TransactionId) -> Result<bool>;
    /// Writes what became of a transaction that is still open: state, code, whether it holds its order. Forgets the
    /// personal data that waited. Answers whether it was open.
    async fn settle_transaction(&mut self, transaction: GatewayTransaction) -> Result<bool>;
    /// A page of transactions, oldest first; `Page::after` is a transaction's inner id.
    async fn list_transactions(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        filter: TransactionFilter,
        page: Page,
    ) -> Result<Vec<GatewayTransaction>>;
    /// How many operations by a token, or on any surface by the card behind it, wait for a gateway; those that wait
    /// for their payer do not count before the payer is back.
    async fn count_open(&mut self, merchant: MerchantId, mode: Mode, token: String) -> Result<u32>;
}

/// Tokens of the gateway interface and their account updates.
#[async_trait]
pub trait Tokens {
    /// Adds a token.
    async fn add_token(&mut self, token: GatewayToken) -> Result<()>;
    /// The token of a number.
    async fn find_token(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        number: String,
    ) -> Result<Option<GatewayToken>>;
    /// The token of a number, which nobody else changes before the end of this transaction.
    async fn lock_token(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        number: String,
    ) -> Result<Option<GatewayToken>>;
    /// Replaces what changes about a token where its row still has the version that `token` was read with; counts
    /// the version up. Answers whether it did.
    async fn update_token(&mut self, token: GatewayToken) -> Result<bool>;
    /// The tokens of a card.
    async fn list_card_tokens(&mut self, merchant: MerchantId, card: CardId) -> Result<Vec<GatewayToken>>;
    /// A page of tokens of all merchants by inner id; those whose card ends in a month (year, month), or all.
    /// Feeds the account updater.
    async fn list_tokens(
        &mut self,
        mode: Mode,
        expiring: Option<(u16, u8)>,
        after: Option<TransactionId>,
        limit: u32,
    ) -> Result<Vec<GatewayToken>>;

    /// Adds an account update.
    async fn add_update(&mut self, update: AccountUpdate) -> Result<()>;
    /// A token's account updates, newest first, at most `limit`.
    async fn list_updates(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        token: String,
        limit: u32,
    ) -> Result<Vec<AccountUpdate>>;
    /// Account updates of all merchants that wait, oldest first, after one; feeds the updater.
    async fn waiting_updates(&mut self, after: Option<UpdateId>, limit: u32) -> Result<Vec<AccountUpdate>>;
    /// Writes what became of an account update that still waits. Answers whether it did wait.
    async fn finish_update(&mut self, update: AccountUpdate) -> Result<bool>;
}
