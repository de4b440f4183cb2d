//! Claims of a token.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::error::TokenError;

/// Seconds by which the start of a token is backdated: clocks differ.
const BACK_DATED: i64 = 5;

/// Claims of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Bearer of the token.
    pub bearer: Bearer,
    /// Id of the token, by which it can be revoked.
    pub id: String,
    /// Time of issue, in seconds since 1970. It is valid from then on.
    pub issued: i64,
    /// Time of expiry, in seconds since 1970.
    pub expires: i64,
}

/// Bearer of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bearer {
    /// A proxy. Empty claims do not restrict it.
    Dataplane {
        /// Name of its Dataplane.
        name: String,
        /// Mesh of its Dataplane.
        mesh: String,
        /// Tags that it must have, each with only these values.
        tags: BTreeMap<String, Vec<String>>,
        /// Sort of proxy: `dataplane`, `ingress` or `egress`.
        kind: String,
        /// Value of its label `kuma.io/workload`.
        workload: String,
    },
    /// A zone.
    Zone {
        /// Name of the zone.
        zone: String,
        /// Parts of the zone: `ingress`, `egress`, `cp`.
        scope: Vec<String>,
    },
    /// A person or program that uses the API.
    User {
        /// User name.
        name: String,
        /// Groups of the user, which determine the permissions.
        groups: Vec<String>,
    },
}

impl Claims {
    /// Creates the claims of a token that is valid from now on.
    pub fn new(bearer: Bearer, valid_for: Duration) -> Self {
        let now = Timestamp::now().as_second();
        let length = i64::try_from(valid_for.as_secs()).unwrap_or(i64::MAX);
        Self { bearer, id: super::fresh_id(), issued: now - BACK_DATED, expires: now.saturating_add(length) }
    }

    pub(super) fn to_json(&self) -> Value {
        let Self { bearer, id, issued, expires } = self;
        let mut claims = match bearer {
            Bearer::Dataplane { name, mesh, tags, kind, workload } => json!({
                "Name": name, "Mesh": mesh, "Tags": tags, "Type": kind, "Workload": workload,
            }),
            Bearer::Zone { zone, scope } => json!({ "Zone": zone, "Scope": scope }),
            Bearer::User { name, groups } => json!({ "Name": name, "Groups": groups }),
        };
        claims["jti"] = json!(id);
        claims["iat"] = json!(issued);
        claims["nbf"] = json!(issued);
        claims["exp"] = json!(expires);
        claims
    }

    /// Parses the claims of a token of a sort, valid at a time.
    pub(super) fn read(sort: TokenKind, claims: &Value, now: i64) -> Result<Self, TokenError> {
        // a claim that is present and unreadable might restrict the token
        let text = |key: &str| match &claims[key] {
            Value::Null => Ok(String::new()),
            Value::String(text) => Ok(text.clone()),
            _ => Err(TokenError::Malformed("a claim that must be text is none")),
        };
        let list = |value: &Value| -> Result<Vec<String>, TokenError> {
            let unclear = TokenError::Malformed("a claim that must be a list of texts is none");
            match value {
                Value::Null => Ok(Vec::new()),
                Value::Array(items) => {
                    let texts = items.iter().map(|item| item.as_str().map(str::to_owned));
                    texts.collect::<Option<_>>().ok_or(unclear)
                }
                _ => Err(unclear),
            }
        };
        let time = |key: &str| claims[key].as_f64().map(|seconds| seconds as i64);
        let expires = time("exp").ok_or(TokenError::Malformed("it has no end"))?;
        let begins = time("nbf").or(time("iat")).unwrap_or_default();
        if expires <= now {
            return Err(TokenError::Expired);
        }
        if begins > now + BACK_DATED {
            return Err(TokenError::NotYet);
        }
        let bearer = match sort {
            TokenKind::Dataplane => Bearer::Dataplane {
                name: text("Name")?,
                mesh: text("Mesh")?,
                tags: match &claims["Tags"] {
                    Value::Null => BTreeMap::new(),
                    Value::Object(tags) => {
                        let tag = |(key, values): (&String, _)| Ok((key.clone(), list(values)?));
                        tags.iter().map(tag).collect::<Result<_, TokenError>>()?
                    }
                    _ => return Err(TokenError::Malformed("its tags are no lists by tag")),
                },
                kind: text("Type")?,
                workload: text("Workload")?,
            },
            TokenKind::Zone => Bearer::Zone { zone: text("Zone")?, scope: list(&claims["Scope"])? },
            TokenKind::User => match text("Name")? {
                name if name.is_empty() => return Err(TokenError::Malformed("it names no user")),
                name => Bearer::User { name, groups: list(&claims["Groups"])? },
            },
        };
        Ok(Self { bearer, id: text("jti")?, issued: begins, expires })
    }
}

/// Sort of token. Each has keys of its own, so that none can pass for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    Dataplane,
    Zone,
    User,
}

impl Bearer {
    pub(super) fn kind(&self) -> TokenKind {
        match self {
            Bearer::Dataplane { .. } => TokenKind::Dataplane,
            Bearer::Zone { .. } => TokenKind::Zone,
            Bearer::User { .. } => TokenKind::User,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_that_cannot_be_read_does_not_widen_a_token() {
        let read = |claim: &str, value: Value| {
            let mut claims =
                json!({ "Name": "web-1", "Mesh": "shop", "Tags": {"v": ["1"]}, "jti": "x", "exp": 9 });
            claims[claim] = value;
            Claims::read(TokenKind::Dataplane, &claims, 1)
        };
        assert!(read("Type", Value::Null).is_ok());
        for (claim, value) in [
            ("Name", json!(["web-1"])),
            ("Name", json!(1)),
            ("Mesh", json!({})),
            ("Workload", json!(false)),
            ("jti", json!(7)),
            ("Tags", json!("v=1")),
            ("Tags", json!([["v", "1"]])),
            ("Tags", json!({"v": "1"})),
            ("Tags", json!({"v": [1]})),
        ] {
            assert!(matches!(read(claim, value.clone()), Err(TokenError::Malformed(_))), "{claim} {value}");
        }
    }
}
