//! A light HTTP/1.1 client: one keep-alive connection, one request at a time, a deadline on every wait.
//!
//! The connection is driven by whoever waits for an answer, and not by a task of its own, so that an exchange costs one
//! wake-up. The price: nothing is read while nobody waits.

use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Method, Request, Response, Uri,
    body::{Bytes, Incoming},
    client::conn::http1::{self, Connection, SendRequest},
    header::{self, HeaderName, HeaderValue},
};
use hyper_util::rt::TokioIo;
use std::{
    fmt,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};
use tokio::{net::TcpStream, time::timeout};

/// How long a connection may take to be made.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// How long an answer may take: the longest wait of the server's own is three seconds for a payment.
const ANSWER_DEADLINE: Duration = Duration::from_secs(20);
/// The header that makes a repeat of a request known as one.
const IDEMPOTENCY: HeaderName = HeaderName::from_static("idempotency-key");

/// No answer came: what was asked may or may not have happened.
#[derive(Debug, Clone)]
pub struct Broken(pub String);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<hyper::Error> for Broken {
    fn from(error: hyper::Error) -> Self {
        Broken(error.to_string())
    }
}

/// Where a server is.
#[derive(Debug, Clone)]
pub struct Host {
    address: Arc<str>,
    header: HeaderValue,
}

impl Host {
    /// Reads `http://127.0.0.1:8088`.
    ///
    /// # Errors
    /// Anything that is not the address of a plain HTTP server.
    pub fn new(url: &str) -> Result<Self, String> {
        let wanted = || format!("{url}: an address such as http://127.0.0.1:8088 is wanted");
        let address = url.strip_prefix("http://").ok_or_else(wanted)?.trim_end_matches('/');
        let header = HeaderValue::from_str(address).map_err(|_| wanted())?;
        if address.contains('/') || !address.contains(':') { Err(wanted()) } else { Ok(Self { address: address.into(), header }) }
    }

    /// Its port.
    pub fn port(&self) -> Option<u16> {
        self.address.rsplit(':').next()?.parse().ok()
    }
}

/// What is asked.
pub struct Ask<'a> {
    /// The method.
    pub method: Method,
    /// The path with its query.
    pub path: String,
    /// The whole `Authorization` header.
    pub login: Option<&'a HeaderValue>,
    /// The name of this request, the same for each repeat.
    pub key: Option<&'a str>,
    /// JSON, or nothing.
    pub body: Bytes,
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// True for a success.
    pub fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The last part of `Location`: the id of what was made.
    pub fn made(&self) -> Option<&str> {
        self.headers.get(header::LOCATION)?.to_str().ok()?.rsplit('/').next()
    }
}

/// A connection, and the way to give it requests.
pub(crate) struct Link {
    pub sender: SendRequest<Full<Bytes>>,
    pub connection: Pin<Box<Connection<TokioIo<TcpStream>, Full<Bytes>>>>,
}

impl Link {
    pub(crate) async fn open(host: &Host) -> Result<Self, Broken> {
        let stream = timeout(CONNECT_DEADLINE, TcpStream::connect(&*host.address)).await;
        let stream = stream.map_err(|_| Broken("no connection in time".into()))?.map_err(|e| Broken(e.to_string()))?;
        stream.set_nodelay(true).map_err(|e| Broken(e.to_string()))?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        Ok(Self { sender, connection: Box::pin(connection) })
    }

    pub(crate) async fn send(
        &mut self,
        host: &Host,
        ask: Ask<'_>,
        extra: Option<(HeaderName, HeaderValue)>,
    ) -> Result<Response<Incoming>, Broken> {
        let request = request(host, ask, extra)?;
        let answer = self.sender.send_request(request);
        Ok(drive(&mut self.connection, answer).await??)
    }
}

/// Waits for something that the connection brings, and moves the connection meanwhile.
pub(crate) async fn drive<T>(
    connection: &mut (impl Future<Output = hyper::Result<()>> + Unpin),
    wanted: impl Future<Output = T>,
) -> Result<T, Broken> {
    let mut wanted = pin!(wanted);
    poll_fn(|cx| {
        if let Poll::Ready(value) = wanted.as_mut().poll(cx) {
            return Poll::Ready(Ok(value));
        }
        let ended = Pin::new(&mut *connection).poll(cx).is_ready();
        // What the connection has just brought is taken at once, without another turn through the scheduler.
        match wanted.as_mut().poll(cx) {
            Poll::Ready(value) => Poll::Ready(Ok(value)),
            Poll::Pending if ended => Poll::Ready(Err(Broken("the connection was closed".into()))),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

fn request(host: &Host, ask: Ask<'_>, extra: Option<(HeaderName, HeaderValue)>) -> Result<Request<Full<Bytes>>, Broken> {
    const JSON: HeaderValue = HeaderValue::from_static("application/json");
    let uri = Uri::from_maybe_shared(Bytes::from(ask.path)).map_err(|e| Broken(e.to_string()))?;
    let has_body = !ask.body.is_empty();
    let mut request = Request::new(Full::new(ask.body));
    (*request.method_mut(), *request.uri_mut()) = (ask.method, uri);
    let headers = request.headers_mut();
    headers.insert(header::HOST, host.header.clone());
    if has_body {
        headers.insert(header::CONTENT_TYPE, JSON);
    }
    if let Some(login) = ask.login {
        headers.insert(header::AUTHORIZATION, login.clone());
    }
    if let Some(key) = ask.key {
        headers.insert(IDEMPOTENCY, HeaderValue::from_str(key).map_err(|e| Broken(e.to_string()))?);
    }
    headers.extend(extra);
    Ok(request)
}

/// A client with one connection, made anew when it broke.
pub struct Client {
    host: Host,
    link: Option<Link>,
}

impl Client {
    /// A client that has not connected yet.
    pub fn new(host: &Host) -> Self {
        Self { host: host.clone(), link: None }
    }

    /// Where it connects.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Asks once. After an error nobody knows whether it happened: ask again under the same key.
    ///
    /// # Errors
    /// No answer came, or none in time.
    pub async fn ask(&mut self, ask: Ask<'_>) -> Result<Answer, Broken> {
        // Taken out, so that a broken connection, or a wait that was given up, never serves another request.
        let mut link = match self.link.take() {
            Some(link) if !link.sender.is_closed() => link,
            _ => Link::open(&self.host).await?,
        };
        let exchange = async {
            let response = link.send(&self.host, ask, None).await?;
            let (parts, body) = response.into_parts();
            let body = drive(&mut link.connection, body.collect()).await??.to_bytes();
            Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
        };
        let answer = timeout(ANSWER_DEADLINE, exchange).await.map_err(|_| Broken("no answer in time".into()))?;
        if answer.is_ok() {
            self.link = Some(link);
        }
        answer
    }
}
