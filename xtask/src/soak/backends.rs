//! Applications that echo, and are down now and then.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Limit on connections, above which new ones are closed: the soak is bounded.
const MOST: usize = 1000;

/// Application; it ends with the process.
pub(super) struct Backend {
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    away: AtomicBool,
    /// Its connections, to cut them when it goes down.
    open: Mutex<Vec<TcpStream>>,
    living: AtomicUsize,
}

impl Backend {
    pub(super) fn at(port: u16) -> Self {
        let state = Arc::<State>::default();
        let for_thread = Arc::clone(&state);
        std::thread::spawn(move || {
            loop {
                accept(port, &for_thread);
                // down: nothing listens here
                std::thread::sleep(Duration::from_millis(200));
            }
        });
        Self { state }
    }

    /// Goes down, or comes back, one time in eight; its connections are then cut.
    pub(super) fn maybe_flap(&self, chance: &mut fastrand::Rng) {
        let away = self.state.away.load(Relaxed);
        if !away && chance.u8(..) >= 32 {
            return;
        }
        self.state.away.store(!away, Relaxed);
        if !away {
            let open = std::mem::take(&mut *self.state.open.lock().unwrap_or_else(PoisonError::into_inner));
            open.iter().for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
        }
    }

    /// Brings it back for good.
    pub(super) fn settle(&self) {
        self.state.away.store(false, Relaxed);
    }
}

fn accept(port: u16, state: &Arc<State>) {
    if state.away.load(Relaxed) {
        return;
    }
    let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) else { return };
    if listener.set_nonblocking(true).is_err() {
        return;
    }
    while !state.away.load(Relaxed) {
        let Ok((stream, _)) = listener.accept() else {
            std::thread::sleep(Duration::from_millis(2));
            continue;
        };
        if state.living.load(Relaxed) >= MOST || stream.set_nonblocking(false).is_err() {
            continue;
        }
        if let Ok(copy) = stream.try_clone() {
            let mut open = state.open.lock().unwrap_or_else(PoisonError::into_inner);
            // ended connections are dropped from time to time
            if open.len() >= 2 * MOST {
                open.drain(..MOST);
            }
            open.push(copy);
        }
        state.living.fetch_add(1, Relaxed);
        let for_thread = Arc::clone(state);
        let echo = move || {
            echo(&stream);
            // the copy keeps the socket open: end it here
            let _ = stream.shutdown(Shutdown::Both);
            let ended = stream.local_addr().ok().zip(stream.peer_addr().ok());
            let mut open = for_thread.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.retain(|other| {
                ended.is_some() && other.local_addr().ok().zip(other.peer_addr().ok()) != ended
            });
            drop(open);
            for_thread.living.fetch_sub(1, Relaxed);
        };
        if std::thread::Builder::new().stack_size(128 << 10).spawn(echo).is_err() {
            state.living.fetch_sub(1, Relaxed);
        }
    }
}

fn echo(mut stream: &TcpStream) {
    let mut chunk = [0; 16 << 10];
    while let Ok(bytes @ 1..) = stream.read(&mut chunk) {
        if stream.write_all(&chunk[..bytes]).is_err() {
            return;
        }
    }
}
