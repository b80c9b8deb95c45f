//! The audit log's chains, in SQLite.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::threads::SqliteTransaction;
use crate::model::{AuditRow, Head, Seal, Timestamp, WaitingEntries};
use crate::storage::chains::{AuditChains, SealStep};
use crate::storage::{Result, StoreError};

const ROW: &str =
    "SELECT merchant_id, id, mode, at, actor, action, object, outcome, address, mac FROM audit_entry";
const SEAL: &str = "SELECT chain, number, total, at, members, link FROM audit_seal";

#[async_trait]
impl AuditChains for SqliteTransaction {
    async fn waiting_entries(&mut self, rows: u32) -> Result<Vec<WaitingEntries>> {
        self.run(move |c| {
            let sql = "SELECT first_id, chain, entries FROM audit_waiting ORDER BY first_id LIMIT ?1";
            collect(c.prepare_cached(sql)?.query_map([rows], waiting)?)
        })
        .await
    }

    async fn waiting_entries_of(
        &mut self,
        chain: String,
        after: String,
        rows: u32,
    ) -> Result<Vec<WaitingEntries>> {
        self.run(move |c| {
            let sql = "SELECT first_id, chain, entries FROM audit_waiting WHERE first_id > ?1 AND chain = ?2
                       ORDER BY first_id LIMIT ?3";
            collect(c.prepare_cached(sql)?.query_map(params![after, chain, rows], waiting)?)
        })
        .await
    }

    async fn audit_heads(&mut self, chains: Vec<String>) -> Result<Vec<Head>> {
        self.run(move |c| {
            let sql = "SELECT chain, number, total, at, link, torn, mac FROM audit_head WHERE chain = ?1";
            let mut statement = c.prepare_cached(sql)?;
            let mut heads = Vec::new();
            for chain in chains {
                heads.extend(statement.query_row([chain], head).optional()?);
            }
            Ok(heads)
        })
        .await
    }

    async fn begin_chain(&mut self, head: Head) -> Result<()> {
        self.run(move |c| insert_head(c, &head).map(drop)).await
    }

    async fn append_seals(&mut self, step: SealStep) -> Result<bool> {
        self.run(move |c| append(c, &step)).await
    }

    async fn list_seals(&mut self, chain: String, after: i64, rows: u32) -> Result<Vec<Seal>> {
        self.run(move |c| {
            let sql = format!("{SEAL} WHERE chain = ?1 AND number > ?2 ORDER BY number LIMIT ?3");
            collect(c.prepare_cached(&sql)?.query_map(params![chain, after, rows], seal)?)
        })
        .await
    }

    async fn last_seal(&mut self, chain: String) -> Result<Option<Seal>> {
        self.run(move |c| {
            let sql = format!("{SEAL} WHERE chain = ?1 ORDER BY number DESC LIMIT 1");
            Ok(c.query_row(&sql, [chain], seal).optional()?)
        })
        .await
    }

    async fn seal_links(&mut self, seals: Vec<(String, i64)>) -> Result<Vec<(String, i64, Vec<u8>)>> {
        self.run(move |c| {
            let mut statement =
                c.prepare_cached("SELECT link FROM audit_seal WHERE chain = ?1 AND number = ?2")?;
            let mut links = Vec::new();
            for (chain, number) in seals {
                let link = statement.query_row(params![chain, number], |row| row.get(0)).optional()?;
                links.extend(link.map(|link| (chain, number, link)));
            }
            Ok(links)
        })
        .await
    }

    async fn audit_rows(&mut self, chain: String, ids: Vec<String>) -> Result<Vec<AuditRow>> {
        self.run(move |c| {
            let mut statement = c.prepare_cached(&format!("{ROW} WHERE merchant_id = ?1 AND id = ?2"))?;
            let mut rows = Vec::with_capacity(ids.len());
            for id in ids {
                rows.extend(statement.query_row([&chain, &id], entry).optional()?);
            }
            Ok(rows)
        })
        .await
    }

    async fn audit_ids(&mut self, chain: String, after: String, rows: u32) -> Result<Vec<String>> {
        self.run(move |c| {
            let sql = "SELECT id FROM audit_entry WHERE merchant_id = ?1 AND id > ?2 ORDER BY id LIMIT ?3";
            collect(c.prepare_cached(sql)?.query_map(params![chain, after, rows], |row| row.get(0))?)
        })
        .await
    }

    async fn next_audit_chain(&mut self, after: Option<String>) -> Result<Option<String>> {
        self.run(move |c| {
            // The empty text is a chain's name, and the first of all.
            let past = if after.is_some() { ">" } else { ">=" };
            let sql = format!(
                "SELECT min(chain) FROM (
                     SELECT min(merchant_id) AS chain FROM audit_entry WHERE merchant_id {past} ?1 UNION ALL
                     SELECT min(chain) FROM audit_seal WHERE chain {past} ?1 UNION ALL
                     SELECT min(chain) FROM audit_head WHERE chain {past} ?1)"
            );
            Ok(c.query_row(&sql, [after.unwrap_or_default()], |row| row.get(0))?)
        })
        .await
    }

    async fn unmarked_rows(&mut self, rows: u32) -> Result<Vec<AuditRow>> {
        self.run(move |c| {
            let sql = format!("{ROW} WHERE mac IS NULL ORDER BY merchant_id, id LIMIT ?1");
            collect(c.prepare_cached(&sql)?.query_map([rows], entry)?)
        })
        .await
    }

    async fn mark_rows(&mut self, rows: Vec<AuditRow>) -> Result<bool> {
        self.run(move |c| {
            let sql = "UPDATE audit_entry SET mac = ?1 WHERE merchant_id = ?2 AND id = ?3 AND mac IS NULL";
            let mut statement = c.prepare_cached(sql)?;
            for row in &rows {
                if statement.execute(params![row.mac, row.chain, row.id])? != 1 {
                    return Ok(false);
                }
            }
            insert_waiting(c, &WaitingEntries::of_rows(&rows))?;
            Ok(true)
        })
        .await
    }
}

/// Lets entries wait for their seal.
pub fn insert_waiting(c: &Connection, rows: &[WaitingEntries]) -> Result<()> {
    let mut statement =
        c.prepare_cached("INSERT INTO audit_waiting (first_id, chain, entries) VALUES (?1, ?2, ?3)")?;
    for row in rows {
        statement.execute(params![row.first, row.chain, row.entries.join(" ")])?;
    }
    Ok(())
}

fn append(c: &Connection, step: &SealStep) -> Result<bool> {
    let mut update = c.prepare_cached(
        "UPDATE audit_head SET number = ?1, total = ?2, at = ?3, link = ?4, torn = ?5, mac = ?6
         WHERE chain = ?7 AND mac = ?8",
    )?;
    for (old, new) in &step.heads {
        let changed = match old {
            Some(old) => update.execute(params![
                new.number,
                new.total,
                new.at.millis(),
                new.link,
                new.torn,
                new.mac,
                new.chain,
                old.mac
            ])?,
            None => insert_head(c, new)?,
        };
        if changed != 1 {
            return Ok(false);
        }
    }
    let mut insert = c.prepare_cached(
        "INSERT INTO audit_seal (chain, number, total, at, members, link) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for seal in &step.seals {
        let at = seal.at.millis();
        insert.execute(params![seal.chain, seal.number, seal.total, at, seal.members, seal.link])?;
    }
    let mut delete = c.prepare_cached("DELETE FROM audit_waiting WHERE first_id = ?1 AND chain = ?2")?;
    for row in &step.sealed {
        if delete.execute([&row.first, &row.chain])? != 1 {
            return Ok(false);
        }
    }
    Ok(true)
}

fn insert_head(c: &Connection, head: &Head) -> Result<usize> {
    let sql = "INSERT INTO audit_head (chain, number, total, at, link, torn, mac)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING";
    let at = head.at.millis();
    let values = params![head.chain, head.number, head.total, at, head.link, head.torn, head.mac];
    Ok(c.prepare_cached(sql)?.execute(values)?)
}

fn collect<T>(rows: impl Iterator<Item = rusqlite::Result<T>>) -> Result<Vec<T>> {
    rows.collect::<rusqlite::Result<_>>().map_err(StoreError::from)
}

fn waiting(row: &Row<'_>) -> rusqlite::Result<WaitingEntries> {
    let entries: String = row.get(2)?;
    Ok(WaitingEntries {
        first: row.get(0)?,
        chain: row.get(1)?,
        entries: entries.split(' ').map(str::to_owned).collect(),
    })
}

fn head(row: &Row<'_>) -> rusqlite::Result<Head> {
    Ok(Head {
        chain: row.get(0)?,
        number: row.get(1)?,
        total: row.get(2)?,
        at: Timestamp::from_millis(row.get(3)?),
        link: row.get(4)?,
        torn: row.get(5)?,
        mac: row.get(6)?,
    })
}

fn seal(row: &Row<'_>) -> rusqlite::Result<Seal> {
    Ok(Seal {
        chain: row.get(0)?,
        number: row.get(1)?,
        total: row.get(2)?,
        at: Timestamp::from_millis(row.get(3)?),
        members: row.get(4)?,
        link: row.get(5)?,
    })
}

fn entry(row: &Row<'_>) -> rusqlite::Result<AuditRow> {
    Ok(AuditRow {
        chain: row.get(0)?,
        id: row.get(1)?,
        mode: row.get(2)?,
        at: row.get(3)?,
        actor: row.get(4)?,
        action: row.get(5)?,
        object: row.get(6)?,
        outcome: row.get(7)?,
        address: row.get(8)?,
        mac: row.get(9)?,
    })
}
