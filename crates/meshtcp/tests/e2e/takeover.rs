//! `--takeover`: one process after another, unnoticed by connections.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use rustix::process::Signal;

use crate::backend::free_ports;
use crate::connection::{Connection, reaches};
use crate::program::{PATIENCE, Program, Up, eventually, meshtcp};
use crate::town::Town;

/// Clients that connect, exchange data and leave without a pause; every failure is recorded.
pub(crate) struct Crowd {
    stop: Arc<AtomicBool>,
    served: Arc<AtomicUsize>,
    clients: Vec<std::thread::JoinHandle<Vec<String>>>,
}

impl Crowd {
    pub(crate) fn start(port: u16) -> Self {
        let (stop, served) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let clients = (0..4).map(|_| {
            let (stop, served) = (Arc::clone(&stop), Arc::clone(&served));
            std::thread::spawn(move || {
                let mut faults = Vec::new();
                while !stop.load(Relaxed) {
                    match talk(port) {
                        Ok(()) => drop(served.fetch_add(1, Relaxed)),
                        Err(error) => faults.push(error.to_string()),
                    }
                }
                faults
            })
        });
        Self { clients: clients.collect(), stop, served }
    }

    /// Waits until some more connections were served.
    pub(crate) fn goes_on(&self) {
        let then = self.served.load(Relaxed);
        eventually("the crowd is served", || self.served.load(Relaxed) > then + 100);
    }

    pub(crate) fn end(self) -> Vec<String> {
        self.stop.store(true, Relaxed);
        self.clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    }
}

fn talk(port: u16) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"hello\n")?;
    let mut lines = BufReader::new(&stream);
    let (mut name, mut echo) = (String::new(), String::new());
    lines.read_line(&mut name)?;
    lines.read_line(&mut echo)?;
    if echo == "hello\n" { Ok(()) } else { Err(std::io::Error::other(format!("{name:?}, {echo:?}"))) }
}

#[test]
fn under_load_no_connection_is_refused_and_none_is_cut() {
    let town = Town::served();
    let [admin] = free_ports();
    let (admin, path) = (format!("127.0.0.1:{admin}"), town.file("takeover"));
    let start = |workers: &str| {
        let path = path.to_str().unwrap();
        let arguments =
            ["up", "--admin", &admin, "--takeover", path, "--drain-time", "10m", "--workers", workers];
        let program = Program::start(meshtcp(arguments.iter().chain(&[town.path().as_str()])));
        Up { program, admin: admin.clone() }
    };
    let mut running = start("2");
    running.program.awaits_text(0, "admin: http://");
    running.is_ready();
    reaches(town.outbound, &["v1", "v2"]);
    let crowd = Crowd::start(town.outbound);
    let mut open: Vec<(Connection, usize)> = Vec::new();
    let mut left: Vec<Up> = Vec::new();
    // more workers, then fewer than there are sockets
    for (generation, workers) in ["3", "1", "2"].into_iter().enumerate() {
        open.extend((0..5).map(|_| (Connection::open(town.outbound).unwrap(), generation)));
        crowd.goes_on();
        eventually("a successor is waited for", || path.exists());
        let next = start(workers);
        next.program.awaits_text(0, "taken over");
        running.program.awaits_text(0, "another process took over");
        crowd.goes_on();
        open.iter_mut().for_each(|(connection, _)| connection.echo());
        next.is_ready();
        // connections accepted by the old process stay with it to their end
        assert!(running.program.is_running());
        left.push(std::mem::replace(&mut running, next));
    }
    for (connection, _) in open {
        connection.close();
    }
    for old in &mut left {
        assert_eq!(old.program.ends(), 0);
        old.program.awaits_text(0, "0 were closed");
    }
    crowd.goes_on();
    assert_eq!(crowd.end(), Vec::<String>::new());
}

#[test]
fn a_successor_that_cannot_run_changes_nothing() {
    let town = Town::served();
    let path = town.file("takeover");
    let path = path.to_str().unwrap();
    let mut up = Up::start(&["--takeover", path, &town.path()]);
    up.is_ready();
    eventually("a successor is waited for", || std::path::Path::new(path).exists());
    let empty = tempfile::tempdir().unwrap();
    let waiting = Program::start(meshtcp(["up", "--takeover", path, empty.path().to_str().unwrap()]));
    waiting.awaits_text(0, "taking over 4 listeners");
    waiting.awaits_text(0, "nothing to run");
    reaches(town.outbound, &["v1", "v2"]);
    drop(waiting);
    reaches(town.outbound, &["v1", "v2"]);
    assert!(up.program.is_running());
}

/// Runs two processes of one command line, with and without `--takeover PATH`; the first is asked to leave while it
/// still has a connection. `start` starts one with further flags, all at one `--admin`.
pub(crate) fn who_leaves_is_followed(outbound: u16, path: &str, start: impl Fn(&[&str]) -> Up) {
    for takeover in [&["--takeover", path][..], &[]] {
        let mut first = start(takeover);
        first.program.awaits_text(0, "admin: http://");
        first.is_ready();
        reaches(outbound, &["v1", "v2"]);
        let mut open = Connection::open(outbound).unwrap();
        first.program.signal(Signal::TERM);
        first.program.awaits_text(0, "leaving: ");
        eventually("it says that it leaves", || {
            first.ask("/ready") == (503, "not ready: leaving\n".to_owned())
        });
        let next = start(takeover);
        next.program.awaits_text(0, if takeover.is_empty() { "admin: http://" } else { "taken over" });
        next.is_ready();
        // two admin servers would answer by turns
        (0..50).for_each(|_| assert_eq!(next.ask("/ready").0, 200, "{}", next.program.printed()));
        reaches(outbound, &["v1", "v2"]);
        open.echo();
        open.close();
        assert_eq!(first.program.ends(), 0);
    }
}

#[test]
fn who_leaves_answers_until_somebody_follows_and_then_the_one_that_follows_does() {
    let town = Town::served();
    let [admin] = free_ports();
    let (admin, path) = (format!("127.0.0.1:{admin}"), town.file("takeover"));
    who_leaves_is_followed(town.outbound, path.to_str().unwrap(), |further| {
        let arguments = ["up", "--admin", &admin, "--drain-time", "10m", "--workers", "2"];
        let program = Program::start(meshtcp(arguments.iter().chain(further).chain(&[town.path().as_str()])));
        Up { program, admin: admin.clone() }
    });
}

#[test]
fn a_process_that_does_not_leave_keeps_its_address() {
    let town = Town::served();
    let up = Up::start(&[&town.path()]);
    up.is_ready();
    let mut second = Program::start(meshtcp(["up", "--admin", &up.admin, &town.path()]));
    assert_eq!(second.ends(), 3, "{}", second.printed());
    second.awaits_text(0, "cannot be bound");
    up.is_ready();
}

#[test]
fn a_path_with_something_else_than_a_dead_socket_of_ours_is_left_alone() {
    let town = Town::served();
    let (notes, link) = (town.file("notes"), town.file("link"));
    std::fs::write(&notes, "precious").unwrap();
    std::os::unix::fs::symlink(&notes, &link).unwrap();
    for path in [&notes, &link] {
        for arguments in [
            vec!["up", "--takeover", path.to_str().unwrap(), &town.path()],
            vec![
                "proxy",
                "--proxy",
                "web-1",
                "--control-plane",
                "127.0.0.1:1",
                "--takeover",
                path.to_str().unwrap(),
            ],
        ] {
            let mut program = Program::start(meshtcp(arguments));
            assert_eq!(program.ends(), 3, "{}", program.printed());
            program.awaits_text(0, "what is there is no socket");
        }
    }
    assert_eq!(std::fs::read_to_string(&notes).unwrap(), "precious");
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
}

/// Mesh with a service that has a name and a virtual IP, for a proxy whose host redirects connections to these ports.
fn named([inbound, outbound]: [u16; 2]) -> String {
    format!(
        "type: Mesh\nname: default\nmeshServices: {{ mode: Exclusive }}\n---\ntype: HostnameGenerator\nname: local\nspec:\n  \
         selector: {{ meshService: {{}} }}\n  template: '{{{{ .DisplayName }}}}.mesh.local'\n---\ntype: MeshService\nmesh: default\n\
         name: redis\nspec: {{ selector: {{ dataplaneTags: {{ kuma.io/service: redis }} }}, ports: [{{ port: 6379 }}] }}\n\
         status: {{ vips: [{{ ip: 241.0.0.7 }}] }}\n---\ntype: Dataplane\nmesh: default\nname: web-1\nnetworking:\n  \
         address: 127.0.0.1\n  inbound: [{{ port: 1, tags: {{ kuma.io/service: web }} }}]\n  \
         transparentProxying: {{ redirectPortInbound: {inbound}, redirectPortOutbound: {outbound} }}\n"
    )
}

/// Query for the address of `redis.mesh.local`.
fn query(id: u16) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    let header = [high, low, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    [&header[..], b"\x05redis\x04mesh\x05local\x00", &[0, 1, 0, 1]].concat()
}

#[test]
fn names_are_answered_while_one_process_takes_over_from_another() {
    let [inbound, outbound, dns] = free_ports();
    let folder = tempfile::tempdir().unwrap();
    let mesh = folder.path().join("mesh.yaml");
    std::fs::write(&mesh, named([inbound, outbound])).unwrap();
    let (mesh, path) = (mesh.to_str().unwrap(), folder.path().join("takeover"));
    let address = format!("127.0.0.1:{dns}");
    let start = || {
        let how = ["--takeover", path.to_str().unwrap(), "--dns", "--dns-address", &address];
        Up::start(&[&how[..], &[mesh]].concat())
    };
    let mut first = start();
    first.is_ready();
    let (stop, asked) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
    let client = {
        let (stop, asked, address) = (Arc::clone(&stop), Arc::clone(&asked), address.clone());
        std::thread::spawn(move || {
            let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.connect(&address).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut answer = [0; 512];
            while !stop.load(Relaxed) {
                let id = asked.fetch_add(1, Relaxed) as u16;
                socket.send(&query(id)).unwrap();
                let length = socket.recv(&mut answer).unwrap();
                assert_eq!(answer[..2], id.to_be_bytes());
                assert!(answer[..length].ends_with(&[241, 0, 0, 7]), "{:?}", &answer[..length]);
            }
        })
    };
    let goes_on = || {
        let then = asked.load(Relaxed);
        eventually("queries are answered", || asked.load(Relaxed) > then + 500);
    };
    goes_on();
    for _ in 0..3 {
        let next = start();
        assert_eq!(first.program.ends(), 0, "{}", first.program.printed());
        next.is_ready();
        goes_on();
        first = next;
    }
    stop.store(true, Relaxed);
    client.join().unwrap();
}
