//! Reader of `default` of a MeshTCPMirror.

use serde_json::Value;

use crate::draft::fields::Fields;
use crate::draft::policy::{route, route_conf};
use crate::policy::MirrorConf;
use crate::profile::Profile;

/// Reads the destination of copies, the share of connections, and the limit on bytes that wait.
pub(super) fn read(mut conf: Fields<'_>, profile: Profile) -> MirrorConf {
    conf.choice("onSlow", &[("drop", ())]);
    MirrorConf {
        percent: conf.has("percent").then(|| super::percent(&mut conf, "percent")).flatten(),
        buffer: buffer(&mut conf),
        backend: backend(&mut conf, profile),
    }
}

fn backend(conf: &mut Fields<'_>, profile: Profile) -> Option<crate::reference::BackendRef> {
    let mut written = conf.json("backendRef");
    let fields = conf.object("backendRef");
    if !fields.is_present() {
        return None;
    }
    if fields.has("weight") {
        let help = "leave it out: `percent` says how many connections are mirrored";
        fields.error("weight", "a mirror has no weight", Some(help.into()));
    }
    route::backend_ref(fields, profile);
    route_conf::tidy_backend(&mut written, profile);
    route_conf::backend_ref(&written)
}

/// Reads a number of bytes, or of `Ki` or `Mi` of them.
fn buffer(conf: &mut Fields<'_>) -> Option<u32> {
    let bytes = match conf.value("buffer")? {
        Value::String(text) => {
            let (number, unit) = match (text.strip_suffix("Ki"), text.strip_suffix("Mi")) {
                (Some(number), _) => (number, 1 << 10),
                (_, Some(number)) => (number, 1 << 20),
                (None, None) => (text.as_str(), 1),
            };
            number.parse::<u32>().ok().and_then(|number| number.checked_mul(unit))
        }
        other => other.as_u64().and_then(|bytes| u32::try_from(bytes).ok()),
    };
    let allowed = bytes.filter(|bytes| MirrorConf::BUFFERS.contains(bytes));
    if allowed.is_none() {
        conf.error("buffer", "is no number of bytes from 4Ki to 64Mi", Some("write 256Ki, or 1Mi".into()));
    }
    allowed
}
