//! The audit log's chains, in PostgreSQL.

use async_trait::async_trait;
use tokio_postgres::Row;

use super::rows::{Reader, column};
use super::transaction::PostgresTransaction;
use crate::model::{AuditRow, Head, Seal, WaitingEntries};
use crate::storage::Result;
use crate::storage::chains::{AuditChains, SealStep};

const ROW: &str =
    "SELECT merchant_id, id, mode, at, actor, action, object, outcome, address, mac FROM audit_entry";
const SEAL: &str = "SELECT chain, number, total, at, members, link FROM audit_seal";

#[async_trait]
impl AuditChains for PostgresTransaction {
    async fn waiting_entries(&mut self, rows: u32) -> Result<Vec<WaitingEntries>> {
        let sql = "SELECT first_id, chain, entries FROM audit_waiting ORDER BY first_id LIMIT $1";
        self.all(sql, &[&i64::from(rows)]).await?.iter().map(waiting).collect()
    }

    async fn waiting_entries_of(
        &mut self,
        chain: String,
        after: String,
        rows: u32,
    ) -> Result<Vec<WaitingEntries>> {
        let sql = "SELECT first_id, chain, entries FROM audit_waiting WHERE first_id > $1 AND chain = $2
                   ORDER BY first_id LIMIT $3";
        self.all(sql, &[&after, &chain, &i64::from(rows)]).await?.iter().map(waiting).collect()
    }

    async fn audit_heads(&mut self, chains: Vec<String>) -> Result<Vec<Head>> {
        let sql = "SELECT chain, number, total, at, link, torn, mac FROM audit_head WHERE chain = ANY($1)";
        self.all(sql, &[&chains]).await?.iter().map(head).collect()
    }

    async fn begin_chain(&mut self, head: Head) -> Result<()> {
        insert_heads(self, &[&head]).await.map(drop)
    }

    async fn append_seals(&mut self, step: SealStep) -> Result<bool> {
        // The first one alone: whoever has it keeps all other sealers waiting, so that none meets another half-way.
        let (first, others) = step.heads.split_at(step.heads.len().min(1));
        for heads in [first, others] {
            if !set_heads(self, heads).await? {
                return Ok(false);
            }
        }
        insert_seals(self, &step.seals).await?;
        let sql = "DELETE FROM audit_waiting w USING UNNEST($1::TEXT[], $2::TEXT[]) AS d (first_id, chain)
                   WHERE w.first_id = d.first_id AND w.chain = d.chain";
        let first = column(&step.sealed, |row| row.first.as_str());
        let chains = column(&step.sealed, |row| row.chain.as_str());
        Ok(self.execute(sql, &[&first, &chains]).await? == step.sealed.len() as u64)
    }

    async fn list_seals(&mut self, chain: String, after: i64, rows: u32) -> Result<Vec<Seal>> {
        let sql = format!("{SEAL} WHERE chain = $1 AND number > $2 ORDER BY number LIMIT $3");
        self.all(&sql, &[&chain, &after, &i64::from(rows)]).await?.iter().map(seal).collect()
    }

    async fn last_seal(&mut self, chain: String) -> Result<Option<Seal>> {
        let sql = format!("{SEAL} WHERE chain = $1 ORDER BY number DESC LIMIT 1");
        self.one(&sql, &[&chain]).await?.as_ref().map(seal).transpose()
    }

    async fn seal_links(&mut self, seals: Vec<(String, i64)>) -> Result<Vec<(String, i64, Vec<u8>)>> {
        let sql = "SELECT s.chain, s.number, s.link FROM audit_seal s
                   JOIN UNNEST($1::TEXT[], $2::BIGINT[]) AS w (chain, number)
                       ON s.chain = w.chain AND s.number = w.number";
        let chains = column(&seals, |(chain, _)| chain.as_str());
        let rows = self.all(sql, &[&chains, &column(&seals, |(_, number)| *number)]).await?;
        let link = |row: &Row| {
            let row = Reader::new(row, "audit_seal");
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        };
        rows.iter().map(link).collect()
    }

    async fn audit_rows(&mut self, chain: String, ids: Vec<String>) -> Result<Vec<AuditRow>> {
        let sql = format!("{ROW} WHERE merchant_id = $1 AND id = ANY($2)");
        self.all(&sql, &[&chain, &ids]).await?.iter().map(entry).collect()
    }

    async fn audit_ids(&mut self, chain: String, after: String, rows: u32) -> Result<Vec<String>> {
        let sql = "SELECT id FROM audit_entry WHERE merchant_id = $1 AND id > $2 ORDER BY id LIMIT $3";
        let rows = self.all(sql, &[&chain, &after, &i64::from(rows)]).await?;
        rows.iter().map(|row| Reader::new(row, "audit_entry").get(0)).collect()
    }

    async fn next_audit_chain(&mut self, after: Option<String>) -> Result<Option<String>> {
        // The empty text is a chain's name, and the first of all.
        let past = if after.is_some() { ">" } else { ">=" };
        let sql = format!(
            "SELECT min(chain) FROM (
                 (SELECT merchant_id AS chain FROM audit_entry WHERE merchant_id {past} $1
                  ORDER BY merchant_id LIMIT 1) UNION ALL
                 (SELECT chain FROM audit_seal WHERE chain {past} $1 ORDER BY chain LIMIT 1) UNION ALL
                 (SELECT chain FROM audit_head WHERE chain {past} $1 ORDER BY chain LIMIT 1)) s"
        );
        let row = self.one(&sql, &[&after.unwrap_or_default()]).await?;
        Ok(row.map(|row| Reader::new(&row, "audit_head").get(0)).transpose()?.flatten())
    }

    async fn unmarked_rows(&mut self, rows: u32) -> Result<Vec<AuditRow>> {
        let sql = format!("{ROW} WHERE mac IS NULL ORDER BY merchant_id, id LIMIT $1");
        self.all(&sql, &[&i64::from(rows)]).await?.iter().map(entry).collect()
    }

    async fn mark_rows(&mut self, rows: Vec<AuditRow>) -> Result<bool> {
        let sql = "UPDATE audit_entry e SET mac = n.mac
                   FROM UNNEST($1::TEXT[], $2::TEXT[], $3::BYTEA[]) AS n (chain, id, mac)
                   WHERE e.merchant_id = n.chain AND e.id = n.id AND e.mac IS NULL";
        let marked = self
            .execute(
                sql,
                &[
                    &column(&rows, |row| row.chain.as_str()),
                    &column(&rows, |row| row.id.as_str()),
                    &column(&rows, |row| row.mac.as_deref()),
                ],
            )
            .await?;
        if marked != rows.len() as u64 {
            return Ok(false);
        }
        insert_waiting(self, &WaitingEntries::of_rows(&rows)).await?;
        Ok(true)
    }
}

/// Lets entries wait for their seal.
pub async fn insert_waiting(t: &PostgresTransaction, rows: &[WaitingEntries]) -> Result<()> {
    t.execute(
        "INSERT INTO audit_waiting (first_id, chain, entries)
         SELECT * FROM UNNEST($1::TEXT[], $2::TEXT[], $3::TEXT[])",
        &[
            &column(rows, |row| row.first.as_str()),
            &column(rows, |row| row.chain.as_str()),
            &column(rows, |row| row.entries.join(" ")),
        ],
    )
    .await?;
    Ok(())
}

/// Whether each chain ended as it was read.
async fn set_heads(t: &PostgresTransaction, heads: &[(Option<Head>, Head)]) -> Result<bool> {
    let new: Vec<&Head> = heads.iter().filter(|(old, _)| old.is_none()).map(|(_, new)| new).collect();
    let follow: Vec<_> = heads.iter().filter_map(|(old, new)| old.as_ref().map(|old| (old, new))).collect();
    if !new.is_empty() && insert_heads(t, &new).await? != new.len() as u64 {
        return Ok(false);
    }
    if follow.is_empty() {
        return Ok(true);
    }
    let sql = "UPDATE audit_head h
               SET number = n.number, total = n.total, at = n.at, link = n.link, torn = n.torn, mac = n.mac
               FROM UNNEST($1::TEXT[], $2::BIGINT[], $3::BIGINT[], $4::BIGINT[], $5::BYTEA[], $6::BIGINT[],
                   $7::BYTEA[], $8::BYTEA[]) AS n (chain, number, total, at, link, torn, mac, old)
               WHERE h.chain = n.chain AND h.mac = n.old";
    let changed = t
        .execute(
            sql,
            &[
                &column(&follow, |(_, new)| new.chain.as_str()),
                &column(&follow, |(_, new)| new.number),
                &column(&follow, |(_, new)| new.total),
                &column(&follow, |(_, new)| new.at.millis()),
                &column(&follow, |(_, new)| new.link.as_slice()),
                &column(&follow, |(_, new)| i64::from(new.torn)),
                &column(&follow, |(_, new)| new.mac.as_slice()),
                &column(&follow, |(old, _)| old.mac.as_slice()),
            ],
        )
        .await?;
    Ok(changed == follow.len() as u64)
}

async fn insert_heads(t: &PostgresTransaction, heads: &[&Head]) -> Result<u64> {
    t.execute(
        "INSERT INTO audit_head (chain, number, total, at, link, torn, mac)
         SELECT * FROM UNNEST($1::TEXT[], $2::BIGINT[], $3::BIGINT[], $4::BIGINT[], $5::BYTEA[], $6::BIGINT[],
             $7::BYTEA[]) ON CONFLICT DO NOTHING",
        &[
            &column(heads, |head| head.chain.as_str()),
            &column(heads, |head| head.number),
            &column(heads, |head| head.total),
            &column(heads, |head| head.at.millis()),
            &column(heads, |head| head.link.as_slice()),
            &column(heads, |head| i64::from(head.torn)),
            &column(heads, |head| head.mac.as_slice()),
        ],
    )
    .await
}

async fn insert_seals(t: &PostgresTransaction, seals: &[Seal]) -> Result<()> {
    t.execute(
        "INSERT INTO audit_seal (chain, number, total, at, members, link)
         SELECT * FROM UNNEST($1::TEXT[], $2::BIGINT[], $3::BIGINT[], $4::BIGINT[], $5::TEXT[], $6::BYTEA[])",
        &[
            &column(seals, |seal| seal.chain.as_str()),
            &column(seals, |seal| seal.number),
            &column(seals, |seal| seal.total),
            &column(seals, |seal| seal.at.millis()),
            &column(seals, |seal| seal.members.as_str()),
            &column(seals, |seal| seal.link.as_slice()),
        ],
    )
    .await?;
    Ok(())
}

fn waiting(row: &Row) -> Result<WaitingEntries> {
    let row = Reader::new(row, "audit_waiting");
    let entries: &str = row.get(2)?;
    Ok(WaitingEntries {
        first: row.get(0)?,
        chain: row.get(1)?,
        entries: entries.split(' ').map(str::to_owned).collect(),
    })
}

fn head(row: &Row) -> Result<Head> {
    let row = Reader::new(row, "audit_head");
    Ok(Head {
        chain: row.get(0)?,
        number: row.get(1)?,
        total: row.get(2)?,
        at: row.time(3)?,
        link: row.get(4)?,
        torn: row.flag(5)?,
        mac: row.get(6)?,
    })
}

fn seal(row: &Row) -> Result<Seal> {
    let row = Reader::new(row, "audit_seal");
    Ok(Seal {
        chain: row.get(0)?,
        number: row.get(1)?,
        total: row.get(2)?,
        at: row.time(3)?,
        members: row.get(4)?,
        link: row.get(5)?,
    })
}

fn entry(row: &Row) -> Result<AuditRow> {
    let row = Reader::new(row, "audit_entry");
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
