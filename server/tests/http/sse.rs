//! A light reader of live streams, made of one socket, so that thousands of them fit a test.

use crate::harness::PATIENCE;
use serde_json::Value;
use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// One event of a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    pub id: String,
    pub event: String,
    pub data: Value,
}

/// An open stream.
pub struct Stream {
    socket: TcpStream,
    /// What came and is no whole chunk yet.
    wire: Vec<u8>,
    /// What the chunks hold and is no whole event yet.
    text: String,
    over: bool,
}

/// What to open.
#[derive(Clone)]
pub struct Ask {
    pub address: SocketAddr,
    pub path: String,
    pub token: String,
}

impl Ask {
    /// Opens the stream, after the last event that was seen.
    pub async fn open(&self, last: Option<&str>) -> Stream {
        self.try_open(last).await.unwrap_or_else(|status| panic!("{} answered {status}", self.path))
    }

    /// Opens the stream, or tells the status of the refusal.
    pub async fn try_open(&self, last: Option<&str>) -> Result<Stream, u16> {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        let last = last.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
        let Self { path, token, address } = self;
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\nAuthorization: Bearer {token}\r\n{last}\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut stream = Stream { socket, wire: vec![], text: String::new(), over: false };
        let head = loop {
            if let Some(end) = stream.wire.windows(4).position(|four| four == b"\r\n\r\n") {
                break stream.wire.drain(..end + 4).collect::<Vec<u8>>();
            }
            assert!(stream.more().await, "{path}: the connection ended before the answer");
        };
        let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
        if status != 200 {
            return Err(status);
        }
        assert!(head.contains("content-type: text/event-stream") && head.contains("transfer-encoding: chunked"), "{head}");
        Ok(stream)
    }
}

impl Stream {
    /// The next event; `None` when the server ended the stream, or the connection.
    pub async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let block: String = self.text.drain(..end + 2).collect();
                if let Some(frame) = read(&block) {
                    return Some(frame);
                }
            } else if !self.unchunk() && (self.over || !self.more().await) {
                return None;
            }
        }
    }

    /// The next event, which must come.
    pub async fn must(&mut self) -> Frame {
        tokio::time::timeout(PATIENCE, self.next()).await.expect("nothing came in time").expect("the stream ended")
    }

    /// Moves one whole chunk from the wire to the text.
    fn unchunk(&mut self) -> bool {
        let Some(line) = self.wire.windows(2).position(|two| two == b"\r\n") else { return false };
        let size = usize::from_str_radix(std::str::from_utf8(&self.wire[..line]).unwrap(), 16).unwrap();
        if self.wire.len() < line + 2 + size + 2 {
            return false;
        }
        self.text.push_str(std::str::from_utf8(&self.wire[line + 2..line + 2 + size]).unwrap());
        self.wire.drain(..line + 2 + size + 2);
        self.over |= size == 0;
        true
    }

    async fn more(&mut self) -> bool {
        let mut chunk = [0; 4096];
        match self.socket.read(&mut chunk).await {
            Ok(0) | Err(_) => false,
            Ok(n) => {
                self.wire.extend_from_slice(&chunk[..n]);
                true
            }
        }
    }
}

/// An event of lines; nothing, of a comment that only keeps the connection warm.
pub fn read(block: &str) -> Option<Frame> {
    let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let data = serde_json::from_str(field("data")?).unwrap();
    Some(Frame { id: field("id")?.to_owned(), event: field("event")?.to_owned(), data })
}
