//! Operations on the acquirer simulator: run once, settled once, whatever gets lost on the way.

mod adyen;
mod by_hand;
mod charges;
mod conserved;
mod described;
mod follow_ups;
mod issuer;
mod lost;
mod returns;
mod simulator;
mod stripe;
mod till;
