//! Rules for the kernel, independent of the tool: chains, in which the first matching rule decides.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64;

use super::ports::{Network, Ports, Transport, Users};

/// Connections that a chain examines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Chain {
    /// Connections that begin on this host.
    Outbound,
    /// Connections that arrive from elsewhere.
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

/// IP family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

/// Condition on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Match {
    /// Its first packet comes from the network.
    From(Network),
    /// It goes to the network.
    To(Network),
    /// It goes outside the network.
    NotTo(Network),
    /// It arrives through this interface.
    In(String),
    /// It leaves through this interface.
    Out(String),
    /// Its address belongs to another host.
    NotForThisHost,
    /// It has this transport and one of these ports; no ports: any.
    Ports(Transport, Vec<Ports>),
    /// Its socket belongs to one of these users.
    Of(Users),
}

/// Decision about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// It goes where it was dialled.
    Leave,
    /// It goes to this port of this host.
    Redirect(u16),
}

/// Rule of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    /// Connections that the rule is for, in words.
    pub(super) what: &'static str,
    /// IP family of the rule; `None`: both.
    pub(super) family: Option<Family>,
    /// Conditions, all of which must hold.
    pub(super) when: Vec<Match>,
    pub(super) then: Target,
}

impl Rule {
    /// Mark that is stored with the rule in the kernel: its words, and a hash of the whole rule.
    pub(super) fn mark(&self) -> String {
        let Self { what, family, when, then } = self;
        let hash = xxh3_64(format!("{family:?} {when:?} {then:?}").as_bytes());
        format!("{what} #{:08x}", hash >> 32)
    }
}

/// All rules, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ruleset {
    pub(super) chains: BTreeMap<Chain, Vec<Rule>>,
    /// IP families that are redirected.
    pub(super) families: Vec<Family>,
}

/// Marks of rules in the kernel, by the name of their chain in messages; for a foreign rule, its text.
pub(super) type Marks = BTreeMap<String, Vec<String>>;

impl Ruleset {
    /// Rules of a chain for one family.
    pub(super) fn of_family(&self, chain: Chain, family: Family) -> impl Iterator<Item = &Rule> {
        let rules = self.chains.get(&chain).into_iter().flatten();
        rules.filter(move |rule| rule.family.is_none_or(|of| of == family))
    }

    /// Effect of the rules, in a few words.
    pub(super) fn in_words(&self) -> String {
        let target = |chain| {
            let last = self.chains.get(&chain).and_then(|rules| rules.last());
            match last.map(|rule| rule.then) {
                Some(Target::Redirect(port)) => Some(format!("{} TCP to port {port}", Chain::name(chain))),
                Some(Target::Leave) | None => None,
            }
        };
        Chain::ALL.into_iter().filter_map(target).collect::<Vec<_>>().join(", ")
    }
}

/// Differences between the installed and the wanted rules, in words; empty: none.
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
