//! Merchants and the credentials they call with.

use super::{ApiKeyId, MerchantId, Mode, Timestamp};

/// A tenant.
#[derive(Clone, Debug)]
pub struct Merchant {
    /// Identity.
    pub id: MerchantId,
    /// The name given by the operator.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What a credential may do. Names are the wire's; the set is stored as text with spaces between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Create, list and delete capture endpoints.
    CaptureCreate,
    /// Create, read and delete hosted forms.
    FormWrite,
    /// Store, change and delete cards and vault keys.
    CardWrite,
    /// Read cards without their security code.
    CardRead,
    /// Read the delivery log, send events again, read and change what webhooks are signed with.
    Events,
    /// Read a stored security code, which counts as a use of it. Never given by default.
    CvvRead,
    /// Send stored cards to other services.
    Proxy,
    /// Have cards asked for by e-mail and text message.
    Request,
    /// Create payment invoices, capture, void and refund them.
    Invoice,
    /// Run gateway transactions.
    Gateway,
    /// Create, list and revoke the merchant's credentials, and set what is set for the whole merchant.
    Admin,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 11] = [
        Self::CaptureCreate,
        Self::FormWrite,
        Self::CardWrite,
        Self::CardRead,
        Self::Events,
        Self::CvvRead,
        Self::Proxy,
        Self::Request,
        Self::Invoice,
        Self::Gateway,
        Self::Admin,
    ];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CaptureCreate => "capture:create",
            Self::FormWrite => "form:write",
            Self::CardWrite => "card:write",
            Self::CardRead => "card:read",
            Self::Events => "events",
            Self::CvvRead => "cvv:read",
            Self::Proxy => "proxy",
            Self::Request => "request",
            Self::Invoice => "invoice",
            Self::Gateway => "gateway",
            Self::Admin => "admin",
        }
    }

    /// The scope of a name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }
}

/// A set of scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scopes(u16);

impl Scopes {
    /// All that a new merchant's credentials may do: everything but reading security codes.
    pub fn usual() -> Self {
        Self::of(&Scope::ALL.into_iter().filter(|scope| *scope != Scope::CvvRead).collect::<Vec<_>>())
    }

    /// A set of the given scopes.
    pub fn of(scopes: &[Scope]) -> Self {
        Self(scopes.iter().fold(0, |bits, &scope| bits | 1 << scope as u8))
    }

    /// This set and one scope more.
    #[must_use]
    pub fn with(self, scope: Scope) -> Self {
        Self(self.0 | 1 << scope as u8)
    }

    /// Whether the set holds a scope.
    pub fn has(self, scope: Scope) -> bool {
        self.0 & (1 << scope as u8) != 0
    }

    /// Whether the set holds every scope of another one; else the first that is missing.
    pub fn lacks(self, other: Self) -> Option<Scope> {
        Scope::ALL.into_iter().find(|&scope| other.has(scope) && !self.has(scope))
    }

    /// The scopes by name, in their own order.
    pub fn names(self) -> Vec<&'static str> {
        Scope::ALL.into_iter().filter(|&scope| self.has(scope)).map(Scope::as_str).collect()
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Reads the stored text; unknown names are ignored, so that an older node can read a newer row.
    pub fn parse(text: &str) -> Self {
        Self::of(&text.split(' ').filter_map(Scope::parse).collect::<Vec<_>>())
    }
}

impl std::fmt::Display for Scopes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.names().join(" "))
    }
}

/// A credential: a login (Basic user name, or the first half of an API key) and the hash of its secret.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// Identity.
    pub id: ApiKeyId,
    /// Whose it is.
    pub merchant: MerchantId,
    /// The mode of everything done with it.
    pub mode: Mode,
    /// What its owner calls it; empty where it has no name.
    pub name: String,
    /// The public half; unique over the installation.
    pub login: String,
    /// SHA-256 of a generated secret; of what Argon2id makes of a chosen one (security rule 5).
    pub secret_hash: Vec<u8>,
    /// Salt of that derivation; empty for generated secrets.
    pub salt: Vec<u8>,
    /// Cost of that derivation as text; empty for generated secrets.
    pub kdf: String,
    /// What it may do.
    pub scopes: Scopes,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends by itself, if it does.
    pub expires_at: Option<Timestamp>,
    /// When it was ended, if it was.
    pub revoked_at: Option<Timestamp>,
    /// When it was last let in, to about a minute.
    pub used_at: Option<Timestamp>,
}

impl ApiKey {
    /// Whether it still lets anybody in.
    pub fn stands(&self, now: Timestamp) -> bool {
        [self.expires_at, self.revoked_at].into_iter().flatten().all(|end| end > now)
    }
}
