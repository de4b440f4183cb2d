//! `--takeover`: one process after another, and no connection notices.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use crate::backend::{free_ports, serve};
use crate::connection::{Connection, reaches};
use crate::program::{PATIENCE, Program, Up, eventually, meshtcp};
use crate::town::Town;

fn served() -> Town {
    let town = Town::new();
    serve(town.applications[0], "v1");
    serve(town.applications[1], "v2");
    town
}

/// Clients that connect, talk and leave without a pause; whatever goes wrong is kept.
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

    /// Waits until some more were served.
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
    let town = served();
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
        // those that the old process accepted are its own to the end
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
    let town = served();
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

#[test]
fn a_path_with_something_else_than_a_dead_socket_of_ours_is_left_alone() {
    let town = served();
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
