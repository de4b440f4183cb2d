//! Connection to a collector.

mod dial;
mod grpc;
mod http;
mod request;

use std::time::Duration;

use dial::Dial;
pub(crate) use request::{Request, Sender};

use crate::settings::{Protocol, Target};

/// Source of the system's trusted certificates, in PEM, or the reason why they are not available.
pub(crate) type SystemTrust<'a> = &'a dyn Fn() -> Result<Vec<u8>, String>;

/// Connection to a collector. It is opened when there is something to export, and again after it was lost.
pub(crate) struct Collector {
    way: Transport,
    timeout: Duration,
}

enum Transport {
    Grpc(Box<grpc::Grpc>),
    Http(http::Http),
}

/// Rejected part of an accepted request; 0: all was accepted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) number: u64,
    /// Reason, in the collector's words.
    pub(crate) why: String,
}

/// Failure of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The request may be retried; `after`: the minimum delay, if the collector asks for one.
    Later { why: String, after: Option<Duration> },
    /// The request must not be retried.
    Never { why: String },
}

impl Failure {
    fn later(why: impl ToString) -> Self {
        Self::Later { why: why.to_string(), after: None }
    }
}

impl Collector {
    /// Creates a connection that is not opened yet.
    ///
    /// # Errors
    /// In words: a certificate or a key cannot be used.
    pub(crate) fn at(target: &Target, system: SystemTrust<'_>) -> Result<Self, String> {
        let dial = Dial::to(target, system)?;
        let way = match target.protocol {
            Protocol::Grpc => Transport::Grpc(Box::new(grpc::Grpc::new(target, dial)?)),
            Protocol::Http => Transport::Http(http::Http::new(target, dial)),
        };
        Ok(Self { way, timeout: target.timeout })
    }

    /// Sends a request, within the request timeout.
    pub(crate) async fn tell<R: Request>(&mut self, request: &R) -> Result<Refused, Failure> {
        let told = async {
            match &mut self.way {
                Transport::Grpc(grpc) => grpc.tell(request).await,
                Transport::Http(http) => http.tell(request).await,
            }
        };
        let answered = tokio::time::timeout(self.timeout, told).await.unwrap_or_else(|_| {
            Err(Failure::later(format_args!("it did not answer within {:?}", self.timeout)))
        });
        if answered.is_err() {
            // a stuck connection is not used again
            match &mut self.way {
                Transport::Grpc(grpc) => grpc.close(),
                Transport::Http(http) => http.close(),
            }
        }
        answered
    }
}

/// Message of an error with its causes.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut all: Vec<String> = Vec::new();
    for cause in std::iter::successors(Some(error), |error| error.source()) {
        let said = cause.to_string();
        // some messages include their cause
        if !all.iter().any(|known| known.contains(&said)) {
            all.push(said);
        }
    }
    all.join(": ")
}
