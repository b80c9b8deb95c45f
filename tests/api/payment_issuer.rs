//! Payers at the issuer of an acquirer that goes on waiting for them: the way there by a link, and what becomes of those
//! who leave. The acquirer keeps a book of what it would have taken.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use backend::gateways::{
    Answer, Approval, CardInUse, Challenge, Decline, FollowUp, Gateway, Known, Order, Patience, Unknown,
};
use backend::invoices::settle::InvoiceOwner;
use backend::model::OperationId;
use backend::operations::{Operations, Routes};
use serde_json::{Value, json};

use crate::app::{NUMBER, OTHER_NUMBER, TestApp, text};
use crate::client::{Answer as Reply, Call, Client};
use crate::invoices::order;
use crate::payment_page::page;

on_both_engines! {
    an_issuer_by_a_link_is_gone_to_and_come_back_from,
    who_leaves_pays_otherwise_once_the_first_payment_is_freed,
    nothing_else_is_charged_while_the_first_payment_is_not_freed,
    a_payer_who_was_faster_has_paid,
    an_issuer_that_asks_again_leads_in_no_circle,
}

/// What the acquirer makes of a request to free a payment that waits for its payer.
#[derive(Clone, Copy, PartialEq)]
enum Freeing {
    Freed,
    Refused,
    /// The payer was faster: it is paid, and cannot be freed.
    TooLate,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Waits,
    Paid,
    Freed,
}

/// An acquirer whose issuer every payer has to see.
struct Bank {
    freeing: Freeing,
    book: Mutex<Vec<(OperationId, State)>>,
}

impl Bank {
    fn answer(&self, operation: &OperationId, change: impl FnOnce(&mut State)) -> Option<Answer> {
        let mut book = self.book.lock().unwrap();
        let (_, state) = book.iter_mut().find(|(known, _)| known == operation)?;
        change(state);
        let reference = format!("ref-{}", operation.as_str());
        Some(match state {
            State::Waits => Answer::Challenge(Challenge {
                method: "GET".to_owned(),
                action: "https://issuer.example/go".to_owned(),
                params: vec![("key".to_owned(), "a&b".to_owned())],
                reference,
            }),
            State::Paid => Answer::Approved(Approval { reference, ..Approval::default() }),
            State::Freed => {
                let resolution = "client_auth_failed".to_owned();
                Answer::Declined(Decline { reference, resolution, ..Decline::default() })
            }
        })
    }

    /// What became of each payment, in order.
    fn book(&self) -> Vec<State> {
        self.book.lock().unwrap().iter().map(|(_, state)| *state).collect()
    }

    fn paid(&self) -> usize {
        self.book().iter().filter(|state| **state == State::Paid).count()
    }
}

fn unheard() -> Unknown {
    Unknown("unheard".to_owned())
}

#[async_trait]
impl Gateway for Bank {
    fn host(&self) -> &'static str {
        "bank.example"
    }

    fn patience(&self) -> Patience {
        Patience {
            call: Duration::from_secs(5),
            inquiry: Duration::from_secs(1),
            certain: Duration::from_secs(20),
            again: Duration::ZERO,
        }
    }

    async fn authorize(&self, order: &Order, card: &CardInUse<'_>) -> Result<Answer, Unknown> {
        // One card is known here and asked about no more.
        let state = if card.number.digits() == OTHER_NUMBER { State::Paid } else { State::Waits };
        self.book.lock().unwrap().push((order.operation.clone(), state));
        self.answer(&order.operation, |_| ()).ok_or_else(unheard)
    }

    async fn verify(&self, _: &Order, _: &CardInUse<'_>) -> Result<Answer, Unknown> {
        Err(unheard())
    }

    fn takes_return(&self, _: &[(String, String)]) -> bool {
        true
    }

    async fn complete_authentication(
        &self,
        known: &Known,
        returned: &[(String, String)],
    ) -> Result<Answer, Unknown> {
        let proven = returned.iter().any(|(name, value)| name == "proof" && value == "yes");
        let settle = |state: &mut State| {
            if proven && *state == State::Waits {
                *state = State::Paid;
            }
        };
        self.answer(&known.operation, settle).ok_or_else(unheard)
    }

    async fn capture(&self, _: &FollowUp) -> Result<Answer, Unknown> {
        Err(unheard())
    }

    async fn void(&self, follow_up: &FollowUp) -> Result<Answer, Unknown> {
        assert_eq!(follow_up.original_reference, format!("ref-{}", follow_up.original.as_str()));
        let freeing = self.freeing;
        let settle = |state: &mut State| match freeing {
            Freeing::Freed => *state = State::Freed,
            Freeing::TooLate => *state = State::Paid,
            Freeing::Refused => {}
        };
        self.answer(&follow_up.original, settle).ok_or_else(unheard)?;
        Ok(match freeing {
            Freeing::Freed => Answer::Approved(Approval::default()),
            _ => Answer::Declined(Decline::default()),
        })
    }

    async fn refund(&self, _: &FollowUp) -> Result<Answer, Unknown> {
        Err(unheard())
    }

    fn can_inquire(&self, _: &Known) -> bool {
        true
    }

    async fn inquire(&self, known: &Known) -> Result<Option<Answer>, Unknown> {
        Ok(self.answer(&known.operation, |_| ()))
    }
}

/// A shop whose live payments go to the bank, with one invoice.
struct Shop {
    bank: Arc<Bank>,
    account: Client,
    payer: Client,
    invoice: Value,
}

impl Shop {
    async fn open(app: &TestApp, freeing: Freeing) -> Self {
        let bank = Arc::new(Bank { freeing, book: Mutex::default() });
        let gateways = [("bank".to_owned(), Arc::<Bank>::clone(&bank) as Arc<dyn Gateway>)].into();
        let routes = Routes::new([("payment_card_usd_hpp".to_owned(), "bank".to_owned())].into());
        let account = app.node_with(|node| {
            let owner = Arc::new(InvoiceOwner { public_url: node.public_url.clone() });
            let core = node.core.clone();
            node.operations = Arc::new(Operations::new(core, gateways, routes, vec![owner]));
        });
        let body = order("o1", json!({ "test_mode": false }));
        let invoice = account.post("/payment-invoices", body).await.is(201).json()["data"].clone();
        Self { bank, payer: account.anonymous(), account, invoice }
    }

    fn page(&self) -> String {
        page(&self.invoice)
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let call = Call::new("POST", &format!("{}{path}", self.page())).form(fields);
        let answer = self.payer.send(call.header("sec-fetch-site", "same-origin")).await;
        answer.is(303);
        answer
    }

    /// Fills the page as it is shown now, with a card.
    async fn pay(&self, number: &str) -> String {
        let shown = self.payer.get(&self.page()).await.text();
        let left = shown.split("name=\"attempts_left\" value=\"").nth(1).map_or("5", |rest| &rest[..1]);
        let fields = [
            ("attempts_left", left),
            ("card_number", number),
            ("card_holder", "Ada King"),
            ("expiry", "10/30"),
            ("cvv", "123"),
        ];
        self.post("", &fields).await.header("location").to_owned()
    }

    /// Comes back from the issuer; answers where it leads.
    async fn back(&self, proof: &str) -> String {
        let path = self.page().replace("/hpp/", "/payment/complete-auth/");
        let answer = self.payer.get(&format!("{path}?proof={proof}")).await;
        answer.is(303).header("location").to_owned()
    }

    async fn status(&self) -> Value {
        let target = format!("/payment-invoices/{}", text(&self.invoice["id"]));
        self.account.get(&target).await.ok()["data"]["attributes"]["status"].clone()
    }

    async fn shows(&self, words: &str) -> bool {
        self.payer.get(&self.page()).await.text().contains(words)
    }
}

const AT_ISSUER: &str = "href=\"https://issuer.example/go?key=a%26b\"";

async fn an_issuer_by_a_link_is_gone_to_and_come_back_from(app: TestApp) {
    let shop = Shop::open(&app, Freeing::Refused).await;
    let done = shop.pay(NUMBER).await;
    for (target, goes_on) in [(&done, true), (&shop.page(), false)] {
        let answer = shop.payer.get(target).await;
        let html = answer.is(200).text();
        assert!(html.contains(AT_ISSUER) && html.contains("id=\"cardamom-issuer\""), "{html}");
        assert!(html.contains(&format!("\"to_issuer\":{goes_on}")) && html.contains("Use another card"));
        // A link may lead on to other sites; the page's forms lead to itself.
        assert!(answer.header("content-security-policy").contains("form-action 'self';"));
    }
    assert_eq!(shop.back("yes").await, format!("{}/done", shop.page()));
    assert_eq!((shop.status().await, shop.bank.paid()), (json!("processed"), 1));
    // Once more, by the browser's button.
    assert_eq!(shop.back("yes").await, format!("{}/done", shop.page()));
    assert_eq!(shop.bank.paid(), 1);
}

async fn who_leaves_pays_otherwise_once_the_first_payment_is_freed(app: TestApp) {
    let shop = Shop::open(&app, Freeing::Freed).await;
    shop.pay(NUMBER).await;
    assert_eq!(shop.post("/another", &[]).await.header("location"), format!("{}/done", shop.page()));
    assert!(shop.bank.book() == [State::Freed] && shop.shows("name=\"card_number\"").await);
    // Whoever still sits at the issuer's page comes too late.
    shop.back("yes").await;
    assert_eq!(shop.status().await, json!("process_pending"));
    shop.pay(OTHER_NUMBER).await;
    assert_eq!(shop.status().await, json!("processed"));
    assert!(shop.bank.book() == [State::Freed, State::Paid]);
}

async fn nothing_else_is_charged_while_the_first_payment_is_not_freed(app: TestApp) {
    let shop = Shop::open(&app, Freeing::Refused).await;
    shop.pay(NUMBER).await;
    assert_eq!(shop.post("/another", &[]).await.header("location"), shop.page());
    assert!(shop.shows(AT_ISSUER).await, "the payer can go on there");
    shop.pay(OTHER_NUMBER).await;
    assert!(shop.bank.book() == [State::Waits], "one payment, and no second");
    shop.back("yes").await;
    assert_eq!((shop.status().await, shop.bank.paid()), (json!("processed"), 1));
}

async fn a_payer_who_was_faster_has_paid(app: TestApp) {
    let shop = Shop::open(&app, Freeing::TooLate).await;
    shop.pay(NUMBER).await;
    shop.post("/another", &[]).await;
    assert_eq!((shop.status().await, shop.bank.paid()), (json!("processed"), 1));
    shop.pay(OTHER_NUMBER).await;
    assert!(shop.bank.book() == [State::Paid]);
}

async fn an_issuer_that_asks_again_leads_in_no_circle(app: TestApp) {
    let shop = Shop::open(&app, Freeing::Refused).await;
    shop.pay(NUMBER).await;
    assert_eq!(shop.back("no").await, shop.page());
    assert!(shop.shows("\"to_issuer\":false").await);
    assert_eq!(shop.status().await, json!("process_pending"));
}
