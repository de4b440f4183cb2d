//! Reader of MeshHealthCheck.

use super::{above_zero, duration, part, percent};
use crate::draft::fields::Fields;
use crate::policy::{HealthCheckConf, TcpCheckConf, parse_base64};

pub(super) fn read(mut conf: Fields<'_>) -> HealthCheckConf {
    let conf = &mut conf;
    let [interval, timeout] = ["interval", "timeout"].map(|name| {
        let read = duration(conf, name);
        if read.is_some_and(|duration| duration.is_zero()) {
            conf.error(name, "must be more than 0", None);
        }
        read.filter(|duration| !duration.is_zero())
    });
    let said = HealthCheckConf {
        interval,
        timeout,
        initial_jitter: duration(conf, "initialJitter"),
        interval_jitter: duration(conf, "intervalJitter"),
        no_traffic_interval: duration(conf, "noTrafficInterval"),
        unhealthy_threshold: above_zero(conf, "unhealthyThreshold"),
        healthy_threshold: above_zero(conf, "healthyThreshold"),
        interval_jitter_percent: conf.number("intervalJitterPercent"),
        panic_threshold: percent(conf, "healthyPanicThreshold"),
        fail_on_panic: conf.flag("failTrafficOnPanic"),
        reuse_connection: conf.flag("reuseConnection"),
        tcp: {
            conf.flag("alwaysLogHealthCheckFailures");
            conf.text("eventLogPath");
            part(conf, "tcp", tcp)
        },
    };
    conf.object("http").known(&["disabled", "path", "requestHeadersToAdd", "expectedStatuses"]);
    conf.object("grpc").known(&["disabled", "serviceName", "authority"]);
    said
}

fn tcp(mut tcp: Fields<'_>) -> TcpCheckConf {
    let help = || Some("write the bytes in base64: `printf PING | base64`".into());
    let disabled = tcp.flag("disabled");
    let send = tcp.text("send").map(|text| parse_base64(&text));
    if send == Some(None) {
        tcp.error("send", "is no base64", help());
    }
    let is_said = tcp.has("receive");
    let receive: Vec<_> = tcp.texts("receive").iter().map(|text| parse_base64(text)).collect();
    if receive.contains(&None) {
        tcp.error("receive", "holds a text that is no base64", help());
    }
    let receive = receive.into_iter().flatten().filter(|bytes| !bytes.is_empty()).collect();
    TcpCheckConf { disabled, send: send.flatten(), receive: is_said.then_some(receive) }
}
