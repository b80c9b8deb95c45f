//! Gateway transactions, companies, and the requests that were seen, in PostgreSQL.

use async_trait::async_trait;
use tokio_postgres::Row;

use super::rows::Reader;
use super::transaction::PostgresTransaction;
use crate::model::{
    CardId, Company, GatewayTransaction, MerchantId, Mode, OperationId, Subscription, Timestamp,
    TransactionFilter, TransactionId, TransactionKind, TransactionState,
};
use crate::storage::{Page, Result, Transactions, minor, money};

const COMPANY: &str = "company_id, merchant_id, mode, mid, pass_hash, sealed, version, created_at";
const COLUMNS: &str = "id, number, merchant_id, mode, kind, subscription, token, original, order_id, order_slot, \
                       minor, currency, operation_id, card_id, owns_card, state, code, sealed, waits, created_at, \
                       settled_at";
const TABLE: &str = "gateway_transaction";

#[async_trait]
impl Transactions for PostgresTransaction {
    async fn add_company(&mut self, company: Company) -> Result<()> {
        let sql = format!(
            "INSERT INTO gateway_company ({COMPANY}) VALUES ($1,$2,$3,$4,$5,$6,$7,$8) ON CONFLICT DO NOTHING"
        );
        self.add(
            &sql,
            &[
                &company.id,
                &company.merchant.as_str(),
                &company.mode.as_str(),
                &company.mid,
                &company.pass_hash,
                &company.sealed,
                &i64::from(company.version),
                &company.created_at.millis(),
            ],
        )
        .await
    }

    async fn find_company_by_secret_name(&mut self, id: String) -> Result<Option<Company>> {
        let sql = format!("SELECT {COMPANY} FROM gateway_company WHERE company_id = $1");
        self.one(&sql, &[&id]).await?.as_ref().map(read_company).transpose()
    }

    async fn find_company(&mut self, merchant: MerchantId, mode: Mode) -> Result<Option<Company>> {
        let sql = format!("SELECT {COMPANY} FROM gateway_company WHERE merchant_id = $1 AND mode = $2");
        self.one(&sql, &[&merchant.as_str(), &mode.as_str()]).await?.as_ref().map(read_company).transpose()
    }

    async fn update_company(&mut self, company: Company) -> Result<bool> {
        let sql = "UPDATE gateway_company SET pass_hash = $4, sealed = $5, version = version + 1
                   WHERE company_id = $1 AND merchant_id = $2 AND version = $3";
        let changed = self
            .execute(
                sql,
                &[
                    &company.id,
                    &company.merchant.as_str(),
                    &i64::from(company.version),
                    &company.pass_hash,
                    &company.sealed,
                ],
            )
            .await?;
        Ok(changed == 1)
    }

    async fn take_gateway_request(&mut self, company: String, digest: String, at: Timestamp) -> Result<bool> {
        let sql = "INSERT INTO gateway_request (company_id, digest, at) VALUES ($1, $2, $3)
                   ON CONFLICT DO NOTHING";
        Ok(self.execute(sql, &[&company, &digest, &at.millis()]).await? == 1)
    }

    async fn knows_gateway_request(&mut self, company: String, digest: String) -> Result<bool> {
        let sql = "SELECT 1 FROM gateway_request WHERE company_id = $1 AND digest = $2";
        Ok(self.one(sql, &[&company, &digest]).await?.is_some())
    }

    async fn sweep_gateway_requests(&mut self, before: Timestamp) -> Result<u64> {
        self.execute("DELETE FROM gateway_request WHERE at < $1", &[&before.millis()]).await
    }

    async fn add_transaction(&mut self, transaction: GatewayTransaction) -> Result<()> {
        insert(self, &transaction).await
    }

    async fn find_transaction(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        number: String,
    ) -> Result<Option<GatewayTransaction>> {
        find(self, &merchant, mode, &number, "").await
    }

    async fn lock_transaction(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        number: String,
    ) -> Result<Option<GatewayTransaction>> {
        find(self, &merchant, mode, &number, "FOR UPDATE").await
    }

    async fn find_order(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        order_id: String,
    ) -> Result<Option<GatewayTransaction>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM gateway_transaction
             WHERE merchant_id = $1 AND mode = $2 AND order_slot = $3"
        );
        let row = self.one(&sql, &[&merchant.as_str(), &mode.as_str(), &order_id]).await?;
        row.as_ref().map(read).transpose()
    }

    async fn await_transaction(&mut self, merchant: MerchantId, id: TransactionId) -> Result<bool> {
        let sql =
            "UPDATE gateway_transaction SET waits = 1 WHERE id = $1 AND merchant_id = $2 AND state = 'open'";
        Ok(self.execute(sql, &[&id.as_str(), &merchant.as_str()]).await? == 1)
    }

    async fn settle_transaction(&mut self, transaction: GatewayTransaction) -> Result<bool> {
        let sql = "UPDATE gateway_transaction SET state = $3, code = $4, order_slot = $5, settled_at = $6,
                       card_id = $7, sealed = ''::BYTEA
                   WHERE id = $1 AND merchant_id = $2 AND state = 'open'";
        let changed = self
            .execute(
                sql,
                &[
                    &transaction.id.as_str(),
                    &transaction.merchant.as_str(),
                    &transaction.state.as_str(),
                    &i64::from(transaction.code),
                    &transaction.holds_order.then_some(transaction.order_id.as_str()),
                    &transaction.settled_at.map(Timestamp::millis),
                    &transaction.card.as_ref().map(CardId::as_str),
                ],
            )
            .await?;
        Ok(changed == 1)
    }

    async fn list_transactions(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        filter: TransactionFilter,
        page: Page,
    ) -> Result<Vec<GatewayTransaction>> {
        let (condition, value) = match filter {
            TransactionFilter::Order(order) => ("order_id = $3", order),
            TransactionFilter::ChildrenOf(token) => ("token = $3 AND number <> $3", token),
            TransactionFilter::FollowUps(original) => ("original = $3", original),
        };
        let sql = format!(
            "SELECT {COLUMNS} FROM gateway_transaction
             WHERE merchant_id = $1 AND mode = $2 AND {condition} AND id > $4 ORDER BY id LIMIT $5"
        );
        let after = page.after.unwrap_or_default();
        let rows = self
            .all(&sql, &[&merchant.as_str(), &mode.as_str(), &value, &after, &i64::from(page.limit)])
            .await?;
        rows.iter().map(read).collect()
    }

    async fn count_open(&mut self, merchant: MerchantId, mode: Mode, token: String) -> Result<u32> {
        let sql = "SELECT count(*) FROM operation o
                   WHERE o.settled_at IS NULL AND o.merchant_id = $1
                     AND (o.state IN ('sent', 'pending') OR o.returned_at IS NOT NULL)
                     AND (o.card_id = (SELECT k.card_id FROM gateway_token k
                                       WHERE k.number = $3 AND k.merchant_id = $1 AND k.mode = $2)
                          OR (o.owner = 'transaction' AND EXISTS (
                                  SELECT 1 FROM gateway_transaction t WHERE t.number = o.owner_id
                                   AND t.merchant_id = $1 AND t.mode = $2 AND t.token = $3)))";
        let row = self.one(sql, &[&merchant.as_str(), &mode.as_str(), &token]).await?;
        row.as_ref().map_or(Ok(0), |row| Reader::new(row, TABLE).number(0))
    }
}

async fn find(
    t: &PostgresTransaction,
    merchant: &MerchantId,
    mode: Mode,
    number: &str,
    lock: &str,
) -> Result<Option<GatewayTransaction>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM gateway_transaction
         WHERE number = $1 AND merchant_id = $2 AND mode = $3 {lock}"
    );
    let row = t.one(&sql, &[&number, &merchant.as_str(), &mode.as_str()]).await?;
    row.as_ref().map(read).transpose()
}

async fn insert(t: &PostgresTransaction, transaction: &GatewayTransaction) -> Result<()> {
    let sql = format!(
        "INSERT INTO gateway_transaction ({COLUMNS})
         VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19,$20,$21)
         ON CONFLICT DO NOTHING"
    );
    let minor = transaction.amount.map(|amount| minor(amount.minor(), TABLE)).transpose()?;
    t.add(
        &sql,
        &[
            &transaction.id.as_str(),
            &transaction.number,
            &transaction.merchant.as_str(),
            &transaction.mode.as_str(),
            &transaction.kind.as_str(),
            &transaction.subscription.map(Subscription::as_str).unwrap_or_default(),
            &transaction.token,
            &transaction.original,
            &transaction.order_id,
            &transaction.holds_order.then_some(transaction.order_id.as_str()),
            &minor,
            &transaction.amount.map(|amount| amount.currency().code()),
            &transaction.operation.as_ref().map(OperationId::as_str),
            &transaction.card.as_ref().map(CardId::as_str),
            &i64::from(transaction.owns_card),
            &transaction.state.as_str(),
            &i64::from(transaction.code),
            &transaction.sealed,
            &i64::from(transaction.waits),
            &transaction.created_at.millis(),
            &transaction.settled_at.map(Timestamp::millis),
        ],
    )
    .await
}

fn read_company(row: &Row) -> Result<Company> {
    let row = Reader::new(row, "gateway_company");
    Ok(Company {
        id: row.get(0)?,
        merchant: MerchantId::stored(row.get(1)?),
        mode: row.mode(2)?,
        mid: row.get(3)?,
        pass_hash: row.get(4)?,
        sealed: row.get(5)?,
        version: row.number(6)?,
        created_at: row.time(7)?,
    })
}

fn read(row: &Row) -> Result<GatewayTransaction> {
    let row = Reader::new(row, TABLE);
    let amount = match (row.get::<Option<i64>>(10)?, row.get::<Option<&str>>(11)?) {
        (Some(minor), Some(currency)) => Some(money(minor, currency, TABLE)?),
        _ => None,
    };
    Ok(GatewayTransaction {
        id: TransactionId::stored(row.get(0)?),
        number: row.get(1)?,
        merchant: MerchantId::stored(row.get(2)?),
        mode: row.mode(3)?,
        kind: TransactionKind::parse(row.get(4)?).ok_or_else(|| row.wrong("kind"))?,
        subscription: match row.get(5)? {
            "" => None,
            name => Some(Subscription::parse(name).ok_or_else(|| row.wrong("subscription"))?),
        },
        token: row.get(6)?,
        original: row.get(7)?,
        order_id: row.get(8)?,
        holds_order: row.get::<Option<&str>>(9)?.is_some(),
        amount,
        operation: row.get::<Option<String>>(12)?.map(OperationId::stored),
        card: row.get::<Option<String>>(13)?.map(CardId::stored),
        owns_card: row.flag(14)?,
        state: TransactionState::parse(row.get(15)?).ok_or_else(|| row.wrong("state"))?,
        code: row.number(16)?,
        sealed: row.get(17)?,
        waits: row.flag(18)?,
        created_at: row.time(19)?,
        settled_at: row.maybe_time(20)?,
    })
}
