//! OTLP over gRPC.

use hyper::header::HeaderMap;
use tonic::codec::CompressionEncoding;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_prost::ProstCodec;

use super::dial::Dial;
use super::{Failure, Refused, Request, chain};
use crate::settings::Target;

/// Client of OTLP over gRPC.
pub(super) struct Grpc {
    endpoint: Endpoint,
    dial: Dial,
    headers: HeaderMap,
    gzip: bool,
    /// Open channel; `None`: not opened yet, or lost.
    open: Option<Channel>,
}

impl Grpc {
    pub(super) fn new(target: &Target, dial: Dial) -> Result<Self, String> {
        // plaintext for the library: the dialler encrypts
        let endpoint =
            Endpoint::from_shared(format!("http://{}", dial.authority())).map_err(|it| chain(&it))?;
        let endpoint = endpoint.origin(target.url.clone()).connect_timeout(target.timeout);
        Ok(Self { endpoint, dial, headers: target.headers.clone(), gzip: target.gzip, open: None })
    }

    pub(super) fn close(&mut self) {
        self.open = None;
    }

    pub(super) async fn tell<R: Request>(&mut self, request: &R) -> Result<Refused, Failure> {
        let Self { endpoint, dial, headers, gzip, open } = self;
        let channel = open.get_or_insert_with(|| {
            let dial = dial.clone();
            endpoint.connect_with_connector_lazy(tower::service_fn(move |_| dial.clone().open()))
        });
        let mut grpc = tonic::client::Grpc::new(channel.clone());
        if *gzip {
            grpc = grpc.send_compressed(CompressionEncoding::Gzip);
        }
        grpc.ready().await.map_err(|error| Failure::later(chain(&error)))?;
        let mut asked = tonic::Request::new(request.clone());
        *asked.metadata_mut() = MetadataMap::from_headers(headers.clone());
        let codec = ProstCodec::<R, R::Answer>::default();
        let answer = grpc.unary(asked, PathAndQuery::from_static(R::METHOD), codec).await.map_err(failure)?;
        Ok(R::refused(answer.into_inner()))
    }
}

fn failure(status: Status) -> Failure {
    let why = match status.message() {
        "" => status.code().to_string(),
        message => format!("{}: {message}", status.code()),
    };
    match status.code() {
        // retryable by the specification
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::ResourceExhausted
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss
        // code of the library for a lost connection
        | Code::Unknown => Failure::later(why),
        _ => Failure::Never { why },
    }
}
