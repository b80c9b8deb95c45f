//! The acquirer simulator's book, in PostgreSQL.

use async_trait::async_trait;
use tokio_postgres::Row;

use super::rows::Reader;
use super::transaction::PostgresTransaction;
use crate::model::{LedgerEntry, OperationId, OperationKind, Timestamp};
use crate::storage::{Result, SandboxLedger, minor, money};

const TABLE: &str = "sandbox_ledger";
const COLUMNS: &str = "operation_id, kind, original_id, minor, currency, taken, refunded, voided, answer, follows, \
                       follows_at, version, created_at";

#[async_trait]
impl SandboxLedger for PostgresTransaction {
    async fn add_ledger_entry(&mut self, entry: LedgerEntry) -> Result<()> {
        let sql = format!(
            "INSERT INTO sandbox_ledger ({COLUMNS})
             VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13) ON CONFLICT DO NOTHING"
        );
        self.add(
            &sql,
            &[
                &entry.operation.as_str(),
                &entry.kind.as_str(),
                &entry.original.as_ref().map(OperationId::as_str),
                &minor(entry.amount.minor(), TABLE)?,
                &entry.amount.currency().code(),
                &minor(entry.taken, TABLE)?,
                &minor(entry.refunded, TABLE)?,
                &i64::from(entry.voided),
                &entry.answer,
                &entry.follows,
                &entry.follows_at.map(Timestamp::millis),
                &i64::from(entry.version),
                &entry.created_at.millis(),
            ],
        )
        .await
    }

    async fn lookup_ledger_entry(&mut self, operation: OperationId) -> Result<Option<LedgerEntry>> {
        let sql = format!("SELECT {COLUMNS} FROM sandbox_ledger WHERE operation_id = $1");
        self.one(&sql, &[&operation.as_str()]).await?.as_ref().map(read).transpose()
    }

    async fn lock_ledger_entry(&mut self, operation: OperationId) -> Result<Option<LedgerEntry>> {
        let sql = format!("SELECT {COLUMNS} FROM sandbox_ledger WHERE operation_id = $1 FOR UPDATE");
        self.one(&sql, &[&operation.as_str()]).await?.as_ref().map(read).transpose()
    }

    async fn update_ledger_entry(&mut self, entry: LedgerEntry) -> Result<bool> {
        let sql =
            "UPDATE sandbox_ledger SET taken = $3, refunded = $4, voided = $5, answer = $6, follows = $7,
                       follows_at = $8, version = version + 1
                   WHERE operation_id = $1 AND version = $2";
        let changed = self
            .execute(
                sql,
                &[
                    &entry.operation.as_str(),
                    &i64::from(entry.version),
                    &minor(entry.taken, TABLE)?,
                    &minor(entry.refunded, TABLE)?,
                    &i64::from(entry.voided),
                    &entry.answer,
                    &entry.follows,
                    &entry.follows_at.map(Timestamp::millis),
                ],
            )
            .await?;
        Ok(changed == 1)
    }
}

fn read(row: &Row) -> Result<LedgerEntry> {
    let row = Reader::new(row, TABLE);
    Ok(LedgerEntry {
        operation: OperationId::stored(row.get(0)?),
        kind: OperationKind::parse(row.get(1)?).ok_or_else(|| row.wrong("kind"))?,
        original: row.get::<Option<String>>(2)?.map(OperationId::stored),
        amount: money(row.get(3)?, row.get(4)?, TABLE)?,
        taken: row.number(5)?,
        refunded: row.number(6)?,
        voided: row.flag(7)?,
        answer: row.get(8)?,
        follows: row.get(9)?,
        follows_at: row.maybe_time(10)?,
        version: row.number(11)?,
        created_at: row.time(12)?,
    })
}
