//! Calls to gateways, in SQLite.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::merchants::mode;
use super::threads::SqliteTransaction;
use crate::model::{
    CardId, MerchantId, Operation, OperationId, OperationKind, OperationState, OwnerKind, Timestamp,
};
use crate::storage::{Operations, Page, Result, StoreError, minor, money};

const TABLE: &str = "operation";
const COLUMNS: &str = "id, merchant_id, mode, owner, owner_id, kind, parent_id, card_id, gateway, minor, currency, state, \
                       answer, version, inquire_at, called_at, created_at, settled_at, unheard_at, returned_at";

#[async_trait]
impl Operations for SqliteTransaction {
    async fn add_operation(&mut self, operation: Operation) -> Result<()> {
        self.run(move |c| insert(c, &operation)).await
    }

    async fn find_operation(&mut self, merchant: MerchantId, id: OperationId) -> Result<Option<Operation>> {
        self.run(move |c| {
            let sql = format!("SELECT {COLUMNS} FROM operation WHERE id = ?1 AND merchant_id = ?2");
            let mut statement = c.prepare_cached(&sql)?;
            let found = statement.query_row([id.as_str(), merchant.as_str()], |row| Ok(read(row)));
            found.optional()?.transpose()
        })
        .await
    }

    async fn list_operations(
        &mut self,
        merchant: MerchantId,
        owner: OwnerKind,
        owner_id: String,
    ) -> Result<Vec<Operation>> {
        self.run(move |c| {
            let sql = format!(
                "SELECT {COLUMNS} FROM operation WHERE merchant_id = ?1 AND owner = ?2 AND owner_id = ?3 ORDER BY id"
            );
            let mut statement = c.prepare_cached(&sql)?;
            let rows = statement
                .query_map([merchant.as_str(), owner.as_str(), owner_id.as_str()], |row| Ok(read(row)))?;
            rows.map(|row| row?).collect()
        })
        .await
    }

    async fn update_operation(&mut self, operation: Operation) -> Result<bool> {
        self.run(move |c| {
            let changed = c.execute(
                "UPDATE operation SET state = ?4, answer = ?5, inquire_at = ?6, called_at = ?7, settled_at = ?8,
                     unheard_at = ?9, returned_at = ?10, version = version + 1
                 WHERE id = ?1 AND merchant_id = ?2 AND version = ?3",
                params![
                    operation.id.as_str(),
                    operation.merchant.as_str(),
                    operation.version,
                    operation.state.as_str(),
                    operation.answer,
                    operation.inquire_at.millis(),
                    operation.called_at.map(Timestamp::millis),
                    operation.settled_at.map(Timestamp::millis),
                    operation.unheard_at.map(Timestamp::millis),
                    operation.returned_at.map(Timestamp::millis),
                ],
            )?;
            Ok(changed == 1)
        })
        .await
    }

    async fn due_operations(&mut self, now: Timestamp, limit: u32) -> Result<Vec<Operation>> {
        self.run(move |c| {
            let sql = format!(
                "SELECT {COLUMNS} FROM operation WHERE settled_at IS NULL AND inquire_at <= ?1
                 ORDER BY inquire_at LIMIT ?2"
            );
            let mut statement = c.prepare_cached(&sql)?;
            let rows = statement.query_map(params![now.millis(), limit], |row| Ok(read(row)))?;
            rows.map(|row| row?).collect()
        })
        .await
    }

    async fn open_operations(&mut self, merchant: Option<MerchantId>, page: Page) -> Result<Vec<Operation>> {
        self.run(move |c| {
            let sql = format!(
                "SELECT {COLUMNS} FROM operation WHERE settled_at IS NULL AND called_at IS NOT NULL
                 AND (?1 IS NULL OR merchant_id = ?1) AND id > ?2 ORDER BY id LIMIT ?3"
            );
            let mut statement = c.prepare_cached(&sql)?;
            let merchant = merchant.as_ref().map(MerchantId::as_str);
            let after = page.after.unwrap_or_default();
            let rows = statement.query_map(params![merchant, after, page.limit], |row| Ok(read(row)))?;
            rows.map(|row| row?).collect()
        })
        .await
    }

    async fn lookup_operation(&mut self, id: OperationId) -> Result<Option<Operation>> {
        self.run(move |c| {
            let sql = format!("SELECT {COLUMNS} FROM operation WHERE id = ?1");
            let mut statement = c.prepare_cached(&sql)?;
            statement.query_row([id.as_str()], |row| Ok(read(row))).optional()?.transpose()
        })
        .await
    }
}

fn insert(c: &Connection, operation: &Operation) -> Result<()> {
    let sql = format!(
        "INSERT INTO operation ({COLUMNS})
         VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20)"
    );
    c.execute(
        &sql,
        params![
            operation.id.as_str(),
            operation.merchant.as_str(),
            operation.mode.as_str(),
            operation.owner.as_str(),
            operation.owner_id,
            operation.kind.as_str(),
            operation.parent.as_ref().map(OperationId::as_str),
            operation.card.as_ref().map(CardId::as_str),
            operation.gateway,
            minor(operation.amount.minor(), TABLE)?,
            operation.amount.currency().code(),
            operation.state.as_str(),
            operation.answer,
            operation.version,
            operation.inquire_at.millis(),
            operation.called_at.map(Timestamp::millis),
            operation.created_at.millis(),
            operation.settled_at.map(Timestamp::millis),
            operation.unheard_at.map(Timestamp::millis),
            operation.returned_at.map(Timestamp::millis),
        ],
    )?;
    Ok(())
}

fn read(row: &Row<'_>) -> Result<Operation> {
    let wrong = |what| StoreError::Inconsistent { table: TABLE, what };
    let text = |column: usize| row.get::<_, String>(column);
    let time =
        |column: usize| Ok::<_, StoreError>(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_millis));
    Ok(Operation {
        id: OperationId::stored(row.get(0)?),
        merchant: MerchantId::stored(row.get(1)?),
        mode: mode(&text(2)?, TABLE)?,
        owner: OwnerKind::parse(&text(3)?).ok_or_else(|| wrong("owner"))?,
        owner_id: row.get(4)?,
        kind: OperationKind::parse(&text(5)?).ok_or_else(|| wrong("kind"))?,
        parent: row.get::<_, Option<String>>(6)?.map(OperationId::stored),
        card: row.get::<_, Option<String>>(7)?.map(CardId::stored),
        gateway: row.get(8)?,
        amount: money(row.get(9)?, &text(10)?, TABLE)?,
        state: OperationState::parse(&text(11)?).ok_or_else(|| wrong("state"))?,
        answer: row.get(12)?,
        version: row.get(13)?,
        inquire_at: Timestamp::from_millis(row.get(14)?),
        called_at: time(15)?,
        created_at: Timestamp::from_millis(row.get(16)?),
        settled_at: time(17)?,
        unheard_at: time(18)?,
        returned_at: time(19)?,
    })
}
