//! Text form of a preview.

use std::collections::BTreeMap;
use std::fmt;

use plan::{OnWeightChange, ProxyId};

use super::{Affected, Preview, ProxyPreview, ResourceChange, Verb};

impl fmt::Display for Preview {
    /// Resources with their fields, then changes of proxies and open connections, then remarks.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resources, proxies_total, proxies, not_let_in, remarks } = self;
        resources.iter().try_for_each(|resource| writeln!(f, "{resource}"))?;
        if resources.is_empty() {
            writeln!(f, "no resource would change")?;
        }
        writeln!(f, "\n{} of {proxies_total} proxies would be told something else", proxies.len())?;
        for (what, who) in grouped(proxies) {
            writeln!(f, "  {what}\n      {}", names(&who))?;
        }
        let affected = proxies.iter().flat_map(|it| &it.listeners).filter_map(|it| it.connections.as_ref());
        connections(f, affected)?;
        if !not_let_in.is_empty() {
            writeln!(f)?;
        }
        not_let_in.iter().try_for_each(|it| writeln!(f, "{it}"))?;
        if !remarks.is_empty() {
            writeln!(f)?;
        }
        remarks.iter().try_for_each(|remark| write!(f, "{remark}"))
    }
}

/// Proxies with the same changes, by change; in the order of the first of them.
fn grouped(proxies: &[ProxyPreview]) -> Vec<(&String, Vec<&ProxyId>)> {
    let mut places: BTreeMap<&String, usize> = BTreeMap::new();
    let mut groups: Vec<(&String, Vec<&ProxyId>)> = Vec::new();
    for proxy in proxies {
        for line in &proxy.changes {
            let place = *places.entry(line).or_insert_with(|| {
                groups.push((line, Vec::new()));
                groups.len() - 1
            });
            if let Some((_, who)) = groups.get_mut(place) {
                who.push(&proxy.proxy);
            }
        }
    }
    groups
}

fn names(who: &[&ProxyId]) -> String {
    const SHOWN: usize = 3;
    let mut names: Vec<String> = who.iter().take(SHOWN).map(ToString::to_string).collect();
    if who.len() > SHOWN {
        names.push(format!("and {} more", who.len() - SHOWN));
    }
    names.join(", ")
}

fn connections<'a>(f: &mut fmt::Formatter<'_>, affected: impl Iterator<Item = &'a Affected>) -> fmt::Result {
    let mut sums: BTreeMap<&'static str, (OnWeightChange, u64, u64, u64, f64)> = BTreeMap::new();
    for Affected { existing, open, above_share, closed, age_seconds } in affected {
        let sum = sums.entry(existing.as_str()).or_insert((*existing, 0, 0, 0, 0.0));
        sum.1 += open;
        sum.2 += above_share;
        sum.3 += closed;
        sum.4 = sum.4.max(*age_seconds);
    }
    for (word, (existing, open, above, closed, age)) in sums {
        let plural = if open == 1 { "" } else { "s" };
        write!(
            f,
            "\n{open} open connection{plural} under `meshtcp.io/existing: {word}` (counted {age:.0} s ago): "
        )?;
        match existing {
            OnWeightChange::Keep if closed == 0 => {
                let (are, their) = if above == 1 { ("is", "its") } else { ("are", "their") };
                writeln!(f, "all stay; {above} {are} above the new share of {their} backend")?
            }
            OnWeightChange::Keep | OnWeightChange::DrainExcess | OnWeightChange::Close => {
                writeln!(f, "{closed} would be closed, {} stay", open - closed.min(open))?;
            }
        }
    }
    Ok(())
}

impl fmt::Display for ResourceChange {
    /// `~ MeshTCPRoute default/canary`, and below it the changed fields.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verb, resource, fields } = self;
        let sign = match verb {
            Verb::Create => '+',
            Verb::Update => '~',
            Verb::Delete => '-',
        };
        write!(f, "{sign} {resource}")?;
        fields.iter().try_for_each(|field| write!(f, "\n    {field}"))
    }
}
