//! Three backends that send their names, then echo every line with the name in front.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::story::BACKENDS;

/// Starts the backends on the runtime; they live as long as it does. Returns their ports.
pub(super) async fn start() -> io::Result<[u16; 3]> {
    let mut ports = [0; 3];
    for (port, name) in ports.iter_mut().zip(BACKENDS) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        *port = listener.local_addr()?.port();
        tokio::spawn(serve(listener, name));
    }
    Ok(ports)
}

async fn serve(listener: TcpListener, name: &'static str) {
    loop {
        // an accept that fails for lack of files fails for a connection that its client will report
        if let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(echo(connection, name));
        }
    }
}

async fn echo(connection: TcpStream, name: &'static str) -> io::Result<()> {
    let (read, mut write) = connection.into_split();
    write.write_all(format!("{name}\n").as_bytes()).await?;
    let mut lines = BufReader::with_capacity(256, read).lines();
    while let Some(line) = lines.next_line().await? {
        write.write_all(format!("{name} {line}\n").as_bytes()).await?;
    }
    write.shutdown().await
}
