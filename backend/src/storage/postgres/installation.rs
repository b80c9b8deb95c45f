//! Facts about the installation, in PostgreSQL.

use async_trait::async_trait;

use super::rows::Reader;
use super::transaction::PostgresTransaction;
use crate::storage::{Installation, Result, StoreError};

#[async_trait]
impl Installation for PostgresTransaction {
    async fn fact(&mut self, name: &'static str) -> Result<Option<String>> {
        let row = self.one("SELECT value FROM fact WHERE name = $1", &[&name]).await?;
        row.map(|row| Reader::new(&row, "fact").get(0)).transpose()
    }

    async fn add_fact(&mut self, name: &'static str, value: String) -> Result<String> {
        self.execute(
            "INSERT INTO fact (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            &[&name, &value],
        )
        .await?;
        self.fact(name).await?.ok_or(StoreError::Inconsistent { table: "fact", what: "name" })
    }

    async fn replace_fact(&mut self, name: &'static str, old: String, new: String) -> Result<bool> {
        let sql = "UPDATE fact SET value = $1 WHERE name = $2 AND value = $3";
        Ok(self.execute(sql, &[&new, &name, &old]).await? == 1)
    }

    async fn has_vault_keys(&mut self) -> Result<bool> {
        self.any("SELECT 1 FROM vault_key LIMIT 1", &[]).await
    }
}
