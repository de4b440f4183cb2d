//! Permissions over mesh TLS: the names in a peer's certificate in, a verdict and its rule out (spec 07 §11).

use std::borrow::Cow;

use xds::proto::l4::{self, Origin, PeerFact};

/// Permissions over mesh TLS: the first matching rule decides, and a peer without a match is denied.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Permissions {
    rules: Vec<Rule>,
    shadow_denied: Vec<Conditions>,
}

/// Rule about some peers.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    fits: Vec<Conditions>,
    /// `true`: matching peers are allowed.
    pub allows: bool,
    /// Policy behind the rule; `None`: none.
    pub origin: Option<Origin>,
}

/// Conditions that must all hold; empty: every peer.
type Conditions = Vec<(PeerFact, Box<str>)>;

/// Facts about a peer after its handshake.
#[derive(Clone, Copy, Debug)]
pub struct Peer<'a, U> {
    /// URI SANs of its certificate, in their order.
    pub uris: &'a [U],
    /// Server name that it asked for; `None`: no name.
    pub server_name: Option<&'a str>,
}

/// Verdict about a peer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict<'a> {
    /// `true`: the peer is allowed.
    pub allowed: bool,
    /// Rule that decided; `None`: no rule matches, and the peer is denied.
    pub rule: Option<&'a Rule>,
    /// `true`: counted as denied, whatever the verdict.
    pub shadow_denied: bool,
}

impl Permissions {
    /// Parses the message.
    ///
    /// # Errors
    /// Path of a fact that this version does not know, such as `rules[0].peers[1].conditions[0].fact`.
    pub fn parse(message: l4::Permissions) -> Result<Self, String> {
        let l4::Permissions { rules, shadow_denied } = message;
        let rule = |(at, l4::PermissionRule { peers, allows, origin })| {
            Ok(Rule { fits: peers_of(peers, &format!("rules[{at}].peers"))?, allows, origin })
        };
        Ok(Self {
            rules: rules.into_iter().enumerate().map(rule).collect::<Result<_, String>>()?,
            shadow_denied: peers_of(shadow_denied, "shadow_denied")?,
        })
    }

    /// Decides about a peer.
    pub fn decide<U: AsRef<str>>(&self, peer: &Peer<'_, U>) -> Verdict<'_> {
        let fits = |any: &[Conditions]| any.iter().any(|conditions| peer.meets(conditions));
        let rule = self.rules.iter().find(|rule| fits(&rule.fits));
        Verdict {
            allowed: rule.is_some_and(|rule| rule.allows),
            rule,
            shadow_denied: fits(&self.shadow_denied),
        }
    }

    /// Returns `true` if no rule allows any peer: no certificate is enough.
    pub fn allow_nobody(&self) -> bool {
        self.rules.iter().all(|rule| !rule.allows)
    }
}

fn peers_of(peers: Vec<l4::Peer>, at: &str) -> Result<Vec<Conditions>, String> {
    let mut all = Vec::new();
    for (peer, l4::Peer { conditions }) in peers.into_iter().enumerate() {
        let mut of_peer = Vec::new();
        for (index, l4::PeerCondition { fact, value }) in conditions.into_iter().enumerate() {
            let fact =
                PeerFact::try_from(fact).map_err(|_| format!("{at}[{peer}].conditions[{index}].fact"))?;
            of_peer.push((fact, value.into_boxed_str()));
        }
        all.push(of_peer);
    }
    Ok(all)
}

impl<U: AsRef<str>> Peer<'_, U> {
    fn meets(&self, conditions: &Conditions) -> bool {
        conditions.iter().all(|(fact, value)| match fact {
            PeerFact::HasName => self.has(value),
            PeerFact::LacksName => !self.has(value),
            PeerFact::IdentityIs => self.identity().is_some_and(|identity| *identity == **value),
            PeerFact::IdentityBegins => {
                self.identity().is_some_and(|identity| identity.starts_with(&**value))
            }
            PeerFact::ServerNameIs => self.server_name.is_some_and(|name| name.eq_ignore_ascii_case(value)),
        })
    }

    fn has(&self, uri: &str) -> bool {
        self.uris.iter().any(|own| own.as_ref() == uri)
    }

    /// All URI SANs in one text, as Envoy passes them to matchers; `None`: there are none.
    fn identity(&self) -> Option<Cow<'_, str>> {
        match self.uris {
            [] => None,
            [one] => Some(one.as_ref().into()),
            several => Some(several.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(",").into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(conditions: &[(PeerFact, &str)]) -> l4::Peer {
        let condition = |(fact, value): &(PeerFact, &str)| l4::PeerCondition {
            fact: (*fact).into(),
            value: (*value).into(),
        };
        l4::Peer { conditions: conditions.iter().map(condition).collect() }
    }

    fn rule(allows: bool, peers: Vec<l4::Peer>) -> l4::PermissionRule {
        l4::PermissionRule { peers, allows, origin: None }
    }

    fn allowed(permissions: &Permissions, uris: &[&str], server_name: Option<&str>) -> bool {
        permissions.decide(&Peer { uris, server_name }).allowed
    }

    #[test]
    fn the_first_rule_that_fits_decides_and_without_one_nobody_may() {
        let web = "spiffe://default/web";
        let message = l4::Permissions {
            rules: vec![
                rule(false, vec![peer(&[(PeerFact::HasName, web)])]),
                rule(true, vec![peer(&[(PeerFact::LacksName, "kuma://version/v2")])]),
            ],
            shadow_denied: Vec::new(),
        };
        let permissions = Permissions::parse(message).unwrap();
        assert!(!allowed(&permissions, &["spiffe://default/web-admin", web], None));
        assert!(allowed(&permissions, &["spiffe://default/api"], None));
        assert!(!allowed(&permissions, &["spiffe://default/api", "kuma://version/v2"], None));
        assert!(!allowed(&Permissions::default(), &[web], None));
        assert!(Permissions::default().allow_nobody() && !permissions.allow_nobody());
    }

    /// Several names in one certificate are one text, as in Envoy.
    #[test]
    fn an_identity_is_all_names_of_a_certificate_together() {
        let parse = |fact, value| {
            let rules = vec![rule(true, vec![peer(&[(fact, value)])])];
            Permissions::parse(l4::Permissions { rules, shadow_denied: Vec::new() }).unwrap()
        };
        let exact = parse(PeerFact::IdentityIs, "spiffe://d/web");
        assert!(allowed(&exact, &["spiffe://d/web"], None));
        assert!(!allowed(&exact, &["spiffe://d/web", "kuma://version/v1"], None));
        let prefix = parse(PeerFact::IdentityBegins, "spiffe://d/");
        assert!(allowed(&prefix, &["spiffe://d/web", "kuma://version/v1"], None));
        assert!(!allowed(&prefix, &["kuma://version/v1", "spiffe://d/web"], None));
        assert!(!allowed(&parse(PeerFact::IdentityBegins, ""), &[], None));
        let name = parse(PeerFact::ServerNameIs, "sni.extsvc.default.db.5432");
        assert!(allowed(&name, &[], Some("SNI.extsvc.default.db.5432")) && !allowed(&name, &[], None));
    }

    #[test]
    fn a_fact_of_a_later_version_is_refused_with_its_place() {
        let unknown = l4::Peer { conditions: vec![l4::PeerCondition { fact: 99, value: String::new() }] };
        let message = l4::Permissions { rules: vec![rule(true, vec![unknown])], shadow_denied: Vec::new() };
        assert_eq!(Permissions::parse(message), Err("rules[0].peers[0].conditions[0].fact".to_owned()));
    }
}
