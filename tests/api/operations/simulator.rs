//! The simulator as an operator slows it down: each answer takes its latency, and sales stay pending for their delay.

use std::time::{Duration, Instant};

use backend::config::Settings;
use backend::gateways::{Answer, sandbox};
use backend::model::{OperationKind, OperationState};

use super::till::{GOOD, REFUSED, Till};
use crate::app::TestApp;

/// Long enough to be told from none, and far below what a call may take.
const LATENCY: Duration = Duration::from_millis(60);

mod slow {
    use super::*;

    on_both_engines! {
        with latency;
        every_answer_takes_at_least_its_latency,
    }

    fn latency(settings: &mut Settings) {
        settings.gateways.sandbox = sandbox::Options { latency: LATENCY, ..sandbox::Options::default() };
    }

    async fn every_answer_takes_at_least_its_latency(app: TestApp) {
        let till = Till::open(app);
        let begun = Instant::now();
        let sold = till.sale(100, GOOD, "12/30").await;
        assert!(begun.elapsed() >= LATENCY && sold.operation.state == OperationState::Approved);
        let begun = Instant::now();
        till.follow_up(OperationKind::Refund, 40, &sold.operation).await;
        assert!(begun.elapsed() >= LATENCY);
        assert_eq!(till.book(&sold.operation).await.unwrap().refunded, 40);
    }
}

mod delayed {
    use super::*;

    on_both_engines! {
        with delay;
        a_sale_stays_pending_for_its_delay,
    }

    fn delay(settings: &mut Settings) {
        let delay = Duration::from_secs(30);
        settings.gateways.sandbox = sandbox::Options { delay, ..sandbox::Options::default() };
    }

    async fn a_sale_stays_pending_for_its_delay(app: TestApp) {
        let till = Till::open(app);
        let sold = till.sale(100, GOOD, "12/30").await;
        assert!(matches!(sold.answer, Some(Answer::Pending { .. })), "{:?}", sold.answer);
        till.inquire_after(20).await;
        assert_eq!(till.stored(&sold.operation).await.state, OperationState::Pending);
        assert_eq!(till.book(&sold.operation).await.unwrap().taken, 0);
        till.inquire_after(60).await;
        assert_eq!(till.stored(&sold.operation).await.state, OperationState::Approved);
        assert_eq!(till.book(&sold.operation).await.unwrap().taken, 100);
        assert_eq!(
            till.told(),
            [
                (sold.operation.id.clone(), OperationState::Pending),
                (sold.operation.id, OperationState::Approved)
            ]
        );
        // What is refused, or only reserved, is so at once.
        assert_eq!(till.sale(100, REFUSED, "05/29").await.operation.state, OperationState::Declined);
        till.authorised(100).await;
    }
}
