//! MeshHealthCheck.

use super::{above_zero, percent};
use crate::draft::fields::Fields;
use crate::policy::parse_base64;

pub(super) fn check(mut conf: Fields<'_>) {
    for name in ["interval", "timeout", "initialJitter", "intervalJitter", "noTrafficInterval"] {
        let zero = conf.text(name).is_some_and(|text| is_zero(&text));
        if zero && matches!(name, "interval" | "timeout") {
            conf.error(name, "must be more than 0", None);
        }
    }
    for name in ["unhealthyThreshold", "healthyThreshold"] {
        above_zero(&mut conf, name);
    }
    conf.number::<u32>("intervalJitterPercent");
    percent(&mut conf, "healthyPanicThreshold");
    conf.flag("failTrafficOnPanic");
    conf.flag("reuseConnection");
    conf.flag("alwaysLogHealthCheckFailures");
    conf.text("eventLogPath");
    let mut tcp = conf.object("tcp");
    tcp.flag("disabled");
    let help = || Some("write the bytes in base64: `printf PING | base64`".into());
    if tcp.text("send").is_some_and(|text| parse_base64(&text).is_none()) {
        tcp.error("send", "is no base64", help());
    }
    if tcp.texts("receive").iter().any(|text| parse_base64(text).is_none()) {
        tcp.error("receive", "holds a text that is no base64", help());
    }
    conf.object("http").known(&["disabled", "path", "requestHeadersToAdd", "expectedStatuses"]);
    conf.object("grpc").known(&["disabled", "serviceName", "authority"]);
}

fn is_zero(text: &str) -> bool {
    crate::policy::parse_duration(text).is_some_and(|duration| duration.is_zero())
}
