//! An explanation as a tree of lines, without colour.

use std::collections::BTreeMap;
use std::fmt;

use super::{
    Explanation, InboundExplanation, OutboundExplanation, PermissionExplanation, PolicyExplanation,
    RedirectedExplanation, SettingExplanation, ShareExplanation,
};

/// Number of policies with the same outcome above which the list is shortened.
const ALIKE: usize = 6;
/// Limit on the number of policies that are listed.
const LINES: usize = 100;

/// Line and the lines below it.
struct Node {
    line: String,
    below: Vec<Node>,
}

impl Node {
    fn new(line: impl Into<String>, below: Vec<Node>) -> Self {
        Self { line: line.into(), below }
    }

    fn leaf(line: impl Into<String>) -> Self {
        Self::new(line, Vec::new())
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, indent: &str) -> fmt::Result {
        for (index, node) in self.below.iter().enumerate() {
            let is_last = index + 1 == self.below.len();
            let (branch, bar) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            writeln!(f, "{indent}{branch}{}", node.line)?;
            node.write(f, &format!("{indent}{bar}"))?;
        }
        Ok(())
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Explanation { proxy, profile, outbounds, inbounds, redirected, policies, warnings } = self;
        let mut below: Vec<Node> = outbounds.iter().map(outbound).collect();
        below.extend(inbounds.iter().map(inbound));
        if let Some(RedirectedExplanation { outbound, inbound, settings }) = redirected {
            let all = [outbound, inbound].into_iter().chain(settings).map(setting).collect();
            below.push(Node::new("redirected by the kernel", all));
        }
        if below.is_empty() {
            below.push(Node::leaf("no such outbound"));
        }
        if !policies.is_empty() {
            below.push(Node::new("routes of the mesh", briefly(policies)));
        }
        if !warnings.is_empty() {
            below.push(Node::new("warnings", warnings.iter().map(Node::leaf).collect()));
        }
        let root = Node::new(format!("{proxy}, by the rules of {profile}"), below);
        writeln!(f, "{}", root.line)?;
        root.write(f, "")
    }
}

fn outbound(outbound: &OutboundExplanation) -> Node {
    let OutboundExplanation {
        name,
        dials,
        matched,
        protocol,
        decided_by,
        because,
        split,
        refusal,
        settings,
        considered,
    } = outbound;
    let why = if because.is_empty() { Vec::new() } else { vec![Node::leaf(because)] };
    let mut below = vec![Node::new(format!("decided by {decided_by}"), why)];
    if let Some(refusal) = refusal {
        below.push(Node::leaf(format!("connections are refused: {refusal}")));
    }
    if !split.is_empty() {
        below.push(Node::new("split", split.iter().map(share).collect()));
    }
    if !settings.is_empty() {
        below.push(Node::new("settings", settings.iter().map(setting).collect()));
    }
    if !considered.is_empty() {
        below.push(Node::new("considered", considered.iter().map(policy).collect()));
    }
    let matched = matched.as_ref().map(|matched| format!(", {matched}")).unwrap_or_default();
    Node::new(format!("{name} → {dials} ({protocol}){matched}"), below)
}

fn inbound(InboundExplanation { name, settings, permissions }: &InboundExplanation) -> Node {
    let permission = |PermissionExplanation { who, does, from }: &PermissionExplanation| {
        Node::leaf(format!("{does} {who}, from {from}"))
    };
    let mut below: Vec<Node> = settings.iter().map(setting).collect();
    below.push(match permissions.is_empty() {
        true => Node::leaf("nobody may connect: no permission speaks about it"),
        false => Node::new("permissions", permissions.iter().map(permission).collect()),
    });
    Node::new(name.as_str(), below)
}

fn share(ShareExplanation { percent, weight, weighed_by, reference, goes, path }: &ShareExplanation) -> Node {
    let path = path.iter().map(Node::leaf).collect();
    let by = weighed_by.as_ref().map(|by| format!(", from {by}")).unwrap_or_default();
    Node::new(format!("{percent:>6.2} %  {reference} (weight {weight}{by}) → {goes}"), path)
}

fn setting(SettingExplanation { name, value, from }: &SettingExplanation) -> Node {
    Node::leaf(format!("{name}: {value}, from {from}"))
}

/// Lists the policies, one per line; of many with the same outcome the first few, and how many more there are.
fn briefly(policies: &[PolicyExplanation]) -> Vec<Node> {
    let mut alike: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for PolicyExplanation { policy: _, outcome, why } in policies {
        *alike.entry((outcome, why)).or_default() += 1;
    }
    let mut nodes = Vec::new();
    let mut told: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut rest = 0;
    for explained in policies {
        let sort = (explained.outcome.as_str(), explained.why.as_str());
        let of_sort = alike.get(&sort).copied().unwrap_or_default();
        let told = told.entry(sort).or_default();
        *told += 1;
        match *told {
            _ if nodes.len() >= LINES => rest += 1,
            nth if of_sort <= ALIKE || nth < ALIKE => nodes.push(policy(explained)),
            ALIKE => {
                let PolicyExplanation { policy: _, outcome, why } = explained;
                let more = format!("{} policies more", of_sort - ALIKE + 1);
                let (policy, outcome, why) = (more, outcome.clone(), why.clone());
                nodes.push(self::policy(&PolicyExplanation { policy, outcome, why }));
            }
            _ => {}
        }
    }
    if rest > 0 {
        nodes.push(Node::leaf(format!("and {rest} policies more; as JSON all are listed")));
    }
    nodes
}

fn policy(PolicyExplanation { policy, outcome, why }: &PolicyExplanation) -> Node {
    let why = if why.is_empty() { String::new() } else { format!(": {why}") };
    Node::leaf(format!("{policy}: {outcome}{why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_policies_that_do_nothing_are_a_few_lines() {
        let explained = |number: usize, outcome: &str, why: &str| PolicyExplanation {
            policy: format!("MeshTCPRoute route-{number}"),
            outcome: outcome.to_owned(),
            why: why.to_owned(),
        };
        let mut policies = vec![explained(0, "applied", "")];
        policies.extend((1..1000).map(|number| explained(number, "ignored", "nobody dials it")));
        let lines: Vec<String> = briefly(&policies).into_iter().map(|node| node.line).collect();
        assert_eq!(lines.len(), 7);
        assert_eq!(
            (lines[0].as_str(), lines[6].as_str()),
            ("MeshTCPRoute route-0: applied", "994 policies more: ignored: nobody dials it",)
        );
        let all_different: Vec<_> =
            (0..1000).map(|number| explained(number, "not selected", &number.to_string())).collect();
        assert_eq!(briefly(&all_different).len(), LINES + 1);
        assert_eq!(briefly(&policies[..7]).len(), 7, "a few are all listed");
    }
}
