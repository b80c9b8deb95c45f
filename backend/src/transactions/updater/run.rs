//! Working off account updates: what waits, what the calendar asks for, and what the operator runs. Always a page at a
//! time, so that the number of tokens makes no difference to memory.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::{Finding, Schemes, new, queue_token, renew};
use crate::access::company;
use crate::core::Core;
use crate::model::{AccountUpdate, GatewayToken, MerchantId, Mode, Outcome, TransactionId, UpdateCause};
use crate::operations::GivenCard;
use crate::storage::StoreError;
use crate::transactions::TransactionError;
use crate::transactions::manage::is_usable;
use crate::vault::VaultError;
use crate::vault::within::{self, Managed};

/// So many at once.
const PAGE: u32 = 100;
/// So many pages in one sweep.
const PAGES: usize = 50;
/// From this day of the month on, cards that end in it are asked about (spec A.9).
const DAY: i8 = 15;
/// The fact that names the month that was asked about last.
const FACT: &str = "updater.month";

/// Works account updates off on one node.
pub struct Updater {
    core: Core,
    schemes: Schemes,
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Tokens that were looked at.
    pub looked_at: u64,
    /// Tokens that got a newer card.
    pub updated: u64,
}

/// The open managed keys of a page's merchants.
type Keys = HashMap<(MerchantId, Mode), Managed>;

impl Updater {
    /// With the schemes of each mode.
    pub const fn new(core: Core, schemes: Schemes) -> Self {
        Self { core, schemes }
    }

    /// What the calendar asks for, then what waits. Part of a sweep.
    pub async fn sweep(&self) -> Result<(), TransactionError> {
        self.queue_month().await?;
        let mut after = None;
        for _ in 0..PAGES {
            let waiting = self.core.store.read().await?.waiting_updates(after, PAGE).await?;
            let Some(last) = waiting.last() else { return Ok(()) };
            // One that fails stays, and comes again with the next sweep.
            after = Some(last.id.clone());
            self.work_off(waiting).await?;
        }
        Ok(())
    }

    /// Asks about all tokens, or those whose card ends in a month, and tells how far it has come after each page.
    pub async fn run(
        &self,
        mode: Mode,
        expiring: Option<(u16, u8)>,
        mut tell: impl FnMut(Progress),
    ) -> Result<Progress, TransactionError> {
        let mut progress = Progress::default();
        let mut after = None;
        loop {
            let tokens = self.tokens(mode, expiring, after).await?;
            let Some(last) = tokens.last() else { return Ok(progress) };
            after = Some(last.id.clone());
            let mut updates = Vec::with_capacity(tokens.len());
            let mut transaction = self.core.store.begin().await?;
            for token in tokens.iter().filter(|token| token.enabled) {
                let update =
                    new(&self.core, (&token.merchant, token.mode), &token.number, UpdateCause::Operator);
                transaction.add_update(update.clone()).await?;
                updates.push(update);
            }
            transaction.commit().await?;
            progress.looked_at += updates.len() as u64;
            progress.updated += self.work_off(updates).await?;
            tell(progress);
        }
    }

    async fn tokens(
        &self,
        mode: Mode,
        expiring: Option<(u16, u8)>,
        after: Option<TransactionId>,
    ) -> Result<Vec<GatewayToken>, StoreError> {
        self.core.store.read().await?.list_tokens(mode, expiring, after, PAGE).await
    }

    /// Queues the tokens whose card ends this month, once a month.
    async fn queue_month(&self) -> Result<(), TransactionError> {
        let now = self.core.now();
        let date = jiff::Timestamp::from_millisecond(now.millis()).unwrap_or_default();
        let date = date.to_zoned(jiff::tz::TimeZone::UTC).date();
        let month = format!("{:04}-{:02}", date.year(), date.month());
        let known = self.core.store.read().await?.fact(FACT).await?;
        if date.day() < DAY || known.as_deref() == Some(month.as_str()) {
            return Ok(());
        }
        let ends = now.year_month();
        for mode in [Mode::Test, Mode::Live].into_iter().filter(|mode| self.schemes.of(*mode).is_some()) {
            let mut after = None;
            loop {
                let tokens = self.tokens(mode, Some((ends.year, ends.month)), after).await?;
                let Some(last) = tokens.last() else { break };
                after = Some(last.id.clone());
                let mut transaction = self.core.store.begin().await?;
                for token in tokens.iter().filter(|token| token.enabled) {
                    let owner = (&token.merchant, token.mode);
                    queue_token(&self.core, &mut *transaction, owner, &token.number, UpdateCause::Schedule)
                        .await?;
                }
                transaction.commit().await?;
            }
        }
        // Written last: after a fall it is done again, and finds what it has queued.
        let mut transaction = self.core.store.begin().await?;
        match known {
            Some(known) => transaction.replace_fact(FACT, known, month).await.map(drop)?,
            None => transaction.add_fact(FACT, month).await.map(drop)?,
        }
        Ok(transaction.commit().await?)
    }

    /// Asks about a page of tokens and files the answers; answers how many got a newer card.
    async fn work_off(&self, updates: Vec<AccountUpdate>) -> Result<u64, TransactionError> {
        let mut updated = 0;
        for mode in [Mode::Test, Mode::Live] {
            let page: Vec<_> = updates.iter().filter(|update| update.mode == mode).cloned().collect();
            if let (Some(scheme), false) = (self.schemes.of(mode), page.is_empty()) {
                let keys = self.keys(&page).await?;
                let (asked, cards, gone) = self.open(&keys, page).await?;
                let findings = scheme.look_up(&cards).await;
                drop(cards);
                let findings = match findings {
                    Ok(findings) => findings,
                    Err(error) => {
                        // They wait, and come again.
                        tracing::warn!(%error, "a scheme could not be asked about cards");
                        continue;
                    }
                };
                let found = asked.into_iter().zip(findings.into_iter().map(Some));
                let pairs = found.chain(gone.into_iter().map(|update| (update, None))).collect::<Vec<_>>();
                updated += self.file(&keys, &pairs).await?;
            }
        }
        Ok(updated)
    }

    async fn keys(&self, page: &[AccountUpdate]) -> Result<Keys, TransactionError> {
        let mut keys = HashMap::new();
        for update in page {
            let name = (update.merchant.clone(), update.mode);
            if let Entry::Vacant(place) = keys.entry(name) {
                let caller = company::acting(&update.merchant, update.mode, "updater", "");
                place.insert(within::open(&self.core, &caller, false).await?);
            }
        }
        Ok(keys)
    }

    /// Opens the cards of a page. They leave the vault after the audit entries of their use are committed. Those that
    /// are gone are told apart.
    async fn open(
        &self,
        keys: &Keys,
        page: Vec<AccountUpdate>,
    ) -> Result<(Vec<AccountUpdate>, Vec<GivenCard>, Vec<AccountUpdate>), TransactionError> {
        let (mut asked, mut cards, mut gone) = (Vec::new(), Vec::new(), Vec::new());
        let mut transaction = self.core.store.begin().await?;
        for update in page {
            let merchant = update.merchant.clone();
            let actor = company::acting(&merchant, update.mode, "updater", "").actor();
            let token = transaction.find_token(merchant.clone(), update.mode, update.token.clone()).await?;
            let key = keys.get(&(merchant, update.mode));
            let token = match token {
                Some(token) if is_usable(&mut *transaction, &token).await? => Some(token),
                _ => None,
            };
            let (Some(token), Some(key)) = (token, key) else {
                gone.push(update);
                continue;
            };
            match key.open_for_use(&self.core, &mut *transaction, &token.card, None, &actor).await {
                Ok(card) => {
                    let entry = self.core.entry(&actor, "card.use", token.card.as_str(), Outcome::Done);
                    transaction.add_audit(entry).await?;
                    asked.push(update);
                    cards.push(card);
                }
                Err(VaultError::UnknownCard | VaultError::Invalid(_)) => gone.push(update),
                Err(error) => return Err(error.into()),
            }
        }
        transaction.commit().await?;
        Ok((asked, cards, gone))
    }

    /// Files a page in one transaction, or, should that fail, each token in its own, so that one does not hold others
    /// back.
    async fn file(
        &self,
        keys: &Keys,
        pairs: &[(AccountUpdate, Option<Finding>)],
    ) -> Result<u64, TransactionError> {
        if let Ok(updated) = self.file_together(keys, pairs).await {
            return Ok(updated);
        }
        let mut updated = 0;
        for pair in pairs {
            match self.file_together(keys, std::slice::from_ref(pair)).await {
                Ok(one) => updated += one,
                Err(error) => tracing::error!(%error, "an account update could not be filed"),
            }
        }
        Ok(updated)
    }

    async fn file_together(
        &self,
        keys: &Keys,
        pairs: &[(AccountUpdate, Option<Finding>)],
    ) -> Result<u64, TransactionError> {
        let mut updated = 0;
        let mut transaction = self.core.store.begin().await?;
        for (update, finding) in pairs {
            let Some(key) = keys.get(&(update.merchant.clone(), update.mode)) else { continue };
            if renew::file(&self.core, &mut *transaction, key, update.clone(), finding.as_ref()).await? {
                updated += 1;
            }
        }
        transaction.commit().await?;
        Ok(updated)
    }
}
