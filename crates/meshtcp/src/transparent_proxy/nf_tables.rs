//! Rules in the syntax of `nft`: one table of our own, replaced and removed as a whole.

use serde_json::Value;

use super::ports::{Network, Ports, Transport};
use super::rules::{Chain, Family, Marks, Match, Rule, Ruleset, Target};

/// Name of the table.
pub(super) const TABLE: &str = "meshtcp";

/// Commands that replace the content of the table with the rules, in one step.
pub(super) fn script(ruleset: &Ruleset) -> String {
    let mut text = removal() + &format!("table inet {TABLE} {{\n");
    for (chain, rules) in &ruleset.chains {
        let hook = match chain {
            Chain::Outbound => "output",
            Chain::Inbound => "prerouting",
        };
        text +=
            &format!("\tchain {} {{\n\t\ttype nat hook {hook} priority -100; policy accept;\n", chain.name());
        for rule in rules {
            text += &format!("\t\t{}\n", said(rule, &ruleset.families));
        }
        text += "\t}\n";
    }
    text + "}\n"
}

/// Commands that remove the table, whether or not it exists.
pub(super) fn removal() -> String {
    format!("add table inet {TABLE}\ndelete table inet {TABLE}\n")
}

fn said(rule: &Rule, families: &[Family]) -> String {
    let Rule { what: _, family: _, when, then } = rule;
    let mut words: Vec<String> = Vec::new();
    if let ([family], None) = (families, rule.family) {
        let family = match family {
            Family::V4 => "ipv4",
            Family::V6 => "ipv6",
        };
        words.push(format!("meta nfproto {family}"));
    }
    words.extend(when.iter().map(condition));
    words.push(match then {
        Target::Leave => "return".to_owned(),
        Target::Redirect(port) => format!("redirect to :{port}"),
    });
    words.push(format!("comment \"{}\"", rule.mark()));
    words.join(" ")
}

fn condition(when: &Match) -> String {
    let address = |field: &str, sign: &str, network: &Network| {
        let protocol = if network.address.is_ipv4() { "ip" } else { "ip6" };
        format!("{protocol} {field} {sign}{network}")
    };
    match when {
        Match::From(network) => address("saddr", "", network),
        Match::To(network) => address("daddr", "", network),
        Match::NotTo(network) => address("daddr", "!= ", network),
        Match::In(name) => format!("iifname \"{name}\""),
        Match::Out(name) => format!("oifname \"{name}\""),
        Match::NotForThisHost => "fib daddr type != local".to_owned(),
        Match::Of(users) => format!("meta skuid {users}"),
        Match::Ports(transport, ports) => {
            let transport = match transport {
                Transport::Tcp => "tcp",
                Transport::Udp => "udp",
            };
            match ports.as_slice() {
                [] => format!("meta l4proto {transport}"),
                ports => {
                    let ports: Vec<String> = ports.iter().map(Ports::to_string).collect();
                    format!("{transport} dport {{ {} }}", ports.join(", "))
                }
            }
        }
    }
}

/// Marks of the rules that should be in the table.
pub(super) fn wanted(ruleset: &Ruleset) -> Marks {
    let marks = |rules: &Vec<Rule>| rules.iter().map(Rule::mark).collect();
    ruleset.chains.iter().map(|(chain, rules)| (chain.name().to_owned(), marks(rules))).collect()
}

/// Parses the marks in the table from the output of `nft -j list table`.
///
/// # Errors
/// Reason in words: it cannot be parsed.
pub(super) fn installed(listing: &str) -> Result<Marks, String> {
    let tree: Value = serde_json::from_str(listing).map_err(|error| format!("nft says no JSON: {error}"))?;
    let mut installed = Marks::new();
    for item in tree["nftables"].as_array().into_iter().flatten() {
        if let Some(chain) = item["chain"]["name"].as_str() {
            installed.entry(chain.to_owned()).or_default();
        }
        if let Some(chain) = item["rule"]["chain"].as_str() {
            let mark = item["rule"]["comment"].as_str().unwrap_or("a rule of somebody else");
            installed.entry(chain.to_owned()).or_default().push(mark.to_owned());
        }
    }
    Ok(installed)
}
