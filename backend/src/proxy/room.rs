//! Time and room of a call: how long it may take in all, and the places that it holds for what is large in it, so that
//! the memory of all calls together is bounded however many there are.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::{Proxy, ProxyError};

/// What a server does not answer by then is given up: a second is left of the 20 for looking through an answer.
const GIVEN_UP: Duration = Duration::from_secs(19);
/// Who has waited so long for room or for a turn has waited in vain: a message does not leave with less time than the
/// rest for its answer.
const WAITED: Duration = Duration::from_secs(17);
/// So long may the caller take to receive an answer that holds places.
const TAKEN: Duration = Duration::from_mins(1);

/// A call's time and places, from its arrival until its answer is taken: whoever works on it holds one of these.
pub struct Stay {
    begun: Instant,
    until: Instant,
    is_large: AtomicBool,
    places: Mutex<Vec<OwnedSemaphorePermit>>,
}

impl Stay {
    /// A call that arrives now and holds no place.
    pub fn begin() -> Self {
        Self::lasting(GIVEN_UP)
    }

    /// Something that nobody waits for, of which so many are under way at once that it needs no place.
    pub(super) fn behind(time: Duration) -> Self {
        let stay = Self::lasting(time);
        stay.is_large.store(true, Ordering::Relaxed);
        stay
    }

    fn lasting(time: Duration) -> Self {
        let begun = Instant::now();
        Self { begun, until: begun + time, is_large: AtomicBool::new(false), places: Mutex::default() }
    }

    /// When an answer has to be there.
    pub const fn until(&self) -> Instant {
        self.until
    }

    /// When the caller has to have taken an answer that is there now.
    pub fn taken_by() -> Instant {
        Instant::now() + TAKEN
    }

    /// How long the server that is called has left.
    pub(super) fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// Whether what is large may be made.
    pub(super) fn has_room(&self) -> bool {
        self.is_large.load(Ordering::Relaxed)
    }

    /// Whether it holds a place.
    pub fn holds_places(&self) -> bool {
        !self.places().is_empty()
    }

    /// Takes a place for a call with a large body; `Busy` where none is free in time.
    pub async fn take_room(&self, proxy: &Proxy) -> Result<(), ProxyError> {
        if !self.has_room() {
            self.keep(Some(self.wait_for_place(&proxy.room).await?));
            self.is_large.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Waits for one of these places; `Busy` where none is free in time.
    pub(super) async fn wait_for_place(
        &self,
        places: &Arc<Semaphore>,
    ) -> Result<OwnedSemaphorePermit, ProxyError> {
        self.wait_for(Arc::clone(places).acquire_owned()).await?.map_err(|_| ProxyError::Busy)
    }

    /// Waits for something that has to be there before the message leaves; `Busy` where it is not in time.
    pub(super) async fn wait_for<T>(&self, wanted: impl Future<Output = T>) -> Result<T, ProxyError> {
        let last = self.begun + WAITED;
        let got = timeout_at(last, wanted).await.map_err(|_| ProxyError::Busy)?;
        // What came with the last second came too late: others may have waited in vain to make it free.
        if Instant::now() < last { Ok(got) } else { Err(ProxyError::Busy) }
    }

    /// Holds a place until the end.
    pub(super) fn keep(&self, place: Option<OwnedSemaphorePermit>) {
        self.places().extend(place);
    }

    fn places(&self) -> std::sync::MutexGuard<'_, Vec<OwnedSemaphorePermit>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outgoing::{Allowed, Outgoing};
    use crate::proxy::LARGE;
    use crate::vault::cards::CardName;

    fn proxy() -> Proxy {
        Proxy::new(Outgoing::new(Allowed::default()).unwrap())
    }

    // The clock of these tests moves on by itself while everything waits.

    #[tokio::test(start_paused = true)]
    async fn room_is_had_in_time_or_not_at_all() {
        let proxy = proxy();
        let mut stays = Vec::new();
        for _ in 0..LARGE {
            let stay = Stay::begin();
            stay.take_room(&proxy).await.unwrap();
            // Once is enough.
            stay.take_room(&proxy).await.unwrap();
            stays.push(stay);
        }
        assert_eq!(proxy.room.available_permits(), 0);
        let late = Stay::begin();
        assert!(matches!(late.take_room(&proxy).await, Err(ProxyError::Busy)));
        assert!(!late.has_room() && !late.holds_places());
        assert_eq!((late.begun.elapsed(), late.left()), (WAITED, Duration::from_secs(2)));

        let next = Stay::begin();
        let (taken, ()) = tokio::join!(next.take_room(&proxy), async {
            tokio::time::sleep(WAITED / 2).await;
            stays.pop();
        });
        taken.unwrap();
        assert!(next.has_room() && next.holds_places());
        drop((next, stays));
        assert_eq!(proxy.room.available_permits(), LARGE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_is_had_in_time_or_not_at_all() {
        let proxy = proxy();
        let name = CardName { token: "t".to_owned(), reference: String::new() };
        let held = proxy.turn(&name).await;
        let stay = Stay::begin();
        assert!(matches!(stay.wait_for(proxy.turn(&name)).await, Err(ProxyError::Busy)));
        assert_eq!(stay.begun.elapsed(), WAITED);
        drop(held);
        assert!(Stay::begin().wait_for(proxy.turn(&name)).await.unwrap().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_with_the_last_second_comes_too_late() {
        let stay = Stay::begin();
        let at_last = async {
            tokio::time::advance(WAITED).await;
        };
        assert!(matches!(stay.wait_for(at_last).await, Err(ProxyError::Busy)));
    }
}
