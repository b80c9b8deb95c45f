//! A small cache whose entries end by time: for keys and facts that must not be kept for long.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::model::Timestamp;

/// Entries live for `life` at most; at most `most` are kept. Values wipe themselves when the last holder drops
/// them, which is at the latest when their time is over and `sweep` came by.
pub struct TimedCache<K, V> {
    entries: Mutex<HashMap<K, (Timestamp, Arc<V>)>>,
    life: Duration,
    most: usize,
}

impl<K: Eq + Hash + Clone, V> TimedCache<K, V> {
    /// An empty cache.
    pub fn new(life: Duration, most: usize) -> Self {
        Self { entries: Mutex::new(HashMap::new()), life, most }
    }

    /// The entry of a key, if its time is not over.
    pub fn find(&self, key: &K, now: Timestamp) -> Option<Arc<V>> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.get(key).filter(|(end, _)| *end > now).map(|(_, value)| Arc::clone(value))
    }

    /// Keeps a value. When full, what is over goes, then whatever ends first.
    pub fn keep(&self, key: K, value: Arc<V>, now: Timestamp) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= self.most {
            entries.retain(|_, (end, _)| *end > now);
        }
        if entries.len() >= self.most {
            let first = entries.iter().min_by_key(|(_, (end, _))| *end).map(|(key, _)| key.clone());
            first.and_then(|first| entries.remove(&first));
        }
        entries.insert(key, (now.plus(self.life), value));
    }

    /// Forgets an entry.
    pub fn forget(&self, key: &K) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    /// Forgets what is over.
    pub fn sweep(&self, now: Timestamp) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, (end, _)| *end > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn entries_end_by_time_and_by_number() {
        let cache = TimedCache::new(Duration::from_mins(1), 2);
        cache.keep("a", Arc::new(1), at(0));
        assert_eq!(cache.find(&"a", at(59)).as_deref(), Some(&1));
        assert_eq!(cache.find(&"a", at(60)), None);
        cache.keep("b", Arc::new(2), at(10));
        cache.keep("c", Arc::new(3), at(20));
        assert_eq!(cache.find(&"a", at(21)), None);
        assert_eq!(cache.find(&"c", at(21)).as_deref(), Some(&3));
    }
}
