//! Loading a table of issuers from a CSV file, line by line: it counts as a whole, once its last line is stored.

use std::io::Read;

use super::GENERATION;
use super::table::{LONGEST, SHORTEST};
use crate::core::{Actor, Core};
use crate::model::{BinRange, Issuer, Outcome};
use crate::storage::StoreError;

/// So many lines are stored in one transaction.
const CHUNK: usize = 2_000;
/// The longest text, in characters.
const LONGEST_TEXT: usize = 120;

/// The names that a column may have in the file's first line, in any case.
const NAMES: [(&str, &[&str]); 6] = [
    ("bin", &["bin", "prefix", "iin", "range"]),
    ("brand", &["brand", "scheme", "network", "card_brand"]),
    ("issuer", &["issuer", "issuing_bank", "bank", "bank_name"]),
    ("country", &["country", "country_name", "country_code", "issuer_country"]),
    ("type", &["type", "card_type", "kind"]),
    ("level", &["level", "card_level", "category"]),
];

/// Why a file was not loaded. Nothing of it counts.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The first line names no such column.
    #[error(
        "the first line names no column {0}; it needs bin and at least one of brand, issuer, country, type, level"
    )]
    Column(&'static str),
    /// A line that cannot be read.
    #[error("line {0}: {1}")]
    Line(u64, &'static str),
    /// No line but the first.
    #[error("the file has no lines")]
    Empty,
    /// The file.
    #[error("the file cannot be read: {0}")]
    Csv(#[from] csv::Error),
    /// Storage.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Loads a file. `progress` is told the number of lines, and of bytes read, after each chunk.
pub async fn import(
    core: &Core,
    file: impl Read,
    mut progress: impl FnMut(u64, u64),
) -> Result<u64, ImportError> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(file);
    let columns = Columns::find(reader.headers()?)?;
    let generation = core.now().millis();
    let (mut lines, mut chunk) = (0_u64, Vec::with_capacity(CHUNK));
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record)? {
        let number = record.position().map_or(0, csv::Position::line);
        chunk.push(columns.range(&record).map_err(|problem| ImportError::Line(number, problem))?);
        lines += 1;
        if chunk.len() == CHUNK {
            add(core, generation, std::mem::take(&mut chunk)).await?;
            progress(lines, reader.position().byte());
        }
    }
    if lines == 0 {
        return Err(ImportError::Empty);
    }
    add(core, generation, chunk).await?;
    progress(lines, reader.position().byte());
    switch(core, generation).await?;
    Ok(lines)
}

async fn add(core: &Core, generation: i64, chunk: Vec<BinRange>) -> Result<(), StoreError> {
    let mut transaction = core.store.begin().await?;
    transaction.add_bins(generation, chunk).await?;
    transaction.commit().await
}

/// Lets a generation count; nodes follow with their next sweep.
async fn switch(core: &Core, generation: i64) -> Result<(), StoreError> {
    let mut transaction = core.store.begin().await?;
    let fresh = generation.to_string();
    let known = transaction.add_fact(GENERATION, fresh.clone()).await?;
    if known != fresh && !transaction.replace_fact(GENERATION, known, fresh).await? {
        return Err(StoreError::Conflict);
    }
    let operator = Actor::operator(None, None);
    transaction
        .add_audit(core.entry(&operator, "bins.import", &generation.to_string(), Outcome::Done))
        .await?;
    transaction.commit().await
}

/// Where each column stands.
struct Columns([Option<usize>; 6]);

impl Columns {
    fn find(header: &csv::StringRecord) -> Result<Self, ImportError> {
        let found = NAMES.map(|(_, names)| {
            header.iter().position(|name| {
                let name = name.trim_start_matches('\u{FEFF}').to_lowercase().replace([' ', '-'], "_");
                names.contains(&name.as_str())
            })
        });
        match found {
            [None, ..] => Err(ImportError::Column("bin")),
            [_, None, None, None, None, None] => Err(ImportError::Column("issuer")),
            found => Ok(Self(found)),
        }
    }

    fn range(&self, record: &csv::StringRecord) -> Result<BinRange, &'static str> {
        let [prefix, brand, bank, country, kind, level] =
            self.0.map(|column| column.and_then(|column| record.get(column)).unwrap_or_default());
        if !(SHORTEST..=LONGEST).contains(&prefix.len()) || !prefix.bytes().all(|b| b.is_ascii_digit()) {
            return Err("the column bin has to hold 6 to 11 digits");
        }
        for text in [brand, bank, country, kind, level] {
            if text.chars().count() > LONGEST_TEXT || text.chars().any(shared::holder::is_unprintable) {
                return Err("a text has at most 120 printable characters");
            }
        }
        let [brand, bank, country, kind, level] = [brand, bank, country, kind, level].map(str::to_owned);
        let issuer = Issuer { brand, bank, country, kind, level };
        Ok(BinRange { prefix: prefix.to_owned(), issuer })
    }
}
