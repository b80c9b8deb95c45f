//! What stands behind a link: its languages, a form that is sent again, the brands that are taken, the card's
//! reference, and the end of old requests.

use serde_json::{Value, json};

use crate::app::{NUMBER, TestApp, text};
use crate::client::{Answer, Call, Client};
use crate::requests::{ask, fill, filled, history, link, make, messages, press, shown};

on_both_engines! {
    a_form_that_is_sent_again_is_answered_alike_and_stored_once,
    a_plain_form_that_is_sent_again_is_thanked_for_again,
    a_changed_form_does_not_follow_a_stored_one,
    two_at_once_of_one_page_are_one_card,
    the_reference_is_kept_with_the_card,
    requests_are_forgotten_after_their_time,
}

const ID: &str = "aPageGaveThisNumber-1";

/// A filled form with the number that its page gave it.
fn numbered(number: &str, id: &str) -> Value {
    let mut body = filled(number, "737");
    body["submit_id"] = json!(id);
    body
}

async fn open(client: &Client, target: &str, languages: &str) -> Answer {
    client.send(Call::new("GET", target).header("accept-language", languages)).await
}

async fn a_form_that_is_sent_again_is_answered_alike_and_stored_once(app: TestApp) {
    let made = ask(&app, json!({})).await;
    let link = link(&app).await;
    let first = fill(&app.anonymous, &link, &numbered(NUMBER, ID)).await.ok();
    let second = fill(&app.anonymous, &link, &numbered(NUMBER, ID)).await.ok();
    assert_eq!(first, second);
    assert_eq!(app.stored_cards("managed").await.len(), 1);
    assert_eq!(history(&app, &made).await, ["MessageQueued", "FormViewed", "CardStored"]);
    app.clock.pass(3600);
    fill(&app.anonymous, &link, &numbered(NUMBER, ID)).await.is(404);
}

async fn a_plain_form_that_is_sent_again_is_thanked_for_again(app: TestApp) {
    ask(&app, json!({ "Language": "de" })).await;
    let link = link(&app).await;
    let page = app.anonymous.get(&link).await.is(200).text();
    let id = page.split("name=\"submit_id\" value=\"").nth(1).expect("a number").split('"').next().unwrap();
    let card = "card_holder=Ada+King&expiry=06%2F31&cvv=737";
    // What was refused comes back with its number: it is the same submit until it is changed.
    let wrong = format!("submit_id={id}&card_number=4111111111111112&{card}");
    let target = press(&app.anonymous, &link, &wrong).await.is(303).header("location").to_owned();
    let again = app.anonymous.get(&target).await.is(422).text();
    assert!(again.contains(&format!("name=\"submit_id\" value=\"{id}\"")) && again.contains("lang=\"de\""));
    let form = format!("submit_id={id}&card_number={NUMBER}&{card}");
    for _ in 0..2 {
        let target = press(&app.anonymous, &link, &form).await.is(303).header("location").to_owned();
        let thanks = app.anonymous.get(&target).await.is(200).text();
        assert!(thanks.contains("lang=\"de\"") && thanks.contains("gespeichert"), "{thanks}");
    }
    assert_eq!(app.stored_cards("managed").await.len(), 1);
}

async fn a_changed_form_does_not_follow_a_stored_one(app: TestApp) {
    ask(&app, json!({})).await;
    let link = link(&app).await;
    fill(&app.anonymous, &link, &numbered(NUMBER, ID)).await.is(200);
    fill(&app.anonymous, &link, &numbered("5555555555554444", ID)).await.is(404);
    fill(&app.anonymous, &link, &numbered(NUMBER, "aPageGaveThisNumber-2")).await.is(404);
    fill(&app.anonymous, &link, &filled(NUMBER, "737")).await.is(404);
    assert_eq!(app.stored_cards("managed").await.len(), 1);
}

async fn two_at_once_of_one_page_are_one_card(app: TestApp) {
    ask(&app, json!({})).await;
    let (link, body) = (link(&app).await, numbered(NUMBER, ID));
    let (one, other) = tokio::join!(fill(&app.anonymous, &link, &body), fill(&app.anonymous, &link, &body));
    assert_eq!((one.status, other.status), (200, 200));
    assert_eq!(app.stored_cards("managed").await.len(), 1);
}

async fn the_reference_is_kept_with_the_card(app: TestApp) {
    let made = ask(&app, json!({ "CreatorReference": "booking 7" })).await;
    let code = link(&app).await;
    fill(&app.anonymous, &code, &filled(NUMBER, "737")).await.is(200);
    let uri = text(&shown(&app, &made).await["CardUri"]);
    let path = uri.strip_prefix("https://cards.example").unwrap();
    let metadata = app.merchant.get(&format!("{path}/meta")).await.ok();
    assert_eq!(metadata["CreatorReference"], "booking 7");
    // A card with a reference is asked for its code by its address alone.
    for mode in ["update", "duplicate"] {
        let body = json!({ "CardUri": uri, "RecipientEmail": "ada@example.com", "Mode": mode });
        let made = make(&app, "/api/cardrequest/csc", body).await;
        let code = link(&app).await;
        fill(&app.anonymous, &code, &json!({ "cvv": "123" })).await.is(200);
        let path = text(&shown(&app, &made).await["CardUri"]).replace("https://cards.example", "");
        let metadata = app.merchant.get(&format!("{path}/meta")).await.ok();
        assert_eq!(
            (&metadata["CreatorReference"], &metadata["CvvExists"]),
            (&json!("booking 7"), &json!(true))
        );
    }
}

async fn requests_are_forgotten_after_their_time(app: TestApp) {
    let filled_one = ask(&app, json!({})).await;
    let code = link(&app).await;
    fill(&app.anonymous, &code, &filled(NUMBER, "737")).await.is(200);
    let day = 24 * 3600;
    app.clock.pass(89 * day);
    let expired = ask(&app, json!({ "TTL": 300 })).await;
    app.clock.pass(day - 1);
    app.sweep().await;
    assert_eq!(shown(&app, &filled_one).await["Status"], "CardStored");
    app.clock.pass(2);
    let open = ask(&app, json!({})).await;
    app.sweep().await;
    let gone = app.merchant.get(&format!("/api/cardrequest/{}", filled_one.id)).await;
    assert_eq!(gone.is(404).json()["code"], -160);
    assert_eq!(shown(&app, &expired).await["Status"], "LinkExpired");
    assert_eq!(shown(&app, &open).await["Status"], "MessageQueued");
    // The card is the merchant's.
    assert_eq!(app.stored_cards("managed").await.len(), 1);
    let left = app.merchant.get("/api/cardrequest").await.ok();
    assert_eq!(left["Items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn messages_and_pages_speak_the_language_of_the_request() {
    let app = TestApp::on_sqlite().await;
    let more =
        json!({ "Language": "nl-BE", "Amount": "12.4", "Currency": "EUR", "OtpPhone": "+4915123456789" });
    ask(&app, more).await;
    let code = link(&app).await;
    let message = messages(&app).pop().unwrap();
    assert!(message.contains("Subject: Shop vraagt om uw kaartgegevens"), "{message}");
    assert!(message.contains("De link werkt =C3=A9=C3=A9n keer"), "{message}");
    let page = open(&app.anonymous, &code, "fr").await.is(200).text();
    for words in ["lang=\"nl\"", "Bevestig dat u het bent", "Gevraagd door", "Stuur mij de code"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    press(&app.anonymous, &format!("{code}/passcode"), "").await.is(303);
    app.deliver().await;
    let sent = messages(&app).into_iter().find(|message| message.contains("is uw code")).expect("a passcode");
    assert!(sent.contains("kaartformulier"), "{sent}");
}

#[tokio::test]
async fn text_messages_speak_the_language_of_the_request() {
    let app = TestApp::on_sqlite().await;
    let body = json!({ "RecipientPhone": "4915123456789", "Language": "zh-TW" });
    make(&app, "/api/cardrequest", body).await;
    app.deliver().await;
    let message: Value = serde_json::from_str(&messages(&app).pop().unwrap()).unwrap();
    let words = text(&message["body"]);
    assert!(words.starts_with("Shop 請您提供信用卡資料: https://cards.example/r/"), "{words}");
}

#[tokio::test]
async fn what_is_gone_is_told_in_the_browsers_language_alike() {
    let app = TestApp::on_sqlite().await;
    let made = ask(&app, json!({ "Language": "de" })).await;
    let code = link(&app).await;
    app.merchant.delete(&format!("/api/cardrequest/{}", made.id)).await.is(200);
    let unknown = "/r/00000000000000000000000000000000";
    for (languages, heading) in
        [("fr-CH, en;q=0.5", "Lien expiré"), ("ja", "リンクの有効期限"), ("xx", "Link Expired")]
    {
        let withdrawn = open(&app.anonymous, &code, languages).await.is(404).text();
        assert!(withdrawn.contains(heading), "{languages}");
        let never = open(&app.anonymous, unknown, languages).await.is(404).text();
        let plain =
            |page: &str| page.split("</head>").nth(1).unwrap().replace(&code, "").replace(unknown, "");
        assert_eq!(plain(&withdrawn), plain(&never), "a page tells whether there was a request");
        let asked = open(&app.anonymous, &format!("{code}/asked"), languages).await.is(200).text();
        assert_eq!(asked.contains("Merci"), languages.starts_with("fr"));
    }
}

#[tokio::test]
async fn the_page_shows_the_brands_that_are_taken() {
    let app = TestApp::on_sqlite().await;
    ask(&app, json!({ "CardTypes": "MasterCard, Visa", "Language": "sv" })).await;
    let code = link(&app).await;
    let page = app.anonymous.get(&code).await.is(200).text();
    assert!(page.contains("data-cards=\"mastercard visa\""), "{page}");
    let mut amex = filled(crate::app::AMEX, "1234");
    amex["card_number"] = json!(crate::app::AMEX);
    fill(&app.anonymous, &code, &amex).await.refused(400, "invalid").at("/card_number", "not_accepted");
    fill(&app.anonymous, &code, &filled(NUMBER, "737")).await.is(200);
}
