//! Connection settings in words.

use model::policy::format_duration;

use super::SettingExplanation;
use crate::plan::{Backend, ConnectionSettings, Plan, PolicyOrigin, SplitSettings};

/// Explains the settings of a listener's connections, of its split, and of each destination of the split.
pub(super) fn explained(
    plan: &Plan,
    split: &[Backend],
    split_settings: &SplitSettings,
    settings: &ConnectionSettings,
) -> Vec<SettingExplanation> {
    let about_all = settings.explained().into_iter().chain(split_settings.explained());
    let mut explained: Vec<_> =
        about_all.map(|(name, value, origin)| explanation(name.to_owned(), value, origin)).collect();
    for cluster in split.iter().filter_map(Backend::cluster).filter_map(|name| plan.clusters.get(name)) {
        let connect = cluster.connect_timeout.iter();
        let connect = connect.map(|said| ("connect timeout", format_duration(said.value), &said.origin));
        let about_one = connect.chain(cluster.settings.explained());
        explained.extend(
            about_one.map(|(name, value, origin)| {
                explanation(format!("{name} of {}", cluster.name), value, origin)
            }),
        );
    }
    explained
}

fn explanation(name: String, value: String, origin: &PolicyOrigin) -> SettingExplanation {
    SettingExplanation { name, value, from: origin.to_string() }
}
