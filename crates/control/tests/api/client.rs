//! Client that sends exactly the given bytes.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

/// Answer of a server.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// Sends bytes, and reads until the server closes.
pub(crate) async fn raw(address: SocketAddr, request: &[u8]) -> Reply {
    exchange(TcpStream::connect(address).await.unwrap(), request).await
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &[u8]) -> Reply {
    // a server may answer and close before it has read everything
    let _ = stream.write_all(request).await;
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    let read = async {
        while let Ok(length @ 1..) = stream.read(&mut piece).await {
            bytes.extend_from_slice(&piece[..length]);
        }
    };
    tokio::time::timeout(Duration::from_secs(60), read).await.expect("an answer within a minute");
    reply(&bytes)
}

pub(crate) fn reply(bytes: &[u8]) -> Reply {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let pair =
        |line: &str| line.split_once(": ").map(|(key, value)| (key.to_ascii_lowercase(), value.to_owned()));
    Reply { status, headers: lines.filter_map(pair).collect(), body: body.to_owned() }
}

/// Sends a request whose head is given line by line, without its end; missing `Host` and `Connection` are added.
pub(crate) async fn send(address: SocketAddr, head: &str, body: &str) -> Reply {
    raw(address, text(head, body).as_bytes()).await
}

/// Sends a request as [`send`] does, through a Unix socket.
pub(crate) async fn send_locally(socket: &Path, head: &str, body: &str) -> Reply {
    exchange(UnixStream::connect(socket).await.unwrap(), text(head, body).as_bytes()).await
}

fn text(head: &str, body: &str) -> String {
    let (first, rest) = head.trim().split_once('\n').unwrap_or((head.trim(), ""));
    let mut text = format!("{} HTTP/1.1\r\n", first.trim());
    let has = |name: &str| rest.lines().any(|line| line.to_ascii_lowercase().starts_with(name));
    for line in rest.lines().map(str::trim).filter(|line| !line.is_empty()) {
        text.push_str(&format!("{line}\r\n"));
    }
    if !has("host:") {
        text.push_str("Host: localhost:5681\r\n");
    }
    if !body.is_empty() && !has("content-length:") {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    text.push_str("Connection: close\r\n\r\n");
    text.push_str(body);
    text
}
