//! For the updater's benchmark: fills a data folder with tokens that have a card each, and opens all these cards and
//! does nothing else, which is the ceiling.

use std::error::Error;
use std::io::Write as _;
use std::time::Instant;

use backend::access::company;
use backend::access::merchants;
use backend::boot;
use backend::config::{Flags, Settings};
use backend::core::Core;
use backend::json::{Members, Value};
use backend::model::{GatewayToken, Mode, Scopes, TransactionId};
use backend::vault::members::{self, Rules, Sorted};
use backend::vault::within;

/// So many are stored, or opened, in one transaction.
const PAGE: u32 = 500;
/// The card whose expiry chooses what the simulated scheme knows: all its answers in turn.
const NUMBER: &str = "4000011180138710";
const MONTHS: u32 = 7;

type Done = Result<(), Box<dyn Error>>;

#[tokio::main]
async fn main() -> Done {
    let mut args = std::env::args().skip(1);
    let (Some(what), Some(data_dir)) = (args.next(), args.next()) else {
        return Err("WHAT DATA_DIR [COUNT]".into());
    };
    let settings = Settings::load(Flags { data_dir: Some(data_dir), ..Flags::default() })?;
    let core = boot::core(&settings, true).await?;
    match what.as_str() {
        "fill" => fill(&core, args.next().unwrap_or_default().parse()?).await,
        "open" => open(&core).await,
        _ => Err("fill or open".into()),
    }
}

async fn fill(core: &Core, count: u32) -> Done {
    let made = merchants::create(core, "Bench", Scopes::usual()).await?;
    let caller = company::acting(&made.id, Mode::Test, "bench", "");
    for first in (0..count).step_by(PAGE as usize) {
        // Anew for each page: a session ends after so many records.
        let key = within::open(core, &caller, false).await?;
        let mut transaction = core.store.begin().await?;
        for index in first..count.min(first + PAGE) {
            let card = key.add(core, &mut *transaction, &card(index % MONTHS + 1)?, "").await?;
            let now = core.clock.now();
            let token = GatewayToken {
                id: TransactionId::new(now, &*core.entropy),
                number: format!("{}", 1_000_000_000 + u64::from(index)),
                merchant: made.id.clone(),
                mode: Mode::Test,
                card: card.id,
                owns_card: true,
                enabled: true,
                scheme_reference: None,
                sealed: Vec::new(),
                version: 1,
                created_at: now,
                updated_at: now,
            };
            transaction.add_token(token).await?;
        }
        transaction.commit().await?;
    }
    Ok(())
}

fn card(month: u32) -> Result<Sorted, Box<dyn Error>> {
    let mut body = Members::default();
    body.set("card_number", Value::text(NUMBER));
    body.set("expiry", Value::text(format!("{month:02}/17")));
    let rules = Rules { luhn: true, account: false, locked: false, brand: None, code_checked: false };
    members::sort(body, rules).map_err(|_| "the card is refused".into())
}

/// Reads every token, opens its card, writes nothing; prints how many a second.
async fn open(core: &Core) -> Done {
    let began = Instant::now();
    let (mut after, mut count, mut key) = (None, 0_u32, None);
    loop {
        let tokens = core.store.read().await?.list_tokens(Mode::Test, None, after, PAGE).await?;
        let Some(last) = tokens.last() else { break };
        after = Some(last.id.clone());
        let caller = company::acting(&last.merchant, Mode::Test, "bench", "");
        let key = match &mut key {
            Some(key) => key,
            None => key.insert(within::open(core, &caller, false).await?),
        };
        let mut transaction = core.store.begin().await?;
        for token in &tokens {
            key.open_for_use(core, &mut *transaction, &token.card, None, &caller.actor()).await?;
            count += 1;
        }
    }
    let line = format!("{:.0}\n", f64::from(count) / began.elapsed().as_secs_f64());
    Ok(std::io::stdout().write_all(line.as_bytes())?)
}
