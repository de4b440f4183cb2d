//! Number of our instructions per connection and per request, counted by callgrind and compared with a budget.
//!
//! The bare data plane runs under callgrind with all features on; its clients and its backend run outside of callgrind,
//! in this process. Two runs differ only in the number of connections (or of requests), so the difference is the cost
//! of those, and start and end cancel out. Instructions in the kernel are not counted.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::run::{Outcome, capture, cargo, execute, on_path, target};

/// Upper limit on the cost of a piece of work.
struct Budget {
    what: &'static str,
    instructions: u64,
    few: Work,
    many: Work,
}

/// Behaviour of the clients.
#[derive(Clone, Copy)]
struct Work {
    connections: u64,
    /// Requests per connection, each answered before the next.
    requests: u64,
}

const BUDGETS: [Budget; 2] = [
    Budget {
        what: "a connection: accept, decide, dial, one request, close, count, log",
        instructions: 13_000,
        few: Work { connections: 200, requests: 1 },
        many: Work { connections: 1_200, requests: 1 },
    },
    Budget {
        what: "a request of 64 bytes and its answer",
        instructions: 1_700,
        few: Work { connections: 1, requests: 500 },
        many: Work { connections: 1, requests: 4_500 },
    },
];

/// Time limit of any step under callgrind on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Counts, prints, and fails if a budget is exceeded.
pub(crate) fn run() -> Outcome {
    if !on_path("valgrind") {
        return Err(
            "instructions are counted by valgrind, which is not here: apt-get install valgrind".into()
        );
    }
    execute(&mut cargo(&[
        "build",
        "--quiet",
        "--release",
        "--locked",
        "-p",
        "meshtcp-proxy",
        "--example",
        "l4",
    ]))?;
    let folder = target().join("instructions");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut exceeded = Vec::new();
    println!("{:<70} {:>8} {:>8}", "instructions in user space", "counted", "budget");
    for Budget { what, instructions, few, many } in &BUDGETS {
        let (before, after) = (count(&folder, *few)?, count(&folder, *many)?);
        let units = (many.connections * many.requests).saturating_sub(few.connections * few.requests);
        let each = after.saturating_sub(before) / units.max(1);
        println!("{what:<70} {each:>8} {instructions:>8}");
        if each > *instructions {
            exceeded.push(format!("{what}: {each} instructions, more than {instructions}"));
        }
    }
    if exceeded.is_empty() { Ok(()) } else { Err(exceeded.join("\n")) }
}

/// Number of instructions of a data plane that did this work.
fn count(folder: &Path, work: Work) -> Outcome<u64> {
    let fault = |error: std::io::Error| format!("counting instructions: {error}");
    let backend = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(fault)?;
    let address = backend.local_addr().map_err(fault)?;
    std::thread::spawn(move || {
        for visitor in backend.incoming().flatten() {
            // the client notices a connection that breaks off
            let _ = echo(visitor);
        }
    });
    let output = folder.join("callgrind.out");
    let _ = fs::remove_file(&output);
    let listen = free_address().map_err(fault)?;
    let mut child = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet"])
        .arg(format!("--callgrind-out-file={}", output.display()))
        .arg(target().join("release/examples/l4"))
        .args(["--threads", "1", "--listen", &listen.to_string()])
        .args(["--backend", &format!("{address}=90")])
        .arg("--log")
        .arg(folder.join("connections.log"))
        .stdin(Stdio::null())
        .spawn()
        .map_err(fault)?;
    let worked = visit(listen, work);
    // callgrind writes its counts when the process is asked to end
    let asked = capture(Command::new("kill").arg(child.id().to_string()));
    let ended = child.wait().map_err(fault)?;
    worked.map_err(|error| format!("{error}; the data plane under callgrind ended with {ended}"))?;
    asked?;
    let text = fs::read_to_string(&output).map_err(fault)?;
    summary(&text).ok_or_else(|| format!("{} has no summary", output.display()))
}

/// Total number of instructions in an output file of callgrind; `None`: it has none.
fn summary(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("summary:"))?.trim().parse().ok()
}

fn visit(listen: SocketAddr, work: Work) -> std::io::Result<()> {
    for _ in 0..work.connections {
        let mut stream = dial(listen)?;
        let mut answer = [0; 64];
        for _ in 0..work.requests {
            stream.write_all(&[b'q'; 64])?;
            stream.read_exact(&mut answer)?;
        }
        stream.shutdown(Shutdown::Write)?;
        // the end comes back when the data plane has closed the connection
        stream.read_to_end(&mut Vec::new())?;
    }
    Ok(())
}

/// Connects as soon as a server listens.
fn dial(listen: SocketAddr) -> std::io::Result<TcpStream> {
    let start = Instant::now();
    loop {
        match TcpStream::connect(listen) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                return Ok(stream);
            }
            Err(_) if start.elapsed() < PATIENCE => sleep(Duration::from_millis(20)),
            Err(error) => return Err(error),
        }
    }
}

fn echo(mut visitor: TcpStream) -> std::io::Result<()> {
    visitor.set_nodelay(true)?;
    let mut chunk = [0; 1024];
    loop {
        match visitor.read(&mut chunk)? {
            0 => return visitor.shutdown(Shutdown::Write),
            bytes => visitor.write_all(&chunk[..bytes])?,
        }
    }
}

/// Free port on a loopback address that no test uses.
fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::new(127, 0, 0, 9), 0))?.local_addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_is_found() {
        assert_eq!(summary("events: Ir\nfn=(1) main\n1 5\nsummary: 123456\ntotals: 123456\n"), Some(123_456));
        assert_eq!(summary("events: Ir\n"), None);
    }
}
