//! Data paths of outbounds, as control planes know them from proxies.

use serde_json::{Value, json};

use crate::api::json;
use crate::backend::free_ports;
use crate::database::Database;
use crate::program::{Program, eventually, meshtcp, run};
use crate::store::ControlPlane;

fn say(arguments: &[&str]) -> String {
    let (code, output, errors) = run(arguments);
    assert_eq!(code, 0, "{arguments:?}: {errors}");
    output
}

#[test]
fn which_path_an_outbound_takes_is_known_whichever_control_plane_is_asked() {
    let database = Database::start();
    let admin = ["--admin", "127.0.0.1:0"];
    let one = ControlPlane::start(&database.store(), &admin);
    let other = ControlPlane::start(&database.store(), &admin);
    let [inbound, outbound] = free_ports();
    let web = json!({ "type": "Dataplane", "mesh": "default", "name": "web-1", "networking": {
        "address": "127.0.0.1",
        "inbound": [{ "port": inbound, "tags": { "kuma.io/service": "web", "kuma.io/protocol": "tcp" } }],
        "outbound": [{ "port": outbound, "tags": { "kuma.io/service": "redis" } }],
    } });
    one.put("/meshes/default/dataplanes/web-1", &web);
    let paths =
        |asked: &ControlPlane| json(&asked.api, "/_status?what=proxies")["proxies"][0]["paths"].clone();
    assert_eq!(paths(&one), Value::Null, "nothing was said, and nothing is made up");

    let proxy = Program::start(meshtcp([
        "proxy",
        "--proxy",
        "web-1",
        "--control-plane",
        &other.xds,
        "--workers",
        "1",
    ]));
    for asked in [&one, &other] {
        let listener = format!("outbound:127.0.0.1:{outbound}");
        let outbounds = json!([{ "listener": listener, "path": "relay", "why": "--data-path relay" }]);
        // as it attaches it carries nothing yet
        eventually("it is known", || paths(asked)["outbounds"] == outbounds);
        assert_eq!(paths(asked)["stale"], false);
        let table = say(&["status", "paths", "--server", &asked.api]);
        let line = table.lines().nth(1).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words, ["default/web-1", &listener, "relay", "--data-path", "relay"], "{table}");
        let described = say(&["describe", "dataplane", "web-1", "--server", &asked.api]);
        assert!(described.contains("of outbounds: 1 through the proxy"), "{described}");
        assert!(described.contains(&format!("{listener}  --data-path relay")), "{described}");
    }
    let counted = |plane: &ControlPlane| {
        let line = plane.program.awaits_text(0, "admin: http://");
        let metrics = crate::program::ask(line.trim_start_matches("admin: http://"), "/metrics").1;
        ["kernel", "relay"].map(|path| {
            let name = format!("meshtcp_outbounds{{path=\"{path}\"}} ");
            metrics.lines().find_map(|line| line.strip_prefix(&name)).unwrap().to_owned()
        })
    };
    assert_eq!(
        (counted(&other), counted(&one)),
        (["0", "1"].map(str::to_owned), ["0", "0"].map(str::to_owned))
    );

    // who has gone says nothing any more
    drop(proxy);
    for asked in [&one, &other] {
        eventually("it is stale", || paths(asked)["stale"] == true);
        let table = say(&["status", "paths", "web-1", "--server", &asked.api]);
        assert!(table.contains("it has not reported since"), "{table}");
    }
    eventually("it is not counted", || counted(&other) == ["0", "0"]);
}
