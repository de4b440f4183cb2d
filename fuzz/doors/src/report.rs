//! Reports of a proxy about its connections.

use std::sync::Arc;
use std::time::Duration;

use change::paths::ReportedPaths;
use change::traffic::{Bounds, GroupBy, Report, Traffic, TrafficQuestion};
use jiff::Timestamp;
use plan::ProxyId;
use prost::Message;
use xds::proto::l4::TrafficReport;

/// Limits on stored reports, small enough that a few reports reach them.
const BOUNDS: Bounds =
    Bounds { rows_of_proxy: 4, rows: 6, proxies: 2, histories: 3, memory: Duration::from_mins(15) };

/// Takes the bytes as reports of two proxies, one after the other, each preceded by its length. Whatever their content,
/// the limits hold, a repeated report changes nothing, and answers about them can be decoded.
pub fn report(bytes: &[u8]) {
    let (mesh, mut rest) = (Arc::from("default"), bytes);
    let now = Timestamp::UNIX_EPOCH;
    let mut traffic = Traffic::new(BOUNDS, now);
    let mut second = 0;
    while let [whose, length, more @ ..] = rest {
        let (message, more) = more.split_at(more.len().min(usize::from(*length)));
        rest = more;
        second += 10;
        let at = Timestamp::from_second(second).unwrap_or(now);
        let proxy = ProxyId::dataplane("default", if whose % 2 == 0 { "web-1" } else { "web-2" });
        let Ok(mut message) = TrafficReport::decode(message) else { continue };
        if let Some(Ok(paths)) = message.paths.take().map(|paths| ReportedPaths::read(paths, at)) {
            let told =
                serde_json::to_string(&paths).unwrap_or_else(|error| panic!("it cannot be told: {error}"));
            let read = serde_json::from_str::<ReportedPaths>(&told);
            assert!(read.is_ok_and(|read| read == paths), "another control plane reads {told} otherwise");
        }
        let Ok(report) = Report::read(&mesh, message) else { continue };
        // a full store returns an error, and has taken the rest
        let _ = traffic.take(&proxy, report.clone(), at);
        let taken = page(&traffic, GroupBy::Flow, at);
        let _ = traffic.take(&proxy, Report { is_first: false, ..report }, at);
        assert_eq!(page(&traffic, GroupBy::Flow, at), taken, "the same report counts once");
        page(&traffic, GroupBy::Proxy, at);
        if whose % 8 >= 6 {
            traffic.left(&proxy, at);
        }
        traffic.step(at);
    }
}

fn page(traffic: &Traffic, by: GroupBy, at: Timestamp) -> String {
    let question = TrafficQuestion { by, with_history: true, size: 1000, ..TrafficQuestion::default() };
    let page = traffic.page(&question, at);
    assert!(page.total <= 64 && traffic.reporting() <= BOUNDS.proxies, "{} rows", page.total);
    serde_json::to_string(&page).unwrap_or_else(|error| panic!("it cannot be told: {error}"))
}
