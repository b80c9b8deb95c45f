//! Follows the root key of a running node: reads a changed file, finds new versions in a module, and has older
//! wraps moved to the newest version.

use std::time::Duration;

use super::{RootKeyError, rewrap};
use crate::core::Core;

/// How often the file is looked at.
const TICK: Duration = Duration::from_secs(5);
/// Ticks until the pass is repeated after a change: what was wrapped before the change may be stored after it.
const SOON: u32 = 12;
/// Ticks until the pass is repeated otherwise: another node may have had the old version for longer.
const LATER: u32 = 720;

/// Runs until it is dropped.
pub async fn watch_for_ever(core: Core) {
    let mut watch = Watch::default();
    let mut ticks = tokio::time::interval(TICK);
    loop {
        ticks.tick().await;
        watch.tick(&core).await;
    }
}

#[derive(Default)]
struct Watch {
    version: u32,
    due_in: u32,
    again_soon: bool,
    /// What was complained of last, which is not said again.
    complaint: String,
}

impl Watch {
    async fn tick(&mut self, core: &Core) {
        let mut complaint = String::new();
        match core.root.refresh() {
            Ok(true) => {
                let (version, versions) = (core.root.version(), core.root.versions());
                tracing::info!(version, ?versions, "the root key changed");
            }
            Ok(false) => {}
            Err(error) => complaint = error.to_string(),
        }
        if let Err(error) = self.move_records(core).await {
            complaint = error.to_string();
        }
        if !complaint.is_empty() && complaint != self.complaint {
            tracing::error!(error = complaint, "the root key cannot be followed; what was read stays in use");
        }
        self.complaint = complaint;
    }

    /// A pass where one is due. A failed one is tried again with the next tick.
    async fn move_records(&mut self, core: &Core) -> Result<(), RootKeyError> {
        if core.root.version() != self.version {
            self.version = core.root.version();
            (self.due_in, self.again_soon) = (0, true);
        }
        if let Some(left) = self.due_in.checked_sub(1) {
            self.due_in = left;
            return Ok(());
        }
        let done = rewrap(core).await?;
        if done.moved > 0 {
            tracing::info!(
                version = self.version,
                moved = done.moved,
                "moved records to the newest root key"
            );
        }
        self.due_in = if self.again_soon { SOON } else { LATER };
        self.again_soon = false;
        Ok(())
    }
}
