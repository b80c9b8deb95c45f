//! The simulated issuer: what its page is called with, and what it sends back. Both are signed, so that a payer can
//! neither answer for another payment nor approve without the page. It speaks both forms of 3-D Secure that the
//! interface knows (spec B.5): `creq` where the payer's browser is described, as version 2 needs it, and `PaReq`
//! otherwise.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use crate::core::Core;
use crate::crypto::hex;
use crate::crypto::secret::keyed_digest;
use crate::gateways::Challenge;
use crate::model::OperationId;

/// The path of the issuer's page.
pub const PATH: &str = "/sandbox/acs";
const PURPOSE: &str = "sandbox issuer";
/// The facts about a browser without which version 2 has no window to ask in, by the names of `browser_info`.
const NEEDED: [&str; 2] = ["browser_screen_height", "browser_screen_width"];
/// The version that messages of version 2 name.
const VERSION: &str = "2.2.0";

/// What the payer did on the issuer's page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The payer proved to be the cardholder.
    Proven,
    /// The payer did not.
    Failed,
}

impl Verdict {
    const fn letter(self) -> &'static str {
        match self {
            Self::Proven => "Y",
            Self::Failed => "N",
        }
    }
}

/// A message of version 2, as far as the simulator has something to say in it.
#[derive(Deserialize, Serialize)]
struct Message {
    /// What is signed.
    #[serde(rename = "acsTransID")]
    acs: String,
    #[serde(rename = "messageType")]
    kind: String,
    #[serde(rename = "messageVersion")]
    version: String,
    #[serde(rename = "notificationURL", default, skip_serializing_if = "Option::is_none")]
    back: Option<String>,
    #[serde(rename = "threeDSServerTransID")]
    reference: String,
    #[serde(rename = "transStatus", default, skip_serializing_if = "Option::is_none")]
    status: Option<String>,
}

/// The challenge of an operation: the issuer's page with the parameters of the version that the browser allows.
pub fn challenge(
    core: &Core,
    page: &str,
    (operation, reference): (&OperationId, &str),
    back: &str,
    browser: &[(String, String)],
) -> Challenge {
    let asks = sign(core, operation, "?");
    let is_described = NEEDED.iter().all(|needed| browser.iter().any(|(name, _)| name == needed));
    let params = if is_described {
        let message = Message {
            acs: asks,
            kind: "CReq".to_owned(),
            version: VERSION.to_owned(),
            back: Some(back.to_owned()),
            reference: reference.to_owned(),
            status: None,
        };
        vec![("creq".to_owned(), encode(&message))]
    } else {
        vec![
            ("MD".to_owned(), reference.to_owned()),
            ("PaReq".to_owned(), asks),
            ("TermUrl".to_owned(), back.to_owned()),
        ]
    };
    Challenge { method: "POST".to_owned(), action: page.to_owned(), params, reference: reference.to_owned() }
}

/// The operation that a `creq` or a `PaReq` is about, if it is one of ours.
pub fn asked(core: &Core, request: &str) -> Option<OperationId> {
    let signed = decode(request).map_or_else(|| request.to_owned(), |message| message.acs);
    let (operation, letter) = read(core, &signed)?;
    (letter == "?").then_some(operation)
}

/// Where the payer goes back to, by the challenge that the book has: whatever was sent does not count.
pub fn way_back(challenge: &Challenge) -> Option<String> {
    match param(challenge, "creq") {
        Some(creq) => decode(creq)?.back,
        None => param(challenge, "TermUrl").map(str::to_owned),
    }
}

/// The `PaRes` of a verdict.
pub fn pares(core: &Core, operation: &OperationId, verdict: Verdict) -> String {
    sign(core, operation, verdict.letter())
}

/// The fields that go back with a payer for a verdict, in the version of the challenge.
pub fn answer(
    core: &Core,
    operation: &OperationId,
    challenge: &Challenge,
    verdict: Verdict,
) -> Vec<(String, String)> {
    let says = pares(core, operation, verdict);
    if param(challenge, "creq").is_some() {
        let message = Message {
            acs: says,
            kind: "CRes".to_owned(),
            version: VERSION.to_owned(),
            back: None,
            reference: challenge.reference.clone(),
            status: Some(verdict.letter().to_owned()),
        };
        return vec![("cres".to_owned(), encode(&message))];
    }
    let md = param(challenge, "MD").unwrap_or_default().to_owned();
    vec![("PaRes".to_owned(), says), ("MD".to_owned(), md)]
}

/// Whether an answer of the issuer came back with the payer, whatever it says.
pub fn is_answer(fields: &[(String, String)]) -> bool {
    find(fields, "cres").or_else(|| find(fields, "PaRes")).is_some()
}

/// The verdict that came back with the payer. `None` where nothing came back; what is forged is a failure.
pub fn returned(core: &Core, operation: &OperationId, fields: &[(String, String)]) -> Option<Verdict> {
    if !is_answer(fields) {
        return None;
    }
    let cres = find(fields, "cres").and_then(decode).map(|message| message.acs);
    let signed = cres.or_else(|| find(fields, "PaRes").map(str::to_owned)).unwrap_or_default();
    let proven = read(core, &signed).is_some_and(|(about, letter)| about == *operation && letter == "Y");
    Some(if proven { Verdict::Proven } else { Verdict::Failed })
}

fn find<'f>(fields: &'f [(String, String)], wanted: &str) -> Option<&'f str> {
    let found = fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
    found.map(|(_, value)| value.as_str())
}

fn param<'c>(challenge: &'c Challenge, name: &str) -> Option<&'c str> {
    find(&challenge.params, name)
}

fn encode(message: &Message) -> String {
    // A message of texts can always be written.
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(message).unwrap_or_default())
}

fn decode(text: &str) -> Option<Message> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text.trim()).ok()?).ok()
}

fn sign(core: &Core, operation: &OperationId, letter: &str) -> String {
    let tag = keyed_digest(&core.subkey(PURPOSE), &[letter.as_bytes(), operation.as_str().as_bytes()]);
    URL_SAFE_NO_PAD.encode(format!("{letter}.{operation}.{}", hex(&tag)))
}

fn read(core: &Core, token: &str) -> Option<(OperationId, String)> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token.trim()).ok()?).ok()?;
    let mut parts = text.splitn(3, '.');
    let (letter, operation) = (parts.next()?, OperationId::stored(parts.next()?.to_owned()));
    let right = sign(core, &operation, letter);
    let fits: bool = right.as_bytes().ct_eq(token.trim().as_bytes()).into();
    fits.then(|| (operation, letter.to_owned()))
}
