//! The acquirer simulator's book, in SQLite.

use async_trait::async_trait;
use rusqlite::{OptionalExtension, Row, params};

use super::threads::SqliteTransaction;
use crate::model::{LedgerEntry, OperationId, OperationKind, Timestamp};
use crate::storage::{Result, SandboxLedger, StoreError, minor, money};

const TABLE: &str = "sandbox_ledger";
const COLUMNS: &str = "operation_id, kind, original_id, minor, currency, taken, refunded, voided, answer, follows, \
                       follows_at, version, created_at";

#[async_trait]
impl SandboxLedger for SqliteTransaction {
    async fn add_ledger_entry(&mut self, entry: LedgerEntry) -> Result<()> {
        self.run(move |c| {
            let sql = format!(
                "INSERT INTO sandbox_ledger ({COLUMNS}) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13)"
            );
            c.execute(
                &sql,
                params![
                    entry.operation.as_str(),
                    entry.kind.as_str(),
                    entry.original.as_ref().map(OperationId::as_str),
                    minor(entry.amount.minor(), TABLE)?,
                    entry.amount.currency().code(),
                    minor(entry.taken, TABLE)?,
                    minor(entry.refunded, TABLE)?,
                    entry.voided,
                    entry.answer,
                    entry.follows,
                    entry.follows_at.map(Timestamp::millis),
                    entry.version,
                    entry.created_at.millis(),
                ],
            )?;
            Ok(())
        })
        .await
    }

    async fn lookup_ledger_entry(&mut self, operation: OperationId) -> Result<Option<LedgerEntry>> {
        self.run(move |c| {
            let sql = format!("SELECT {COLUMNS} FROM sandbox_ledger WHERE operation_id = ?1");
            let mut statement = c.prepare_cached(&sql)?;
            statement.query_row([operation.as_str()], |row| Ok(read(row))).optional()?.transpose()
        })
        .await
    }

    async fn lock_ledger_entry(&mut self, operation: OperationId) -> Result<Option<LedgerEntry>> {
        // There is one writer.
        self.lookup_ledger_entry(operation).await
    }

    async fn update_ledger_entry(&mut self, entry: LedgerEntry) -> Result<bool> {
        self.run(move |c| {
            let changed = c.execute(
                "UPDATE sandbox_ledger SET taken = ?3, refunded = ?4, voided = ?5, answer = ?6, follows = ?7,
                     follows_at = ?8, version = version + 1
                 WHERE operation_id = ?1 AND version = ?2",
                params![
                    entry.operation.as_str(),
                    entry.version,
                    minor(entry.taken, TABLE)?,
                    minor(entry.refunded, TABLE)?,
                    entry.voided,
                    entry.answer,
                    entry.follows,
                    entry.follows_at.map(Timestamp::millis),
                ],
            )?;
            Ok(changed == 1)
        })
        .await
    }
}

fn read(row: &Row<'_>) -> Result<LedgerEntry> {
    let wrong = |what| StoreError::Inconsistent { table: TABLE, what };
    let count = |column: usize| u64::try_from(row.get::<_, i64>(column)?).map_err(|_| wrong("amount"));
    Ok(LedgerEntry {
        operation: OperationId::stored(row.get(0)?),
        kind: OperationKind::parse(&row.get::<_, String>(1)?).ok_or_else(|| wrong("kind"))?,
        original: row.get::<_, Option<String>>(2)?.map(OperationId::stored),
        amount: money(row.get(3)?, &row.get::<_, String>(4)?, TABLE)?,
        taken: count(5)?,
        refunded: count(6)?,
        voided: row.get(7)?,
        answer: row.get(8)?,
        follows: row.get(9)?,
        follows_at: row.get::<_, Option<i64>>(10)?.map(Timestamp::from_millis),
        version: row.get(11)?,
        created_at: Timestamp::from_millis(row.get(12)?),
    })
}
