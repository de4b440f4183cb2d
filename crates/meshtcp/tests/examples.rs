//! Examples, tried as their own first lines tell a reader: the backends that `serve` names are started, and the
//! promises of `ask` are counted. Ports are exchanged for free ones.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType};

const PATIENCE: Duration = Duration::from_secs(20);

/// Examples that a reader tries with `meshtcp up`; one that has a page of its own is tested with the pages.
fn tried() -> impl Iterator<Item = PathBuf> {
    examples().into_iter().filter(|example| !example.join("README.md").exists())
}

fn examples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut examples: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    examples.sort();
    assert!(examples.len() >= 7, "{examples:?}");
    examples
}

fn meshtcp() -> Command {
    Command::new(env!("CARGO_BIN_EXE_meshtcp"))
}

#[test]
fn every_example_is_accepted_without_a_warning() {
    for example in examples() {
        let output = meshtcp().arg("validate").arg(&example).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {said}", example.display());
        assert!(!said.contains("warning:"), "{}: {said}", example.display());
    }
}

#[test]
fn examples_can_run_side_by_side() {
    let mut owners: BTreeMap<u16, PathBuf> = BTreeMap::new();
    for example in examples() {
        for port in Texts::read(&example).ports() {
            if let Some(other) = owners.insert(port, example.clone()).filter(|other| *other != example) {
                panic!("{} and {} both use port {port}", other.display(), example.display());
            }
        }
    }
}

#[test]
fn every_example_does_what_its_first_lines_promise() {
    for example in tried() {
        let mut texts = Texts::read(&example);
        let free = texts.use_free_ports();
        let story = Story::of(&texts);
        assert!(!story.promises.is_empty(), "{} promises nothing", example.display());
        for (name, port) in &story.backends {
            free.take(*port, |listener| greet(listener, name.clone()));
        }
        let folder = tempfile::tempdir().unwrap();
        texts.write(folder.path());
        drop(free);
        let _up = Up::start(folder.path());
        for promise in &story.promises {
            promise.keep(&example);
        }
    }
}

/// Files of an example.
struct Texts(BTreeMap<String, String>);

impl Texts {
    fn read(example: &Path) -> Self {
        let files = std::fs::read_dir(example).unwrap().map(|entry| entry.unwrap());
        Texts(
            files
                .map(|file| {
                    let name = file.file_name().into_string().unwrap();
                    (name, std::fs::read_to_string(file.path()).unwrap())
                })
                .collect(),
        )
    }

    /// Ports of the example, recognized by their range, 20000 to 20999.
    fn ports(&self) -> Vec<u16> {
        let words = self.0.values().flat_map(|text| text.split(|c: char| !c.is_ascii_digit()));
        let mut ports: Vec<u16> =
            words.filter(|word| is_example_port(word)).map(|word| word.parse().unwrap()).collect();
        ports.sort();
        ports.dedup();
        ports
    }

    fn use_free_ports(&mut self) -> FreePorts {
        let free = FreePorts::default();
        for port in self.ports() {
            let other = free.reserve().to_string();
            for text in self.0.values_mut() {
                *text = text.replace(&port.to_string(), &other);
            }
        }
        free
    }

    fn write(&self, folder: &Path) {
        for (name, text) in &self.0 {
            std::fs::write(folder.join(name), text).unwrap();
        }
    }
}

fn is_example_port(word: &str) -> bool {
    word.len() == 5 && word.starts_with("20")
}

/// Ports that are reserved as long as they are held here.
#[derive(Default)]
struct FreePorts(std::cell::RefCell<BTreeMap<u16, TcpListener>>);

impl FreePorts {
    fn reserve(&self) -> u16 {
        loop {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let port = listener.local_addr().unwrap().port();
            // A port in the range of the examples would be exchanged a second time.
            if !is_example_port(&port.to_string()) {
                self.0.borrow_mut().insert(port, listener);
                return port;
            }
        }
    }

    fn take(&self, port: u16, with: impl FnOnce(TcpListener)) {
        let listener = self.0.borrow_mut().remove(&port);
        with(listener.unwrap_or_else(|| panic!("port {port} is none of the example's")));
    }
}

/// Commands in the comments of an example.
#[derive(Debug, Default)]
struct Story {
    backends: Vec<(String, u16)>,
    promises: Vec<Promise>,
}

/// `try.py ask PORT [TIMES [CLIENTS]]`, and the promised number of answers per name.
#[derive(Debug)]
struct Promise {
    port: u16,
    times: u32,
    /// Number of client addresses; `None`: one, the usual one.
    clients: Option<u32>,
    about: bool,
    shares: BTreeMap<String, u32>,
}

impl Story {
    fn of(texts: &Texts) -> Self {
        let mut story = Story::default();
        for line in texts.0.values().flat_map(|text| text.lines()) {
            if let Some((_, backends)) = line.split_once("try.py serve ") {
                let pairs = backends.split_whitespace().filter_map(|word| word.split_once('='));
                story.backends.extend(pairs.map(|(name, port)| (name.to_owned(), port.parse().unwrap())));
            } else if let Some((_, ask)) = line.split_once("try.py ask ") {
                story.promises.push(Promise::read(ask));
            }
        }
        story
    }
}

impl Promise {
    /// `20200 1000         about 100 canary, 450 ledger-1, 450 ledger-2`
    fn read(text: &str) -> Self {
        let (asked, promised) = text.split_once("  ").unwrap_or_else(|| panic!("no promise: {text}"));
        let mut asked = asked.split_whitespace();
        let port = asked.next().unwrap().parse().unwrap();
        let times = asked.next().map_or(100, |times| times.parse().unwrap());
        let clients = asked.next().map(|clients| clients.parse().unwrap());
        let promised = promised.trim();
        let about = promised.starts_with("about ");
        let mut shares = BTreeMap::new();
        for share in promised.trim_start_matches("about ").split(", ") {
            let mut words = share
                .split(|c: char| c.is_whitespace() || c == ':' || c == ',')
                .filter(|word| !word.is_empty());
            let (Some(count), Some(name)) = (words.next().and_then(|word| word.parse().ok()), words.next())
            else {
                break;
            };
            shares.insert(name.to_owned(), count);
        }
        let sum: u32 = shares.values().sum();
        assert_eq!(sum, times, "the shares add up to what is asked: {text}");
        Promise { port, times, clients, about, shares }
    }

    fn keep(&self, example: &Path) {
        let deadline = Instant::now() + PATIENCE;
        while ask(self.port, None).is_none() {
            assert!(Instant::now() < deadline, "{}: nobody answers on port {}", example.display(), self.port);
            std::thread::sleep(Duration::from_millis(20));
        }
        let mut met: BTreeMap<String, u32> = BTreeMap::new();
        for time in 0..self.times {
            let client = self.clients.map(|clients| time % clients);
            *met.entry(ask(self.port, client).unwrap_or_else(|| "nobody".into())).or_default() += 1;
        }
        let names: Vec<&String> = met.keys().collect();
        assert_eq!(
            names,
            self.shares.keys().collect::<Vec<_>>(),
            "{}: {self:?}, met {met:?}",
            example.display()
        );
        for (name, wanted) in &self.shares {
            let share = f64::from(*wanted) / f64::from(self.times);
            let deviation = (f64::from(self.times) * share * (1.0 - share)).sqrt();
            let off = (f64::from(met[name]) - f64::from(*wanted)).abs();
            let allowed = if self.about { 4.0 * deviation } else { 0.0 };
            assert!(off <= allowed, "{}: {self:?}, met {met:?}", example.display());
        }
    }
}

/// Connects like `try.py ask`: half-closes at once, and reads the name.
fn ask(port: u16, client: Option<u32>) -> Option<String> {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).ok()?;
    if let Some(client) = client {
        let address = Ipv4Addr::new(127, 77, (client / 250) as u8, (client % 250 + 1) as u8);
        rustix::net::bind(&socket, &SocketAddrV4::new(address, 0)).ok()?;
    }
    rustix::net::connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)).ok()?;
    let connection = TcpStream::from(socket);
    connection.set_read_timeout(Some(PATIENCE)).ok()?;
    connection.shutdown(Shutdown::Write).ok()?;
    let mut line = String::new();
    BufReader::new(connection).read_line(&mut line).ok()?;
    let name = line.trim_end();
    (!name.is_empty()).then(|| name.to_owned())
}

/// Serves like `try.py serve`: greets with a name, then reads to the end.
fn greet(listener: TcpListener, name: String) {
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let (Ok(mut connection), name) = (connection, name.clone()) else { return };
            std::thread::spawn(move || {
                let _ = writeln!(connection, "{name}");
                let _ = std::io::copy(&mut connection, &mut std::io::sink());
            });
        }
    });
}

/// Running `meshtcp up`, ended when dropped.
struct Up(Child);

impl Up {
    fn start(folder: &Path) -> Self {
        let mut command = meshtcp();
        command.arg("up").arg(folder).stdin(Stdio::null()).stdout(Stdio::null());
        Up(command.spawn().unwrap())
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
