//! Calls to gateways, in PostgreSQL.

use async_trait::async_trait;
use tokio_postgres::Row;

use super::rows::Reader;
use super::transaction::PostgresTransaction;
use crate::model::{
    CardId, MerchantId, Operation, OperationId, OperationKind, OperationState, OwnerKind, Timestamp,
};
use crate::storage::{Operations, Page, Result, minor, money};

const TABLE: &str = "operation";
const COLUMNS: &str = "id, merchant_id, mode, owner, owner_id, kind, parent_id, card_id, gateway, minor, currency, state, \
                       answer, version, inquire_at, called_at, created_at, settled_at, unheard_at, returned_at";

#[async_trait]
impl Operations for PostgresTransaction {
    async fn add_operation(&mut self, operation: Operation) -> Result<()> {
        insert(self, &operation).await
    }

    async fn find_operation(&mut self, merchant: MerchantId, id: OperationId) -> Result<Option<Operation>> {
        let sql = format!("SELECT {COLUMNS} FROM operation WHERE id = $1 AND merchant_id = $2");
        self.one(&sql, &[&id.as_str(), &merchant.as_str()]).await?.as_ref().map(read).transpose()
    }

    async fn list_operations(
        &mut self,
        merchant: MerchantId,
        owner: OwnerKind,
        owner_id: String,
    ) -> Result<Vec<Operation>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM operation WHERE merchant_id = $1 AND owner = $2 AND owner_id = $3 ORDER BY id"
        );
        let rows = self.all(&sql, &[&merchant.as_str(), &owner.as_str(), &owner_id]).await?;
        rows.iter().map(read).collect()
    }

    async fn update_operation(&mut self, operation: Operation) -> Result<bool> {
        let sql =
            "UPDATE operation SET state = $4, answer = $5, inquire_at = $6, called_at = $7, settled_at = $8,
                       unheard_at = $9, returned_at = $10, version = version + 1
                   WHERE id = $1 AND merchant_id = $2 AND version = $3";
        let changed = self
            .execute(
                sql,
                &[
                    &operation.id.as_str(),
                    &operation.merchant.as_str(),
                    &i64::from(operation.version),
                    &operation.state.as_str(),
                    &operation.answer,
                    &operation.inquire_at.millis(),
                    &operation.called_at.map(Timestamp::millis),
                    &operation.settled_at.map(Timestamp::millis),
                    &operation.unheard_at.map(Timestamp::millis),
                    &operation.returned_at.map(Timestamp::millis),
                ],
            )
            .await?;
        Ok(changed == 1)
    }

    async fn due_operations(&mut self, now: Timestamp, limit: u32) -> Result<Vec<Operation>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM operation WHERE settled_at IS NULL AND inquire_at <= $1
             ORDER BY inquire_at LIMIT $2"
        );
        self.all(&sql, &[&now.millis(), &i64::from(limit)]).await?.iter().map(read).collect()
    }

    async fn open_operations(&mut self, merchant: Option<MerchantId>, page: Page) -> Result<Vec<Operation>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM operation WHERE settled_at IS NULL AND called_at IS NOT NULL
             AND ($1::TEXT IS NULL OR merchant_id = $1) AND id > $2 ORDER BY id LIMIT $3"
        );
        let merchant = merchant.as_ref().map(MerchantId::as_str);
        let after = page.after.unwrap_or_default();
        self.all(&sql, &[&merchant, &after, &i64::from(page.limit)]).await?.iter().map(read).collect()
    }

    async fn lookup_operation(&mut self, id: OperationId) -> Result<Option<Operation>> {
        let sql = format!("SELECT {COLUMNS} FROM operation WHERE id = $1");
        self.one(&sql, &[&id.as_str()]).await?.as_ref().map(read).transpose()
    }
}

async fn insert(t: &PostgresTransaction, operation: &Operation) -> Result<()> {
    let sql = format!(
        "INSERT INTO operation ({COLUMNS})
         VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19,$20) ON CONFLICT DO NOTHING"
    );
    t.add(
        &sql,
        &[
            &operation.id.as_str(),
            &operation.merchant.as_str(),
            &operation.mode.as_str(),
            &operation.owner.as_str(),
            &operation.owner_id,
            &operation.kind.as_str(),
            &operation.parent.as_ref().map(OperationId::as_str),
            &operation.card.as_ref().map(CardId::as_str),
            &operation.gateway,
            &minor(operation.amount.minor(), TABLE)?,
            &operation.amount.currency().code(),
            &operation.state.as_str(),
            &operation.answer,
            &i64::from(operation.version),
            &operation.inquire_at.millis(),
            &operation.called_at.map(Timestamp::millis),
            &operation.created_at.millis(),
            &operation.settled_at.map(Timestamp::millis),
            &operation.unheard_at.map(Timestamp::millis),
            &operation.returned_at.map(Timestamp::millis),
        ],
    )
    .await
}

fn read(row: &Row) -> Result<Operation> {
    let row = Reader::new(row, TABLE);
    Ok(Operation {
        id: OperationId::stored(row.get(0)?),
        merchant: MerchantId::stored(row.get(1)?),
        mode: row.mode(2)?,
        owner: OwnerKind::parse(row.get(3)?).ok_or_else(|| row.wrong("owner"))?,
        owner_id: row.get(4)?,
        kind: OperationKind::parse(row.get(5)?).ok_or_else(|| row.wrong("kind"))?,
        parent: row.get::<Option<String>>(6)?.map(OperationId::stored),
        card: row.get::<Option<String>>(7)?.map(CardId::stored),
        gateway: row.get(8)?,
        amount: money(row.get(9)?, row.get(10)?, TABLE)?,
        state: OperationState::parse(row.get(11)?).ok_or_else(|| row.wrong("state"))?,
        answer: row.get(12)?,
        version: row.number(13)?,
        inquire_at: row.time(14)?,
        called_at: row.maybe_time(15)?,
        created_at: row.time(16)?,
        settled_at: row.maybe_time(17)?,
        unheard_at: row.maybe_time(18)?,
        returned_at: row.maybe_time(19)?,
    })
}
