//! The policies of the tag-based model, except TrafficRoute: who, to whom, and a conf that stays a tree.

use crate::draft::fields::Fields;
use crate::draft::kinds::{Body, Context};
use crate::kind::Kind;
use crate::policy::{LegacyPolicy, parse_duration};
use crate::reference::Tags;
use crate::resource::Spec;

/// Reads a policy of any kind of the tag-based model.
pub(crate) fn policy(body: &mut Body<'_>, context: &Context<'_>) -> Spec {
    let spec = &mut body.spec;
    let sources = selectors(spec, "sources");
    let destinations = selectors(spec, "destinations");
    check_conf(spec.object("conf"), context.kind);
    let conf = spec.json("conf");
    Spec::Legacy(LegacyPolicy { kind: context.kind, sources, destinations, conf })
}

fn selectors<'d>(spec: &mut Fields<'d>, name: &'d str) -> Vec<Tags> {
    if !spec.has(name) {
        spec.violate(name, "must have at least one element");
    }
    spec.list(name, |mut selector| {
        let tags: Tags = selector.map("match").unwrap_or_default();
        if tags.is_empty() {
            selector.violate("match", "must have at least one tag");
        }
        tags
    })
}

/// Reads those fields of the conf that TCP feels, for their types; the others are not looked at.
fn check_conf(mut conf: Fields<'_>, kind: Kind) {
    conf.know_the_rest();
    let mut tcp = conf.object("tcp");
    tcp.know_the_rest();
    match kind {
        Kind::Timeout => {
            check_duration(&mut conf, "connectTimeout");
            check_duration(&mut tcp, "idleTimeout");
        }
        Kind::Retry => {
            tcp.number::<u32>("maxConnectAttempts");
        }
        Kind::TrafficLog => {
            conf.text("backend");
        }
        _ => {}
    }
}

fn check_duration<'d>(fields: &mut Fields<'d>, name: &'d str) {
    if let Some(text) = fields.text(name)
        && parse_duration(&text).is_none()
    {
        let help = "write a number and a unit, such as 500ms, 5s or 1h30m";
        fields.error(name, format!("`{text}` is no duration"), Some(help.into()));
    }
}
