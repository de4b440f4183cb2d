//! Applications: each sends its name first, and then echoes. One can be hit: all its connections end, and it serves
//! again.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use crate::run::Outcome;

/// Length of a name, in bytes.
pub(super) const NAME: usize = 5;

/// Application; it ends with the process.
pub(super) struct Application {
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Application {
    /// Starts one that listens, and sends this name.
    pub(super) fn at(port: u16, name: &'static str) -> Outcome<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port));
        let listener = listener.map_err(|error| format!("an application at {port}: {error}"))?;
        let open = Arc::<Mutex<Vec<TcpStream>>>::default();
        let kept = Arc::clone(&open);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if let Ok(copy) = stream.try_clone() {
                    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                    kept.retain(|other| other.peer_addr().is_ok());
                    kept.push(copy);
                }
                let serve = move || {
                    echo(&stream, name);
                    // the copy keeps the socket open: end it here
                    let _ = stream.shutdown(Shutdown::Both);
                };
                // if no thread can be started, the connection is closed
                let _ = std::thread::Builder::new().stack_size(128 << 10).spawn(serve);
            }
        });
        Ok(Self { open })
    }

    /// Ends every connection at once.
    pub(super) fn hit(&self) {
        let open = std::mem::take(&mut *self.open.lock().unwrap_or_else(PoisonError::into_inner));
        open.iter().for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
    }
}

fn echo(mut stream: &TcpStream, name: &str) {
    let mut chunk = [0; 4096];
    if stream.write_all(name.as_bytes()).is_err() {
        return;
    }
    while let Ok(bytes @ 1..) = stream.read(&mut chunk) {
        if stream.write_all(&chunk[..bytes]).is_err() {
            return;
        }
    }
}
