//! Payment invoices and what belongs to them, in PostgreSQL.

use async_trait::async_trait;
use iso_currency::Currency;
use tokio_postgres::Row;

use super::rows::Reader;
use super::transaction::PostgresTransaction;
use crate::model::{
    Account, AccountId, CallbackSecretRow, CardId, CardOwner, Customer, CustomerId, Flow, Invoice, InvoiceId,
    InvoiceStatus, MerchantId, Mode, Money, OperationId, PageId, SaleKeyRow, Timestamp,
};
use crate::storage::{InvoiceFilter, Invoices, Result, StoreError};

const COLUMNS: &str = "id, page_id, merchant_id, mode, reference, service, flow, amount, currency, \
                       status, resolution, taken, refunded, attempts, busy, payment, customer_id, \
                       card_id, sealed, processed_at, failed_at, refunded_at, expires_at, created_at, \
                       updated_at, version";
const OWNER: &str = "card_id, merchant_id, mode, customer_id, usable_at, disabled_at, scheme_reference";

#[async_trait]
impl Invoices for PostgresTransaction {
    async fn add_invoice(&mut self, invoice: Invoice) -> Result<()> {
        insert(self, &invoice).await
    }

    async fn find_invoice(&mut self, merchant: MerchantId, id: InvoiceId) -> Result<Option<Invoice>> {
        let sql = format!("SELECT {COLUMNS} FROM invoice WHERE id = $1 AND merchant_id = $2");
        self.one(&sql, &[&id.as_str(), &merchant.as_str()]).await?.as_ref().map(read).transpose()
    }

    async fn find_invoice_by_secret_name(&mut self, page: PageId) -> Result<Option<Invoice>> {
        let sql = format!("SELECT {COLUMNS} FROM invoice WHERE page_id = $1");
        self.one(&sql, &[&page.as_str()]).await?.as_ref().map(read).transpose()
    }

    async fn update_invoice(&mut self, invoice: Invoice) -> Result<bool> {
        update(self, &invoice).await
    }

    async fn list_invoices(&mut self, merchant: MerchantId, filter: InvoiceFilter) -> Result<Vec<Invoice>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM invoice
             WHERE merchant_id = $1 AND ($2 = '' OR mode = $2) AND ($3 = '' OR reference = $3)
               AND (created_at < $4 OR (created_at = $4 AND id < $5))
             ORDER BY created_at DESC, id DESC LIMIT $6"
        );
        let (at, id) = filter.after.unwrap_or((i64::MAX, String::new()));
        let rows = self
            .all(
                &sql,
                &[
                    &merchant.as_str(),
                    &filter.mode.map(Mode::as_str).unwrap_or_default(),
                    &filter.reference.unwrap_or_default(),
                    &at,
                    &id,
                    &i64::from(filter.limit),
                ],
            )
            .await?;
        rows.iter().map(read).collect()
    }

    async fn list_over_invoices(&mut self, now: Timestamp, most: u32) -> Result<Vec<Invoice>> {
        let sql =
            format!("SELECT {COLUMNS} FROM invoice WHERE open_until <= $1 ORDER BY open_until LIMIT $2");
        self.all(&sql, &[&now.millis(), &i64::from(most)]).await?.iter().map(read).collect()
    }

    async fn add_customer(&mut self, customer: Customer) -> Result<Customer> {
        let (merchant, mode) = (customer.merchant.as_str(), customer.mode.as_str());
        self.execute(
            "INSERT INTO customer (id, merchant_id, mode, reference_digest, created_at)
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
            &[
                &customer.id.as_str(),
                &merchant,
                &mode,
                &customer.reference_digest,
                &customer.created_at.millis(),
            ],
        )
        .await?;
        let sql = "SELECT id, created_at FROM customer
                   WHERE merchant_id = $1 AND mode = $2 AND reference_digest = $3";
        let row = self.one(sql, &[&merchant, &mode, &customer.reference_digest]).await?;
        let row = row.ok_or(StoreError::Retry)?;
        let row = Reader::new(&row, "customer");
        Ok(Customer { id: CustomerId::stored(row.get(0)?), created_at: row.time(1)?, ..customer })
    }

    async fn add_card_owner(&mut self, owner: CardOwner) -> Result<CardOwner> {
        let sql = format!(
            "INSERT INTO card_owner ({OWNER}) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING"
        );
        self.execute(
            &sql,
            &[
                &owner.card.as_str(),
                &owner.merchant.as_str(),
                &owner.mode.as_str(),
                &owner.customer.as_str(),
                &owner.usable_at.map(Timestamp::millis),
                &owner.disabled_at.map(Timestamp::millis),
                &owner.scheme_reference,
            ],
        )
        .await?;
        let stands = self.find_card_owner(owner.merchant, owner.card).await?;
        stands.ok_or(StoreError::Inconsistent { table: "card_owner", what: "row" })
    }

    async fn find_card_owner(&mut self, merchant: MerchantId, card: CardId) -> Result<Option<CardOwner>> {
        let sql = format!("SELECT {OWNER} FROM card_owner WHERE card_id = $1 AND merchant_id = $2");
        self.one(&sql, &[&card.as_str(), &merchant.as_str()]).await?.as_ref().map(owner).transpose()
    }

    async fn confirm_card_owner(
        &mut self,
        merchant: MerchantId,
        card: CardId,
        at: Timestamp,
        scheme_reference: Option<String>,
    ) -> Result<bool> {
        let changed = self
            .execute(
                "UPDATE card_owner SET usable_at = coalesce(usable_at, $3),
                     scheme_reference = coalesce(scheme_reference, $4)
                 WHERE card_id = $1 AND merchant_id = $2",
                &[&card.as_str(), &merchant.as_str(), &at.millis(), &scheme_reference],
            )
            .await?;
        Ok(changed == 1)
    }

    async fn switch_card_owner(
        &mut self,
        merchant: MerchantId,
        card: CardId,
        disabled_at: Option<Timestamp>,
    ) -> Result<bool> {
        let changed = self
            .execute(
                "UPDATE card_owner SET disabled_at =
                     CASE WHEN $3::bigint IS NULL THEN NULL ELSE coalesce(disabled_at, $3::bigint) END
                 WHERE card_id = $1 AND merchant_id = $2 AND usable_at IS NOT NULL",
                &[&card.as_str(), &merchant.as_str(), &disabled_at.map(Timestamp::millis)],
            )
            .await?;
        Ok(changed == 1)
    }

    async fn add_account(&mut self, account: Account) -> Result<()> {
        self.add(
            "INSERT INTO invoice_account (id, merchant_id, key_hash, created_at, revoked_at)
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
            &[
                &account.id.as_str(),
                &account.merchant.as_str(),
                &account.key_hash,
                &account.created_at.millis(),
                &account.revoked_at.map(Timestamp::millis),
            ],
        )
        .await
    }

    async fn find_account_by_secret_name(&mut self, id: AccountId) -> Result<Option<Account>> {
        let sql =
            "SELECT id, merchant_id, key_hash, created_at, revoked_at FROM invoice_account WHERE id = $1";
        let Some(row) = self.one(sql, &[&id.as_str()]).await? else { return Ok(None) };
        let row = Reader::new(&row, "invoice_account");
        Ok(Some(Account {
            id: AccountId::stored(row.get(0)?),
            merchant: MerchantId::stored(row.get(1)?),
            key_hash: row.get(2)?,
            created_at: row.time(3)?,
            revoked_at: row.maybe_time(4)?,
        }))
    }

    async fn add_callback_secret(&mut self, row: CallbackSecretRow) -> Result<CallbackSecretRow> {
        self.execute(
            "INSERT INTO callback_secret (merchant_id, mode, sealed, created_at)
             VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            &[&row.merchant.as_str(), &row.mode.as_str(), &row.sealed, &row.created_at.millis()],
        )
        .await?;
        let stands = self.find_callback_secret(row.merchant, row.mode).await?;
        stands.ok_or(StoreError::Inconsistent { table: "callback_secret", what: "row" })
    }

    async fn find_callback_secret(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
    ) -> Result<Option<CallbackSecretRow>> {
        let sql = "SELECT sealed, created_at FROM callback_secret WHERE merchant_id = $1 AND mode = $2";
        let Some(row) = self.one(sql, &[&merchant.as_str(), &mode.as_str()]).await? else { return Ok(None) };
        let row = Reader::new(&row, "callback_secret");
        let (sealed, created_at) = (row.get(0)?, row.time(1)?);
        Ok(Some(CallbackSecretRow { merchant, mode, sealed, created_at }))
    }

    async fn add_sale_key(&mut self, key: SaleKeyRow) -> Result<()> {
        self.add(
            "INSERT INTO sale_key (id, wrapped_private, public, created_at, retired_at)
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
            &[
                &key.id,
                &key.wrapped_private,
                &key.public,
                &key.created_at.millis(),
                &key.retired_at.map(Timestamp::millis),
            ],
        )
        .await
    }

    async fn list_sale_keys(&mut self) -> Result<Vec<SaleKeyRow>> {
        let sql = "SELECT id, wrapped_private, public, created_at, retired_at FROM sale_key ORDER BY created_at, id";
        let rows = self.all(sql, &[]).await?;
        rows.iter()
            .map(|row| {
                let row = Reader::new(row, "sale_key");
                Ok(SaleKeyRow {
                    id: row.get(0)?,
                    wrapped_private: row.get(1)?,
                    public: row.get(2)?,
                    created_at: row.time(3)?,
                    retired_at: row.maybe_time(4)?,
                })
            })
            .collect()
    }

    async fn retire_sale_key(&mut self, id: String, at: Timestamp) -> Result<()> {
        let sql = "UPDATE sale_key SET retired_at = $2 WHERE id = $1 AND retired_at IS NULL";
        self.execute(sql, &[&id, &at.millis()]).await.map(drop)
    }

    async fn sweep_sale_keys(&mut self, before: Timestamp) -> Result<u64> {
        self.execute("DELETE FROM sale_key WHERE retired_at < $1", &[&before.millis()]).await
    }
}

async fn insert(t: &PostgresTransaction, invoice: &Invoice) -> Result<()> {
    let sql = format!(
        "INSERT INTO invoice ({COLUMNS}, open_until)
         VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19,$20,$21,$22,$23,$24,$25,$26,$27)
         ON CONFLICT DO NOTHING"
    );
    t.add(
        &sql,
        &[
            &invoice.id.as_str(),
            &invoice.page.as_str(),
            &invoice.merchant.as_str(),
            &invoice.mode.as_str(),
            &invoice.reference,
            &invoice.service,
            &invoice.flow.as_str(),
            &number(invoice.amount.minor())?,
            &invoice.amount.currency().code(),
            &invoice.status.as_str(),
            &invoice.resolution,
            &number(invoice.taken)?,
            &number(invoice.refunded)?,
            &i64::from(invoice.attempts),
            &invoice.busy.as_ref().map(OperationId::as_str),
            &invoice.payment.as_ref().map(OperationId::as_str),
            &invoice.customer.as_ref().map(CustomerId::as_str),
            &invoice.card.as_ref().map(CardId::as_str),
            &invoice.sealed,
            &invoice.processed_at.map(Timestamp::millis),
            &invoice.failed_at.map(Timestamp::millis),
            &invoice.refunded_at.map(Timestamp::millis),
            &invoice.expires_at.millis(),
            &invoice.created_at.millis(),
            &invoice.updated_at.millis(),
            &i64::from(invoice.version),
            &invoice.open_until().map(Timestamp::millis),
        ],
    )
    .await
}

async fn update(t: &PostgresTransaction, invoice: &Invoice) -> Result<bool> {
    let sql = "UPDATE invoice SET status = $4, resolution = $5, taken = $6, refunded = $7, attempts = $8, busy = $9,
                   payment = $10, card_id = $11, sealed = $12, processed_at = $13, failed_at = $14,
                   refunded_at = $15, open_until = $16, updated_at = $17, version = version + 1
               WHERE id = $1 AND merchant_id = $2 AND version = $3";
    let changed = t
        .execute(
            sql,
            &[
                &invoice.id.as_str(),
                &invoice.merchant.as_str(),
                &i64::from(invoice.version),
                &invoice.status.as_str(),
                &invoice.resolution,
                &number(invoice.taken)?,
                &number(invoice.refunded)?,
                &i64::from(invoice.attempts),
                &invoice.busy.as_ref().map(OperationId::as_str),
                &invoice.payment.as_ref().map(OperationId::as_str),
                &invoice.card.as_ref().map(CardId::as_str),
                &invoice.sealed,
                &invoice.processed_at.map(Timestamp::millis),
                &invoice.failed_at.map(Timestamp::millis),
                &invoice.refunded_at.map(Timestamp::millis),
                &invoice.open_until().map(Timestamp::millis),
                &invoice.updated_at.millis(),
            ],
        )
        .await?;
    Ok(changed == 1)
}

fn read(row: &Row) -> Result<Invoice> {
    let row = Reader::new(row, "invoice");
    let currency = Currency::from_code(row.get(8)?).ok_or_else(|| row.wrong("currency"))?;
    Ok(Invoice {
        id: InvoiceId::stored(row.get(0)?),
        page: PageId::stored(row.get(1)?),
        merchant: MerchantId::stored(row.get(2)?),
        mode: row.mode(3)?,
        reference: row.get(4)?,
        service: row.get(5)?,
        flow: Flow::parse(row.get(6)?).ok_or_else(|| row.wrong("flow"))?,
        amount: Money::of_minor(row.number(7)?, currency),
        status: InvoiceStatus::parse(row.get(9)?).ok_or_else(|| row.wrong("status"))?,
        resolution: row.get(10)?,
        taken: row.number(11)?,
        refunded: row.number(12)?,
        attempts: row.number(13)?,
        busy: row.get::<Option<String>>(14)?.map(OperationId::stored),
        payment: row.get::<Option<String>>(15)?.map(OperationId::stored),
        customer: row.get::<Option<String>>(16)?.map(CustomerId::stored),
        card: row.get::<Option<String>>(17)?.map(CardId::stored),
        sealed: row.get(18)?,
        processed_at: row.maybe_time(19)?,
        failed_at: row.maybe_time(20)?,
        refunded_at: row.maybe_time(21)?,
        expires_at: row.time(22)?,
        created_at: row.time(23)?,
        updated_at: row.time(24)?,
        version: row.number(25)?,
    })
}

fn number(minor: u64) -> Result<i64> {
    i64::try_from(minor).map_err(|_| StoreError::Inconsistent { table: "invoice", what: "amount" })
}

fn owner(row: &Row) -> Result<CardOwner> {
    let row = Reader::new(row, "card_owner");
    Ok(CardOwner {
        card: CardId::stored(row.get(0)?),
        merchant: MerchantId::stored(row.get(1)?),
        mode: row.mode(2)?,
        customer: CustomerId::stored(row.get(3)?),
        usable_at: row.maybe_time(4)?,
        disabled_at: row.maybe_time(5)?,
        scheme_reference: row.get(6)?,
    })
}
