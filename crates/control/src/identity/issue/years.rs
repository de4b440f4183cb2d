//! Simulation of years of a mesh with all possible events: at every moment each proxy's certificate is valid for every
//! other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use model::ProxyKey;
use proptest::prelude::*;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, KeyUsagePurpose};

use super::*;

const DAY: Duration = Duration::from_secs(86_400);
/// Lifetime of certificates in the simulation.
const LIFETIME: Duration = Duration::from_secs(30 * 86_400);
/// Limit on the time until a control plane has read a change, in seconds.
const SLOWEST: i64 = 6;
const PROXIES: usize = 4;
const PLANES: usize = 2;
/// Index of the control plane that writes.
const LEADER: usize = 0;

/// Event of the simulation.
#[derive(Clone, Debug)]
enum Event {
    /// Time passes, in hours.
    Passes(u32),
    /// The authority in force is replaced.
    Replaced,
    /// The authority becomes unreadable, or readable again.
    Unreadable(bool),
    /// A control plane restarts.
    Restarted(usize),
    /// A proxy moves to another control plane.
    Moved(usize, usize),
    /// New certificates are requested.
    Rotated(usize),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (1u32..2_400).prop_map(Event::Passes),
        2 => (1u32..30).prop_map(Event::Passes),
        2 => Just(Event::Replaced),
        2 => any::<bool>().prop_map(Event::Unreadable),
        2 => (0..PLANES).prop_map(Event::Restarted),
        2 => ((0..PROXIES), (0..PLANES)).prop_map(|(proxy, plane)| Event::Moved(proxy, plane)),
        1 => (0..PLANES).prop_map(Event::Rotated),
    ]
}

/// Creates an authority with a key that is made quickly.
fn authority(number: usize) -> Arc<Authority> {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::CommonName, format!("ca-{number}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let certificate = params.self_signed(&key).unwrap();
    let (certificate, key) = (certificate.pem(), key.serialize_pem());
    Arc::new(Authority::read(certificate.as_bytes(), key.as_bytes()).unwrap())
}

/// State of a proxy.
#[derive(Clone, Debug, Default)]
struct Proxy {
    plane: usize,
    /// Serial number of its certificate, its end, and its signer.
    certificate: Option<(String, Timestamp, Arc<str>)>,
    bundle: String,
}

struct World {
    now: Timestamp,
    authority: Arc<Authority>,
    made: usize,
    is_readable: bool,
    /// Stored replacements.
    former: Former,
    planes: Vec<Issuing>,
    /// Times at which each control plane reads the store.
    reads: BTreeSet<(Timestamp, usize)>,
    proxies: Vec<Proxy>,
    random: fastrand::Rng,
    serials: BTreeSet<String>,
}

fn id() -> AuthorityId {
    AuthorityId::Mesh("shop".into())
}

fn key(proxy: usize) -> ProxyKey {
    ProxyKey::new("shop", format!("web-{proxy}").as_str())
}

fn request(proxy: usize) -> Request {
    Request { by: id(), uris: Ok(vec![format!("spiffe://shop/web-{proxy}")]), domains: None, joins: None }
}

impl World {
    fn new(seed: u64) -> Self {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let mut world = Self {
            now,
            authority: authority(0),
            made: 1,
            is_readable: true,
            former: Former::new(),
            planes: (0..PLANES).map(|_| Issuing::default()).collect(),
            reads: BTreeSet::new(),
            proxies: (0..PROXIES).map(|it| Proxy { plane: it % PLANES, ..Proxy::default() }).collect(),
            random: fastrand::Rng::with_seed(seed),
            serials: BTreeSet::new(),
        };
        (0..PLANES).for_each(|plane| world.read(plane));
        for proxy in 0..PROXIES {
            world.planes[world.proxies[proxy].plane].want(&key(proxy), request(proxy));
        }
        world.settle();
        world
    }

    /// Lets a control plane read the store.
    fn read(&mut self, plane: usize) {
        let signs = match self.is_readable {
            true => Ok(SigningSettings {
                authority: Arc::clone(&self.authority),
                lifetime: LIFETIME,
                keys: None,
                configured: "ca".into(),
            }),
            false => Err("there is no Secret".into()),
        };
        let material = Material { signs, former: self.former.clone(), domain: None };
        self.planes[plane].learn(BTreeMap::from([(id(), material)]), self.now);
    }

    /// Lets the leader write what it sees.
    fn write(&mut self) {
        let seen: Former = self.planes[LEADER].written().flat_map(|(_, written)| written).collect();
        if self.former != seen {
            self.former = seen;
            self.changed();
        }
    }

    /// Announces a change of the store to every control plane, with different delays.
    fn changed(&mut self) {
        for plane in 0..PLANES {
            let late = self.random.i64(0..SLOWEST);
            self.reads.insert((after(self.now, Duration::from_secs(late.unsigned_abs())), plane));
        }
    }

    /// Performs everything that is due now, and updates the proxies.
    fn settle(&mut self) {
        while let Some((_, plane)) = self.reads.first().filter(|(at, _)| *at <= self.now).copied() {
            self.reads.pop_first();
            self.read(plane);
        }
        let Self { planes, random, now, .. } = self;
        for plane in planes {
            while !plane.step(*now, &mut || random.f64(), 64).is_empty() {}
            plane.gather(*now);
        }
        self.write();
        for index in 0..PROXIES {
            let plane = &self.planes[self.proxies[index].plane];
            let Some(credentials) = plane.held(&key(index)).and_then(|held| held.credentials) else {
                continue;
            };
            let issued = plane.holders().find(|(proxy, _)| **proxy == key(index)).unwrap().1.issued.clone();
            let (leaf, signer) = issued.map(|it| (it.leaf, it.signer)).unwrap();
            self.serials.insert(leaf.serial.clone());
            let proxy = &mut self.proxies[index];
            proxy.certificate = Some((leaf.serial.clone(), leaf.ends, signer));
            proxy.bundle = credentials.authorities["shop"].clone();
        }
    }

    /// Checks that all proxies trust each other. `may_end`: certificates may have expired, because nobody could sign.
    fn check(&self, may_end: bool) -> Result<(), String> {
        for (name, one) in self.proxies.iter().enumerate() {
            let Some((serial, ends, signer)) = &one.certificate else { continue };
            if *ends <= self.now {
                if may_end {
                    continue;
                }
                return Err(format!(
                    "web-{name} has a certificate that ended: {serial} at {ends}, now {}",
                    self.now
                ));
            }
            for (peer, other) in self.proxies.iter().enumerate().filter(|(_, it)| it.certificate.is_some()) {
                if !other.bundle.contains(signer.trim_end()) {
                    return Err(format!("web-{peer} does not believe web-{name} ({serial}) at {}", self.now));
                }
            }
        }
        Ok(())
    }

    /// Returns the next moment at which something happens by itself.
    fn next(&self) -> Option<Timestamp> {
        let dues = self.planes.iter().filter_map(Issuing::due);
        dues.chain(self.reads.first().map(|(at, _)| *at)).min()
    }

    /// Lets time pass, moment by moment.
    fn pass(&mut self, by: Duration, may_end: &mut bool) -> Result<(), String> {
        let until = after(self.now, by);
        loop {
            self.settle();
            // until everybody has read that it is back
            *may_end &= !self.is_readable || !self.reads.is_empty();
            self.check(*may_end || !self.is_readable)?;
            match self.next().filter(|next| *next < until) {
                // moments are a second apart
                Some(next) => self.now = next.max(after(self.now, Duration::from_secs(1))),
                None => break,
            }
        }
        self.now = until;
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn everybody_believes_everybody_through_years(events in proptest::collection::vec(event(), 1..60), seed: u64) {
        let mut world = World::new(seed);
        let mut may_end = false;
        world.check(false).map_err(TestCaseError::fail)?;
        for event in events {
            match event {
                Event::Passes(hours) => {
                    world.pass(DAY / 24 * hours, &mut may_end).map_err(TestCaseError::fail)?;
                }
                Event::Replaced => {
                    // replacements within seconds of each other leave nobody the time to hear of them
                    world.pass(Duration::from_secs(60), &mut may_end).map_err(TestCaseError::fail)?;
                    if !world.is_readable {
                        continue;
                    }
                    world.authority = authority(world.made);
                    world.made += 1;
                    world.changed();
                }
                Event::Unreadable(unreadable) => {
                    world.pass(Duration::from_secs(60), &mut may_end).map_err(TestCaseError::fail)?;
                    world.is_readable = !unreadable;
                    may_end |= unreadable;
                    world.changed();
                }
                Event::Restarted(plane) => {
                    world.planes[plane] = Issuing::default();
                    world.read(plane);
                    for index in (0..PROXIES).filter(|it| world.proxies[*it].plane == plane).collect::<Vec<_>>() {
                        world.planes[plane].want(&key(index), request(index));
                    }
                }
                Event::Moved(index, to) => {
                    let from = std::mem::replace(&mut world.proxies[index].plane, to);
                    if from != to {
                        world.planes[from].left(&key(index));
                        world.planes[to].want(&key(index), request(index));
                    }
                }
                Event::Rotated(plane) => {
                    let before = world.serials.len();
                    let count = world.planes[plane].rotate(|_| true);
                    world.pass(Duration::from_secs(20), &mut may_end).map_err(TestCaseError::fail)?;
                    prop_assert!(!world.is_readable || world.serials.len() >= before + count);
                }
            }
            world.settle();
            world.check(may_end || !world.is_readable).map_err(TestCaseError::fail)?;
        }
    }
}
