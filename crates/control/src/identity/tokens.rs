//! Issuance and verification of tokens with the keys in a store.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use model::{Kind, ResourceKey};
use serde_json::{Value, json};

use super::claims::{Bearer, Claims, TokenKind};
use super::error::TokenError;
use super::jwt::{self, Unverified};
use super::key::SigningKey;
use super::memory::Memory;
use super::secret::{self, Revocations};
use crate::guard::task_again;
use crate::store::{Expected, Revision, Selection, Store, StoreError};

/// Issuer and verifier of tokens.
#[derive(Clone)]
pub struct Tokens {
    store: Arc<dyn Store>,
    /// Keys and revocations, cached for times when the store is unreachable.
    memory: Memory,
    /// `true`: missing keys may be made.
    makes_keys: bool,
    /// Versions of secrets that were logged as unreadable.
    told: Arc<Mutex<BTreeMap<ResourceKey, Revision>>>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

/// Person or program that uses the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// User name.
    pub name: String,
    /// Groups of the user.
    pub groups: Vec<String>,
}

/// Place of the keys of a sort of token.
struct Keyring<'a> {
    sort: TokenKind,
    mesh: &'a str,
}

impl Keyring<'_> {
    fn kind(&self) -> Kind {
        match self.sort {
            TokenKind::Dataplane => Kind::Secret,
            TokenKind::Zone | TokenKind::User => Kind::GlobalSecret,
        }
    }

    fn prefix(&self) -> String {
        match self.sort {
            TokenKind::Dataplane => format!("dataplane-token-signing-key-{}-", self.mesh),
            TokenKind::Zone => "zone-token-signing-key-".into(),
            TokenKind::User => "user-token-signing-key-".into(),
        }
    }

    fn key(&self, serial: &str) -> ResourceKey {
        ResourceKey::new(self.kind(), self.mesh, format!("{}{serial}", self.prefix()))
    }

    fn revocations(&self) -> ResourceKey {
        let name = match self.sort {
            TokenKind::Dataplane => format!("dataplane-token-revocations-{}", self.mesh),
            TokenKind::Zone => "zone-token-revocations".into(),
            TokenKind::User => "user-token-revocations".into(),
        };
        ResourceKey::new(self.kind(), self.mesh, name)
    }

    fn document(&self, key: &ResourceKey, secret: &[u8]) -> Value {
        let mut document =
            json!({ "type": key.kind.as_str(), "name": key.name, "data": STANDARD.encode(secret) });
        if let Some(mesh) = &key.mesh {
            document["mesh"] = json!(mesh);
        }
        document
    }
}

/// Returns the key of the first secret that signs the dataplane tokens of a mesh.
pub(super) fn dataplane_key(mesh: &str) -> ResourceKey {
    Keyring { sort: TokenKind::Dataplane, mesh }.key("1")
}

impl Tokens {
    /// Creates tokens over the keys in a store; missing ones are made.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { memory: Memory::of(Arc::clone(&store)), store, makes_keys: true, told: Arc::default() }
    }

    /// Creates tokens over keys that come from elsewhere and are never made here.
    pub fn with_keys_as_they_are(store: Arc<dyn Store>) -> Self {
        Self { makes_keys: false, ..Self::new(store) }
    }

    /// Keeps keys and revocations up to date, without end, so that they are at hand when the store is unreachable.
    pub async fn follow(self) {
        task_again("token-keys", || self.memory.follow()).await;
    }

    /// Makes a key for zone tokens, if there is none.
    ///
    /// # Errors
    /// If no key can be made, or the store cannot be asked.
    pub(crate) async fn prepare_zones(&self) -> Result<(), TokenError> {
        let keyring = Keyring { sort: TokenKind::Zone, mesh: "" };
        match self.newest(&keyring).await? {
            Some(_) => Ok(()),
            None => self.first(&keyring).await.map(|_| ()),
        }
    }

    /// Issues a token. If there is no key yet, one is made.
    ///
    /// # Errors
    /// If there is no usable key, or the store cannot be asked.
    pub async fn issue(&self, claims: Claims) -> Result<String, TokenError> {
        let mesh = match &claims.bearer {
            Bearer::Dataplane { mesh, .. } => mesh.as_str(),
            Bearer::Zone { .. } | Bearer::User { .. } => "",
        };
        let keyring = Keyring { sort: claims.bearer.kind(), mesh };
        let serial = match self.newest(&keyring).await? {
            Some(serial) => serial,
            None if self.makes_keys => self.first(&keyring).await?,
            None => return Err(TokenError::NoKey { serial: keyring.key("1").name }),
        };
        let key = self.signing_key(&keyring, &serial.to_string()).await?;
        jwt::signed(&claims.to_json(), serial, &key).ok_or(TokenError::NoRandomness)
    }

    /// Verifies a user token, and returns its user.
    ///
    /// # Errors
    /// The reason why it is refused.
    pub async fn user(&self, token: &str) -> Result<User, TokenError> {
        match self.verify(TokenKind::User, token).await?.bearer {
            Bearer::User { name, groups } => Ok(User { name, groups }),
            Bearer::Dataplane { .. } | Bearer::Zone { .. } => Err(TokenError::BadSignature),
        }
    }

    /// Verifies a dataplane token or a zone token, and returns its bearer.
    ///
    /// # Errors
    /// The reason why it is refused.
    pub async fn proxy(&self, token: &str) -> Result<Bearer, TokenError> {
        // only selects the key that must have signed it
        let sort = match Unverified::read(token)?.claims.get("Scope") {
            Some(_) => TokenKind::Zone,
            None => TokenKind::Dataplane,
        };
        Ok(self.verify(sort, token).await?.bearer)
    }

    async fn verify(&self, sort: TokenKind, token: &str) -> Result<Claims, TokenError> {
        let token = Unverified::read(token)?;
        let mesh = match sort {
            // only selects the key that must have signed it
            TokenKind::Dataplane => token.claims["Mesh"].as_str().unwrap_or_default().to_owned(),
            TokenKind::Zone | TokenKind::User => String::new(),
        };
        let keyring = Keyring { sort, mesh: &mesh };
        // a serial number is digits: nothing else may choose which secret is read
        if token.key.is_empty() || !token.key.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(TokenError::NoKey { serial: "?".into() });
        }
        let key = self.signing_key(&keyring, &token.key).await?;
        let claims = Claims::read(sort, &token.verify(&key)?, Timestamp::now().as_second())?;
        match self.is_revoked(&keyring, &claims.id).await? {
            true => Err(TokenError::Revoked),
            false => Ok(claims),
        }
    }

    async fn is_revoked(&self, keyring: &Keyring<'_>, id: &str) -> Result<bool, TokenError> {
        let key = keyring.revocations();
        let Some(stored) = self.memory.get(&key).await? else { return Ok(false) };
        match Revocations::read(&stored.document) {
            Revocations::Ids(ids) => Ok(ids.contains(id)),
            Revocations::Unreadable => {
                let error = TokenError::BadList(key.name.clone());
                self.tell(&key, stored.version, &error);
                Err(error)
            }
        }
    }

    async fn signing_key(&self, keyring: &Keyring<'_>, serial: &str) -> Result<SigningKey, TokenError> {
        let key = keyring.key(serial);
        let stored = self.memory.get(&key).await?;
        let stored = stored.ok_or_else(|| TokenError::NoKey { serial: serial.into() })?;
        secret::bytes(&stored.document).and_then(|pem| SigningKey::read(&pem)).ok_or_else(|| {
            let error = TokenError::BadKey(key.name.clone());
            self.tell(&key, stored.version, &error);
            error
        })
    }

    /// Logs once for each version of a secret what is wrong with it: it rejects people who have done nothing wrong.
    fn tell(&self, key: &ResourceKey, version: Revision, error: &TokenError) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.insert(key.clone(), version) != Some(version) {
            tracing::error!(secret = %key, "{error}");
        }
    }

    /// Returns the highest serial number of a key.
    async fn newest(&self, keyring: &Keyring<'_>) -> Result<Option<u64>, TokenError> {
        let mesh = (keyring.sort == TokenKind::Dataplane).then(|| keyring.mesh.to_owned());
        let listing = self.store.list(&Selection { kind: Some(keyring.kind()), mesh }).await?;
        let prefix = keyring.prefix();
        let serial = |name: &str| name.strip_prefix(&prefix)?.parse().ok();
        Ok(listing.items.iter().filter_map(|stored| serial(&stored.key.name)).max())
    }

    /// Makes the first key. A process that comes second uses the one that exists then.
    async fn first(&self, keyring: &Keyring<'_>) -> Result<u64, TokenError> {
        let key = keyring.key("1");
        let pem = SigningKey::generate().await.ok_or(TokenError::NoRandomness)?;
        match self.store.put(&key, keyring.document(&key, pem.as_bytes()), Expected::Absent).await {
            Ok(_) | Err(StoreError::Conflict { .. }) => Ok(1),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    use std::time::Duration;

    use super::*;
    use crate::store::{Listing, MemoryStore, Put, PutResult, Stored, Watch};

    fn tokens() -> (Tokens, Arc<dyn Store>) {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        (Tokens::new(Arc::clone(&store)), store)
    }

    fn jo() -> Bearer {
        Bearer::User { name: "jo".into(), groups: vec!["team-a".into()] }
    }

    fn web(mesh: &str) -> Bearer {
        Bearer::Dataplane {
            name: "web-1".into(),
            mesh: mesh.into(),
            tags: Default::default(),
            kind: "".into(),
            workload: "".into(),
        }
    }

    const HOUR: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn a_token_names_whom_it_was_issued_for() {
        let (tokens, _) = tokens();
        let token = tokens.issue(Claims::new(jo(), HOUR)).await.unwrap();
        assert_eq!(
            tokens.user(&token).await.unwrap(),
            User { name: "jo".into(), groups: vec!["team-a".into()] }
        );
        let token = tokens.issue(Claims::new(web("shop"), HOUR)).await.unwrap();
        assert_eq!(tokens.proxy(&token).await.unwrap(), web("shop"));
        // no sort passes for another
        assert!(tokens.user(&token).await.is_err());
    }

    #[tokio::test]
    async fn a_token_that_was_changed_ended_or_was_revoked_is_refused() {
        let (tokens, store) = tokens();
        let token = tokens.issue(Claims::new(jo(), HOUR)).await.unwrap();
        let [header, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!() };
        let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        let forged = encode(r#"{"Name":"jo","Groups":["mesh-system:admin"],"exp":99999999999}"#);
        for bad in [
            format!("{header}.{forged}.{signature}"),
            format!("{header}.{claims}."),
            format!("{}.{forged}.", encode(r#"{"alg":"none","kid":"1"}"#)),
            format!("{}.{claims}.{signature}", encode(r#"{"alg":"RS256","kid":"1"}"#)),
            format!("{}.{claims}.{signature}", encode(r#"{"alg":"EdDSA","kid":"../1"}"#)),
            format!("{}.{claims}.{signature}", encode(r#"{"alg":"EdDSA"}"#)),
            "x".into(),
            "..".into(),
            "".into(),
        ] {
            assert!(tokens.user(&bad).await.is_err(), "{bad}");
        }
        let ended = Claims { expires: 1, ..Claims::new(jo(), HOUR) };
        let ended = tokens.issue(ended).await.unwrap();
        assert!(matches!(tokens.user(&ended).await, Err(TokenError::Expired)));
        let early = Claims { issued: i64::MAX / 2, expires: i64::MAX / 2, ..Claims::new(jo(), HOUR) };
        let early = tokens.issue(early).await.unwrap();
        assert!(matches!(tokens.user(&early).await, Err(TokenError::NotYet)));

        let claims = Claims::new(jo(), HOUR);
        let (id, revoked) = (claims.id.clone(), tokens.issue(claims).await.unwrap());
        let key = ResourceKey::global(Kind::GlobalSecret, "user-token-revocations");
        let list = json!({ "type": "GlobalSecret", "name": key.name, "data": STANDARD.encode(format!("other, {id}")) });
        store.put(&key, list, Expected::Any).await.unwrap();
        assert!(matches!(tokens.user(&revoked).await, Err(TokenError::Revoked)));
        assert!(tokens.user(&token).await.is_ok());
    }

    #[tokio::test]
    async fn what_guards_rights_and_cannot_be_read_grants_nothing() {
        let (tokens, store) = tokens();
        let token = tokens.issue(Claims::new(web("shop"), HOUR)).await.unwrap();
        let elsewhere = tokens.issue(Claims::new(web("depot"), HOUR)).await.unwrap();
        let keyring = Keyring { sort: TokenKind::Dataplane, mesh: "shop" };
        let list = keyring.revocations();
        let says = async |key: &ResourceKey, data: &str| {
            let document = json!({ "type": "Secret", "mesh": "shop", "name": key.name, "data": data });
            store.put(key, document, Expected::Any).await.unwrap();
        };
        says(&list, "no base64").await;
        assert!(matches!(tokens.proxy(&token).await, Err(TokenError::BadList(_))));
        // a list is about the tokens of its own kind and mesh
        assert!(tokens.proxy(&elsewhere).await.is_ok());
        says(&list, &STANDARD.encode("somebody-else")).await;
        assert!(tokens.proxy(&token).await.is_ok());
        says(&keyring.key("1"), "bm8gUEVN").await;
        assert!(matches!(tokens.proxy(&token).await, Err(TokenError::BadKey(_))));
        assert!(matches!(tokens.issue(Claims::new(web("shop"), HOUR)).await, Err(TokenError::BadKey(_))));
        says(&keyring.key("1"), "no base64").await;
        assert!(matches!(tokens.proxy(&token).await, Err(TokenError::BadKey(_))));
    }

    #[tokio::test]
    async fn a_new_key_signs_and_the_old_one_still_verifies_until_it_is_deleted() {
        let (tokens, store) = tokens();
        let old = tokens.issue(Claims::new(web("shop"), HOUR)).await.unwrap();
        let keyring = Keyring { sort: TokenKind::Dataplane, mesh: "shop" };
        let second = keyring.key("2");
        let document = keyring.document(&second, SigningKey::generate().await.unwrap().as_bytes());
        store.put(&second, document, Expected::Absent).await.unwrap();
        let new = tokens.issue(Claims::new(web("shop"), HOUR)).await.unwrap();
        assert!(tokens.proxy(&old).await.is_ok() && tokens.proxy(&new).await.is_ok());
        store.delete(&keyring.key("1"), Expected::Any).await.unwrap();
        assert!(matches!(tokens.proxy(&old).await, Err(TokenError::NoKey { .. })));
        assert!(tokens.proxy(&new).await.is_ok());
    }

    /// Store that can be taken away.
    #[derive(Debug, Default)]
    struct FlakyStore {
        store: MemoryStore,
        is_away: AtomicBool,
    }

    impl FlakyStore {
        fn reached(&self) -> Result<(), StoreError> {
            match self.is_away.load(Relaxed) {
                true => Err(StoreError::Lost { store: "a test".into(), why: "it is away".into() }),
                false => Ok(()),
            }
        }
    }

    #[async_trait::async_trait]
    impl Store for FlakyStore {
        async fn get(&self, key: &ResourceKey) -> Result<Option<Stored>, StoreError> {
            self.reached()?;
            self.store.get(key).await
        }
        async fn list(&self, selection: &Selection) -> Result<Listing, StoreError> {
            self.reached()?;
            self.store.list(selection).await
        }
        async fn put(
            &self,
            key: &ResourceKey,
            document: Value,
            expected: Expected,
        ) -> Result<PutResult, StoreError> {
            self.reached()?;
            self.store.put(key, document, expected).await
        }
        async fn put_all(&self, puts: Vec<Put>) -> Result<Vec<PutResult>, StoreError> {
            self.reached()?;
            self.store.put_all(puts).await
        }
        async fn delete(&self, key: &ResourceKey, expected: Expected) -> Result<Revision, StoreError> {
            self.reached()?;
            self.store.delete(key, expected).await
        }
        async fn watch(&self, after: Revision) -> Result<Watch, StoreError> {
            self.reached()?;
            self.store.watch(after).await
        }
        async fn revision(&self) -> Result<Revision, StoreError> {
            self.reached()?;
            self.store.revision().await
        }
        fn describe(&self) -> String {
            "a test".into()
        }
        fn leads(&self) -> tokio::sync::watch::Receiver<bool> {
            self.store.leads()
        }
    }

    #[tokio::test]
    async fn tokens_are_verified_by_what_was_read_last_while_the_store_is_away() {
        let shaky = Arc::new(FlakyStore::default());
        let store: Arc<dyn Store> = Arc::clone(&shaky) as _;
        let issuer = Tokens::new(Arc::clone(&store));
        let good = issuer.issue(Claims::new(web("shop"), HOUR)).await.unwrap();
        let claims = Claims::new(web("shop"), HOUR);
        let (id, revoked) = (claims.id.clone(), issuer.issue(claims).await.unwrap());

        // one that has never verified a token, and one that knows nothing
        let tokens = Tokens::new(Arc::clone(&store));
        tokio::spawn(tokens.clone().follow());
        let ignorant = Tokens::new(Arc::clone(&store));
        let list = Keyring { sort: TokenKind::Dataplane, mesh: "shop" }.revocations();
        let document =
            json!({ "type": "Secret", "mesh": "shop", "name": list.name, "data": STANDARD.encode(&id) });
        store.put(&list, document, Expected::Any).await.unwrap();
        while !tokens.memory.knows(&list) {
            tokio::task::yield_now().await;
        }

        shaky.is_away.store(true, Relaxed);
        assert_eq!(tokens.proxy(&good).await.unwrap(), web("shop"));
        assert!(matches!(tokens.proxy(&revoked).await, Err(TokenError::Revoked)));
        assert!(matches!(ignorant.proxy(&good).await, Err(TokenError::Store(_))));
        let nobody = Tokens::new(Arc::new(MemoryStore::default()));
        let foreign = nobody.issue(Claims::new(web("shop"), HOUR)).await.unwrap();
        assert!(matches!(tokens.proxy(&foreign).await, Err(TokenError::BadSignature)));
        shaky.is_away.store(false, Relaxed);
        assert!(ignorant.proxy(&good).await.is_ok());
    }
}
