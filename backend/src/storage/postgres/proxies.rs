//! Hosts that cards may be sent to, cards on their way, and rules, in PostgreSQL.

use async_trait::async_trait;
use tokio_postgres::Row;

use super::rows::Reader;
use super::transaction::PostgresTransaction;
use crate::model::{
    CardId, CvvKeyId, HostId, MerchantId, Mode, ProxyHost, ProxySend, RuleRow, SendId, SendState, Timestamp,
    WaitingCode,
};
use crate::storage::{Proxies, Result, Rules, StoreError};

const HOST: &str = "id, merchant_id, mode, host, sealed, created_at";
const SEND: &str = "id, merchant_id, mode, card_id, state, attempts, sealed, code, cvv_key_id, code_ends_at, result, \
                    created_at, finished_at";
const RULE: &str = "merchant_id, mode, name, operations, created_at";

#[async_trait]
impl Proxies for PostgresTransaction {
    async fn put_proxy_host(&mut self, host: ProxyHost) -> Result<()> {
        let sql = format!(
            "INSERT INTO proxy_host ({HOST}) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (merchant_id, mode, host) DO UPDATE
             SET id = excluded.id, sealed = excluded.sealed, created_at = excluded.created_at"
        );
        self.execute(
            &sql,
            &[
                &host.id.as_str(),
                &host.merchant.as_str(),
                &host.mode.as_str(),
                &host.host,
                &host.sealed,
                &host.created_at.millis(),
            ],
        )
        .await?;
        Ok(())
    }

    async fn find_proxy_host(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        host: String,
    ) -> Result<Option<ProxyHost>> {
        let sql = format!("SELECT {HOST} FROM proxy_host WHERE merchant_id = $1 AND mode = $2 AND host = $3");
        let row = self.one(&sql, &[&merchant.as_str(), &mode.as_str(), &host]).await?;
        row.as_ref().map(read_host).transpose()
    }

    async fn list_proxy_hosts(&mut self, merchant: MerchantId, mode: Mode) -> Result<Vec<ProxyHost>> {
        let sql = format!("SELECT {HOST} FROM proxy_host WHERE merchant_id = $1 AND mode = $2 ORDER BY host");
        self.all(&sql, &[&merchant.as_str(), &mode.as_str()]).await?.iter().map(read_host).collect()
    }

    async fn delete_proxy_host(&mut self, merchant: MerchantId, mode: Mode, host: String) -> Result<bool> {
        let sql = "DELETE FROM proxy_host WHERE merchant_id = $1 AND mode = $2 AND host = $3";
        Ok(self.execute(sql, &[&merchant.as_str(), &mode.as_str(), &host]).await? == 1)
    }

    async fn add_send(&mut self, send: ProxySend) -> Result<()> {
        // A card that is being deleted must not leave behind what is sent of it.
        let held = "SELECT 1 FROM card WHERE id = $1 FOR KEY SHARE";
        // A card that ended with its code is gone already.
        let gone = send.card.as_str().is_empty();
        if !gone && !self.any(held, &[&send.card.as_str()]).await? {
            return Err(StoreError::Retry);
        }
        let sql = format!(
            "INSERT INTO proxy_send ({SEND}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
             ON CONFLICT DO NOTHING"
        );
        let code = send.code.as_ref();
        self.add(
            &sql,
            &[
                &send.id.as_str(),
                &send.merchant.as_str(),
                &send.mode.as_str(),
                &send.card.as_str(),
                &send.state.as_str(),
                &i64::from(send.attempts),
                &send.sealed,
                &code.map_or(&[][..], |code| &code.sealed),
                &code.map(|code| code.cvv_key.as_str()),
                &code.map(|code| code.ends_at.millis()),
                &send.result,
                &send.created_at.millis(),
                &send.finished_at.map(Timestamp::millis),
            ],
        )
        .await
    }

    async fn find_send(&mut self, merchant: MerchantId, mode: Mode, id: SendId) -> Result<Option<ProxySend>> {
        let sql = format!("SELECT {SEND} FROM proxy_send WHERE id = $1 AND merchant_id = $2 AND mode = $3");
        let row = self.one(&sql, &[&id.as_str(), &merchant.as_str(), &mode.as_str()]).await?;
        row.as_ref().map(read_send).transpose()
    }

    async fn update_send(&mut self, send: ProxySend) -> Result<bool> {
        let sql = "UPDATE proxy_send SET state = $3, attempts = $4, sealed = $5, code = $6, cvv_key_id = $7,
                       code_ends_at = $8, result = $9, finished_at = $10
                   WHERE id = $1 AND merchant_id = $2 AND state = 'queued'";
        let code = send.code.as_ref();
        let changed = self
            .execute(
                sql,
                &[
                    &send.id.as_str(),
                    &send.merchant.as_str(),
                    &send.state.as_str(),
                    &i64::from(send.attempts),
                    &send.sealed,
                    &code.map_or(&[][..], |code| &code.sealed),
                    &code.map(|code| code.cvv_key.as_str()),
                    &code.map(|code| code.ends_at.millis()),
                    &send.result,
                    &send.finished_at.map(Timestamp::millis),
                ],
            )
            .await?;
        Ok(changed == 1)
    }

    async fn sweep_sends(&mut self, now: Timestamp, before: Timestamp, limit: u32) -> Result<u64> {
        let codes = self
            .execute(
                "UPDATE proxy_send SET code = ''::BYTEA, cvv_key_id = NULL, code_ends_at = NULL
                 WHERE cvv_key_id IS NOT NULL
                   AND (code_ends_at <= $1 OR NOT EXISTS (SELECT 1 FROM cvv_key k WHERE k.id = cvv_key_id))",
                &[&now.millis()],
            )
            .await?;
        self.execute(
            "DELETE FROM proxy_send WHERE id IN
             (SELECT id FROM proxy_send WHERE finished_at < $1 ORDER BY finished_at LIMIT $2)",
            &[&before.millis(), &i64::from(limit)],
        )
        .await?;
        Ok(codes)
    }
}

#[async_trait]
impl Rules for PostgresTransaction {
    async fn add_rule(&mut self, rule: RuleRow) -> Result<()> {
        let sql = format!("INSERT INTO rule ({RULE}) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING");
        self.add(
            &sql,
            &[
                &rule.merchant.as_str(),
                &rule.mode.as_str(),
                &rule.name,
                &rule.operations,
                &rule.created_at.millis(),
            ],
        )
        .await
    }

    async fn find_rule(&mut self, merchant: MerchantId, mode: Mode, name: String) -> Result<Option<RuleRow>> {
        let sql = format!("SELECT {RULE} FROM rule WHERE merchant_id = $1 AND mode = $2 AND name = $3");
        let row = self.one(&sql, &[&merchant.as_str(), &mode.as_str(), &name]).await?;
        row.as_ref().map(read_rule).transpose()
    }

    async fn list_rules(&mut self, merchant: MerchantId, mode: Mode) -> Result<Vec<RuleRow>> {
        let sql = format!("SELECT {RULE} FROM rule WHERE merchant_id = $1 AND mode = $2 ORDER BY name");
        self.all(&sql, &[&merchant.as_str(), &mode.as_str()]).await?.iter().map(read_rule).collect()
    }

    async fn delete_rule(&mut self, merchant: MerchantId, mode: Mode, name: String) -> Result<bool> {
        let sql = "DELETE FROM rule WHERE merchant_id = $1 AND mode = $2 AND name = $3";
        Ok(self.execute(sql, &[&merchant.as_str(), &mode.as_str(), &name]).await? == 1)
    }
}

fn read_host(row: &Row) -> Result<ProxyHost> {
    let row = Reader::new(row, "proxy_host");
    Ok(ProxyHost {
        id: HostId::stored(row.get(0)?),
        merchant: MerchantId::stored(row.get(1)?),
        mode: row.mode(2)?,
        host: row.get(3)?,
        sealed: row.get(4)?,
        created_at: row.time(5)?,
    })
}

fn read_send(row: &Row) -> Result<ProxySend> {
    let row = Reader::new(row, "proxy_send");
    let code = match (row.get::<Option<String>>(8)?, row.maybe_time(9)?) {
        (Some(key), Some(ends_at)) => {
            Some(WaitingCode { cvv_key: CvvKeyId::stored(key), sealed: row.get(7)?, ends_at })
        }
        _ => None,
    };
    Ok(ProxySend {
        id: SendId::stored(row.get(0)?),
        merchant: MerchantId::stored(row.get(1)?),
        mode: row.mode(2)?,
        card: CardId::stored(row.get(3)?),
        state: SendState::parse(row.get(4)?).ok_or_else(|| row.wrong("state"))?,
        attempts: row.number(5)?,
        sealed: row.get(6)?,
        code,
        result: row.get(10)?,
        created_at: row.time(11)?,
        finished_at: row.maybe_time(12)?,
    })
}

fn read_rule(row: &Row) -> Result<RuleRow> {
    let row = Reader::new(row, "rule");
    Ok(RuleRow {
        merchant: MerchantId::stored(row.get(0)?),
        mode: row.mode(1)?,
        name: row.get(2)?,
        operations: row.get(3)?,
        created_at: row.time(4)?,
    })
}
