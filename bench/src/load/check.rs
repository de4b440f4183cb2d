//! Check that a proxy carries every byte: echoes in odd pieces, then half-close.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use super::PATIENCE;
use crate::door::Door;
use crate::order::Order;

const SIZES: [usize; 8] = [0, 1, 63, 4_097, 65_536, 65_537, 1_000_003, 12_000_007];

/// Runs the check; the error describes the first failure.
pub(crate) fn check(target: Door) -> Result<(), String> {
    for (seed, size) in SIZES.into_iter().enumerate() {
        echo(target, size, seed as u64).map_err(|error| format!("an echo of {size} bytes: {error}"))?;
    }
    Ok(())
}

fn echo(target: Door, size: usize, seed: u64) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&target.address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut random = fastrand::Rng::with_seed(seed);
    let mut bytes = vec![0; size];
    random.fill(&mut bytes);
    let mut writer = stream.try_clone()?;
    std::thread::scope(|scope| {
        let sent = &bytes;
        let writing = scope.spawn(move || -> io::Result<()> {
            let mut random = fastrand::Rng::with_seed(seed);
            writer.write_all(target.first)?;
            writer.write_all(&Order::Echo.bytes())?;
            let mut rest = &sent[..];
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(random.usize(1..=200_000).min(rest.len()));
                writer.write_all(piece)?;
                rest = after;
            }
            // the backend's last bytes arrive after our half-close
            std::thread::sleep(Duration::from_millis(5));
            writer.shutdown(Shutdown::Write)
        });
        let mut received = Vec::with_capacity(size);
        let read = stream.read_to_end(&mut received);
        writing.join().map_err(|_| io::Error::other("the writer broke off"))??;
        read?;
        if received == bytes {
            return Ok(());
        }
        let at = received.iter().zip(&bytes).position(|(seen, wanted)| seen != wanted);
        Err(io::Error::other(format!("{} bytes came back, wrong from {at:?} on", received.len())))
    })
}
