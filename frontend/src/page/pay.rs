//! The pages of a payment: the bill above the form, the stored card, and the pages in the form's place.

use leptos::either::Either;
use leptos::prelude::*;
use shared::{Brand, Text, Texts, Wording};

use super::logo::logo;
use super::shell::{Shell, document};
use super::{Asset, Look};

/// What stands above everything on a payment's page.
#[derive(Clone, Debug, Default)]
pub struct Bill {
    /// Who gets the money.
    pub payee: String,
    /// How much, as its reader writes it.
    pub amount: String,
    /// What it is for; may be empty.
    pub purpose: String,
    /// Whether no money moves.
    pub is_test: bool,
}

/// What a payment's form shows beside its fields.
#[derive(Clone, Debug, Default)]
pub struct Payment {
    /// What is paid.
    pub bill: Bill,
    /// The stored card that is charged, in the place of a number's field.
    pub card: Option<KeptCard>,
    /// The way to the page with the stored card, or from it to one without: address and words.
    pub other: Option<(String, Text)>,
}

/// What is shown of a stored card.
#[derive(Clone, Debug)]
pub struct KeptCard {
    /// Its brand.
    pub brand: Brand,
    /// Its last digits.
    pub last: String,
    /// The end of its validity, `MM / YY`; may be empty.
    pub until: String,
}

/// A page in the form's place: how it stands with the payment, and what can be done.
#[derive(Debug)]
pub struct PaymentPage {
    /// The language of the document.
    pub wording: Wording,
    /// What is paid; absent where nothing may be told.
    pub bill: Option<Bill>,
    /// How it stands.
    pub state: PaymentState,
    /// Where the payer can go.
    pub back: Option<String>,
    /// What can be done.
    pub steps: Vec<Step>,
    /// How it looks.
    pub look: Look,
    /// The merchant's own stylesheet, cleaned.
    pub css: Option<String>,
    /// JSON for `page.js`, with `<`, U+2028 and U+2029 escaped (security rule 15).
    pub config: String,
    /// The nonce of the response's policy; hexadecimal.
    pub nonce: String,
    /// `static/page.js`.
    pub page_js: Asset,
}

/// How it stands with a payment that takes no card now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaymentState {
    /// It was accepted.
    Paid,
    /// The card was checked and found good.
    Checked,
    /// It was refused, for good.
    Declined,
    /// It was refused too often.
    TooMany,
    /// It has ended in another way, or there is none.
    Gone,
    /// The acquirer has not said yet.
    Waits,
    /// The payer has to go to the issuer.
    Bank,
}

/// Something that can be done: a button of a form, or a link that looks like one.
#[derive(Clone, Debug)]
pub struct Step {
    /// The id, where a script has to find it.
    pub id: Option<&'static str>,
    /// Where it leads.
    pub action: String,
    /// Names and values that a form posts, in their order; `None` for a link.
    pub params: Option<Vec<(String, String)>>,
    /// The button's words.
    pub button: Text,
    /// Whether another button is the first choice.
    pub is_second: bool,
}

/// The style of what these pages have beside the form's own.
pub(super) const CSS: &str = include_str!("../../../static/pay.css");

/// A whole document without fields.
pub fn payment_page(page: &PaymentPage) -> String {
    let body = Owner::new().with(|| body(page).to_html());
    let texts = &page.wording.texts;
    let css = CSS.to_owned() + page.css.as_deref().unwrap_or_default();
    let shell = Shell {
        title: &title(page.bill.as_ref(), texts.get(page.state.heading())),
        wording: &page.wording,
        nonce: &page.nonce,
        look: &page.look,
        css: Some(&css),
        config: Some(&page.config),
        page_js: Some(&page.page_js),
        keypad: None,
        assets: None,
    };
    document(&shell, &body)
}

/// The title of a document: what the page is about, and whose it is.
fn title(bill: Option<&Bill>, about: &str) -> String {
    bill.map_or_else(|| about.to_owned(), |bill| [about, " - ", &bill.payee].concat())
}

/// The bill, which is the heading of the page and names its form.
pub(super) fn bill(bill: &Bill, texts: &Texts) -> impl IntoView + use<> {
    let purpose = (!bill.purpose.is_empty()).then(|| view! { <p class="purpose">{bill.purpose.clone()}</p> });
    let mode = bill.is_test.then(|| view! { <p class="mode">{texts.get(Text::PayTest).to_owned()}</p> });
    view! {
        <header class="bill">
            <h1 id="cardamom-title">
                <span class="payee">{bill.payee.clone()}</span>
                " "
                <span class="sum">{bill.amount.clone()}</span>
            </h1>
            {purpose}
            {mode}
        </header>
    }
}

/// The stored card in one line.
pub(super) fn kept_card(card: &KeptCard) -> impl IntoView + use<> {
    let until = (!card.until.is_empty()).then(|| view! { <span class="until">{card.until.clone()}</span> });
    view! {
        <p class="kept" dir="ltr">
            <span class="brand" data-brand=card.brand.wire()>{card.brand.title()}</span>
            <span class="mask" translate="no">"•••• " {card.last.clone()}</span>
            {until}
        </p>
    }
}

/// The way to another page of the same payment.
pub(super) fn other((address, words): &(String, Text), texts: &Texts) -> impl IntoView + use<> {
    view! { <p class="other"><a href=address.clone()>{texts.get(*words).to_owned()}</a></p> }
}

fn body(page: &PaymentPage) -> impl IntoView + use<> {
    let texts = &page.wording.texts;
    let steps: Vec<_> = page.steps.iter().map(|of| step(of, texts)).collect();
    view! {
        <main class="sheet">
            {logo(&page.look)}
            {page.bill.as_ref().map(|of| bill(of, texts))}
            {told(page)}
            {steps}
        </main>
    }
}

fn told(page: &PaymentPage) -> impl IntoView + use<> {
    let texts = &page.wording.texts;
    let heading = texts.get(page.state.heading()).to_owned();
    // The page has one first heading: the bill's, where there is one.
    let heading = if page.bill.is_some() {
        Either::Left(view! { <h2>{heading}</h2> })
    } else {
        Either::Right(view! { <h1>{heading}</h1> })
    };
    let back = page.back.clone().map(|href| {
        view! { <a class="button" id="cardamom-back" href=href target="_top" rel="noreferrer">{texts.get(Text::PayReturn).to_owned()}</a> }
    });
    view! {
        <section class=page.state.class() role="status">
            <svg viewBox="0 0 48 48" aria-hidden="true" class=(page.state == PaymentState::Waits).then_some("turning")>
                <circle cx="24" cy="24" r="22"></circle>
                <path d=page.state.icon()></path>
            </svg>
            {heading}
            <p>{texts.get(page.state.text()).to_owned()}</p>
            {back}
        </section>
    }
}

fn step(step: &Step, texts: &Texts) -> impl IntoView + use<> {
    let words = texts.get(step.button).to_owned();
    let Some(params) = &step.params else {
        let class = if step.is_second { "button second" } else { "button" };
        return Either::Left(view! {
            <p class="step"><a class=class id=step.id href=step.action.clone() rel="noreferrer">{words}</a></p>
        });
    };
    let params: Vec<_> = params
        .iter()
        .map(|(name, value)| view! { <input type="hidden" name=name.clone() value=value.clone() /> })
        .collect();
    Either::Right(view! {
        <form class="step" method="post" id=step.id action=step.action.clone()>
            {params}
            <button type="submit" class=step.is_second.then_some("second")>{words}</button>
        </form>
    })
}

impl PaymentState {
    const fn heading(self) -> Text {
        match self {
            Self::Paid => Text::Paid,
            Self::Checked => Text::PayChecked,
            Self::Declined | Self::TooMany => Text::PayDeclined,
            Self::Gone => Text::Gone,
            Self::Waits => Text::PayWaits,
            Self::Bank => Text::PayBank,
        }
    }

    const fn text(self) -> Text {
        match self {
            Self::Paid | Self::Checked => Text::PaidText,
            Self::Declined => Text::PayDeclinedText,
            Self::TooMany => Text::PayTooMany,
            Self::Gone => Text::GoneText,
            Self::Waits => Text::PayWaitsText,
            Self::Bank => Text::PayBankText,
        }
    }

    const fn class(self) -> &'static str {
        match self {
            Self::Paid | Self::Checked => "notice good",
            Self::Declined | Self::TooMany => "notice bad",
            Self::Gone | Self::Waits | Self::Bank => "notice",
        }
    }

    const fn icon(self) -> &'static str {
        match self {
            Self::Paid | Self::Checked => "M15 25l6.5 6.5L34 18",
            Self::Declined | Self::TooMany => "M24 13v14M24 33.5v.5",
            Self::Gone | Self::Waits => "M24 13v11l7 5",
            Self::Bank => "M14 21l10-6 10 6zM17 21v10M24 21v10M31 21v10M14 33h20",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(state: PaymentState) -> PaymentPage {
        let evil = "<script>1</script>\"'".to_owned();
        let form = Step {
            id: Some("cardamom-issuer"),
            action: "https://issuer.example/\"><b>".to_owned(),
            params: Some(vec![(evil.clone(), evil.clone())]),
            button: Text::Continue,
            is_second: false,
        };
        let link = Step { id: Some("link"), params: None, ..form.clone() };
        PaymentPage {
            wording: Wording { lang: "en".to_owned(), rtl: false, texts: Texts::named() },
            bill: Some(Bill {
                payee: evil.clone(),
                amount: evil.clone(),
                purpose: evil.clone(),
                is_test: true,
            }),
            state,
            back: Some("https://shop.example/\"><b>".to_owned()),
            steps: vec![form, link],
            look: Look::default(),
            css: Some("</style><script>1</script>".to_owned()),
            config: "{}".to_owned(),
            nonce: "00ff".to_owned(),
            page_js: Asset { url: "/a/p.js".to_owned(), integrity: "sha384-abc".to_owned() },
        }
    }

    #[test]
    fn words_and_addresses_of_others_are_text() {
        let html = payment_page(&page(PaymentState::Bank));
        assert!(!html.contains("<script>1") && !html.contains("\"><b>"));
        assert_eq!(html.matches("<script").count(), 2);
        assert!(html.contains("id=\"cardamom-issuer\"") && html.contains("pay_test"));
        assert_eq!((html.matches("<form").count(), html.matches("id=\"link\"").count()), (1, 1));
    }

    #[test]
    fn a_page_has_one_first_heading_and_tells_how_it_stands() {
        for (state, heading) in [
            (PaymentState::Paid, "paid"),
            (PaymentState::Checked, "pay_checked"),
            (PaymentState::Declined, "pay_declined"),
            (PaymentState::TooMany, "pay_too_many"),
            (PaymentState::Gone, "gone"),
            (PaymentState::Waits, "pay_waits"),
        ] {
            let mut page = page(state);
            let html = payment_page(&page);
            assert!(html.contains(heading) && html.matches("<h1").count() == 1, "{state:?}");
            page.bill = None;
            let html = payment_page(&page);
            assert!(html.matches("<h1").count() == 1 && !html.contains("class=\"bill\""), "{state:?}");
        }
    }
}
