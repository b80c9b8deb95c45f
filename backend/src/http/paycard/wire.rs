//! The documents of cards and of the terms of their codes, as these clients read them (spec B.2, B.5).

use utoipa::ToSchema;

use crate::access::Caller;
use crate::http::booking::{Node, card_uri};
use crate::http::router::App;
use crate::model::{Card, CvvTerms, Timestamp};
use crate::vault::paycards::Paycard;

/// An error of this surface; in XML the root has this name.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents what is written by hand")]
pub struct ErrorBlock {
    /// The interface's number, such as -160 for an unknown URI.
    code: i64,
    /// One sentence.
    message: String,
    /// What was refused, where one place is at fault.
    #[schema(rename = "moreInfo")]
    more_info: String,
}

/// A card with its number masked; in XML below the root `BankCardDetails`.
#[derive(ToSchema)]
#[expect(dead_code, non_snake_case, reason = "documents what is written by hand, in the interface's names")]
pub struct BankCard {
    /// `Type`, `Number` (masked), `NameOnCard` (masked), `ExpirationDate` with `Month` and `Year`, `OwnerID` (masked).
    BankCard: serde_json::Value,
}

/// What is known of a card without opening it.
#[derive(ToSchema)]
#[expect(dead_code, non_snake_case, reason = "documents what is written by hand, in the interface's names")]
pub struct Metadata {
    /// The card's URI.
    URI: String,
    /// The brand; `unspecified` if unknown.
    CardType: String,
    /// At most the first six digits.
    LeadingDigits: String,
    /// The last four digits.
    LastDigits: String,
    /// The holder's name, masked.
    OwnerName: String,
    /// Month of the expiry.
    ExpirationMonth: Option<i64>,
    /// Year of the expiry.
    ExpirationYear: Option<i64>,
    /// The identity number of the card's owner, masked.
    OwnerID: Option<String>,
    /// The card's reference.
    CreatorReference: Option<String>,
    /// When it was stored, UTC.
    CreateDate: String,
    /// Whether a security code is stored.
    CvvExists: bool,
    /// When the code ends, UTC.
    EndRetentionDate: Option<String>,
}

/// A new expiry.
#[derive(ToSchema)]
#[expect(dead_code, non_snake_case, reason = "documents what is read by hand, in the interface's names")]
pub struct ExpirationUpdate {
    /// `Month` and `Year`.
    ExpirationDate: serde_json::Value,
}

/// What a copy is given.
#[derive(ToSchema)]
#[expect(dead_code, non_snake_case, reason = "documents what is read by hand, in the interface's names")]
pub struct Duplication {
    /// The copy's reference; that of the card where none is given.
    CreatorReference: Option<String>,
    /// A security code for the copy.
    CVV: Option<String>,
}

/// The terms of a security code.
#[derive(ToSchema)]
#[expect(dead_code, non_snake_case, reason = "documents what is read by hand, in the interface's names")]
pub struct RetentionPolicy {
    /// When the code ends; UTC where no zone is given.
    CvvEndRetentionDate: Option<String>,
    /// Whether the card is deleted with its code.
    DeleteCardUponCvvCleanup: Option<bool>,
    /// Destinations: `DestinationType`, `DestinationData`, `Quota`; `Usage` is answered.
    CvvRetentionPolicyList: Option<Vec<serde_json::Value>>,
}

/// A card, masked.
pub fn bank_card(card: &Card) -> Node {
    let shown = &card.shown;
    let date = shown.expiry.map_or(Node::Nothing, |expiry| {
        Node::Members(vec![
            ("Month", Node::Number(i64::from(expiry.month()))),
            ("Year", Node::Number(i64::from(expiry.year()))),
        ])
    });
    let masked = shared::mask::number(&shown.first_six, &shown.last_four, usize::from(shown.digits));
    Node::Members(vec![(
        "BankCard",
        Node::Members(vec![
            ("Type", Node::text(brand(card))),
            ("Number", Node::Text(masked.replace('•', "*"))),
            ("NameOnCard", Node::text(&*shown.holder)),
            ("ExpirationDate", date),
            ("OwnerID", Node::maybe(owner_id(card))),
        ]),
    )])
}

/// What is known of a card.
pub fn metadata(app: &App, caller: &Caller, found: &Paycard) -> Node {
    let (card, shown) = (&found.card, &found.card.shown);
    let number = |of: fn(shared::Expiry) -> i64| shown.expiry.map_or(Node::Nothing, |e| Node::Number(of(e)));
    let reference = Some(card.reference.clone()).filter(|text| !text.is_empty());
    Node::Members(vec![
        ("URI", Node::Text(card_uri(app, &card.token))),
        ("CardType", Node::text(brand(card))),
        ("LeadingDigits", Node::text(&*shown.first_six)),
        ("LastDigits", Node::text(&*shown.last_four)),
        ("OwnerName", Node::text(&*shown.holder)),
        ("ExpirationMonth", number(|expiry| i64::from(expiry.month()))),
        ("ExpirationYear", number(|expiry| i64::from(expiry.year()))),
        ("OwnerID", Node::maybe(owner_id(card))),
        ("CreatorReference", Node::maybe(reference)),
        ("UserID", Node::text(caller.merchant.as_str())),
        ("CreateDate", Node::Text(time(card.created_at))),
        ("CvvExists", Node::Flag(found.terms.is_some())),
        ("EndRetentionDate", Node::maybe(found.terms.as_ref().map(|terms| time(terms.expires_at)))),
    ])
}

/// The terms of a code, with what was used.
pub fn policy(terms: Option<&CvvTerms>) -> Node {
    let places = terms.map_or(&[][..], |terms| &terms.destinations).iter().map(|place| {
        Node::Members(vec![
            ("DestinationType", Node::text(place.kind.as_str())),
            ("DestinationData", Node::text(&*place.data)),
            ("Quota", Node::Number(i64::from(place.quota))),
            ("Usage", Node::Number(i64::from(place.used))),
        ])
    });
    Node::Members(vec![
        ("CvvEndRetentionDate", Node::maybe(terms.map(|terms| time(terms.expires_at)))),
        ("DeleteCardUponCvvCleanup", Node::Flag(terms.is_some_and(|terms| terms.deletes_card))),
        ("CvvRetentionPolicyList", Node::List("CvvRetentionPolicyDestinationUsage", places.collect())),
    ])
}

/// The owner's identity number, masked, where there is one.
fn owner_id(card: &Card) -> Option<String> {
    Some(card.shown.owner_id.clone()).filter(|text| !text.is_empty())
}

/// The brand's name in this interface.
fn brand(card: &Card) -> &'static str {
    match card.shown.brand {
        shared::Brand::Other => "unspecified",
        brand => brand.wire(),
    }
}

/// UTC without its zone, as this interface writes times.
fn time(at: Timestamp) -> String {
    at.rfc3339().trim_end_matches('Z').to_owned()
}
