//! Credentials of operators, in PostgreSQL.

use async_trait::async_trait;
use tokio_postgres::Row;

use super::rows::Reader;
use super::transaction::PostgresTransaction;
use crate::model::{OperatorKey, OperatorKeyId, Timestamp};
use crate::storage::{OperatorKeys, Result};

/// The columns, in the order in which `read` takes them.
const COLUMNS: &str = "id, name, login, secret_hash, created_at, revoked_at";

#[async_trait]
impl OperatorKeys for PostgresTransaction {
    async fn add_operator_key(&mut self, key: OperatorKey) -> Result<()> {
        let sql = format!(
            "INSERT INTO operator_key ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING"
        );
        self.add(
            &sql,
            &[
                &key.id.as_str(),
                &key.name,
                &key.login,
                &key.secret_hash,
                &key.created_at.millis(),
                &key.revoked_at.map(Timestamp::millis),
            ],
        )
        .await
    }

    async fn find_operator_key_by_secret_name(&mut self, login: String) -> Result<Option<OperatorKey>> {
        let sql = format!("SELECT {COLUMNS} FROM operator_key WHERE login = $1");
        self.one(&sql, &[&login]).await?.as_ref().map(read).transpose()
    }

    async fn list_operator_keys(&mut self) -> Result<Vec<OperatorKey>> {
        let sql = format!("SELECT {COLUMNS} FROM operator_key ORDER BY id");
        self.all(&sql, &[]).await?.iter().map(read).collect()
    }

    async fn revoke_operator_key(&mut self, id: OperatorKeyId, at: Timestamp) -> Result<bool> {
        let sql = "UPDATE operator_key SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL";
        Ok(self.execute(sql, &[&at.millis(), &id.as_str()]).await? == 1)
    }
}

fn read(row: &Row) -> Result<OperatorKey> {
    let row = Reader::new(row, "operator_key");
    Ok(OperatorKey {
        id: OperatorKeyId::stored(row.get(0)?),
        name: row.get(1)?,
        login: row.get(2)?,
        secret_hash: row.get(3)?,
        created_at: row.time(4)?,
        revoked_at: row.maybe_time(5)?,
    })
}
