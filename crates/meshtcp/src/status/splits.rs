//! Wanted and observed splits of routes.

use std::collections::BTreeMap;

use change::compile::without_kind;
use change::traffic::{FlowDirection, TrafficPage, TrafficRow};

use crate::client::Client;

/// Split of each route in words, by `Kind mesh/name`.
#[derive(Debug, Default)]
pub(super) struct Splits(BTreeMap<String, Vec<String>>);

impl Splits {
    /// Asks for the reports of proxies; empty for a control plane that takes none.
    pub(super) fn ask(client: &Client) -> Self {
        let page = client.get("/_traffic?size=1000").ok().flatten();
        let page: Option<TrafficPage> = page.and_then(|page| serde_json::from_value(page).ok());
        Self::of(page.map(|page| page.items).unwrap_or_default())
    }

    fn of(rows: Vec<TrafficRow>) -> Self {
        let mut splits: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for TrafficRow { flow, wanted, seen, .. } in rows {
            let Some(flow) = flow.filter(|flow| flow.direction != FlowDirection::Inbound) else { continue };
            let (Some(route), Some(backend)) = (flow.route, flow.backend) else { continue };
            if wanted.is_none() && seen.is_none_or(|seen| seen == 0.0) {
                continue;
            }
            let share = |share: Option<f64>| share.map_or("-".to_owned(), |it| format!("{:.0}", it * 100.0));
            let words = format!("{} {} → {} %", without_kind(&backend), share(wanted), share(seen));
            let known = splits.entry(route.to_string()).or_default();
            if !known.contains(&words) {
                known.push(words);
            }
        }
        Self(splits)
    }

    /// Returns `true` if nothing is known of any route.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Split of one route, one backend after the other; `-` if nothing is known.
    pub(super) fn in_words(&self, route: &str) -> String {
        self.0.get(route).map_or("-".to_owned(), |backends| backends.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use change::traffic::{Counts, Flow};

    use super::*;

    #[test]
    fn a_split_says_what_is_wanted_and_what_is_seen_of_each_backend() {
        let row = |backend: &str, wanted, seen| TrafficRow {
            flow: Some(Flow {
                mesh: "default".into(),
                route: Some("MeshTCPRoute default/canary".into()),
                destination: "redis".into(),
                direction: FlowDirection::Outbound,
                backend: Some(backend.into()),
            }),
            proxy: None,
            proxies: 1,
            wanted,
            seen,
            counts: Counts::default(),
            pace: None,
            history: None,
        };
        let rows = vec![
            row("MeshService v1", Some(0.9), Some(0.884)),
            row("MeshService v2", Some(0.1), Some(0.116)),
            row("MeshService old", None, None),
        ];
        let splits = Splits::of(rows);
        assert_eq!(splits.in_words("MeshTCPRoute default/canary"), "v1 90 → 88 %, v2 10 → 12 %");
        assert_eq!(splits.in_words("MeshTCPRoute default/other"), "-");
    }
}
