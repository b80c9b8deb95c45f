//! Moving everything that an older version of the root key wrapped to the newest one: in small steps, beside
//! captures, on any number of nodes at once. A step is undone or done; whoever begins again goes on.

use std::sync::Arc;
use std::time::Duration;

use super::{CHECK, FACTS, RootKeyError, bytes_of};
use crate::access::tokens;
use crate::core::Core;
use crate::crypto::binding::Binding;
use crate::crypto::root::{Digests, wrapped_version};
use crate::crypto::{CryptoError, custody, hex};
use crate::storage::{StoreError, Wrap, WrapPlace, until_won};

/// So many rows of a place are looked at, and at most replaced, in one step.
const ROWS: u32 = 200;
/// After a step that wrote, the writer is left to captures for a moment.
const PAUSE: Duration = Duration::from_millis(10);
/// Tries where the store asks for another one.
const TRIES: usize = 5;

/// What a pass did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Records that the newest version wraps now.
    pub moved: u64,
    /// Records that stay as they are: their version is not at hand, or they do not open.
    pub unreadable: u64,
}

/// One pass over everything that the root key wraps. Compare-and-set: what changed meanwhile stays changed, and
/// what a newer version than ours wrapped is left alone.
pub async fn rewrap(core: &Core) -> Result<Done, RootKeyError> {
    let version = core.root.version();
    let mut done = Done::default();
    // The check value first: from here on a node that has only the old version does not start.
    rewrap_facts(core, version, &mut done).await?;
    for place in WrapPlace::ALL {
        rewrap_place(core, place, version, &mut done).await?;
    }
    Ok(done)
}

async fn rewrap_facts(core: &Core, version: u32, done: &mut Done) -> Result<(), RootKeyError> {
    for name in FACTS {
        let Some(old) = core.store.read().await?.fact(name).await? else { continue };
        if wrapped_version(&bytes_of(&old))? >= version {
            continue;
        }
        let fresh = match name {
            CHECK => {
                core.root.verify(&bytes_of(&old))?;
                core.root.check_value(&*core.entropy)?
            }
            tokens::KEY => tokens::rewrap(core, &bytes_of(&old))?,
            _ => Digests::rewrap(&*core.root, &bytes_of(&old), &*core.entropy)?,
        };
        let mut transaction = core.store.begin().await?;
        let replaced = transaction.replace_fact(name, old, hex(&fresh)).await?;
        transaction.commit().await?;
        done.moved += u64::from(replaced);
    }
    Ok(())
}

async fn rewrap_place(
    core: &Core,
    place: WrapPlace,
    version: u32,
    done: &mut Done,
) -> Result<(), RootKeyError> {
    let mut after = String::new();
    loop {
        // Read apart from the write: a hardware module may take long, and no transaction waits for it.
        let stretch = core.store.read().await?.list_wraps(place, version, after, ROWS).await?;
        let Some(stretch) = stretch else { return Ok(()) };
        after = stretch.end;
        if stretch.old.is_empty() {
            continue;
        }
        let found = stretch.old.len() as u64;
        let fresh = wrap_anew(core, place, stretch.old).await?;
        done.unreadable += found - fresh.len() as u64;
        done.moved += store(core, place, fresh).await?;
        tokio::time::sleep(PAUSE).await;
    }
}

/// The wraps and their new forms, without those that do not open.
async fn wrap_anew(
    core: &Core,
    place: WrapPlace,
    old: Vec<Wrap>,
) -> Result<Vec<(Wrap, Vec<u8>)>, CryptoError> {
    let (root, entropy) = (Arc::clone(&core.root), Arc::clone(&core.entropy));
    let work = tokio::task::spawn_blocking(move || {
        let mut fresh = Vec::with_capacity(old.len());
        for wrap in old {
            match custody::rewrap(&wrap.wrapped, &bind(place, &wrap), &*root, &*entropy) {
                Ok(new) => fresh.push((wrap, new)),
                Err(error @ (CryptoError::Open | CryptoError::UnknownVersion(_))) => {
                    let (table, column) = place.column();
                    tracing::error!(%error, table, column, "a record cannot be moved to the newest root key");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(fresh)
    });
    work.await.unwrap_or(Err(CryptoError::Open))
}

async fn store(core: &Core, place: WrapPlace, fresh: Vec<(Wrap, Vec<u8>)>) -> Result<u64, StoreError> {
    until_won(TRIES, StoreError::is_race, || store_once(core, place, fresh.clone())).await
}

async fn store_once(core: &Core, place: WrapPlace, fresh: Vec<(Wrap, Vec<u8>)>) -> Result<u64, StoreError> {
    let mut transaction = core.store.begin().await?;
    let replaced = transaction.replace_wraps(place, fresh).await?;
    transaction.commit().await?;
    Ok(replaced)
}

/// What a record of a place is bound to.
fn bind(place: WrapPlace, wrap: &Wrap) -> Binding<'_> {
    let (kind, field) = place.bound_as();
    Binding {
        merchant: &wrap.merchant,
        mode: &wrap.mode,
        record: &wrap.record,
        kind,
        field,
        number: 0,
        key_version: wrap.number,
    }
}
