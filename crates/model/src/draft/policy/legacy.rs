//! Readers of the policies of the tag-based model, except TrafficRoute: sources, destinations, and the conf as far
//! as it affects TCP.

use std::time::Duration;

use crate::draft::fields::Fields;
use crate::draft::kinds::{Body, Context};
use crate::draft::topology::tags::{self, TagRules};
use crate::kind::Kind;
use crate::policy::{LegacyConf, LegacyPolicy, RetryConf, TimeoutConf, parse_duration};
use crate::resource::Spec;

/// Reads a policy of any kind of the tag-based model.
pub(crate) fn policy(body: &mut Body<'_>, context: &Context<'_>) -> Spec {
    let spec = &mut body.spec;
    let sources = tags::selectors(spec, "sources", TagRules::SOME);
    let destinations = tags::selectors(spec, "destinations", TagRules::SOME);
    let conf = conf(spec.object("conf"), context.kind);
    Spec::Legacy(LegacyPolicy { kind: context.kind, sources, destinations, conf })
}

/// Reads the fields of the conf that affect TCP; the others are ignored.
fn conf(mut conf: Fields<'_>, kind: Kind) -> LegacyConf {
    conf.know_the_rest();
    let mut tcp = conf.object("tcp");
    tcp.know_the_rest();
    match kind {
        Kind::Timeout => LegacyConf::Timeout(TimeoutConf {
            connect: duration(&mut conf, "connectTimeout"),
            idle: duration(&mut tcp, "idleTimeout"),
        }),
        Kind::Retry => {
            LegacyConf::Retry(RetryConf { max_connect_attempts: tcp.number("maxConnectAttempts") })
        }
        Kind::TrafficLog => LegacyConf::Log(conf.text("backend")),
        _ => LegacyConf::Unfelt,
    }
}

fn duration<'d>(fields: &mut Fields<'d>, name: &'d str) -> Option<Duration> {
    let is_text = fields.value(name)?.is_string();
    let text = fields.text(name)?;
    let duration = parse_duration(&text);
    if duration.is_none() {
        let help = "write a number and a unit, such as 500ms, 5s or 1h30m";
        fields.error(name, format!("`{text}` is no duration"), Some(help.into()));
    }
    duration.filter(|_| is_text)
}
