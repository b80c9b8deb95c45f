//! Gateway transactions, companies, and the requests that were seen, in SQLite.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::merchants::mode;
use super::threads::SqliteTransaction;
use crate::model::{
    CardId, Company, GatewayTransaction, MerchantId, Mode, OperationId, Subscription, Timestamp,
    TransactionFilter, TransactionId, TransactionKind, TransactionState,
};
use crate::storage::{Page, Result, StoreError, Transactions, money};

const COMPANY: &str = "company_id, merchant_id, mode, mid, pass_hash, sealed, version, created_at";
const COLUMNS: &str = "id, number, merchant_id, mode, kind, subscription, token, original, order_id, order_slot, \
                       minor, currency, operation_id, card_id, owns_card, state, code, sealed, waits, created_at, \
                       settled_at";

#[async_trait]
impl Transactions for SqliteTransaction {
    async fn add_company(&mut self, company: Company) -> Result<()> {
        self.run(move |c| {
            let sql = format!("INSERT INTO gateway_company ({COMPANY}) VALUES (?1,?2,?3,?4,?5,?6,?7,?8)");
            c.execute(
                &sql,
                params![
                    company.id,
                    company.merchant.as_str(),
                    company.mode.as_str(),
                    company.mid,
                    company.pass_hash,
                    company.sealed,
                    company.version,
                    company.created_at.millis(),
                ],
            )?;
            Ok(())
        })
        .await
    }

    async fn find_company_by_secret_name(&mut self, id: String) -> Result<Option<Company>> {
        self.run(move |c| {
            let sql = format!("SELECT {COMPANY} FROM gateway_company WHERE company_id = ?1");
            c.prepare_cached(&sql)?.query_row([id], |row| Ok(read_company(row))).optional()?.transpose()
        })
        .await
    }

    async fn find_company(&mut self, merchant: MerchantId, mode: Mode) -> Result<Option<Company>> {
        self.run(move |c| {
            let sql = format!("SELECT {COMPANY} FROM gateway_company WHERE merchant_id = ?1 AND mode = ?2");
            let mut statement = c.prepare_cached(&sql)?;
            let found = statement.query_row([merchant.as_str(), mode.as_str()], |row| Ok(read_company(row)));
            found.optional()?.transpose()
        })
        .await
    }

    async fn update_company(&mut self, company: Company) -> Result<bool> {
        self.run(move |c| {
            let changed = c.execute(
                "UPDATE gateway_company SET pass_hash = ?4, sealed = ?5, version = version + 1
                 WHERE company_id = ?1 AND merchant_id = ?2 AND version = ?3",
                params![
                    company.id,
                    company.merchant.as_str(),
                    company.version,
                    company.pass_hash,
                    company.sealed
                ],
            )?;
            Ok(changed == 1)
        })
        .await
    }

    async fn take_gateway_request(&mut self, company: String, digest: String, at: Timestamp) -> Result<bool> {
        self.run(move |c| {
            let added = c.execute(
                "INSERT INTO gateway_request (company_id, digest, at) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO NOTHING",
                params![company, digest, at.millis()],
            )?;
            Ok(added == 1)
        })
        .await
    }

    async fn knows_gateway_request(&mut self, company: String, digest: String) -> Result<bool> {
        self.run(move |c| {
            let mut statement =
                c.prepare_cached("SELECT 1 FROM gateway_request WHERE company_id = ?1 AND digest = ?2")?;
            Ok(statement.exists([company, digest])?)
        })
        .await
    }

    async fn sweep_gateway_requests(&mut self, before: Timestamp) -> Result<u64> {
        self.run(move |c| {
            let gone = c.execute("DELETE FROM gateway_request WHERE at < ?1", [before.millis()])?;
            Ok(gone as u64)
        })
        .await
    }

    async fn add_transaction(&mut self, transaction: GatewayTransaction) -> Result<()> {
        self.run(move |c| insert(c, &transaction)).await
    }

    async fn find_transaction(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        number: String,
    ) -> Result<Option<GatewayTransaction>> {
        self.run(move |c| {
            let sql = format!(
                "SELECT {COLUMNS} FROM gateway_transaction
                 WHERE number = ?1 AND merchant_id = ?2 AND mode = ?3"
            );
            let mut statement = c.prepare_cached(&sql)?;
            let found =
                statement.query_row([number.as_str(), merchant.as_str(), mode.as_str()], |row| Ok(read(row)));
            found.optional()?.transpose()
        })
        .await
    }

    async fn lock_transaction(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        number: String,
    ) -> Result<Option<GatewayTransaction>> {
        // A transaction that may write has the database to itself.
        self.find_transaction(merchant, mode, number).await
    }

    async fn find_order(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        order_id: String,
    ) -> Result<Option<GatewayTransaction>> {
        self.run(move |c| {
            let sql = format!(
                "SELECT {COLUMNS} FROM gateway_transaction
                 WHERE merchant_id = ?1 AND mode = ?2 AND order_slot = ?3"
            );
            let mut statement = c.prepare_cached(&sql)?;
            let found = statement
                .query_row([merchant.as_str(), mode.as_str(), order_id.as_str()], |row| Ok(read(row)));
            found.optional()?.transpose()
        })
        .await
    }

    async fn await_transaction(&mut self, merchant: MerchantId, id: TransactionId) -> Result<bool> {
        self.run(move |c| {
            let changed = c.execute(
                "UPDATE gateway_transaction SET waits = 1 WHERE id = ?1 AND merchant_id = ?2 AND state = 'open'",
                [id.as_str(), merchant.as_str()],
            )?;
            Ok(changed == 1)
        })
        .await
    }

    async fn settle_transaction(&mut self, transaction: GatewayTransaction) -> Result<bool> {
        self.run(move |c| {
            let changed = c.execute(
                "UPDATE gateway_transaction SET state = ?3, code = ?4, order_slot = ?5, settled_at = ?6, card_id = ?7,
                     sealed = x''
                 WHERE id = ?1 AND merchant_id = ?2 AND state = 'open'",
                params![
                    transaction.id.as_str(),
                    transaction.merchant.as_str(),
                    transaction.state.as_str(),
                    transaction.code,
                    transaction.holds_order.then_some(transaction.order_id),
                    transaction.settled_at.map(Timestamp::millis),
                    transaction.card.as_ref().map(CardId::as_str),
                ],
            )?;
            Ok(changed == 1)
        })
        .await
    }

    async fn list_transactions(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        filter: TransactionFilter,
        page: Page,
    ) -> Result<Vec<GatewayTransaction>> {
        self.run(move |c| {
            let (condition, value) = match filter {
                TransactionFilter::Order(order) => ("order_id = ?3", order),
                TransactionFilter::ChildrenOf(token) => ("token = ?3 AND number <> ?3", token),
                TransactionFilter::FollowUps(original) => ("original = ?3", original),
            };
            let sql = format!(
                "SELECT {COLUMNS} FROM gateway_transaction
                 WHERE merchant_id = ?1 AND mode = ?2 AND {condition} AND id > ?4 ORDER BY id LIMIT ?5"
            );
            let mut statement = c.prepare_cached(&sql)?;
            let rows = statement.query_map(
                params![merchant.as_str(), mode.as_str(), value, page.after.unwrap_or_default(), page.limit],
                |row| Ok(read(row)),
            )?;
            rows.map(|row| row?).collect()
        })
        .await
    }

    async fn count_open(&mut self, merchant: MerchantId, mode: Mode, token: String) -> Result<u32> {
        self.run(move |c| {
            let mut statement = c.prepare_cached(
                "SELECT count(*) FROM operation o
                 WHERE o.settled_at IS NULL AND o.merchant_id = ?1
                   AND (o.state IN ('sent', 'pending') OR o.returned_at IS NOT NULL)
                   AND (o.card_id = (SELECT k.card_id FROM gateway_token k
                                     WHERE k.number = ?3 AND k.merchant_id = ?1 AND k.mode = ?2)
                        OR (o.owner = 'transaction' AND EXISTS (
                                SELECT 1 FROM gateway_transaction t WHERE t.number = o.owner_id
                                 AND t.merchant_id = ?1 AND t.mode = ?2 AND t.token = ?3)))",
            )?;
            Ok(statement.query_row([merchant.as_str(), mode.as_str(), &token], |row| row.get(0))?)
        })
        .await
    }
}

fn insert(c: &Connection, transaction: &GatewayTransaction) -> Result<()> {
    let sql = format!(
        "INSERT INTO gateway_transaction ({COLUMNS})
         VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21)"
    );
    let minor = transaction.amount.map(|amount| crate::storage::minor(amount.minor(), "gateway_transaction"));
    c.execute(
        &sql,
        params![
            transaction.id.as_str(),
            transaction.number,
            transaction.merchant.as_str(),
            transaction.mode.as_str(),
            transaction.kind.as_str(),
            transaction.subscription.map(Subscription::as_str).unwrap_or_default(),
            transaction.token,
            transaction.original,
            transaction.order_id,
            transaction.holds_order.then_some(&transaction.order_id),
            minor.transpose()?,
            transaction.amount.map(|amount| amount.currency().code()),
            transaction.operation.as_ref().map(OperationId::as_str),
            transaction.card.as_ref().map(CardId::as_str),
            transaction.owns_card,
            transaction.state.as_str(),
            transaction.code,
            transaction.sealed,
            transaction.waits,
            transaction.created_at.millis(),
            transaction.settled_at.map(Timestamp::millis),
        ],
    )?;
    Ok(())
}

fn read_company(row: &Row<'_>) -> Result<Company> {
    Ok(Company {
        id: row.get(0)?,
        merchant: MerchantId::stored(row.get(1)?),
        mode: mode(&row.get::<_, String>(2)?, "gateway_company")?,
        mid: row.get(3)?,
        pass_hash: row.get(4)?,
        sealed: row.get(5)?,
        version: row.get(6)?,
        created_at: Timestamp::from_millis(row.get(7)?),
    })
}

fn read(row: &Row<'_>) -> Result<GatewayTransaction> {
    let table = "gateway_transaction";
    let wrong = |what| StoreError::Inconsistent { table, what };
    let subscription: String = row.get(5)?;
    let amount = match (row.get::<_, Option<i64>>(10)?, row.get::<_, Option<String>>(11)?) {
        (Some(minor), Some(currency)) => Some(money(minor, &currency, table)?),
        _ => None,
    };
    Ok(GatewayTransaction {
        id: TransactionId::stored(row.get(0)?),
        number: row.get(1)?,
        merchant: MerchantId::stored(row.get(2)?),
        mode: mode(&row.get::<_, String>(3)?, table)?,
        kind: TransactionKind::parse(&row.get::<_, String>(4)?).ok_or_else(|| wrong("kind"))?,
        subscription: match subscription.as_str() {
            "" => None,
            name => Some(Subscription::parse(name).ok_or_else(|| wrong("subscription"))?),
        },
        token: row.get(6)?,
        original: row.get(7)?,
        order_id: row.get(8)?,
        holds_order: row.get::<_, Option<String>>(9)?.is_some(),
        amount,
        operation: row.get::<_, Option<String>>(12)?.map(OperationId::stored),
        card: row.get::<_, Option<String>>(13)?.map(CardId::stored),
        owns_card: row.get(14)?,
        state: TransactionState::parse(&row.get::<_, String>(15)?).ok_or_else(|| wrong("state"))?,
        code: row.get(16)?,
        sealed: row.get(17)?,
        waits: row.get(18)?,
        created_at: Timestamp::from_millis(row.get(19)?),
        settled_at: row.get::<_, Option<i64>>(20)?.map(Timestamp::from_millis),
    })
}
