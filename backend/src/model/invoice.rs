//! Payment invoices: what is to be paid, what has been, and the one table of how an invoice changes its state
//! (seed 004, spec B.3).

use super::published::STATUSES;
use super::{CardId, MerchantId, Mode, Money, OperationId, Timestamp};
use crate::crypto::entropy::Entropy;
use crate::crypto::secret;

/// So many characters follow the prefix of an identity (spec B.1).
const ID_LENGTH: usize = 16;
/// Attempts on the payment page in an invoice's life.
pub const MOST_ATTEMPTS: u32 = 5;

macro_rules! random_ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $name(String);

        impl $name {
            /// A new identity of 95 random bits.
            pub fn new(entropy: &dyn Entropy) -> Self {
                Self(format!(concat!($prefix, "_{}"), secret::generate_name(entropy, ID_LENGTH)))
            }

            /// An identity that was stored, or that somebody names.
            pub fn stored(text: String) -> Self {
                Self(text)
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

random_ids! {
    /// An invoice, as its merchant names it.
    InvoiceId = "cpi";
    /// The same invoice, as whoever pays it names it: who knows it may pay.
    PageId = "cgi";
    /// A customer of a merchant.
    CustomerId = "cus";
    /// A merchant's account of the invoice interface.
    AccountId = "coma";
}

impl InvoiceId {
    /// What follows the prefix.
    pub fn serial(&self) -> &str {
        self.0.split_once('_').map_or("", |(_, serial)| serial)
    }
}

/// How an invoice is paid, `payment_flow` on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flow {
    /// The amount is taken at once.
    Charge,
    /// The amount is reserved and captured later.
    DelayedCharge,
    /// The card is checked, and nothing is taken.
    Verify,
}

impl Flow {
    const ALL: [(Self, &'static str); 3] =
        [(Self::Charge, "charge"), (Self::DelayedCharge, "delayed_charge"), (Self::Verify, "verify")];

    /// The name on the wire and in storage.
    pub fn as_str(self) -> &'static str {
        Self::ALL.into_iter().find(|(flow, _)| *flow == self).map_or("", |(_, name)| name)
    }

    /// The flow of a name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, name)| *name == text).map(|(flow, _)| flow)
    }
}

/// The state of an invoice (spec B.3). Its name stands in [`STATUSES`], with those of channels that do not exist here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InvoiceStatus {
    /// It waits for its payer.
    ProcessPending,
    /// The amount is reserved, and waits for its capture.
    Processing,
    /// Paid. Can be refunded.
    Processed,
    /// A part of the reserved amount was taken, and the rest is free. Can be refunded.
    PartiallyProcessed,
    /// Not paid, for good.
    ProcessFailed,
    /// The card was checked and is good.
    Verified,
    /// The card was checked and is not good.
    VerifyFailed,
    /// Nobody paid in time.
    Expired,
    /// The merchant gave it up: before it was paid, or by freeing what was reserved.
    Terminated,
    /// A refund is under way, and the acquirer has not said how it ended.
    RefundPending,
    /// A part was given back. Can be refunded further.
    PartiallyRefunded,
    /// All was given back.
    Refunded,
}

/// What can happen to an invoice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// The amount was taken.
    Paid,
    /// The amount was reserved.
    Reserved,
    /// The card was found good.
    Verified,
    /// A payment was refused, and no other may be tried.
    Failed,
    /// The time is over.
    Expired,
    /// The merchant gave the invoice up, or freed what was reserved.
    Voided,
    /// So much of the reserved amount was taken; whether it is all of it.
    Captured {
        /// Whether nothing was left.
        all: bool,
    },
    /// A refund was asked for, and how it ended is not known yet.
    RefundWaits,
    /// Money was given back; whether it is all that was taken.
    Refunded {
        /// Whether nothing is left.
        all: bool,
    },
    /// A refund was refused; what the invoice goes back to.
    RefundRefused {
        /// Whether anything was given back before.
        some: bool,
        /// Whether all of the amount was taken.
        all: bool,
    },
}

impl InvoiceStatus {
    /// The name on the wire and in storage.
    pub fn as_str(self) -> &'static str {
        STATUSES.iter().find(|row| row.state == Some(self)).map_or("", |row| row.name)
    }

    /// The status of a name.
    pub fn parse(text: &str) -> Option<Self> {
        STATUSES.iter().find(|row| row.name == text).and_then(|row| row.state)
    }

    /// Whether nothing can happen any more.
    pub const fn is_end(self) -> bool {
        matches!(
            self,
            Self::ProcessFailed
                | Self::Verified
                | Self::VerifyFailed
                | Self::Expired
                | Self::Terminated
                | Self::Refunded
        )
    }

    /// Whether it can be paid.
    pub const fn is_payable(self) -> bool {
        matches!(self, Self::ProcessPending)
    }

    /// Whether money was taken that can be given back.
    pub const fn is_refundable(self) -> bool {
        matches!(self, Self::Processed | Self::PartiallyProcessed | Self::PartiallyRefunded)
    }

    /// The state that an event leads to; `None` where it cannot happen in this one.
    pub const fn after(self, event: Event, flow: Flow) -> Option<Self> {
        Some(match (self, event, flow) {
            (Self::ProcessPending, Event::Paid, Flow::Charge)
            | (Self::Processing, Event::Captured { all: true }, Flow::DelayedCharge)
            | (Self::RefundPending, Event::RefundRefused { some: false, all: true }, _) => Self::Processed,
            (Self::ProcessPending, Event::Reserved, Flow::DelayedCharge) => Self::Processing,
            (Self::ProcessPending, Event::Verified, Flow::Verify) => Self::Verified,
            (Self::ProcessPending, Event::Failed, Flow::Verify) => Self::VerifyFailed,
            (Self::ProcessPending, Event::Failed, _) => Self::ProcessFailed,
            (Self::ProcessPending, Event::Expired, _) => Self::Expired,
            (Self::ProcessPending | Self::Processing, Event::Voided, _) => Self::Terminated,
            (Self::Processing, Event::Captured { all: false }, Flow::DelayedCharge)
            | (Self::RefundPending, Event::RefundRefused { some: false, all: false }, _) => {
                Self::PartiallyProcessed
            }
            (_, Event::RefundWaits, _) if self.is_refundable() => Self::RefundPending,
            (_, Event::Refunded { all }, _) if self.is_refundable() || self.is_refunding() => {
                if all {
                    Self::Refunded
                } else {
                    Self::PartiallyRefunded
                }
            }
            (Self::RefundPending, Event::RefundRefused { some: true, .. }, _) => Self::PartiallyRefunded,
            _ => return None,
        })
    }

    const fn is_refunding(self) -> bool {
        matches!(self, Self::RefundPending)
    }
}

/// An invoice.
#[derive(Clone, Debug)]
pub struct Invoice {
    /// Identity towards the merchant.
    pub id: InvoiceId,
    /// Identity towards the payer, `sid` on the wire.
    pub page: PageId,
    /// Whose it is.
    pub merchant: MerchantId,
    /// Test or live.
    pub mode: Mode,
    /// The merchant's own name of it; unique for merchant and mode.
    pub reference: String,
    /// The name of the service, which chooses the gateway.
    pub service: String,
    /// How it is paid.
    pub flow: Flow,
    /// What is to be paid.
    pub amount: Money,
    /// The present state.
    pub status: InvoiceStatus,
    /// Why it did not succeed, by the names of spec B.3; `ok` otherwise.
    pub resolution: String,
    /// Minor units that were taken.
    pub taken: u64,
    /// Minor units that were given back.
    pub refunded: u64,
    /// Payments that were tried.
    pub attempts: u32,
    /// The operation that is under way; while there is one, no other may begin.
    pub busy: Option<OperationId>,
    /// The authorisation or sale that succeeded.
    pub payment: Option<OperationId>,
    /// Who pays, where the merchant said so.
    pub customer: Option<CustomerId>,
    /// The stored card that it is to be paid by, or was.
    pub card: Option<CardId>,
    /// Everything else, sealed under the root key: it names persons.
    pub sealed: Vec<u8>,
    /// When it was paid, reserved or verified.
    pub processed_at: Option<Timestamp>,
    /// When it failed, expired or was given up.
    pub failed_at: Option<Timestamp>,
    /// When money was last given back.
    pub refunded_at: Option<Timestamp>,
    /// When it can no longer be paid.
    pub expires_at: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed; a later change has a later second.
    pub updated_at: Timestamp,
    /// Counts writes of the row; a write is a compare-and-set on it.
    pub version: u32,
}

impl Invoice {
    /// When the sweeper has to end it; `None` while a payment is under way, and once it cannot be paid any more.
    pub fn open_until(&self) -> Option<Timestamp> {
        (self.status.is_payable() && self.busy.is_none()).then_some(self.expires_at)
    }

    /// What was taken.
    pub const fn processed(&self) -> Money {
        Money::of_minor(self.taken, self.amount.currency())
    }

    /// What can still be given back.
    pub const fn rest(&self) -> Money {
        Money::of_minor(self.taken.saturating_sub(self.refunded), self.amount.currency())
    }
}

/// A person or firm that pays a merchant.
#[derive(Clone, Debug)]
pub struct Customer {
    /// Identity.
    pub id: CustomerId,
    /// Whose customer.
    pub merchant: MerchantId,
    /// Test or live.
    pub mode: Mode,
    /// Keyed digest of the merchant's own name of the customer, as hex; unique for merchant and mode.
    pub reference_digest: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// That a stored card is a customer's, so that its token pays this customer's invoices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardOwner {
    /// The card.
    pub card: CardId,
    /// Whose card.
    pub merchant: MerchantId,
    /// Test or live.
    pub mode: Mode,
    /// Whose it is.
    pub customer: CustomerId,
    /// When a payment by it succeeded, or when the merchant brought it: without one its token is not usable yet.
    pub usable_at: Option<Timestamp>,
    /// When the merchant switched it off.
    pub disabled_at: Option<Timestamp>,
    /// What the scheme called the first payment, for those that follow.
    pub scheme_reference: Option<String>,
}

/// A merchant's credentials of the invoice interface. They are good for test and live: the invoice says which.
#[derive(Clone, Debug)]
pub struct Account {
    /// The Basic user name.
    pub id: AccountId,
    /// Whose it is.
    pub merchant: MerchantId,
    /// SHA-256 of the generated key (security rule 5).
    pub key_hash: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was ended.
    pub revoked_at: Option<Timestamp>,
}

/// What invoice callbacks of a mode are signed with.
#[derive(Clone, Debug)]
pub struct CallbackSecretRow {
    /// Whose.
    pub merchant: MerchantId,
    /// Test or live.
    pub mode: Mode,
    /// The secret, sealed under the root key.
    pub sealed: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A key pair that signs the tokens of direct sales.
#[derive(Clone, Debug)]
pub struct SaleKeyRow {
    /// Its name in tokens and in the published set, `kid`.
    pub id: String,
    /// PKCS #8, wrapped under the root key.
    pub wrapped_private: Vec<u8>,
    /// The published half, a JSON web key (RFC 7517).
    pub public: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When another took its place: it signs no more, and its tokens are good until they end.
    pub retired_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    const EVENTS: [Event; 15] = [
        Event::Paid,
        Event::Reserved,
        Event::Verified,
        Event::Failed,
        Event::Expired,
        Event::Voided,
        Event::Captured { all: true },
        Event::Captured { all: false },
        Event::RefundWaits,
        Event::Refunded { all: true },
        Event::Refunded { all: false },
        Event::RefundRefused { some: true, all: true },
        Event::RefundRefused { some: true, all: false },
        Event::RefundRefused { some: false, all: true },
        Event::RefundRefused { some: false, all: false },
    ];

    /// The transitions as a picture, apart from the code.
    const CHARGE: &str = "
        process_pending > processed process_failed expired terminated
        processed > refund_pending partially_refunded refunded
        refund_pending > processed partially_refunded refunded partially_processed
        partially_refunded > refund_pending partially_refunded refunded
        partially_processed > refund_pending partially_refunded refunded
        processing > terminated";
    const DELAYED: &str = "
        process_pending > processing process_failed expired terminated
        processing > processed partially_processed terminated
        processed > refund_pending partially_refunded refunded
        partially_processed > refund_pending partially_refunded refunded
        refund_pending > processed partially_refunded refunded partially_processed
        partially_refunded > refund_pending partially_refunded refunded";
    const VERIFY: &str = "
        process_pending > verified verify_failed expired terminated
        processed > refund_pending partially_refunded refunded
        refund_pending > processed partially_refunded refunded partially_processed
        partially_refunded > refund_pending partially_refunded refunded
        partially_processed > refund_pending partially_refunded refunded
        processing > terminated";

    fn pictured(picture: &str, from: InvoiceStatus) -> Vec<&str> {
        let line =
            picture.lines().find_map(|line| line.trim().strip_prefix(&format!("{} > ", from.as_str())));
        let mut names: Vec<_> = line.map(|line| line.split(' ').collect()).unwrap_or_default();
        names.sort_unstable();
        names
    }

    #[test]
    fn the_table_is_the_picture() {
        for (flow, picture) in
            [(Flow::Charge, CHARGE), (Flow::DelayedCharge, DELAYED), (Flow::Verify, VERIFY)]
        {
            for from in STATUSES.iter().filter_map(|row| row.state) {
                let reached = EVENTS.iter().filter_map(|event| from.after(*event, flow));
                let mut names: Vec<_> = reached.map(InvoiceStatus::as_str).collect();
                names.sort_unstable();
                names.dedup();
                assert_eq!(names, pictured(picture, from), "{flow:?} {from:?}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

        #[test]
        fn what_has_ended_stays(
            flow in select(vec![Flow::Charge, Flow::DelayedCharge, Flow::Verify]),
            events in prop::collection::vec(select(EVENTS.to_vec()), 0..24),
        ) {
            let mut status = InvoiceStatus::ProcessPending;
            for event in events {
                let next = status.after(event, flow);
                prop_assert!(!(status.is_end() && next.is_some()), "{:?} left by {:?}", status, event);
                status = next.unwrap_or(status);
            }
        }
    }

    #[test]
    fn names_come_back_as_stored() {
        for flow in [Flow::Charge, Flow::DelayedCharge, Flow::Verify] {
            assert_eq!(Flow::parse(flow.as_str()), Some(flow));
        }
        assert_eq!((InvoiceStatus::parse("paid"), Flow::parse("hpp")), (None, None));
    }

    #[test]
    fn identities_have_the_shape_of_the_interface() {
        let entropy = crate::crypto::entropy::SeededEntropy::new(3);
        let id = InvoiceId::new(&entropy);
        assert!(id.as_str().starts_with("cpi_") && id.serial().len() == 16);
        assert!(id.serial().bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_ne!(id, InvoiceId::new(&entropy));
    }
}
