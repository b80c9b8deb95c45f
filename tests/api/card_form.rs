//! What the address of a card form asks for (spec B.3): until when a card has to be valid, months by their names, the
//! owner's identity number, the merchant's style alone, the check by the page around.

use serde_json::{Value, json};

use crate::app::{NUMBER, TestApp, text};
use crate::client::{Answer, Call};

on_both_engines! {
    a_parameter_that_is_none_is_refused_by_its_name,
    a_card_that_ends_too_soon_is_refused_by_the_server,
    a_month_that_has_come_asks_for_nothing,
    months_are_chosen_by_their_names,
    an_incomplete_choice_is_refused_in_words_for_lists,
    an_identity_number_is_asked_for_and_shown_masked,
    an_identity_number_is_not_asked_for_unless_it_is_wanted,
    a_bare_page_has_the_merchants_style_alone,
    the_page_around_is_asked_where_it_is_known,
}

/// A card form, opened.
struct Form {
    page: String,
    action: String,
    id: String,
    secret: String,
}

impl Form {
    async fn open(app: &TestApp, query: &str) -> Self {
        let page = app.merchant.get(&format!("/api/payments/capturecard?{query}")).await.is(200).text();
        let action = page.split("action=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        Self { action, id: hidden(&page, "unique_id"), secret: hidden(&page, "secret"), page }
    }

    /// Sends it as its page does without scripts, and answers the page that follows.
    async fn fill(&self, app: &TestApp, fields: &[(&str, &str)]) -> Answer {
        let mut all = vec![("unique_id", self.id.as_str()), ("secret", &self.secret)];
        let locale = self.page.contains("name=\"locale\"").then(|| hidden(&self.page, "locale"));
        all.extend(locale.iter().map(|locale| ("locale", locale.as_str())));
        all.extend([("card_number", NUMBER), ("card_holder", "Ada King")]);
        all.extend_from_slice(fields);
        let sent = app.anonymous.send(Call::new("POST", &self.action).form(&all)).await;
        app.anonymous.get(sent.is(303).header("location")).await
    }

    /// Sends it as its page's script does.
    async fn send(&self, app: &TestApp, fields: Value) -> Answer {
        let mut body = json!({ "unique_id": self.id, "card_number": NUMBER, "card_holder": "Ada King" });
        body.as_object_mut().unwrap().append(&mut fields.as_object().unwrap().clone());
        let call = Call::new("POST", &self.action).header("x-capture-secret", &self.secret);
        app.anonymous.send(call.json(&body)).await
    }
}

/// The value of a hidden input of a page.
fn hidden(page: &str, name: &str) -> String {
    let input = page.split("<input").find(|input| input.contains(&format!("name=\"{name}\""))).unwrap();
    input.split("value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

/// A list of a page with its choices.
fn list<'p>(page: &'p str, name: &str) -> &'p str {
    let list =
        page.split("<select ").find(|list| list.contains(&format!("name=\"{name}\""))).expect("a list");
    list.split("</select>").next().unwrap()
}

/// The URI of the one card that is stored.
async fn stored(app: &TestApp) -> String {
    let card = app.stored_cards("managed").await.remove(0);
    format!("/api/payments/paycard/{}", card.token)
}

async fn a_parameter_that_is_none_is_refused_by_its_name(app: TestApp) {
    for (query, member) in [
        ("minExpiration=0527", "minExpiration"),
        ("minExpiration=05-2031", "minExpiration"),
        ("minExpiration=132031", "minExpiration"),
        ("minExpiration=002031", "minExpiration"),
        ("minExpiration=205031", "minExpiration"),
        ("minExpiration=%2B52031", "minExpiration"),
        ("minExpiration=121999", "minExpiration"),
        ("minExpiration=012048", "minExpiration"),
        ("minExpiration=%D9%A0%D9%A5%D9%A2%D9%A0%D9%A3%D9%A1", "minExpiration"),
        ("expirationMonths=words", "expirationMonths"),
        ("showOwnerId=maybe", "showownerid"),
        ("removeBaseCss=2", "removebasecss"),
        ("useCustomValidation=yes", "usecustomvalidation"),
        ("useCustomValidation=true", "useCustomValidation"),
    ] {
        let answer = app.merchant.get(&format!("/api/payments/capturecard?{query}")).await;
        let body = answer.is(400).json();
        assert_eq!((&body["code"], text(&body["moreInfo"]).contains(member)), (&json!(-125), true), "{body}");
    }
    let made = app.merchant.get("/v1/capture").await.ok();
    assert_eq!(made, json!([]), "nothing is made for a form that does not open");
}

async fn a_card_that_ends_too_soon_is_refused_by_the_server(app: TestApp) {
    let form = Form::open(&app, "minExpiration=062031").await;
    assert!(form.page.contains("data-min-expiry=\"2031-06\""));
    assert!(form.page.contains("Valid until 06 / 31 or later"));
    // By the page's script, as a plain form, and past the form altogether.
    let refused = form.send(&app, json!({ "expiry": "05/31" })).await;
    refused.refused(400, "invalid").at("/expiry", "too_soon");
    let page = form.fill(&app, &[("expiry", "05/31")]).await.is(422).text();
    assert!(page.contains("data-problem=\"too_soon\"") && page.contains("This card expires too soon."));
    assert!(page.contains("Valid until 06 / 31 or later"), "what is asked for is told again");
    let direct = async |body: &Value| {
        let call = Call::new("POST", &format!("/v1/capture/{}", form.id));
        app.anonymous.send(call.header("x-capture-secret", &form.secret).json(body)).await
    };
    for (expiry, code) in
        [(json!("05/31"), "too_soon"), (json!(""), "missing"), (json!("12-2026"), "too_soon")]
    {
        let body = json!({ "card_number": NUMBER, "expiry": expiry });
        direct(&body).await.refused(400, "invalid").at("/expiry", code);
    }
    direct(&json!({ "card_number": NUMBER })).await.refused(400, "invalid").at("/expiry", "missing");
    assert!(app.stored_cards("managed").await.is_empty());
    let page = form.fill(&app, &[("expiry", "06/31")]).await;
    assert!(page.is(200).text().contains("Card saved"));
    // The owner sees what the endpoint takes.
    let shown = app.merchant.get(&format!("/v1/capture/{}", form.id)).await.ok();
    assert_eq!(shown["min_expiry"], "2031-06");
}

async fn a_month_that_has_come_asks_for_nothing(app: TestApp) {
    for month in ["012027", "122026", "052020"] {
        let page = Form::open(&app, &format!("minExpiration={month}")).await.page;
        assert!(!page.contains("data-min-expiry") && !page.contains("or later"), "{month}");
    }
}

async fn months_are_chosen_by_their_names(app: TestApp) {
    let form = Form::open(&app, "expirationMonths=Names&minExpiration=062031&language=it").await;
    let months = list(&form.page, "expiry_month");
    assert!(months.contains("autocomplete=\"cc-exp-month\"") && months.contains("required"), "{months}");
    assert!(months.contains("<option value=\"08\">agosto (08)</option>"), "{months}");
    assert_eq!(months.matches("<option").count(), 13);
    let years = list(&form.page, "expiry_year");
    assert!(years.contains("autocomplete=\"cc-exp-year\""), "{years}");
    assert!(years.contains("<option value=\"2031\">2031</option>") && !years.contains("\"2030\""), "{years}");
    assert!(years.contains("\"2047\"") && !years.contains("\"2048\""), "{years}");
    assert!(form.page.contains("Valida fino a 06 / 2031 o oltre") && !form.page.contains("name=\"expiry\""));
    // Without scripts, with what was wrong told and what was chosen kept.
    let early = [("expiry_month", "05"), ("expiry_year", "2031")];
    let page = form.fill(&app, &early).await.is(422).text();
    assert!(page.contains("data-problem=\"too_soon\"") && page.contains("lang=\"it\""), "{page}");
    assert!(list(&page, "expiry_month").contains("<option value=\"05\" selected>"), "{page}");
    assert!(list(&page, "expiry_year").contains("<option value=\"2031\" selected>"), "{page}");
    form.fill(&app, &[("expiry_month", "07"), ("expiry_year", "2031")]).await.is(200);
    let shown = app.merchant.get(&stored(&app).await).await.ok();
    assert_eq!(shown["BankCard"]["ExpirationDate"], json!({ "Month": 7, "Year": 2031 }));
    let page = Form::open(&app, "expirationMonths=numbers").await.page;
    assert!(page.contains("name=\"expiry\"") && !page.contains("expiry_month"));
}

async fn an_incomplete_choice_is_refused_in_words_for_lists(app: TestApp) {
    let form = Form::open(&app, "expirationMonths=names").await;
    let words = "Choose the month and the year in which your card expires.";
    for (month, year) in [("", ""), ("05", ""), ("", "2031")] {
        let chosen = [("expiry_month", month), ("expiry_year", year)];
        let page = form.fill(&app, &chosen).await.is(422).text();
        assert!(page.contains("data-problem=\"missing\"") && page.contains(words), "{month}/{year}");
        let sent = form.send(&app, json!({ "expiry_month": month, "expiry_year": year })).await;
        sent.refused(400, "invalid").at("/expiry", "missing");
    }
    for (month, year, code) in [("13", "2031", "month"), ("05", "1931", "format"), ("12", "2026", "past")] {
        let sent = form.send(&app, json!({ "expiry_month": month, "expiry_year": year })).await;
        sent.refused(400, "invalid").at("/expiry", code);
    }
    form.send(&app, json!({ "expiry_month": "05", "expiry_year": "2031" })).await.ok();
}

async fn an_identity_number_is_asked_for_and_shown_masked(app: TestApp) {
    let form = Form::open(&app, "showOwnerId=True&language=de&creatorReference=me").await;
    assert!(
        form.page.contains("name=\"owner_id\"") && form.page.contains("Ausweisnummer des Karteninhabers")
    );
    let without = form.send(&app, json!({ "expiry": "06/31" })).await;
    without.refused(400, "invalid").at("/owner_id", "missing");
    for (wrong, code) in [("1".repeat(41), "too_long"), (NUMBER.to_owned(), "holds_number")] {
        let answer = form.send(&app, json!({ "expiry": "06/31", "owner_id": wrong })).await;
        answer.refused(400, "invalid").at("/owner_id", code);
    }
    let page = form.fill(&app, &[("expiry", "06/31")]).await.is(422).text();
    assert!(page.contains("Ausweisnummer des Karteninhabers"), "again, and in the same language");
    form.fill(&app, &[("expiry", "06/31"), ("owner_id", " 03456782-9 ")]).await.is(200);
    let uri = stored(&app).await;
    assert_eq!(app.merchant.get(&uri).await.ok()["BankCard"]["OwnerID"], "••••••829");
    assert_eq!(app.merchant.get(&format!("{uri}/meta")).await.ok()["OwnerID"], "••••••829");
    let xml = app.merchant.send(Call::new("GET", &uri).header("accept", "application/xml")).await;
    assert!(xml.is(200).text().contains("<OwnerID>••••••829</OwnerID>"));
    // Whoever may open the card reads it in full, and in the database it stands sealed.
    let token = uri.rsplit('/').next().unwrap();
    assert_eq!(app.read(token, "me").await["owner_id"], "03456782-9");
    assert!(!app.everything_kept().await.windows(10).any(|window| window == b"03456782-9"));
    // A copy is the same person's card, and an update changes it.
    let copied = app.merchant.post(&format!("{uri}/duplicate"), json!({})).await;
    let copy = copied.is(201).header("location").strip_prefix("https://cards.example").unwrap().to_owned();
    assert_eq!(app.merchant.get(&copy).await.ok()["BankCard"]["OwnerID"], "••••••829");
    let update = format!("/v1/vault/update?user=managed&token={token}&reference=me");
    app.merchant.post(&update, json!({ "owner_id": "AB123" })).await.ok();
    assert_eq!(app.merchant.get(&uri).await.ok()["BankCard"]["OwnerID"], "•••23");
}

async fn an_identity_number_is_not_asked_for_unless_it_is_wanted(app: TestApp) {
    let form = Form::open(&app, "showOwnerId=false").await;
    assert!(!form.page.contains("owner_id"));
    form.fill(&app, &[("expiry", "06/31")]).await.is(200);
    let uri = stored(&app).await;
    assert_eq!(app.merchant.get(&uri).await.ok()["BankCard"]["OwnerID"], Value::Null);
}

async fn a_bare_page_has_the_merchants_style_alone(app: TestApp) {
    let css = "LmZpZWxkIHsgY29sb3I6IHRlYWw7IH0=";
    let form = json!({ "form_id": "plain", "embedded_css": css, "show_card": true });
    app.merchant.post("/v1/capture/iframe?form_type=pcd", form).await.ok();
    let own = ".sheet {";
    let dressed = Form::open(&app, "css=plain&brand=plain").await.page;
    assert!(dressed.contains(own) && dressed.contains("--surface") && dressed.contains("cardamom-picture"));
    let form = Form::open(&app, "css=plain&brand=plain&RemoveBaseCss=TRUE").await;
    let refused = form.fill(&app, &[("expiry", "01/20")]).await.is(422).text();
    let saved = form.fill(&app, &[("expiry", "06/31")]).await.is(200).text();
    for page in [&form.page, &refused, &saved] {
        assert!(
            !page.contains(own) && !page.contains("--surface") && !page.contains("id=\"cardamom-picture\"")
        );
        assert!(page.contains("[hidden] {\n  display: none !important;"), "what is hidden stays so");
        assert!(page.contains("teal"), "{page}");
    }
    // Errors are told as ever, and what stands hidden in the page says so by itself.
    assert!(refused.contains("role=\"alert\"") && refused.contains("aria-invalid=\"true\""));
}

async fn the_page_around_is_asked_where_it_is_known(app: TestApp) {
    let host = "postMessageHost=http%3A%2F%2Flocalhost%3A1";
    let asks = |page: &str| page.contains("\"asks_around\":{");
    let form = Form::open(&app, &format!("{host}&useCustomValidation=True")).await;
    assert!(asks(&form.page) && form.page.contains("Your card could not be checked."));
    let again = form.fill(&app, &[("expiry", "01/20")]).await.is(422).text();
    assert!(asks(&again), "a form that comes again asks too");
    assert!(!asks(&Form::open(&app, host).await.page));
    let endpoint = app.endpoint("").await;
    let page = async |more: &str| {
        let target =
            format!("/v1/capture/iframe/pcd?unique_id={}&secret={}{more}", endpoint.id, endpoint.secret);
        app.anonymous.get(&target).await.is(200).text()
    };
    let asking = page("&UseCustomValidation=true").await;
    assert!(asks(&asking) && asking.contains(r#""messages":"card_request""#));
    assert!(!asks(&page("&useCustomValidation=false").await));
    // It is no member of the card.
    assert!(!asking.contains("name=\"UseCustomValidation\""));
}
