//! An explanation as a tree of lines, without colour.

use std::fmt;

use super::{Explanation, OutboundExplanation, PolicyExplanation, SettingExplanation, ShareExplanation};

/// A line and what is below it.
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
        let Explanation { proxy, profile, outbounds, policies, warnings } = self;
        let mut below: Vec<Node> = outbounds.iter().map(outbound).collect();
        if below.is_empty() {
            below.push(Node::leaf("no such outbound"));
        }
        if !policies.is_empty() {
            below.push(Node::new("routes of the mesh", policies.iter().map(policy).collect()));
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
    Node::new(format!("{name} → {dials} ({protocol})"), below)
}

fn share(ShareExplanation { percent, weight, reference, goes }: &ShareExplanation) -> Node {
    Node::leaf(format!("{percent:>6.2} %  {reference} (weight {weight}) → {goes}"))
}

fn setting(SettingExplanation { name, value, from }: &SettingExplanation) -> Node {
    Node::leaf(format!("{name}: {value}, from {from}"))
}

fn policy(PolicyExplanation { policy, outcome, why }: &PolicyExplanation) -> Node {
    let why = if why.is_empty() { String::new() } else { format!(": {why}") };
    Node::leaf(format!("{policy}: {outcome}{why}"))
}
