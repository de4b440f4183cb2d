//! Backends that send their name, then echo every line.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

pub(crate) use crate::ports::free_ports;

/// Serves on a port until the test ends: greets every connection with `name`, then echoes its lines.
pub(crate) fn serve(port: u16, name: &str) {
    serve_on(TcpListener::bind(("127.0.0.1", port)).unwrap(), name);
}

/// Serves on any listener like [`serve`].
pub(crate) fn serve_on(listener: TcpListener, name: &str) {
    let name = name.to_owned();
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let name = name.clone();
            std::thread::Builder::new()
                .stack_size(64 * 1024)
                .spawn(move || greet(connection, &name))
                .unwrap();
        }
    });
}

fn greet(connection: TcpStream, name: &str) {
    let Ok(mut write) = connection.try_clone() else { return };
    if writeln!(write, "{name}").is_err() {
        return;
    }
    for line in BufReader::with_capacity(256, &connection).lines().map_while(Result::ok) {
        if writeln!(write, "{line}").is_err() {
            return;
        }
    }
    let _ = connection.shutdown(std::net::Shutdown::Write);
}
