//! The policies of the tag-based model, except TrafficRoute: who, to whom, and a conf that stays a tree.

use crate::draft::fields::Fields;
use crate::draft::kinds::{Body, Context};
use crate::draft::topology::tags::{self, TagRules};
use crate::kind::Kind;
use crate::policy::{LegacyPolicy, parse_duration};
use crate::resource::Spec;

/// Reads a policy of any kind of the tag-based model.
pub(crate) fn policy(body: &mut Body<'_>, context: &Context<'_>) -> Spec {
    let spec = &mut body.spec;
    let sources = tags::selectors(spec, "sources", TagRules::SOME);
    let destinations = tags::selectors(spec, "destinations", TagRules::SOME);
    check_conf(spec.object("conf"), context.kind);
    let conf = spec.json("conf");
    Spec::Legacy(LegacyPolicy { kind: context.kind, sources, destinations, conf })
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
