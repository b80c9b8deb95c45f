//! Facts about the installation, in SQLite.

use async_trait::async_trait;
use rusqlite::{OptionalExtension, params};

use super::threads::SqliteTransaction;
use crate::storage::{Installation, Result};

#[async_trait]
impl Installation for SqliteTransaction {
    async fn fact(&mut self, name: &'static str) -> Result<Option<String>> {
        self.run(move |c| {
            Ok(c.query_row("SELECT value FROM fact WHERE name = ?1", [name], |row| row.get(0)).optional()?)
        })
        .await
    }

    async fn add_fact(&mut self, name: &'static str, value: String) -> Result<String> {
        self.run(move |c| {
            c.execute(
                "INSERT INTO fact (name, value) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
                params![name, value],
            )?;
            Ok(c.query_row("SELECT value FROM fact WHERE name = ?1", [name], |row| row.get(0))?)
        })
        .await
    }

    async fn replace_fact(&mut self, name: &'static str, old: String, new: String) -> Result<bool> {
        self.run(move |c| {
            let sql = "UPDATE fact SET value = ?1 WHERE name = ?2 AND value = ?3";
            Ok(c.execute(sql, params![new, name, old])? == 1)
        })
        .await
    }

    async fn has_vault_keys(&mut self) -> Result<bool> {
        self.run(|c| Ok(c.query_row("SELECT EXISTS (SELECT 1 FROM vault_key)", [], |row| row.get(0))?)).await
    }
}
