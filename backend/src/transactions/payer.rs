//! 3-D Secure: where the payer is sent to, and how an authorisation goes on after that (spec A.2, `tds`).

use super::manage::disabled;
use super::reply::Reply;
use super::request::Request;
use super::run::Call;
use super::{TransactionError, outcome};
use crate::gateways::{Challenge, Payer};
use crate::json::{Members, Value};
use crate::model::{Subscription, TransactionState};

/// The answer that sends the payer by the first generation of 3-D Secure, and by the second.
const ENROLLED: u16 = 501;
const CHALLENGE: u16 = 503;

/// Where the payer comes back to. Without `ENQUIRE` or `SCA` nobody is there who could be sent anywhere. Clients of the
/// first generation name the address in the form that they send the payer with.
pub fn return_url(call: &Call<'_>) -> Option<String> {
    let is_wanted = matches!(call.request.text("tds", "action"), "ENQUIRE" | "SCA");
    is_wanted.then(|| call.request.text("tds.merchant", "challenge_url").to_owned())
}

/// The member of `tds` with facts about the payer's browser.
const BROWSER: &str = "tds.browser_data";
/// Their names, and those that gateways know them by (spec B.5, `browser_info`).
const FACTS: [(&str, &str); 9] = [
    ("accept_header", "browser_accept_header"),
    ("color_depth", "browser_color_depth"),
    ("java_enabled", "browser_java_enabled"),
    ("javascript_enabled", "browser_javascript_enabled"),
    ("language", "browser_language"),
    ("screen_height", "browser_screen_height"),
    ("screen_width", "browser_screen_width"),
    ("timezone", "browser_tz"),
    ("user_agent", "browser_user_agent"),
];
/// Bits of a colour in words.
const DEPTHS: [(&str, &str); 8] = [
    ("ONE_BIT", "1"),
    ("FOUR_BITS", "4"),
    ("EIGHT_BITS", "8"),
    ("FIFTEEN_BITS", "15"),
    ("SIXTEEN_BITS", "16"),
    ("TWENTY_FOUR_BITS", "24"),
    ("THIRTY_TWO_BITS", "32"),
    ("FORTY_EIGHT_BITS", "48"),
];

/// What is known of a payer, with what a request says of the browser.
pub fn with_browser(payer: Payer, request: &Request) -> Payer {
    let told = |name| request.text(BROWSER, name);
    let mut browser: Vec<(String, String)> = FACTS
        .into_iter()
        .map(|(name, known)| (known.to_owned(), fact(name, told(name)).to_owned()))
        .filter(|(_, text)| !text.is_empty())
        .collect();
    let window = told("challenge_window_size").strip_prefix("WINDOWED_");
    if let Some((width, height)) = window.and_then(|window| window.split_once('X')) {
        browser.push(("window_width".to_owned(), width.to_owned()));
        browser.push(("window_height".to_owned(), height.to_owned()));
    }
    let ip = if payer.ip.is_empty() { told("ip").to_owned() } else { payer.ip };
    Payer { ip, browser, ..payer }
}

/// A fact in the words of gateways.
fn fact<'t>(name: &str, text: &'t str) -> &'t str {
    match name {
        "color_depth" => DEPTHS.into_iter().find(|(word, _)| *word == text).map_or(text, |(_, bits)| bits),
        "java_enabled" | "javascript_enabled" if !text.is_empty() => {
            let is_set = ["1", "true", "yes"].iter().any(|word| text.eq_ignore_ascii_case(word));
            if is_set { "true" } else { "false" }
        }
        _ => text,
    }
}

/// Tells where the payer has to go: `url`, and the fields of the form by their names in lower case.
pub fn challenged(reply: Reply, challenge: &Challenge) -> Reply {
    let mut tds = Members::default();
    tds.set("url", Value::text(challenge.action.as_str()));
    for (name, value) in &challenge.params {
        if !value.is_empty() {
            tds.set(&name.to_ascii_lowercase(), Value::text(value.as_str()));
        }
    }
    let code = if tds.find("creq").is_some() { CHALLENGE } else { ENROLLED };
    let mut reply = Reply { code, ..reply };
    reply.more.push(("tds", Value::Object(tds)));
    reply
}

/// Goes on after the payer came back. Doing it again is answered with what is known. It needs no protection from
/// repetition, and has no order id that could tell two of them apart.
pub async fn complete(call: &Call<'_>) -> Result<Reply, TransactionError> {
    let caller = &call.admitted.caller;
    let mut transaction = call.core.store.read().await?;
    let number = call.text("original_transaction_id").to_owned();
    let row = transaction.find_transaction(caller.merchant.clone(), caller.mode, number).await?;
    let row = row.filter(|row| row.kind.is_authorisation()).ok_or_else(Call::unknown_original)?;
    // What was begun by a token ends with it.
    if row.state == TransactionState::Open
        && !matches!(row.subscription, None | Some(Subscription::Init))
        && transaction.find_token(caller.merchant.clone(), caller.mode, row.token.clone()).await?.is_none()
    {
        return Err(Call::unknown_original());
    }
    let operation = row.operation.clone().ok_or_else(Call::unknown_original)?;
    let operation = transaction.find_operation(caller.merchant.clone(), operation).await?;
    let operation = operation.ok_or_else(Call::unknown_original)?;
    drop(transaction);
    let returned: Vec<_> = [("PaRes", "pares"), ("cres", "cres"), ("MD", "md")]
        .into_iter()
        .map(|(name, member)| (name.to_owned(), call.request.text("tds", member).to_owned()))
        .filter(|(_, value)| !value.is_empty())
        .collect();
    let completed = call.operations.complete(operation, &returned).await;
    let settled =
        completed.map_err(|error| if error.is_switched_off() { disabled(call) } else { error.into() })?;
    outcome::reply(call, &row.number, &settled).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transactions::codes;

    fn codes_of(params: &[(&str, &str)]) -> (u16, String) {
        let challenge = Challenge {
            method: "POST".to_owned(),
            action: "https://acs.example".to_owned(),
            params: params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            reference: String::new(),
        };
        let reply = challenged(Reply::of(codes::PENDING), &challenge);
        let (_, Value::Object(tds)) = &reply.more[0] else { panic!("no object") };
        (reply.code, tds.to_json().to_string())
    }

    #[test]
    fn both_generations_send_the_payer() {
        assert_eq!(
            codes_of(&[("MD", "1"), ("PaReq", "p"), ("TermUrl", "")]),
            (501, r#"{"url":"https://acs.example","md":"1","pareq":"p"}"#.to_owned())
        );
        assert_eq!(
            codes_of(&[("creq", "c")]),
            (503, r#"{"url":"https://acs.example","creq":"c"}"#.to_owned())
        );
    }
}
