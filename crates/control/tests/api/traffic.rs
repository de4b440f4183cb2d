//! Tests of the traffic answers, the page that shows them, and their access rules.

use meshtcp_control::api::Setup;
use plan::ProxyId;
use serde_json::json;
use xds::proto::l4::{TrafficReport, TrafficRow};

use crate::client::send;
use crate::server::{Server, trusting};

fn report(opened: u64) -> TrafficReport {
    let row = TrafficRow {
        route: "MeshTCPRoute default/canary".into(),
        destination: "redis".into(),
        backend: "MeshService redis-v1".into(),
        wanted: Some(1.0),
        chosen: opened,
        opened,
        ..TrafficRow::default()
    };
    TrafficReport {
        started_us: 4_000_000_000_000_000,
        is_first: true,
        rows: vec![row],
        ..TrafficReport::default()
    }
}

#[tokio::test]
async fn what_proxies_report_is_told_page_by_page() {
    let server = Server::start(trusting()).await;
    let reporters = [1, 2].map(|number| {
        let reporter = server.telemetry.attach(ProxyId::dataplane("default", &*format!("web-{number}")));
        reporter.take(report(number)).unwrap();
        reporter
    });
    let ask = async |query: &str| send(server.address, &format!("GET /_traffic{query}"), "").await;
    let page = ask("").await.json();
    assert_eq!((&page["reporting"], &page["total"]), (&json!(2), &json!(1)), "{page:#}");
    let row = &page["items"][0];
    assert_eq!(
        (&row["proxies"], &row["counts"]["opened"], &row["wanted"]),
        (&json!(2), &json!(3), &json!(1.0))
    );
    assert_eq!(
        (&row["route"], &row["direction"]),
        (&json!("MeshTCPRoute default/canary"), &json!("outbound"))
    );
    let proxies = ask("?by=proxy&sort=busiest&size=1").await.json();
    assert_eq!((&proxies["total"], &proxies["items"][0]["proxy"]), (&json!(2), &json!("default/web-2")));
    assert_eq!(ask("?proxy=default/web-1").await.json()["items"][0]["counts"]["opened"], 1);
    assert_eq!(ask("?route=MeshTCPRoute%20default/other").await.json()["total"], 0);
    for wrong in ["?by=x", "?size=1001", "?proxy=a/b/c/d", "?history=yes"] {
        assert_eq!(ask(wrong).await.status, 400, "{wrong}");
    }
    drop(reporters);
    assert_eq!(ask("").await.json()["reporting"], 0);
}

#[tokio::test]
async fn traffic_and_stories_are_for_readers_and_the_page_says_who_one_is() {
    let server =
        Server::start(Setup { localhost: meshtcp_control::api::Role::Nobody, ..Setup::default() }).await;
    let story = r#"{"line":"id=7 listener=outbound:127.0.0.1:7379 proxy=default/web-1 ended=client-closed"}"#;
    for (request, body) in [("GET /_traffic", ""), ("GET /_traffic/_events", ""), ("POST /_story", story)] {
        assert_eq!(send(server.address, request, body).await.status, 403, "{request}");
    }
    assert_eq!(send(server.address, "GET /_session", "").await.json()["role"], "nobody");
    let server = Server::start(trusting()).await;
    assert_eq!(send(server.address, "GET /_session", "").await.json()["role"], "admin");
    let told = send(server.address, "POST /_story", story).await.json();
    assert_eq!((&told["connection"]["id"], &told["split"]), (&json!(7), &json!([])));
    assert_eq!(send(server.address, "POST /_story", r#"{"line":"hello"}"#).await.status, 400);
}

#[tokio::test]
async fn the_page_lets_a_browser_run_nothing_but_its_own_files() {
    let server = Server::start(Setup::default()).await;
    let page = send(server.address, "GET /gui", "").await;
    assert_eq!((page.status, page.header("location")), (308, Some("gui/")));
    for (path, kind) in
        [("/gui/", "text/html"), ("/gui/page.js", "text/javascript"), ("/gui/page.css", "text/css")]
    {
        let page = send(server.address, &format!("GET {path}"), "").await;
        assert_eq!(page.status, 200, "{path}");
        assert!(page.header("content-type").is_some_and(|it| it.starts_with(kind)), "{path}");
        let policy = page.header("content-security-policy").unwrap_or_default();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"), "{path}");
    }
    assert_eq!(send(server.address, "GET /gui/../config", "").await.status, 404);
}
