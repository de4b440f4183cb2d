//! What the kernel is asked to do, whatever it is told with: chains of rules, of which the first that fits decides.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64;

use super::ports::{Network, Ports, Transport, Users};

/// Which connections a chain looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Chain {
    /// Those that begin on this host.
    Outbound,
    /// Those that arrive from elsewhere.
    Inbound,
}

impl Family {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }
}

impl Chain {
    pub(super) const ALL: [Self; 2] = [Self::Outbound, Self::Inbound];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Outbound => "outbound",
            Self::Inbound => "inbound",
        }
    }
}

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

/// A condition on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// Its first packet comes from there.
    From(Network),
    /// It goes there.
    To(Network),
    /// It goes elsewhere.
    NotTo(Network),
    /// It arrives through this interface.
    In(String),
    /// It leaves through this interface.
    Out(String),
    /// It is for an address of another host.
    NotForThisHost,
    /// It is of this transport, for one of these ports; for any, where there are none.
    Ports(Transport, Vec<Ports>),
    /// Its socket belongs to one of these users.
    Of(Users),
}

/// What becomes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// It goes where it was dialled.
    Leave,
    /// It goes to this port of this host.
    Redirect(u16),
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    /// Which connections it is for, in words.
    pub(super) what: &'static str,
    /// Of which family it is; absent: of both.
    pub(super) family: Option<Family>,
    /// All of these hold.
    pub(super) when: Vec<When>,
    pub(super) then: Then,
}

impl Rule {
    /// What is written beside the rule in the kernel: its words, and a hash of all that it says.
    pub(super) fn mark(&self) -> String {
        let Self { what, family, when, then } = self;
        let hash = xxh3_64(format!("{family:?} {when:?} {then:?}").as_bytes());
        format!("{what} #{:08x}", hash >> 32)
    }
}

/// All rules, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ruleset {
    pub(super) chains: BTreeMap<Chain, Vec<Rule>>,
    /// The families that are redirected.
    pub(super) families: Vec<Family>,
}

/// The marks of rules in the kernel, by the chain in which they stand, as it is called to people; of a rule that is none of
/// ours, what stands in its place.
pub(super) type Marks = BTreeMap<String, Vec<String>>;

impl Ruleset {
    /// The rules of a chain for one family.
    pub(super) fn of_family(&self, chain: Chain, family: Family) -> impl Iterator<Item = &Rule> {
        let rules = self.chains.get(&chain).into_iter().flatten();
        rules.filter(move |rule| rule.family.is_none_or(|of| of == family))
    }

    /// What it does, in a few words.
    pub(super) fn in_words(&self) -> String {
        let target = |chain| {
            let last = self.chains.get(&chain).and_then(|rules| rules.last());
            match last.map(|rule| rule.then) {
                Some(Then::Redirect(port)) => Some(format!("{} TCP to port {port}", Chain::name(chain))),
                Some(Then::Leave) | None => None,
            }
        };
        Chain::ALL.into_iter().filter_map(target).collect::<Vec<_>>().join(", ")
    }
}

/// How what is installed differs from what is wanted, in words; empty: not at all.
pub(super) fn differences(wanted: &Marks, installed: &Marks) -> Vec<String> {
    if installed.is_empty() {
        return vec!["nothing is installed".to_owned()];
    }
    let mut differences = Vec::new();
    let none = Vec::new();
    let plain = |mark: &str| mark.rsplit_once(" #").map_or(mark, |(words, _)| words).to_owned();
    for (chain, wanted) in wanted {
        let found = installed.get(chain).unwrap_or(&none);
        let before = differences.len();
        let missing = wanted.iter().filter(|mark| !found.contains(mark));
        differences.extend(missing.map(|mark| format!("{chain}, missing: {}", plain(mark))));
        let more = found.iter().filter(|mark| !wanted.contains(mark));
        differences.extend(more.map(|mark| format!("{chain}, too much: {}", plain(mark))));
        if differences.len() == before && found != wanted {
            differences.push(format!("{chain}: the rules are in another order"));
        }
    }
    let more = installed.keys().filter(|chain| !wanted.contains_key(*chain));
    differences.extend(more.map(|chain| format!("{chain}, too much: all of it")));
    differences
}
