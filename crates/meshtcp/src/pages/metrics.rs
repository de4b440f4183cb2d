//! `/metrics`, in the format that the client accepts: OpenMetrics, or the older text format of Prometheus.

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

const OPEN_METRICS: &str = "application/openmetrics-text";

/// `/metrics` of a registry, for a request with these headers.
pub(crate) fn metrics(registry: &Registry, asked: &HeaderMap) -> Response {
    let Some(text) = open_metrics(registry) else {
        return (StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be written\n").into_response();
    };
    let takes_open = asked.get_all(header::ACCEPT).iter().any(|accept| {
        accept.to_str().unwrap_or_default().split(',').any(|one| one.trim().starts_with(OPEN_METRICS))
    });
    if takes_open {
        let kind = format!("{OPEN_METRICS}; version=1.0.0; charset=utf-8");
        return ([(header::CONTENT_TYPE, kind)], text).into_response();
    }
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], plain(&text)).into_response()
}

/// Metrics of a registry in OpenMetrics; `None`: one of them cannot be encoded.
pub(crate) fn open_metrics(registry: &Registry) -> Option<String> {
    let mut text = String::new();
    encode(&mut text, registry).ok().map(|()| text)
}

/// Converts to the older format: counters are named like their samples, and there are neither units nor an end mark.
fn plain(open: &str) -> String {
    let mut text = String::with_capacity(open.len());
    let mut help: Option<(&str, &str)> = None;
    for line in open.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
        {
            let ending = if kind == "counter" { "_total" } else { "" };
            if let Some((_, words)) = help.take().filter(|(of, _)| *of == name) {
                text.push_str(&format!("# HELP {name}{ending} {words}\n"));
            }
            text.push_str(&format!("# TYPE {name}{ending} {kind}\n"));
        } else if !line.starts_with('#') {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::gauge::Gauge;

    use super::*;

    #[test]
    fn an_old_scraper_gets_what_it_reads_and_a_new_one_what_it_asks_for() {
        let (changes, files) = (Counter::<u64>::default(), Gauge::<i64>::default());
        changes.inc();
        let mut registry = Registry::default();
        registry.register("changes", "Changes", changes);
        registry.register("files", "Files", files);
        let mut open = String::new();
        encode(&mut open, &registry).unwrap();
        let plain = plain(&open);
        for line in [
            "# HELP changes_total Changes.",
            "# TYPE changes_total counter",
            "changes_total 1",
            "# TYPE files gauge",
        ] {
            assert!(plain.lines().any(|it| it == line), "{line} is not in\n{plain}");
        }
        assert!(!plain.contains("EOF") && open.contains("# EOF"), "{open}");

        let kind = |accept: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.extend(accept.map(|accept| (header::ACCEPT, accept.parse().unwrap())));
            metrics(&registry, &headers).headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned()
        };
        assert!(
            kind(Some("application/openmetrics-text;version=1.0.0,text/plain;q=0.5"))
                .starts_with(OPEN_METRICS)
        );
        for accept in [None, Some("*/*"), Some("text/plain;version=0.0.4")] {
            assert!(kind(accept).starts_with("text/plain; version=0.0.4"), "{accept:?}");
        }
    }
}
