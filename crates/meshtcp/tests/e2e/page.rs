//! The page in a real Chromium: every view, a changed weight and its effect, and no complaint of the browser or of
//! usability checks.

mod browser;

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use serde_json::Value;

use self::browser::Browser;
use crate::backend::serve;
use crate::program::{Program, Up, eventually, meshtcp};
use crate::store::ControlPlane;
use crate::town::{Town, route};

const USABLE: &str = include_str!("page/usable.js");

/// Clients that connect and leave for as long as it lives; every tenth stays.
struct Clients(Arc<AtomicBool>);

impl Clients {
    fn of(port: u16) -> Self {
        let leaving = Arc::new(AtomicBool::new(false));
        let left = Arc::clone(&leaving);
        std::thread::spawn(move || {
            let mut staying = Vec::new();
            for turn in 0_u64.. {
                if left.load(Relaxed) {
                    return;
                }
                if let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) {
                    let _ = BufReader::new(&stream).read_line(&mut String::new());
                    if turn.is_multiple_of(10) && staying.len() < 40 {
                        staying.push(stream);
                    }
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        Self(leaving)
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// Asserts that neither the usability checks of the page nor the browser complain.
fn is_fine(browser: &Browser, view: &str) {
    assert_eq!(browser.run(USABLE), Value::Array(Vec::new()), "{view}");
    assert_eq!(browser.complaints(), Vec::<String>::new(), "{view}");
}

/// Path of a picture: those of the documents with `UPDATE=1`, otherwise beside the test.
fn picture(name: &str) -> PathBuf {
    let documents = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let folder = match std::env::var_os("UPDATE") {
        Some(_) => documents,
        None => PathBuf::from(env!("CARGO_TARGET_TMPDIR")),
    };
    folder.join(format!("gui-{name}.png"))
}

#[test]
fn a_weight_is_changed_on_the_page_and_seen_to_take_effect() {
    let town = Town::new();
    serve(town.applications[0], "v1");
    serve(town.applications[1], "v2");
    town.route(&[("v1", 90), ("v2", 10)]);
    let control_plane = ControlPlane::start("memory", &[]);
    let server = format!("http://{}", control_plane.api);
    let applied = meshtcp(["apply", "-f", &town.path()]).env("MESHTCP_SERVER", &server).output().unwrap();
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
    let proxies = ["web-1", "redis-v1", "redis-v2"].map(|name| {
        let log = town.file("connections.log").to_str().unwrap().to_owned();
        let more: &[&str] = if name == "web-1" { &["--log", &log] } else { &[] };
        let fixed = ["proxy", "--proxy", name, "--control-plane", &control_plane.xds];
        Program::start(meshtcp(fixed.iter().chain(more)))
    });
    proxies[0].awaits_text(0, "listeners opened");
    let clients = Clients::of(town.outbound);

    let browser = Browser::start(1280, 900);
    browser.open(&format!("{server}/gui/?theme=light"));
    browser.awaits_text("canary");
    // the observed share comes near the wanted one
    let seen = |least: f64, most: f64| {
        format!(
            "const words = document.querySelector('.split.seen')?.getAttribute('aria-label') ?? ''; \
             const share = parseFloat(/version=v2 ([0-9.]+) %/.exec(words)?.[1]); return share > {least} && share < {most}"
        )
    };
    browser.awaits("a tenth goes to v2", &seen(3.0, 25.0));
    is_fine(&browser, "routes");
    let told = meshtcp(["status", "routes"]).env("MESHTCP_SERVER", &server).output().unwrap();
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.contains("WANTED → SEEN") && told.contains("version=v1 90 → "), "{told}");
    browser.photograph(&picture("routes"));

    browser.click(".route h2 a");
    browser.awaits_text("Wanted and seen");
    browser
        .awaits("the weights", "return document.querySelector('.weight input[type=number]')?.value === '90'");
    is_fine(&browser, "route");
    browser.types("#w-0-0-1", "60");
    browser.types("#w-0-0-0", "40");
    browser.click(".panel button[type=submit]");
    browser.awaits_text("proxies would be told something else");
    browser.photograph(&picture("weights"));
    browser.click(".panel button.solid");
    browser.awaits_text("is live at all");
    browser.awaits("far more goes to v2", &seen(30.0, 75.0));
    browser.awaits_text("on old weights");
    is_fine(&browser, "route after a change");

    browser.open(&format!("{server}/gui/?theme=dark#/proxies"));
    browser.awaits_text("default/web-1");
    browser.awaits_text("in sync");
    is_fine(&browser, "proxies, dark");

    browser.open(&format!("{server}/gui/?theme=dark#/map/redis"));
    browser.awaits("the map", "return document.querySelector('.graph') !== null");
    is_fine(&browser, "map, dark");
    browser.photograph(&picture("map"));

    browser.open(&format!("{server}/gui/?theme=light#/changes"));
    browser.awaits_text("live");
    is_fine(&browser, "changes");

    drop(clients);
    let log = town.file("connections.log");
    let line = || std::fs::read_to_string(&log).unwrap_or_default().lines().last().map(str::to_owned);
    eventually("a connection is logged", || line().is_some_and(|line| line.contains("draw=")));
    browser.open(&format!("{server}/gui/?theme=light#/story"));
    browser.types("#line", &line().unwrap());
    browser.click("form .solid");
    browser.awaits_text("of the way through the weights");
    is_fine(&browser, "story");
}

#[test]
fn who_may_only_read_is_offered_nothing_else_and_files_are_shown_as_they_are() {
    let town = Town::new();
    serve(town.applications[0], "v1");
    serve(town.applications[1], "v2");
    town.route(&[("v1", 1), ("v2", 1)]);
    let up = Up::start(&[&town.path()]);
    up.is_ready();
    let _clients = Clients::of(town.outbound);
    let browser = Browser::start(390, 800);
    browser.open(&format!("http://{}/gui", up.admin));
    browser.awaits_text("canary");
    is_fine(&browser, "routes, narrow");
    browser.click(".route h2 a");
    browser.awaits_text("weights are changed there");
    is_fine(&browser, "route, narrow");
    browser.open(&format!("http://{}/gui/?theme=dark#/proxies", up.admin));
    browser.awaits_text("default/redis-v2");
    is_fine(&browser, "proxies, narrow");
    browser.open(&format!("http://{}/gui/#/story", up.admin));
    browser.click("table button");
    browser.awaits_text("It is open.");
    is_fine(&browser, "story, narrow");

    // a read-only user of a control plane that follows the same files
    let mut command =
        meshtcp(["control-plane", &town.path(), "--api", "127.0.0.1:0", "--xds", "127.0.0.1:0"]);
    command.env("MESHTCP_API_LOCALHOST", "reader");
    let control_plane = Program::start(command);
    let line = control_plane.awaits_text(0, "api: http://");
    let server = line.trim_start_matches("api: ");
    browser.open(&format!("{server}/gui/#/route/MeshTCPRoute%20default%2Fcanary"));
    browser.awaits_text("To change weights, sign in as a writer.");
    assert_eq!(browser.run("return document.querySelectorAll('.weight input:enabled').length"), 0);
}

#[test]
fn a_route_that_somebody_else_changed_meanwhile_is_not_overwritten() {
    let town = Town::new();
    town.route(&[("v1", 90), ("v2", 10)]);
    let control_plane = ControlPlane::start("memory", &[]);
    let server = format!("http://{}", control_plane.api);
    let apply = |what: &str| {
        let applied = meshtcp(["apply", "-f", what]).env("MESHTCP_SERVER", &server).output().unwrap();
        assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
    };
    apply(&town.path());
    let browser = Browser::start(1000, 800);
    browser.open(&format!("{server}/gui/#/route/MeshTCPRoute%20default%2Fcanary"));
    browser.types("#w-0-0-1", "60");
    browser.click(".panel button[type=submit]");
    browser.awaits_text("would be told something else");
    std::fs::write(town.file("other.yaml"), route(&[("v1", 70), ("v2", 30)])).unwrap();
    apply(town.file("other.yaml").to_str().unwrap());
    browser.click(".panel button.solid");
    browser.awaits("it is refused", "return document.querySelector('.panel .trouble') !== null");
    let shown = crate::api::json(&control_plane.api, "/meshes/default/meshtcproutes/canary");
    let weights = &shown["spec"]["to"][0]["rules"][0]["default"]["backendRefs"];
    assert_eq!((&weights[0]["weight"], &weights[1]["weight"]), (&70.into(), &30.into()));
}
