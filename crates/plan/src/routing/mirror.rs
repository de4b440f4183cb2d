//! Mirrors of listeners.

use model::Tags;
use model::policy::{MirrorConf, Percent};

use super::settings;
use super::split::{SplitContext, Splitter};
use crate::plan::{BackendFate, Mirror, Sourced};
use crate::rules::Merged;

/// Returns the mirror of a listener's connections; `gateway`: the tags of a gateway listener.
pub(super) fn of_listener(
    splitter: &mut Splitter<'_, '_>,
    merged: Option<&Merged>,
    gateway: Option<&Tags>,
) -> Option<Sourced<Mirror>> {
    let Sourced { value: backend, origin } =
        settings::sourced(splitter.view.reader(), merged, |said: &MirrorConf| said.backend.clone())?;
    let MirrorConf { backend: _, percent, buffer } = merged?.said()?;
    let sides = splitter.sides(std::slice::from_ref(&backend), &origin);
    let context = SplitContext { on_unavailable: None, checks_protocols: false, gateway };
    let to = match splitter.split(sides, context).pop()?.fate {
        BackendFate::Routed { cluster, subset } => Ok((cluster, subset)),
        BackendFate::Spilled(why) | BackendFate::Refused(why) => Err(why.to_string()),
    };
    let mirror = Mirror {
        reference: backend.to_string(),
        to,
        percent: percent.unwrap_or(Percent::whole(100)),
        buffer: buffer.unwrap_or(MirrorConf::BUFFER),
    };
    Some(Sourced { value: mirror, origin })
}
