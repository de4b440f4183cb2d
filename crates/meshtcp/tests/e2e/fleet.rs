//! Control planes that share a PostgreSQL: one is killed, the database is killed, and no accepted change is lost.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::api::{ask, json};
use crate::backend::{free_ports, serve};
use crate::connection::Connection;
use crate::database::{Database, PASSWORD};
use crate::program::{PATIENCE, Program, eventually, meshtcp};
use crate::store::ControlPlane;

const PROXIES: u8 = 50;
const ROUTE: &str = "/meshes/shop/meshtcproutes/canary";

/// Mesh in which `web-N`, at the address 127.0.1.N, dials `ledger`.
struct Shop {
    /// Port at which every proxy accepts connections for `ledger`.
    outbound: u16,
}

impl Shop {
    /// Puts the mesh, with a route to the old backend, and starts its backends.
    fn open(control_plane: &ControlPlane, proxies: u8) -> Self {
        let [outbound, inbound, old, new] = free_ports();
        control_plane.put("/meshes/shop", &json!({ "type": "Mesh", "name": "shop" }));
        for (name, port) in [("old", old), ("new", new)] {
            serve(port, name);
            control_plane.put(&format!("/meshes/shop/dataplanes/{name}"), &dataplane(name, name, port));
        }
        for number in 1..=proxies {
            let name = format!("web-{number}");
            let address = Self { outbound }.address(number);
            let mut web = dataplane(&name, "web", inbound);
            web["networking"]["address"] = json!(address.ip());
            web["networking"]["outbound"] = json!([{ "address": address.ip(), "port": outbound, "tags": { "kuma.io/service": "ledger" } }]);
            control_plane.put(&format!("/meshes/shop/dataplanes/{name}"), &web);
        }
        control_plane.put(ROUTE, &route("old"));
        Self { outbound }
    }

    fn address(&self, number: u8) -> SocketAddr {
        (Ipv4Addr::new(127, 0, 1, number), self.outbound).into()
    }

    /// Asserts that new connections through each of the proxies reach this backend.
    fn reaches(&self, proxies: u8, backend: &str) {
        for number in 1..=proxies {
            eventually(&format!("web-{number} leads to {backend}"), || {
                Connection::open_at(self.address(number)).is_some_and(|it| it.backend == backend)
            });
        }
    }
}

fn dataplane(name: &str, service: &str, port: u16) -> Value {
    json!({ "type": "Dataplane", "mesh": "shop", "name": name, "networking": {
        "address": "127.0.0.1",
        "inbound": [{ "port": port, "tags": { "kuma.io/service": service, "kuma.io/protocol": "tcp" } }],
    } })
}

fn route(backend: &str) -> Value {
    json!({ "type": "MeshTCPRoute", "mesh": "shop", "name": "canary", "spec": {
        "targetRef": { "kind": "Mesh" },
        "to": [{ "targetRef": { "kind": "MeshService", "name": "ledger" }, "rules": [{ "default": {
            "backendRefs": [{ "kind": "MeshService", "name": backend, "weight": 1 }],
        } }] }],
    } })
}

fn proxy(number: u8, control_planes: &str) -> Program {
    let name = format!("shop/web-{number}");
    Program::start(meshtcp(["proxy", "--proxy", &name, "--control-plane", control_planes, "--workers", "1"]))
}

/// Puts Dataplanes that affect no proxy one after the other, until one fails or `stop` is set. Collects the accepted
/// ones in `accepted`.
fn writes(api: String, stop: Arc<AtomicBool>, accepted: Arc<Mutex<Vec<String>>>) {
    for number in 0.. {
        let name = format!("spare-{number}");
        let body = dataplane(&name, "spare", 1).to_string();
        let put = || {
            let mut connection = TcpStream::connect(&api)?;
            connection.set_read_timeout(Some(PATIENCE))?;
            let length = body.len();
            write!(
                connection,
                "PUT /meshes/shop/dataplanes/{name} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\
                 Connection: close\r\n\r\n{body}"
            )?;
            let mut answer = String::new();
            connection.read_to_string(&mut answer)?;
            Ok::<_, std::io::Error>(answer)
        };
        match put() {
            Ok(answer) if answer.starts_with("HTTP/1.1 201") => accepted.lock().unwrap().push(name),
            Ok(_) | Err(_) => return,
        }
        if stop.load(Ordering::Relaxed) {
            return;
        }
    }
}

#[test]
fn a_control_plane_is_killed_and_its_proxies_go_on_at_the_other() {
    let database = Database::start();
    let store = database.store();
    let dies = ControlPlane::start(&store, &[]);
    let lives = ControlPlane::start(&store, &[]);
    let shop = Shop::open(&dies, PROXIES);
    let both = format!("{},{}", dies.xds, lives.xds);
    let mut proxies: Vec<Program> = (1..=PROXIES).map(|number| proxy(number, &both)).collect();
    let at = proxies.iter().map(|it| it.awaits_text(0, "connected to the control plane http://"));
    let at: Vec<bool> = at.map(|line| line.ends_with(&dies.xds)).collect();
    let moving = at.iter().filter(|at_dying| **at_dying).count();
    assert!(0 < moving && moving < usize::from(PROXIES), "{moving} of {PROXIES} are at one control plane");
    shop.reaches(PROXIES, "old");
    let mut open: Vec<Connection> =
        (1..=PROXIES).map(|number| Connection::open_at(shop.address(number)).unwrap()).collect();

    let (stop, accepted) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Vec<String>>>::default());
    let writer = std::thread::spawn({
        let (api, stop, accepted) = (dies.api.clone(), Arc::clone(&stop), Arc::clone(&accepted));
        move || writes(api, stop, accepted)
    });
    eventually("some changes are accepted", || accepted.lock().unwrap().len() > 20);
    let marks: Vec<usize> = proxies.iter().map(Program::mark).collect();
    dies.program.signal(Signal::KILL);
    writer.join().unwrap();

    for ((proxy, mark), was_there) in proxies.iter().zip(&marks).zip(&at) {
        if *was_there {
            proxy.awaits_text(*mark, &format!("connected to the control plane http://{}", lives.xds));
        }
    }
    for number in 1..=PROXIES {
        eventually("it is online at the other", || lives.is_online(&format!("web-{number}")));
    }
    open.iter_mut().for_each(Connection::echo);
    let listed = json(&lives.api, "/meshes/shop/dataplanes?size=1000");
    let there: BTreeSet<&str> =
        listed["items"].as_array().unwrap().iter().filter_map(|it| it["name"].as_str()).collect();
    let accepted = accepted.lock().unwrap().clone();
    for name in &accepted {
        assert!(there.contains(name.as_str()), "{name} was accepted and is not there");
    }
    let spare = there.iter().filter(|name| name.starts_with("spare-")).count();
    assert!(spare <= accepted.len() + 1, "{spare} are there, {} were accepted", accepted.len());

    // a change accepted by the survivor reaches all proxies
    lives.is_live(lives.put(ROUTE, &route("new")));
    shop.reaches(PROXIES, "new");

    // as does one accepted by the restarted control plane, though no proxy is attached to it
    let back = ControlPlane::start_at(&store, &dies.api, &dies.xds, &[]);
    back.put(ROUTE, &route("old"));
    shop.reaches(PROXIES, "old");
    open.iter_mut().for_each(Connection::echo);
    assert!(open.iter().all(|it| it.backend == "old"));
    assert!(proxies.iter_mut().all(Program::is_running));
}

#[test]
fn a_database_that_is_away_is_told_proxies_are_served_on_and_it_recovers() {
    let mut database = Database::start();
    let control_plane = ControlPlane::start(&database.store(), &[]);
    let shop = Shop::open(&control_plane, 2);
    let first = proxy(1, &control_plane.xds);
    shop.reaches(1, "old");
    let mut open = Connection::open_at(shop.address(1)).unwrap();

    let mark = control_plane.program.mark();
    database.crashes();
    control_plane.program.awaits_text(mark, "cannot be reached");
    for request in
        [format!("PUT {ROUTE} {}", route("new")), format!("GET {ROUTE}"), format!("DELETE {ROUTE}")]
    {
        let (status, why) = ask(&control_plane.api, &request);
        assert_eq!(status, 503, "{why}");
        assert!(why.contains("try again"), "{why}");
    }
    open.echo();
    shop.reaches(1, "old");
    // a proxy that attaches only now gets the state read earlier, too
    let second = proxy(2, &control_plane.xds);
    shop.reaches(2, "old");
    // a control plane that is started now waits
    let fixed = ["control-plane", "--api", "127.0.0.1:0", "--xds", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let mut command = meshtcp(fixed);
    command.env("MESHTCP_STORE", database.store());
    let late = Program::start(command);
    let admin = late.awaits_text(0, "admin: http://").trim_start_matches("admin: http://").to_owned();
    late.awaits_text(0, "cannot be reached");
    assert_eq!(crate::program::ask(&admin, "/ready").0, 503);

    let mark = control_plane.program.mark();
    database.comes_back();
    control_plane.program.awaits_text(mark, "reached again");
    control_plane.is_live(control_plane.put(ROUTE, &route("new")));
    shop.reaches(2, "new");
    eventually("the late one is ready", || crate::program::ask(&admin, "/ready").0 == 200);
    open.echo();
    for program in [&control_plane.program, &late, &first, &second] {
        assert!(!program.printed().contains(PASSWORD), "{}", program.printed());
    }
}
