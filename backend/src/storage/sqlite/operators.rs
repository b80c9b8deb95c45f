//! Credentials of operators, in SQLite.

use async_trait::async_trait;
use rusqlite::{OptionalExtension, Row, params};

use super::threads::SqliteTransaction;
use crate::model::{OperatorKey, OperatorKeyId, Timestamp};
use crate::storage::{OperatorKeys, Result};

/// The columns, in the order in which `read` takes them.
const COLUMNS: &str = "id, name, login, secret_hash, created_at, revoked_at";

#[async_trait]
impl OperatorKeys for SqliteTransaction {
    async fn add_operator_key(&mut self, key: OperatorKey) -> Result<()> {
        self.run(move |c| {
            c.execute(
                &format!("INSERT INTO operator_key ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"),
                params![
                    key.id.as_str(),
                    key.name,
                    key.login,
                    key.secret_hash,
                    key.created_at.millis(),
                    key.revoked_at.map(Timestamp::millis)
                ],
            )?;
            Ok(())
        })
        .await
    }

    async fn find_operator_key_by_secret_name(&mut self, login: String) -> Result<Option<OperatorKey>> {
        self.run(move |c| {
            let sql = format!("SELECT {COLUMNS} FROM operator_key WHERE login = ?1");
            Ok(c.prepare_cached(&sql)?.query_row([login], read).optional()?)
        })
        .await
    }

    async fn list_operator_keys(&mut self) -> Result<Vec<OperatorKey>> {
        self.run(move |c| {
            let mut statement =
                c.prepare_cached(&format!("SELECT {COLUMNS} FROM operator_key ORDER BY id"))?;
            let rows = statement.query_map([], read)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    async fn revoke_operator_key(&mut self, id: OperatorKeyId, at: Timestamp) -> Result<bool> {
        self.run(move |c| {
            let sql = "UPDATE operator_key SET revoked_at = ?1 WHERE id = ?2 AND revoked_at IS NULL";
            Ok(c.execute(sql, params![at.millis(), id.as_str()])? == 1)
        })
        .await
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<OperatorKey> {
    Ok(OperatorKey {
        id: OperatorKeyId::stored(row.get(0)?),
        name: row.get(1)?,
        login: row.get(2)?,
        secret_hash: row.get(3)?,
        created_at: Timestamp::from_millis(row.get(4)?),
        revoked_at: row.get::<_, Option<i64>>(5)?.map(Timestamp::from_millis),
    })
}
