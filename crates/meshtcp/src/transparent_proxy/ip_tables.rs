//! Rules in the syntax of `iptables-restore`: two chains of our own in the `nat` table, and a jump to each.

use super::ports::{Network, Ports, Transport};
use super::rules::{Chain, Family, Marks, Match, Rule, Ruleset, Target};

fn own(chain: Chain) -> &'static str {
    match chain {
        Chain::Outbound => "MESHTCP_OUTBOUND",
        Chain::Inbound => "MESHTCP_INBOUND",
    }
}

fn hook(chain: Chain) -> &'static str {
    match chain {
        Chain::Outbound => "OUTPUT",
        Chain::Inbound => "PREROUTING",
    }
}

/// Script that replaces our rules of a family, and leaves the others, in one step. The jumps come first, so that no
/// other rule decides before ours.
pub(super) fn script(ruleset: &Ruleset, family: Family, before: &Found) -> String {
    let mut text = "*nat\n".to_owned();
    for chain in ruleset.chains.keys() {
        // an existing chain is emptied by this line
        text += &format!(":{} - [0:0]\n", own(*chain));
    }
    let is_left = |chain: &&Chain| !ruleset.chains.contains_key(*chain);
    text += &without(&before.jumps, before.chains.iter().filter(is_left));
    for chain in ruleset.chains.keys() {
        for rule in ruleset.of_family(*chain, family) {
            text += &format!("-A {} {}\n", own(*chain), said(rule));
        }
        text += &format!("-I {} 1 -j {}\n", hook(*chain), own(*chain));
    }
    text + "COMMIT\n"
}

/// Marks of the rules that should be in the chains of a family.
pub(super) fn wanted(ruleset: &Ruleset, family: Family) -> Marks {
    let marks = |chain| ruleset.of_family(chain, family).map(Rule::mark).collect();
    ruleset.chains.keys().map(|chain| (called(*chain, family), marks(*chain))).collect()
}

/// Name of a chain in messages.
fn called(chain: Chain, family: Family) -> String {
    format!("{} {}", chain.name(), family.name())
}

/// Script that removes what [`found`](Found) contains.
pub(super) fn removal(found: &Found) -> String {
    format!("*nat\n{}COMMIT\n", without(&found.jumps, found.chains.iter()))
}

fn without<'c>(jumps: &[Chain], chains: impl Iterator<Item = &'c Chain>) -> String {
    let jumps = jumps.iter().map(|chain| format!("-D {} -j {}\n", hook(*chain), own(*chain)));
    let chains = chains.map(|chain| format!("-F {}\n-X {}\n", own(*chain), own(*chain)));
    jumps.chain(chains).collect()
}

/// Our rules in the output of `iptables-save -t nat`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Target chain of each jump, as often as there are jumps.
    pub(super) jumps: Vec<Chain>,
    pub(super) chains: Vec<Chain>,
    /// Marks of the rules.
    pub(super) installed: Marks,
}

impl Found {
    /// Everything that could be installed.
    pub(super) fn all() -> Self {
        let chains = Chain::ALL.to_vec();
        Self { jumps: chains.clone(), chains, installed: Marks::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.jumps.is_empty() && self.chains.is_empty()
    }
}

/// Parses the output of `iptables-save -t nat` for a family.
pub(super) fn found(listing: &str, family: Family) -> Found {
    let mut found = Found::default();
    for line in listing.lines() {
        for chain in Chain::ALL {
            if line.split_whitespace().next() == Some(&format!(":{}", own(chain))) {
                found.chains.push(chain);
                found.installed.entry(called(chain, family)).or_default();
            }
            if line == format!("-A {} -j {}", hook(chain), own(chain)) {
                found.jumps.push(chain);
            }
            if line.starts_with(&format!("-A {} ", own(chain))) {
                let mark = line.split("--comment \"").nth(1).and_then(|rest| rest.split('"').next());
                let mark = mark.unwrap_or("a rule of somebody else").to_owned();
                found.installed.entry(called(chain, family)).or_default().push(mark);
            }
        }
    }
    // rules without a jump to them have no effect
    let leads = |name: &String| found.jumps.iter().any(|chain| called(*chain, family) == *name);
    found.installed.retain(|name, _| leads(name));
    found
}

fn said(rule: &Rule) -> String {
    let mut words: Vec<String> = rule.when.iter().map(condition).collect();
    words.push(format!("-m comment --comment \"{}\"", rule.mark()));
    words.push(match rule.then {
        Target::Leave => "-j RETURN".to_owned(),
        // the rule names its transport among its conditions
        Target::Redirect(port) => format!("-j REDIRECT --to-ports {port}"),
    });
    words.join(" ")
}

fn condition(when: &Match) -> String {
    let network = |network: &Network| format!("{}/{}", network.address, network.length);
    match when {
        Match::From(from) => format!("-s {}", network(from)),
        Match::To(to) => format!("-d {}", network(to)),
        Match::NotTo(to) => format!("! -d {}", network(to)),
        Match::In(name) => format!("-i {name}"),
        Match::Out(name) => format!("-o {name}"),
        Match::NotForThisHost => "-m addrtype ! --dst-type LOCAL".to_owned(),
        Match::Of(users) => format!("-m owner --uid-owner {users}"),
        Match::Ports(transport, ports) => {
            let transport = match transport {
                Transport::Tcp => "tcp",
                Transport::Udp => "udp",
            };
            match ports.as_slice() {
                [] => format!("-p {transport}"),
                ports => {
                    let ports: Vec<String> =
                        ports.iter().map(|it| Ports::to_string(it).replace('-', ":")).collect();
                    format!("-p {transport} -m multiport --dports {}", ports.join(","))
                }
            }
        }
    }
}
