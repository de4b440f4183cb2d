//! OTLP over HTTP.

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Response, StatusCode};
use prost::Message;

use super::dial::Dial;
use super::{Failure, Refused, Request, chain};
use crate::settings::{Target, path};

/// Limit on the length of an answer, in bytes: it is a few numbers and a sentence.
const ANSWER_BYTES: usize = 1 << 20;

/// Client of OTLP over HTTP.
pub(super) struct Http {
    dial: Dial,
    path: String,
    headers: HeaderMap,
    gzip: bool,
    /// Open connection; `None`: not opened yet, or lost.
    open: Option<SendRequest<Full<Bytes>>>,
}

impl Http {
    pub(super) fn new(target: &Target, dial: Dial) -> Self {
        let path = path(&target.url).to_owned();
        Self { dial, path, headers: target.headers.clone(), gzip: target.gzip, open: None }
    }

    pub(super) fn close(&mut self) {
        self.open = None;
    }

    pub(super) async fn tell<R: Request>(&mut self, request: &R) -> Result<Refused, Failure> {
        let bytes = request.encode_to_vec();
        let bytes = Bytes::from(if self.gzip { packed(&bytes) } else { bytes });
        // the collector may have closed a kept connection
        let kept = match self.open.take().filter(|sender| !sender.is_closed()) {
            Some(sender) => self.post(sender, bytes.clone()).await.ok(),
            None => None,
        };
        let response = match kept {
            Some(response) => response,
            None => {
                let sender = self.connect().await?;
                self.post(sender, bytes).await?
            }
        };
        if !response.status().is_success() {
            return Err(failure(&response));
        }
        let body = Limited::new(response.into_body(), ANSWER_BYTES).collect().await;
        // it was accepted, whatever the body
        let answer = body.ok().and_then(|body| R::Answer::decode(body.to_bytes()).ok()).unwrap_or_default();
        Ok(R::refused(answer))
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, Failure> {
        let stream = self.dial.clone().open().await.map_err(|error| Failure::later(chain(&error)))?;
        let (sender, connection) = handshake(stream).await.map_err(|error| Failure::later(chain(&error)))?;
        // it ends with its sender
        tokio::spawn(connection);
        Ok(sender)
    }

    /// Posts a request over a connection, and keeps the connection.
    async fn post(
        &mut self,
        mut sender: SendRequest<Full<Bytes>>,
        bytes: Bytes,
    ) -> Result<Response<Incoming>, Failure> {
        sender.ready().await.map_err(|error| Failure::later(chain(&error)))?;
        let mut request = hyper::Request::new(Full::new(bytes));
        *request.method_mut() = Method::POST;
        *request.uri_mut() =
            self.path.parse().map_err(|_| Failure::Never { why: "its path is none".into() })?;
        let headers = request.headers_mut();
        let authority = self.dial.authority().parse();
        headers.insert(HOST, authority.map_err(|_| Failure::Never { why: "its host is none".into() })?);
        let agent = concat!("meshtcp/", env!("CARGO_PKG_VERSION"));
        headers.insert(USER_AGENT, hyper::header::HeaderValue::from_static(agent));
        headers.extend(self.headers.clone());
        headers.insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/x-protobuf"));
        if self.gzip {
            headers.insert(CONTENT_ENCODING, hyper::header::HeaderValue::from_static("gzip"));
        }
        let response = sender.send_request(request).await.map_err(|error| Failure::later(chain(&error)))?;
        self.open = Some(sender);
        Ok(response)
    }
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    // writing to memory does not fail
    let _ = packer.write_all(bytes);
    packer.finish().unwrap_or_default()
}

fn failure(response: &Response<Incoming>) -> Failure {
    let why = format!("it answers {}", response.status());
    match response.status() {
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => {
            let after =
                response.headers().get(RETRY_AFTER).and_then(|after| after.to_str().ok()?.parse().ok());
            Failure::Later { why, after: after.map(Duration::from_secs) }
        }
        _ => Failure::Never { why },
    }
}
