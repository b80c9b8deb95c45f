//! Payment invoices and what belongs to them, in SQLite.

use async_trait::async_trait;
use iso_currency::Currency;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::merchants::mode;
use super::threads::SqliteTransaction;
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
impl Invoices for SqliteTransaction {
    async fn add_invoice(&mut self, invoice: Invoice) -> Result<()> {
        self.run(move |c| insert(c, &invoice)).await
    }

    async fn find_invoice(&mut self, merchant: MerchantId, id: InvoiceId) -> Result<Option<Invoice>> {
        self.run(move |c| {
            let sql = format!("SELECT {COLUMNS} FROM invoice WHERE id = ?1 AND merchant_id = ?2");
            let mut statement = c.prepare_cached(&sql)?;
            let found = statement.query_row([id.as_str(), merchant.as_str()], |row| Ok(read(row)));
            found.optional()?.transpose()
        })
        .await
    }

    async fn find_invoice_by_secret_name(&mut self, page: PageId) -> Result<Option<Invoice>> {
        self.run(move |c| {
            let sql = format!("SELECT {COLUMNS} FROM invoice WHERE page_id = ?1");
            c.prepare_cached(&sql)?.query_row([page.as_str()], |row| Ok(read(row))).optional()?.transpose()
        })
        .await
    }

    async fn update_invoice(&mut self, invoice: Invoice) -> Result<bool> {
        self.run(move |c| update(c, &invoice)).await
    }

    async fn list_invoices(&mut self, merchant: MerchantId, filter: InvoiceFilter) -> Result<Vec<Invoice>> {
        self.run(move |c| {
            let sql = format!(
                "SELECT {COLUMNS} FROM invoice
                 WHERE merchant_id = ?1 AND (?2 = '' OR mode = ?2) AND (?3 = '' OR reference = ?3)
                   AND (created_at < ?4 OR (created_at = ?4 AND id < ?5))
                 ORDER BY created_at DESC, id DESC LIMIT ?6"
            );
            let (at, id) = filter.after.unwrap_or((i64::MAX, String::new()));
            let mut statement = c.prepare_cached(&sql)?;
            let rows = statement.query_map(
                params![
                    merchant.as_str(),
                    filter.mode.map(Mode::as_str).unwrap_or_default(),
                    filter.reference.unwrap_or_default(),
                    at,
                    id,
                    filter.limit,
                ],
                |row| Ok(read(row)),
            )?;
            rows.map(|row| row?).collect()
        })
        .await
    }

    async fn list_over_invoices(&mut self, now: Timestamp, most: u32) -> Result<Vec<Invoice>> {
        self.run(move |c| {
            let sql =
                format!("SELECT {COLUMNS} FROM invoice WHERE open_until <= ?1 ORDER BY open_until LIMIT ?2");
            let mut statement = c.prepare_cached(&sql)?;
            let rows = statement.query_map(params![now.millis(), most], |row| Ok(read(row)))?;
            rows.map(|row| row?).collect()
        })
        .await
    }

    async fn add_customer(&mut self, customer: Customer) -> Result<Customer> {
        self.run(move |c| {
            c.execute(
                "INSERT OR IGNORE INTO customer (id, merchant_id, mode, reference_digest, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    customer.id.as_str(),
                    customer.merchant.as_str(),
                    customer.mode.as_str(),
                    customer.reference_digest,
                    customer.created_at.millis()
                ],
            )?;
            let (id, created_at) = c.query_row(
                "SELECT id, created_at FROM customer
                 WHERE merchant_id = ?1 AND mode = ?2 AND reference_digest = ?3",
                [customer.merchant.as_str(), customer.mode.as_str(), &customer.reference_digest],
                |row| Ok((CustomerId::stored(row.get(0)?), Timestamp::from_millis(row.get(1)?))),
            )?;
            Ok(Customer { id, created_at, ..customer })
        })
        .await
    }

    async fn add_card_owner(&mut self, owner: CardOwner) -> Result<CardOwner> {
        self.run(move |c| {
            let sql =
                format!("INSERT OR IGNORE INTO card_owner ({OWNER}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)");
            c.execute(
                &sql,
                params![
                    owner.card.as_str(),
                    owner.merchant.as_str(),
                    owner.mode.as_str(),
                    owner.customer.as_str(),
                    owner.usable_at.map(Timestamp::millis),
                    owner.disabled_at.map(Timestamp::millis),
                    owner.scheme_reference,
                ],
            )?;
            let stands = find_owner(c, &owner.merchant, &owner.card)?;
            stands.ok_or(StoreError::Inconsistent { table: "card_owner", what: "row" })
        })
        .await
    }

    async fn find_card_owner(&mut self, merchant: MerchantId, card: CardId) -> Result<Option<CardOwner>> {
        self.run(move |c| find_owner(c, &merchant, &card)).await
    }

    async fn confirm_card_owner(
        &mut self,
        merchant: MerchantId,
        card: CardId,
        at: Timestamp,
        scheme_reference: Option<String>,
    ) -> Result<bool> {
        self.run(move |c| {
            let changed = c.execute(
                "UPDATE card_owner SET usable_at = coalesce(usable_at, ?3),
                     scheme_reference = coalesce(scheme_reference, ?4)
                 WHERE card_id = ?1 AND merchant_id = ?2",
                params![card.as_str(), merchant.as_str(), at.millis(), scheme_reference],
            )?;
            Ok(changed == 1)
        })
        .await
    }

    async fn switch_card_owner(
        &mut self,
        merchant: MerchantId,
        card: CardId,
        disabled_at: Option<Timestamp>,
    ) -> Result<bool> {
        self.run(move |c| {
            let changed = c.execute(
                "UPDATE card_owner SET disabled_at = iif(?3 IS NULL, NULL, coalesce(disabled_at, ?3))
                 WHERE card_id = ?1 AND merchant_id = ?2 AND usable_at IS NOT NULL",
                params![card.as_str(), merchant.as_str(), disabled_at.map(Timestamp::millis)],
            )?;
            Ok(changed == 1)
        })
        .await
    }

    async fn add_account(&mut self, account: Account) -> Result<()> {
        self.run(move |c| {
            c.execute(
                "INSERT INTO invoice_account (id, merchant_id, key_hash, created_at, revoked_at)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    account.id.as_str(),
                    account.merchant.as_str(),
                    account.key_hash,
                    account.created_at.millis(),
                    account.revoked_at.map(Timestamp::millis),
                ],
            )?;
            Ok(())
        })
        .await
    }

    async fn find_account_by_secret_name(&mut self, id: AccountId) -> Result<Option<Account>> {
        self.run(move |c| {
            let mut statement = c.prepare_cached(
                "SELECT id, merchant_id, key_hash, created_at, revoked_at FROM invoice_account WHERE id = ?1",
            )?;
            let found = statement.query_row([id.as_str()], |row| {
                Ok(Account {
                    id: AccountId::stored(row.get(0)?),
                    merchant: MerchantId::stored(row.get(1)?),
                    key_hash: row.get(2)?,
                    created_at: Timestamp::from_millis(row.get(3)?),
                    revoked_at: row.get::<_, Option<i64>>(4)?.map(Timestamp::from_millis),
                })
            });
            Ok(found.optional()?)
        })
        .await
    }

    async fn add_callback_secret(&mut self, row: CallbackSecretRow) -> Result<CallbackSecretRow> {
        self.run(move |c| {
            c.execute(
                "INSERT OR IGNORE INTO callback_secret (merchant_id, mode, sealed, created_at)
                 VALUES (?1, ?2, ?3, ?4)",
                params![row.merchant.as_str(), row.mode.as_str(), row.sealed, row.created_at.millis()],
            )?;
            let stands = find_secret(c, row.merchant, row.mode)?;
            stands.ok_or(StoreError::Inconsistent { table: "callback_secret", what: "row" })
        })
        .await
    }

    async fn find_callback_secret(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
    ) -> Result<Option<CallbackSecretRow>> {
        self.run(move |c| find_secret(c, merchant, mode)).await
    }

    async fn add_sale_key(&mut self, key: SaleKeyRow) -> Result<()> {
        self.run(move |c| {
            c.execute(
                "INSERT INTO sale_key (id, wrapped_private, public, created_at, retired_at)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    key.id,
                    key.wrapped_private,
                    key.public,
                    key.created_at.millis(),
                    key.retired_at.map(Timestamp::millis)
                ],
            )?;
            Ok(())
        })
        .await
    }

    async fn list_sale_keys(&mut self) -> Result<Vec<SaleKeyRow>> {
        self.run(move |c| {
            let mut statement = c.prepare_cached(
                "SELECT id, wrapped_private, public, created_at, retired_at FROM sale_key ORDER BY created_at, id",
            )?;
            let rows = statement.query_map([], |row| {
                Ok(SaleKeyRow {
                    id: row.get(0)?,
                    wrapped_private: row.get(1)?,
                    public: row.get(2)?,
                    created_at: Timestamp::from_millis(row.get(3)?),
                    retired_at: row.get::<_, Option<i64>>(4)?.map(Timestamp::from_millis),
                })
            })?;
            Ok(rows.collect::<std::result::Result<_, _>>()?)
        })
        .await
    }

    async fn retire_sale_key(&mut self, id: String, at: Timestamp) -> Result<()> {
        self.run(move |c| {
            let sql = "UPDATE sale_key SET retired_at = ?2 WHERE id = ?1 AND retired_at IS NULL";
            c.execute(sql, params![id, at.millis()])?;
            Ok(())
        })
        .await
    }

    async fn sweep_sale_keys(&mut self, before: Timestamp) -> Result<u64> {
        self.run(move |c| {
            Ok(c.execute("DELETE FROM sale_key WHERE retired_at < ?1", [before.millis()])? as u64)
        })
        .await
    }
}

fn insert(c: &Connection, invoice: &Invoice) -> Result<()> {
    let sql = format!(
        "INSERT INTO invoice ({COLUMNS}, open_until)
         VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22,?23,?24,?25,?26,?27)"
    );
    c.execute(
        &sql,
        params![
            invoice.id.as_str(),
            invoice.page.as_str(),
            invoice.merchant.as_str(),
            invoice.mode.as_str(),
            invoice.reference,
            invoice.service,
            invoice.flow.as_str(),
            number(invoice.amount.minor())?,
            invoice.amount.currency().code(),
            invoice.status.as_str(),
            invoice.resolution,
            number(invoice.taken)?,
            number(invoice.refunded)?,
            invoice.attempts,
            invoice.busy.as_ref().map(OperationId::as_str),
            invoice.payment.as_ref().map(OperationId::as_str),
            invoice.customer.as_ref().map(CustomerId::as_str),
            invoice.card.as_ref().map(CardId::as_str),
            invoice.sealed,
            invoice.processed_at.map(Timestamp::millis),
            invoice.failed_at.map(Timestamp::millis),
            invoice.refunded_at.map(Timestamp::millis),
            invoice.expires_at.millis(),
            invoice.created_at.millis(),
            invoice.updated_at.millis(),
            invoice.version,
            invoice.open_until().map(Timestamp::millis),
        ],
    )?;
    Ok(())
}

fn update(c: &Connection, invoice: &Invoice) -> Result<bool> {
    let changed = c.execute(
        "UPDATE invoice SET status = ?4, resolution = ?5, taken = ?6, refunded = ?7, attempts = ?8, busy = ?9,
             payment = ?10, card_id = ?11, sealed = ?12, processed_at = ?13, failed_at = ?14, refunded_at = ?15,
             open_until = ?16, updated_at = ?17, version = version + 1
         WHERE id = ?1 AND merchant_id = ?2 AND version = ?3",
        params![
            invoice.id.as_str(),
            invoice.merchant.as_str(),
            invoice.version,
            invoice.status.as_str(),
            invoice.resolution,
            number(invoice.taken)?,
            number(invoice.refunded)?,
            invoice.attempts,
            invoice.busy.as_ref().map(OperationId::as_str),
            invoice.payment.as_ref().map(OperationId::as_str),
            invoice.card.as_ref().map(CardId::as_str),
            invoice.sealed,
            invoice.processed_at.map(Timestamp::millis),
            invoice.failed_at.map(Timestamp::millis),
            invoice.refunded_at.map(Timestamp::millis),
            invoice.open_until().map(Timestamp::millis),
            invoice.updated_at.millis(),
        ],
    )?;
    Ok(changed == 1)
}

fn read(row: &Row<'_>) -> Result<Invoice> {
    let wrong = |what| StoreError::Inconsistent { table: "invoice", what };
    let minor = |column| u64::try_from(row.get::<_, i64>(column)?).map_err(|_| wrong("amount"));
    let time = |column| Ok::<_, StoreError>(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_millis));
    let currency = Currency::from_code(&row.get::<_, String>(8)?).ok_or_else(|| wrong("currency"))?;
    Ok(Invoice {
        id: InvoiceId::stored(row.get(0)?),
        page: PageId::stored(row.get(1)?),
        merchant: MerchantId::stored(row.get(2)?),
        mode: mode(&row.get::<_, String>(3)?, "invoice")?,
        reference: row.get(4)?,
        service: row.get(5)?,
        flow: Flow::parse(&row.get::<_, String>(6)?).ok_or_else(|| wrong("flow"))?,
        amount: Money::of_minor(minor(7)?, currency),
        status: InvoiceStatus::parse(&row.get::<_, String>(9)?).ok_or_else(|| wrong("status"))?,
        resolution: row.get(10)?,
        taken: minor(11)?,
        refunded: minor(12)?,
        attempts: row.get(13)?,
        busy: row.get::<_, Option<String>>(14)?.map(OperationId::stored),
        payment: row.get::<_, Option<String>>(15)?.map(OperationId::stored),
        customer: row.get::<_, Option<String>>(16)?.map(CustomerId::stored),
        card: row.get::<_, Option<String>>(17)?.map(CardId::stored),
        sealed: row.get(18)?,
        processed_at: time(19)?,
        failed_at: time(20)?,
        refunded_at: time(21)?,
        expires_at: Timestamp::from_millis(row.get(22)?),
        created_at: Timestamp::from_millis(row.get(23)?),
        updated_at: Timestamp::from_millis(row.get(24)?),
        version: row.get(25)?,
    })
}

fn number(minor: u64) -> Result<i64> {
    i64::try_from(minor).map_err(|_| StoreError::Inconsistent { table: "invoice", what: "amount" })
}

fn find_owner(c: &Connection, merchant: &MerchantId, card: &CardId) -> Result<Option<CardOwner>> {
    let sql = format!("SELECT {OWNER} FROM card_owner WHERE card_id = ?1 AND merchant_id = ?2");
    let mut statement = c.prepare_cached(&sql)?;
    let found = statement.query_row([card.as_str(), merchant.as_str()], |row| {
        let time =
            |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_millis));
        Ok(mode(&row.get::<_, String>(2)?, "card_owner").and_then(|mode| {
            Ok(CardOwner {
                card: CardId::stored(row.get(0)?),
                merchant: MerchantId::stored(row.get(1)?),
                mode,
                customer: CustomerId::stored(row.get(3)?),
                usable_at: time(4)?,
                disabled_at: time(5)?,
                scheme_reference: row.get(6)?,
            })
        }))
    });
    found.optional()?.transpose()
}

fn find_secret(c: &Connection, merchant: MerchantId, mode: Mode) -> Result<Option<CallbackSecretRow>> {
    let mut statement = c.prepare_cached(
        "SELECT sealed, created_at FROM callback_secret WHERE merchant_id = ?1 AND mode = ?2",
    )?;
    let found = statement.query_row([merchant.as_str(), mode.as_str()], |row| {
        Ok((row.get(0)?, Timestamp::from_millis(row.get(1)?)))
    });
    let found = found.optional()?;
    Ok(found.map(|(sealed, created_at)| CallbackSecretRow { merchant, mode, sealed, created_at }))
}
