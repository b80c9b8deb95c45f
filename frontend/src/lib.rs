//! The hosted card form. `ui` is what server and browser share; `page` renders whole documents (feature
//! `ssr`); `browser` brings them to life (feature `hydrate`). The crate knows `shared` and nothing else of Cardamom.

#[cfg(feature = "hydrate")]
mod browser;
#[cfg(feature = "ssr")]
mod page;
pub mod ui;

#[cfg(feature = "ssr")]
pub use page::{
    About, Asset, Assets, Bill, Choice, Choices, Contact, FormPage, KeptCard, LinkForm, LinkPage, Logo, Look,
    Notice, NoticePage, Payment, PaymentPage, PaymentState, Step, form_page, link_page, notice_page,
    payment_page,
};
#[cfg(feature = "ssr")]
pub use ui::Face;
