//! Flags for what is redirected and what is not. Flags that Kuma's `kumactl install transparent-proxy` has, too, have
//! the same names and meanings.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use super::ports::{Network, OwnPorts, Ports, Transport, Users};
use super::rules::{Chain, Family, Match, Rule, Ruleset, Target};

/// Source addresses of the proxy when it hands a connection to the application beside it: such connections are left
/// alone.
const HANDED_OVER: [(Family, IpAddr); 2] = [
    (Family::V4, IpAddr::V4(Ipv4Addr::new(127, 0, 0, 6))),
    (Family::V6, IpAddr::V6(Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 6))),
];
/// Loopback networks, which belong to this host alone.
const LOOPBACK: [(Family, Network); 2] = [
    (Family::V4, Network { address: IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), length: 8 }),
    (Family::V6, Network { address: IpAddr::V6(Ipv6Addr::LOCALHOST), length: 128 }),
];
/// Maximum number of ports per rule: iptables allows 15, and counts a range twice.
const PORTS: usize = 7;

/// What to redirect.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Capture {
    /// The user that the proxy runs as, by name or number: its own connections are left alone
    #[arg(
        long,
        visible_alias = "kuma-dp-user",
        alias = "kuma-dp-uid",
        value_name = "USER",
        default_value = "5678"
    )]
    user: String,
    /// The port of the proxy that takes connections of this host's applications
    #[arg(long, value_name = "PORT", default_value_t = 15001)]
    redirect_outbound_port: u16,
    /// Whether connections from elsewhere are redirected
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    redirect_inbound: bool,
    /// The port of the proxy that takes connections from elsewhere
    #[arg(long, value_name = "PORT", default_value_t = 15006)]
    redirect_inbound_port: u16,
    /// Ports of this host that are reached without the proxy, e.g. 22,9000-9010; '' for none
    #[arg(long, value_name = "PORTS", default_value = "22")]
    exclude_inbound_ports: String,
    /// Who reaches this host without the proxy: IP addresses and networks
    #[arg(long, value_name = "CIDRS", value_delimiter = ',')]
    exclude_inbound_ips: Vec<Network>,
    /// Ports that are dialled without the proxy
    #[arg(long, value_name = "PORTS", default_value = "")]
    exclude_outbound_ports: String,
    /// What is dialled without the proxy: IP addresses and networks
    #[arg(long, value_name = "CIDRS", value_delimiter = ',')]
    exclude_outbound_ips: Vec<Network>,
    /// What users dial without the proxy: PORTS:USERS, with tcp: or udp: (of which only DNS is redirected) before it, or USERS for
    /// all ports; by numbers; may be repeated
    #[arg(long, value_name = "RULE")]
    exclude_outbound_ports_for_uids: Vec<OwnPorts>,
    /// Interfaces whose connections are left alone, in both directions, e.g. docker0
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    exclude_interfaces: Vec<String>,
    /// Redirect DNS queries to the servers that --dns-servers names
    #[arg(long)]
    redirect_dns: bool,
    /// Redirect all DNS queries, whatever server they are for
    #[arg(long, visible_alias = "redirect-all-dns")]
    redirect_all_dns_traffic: bool,
    /// The port of the proxy that answers DNS
    #[arg(long, value_name = "PORT", default_value_t = 15053)]
    redirect_dns_port: u16,
    /// The file that names the host's own DNS servers
    #[arg(long, value_name = "FILE", default_value = "/etc/resolv.conf")]
    dns_servers: PathBuf,
    /// Which families are redirected
    #[arg(long, value_enum, default_value_t, value_name = "MODE")]
    ip_family_mode: Mode,
}

/// Which families are redirected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Mode {
    /// IPv4, and IPv6 where this host has it
    #[default]
    Dualstack,
    /// IPv4 alone
    Ipv4,
    /// IPv6 alone
    Ipv6,
}

impl Capture {
    /// Rules for these flags.
    ///
    /// # Errors
    /// Reason in words: a flag is invalid.
    pub(super) fn ruleset(&self) -> Result<Ruleset, String> {
        let user = user(&self.user)?;
        let mut chains = BTreeMap::from([(Chain::Outbound, self.outbound(user)?)]);
        if self.redirect_inbound {
            chains.insert(Chain::Inbound, self.inbound()?);
        }
        let families = match self.ip_family_mode {
            Mode::Dualstack => vec![Family::V4, Family::V6],
            Mode::Ipv4 => vec![Family::V4],
            Mode::Ipv6 => vec![Family::V6],
        };
        let is_meant = |rule: &Rule| rule.family.is_none_or(|family| families.contains(&family));
        chains.values_mut().for_each(|rules| rules.retain(is_meant));
        Ok(Ruleset { chains, families })
    }

    fn outbound(&self, user: Users) -> Result<Vec<Rule>, String> {
        let lo = || Match::Out("lo".to_owned());
        let tcp = || Match::Ports(Transport::Tcp, Vec::new());
        let mut rules = Vec::new();
        for (family, address) in HANDED_OVER {
            let from = Match::From(one(address));
            rules.push(rule("what the proxy hands over", Some(family), [from, lo()], Target::Leave));
        }
        // a service dials itself by its own address: the connection from its proxy arrives as if from elsewhere
        for (family, loopback) in LOOPBACK.into_iter().filter(|_| self.redirect_inbound) {
            let when = [tcp(), lo(), Match::NotTo(loopback), Match::Of(user)];
            let then = Target::Redirect(self.redirect_inbound_port);
            rules.push(rule("the proxy to this host itself", Some(family), when, then));
        }
        rules.push(rule("the proxy", None, [Match::Of(user)], Target::Leave));
        let dns = self.dns();
        for OwnPorts { transports, ports, users } in &self.exclude_outbound_ports_for_uids {
            // before anything is redirected; for UDP only if anything is
            for transport in transports.iter().filter(|it| **it == Transport::Tcp || !dns.is_empty()) {
                for (user, ports) in
                    users.iter().flat_map(|user| chunks(ports).map(move |ports| (user, ports)))
                {
                    let when = [Match::Ports(*transport, ports), Match::Of(*user)];
                    rules.push(rule("a user that is left alone", None, when, Target::Leave));
                }
            }
        }
        rules.extend(dns);
        rules.push(rule("this host to itself", None, [lo()], Target::Leave));
        let interface = |name: &String| {
            rule("an interface that is left alone", None, [Match::Out(name.clone())], Target::Leave)
        };
        rules.extend(self.exclude_interfaces.iter().map(interface));
        let left_alone = ports(&self.exclude_outbound_ports, "--exclude-outbound-ports")?;
        rules.extend(without(&left_alone));
        let network = |network: &Network| {
            let family = Some(family_of(network.address));
            rule("a network that is left alone", family, [Match::To(*network)], Target::Leave)
        };
        rules.extend(self.exclude_outbound_ips.iter().map(network));
        let then = Target::Redirect(self.redirect_outbound_port);
        rules.push(rule("everything else", None, [tcp()], then));
        Ok(rules)
    }

    fn inbound(&self) -> Result<Vec<Rule>, String> {
        let mut rules = vec![rule("for other hosts", None, [Match::NotForThisHost], Target::Leave)];
        let interface = |name: &String| {
            rule("an interface that is left alone", None, [Match::In(name.clone())], Target::Leave)
        };
        rules.extend(self.exclude_interfaces.iter().map(interface));
        let network = |network: &Network| {
            let family = Some(family_of(network.address));
            rule("a network that is left alone", family, [Match::From(*network)], Target::Leave)
        };
        rules.extend(self.exclude_inbound_ips.iter().map(network));
        let left_alone = ports(&self.exclude_inbound_ports, "--exclude-inbound-ports")?;
        rules.extend(without(&left_alone));
        let tcp = Match::Ports(Transport::Tcp, Vec::new());
        let then = Target::Redirect(self.redirect_inbound_port);
        rules.push(rule("everything else", None, [tcp], then));
        Ok(rules)
    }

    /// Rules for DNS queries to the servers of this host, or to all.
    fn dns(&self) -> Vec<Rule> {
        if !self.redirect_dns && !self.redirect_all_dns_traffic {
            return Vec::new();
        }
        let text = std::fs::read_to_string(&self.dns_servers).unwrap_or_default();
        let servers: Vec<Option<IpAddr>> = match self.redirect_all_dns_traffic {
            true => vec![None],
            false => proxy::dns::servers(&text).map(|server| Some(server.ip())).collect(),
        };
        let dns = Ports { first: 53, last: 53 };
        let mut rules = Vec::new();
        for server in servers {
            for transport in [Transport::Udp, Transport::Tcp] {
                let to = server.map(|server| Match::To(one(server)));
                let when = to.into_iter().chain([Match::Ports(transport, vec![dns])]);
                let then = Target::Redirect(self.redirect_dns_port);
                rules.push(rule("DNS", server.map(family_of), when, then));
            }
        }
        rules
    }
}

fn rule(
    what: &'static str,
    family: Option<Family>,
    when: impl IntoIterator<Item = Match>,
    then: Target,
) -> Rule {
    Rule { what, family, when: when.into_iter().collect(), then }
}

/// Rules that leave ports alone; no ports: no rules.
fn without(left_alone: &[Ports]) -> impl Iterator<Item = Rule> {
    let some = chunks(left_alone).filter(|ports| !ports.is_empty());
    some.map(|ports| {
        rule("a port that is left alone", None, [Match::Ports(Transport::Tcp, ports)], Target::Leave)
    })
}

/// Chunks of at most as many ports as a rule may name; no ports: one empty chunk for all.
fn chunks(ports: &[Ports]) -> impl Iterator<Item = Vec<Ports>> {
    let all = ports.is_empty().then(Vec::new);
    all.into_iter().chain(ports.chunks(PORTS).map(<[Ports]>::to_vec))
}

fn ports(text: &str, flag: &str) -> Result<Vec<Ports>, String> {
    let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
    words.map(|word| word.parse().map_err(|why| format!("{flag}: {why}"))).collect()
}

fn one(address: IpAddr) -> Network {
    Network { address, length: if address.is_ipv4() { 32 } else { 128 } }
}

fn family_of(address: IpAddr) -> Family {
    if address.is_ipv4() { Family::V4 } else { Family::V6 }
}

/// Parses a user by number, or by a name in `/etc/passwd`.
fn user(text: &str) -> Result<Users, String> {
    let passwd = || std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let number = text.parse().ok().or_else(|| uid_of(&passwd(), text));
    let number = number.ok_or_else(|| {
        format!("--user: there is no user `{text}` in /etc/passwd\n  help: create it, or give its number")
    })?;
    Ok(Users { first: number, last: number })
}

fn uid_of(passwd: &str, name: &str) -> Option<u32> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_its_name() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nmeshtcp-proxy:x:5678:5678::/:/sbin/nologin\n";
        assert_eq!(uid_of(passwd, "meshtcp-proxy"), Some(5678));
        assert_eq!(uid_of(passwd, "meshtcp"), None);
        assert_eq!(user("1000"), Ok(Users { first: 1000, last: 1000 }));
        assert!(user("nobody-at-all").unwrap_err().contains("help"));
    }
}
