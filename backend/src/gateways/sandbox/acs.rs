//! The simulated issuer: what its page is called with, and what it sends back. Both are signed, so that a payer can
//! neither answer for another payment nor approve without the page.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq as _;

use crate::core::Core;
use crate::crypto::hex;
use crate::crypto::secret::keyed_digest;
use crate::gateways::Challenge;
use crate::model::OperationId;

/// The path of the issuer's page.
pub const PATH: &str = "/sandbox/acs";
const PURPOSE: &str = "sandbox issuer";

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

/// The challenge of an operation: the issuer's page with the parameters of 3-D Secure 1.
pub fn challenge(core: &Core, page: &str, operation: &OperationId, reference: &str, back: &str) -> Challenge {
    let params = [
        ("MD".to_owned(), reference.to_owned()),
        ("PaReq".to_owned(), sign(core, operation, "?")),
        ("TermUrl".to_owned(), back.to_owned()),
    ];
    Challenge {
        method: "POST".to_owned(),
        action: page.to_owned(),
        params: params.into(),
        reference: reference.to_owned(),
    }
}

/// The operation that a `PaReq` is about, if it is one of ours.
pub fn asked(core: &Core, pareq: &str) -> Option<OperationId> {
    let (operation, letter) = read(core, pareq)?;
    (letter == "?").then_some(operation)
}

/// The `PaRes` of a verdict.
pub fn answer(core: &Core, operation: &OperationId, verdict: Verdict) -> String {
    sign(core, operation, verdict.letter())
}

/// Whether an answer of the issuer came back with the payer, whatever it says.
pub fn is_answer(fields: &[(String, String)]) -> bool {
    find(fields).is_some()
}

/// The verdict that came back with the payer. `None` where nothing came back; what is forged is a failure.
pub fn returned(core: &Core, operation: &OperationId, fields: &[(String, String)]) -> Option<Verdict> {
    let pares = find(fields)?;
    let proven = read(core, pares).is_some_and(|(about, letter)| about == *operation && letter == "Y");
    Some(if proven { Verdict::Proven } else { Verdict::Failed })
}

fn find(fields: &[(String, String)]) -> Option<&str> {
    let found = fields.iter().find(|(name, _)| name.eq_ignore_ascii_case("PaRes"));
    found.map(|(_, value)| value.as_str())
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
