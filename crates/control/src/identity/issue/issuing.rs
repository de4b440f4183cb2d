//! Certificates of all proxies, and the schedule of their issuance.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use dialect::Credentials;
use jiff::Timestamp;
use model::ProxyKey;

use super::breaker::{Backoff, Breaker};
use super::roots::{Former, Roots};
use super::{Authority, AuthorityId, Leaf, LeafKeys, Request, Wanted, after, renewal};

/// Limit on the time over which certificates are reissued after their authority was replaced.
const RESIGNED_WITHIN: Duration = Duration::from_secs(60);

/// State of an authority.
#[derive(Clone, Debug)]
pub(crate) struct Material {
    /// Signing settings; `Err`: the reason why it cannot sign, in words.
    pub(crate) signs: Result<SigningSettings, String>,
    /// Replacements that other control planes know of.
    pub(crate) former: Former,
    /// Trust domain that it vouches for by itself, if there is no MeshTrust; `None`: none.
    pub(crate) domain: Option<String>,
}

/// Signing settings of an authority.
#[derive(Clone, Debug)]
pub(crate) struct SigningSettings {
    pub(crate) authority: Arc<Authority>,
    /// Lifetime of its certificates.
    pub(crate) lifetime: Duration,
    /// Sort of the keys of its certificates; `None`: that of its own key.
    pub(crate) keys: Option<LeafKeys>,
    /// Whole configuration, as text: certificates are reissued when it changes.
    pub(crate) configured: Arc<str>,
}

/// Certificate of a proxy, and its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeldCertificate {
    /// Request of the proxy.
    pub(crate) request: Request,
    /// Credentials of the proxy; `None`: there are none, or none yet.
    pub(crate) credentials: Option<Arc<Credentials>>,
    /// Reason for having nothing, or nothing new, in words; `None`: it has what it asked for, or will have at once.
    pub(crate) why: Option<String>,
}

/// Proxy that has requested a certificate.
#[derive(Clone, Debug)]
pub(crate) struct Holder {
    pub(crate) request: Request,
    /// Certificate of the proxy; `None`: it has none.
    pub(crate) issued: Option<Issued>,
    /// Reason, as in [`HeldCertificate::why`].
    pub(crate) why: Option<String>,
    /// Number of certificates made for it since it came.
    pub(crate) made: u64,
    backoff: Option<Backoff>,
    /// Time at which its certificate is signed by the authority that replaced its own; `None`: nothing was replaced.
    resign_at: Option<Timestamp>,
    is_asked: bool,
    /// `true`: it was looked at since its request.
    is_seen: bool,
    look_at: Option<Timestamp>,
}

/// Certificate of a proxy.
#[derive(Clone, Debug)]
pub(crate) struct Issued {
    pub(crate) leaf: Arc<Leaf>,
    pub(crate) by: AuthorityId,
    /// Time of renewal.
    pub(crate) renew_at: Timestamp,
    uris: Vec<String>,
    configured: Arc<str>,
    /// Certificate of the signer, in PEM.
    pub(super) signer: Arc<str>,
}

#[derive(Debug)]
struct Standing {
    signs: Result<SigningSettings, String>,
    roots: Roots,
    breaker: Breaker,
    domain: Option<String>,
}

/// All proxies with requests here, and their authorities.
#[derive(Debug, Default)]
pub(crate) struct Issuing {
    standings: BTreeMap<AuthorityId, Standing>,
    holders: BTreeMap<ProxyKey, Holder>,
    agenda: BTreeSet<(Timestamp, ProxyKey)>,
    /// Bundles of all meshes, as of the last [`gather`](Self::gather).
    meshes: Arc<BTreeMap<String, String>>,
    /// Bundles of trust domains that authorities vouch for by themselves, by mesh and domain.
    domains: BTreeMap<(String, String), String>,
    pub(crate) failures: u64,
}

impl Issuing {
    /// Sets the request of a proxy. It keeps its certificate until it has another one.
    pub(crate) fn want(&mut self, proxy: &ProxyKey, request: Request) {
        match self.holders.get_mut(proxy) {
            Some(holder) if holder.request == request => return,
            Some(holder) => {
                (holder.request, holder.is_seen, holder.backoff) = (request, false, None);
            }
            None => {
                let holder = Holder {
                    request,
                    issued: None,
                    why: None,
                    made: 0,
                    backoff: None,
                    resign_at: None,
                    is_asked: false,
                    is_seen: false,
                    look_at: None,
                };
                self.holders.insert(proxy.clone(), holder);
            }
        }
        self.look(proxy, Timestamp::MIN);
    }

    /// Removes a proxy that left.
    pub(crate) fn left(&mut self, proxy: &ProxyKey) {
        if let Some(look_at) = self.holders.remove(proxy).and_then(|holder| holder.look_at) {
            self.agenda.remove(&(look_at, proxy.clone()));
        }
    }

    /// Takes over the current state of all authorities. One that cannot be read any more is still trusted.
    pub(crate) fn learn(&mut self, materials: BTreeMap<AuthorityId, Material>, now: Timestamp) {
        self.standings.retain(|id, _| materials.contains_key(id));
        for (id, Material { signs, former, domain }) in materials {
            let standing = self.standings.entry(id).or_insert_with(|| Standing {
                signs: Err("it was not read yet".into()),
                roots: Roots::default(),
                breaker: Breaker::default(),
                domain: None,
            });
            standing.domain = domain;
            standing.roots.remember(&former);
            if let Ok(signs) = &signs {
                standing.roots.observe(signs.authority.chain(), signs.lifetime, now);
                // a request that failed before may succeed now
                let same = standing.signs.as_ref().is_ok_and(|it| it.configured == signs.configured);
                if !same {
                    standing.breaker.succeeded();
                }
            }
            standing.signs = signs;
        }
        let all: Vec<ProxyKey> = self.holders.keys().cloned().collect();
        for proxy in all {
            if let Some(holder) = self.holders.get_mut(&proxy)
                && self.standings.get(&holder.request.by).is_some_and(|it| !it.breaker.is_open())
            {
                holder.backoff = None;
            }
            self.look(&proxy, Timestamp::MIN);
        }
        self.gather(now);
    }

    /// Schedules new certificates for the next step. Returns the number of affected proxies.
    pub(crate) fn rotate(&mut self, of: impl Fn(&ProxyKey) -> bool) -> usize {
        let asked: Vec<ProxyKey> = self.holders.keys().filter(|proxy| of(proxy)).cloned().collect();
        for proxy in &asked {
            if let Some(holder) = self.holders.get_mut(proxy) {
                (holder.is_asked, holder.backoff) = (true, None);
            }
            self.look(proxy, Timestamp::MIN);
        }
        asked.len()
    }

    /// Performs what is due, for at most `limit` proxies. `draw` gives numbers from 0 to 1. Returns the proxies that it
    /// looked at.
    pub(crate) fn step(
        &mut self,
        now: Timestamp,
        draw: &mut dyn FnMut() -> f64,
        limit: usize,
    ) -> Vec<ProxyKey> {
        let mut seen = Vec::new();
        while seen.len() < limit {
            let Some((_, proxy)) = self.agenda.first().filter(|(at, _)| *at <= now).cloned() else { break };
            self.agenda.pop_first();
            if let Some(holder) = self.holders.get_mut(&proxy) {
                (holder.look_at, holder.is_seen) = (None, true);
                let again = self.attend(&proxy, now, draw);
                if let Some(again) = again {
                    self.look(&proxy, again);
                }
                seen.push(proxy);
            }
        }
        seen
    }

    /// Returns the time of the next step; `None`: none is needed until there is a request.
    pub(crate) fn due(&self) -> Option<Timestamp> {
        let next = self.agenda.first().map(|(at, _)| *at);
        let ends = self.standings.values().filter_map(|it| it.roots.due());
        next.into_iter().chain(ends).min()
    }

    /// Collects the bundles of all meshes again. Returns `true` if one differs.
    pub(crate) fn gather(&mut self, now: Timestamp) -> bool {
        self.standings.values_mut().for_each(|standing| standing.roots.expire(now));
        let bundles = self.standings.iter().filter_map(|(id, standing)| match id {
            AuthorityId::Mesh(mesh) => Some((mesh.clone(), standing.roots.bundle())),
            AuthorityId::Identity(_) => None,
        });
        let bundles: BTreeMap<String, String> = bundles.collect();
        let domains = self.standings.iter().filter_map(|(id, standing)| {
            let of = (id.mesh().to_owned(), standing.domain.clone()?);
            Some((of, standing.roots.bundle()))
        });
        let domains = domains.collect();
        let differs = *self.meshes != bundles || self.domains != domains;
        if differs {
            (self.meshes, self.domains) = (Arc::new(bundles), domains);
        }
        differs
    }

    /// Returns the certificate of a proxy; `None`: it did not ask, or was not looked at since.
    pub(crate) fn held(&self, proxy: &ProxyKey) -> Option<HeldCertificate> {
        let holder = self.holders.get(proxy).filter(|holder| holder.is_seen)?;
        let Holder { request, issued, why, .. } = holder;
        // a certificate of another authority does not answer the current request
        let credentials = issued.as_ref().filter(|issued| issued.by == request.by).map(|issued| {
            let bundle = |(domain, pems): (&String, &Vec<Arc<str>>)| {
                let own = || self.domains.get(&(request.by.mesh().to_owned(), domain.clone())).cloned();
                let bundle = match pems.is_empty() {
                    true => own().unwrap_or_default(),
                    false => pems.iter().map(|pem| format!("{}\n", pem.trim_end())).collect(),
                };
                (domain.clone(), bundle)
            };
            let domains = request.domains.as_ref();
            let mut domains: Option<BTreeMap<String, String>> =
                domains.map(|domains| domains.iter().map(bundle).collect());
            if let (Some(domains), Some(mesh)) = (&mut domains, &request.joins) {
                let own = self.meshes.get(mesh).cloned().unwrap_or_default();
                domains.entry(mesh.clone()).or_default().push_str(&own);
            }
            Arc::new(Credentials {
                chain: Arc::clone(&issued.leaf.chain),
                key: issued.leaf.key.clone(),
                authorities: Arc::clone(&self.meshes),
                domains,
            })
        });
        Some(HeldCertificate { request: request.clone(), credentials, why: why.clone() })
    }

    /// Returns all proxies with requests.
    pub(crate) fn holders(&self) -> impl Iterator<Item = (&ProxyKey, &Holder)> {
        self.holders.iter()
    }

    /// Returns all authorities: the signing settings of each, or the reason for having none; and what it replaced.
    pub(crate) fn authorities(
        &self,
    ) -> impl Iterator<Item = (&AuthorityId, &Result<SigningSettings, String>, &Former)> {
        self.standings.iter().map(|(id, it)| (id, &it.signs, it.roots.former()))
    }

    /// Returns the state to be stored of each authority: the certificates in force, and those that they replaced.
    pub(crate) fn written(&self) -> impl Iterator<Item = (&AuthorityId, Former)> {
        self.standings.iter().map(|(id, it)| (id, it.roots.written()))
    }

    /// Returns the number of authorities whose breaker holds all their proxies back.
    pub(crate) fn open_breakers(&self) -> usize {
        self.standings.values().filter(|it| it.breaker.is_open()).count()
    }

    fn look(&mut self, proxy: &ProxyKey, at: Timestamp) {
        let Some(holder) = self.holders.get_mut(proxy) else { return };
        if let Some(before) = holder.look_at.replace(at) {
            self.agenda.remove(&(before, proxy.clone()));
        }
        self.agenda.insert((at, proxy.clone()));
    }

    /// Looks after one proxy. Returns the time of the next look; `None`: not before something else changes.
    fn attend(
        &mut self,
        proxy: &ProxyKey,
        now: Timestamp,
        draw: &mut dyn FnMut() -> f64,
    ) -> Option<Timestamp> {
        let holder = self.holders.get_mut(proxy)?;
        let uris = match &holder.request.uris {
            Ok(uris) => uris.clone(),
            Err(why) => {
                holder.why = Some(format!("no certificate can be made: {why}"));
                return None;
            }
        };
        let by = holder.request.by.clone();
        let Some(standing) = self.standings.get_mut(&by) else {
            holder.why = Some(format!("{by} is not known here"));
            return None;
        };
        let signs = match &standing.signs {
            Ok(signs) => signs,
            Err(why) => {
                holder.why = Some(format!("{by} cannot sign: {why}"));
                return None;
            }
        };
        let signer = signs.authority.chain().first().cloned().unwrap_or_default();
        let due = match &holder.issued {
            None => Timestamp::MIN,
            Some(issued)
                if issued.by != by || issued.uris != uris || issued.configured != signs.configured =>
            {
                Timestamp::MIN
            }
            Some(issued) if issued.signer != signer => {
                let within = RESIGNED_WITHIN.min(signs.lifetime / 20).mul_f64(draw());
                let from = standing.roots.signs_from(now).unwrap_or(now);
                *holder.resign_at.get_or_insert(after(from, within))
            }
            Some(issued) => issued.renew_at,
        };
        if due > now && !holder.is_asked {
            holder.why = None;
            return Some(due);
        }
        if let Some(from) = standing.roots.signs_from(now) {
            holder.why = holder.issued.is_none().then(|| format!("{by} is new: proxies hear of it first"));
            return Some(from);
        }
        let held_back = standing.breaker.holds_until(now);
        let held_back = held_back.into_iter().chain(holder.backoff.map(|it| it.until)).max();
        if let Some(until) = held_back.filter(|until| *until > now) {
            holder.why.get_or_insert_with(|| {
                format!(
                    "certificates of many others of {by} could not be made: it is tried again at {until:.0}"
                )
            });
            return Some(until);
        }
        let wanted = Wanted { uris: uris.clone(), lifetime: signs.lifetime, keys: signs.keys };
        match signs.authority.issue(&wanted, now) {
            Ok(leaf) => {
                let renew_at = renewal::due(now, signs.lifetime, draw());
                let configured = Arc::clone(&signs.configured);
                holder.issued =
                    Some(Issued { leaf: Arc::new(leaf), by: by.clone(), renew_at, uris, configured, signer });
                holder.made += 1;
                (holder.why, holder.backoff, holder.resign_at, holder.is_asked) = (None, None, None, false);
                let was_open = standing.breaker.is_open();
                standing.breaker.succeeded();
                if was_open {
                    self.free(&by);
                }
                Some(renew_at)
            }
            Err(why) => {
                self.failures += 1;
                standing.breaker.failed(proxy, now);
                let backoff = Backoff::after(holder.backoff, now, draw());
                (holder.why, holder.backoff) = (Some(why), Some(backoff));
                Some(backoff.until)
            }
        }
    }

    /// Schedules a look at all proxies that waited for an authority.
    fn free(&mut self, by: &AuthorityId) {
        let waiting: Vec<ProxyKey> = self
            .holders
            .iter()
            .filter(|(_, holder)| holder.request.by == *by && holder.why.is_some())
            .map(|(proxy, _)| proxy.clone())
            .collect();
        for proxy in waiting {
            if let Some(holder) = self.holders.get_mut(&proxy) {
                holder.backoff = None;
            }
            self.look(&proxy, Timestamp::MIN);
        }
    }
}
