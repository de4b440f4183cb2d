//! Cost of a hop: relayed connections compared with connections decided in the kernel, in turns.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::output::table;

/// Number of turns of each, so that both run under the same load of the machine.
const TURNS: usize = 10;
/// Number of connections per turn, one after the other.
const CONNECTIONS: usize = 50;
/// Number of lines that each connection echoes.
const ECHOES: usize = 10;
const PATIENCE: Duration = Duration::from_secs(10);

/// Measurements of one path.
#[derive(Clone, Debug, Default)]
pub(super) struct Figures {
    /// Times from dialling until the backend's name arrived.
    opened: Vec<Duration>,
    /// Times from sending a line until its echo arrived.
    echoed: Vec<Duration>,
    /// Processor time of clients, proxy and backends together.
    processor: Duration,
}

/// Measures both paths, and describes the difference.
///
/// # Errors
/// Reason in words, when a connection fails.
pub(super) fn measure(relayed: SocketAddr, in_kernel: SocketAddr) -> Result<String, String> {
    let mut both = [Figures::default(), Figures::default()];
    for _ in 0..TURNS {
        for (to, figures) in [relayed, in_kernel].into_iter().zip(&mut both) {
            let before = processor_time();
            for _ in 0..CONNECTIONS {
                connection(to, figures).map_err(|error| format!("a connection to {to} failed: {error}"))?;
            }
            figures.processor += processor_time().saturating_sub(before);
        }
    }
    Ok(in_words(&both))
}

fn connection(to: SocketAddr, figures: &mut Figures) -> std::io::Result<()> {
    let begun = Instant::now();
    let mut connection = TcpStream::connect(to)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_nodelay(true)?;
    let mut lines = BufReader::with_capacity(256, connection.try_clone()?);
    let mut line = String::new();
    lines.read_line(&mut line)?;
    figures.opened.push(begun.elapsed());
    for _ in 0..ECHOES {
        let begun = Instant::now();
        connection.write_all(b"hello\n")?;
        line.clear();
        lines.read_line(&mut line)?;
        if !line.ends_with("hello\n") {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        figures.echoed.push(begun.elapsed());
    }
    Ok(())
}

fn processor_time() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = Duration::from_secs(u64::try_from(now.tv_sec).unwrap_or(0));
    seconds + Duration::from_nanos(u64::try_from(now.tv_nsec).unwrap_or(0))
}

fn in_words(both: &[Figures; 2]) -> String {
    let row = |(path, Figures { opened, echoed, processor }): (&str, &Figures)| {
        let each = processor.as_micros() as f64 / opened.len().max(1) as f64;
        let micros = |time: Duration| format!("{} µs", time.as_micros());
        [path.to_owned(), micros(median(opened)), micros(median(echoed)), format!("{each:.0} µs")]
    };
    let titles = ["PATH", "DIAL TO FIRST BYTE", "AN ECHO", "CPU OF A CONNECTION"];
    let table = table(titles, ["relay", "kernel"].into_iter().zip(both).map(row));
    let count = TURNS * CONNECTIONS;
    format!(
        "\n{table}medians of {count} connections with {ECHOES} echoes each way, one after the other; the processor's time is that \
         of client, proxy and backend\n"
    )
}

fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_paths_are_told_beside_each_other() {
        let millis = |times: &[u64]| times.iter().map(|time| Duration::from_millis(*time)).collect();
        let figures = |times: &[u64]| Figures {
            opened: millis(times),
            echoed: millis(times),
            processor: Duration::from_millis(6),
        };
        let told = in_words(&[figures(&[3, 1, 2]), figures(&[1, 1, 1])]);
        let words: Vec<&str> = told.split_whitespace().collect();
        let told = words.join(" ");
        assert!(told.contains("relay 2000 µs 2000 µs 2000 µs kernel 1000 µs 1000 µs 2000 µs"), "{told}");
    }
}
