//! Clients of every kind: short and long, small and large, polite and not.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

/// Number of threads that connect.
const THREADS: usize = 6;
/// Number of connections that each thread keeps open besides the current one.
const KEPT: usize = 40;
/// Longest pause of a thread between two connections, in milliseconds: the rate is bounded.
const REST: u64 = 40;

/// State shared by all clients.
#[derive(Default)]
pub(super) struct Clients {
    stop: AtomicBool,
    dialled: AtomicU64,
}

impl Clients {
    pub(super) fn start(self: &Arc<Self>, port: u16, mut chance: fastrand::Rng) -> Vec<JoinHandle<()>> {
        let start = |_| {
            let (clients, chance) = (Arc::clone(self), chance.fork());
            std::thread::spawn(move || clients.live(port, chance))
        };
        (0..THREADS).map(start).collect()
    }

    pub(super) fn stop(&self) {
        self.stop.store(true, Relaxed);
    }

    /// Number of connection attempts: not every connection that is decided in the kernel is established.
    pub(super) fn dialled(&self) -> u64 {
        self.dialled.load(Relaxed)
    }

    fn live(&self, port: u16, mut chance: fastrand::Rng) {
        let mut kept: Vec<TcpStream> = Vec::new();
        while !self.stop.load(Relaxed) {
            std::thread::sleep(Duration::from_millis(chance.u64(..REST)));
            self.dialled.fetch_add(1, Relaxed);
            let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) else { continue };
            let patient = stream
                .set_read_timeout(Some(Duration::from_secs(10)))
                .and_then(|()| stream.set_write_timeout(Some(Duration::from_secs(10))));
            // the outcome is for the proxy to report: a backend may be down, a route may close the connection
            let _ = patient.and_then(|()| behave(&stream, &mut chance));
            if chance.u8(..) < 100 {
                kept.push(stream);
            }
            kept.retain(|stream| chance.u8(..) > 4 && talk(stream, 100).is_ok());
            if kept.len() > KEPT {
                kept.remove(chance.usize(..KEPT));
            }
        }
    }
}

fn behave(stream: &TcpStream, chance: &mut fastrand::Rng) -> std::io::Result<()> {
    match chance.u8(..8) {
        // sends nothing
        0 => Ok(()),
        1..=4 => talk(stream, chance.usize(1..2000)),
        // half-closes and reads the rest
        5 => {
            talk(stream, 10)?;
            stream.shutdown(Shutdown::Write)?;
            let mut reader = stream;
            reader.read_to_end(&mut Vec::new()).map(drop)
        }
        // closes while an answer is on its way: a reset
        6 => {
            let mut writer = stream;
            writer.write_all(&[7; 5000])?;
            stream.shutdown(Shutdown::Both)
        }
        _ => (0..chance.usize(1..20)).try_for_each(|_| talk(stream, 60_000)),
    }
}

/// Sends some bytes and reads them back.
fn talk(mut stream: &TcpStream, bytes: usize) -> std::io::Result<()> {
    let sent = vec![bytes as u8; bytes];
    stream.write_all(&sent)?;
    let mut received = vec![0; bytes];
    stream.read_exact(&mut received)?;
    if received == sent { Ok(()) } else { Err(std::io::Error::other("an echo that is none")) }
}
