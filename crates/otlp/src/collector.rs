//! The way to a collector.

mod dial;
mod grpc;
mod http;
mod request;

use std::time::Duration;

use dial::Dial;
pub(crate) use request::{Request, Sender};

use crate::settings::{Protocol, Target};

/// Reads whom the system trusts, in PEM; or says why that cannot be had.
pub(crate) type SystemTrust<'a> = &'a dyn Fn() -> Result<Vec<u8>, String>;

/// The way to a collector. It is opened when there is something to tell, and again after it was lost.
pub(crate) struct Collector {
    way: Way,
    timeout: Duration,
}

enum Way {
    Grpc(Box<grpc::Grpc>),
    Http(http::Http),
}

/// What a collector did not take of a request that it took; 0: it took all.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) number: u64,
    /// Why, in its words.
    pub(crate) why: String,
}

/// A request that was not taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It may be taken another time; at the earliest after that, if the collector says when.
    Later { why: String, after: Option<Duration> },
    /// It never will be.
    Never { why: String },
}

impl Failure {
    fn later(why: impl ToString) -> Self {
        Self::Later { why: why.to_string(), after: None }
    }
}

impl Collector {
    /// A way that is not opened yet.
    ///
    /// # Errors
    /// In words: a certificate or a key cannot be used.
    pub(crate) fn at(target: &Target, system: SystemTrust<'_>) -> Result<Self, String> {
        let dial = Dial::to(target, system)?;
        let way = match target.protocol {
            Protocol::Grpc => Way::Grpc(Box::new(grpc::Grpc::new(target, dial)?)),
            Protocol::Http => Way::Http(http::Http::new(target, dial)),
        };
        Ok(Self { way, timeout: target.timeout })
    }

    /// Tells something, in as much time as a request may take.
    pub(crate) async fn tell<R: Request>(&mut self, request: &R) -> Result<Refused, Failure> {
        let told = async {
            match &mut self.way {
                Way::Grpc(grpc) => grpc.tell(request).await,
                Way::Http(http) => http.tell(request).await,
            }
        };
        let answered = tokio::time::timeout(self.timeout, told).await.unwrap_or_else(|_| {
            Err(Failure::later(format_args!("it did not answer within {:?}", self.timeout)))
        });
        if answered.is_err() {
            // what is stuck is not waited for again
            match &mut self.way {
                Way::Grpc(grpc) => grpc.close(),
                Way::Http(http) => http.close(),
            }
        }
        answered
    }
}

/// An error with what it says is behind it.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut all: Vec<String> = Vec::new();
    for cause in std::iter::successors(Some(error), |error| error.source()) {
        let said = cause.to_string();
        // some say what is behind them themselves
        if !all.iter().any(|known| known.contains(&said)) {
            all.push(said);
        }
    }
    all.join(": ")
}
