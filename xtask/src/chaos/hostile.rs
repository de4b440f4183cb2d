//! Callers that are hostile, or do nothing.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Number of connections that one caller opens.
const CONNECTIONS: usize = 60;

/// Opens connections, each with random behaviour, and closes them after a while.
pub(super) fn call(addresses: Vec<SocketAddr>, mut chance: fastrand::Rng) {
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for _ in 0..CONNECTIONS {
            let Some(address) = addresses.get(chance.usize(..addresses.len().max(1))) else { return };
            let Ok(mut stream) = TcpStream::connect_timeout(address, Duration::from_millis(200)) else {
                continue;
            };
            let said: Vec<u8> = match chance.u8(..6) {
                // nothing at all
                0 => Vec::new(),
                1 => (0..chance.usize(1..3000)).map(|_| chance.u8(..)).collect(),
                2 => b"GET /meshes HTTP/1.1\r\nhost: ".to_vec(),
                3 => b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
                4 => [
                    b"PUT /meshes/default HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999\r\n\r\n".as_slice(),
                    &[b'{'; 2000],
                ]
                .concat(),
                _ => vec![0x16, 3, 1, 0xff, 0xff],
            };
            // the outcome is the server's concern
            let _ = stream.write_all(&said);
            kept.push(stream);
        }
        std::thread::sleep(Duration::from_millis(chance.u64(..4000)));
    });
}
