//! The connections to one copy of a service, each with one request at a time, and kept for the next.
//!
//! A connection may end at the very moment when a request is handed to it, and then nobody is there to send it: hyper keeps
//! it for as long as its sender waits, which is for ever. So whoever waits for an answer watches the connection as well,
//! and takes back what was not sent.

use super::retry::Cause;
use axum::{
    body::Body,
    extract::Request,
    http::{Uri, uri::Authority},
    response::Response,
};
use hyper::{
    body::Incoming,
    client::conn::{
        TrySendError,
        http1::{self, SendRequest},
    },
};
use hyper_util::rt::TokioIo;
use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    net::{TcpStream, lookup_host},
    sync::oneshot,
    time::{sleep, timeout},
};

/// How long a connection to a service may take to be made: they are near.
const CONNECT_WAIT: Duration = Duration::from_secs(1);
/// How long a connection without a request is kept. Shorter than services keep theirs.
const IDLE: Duration = Duration::from_secs(30);
/// Connections without a request that are kept.
const MAX_IDLE: usize = 256;
/// The port of a URL that names none.
const HTTP_PORT: u16 = 80;

/// Those to one address.
pub struct Connections {
    address: String,
    /// Without a request; the one that was used last is the last.
    idle: Mutex<Vec<Connection>>,
    /// Whether somebody closes those that nobody uses any more.
    is_swept: AtomicBool,
}

struct Connection {
    sender: SendRequest<Body>,
    /// Ready when the task that reads and writes has ended.
    ended: oneshot::Receiver<Infallible>,
    used: Instant,
}

impl Connections {
    /// None yet.
    pub fn to(at: &Authority) -> Arc<Self> {
        let address = format!("{}:{}", at.host(), at.port_u16().unwrap_or(HTTP_PORT));
        Arc::new(Self { address, idle: Mutex::default(), is_swept: AtomicBool::new(false) })
    }

    /// Asks over one of them, or over a new one. The head of an answer, or why there is none.
    pub async fn ask(self: &Arc<Self>, mut request: Request) -> Result<Response, Cause> {
        // A service is asked for a path; where it is, the connection knows.
        *request.uri_mut() = request.uri().path_and_query().cloned().map(Uri::from).unwrap_or_default();
        loop {
            let (connection, is_new) = match self.take() {
                Some(connection) => (connection, false),
                None => (self.connect().await.ok_or(Cause::Untouched)?, true),
            };
            match connection.send(request).await {
                Ok((response, connection)) => {
                    if let Some(connection) = connection {
                        self.keep(connection);
                    }
                    return Ok(response.map(Body::new));
                }
                Err(mut error) => match error.take_message() {
                    // One that was kept has ended meanwhile: each such try leaves one less of them.
                    Some(unsent) if !is_new => request = unsent,
                    Some(_) => return Err(Cause::Untouched),
                    None => {
                        tracing::debug!(error = %error.error(), "a connection to a service broke");
                        return Err(Cause::Lost);
                    }
                },
            }
        }
    }

    /// A new one, if any address of the name takes it: a name may have several, and one that does not answer must leave time
    /// for the others.
    async fn connect(self: &Arc<Self>) -> Option<Connection> {
        let addresses: Vec<SocketAddr> = timeout(CONNECT_WAIT, lookup_host(&*self.address)).await.ok()?.ok()?.collect();
        let wait = CONNECT_WAIT / u32::try_from(addresses.len()).ok()?.max(1);
        for address in addresses {
            match timeout(wait, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return self.begin(stream).await,
                Ok(Err(error)) => tracing::debug!(%address, %error, "a service takes no connection"),
                Err(_) => tracing::debug!(%address, "a service takes no connection in time"),
            }
        }
        None
    }

    async fn begin(self: &Arc<Self>, stream: TcpStream) -> Option<Connection> {
        // A request that waits for the next one to fill a packet is late; that it may wait does no harm.
        let _ = stream.set_nodelay(true);
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
        let (alive, ended) = oneshot::channel();
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to a service has failed");
            }
            drop(alive);
        });
        self.sweep();
        Some(Connection { sender, ended, used: Instant::now() })
    }

    /// Closes those that nobody has used for long, from now on.
    fn sweep(self: &Arc<Self>) {
        if self.is_swept.swap(true, Ordering::Relaxed) {
            return;
        }
        let all = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                sleep(IDLE / 2).await;
                let Some(all) = all.upgrade() else { return };
                all.idle().retain(Connection::is_usable);
            }
        });
    }

    /// The one that was used last, of those that still are.
    fn take(&self) -> Option<Connection> {
        let mut idle = self.idle();
        while let Some(connection) = idle.pop() {
            if connection.is_usable() {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps one as soon as its answer has been read whole.
    fn keep(self: &Arc<Self>, mut connection: Connection) {
        if connection.sender.is_ready() {
            return self.put(connection);
        }
        let all = self.clone();
        tokio::spawn(async move {
            if connection.sender.ready().await.is_ok() {
                all.put(connection);
            }
        });
    }

    fn put(&self, mut connection: Connection) {
        connection.used = Instant::now();
        let mut idle = self.idle();
        if idle.len() < MAX_IDLE {
            idle.push(connection);
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    fn is_usable(&self) -> bool {
        self.sender.is_ready() && self.used.elapsed() < IDLE
    }

    /// Sends a request. The head of the answer, and the connection unless it has ended.
    async fn send(mut self, request: Request) -> Result<(Response<Incoming>, Option<Self>), TrySendError<Request>> {
        let mut answer = pin!(self.sender.try_send_request(request));
        tokio::select! {
            biased;
            answered = &mut answer => return answered.map(|response| (response, Some(self))),
            _ = &mut self.ended => {}
        }
        // With the last sender goes what it has sent and nobody has taken: the request comes back.
        drop(self);
        answer.await.map(|response| (response, None))
    }
}
