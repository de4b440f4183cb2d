//! Commands that preview a change, against files that stand for the resources in force.

use crate::program::run;
use crate::store::ControlPlane;
use crate::town::{Town, route};

/// Mesh in force, and a folder with a proposed route beside it.
fn proposed(weights: &[(&str, u32)]) -> (Town, tempfile::TempDir, String) {
    let town = Town::new();
    town.route(&[("v1", 90), ("v2", 10)]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("route.yaml");
    std::fs::write(&file, route(weights)).unwrap();
    (town, folder, file.to_str().unwrap().to_owned())
}

#[test]
fn a_preview_tells_the_old_and_the_new_split_and_changes_nothing() {
    let (town, _folder, file) = proposed(&[("v1", 50), ("v2", 50)]);
    let (code, out, err) = run(&["preview", "-f", &file, "--against", &town.path()]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    for part in [
        "~ MeshTCPRoute default/canary",
        "weight: 90 → 50",
        "1 of 3 proxies",
        "90/10 → 50/50",
        "default/web-1",
    ] {
        assert!(out.contains(part), "{part} is not in\n{out}");
    }
    let (code, out, _) = run(&["preview", "-o", "json", "-f", &file, "--against", &town.path()]);
    let tree: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(code, 0);
    assert_eq!(tree["proxies"][0]["listeners"][0]["after"]["split"][0]["percent"], 50.0);
    assert!(std::fs::read_to_string(town.file("route.yaml")).unwrap().contains("weight: 90"));
}

#[test]
fn a_diff_tells_lines_and_fields_and_says_by_its_exit_code_whether_there_are_any() {
    let (town, _folder, file) = proposed(&[("v1", 90), ("v2", 11)]);
    let (code, out, _) = run(&["diff", "-f", &file, "--against", &town.path()]);
    assert_eq!(code, 1);
    for part in [
        "backendRefs[redis version=v2].weight: 10 → 11",
        "-                weight: 10\n",
        "+                weight: 11\n",
    ] {
        assert!(out.contains(part), "{part} is not in\n{out}");
    }
    let (code, out, _) =
        run(&["diff", "-f", town.file("route.yaml").to_str().unwrap(), "--against", &town.path()]);
    assert_eq!((code, out.as_str()), (0, ""));
}

#[test]
fn secrets_are_compared_with_those_that_are_stored() {
    let control_plane = ControlPlane::start("memory", &[]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret.yaml");
    let file = file.to_str().unwrap();
    let ask = |command: &str| run(&[command, "-f", file, "--server", &control_plane.api]);
    let write = |data: &str| {
        std::fs::write(file, format!("type: Secret\nmesh: default\nname: s\ndata: {data}\n")).unwrap();
    };
    write("YQ==");
    assert_eq!(ask("apply").0, 0);
    assert_eq!(ask("diff"), (0, String::new(), String::new()));
    let (code, out, err) = ask("preview");
    assert!(code == 0 && out.contains("no resource would change"), "{out}{err}");
    write("Yg==");
    assert!(ask("diff").0 == 1 && ask("preview").1.contains("~ Secret default/s"), "{}", ask("preview").1);
}

#[test]
fn a_document_that_is_bad_stops_everything_and_a_url_is_no_document() {
    let (town, folder, file) = proposed(&[("v1", 90)]);
    std::fs::write(folder.path().join("bad.yaml"), "type: MeshTCPRoute\nname: x\nspec: {too: []}\n").unwrap();
    let folder = folder.path().to_str().unwrap();
    let (code, out, err) = run(&["preview", "-f", folder, "--against", &town.path()]);
    assert!(code == 1 && out.is_empty() && err.contains("did you mean `to`"), "{err}");
    let (code, _, err) = run(&["preview", "-f", "https://example.com/route.yaml", "--against", &town.path()]);
    assert!(code == 2 && err.contains("curl"), "{err}");
    let (code, _, err) = run(&["preview", "-f", &file, "--against", "/no/such/folder"]);
    assert!(code == 3 && err.contains("/no/such/folder"), "{err}");
}

#[test]
fn a_simulation_decides_as_the_proxy_does_and_again_the_same() {
    let (town, folder, file) = proposed(&[("v1", 0), ("v2", 100)]);
    let arguments = [
        "simulate",
        "-f",
        &file,
        "--against",
        &town.path(),
        "--connections",
        "1000",
        "--seed",
        "7",
        "-o",
        "json",
    ];
    let (code, out, err) = run(&arguments);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert_eq!(run(&arguments).1, out);
    let tree: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(tree["connections"], 1000);
    let moved = tree["moved"].as_u64().unwrap();
    assert!((890..=910).contains(&moved), "{out}");

    let log = folder.path().join("connections.log");
    let line = |id: u32, draw: &str| {
        let listener = format!("outbound:127.0.0.1:{}", town.outbound);
        format!(
            "id={id} proxy=default/web-1 listener={listener} client=127.0.0.1:9 server_name=- policy=default draw={draw} ended=client-closed\n"
        )
    };
    let lines =
        [line(1, "0000000000000000"), line(2, "ffffffffffffffff"), line(3, "-"), "nonsense\n".to_owned()];
    std::fs::write(&log, lines.concat()).unwrap();
    let log = log.to_str().unwrap();
    let (code, out, err) = run(&["simulate", "-f", &file, "--against", &town.path(), "--log", log]);
    assert!(code == 0 && err.contains("1 lines are no lines"), "{err}");
    for part in
        ["2 connections decided twice, 1 of them would go elsewhere", "1 connections of the log have no draw"]
    {
        assert!(out.contains(part), "{part} is not in\n{out}");
    }
}

#[test]
fn routes_are_imported_as_documents_that_can_be_applied() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("route.yaml");
    let text = "apiVersion: gateway.networking.k8s.io/v1\nkind: TCPRoute\nmetadata: {name: redis}\nspec:\n  \
        parentRefs: [{group: \"\", kind: Service, name: redis}]\n  rules: [{backendRefs: [{name: redis-next, port: 1}]}, {}]\n";
    std::fs::write(&file, text).unwrap();
    let (code, out, err) = run(&["import", "--from", "gateway-api", file.to_str().unwrap()]);
    assert!(code == 0 && err.contains("spec.rules[1]") && err.contains("1 route made, 1 note"), "{err}");
    std::fs::write(&file, &out).unwrap();
    let (code, out, err) = run(&["validate", file.to_str().unwrap()]);
    assert_eq!(code, 0, "{out}{err}");
}

#[test]
fn an_explanation_may_be_asked_for_by_from_and_to() {
    let (town, _folder, _) = proposed(&[]);
    for to in ["redis", "redis:6379", &town.outbound.to_string()] {
        let (code, out, err) = run(&["explain", &town.path(), "--from", "web-1", "--to", to]);
        assert!(code == 0 && out.contains("canary"), "{to}: {out}{err}");
    }
}
