//! Hosts that cards may be sent to, cards on their way, and rules, in SQLite.

use async_trait::async_trait;
use rusqlite::{OptionalExtension, Row, params};

use super::merchants::mode;
use super::threads::SqliteTransaction;
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
impl Proxies for SqliteTransaction {
    async fn put_proxy_host(&mut self, host: ProxyHost) -> Result<()> {
        self.run(move |c| {
            c.execute(
                &format!(
                    "INSERT INTO proxy_host ({HOST}) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                     ON CONFLICT (merchant_id, mode, host) DO UPDATE SET id = ?1, sealed = ?5, created_at = ?6"
                ),
                params![
                    host.id.as_str(),
                    host.merchant.as_str(),
                    host.mode.as_str(),
                    host.host,
                    host.sealed,
                    host.created_at.millis()
                ],
            )?;
            Ok(())
        })
        .await
    }

    async fn find_proxy_host(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        host: String,
    ) -> Result<Option<ProxyHost>> {
        self.run(move |c| {
            let sql =
                format!("SELECT {HOST} FROM proxy_host WHERE merchant_id = ?1 AND mode = ?2 AND host = ?3");
            let mut statement = c.prepare_cached(&sql)?;
            let found = statement
                .query_row([merchant.as_str(), mode.as_str(), &host], |row| Ok(read_host(row)))
                .optional()?;
            found.transpose()
        })
        .await
    }

    async fn list_proxy_hosts(&mut self, merchant: MerchantId, mode: Mode) -> Result<Vec<ProxyHost>> {
        self.run(move |c| {
            let sql =
                format!("SELECT {HOST} FROM proxy_host WHERE merchant_id = ?1 AND mode = ?2 ORDER BY host");
            let mut statement = c.prepare_cached(&sql)?;
            let rows = statement.query_map([merchant.as_str(), mode.as_str()], |row| Ok(read_host(row)))?;
            rows.map(|row| row?).collect()
        })
        .await
    }

    async fn delete_proxy_host(&mut self, merchant: MerchantId, mode: Mode, host: String) -> Result<bool> {
        self.run(move |c| {
            let sql = "DELETE FROM proxy_host WHERE merchant_id = ?1 AND mode = ?2 AND host = ?3";
            Ok(c.execute(sql, [merchant.as_str(), mode.as_str(), &host])? == 1)
        })
        .await
    }

    async fn add_send(&mut self, send: ProxySend) -> Result<()> {
        self.run(move |c| {
            let sql = format!(
                "INSERT INTO proxy_send ({SEND})
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"
            );
            let code = send.code.as_ref();
            c.execute(
                &sql,
                params![
                    send.id.as_str(),
                    send.merchant.as_str(),
                    send.mode.as_str(),
                    send.card.as_str(),
                    send.state.as_str(),
                    send.attempts,
                    send.sealed,
                    code.map_or(&[][..], |code| &code.sealed),
                    code.map(|code| code.cvv_key.as_str()),
                    code.map(|code| code.ends_at.millis()),
                    send.result,
                    send.created_at.millis(),
                    send.finished_at.map(Timestamp::millis),
                ],
            )?;
            Ok(())
        })
        .await
    }

    async fn find_send(&mut self, merchant: MerchantId, mode: Mode, id: SendId) -> Result<Option<ProxySend>> {
        self.run(move |c| {
            let sql =
                format!("SELECT {SEND} FROM proxy_send WHERE id = ?1 AND merchant_id = ?2 AND mode = ?3");
            let mut statement = c.prepare_cached(&sql)?;
            let found = statement
                .query_row([id.as_str(), merchant.as_str(), mode.as_str()], |row| Ok(read_send(row)))
                .optional()?;
            found.transpose()
        })
        .await
    }

    async fn update_send(&mut self, send: ProxySend) -> Result<bool> {
        self.run(move |c| {
            let code = send.code.as_ref();
            let changed = c.execute(
                "UPDATE proxy_send SET state = ?3, attempts = ?4, sealed = ?5, code = ?6, cvv_key_id = ?7,
                     code_ends_at = ?8, result = ?9, finished_at = ?10
                 WHERE id = ?1 AND merchant_id = ?2 AND state = 'queued'",
                params![
                    send.id.as_str(),
                    send.merchant.as_str(),
                    send.state.as_str(),
                    send.attempts,
                    send.sealed,
                    code.map_or(&[][..], |code| &code.sealed),
                    code.map(|code| code.cvv_key.as_str()),
                    code.map(|code| code.ends_at.millis()),
                    send.result,
                    send.finished_at.map(Timestamp::millis),
                ],
            )?;
            Ok(changed == 1)
        })
        .await
    }

    async fn sweep_sends(&mut self, now: Timestamp, before: Timestamp, limit: u32) -> Result<u64> {
        self.run(move |c| {
            let codes = c.execute(
                "UPDATE proxy_send SET code = x'', cvv_key_id = NULL, code_ends_at = NULL
                 WHERE cvv_key_id IS NOT NULL
                   AND (code_ends_at <= ?1 OR NOT EXISTS (SELECT 1 FROM cvv_key k WHERE k.id = cvv_key_id))",
                [now.millis()],
            )?;
            c.execute(
                "DELETE FROM proxy_send WHERE id IN
                 (SELECT id FROM proxy_send WHERE finished_at < ?1 ORDER BY finished_at LIMIT ?2)",
                params![before.millis(), limit],
            )?;
            Ok(u64::try_from(codes).unwrap_or(u64::MAX))
        })
        .await
    }
}

#[async_trait]
impl Rules for SqliteTransaction {
    async fn add_rule(&mut self, rule: RuleRow) -> Result<()> {
        self.run(move |c| {
            let sql = format!("INSERT INTO rule ({RULE}) VALUES (?1, ?2, ?3, ?4, ?5)");
            c.execute(
                &sql,
                params![
                    rule.merchant.as_str(),
                    rule.mode.as_str(),
                    rule.name,
                    rule.operations,
                    rule.created_at.millis()
                ],
            )?;
            Ok(())
        })
        .await
    }

    async fn find_rule(&mut self, merchant: MerchantId, mode: Mode, name: String) -> Result<Option<RuleRow>> {
        self.run(move |c| {
            let sql = format!("SELECT {RULE} FROM rule WHERE merchant_id = ?1 AND mode = ?2 AND name = ?3");
            let mut statement = c.prepare_cached(&sql)?;
            let found = statement
                .query_row([merchant.as_str(), mode.as_str(), &name], |row| Ok(read_rule(row)))
                .optional()?;
            found.transpose()
        })
        .await
    }

    async fn list_rules(&mut self, merchant: MerchantId, mode: Mode) -> Result<Vec<RuleRow>> {
        self.run(move |c| {
            let sql = format!("SELECT {RULE} FROM rule WHERE merchant_id = ?1 AND mode = ?2 ORDER BY name");
            let mut statement = c.prepare_cached(&sql)?;
            let rows = statement.query_map([merchant.as_str(), mode.as_str()], |row| Ok(read_rule(row)))?;
            rows.map(|row| row?).collect()
        })
        .await
    }

    async fn delete_rule(&mut self, merchant: MerchantId, mode: Mode, name: String) -> Result<bool> {
        self.run(move |c| {
            let sql = "DELETE FROM rule WHERE merchant_id = ?1 AND mode = ?2 AND name = ?3";
            Ok(c.execute(sql, [merchant.as_str(), mode.as_str(), &name])? == 1)
        })
        .await
    }
}

fn read_host(row: &Row<'_>) -> Result<ProxyHost> {
    Ok(ProxyHost {
        id: HostId::stored(row.get(0)?),
        merchant: MerchantId::stored(row.get(1)?),
        mode: mode(&row.get::<_, String>(2)?, "proxy_host")?,
        host: row.get(3)?,
        sealed: row.get(4)?,
        created_at: Timestamp::from_millis(row.get(5)?),
    })
}

fn read_send(row: &Row<'_>) -> Result<ProxySend> {
    let state = SendState::parse(&row.get::<_, String>(4)?);
    let sealed: Vec<u8> = row.get(7)?;
    let code = match (row.get::<_, Option<String>>(8)?, row.get::<_, Option<i64>>(9)?) {
        (Some(key), Some(ends_at)) => Some(WaitingCode {
            cvv_key: CvvKeyId::stored(key),
            sealed,
            ends_at: Timestamp::from_millis(ends_at),
        }),
        _ => None,
    };
    Ok(ProxySend {
        id: SendId::stored(row.get(0)?),
        merchant: MerchantId::stored(row.get(1)?),
        mode: mode(&row.get::<_, String>(2)?, "proxy_send")?,
        card: CardId::stored(row.get(3)?),
        state: state.ok_or(StoreError::Inconsistent { table: "proxy_send", what: "state" })?,
        attempts: row.get(5)?,
        sealed: row.get(6)?,
        code,
        result: row.get(10)?,
        created_at: Timestamp::from_millis(row.get(11)?),
        finished_at: row.get::<_, Option<i64>>(12)?.map(Timestamp::from_millis),
    })
}

fn read_rule(row: &Row<'_>) -> Result<RuleRow> {
    Ok(RuleRow {
        merchant: MerchantId::stored(row.get(0)?),
        mode: mode(&row.get::<_, String>(1)?, "rule")?,
        name: row.get(2)?,
        operations: row.get(3)?,
        created_at: Timestamp::from_millis(row.get(4)?),
    })
}
