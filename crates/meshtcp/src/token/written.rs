//! Content of a token, without verification of its signature.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use control::plain_file;
use jiff::Timestamp;
use model::{Kind, ResourceKey};
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::output::complain;

/// Parsed token. Nothing in it is trusted.
#[derive(Debug)]
pub(super) struct Written {
    header: Value,
    claims: Value,
}

impl Written {
    /// Reads a token from a file.
    ///
    /// # Errors
    /// Exit status, after the reason was reported.
    pub(super) fn read(file: &Path) -> Result<Self, Exit> {
        let read = match file.as_os_str() == "-" {
            true => plain_file::text_input(),
            false => plain_file::text_named(file),
        };
        let text = read.map_err(|error| {
            complain(&format!("error: {} cannot be read: {error}\n", file.display()));
            Exit::Environment
        })?;
        Self::of(text.trim()).ok_or_else(|| {
            complain(&format!(
                "error: there is no token in {}\n  help: a token is one line with two dots; `meshtcp token create` prints one\n",
                file.display()
            ));
            Exit::Problems
        })
    }

    fn of(text: &str) -> Option<Self> {
        let (header, rest) = text.split_once('.')?;
        let (claims, _) = rest.split_once('.')?;
        let tree = |part: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
        Some(Self { header: tree(header)?, claims: tree(claims).filter(Value::is_object)? })
    }

    /// Type of the token: `dataplane`, `zone` or `user`.
    pub(super) fn sort(&self) -> &'static str {
        match (self.claims.get("Mesh"), self.claims.get("Scope")) {
            (Some(_), _) => "dataplane",
            (None, Some(_)) => "zone",
            (None, None) => "user",
        }
    }

    /// Id of the token, by which it can be revoked; `None`: it has none.
    pub(super) fn id(&self) -> Option<&str> {
        self.claims.get("jti")?.as_str().filter(|id| !id.is_empty())
    }

    /// Expiry time; `None`: it has none, so it is not accepted.
    pub(super) fn expires(&self) -> Option<Timestamp> {
        self.time("exp")
    }

    fn time(&self, claim: &str) -> Option<Timestamp> {
        let seconds = self.claims.get(claim)?.as_f64()?;
        Timestamp::from_second(seconds as i64).ok()
    }

    /// Key of the resource with the ids of revoked tokens of its type.
    pub(super) fn revocations(&self) -> ResourceKey {
        match self.sort() {
            "dataplane" => {
                let mesh = self.claims["Mesh"].as_str().unwrap_or_default();
                ResourceKey::new(Kind::Secret, mesh, format!("dataplane-token-revocations-{mesh}"))
            }
            sort => ResourceKey::new(Kind::GlobalSecret, "", format!("{sort}-token-revocations")),
        }
    }

    /// Claims of the token as a tree.
    pub(super) fn tree(&self) -> Value {
        let claim = |claim: &str| self.claims.get(claim).cloned().unwrap_or_default();
        let time = |claim: &str| self.time(claim).map(|time| time.to_string());
        json!({
            "sort": self.sort(),
            "name": claim("Name"),
            "mesh": claim("Mesh"),
            "tags": claim("Tags"),
            "type": claim("Type"),
            "workload": claim("Workload"),
            "zone": claim("Zone"),
            "scope": claim("Scope"),
            "groups": claim("Groups"),
            "id": claim("jti"),
            "issued": time("iat"),
            "expires": time("exp"),
            "key": self.header.get("kid"),
            "algorithm": self.header.get("alg"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &Value) -> Written {
        let part = |tree: &Value| URL_SAFE_NO_PAD.encode(tree.to_string());
        let header = json!({ "alg": "RS256", "kid": "1" });
        Written::of(&format!("{}.{}.c2ln", part(&header), part(claims))).unwrap()
    }

    #[test]
    fn a_token_says_where_it_would_be_revoked() {
        for (claims, sort, list) in [
            (
                json!({ "Mesh": "shop", "Name": "web-1" }),
                "dataplane",
                "Secret shop/dataplane-token-revocations-shop",
            ),
            (json!({ "Zone": "east", "Scope": ["ingress"] }), "zone", "GlobalSecret zone-token-revocations"),
            (json!({ "Name": "jo", "Groups": [] }), "user", "GlobalSecret user-token-revocations"),
        ] {
            let token = token(&claims);
            assert_eq!((token.sort(), token.revocations().to_string()), (sort, list.to_owned()));
        }
        assert_eq!(token(&json!({ "exp": 0 })).tree()["expires"], "1970-01-01T00:00:00Z");
    }

    #[test]
    fn what_is_no_token_is_none() {
        for text in ["", "a.b.c", "e30.e30", "e30.bnVsbA.x", "🦀.🦀.🦀"] {
            assert!(Written::of(text).is_none(), "{text}");
        }
    }
}
