//! Faults that a test orders of the simulator, one for each call that follows. Nothing else orders any.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// What goes wrong with a call.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It does not arrive: nothing is done, and nothing answered.
    NotHeard,
    /// It is done, and the answer gets lost.
    Lost,
    /// It is done, and answered only when this is rung.
    Held(Arc<Notify>),
    /// It arrives twice.
    Twice,
}

/// Faults to come, in their order. A clone is a handle on the same ones.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Mutex<VecDeque<Fault>>>);

impl Faults {
    /// Orders a fault for the next call that has none yet.
    pub fn order(&self, fault: Fault) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(fault);
    }

    /// Takes back what has not happened yet.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The fault of this call.
    pub(super) fn next(&self) -> Option<Fault> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}
