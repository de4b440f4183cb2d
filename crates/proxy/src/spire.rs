//! Client of the SPIRE agent on this host, by the SPIFFE Workload API: certificates of the process, and trust bundles.
//!
//! ```text
//!  agent ⇢ X.509-SVID response ─▶ secrets of the data plane: a certificate for each SPIFFE ID, authorities by trust domain
//! ```
//!
//! The agent sends everything again whenever something is renewed. Its last answer stays valid while it is away.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use prost::Message;
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::MetadataValue;
use tonic::transport::Endpoint;
use tonic::{Request, Status};
use tonic_prost::ProstCodec;
use trust::{pem, pem_of_certificates};
use xds::proto::l4::{
    AGENT_TRUST, Certificate, Cluster, Listener, Secret, TlsTerms, Trust, TrustDomain, agent_certificate,
    id_of,
};
use xds::{ResourceSet, TypeUrl};

use crate::discovery::chain;

/// gRPC method that streams X.509-SVIDs, again on each renewal.
const METHOD: &str = "/SpiffeWorkloadAPI/FetchX509SVID";
/// Header that the Workload API demands of its callers, against requests forged by a browser.
const IS_WORKLOAD: &str = "workload.spiffe.io";
/// Bounds of the pause between attempts, which doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Limit for the first answer of a stream: an agent that knows the process has it at hand.
const SILENCE: Duration = Duration::from_secs(5);

#[derive(Clone, PartialEq, Message)]
struct Asked {}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct Told {
    #[prost(message, repeated, tag = "1")]
    svids: Vec<Svid>,
    /// Authorities of other trust domains, in DER, by SPIFFE ID of the domain.
    #[prost(btree_map = "string, bytes", tag = "3")]
    federated_bundles: BTreeMap<String, Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct Svid {
    #[prost(string, tag = "1")]
    spiffe_id: String,
    /// Certificate, then intermediates, in DER.
    #[prost(bytes = "vec", tag = "2")]
    chain: Vec<u8>,
    /// Private key, PKCS#8 in DER.
    #[prost(bytes = "vec", tag = "3")]
    key: Vec<u8>,
    /// Authorities of its own trust domain, in DER, one after another.
    #[prost(bytes = "vec", tag = "4")]
    bundle: Vec<u8>,
}

/// State of an agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agent {
    /// `true`: its stream is open and has had an answer.
    pub connected: bool,
    /// Number of answers so far.
    pub answers: u64,
    /// SPIFFE IDs of the certificates in its last answer; empty before the first.
    pub ids: Vec<String>,
    /// Reason why it is not heard; `None`: it is, or has not been asked yet.
    pub lost: Option<String>,
}

/// Follows the agent at a socket for as long as it is polled, and publishes its state in `agent`.
///
/// `told` gets the secrets of each answer, as a set to be laid beside that of a control plane; `lost` the reason why the agent is not
/// heard any more, once for each new reason.
pub async fn follow(
    socket: &Path,
    agent: &watch::Sender<Agent>,
    mut told: impl FnMut(ResourceSet),
    mut lost: impl FnMut(&str),
) {
    let mut pause = FIRST_PAUSE;
    loop {
        let mut answered = |answer: &Told| {
            let set = secrets(answer)?;
            pause = FIRST_PAUSE;
            let ids = answer.svids.iter().map(|svid| svid.spiffe_id.clone()).collect();
            agent.send_modify(|agent| {
                *agent = Agent { connected: true, answers: agent.answers + 1, ids, lost: None };
            });
            told(set);
            Ok(())
        };
        let why = match listen(socket, &mut answered).await {
            Ok(()) => "it ended the stream".to_owned(),
            Err(status) => format!("{:?}: {}", status.code(), status.message()),
        };
        let is_new = agent.borrow().lost.as_ref() != Some(&why);
        agent.send_modify(|agent| (agent.connected, agent.lost) = (false, Some(why.clone())));
        if is_new {
            lost(&why);
        }
        tokio::time::sleep(pause).await;
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

/// Passes on each answer until the stream ends.
async fn listen(socket: &Path, answered: &mut impl FnMut(&Told) -> Result<(), String>) -> Result<(), Status> {
    let path = socket.to_owned();
    let open = move |_| {
        let path = path.clone();
        async move { Ok::<_, io::Error>(TokioIo::new(UnixStream::connect(path).await?)) }
    };
    // the name is in no message: the way is the socket
    let endpoint = Endpoint::from_static("http://agent");
    let channel = endpoint.connect_with_connector(tower::service_fn(open)).await;
    let mut grpc = tonic::client::Grpc::new(channel.map_err(|error| Status::unavailable(chain(&error)))?);
    grpc.ready().await.map_err(|error| Status::unavailable(chain(&error)))?;
    let mut request = Request::new(Asked {});
    request.metadata_mut().insert(IS_WORKLOAD, MetadataValue::from_static("true"));
    let codec = ProstCodec::<Asked, Told>::default();
    let begun = async {
        let method = PathAndQuery::from_static(METHOD);
        let mut answers = grpc.server_streaming(request, method, codec).await?.into_inner();
        let first = answers.message().await?;
        Ok::<_, Status>((answers, first))
    };
    let silent = |_| Status::deadline_exceeded(format!("it said nothing for {} s", SILENCE.as_secs()));
    let (mut answers, mut answer) = timeout(SILENCE, begun).await.map_err(silent)??;
    while let Some(said) = answer {
        answered(&said).map_err(Status::data_loss)?;
        answer = answers.message().await?;
    }
    Ok(())
}

/// Reason why a set cannot run with the secrets that an agent has sent; `None`: it can.
pub fn untold(set: &ResourceSet, of_agent: &ResourceSet) -> Option<String> {
    let is_missing = |name: &String| of_agent.get(&TypeUrl::of::<Secret>(), name).is_none();
    let wanted = |terms: TlsTerms| [terms.certificate, terms.trust].into_iter();
    let missing: BTreeSet<String> = terms(set).flat_map(wanted).filter(is_missing).collect();
    let ids: Vec<&str> = missing.iter().filter_map(|name| id_of(name)).collect();
    if ids.is_empty() && !missing.contains(AGENT_TRUST) {
        return None;
    }
    let told: Vec<&str> =
        of_agent.of_type(&TypeUrl::of::<Secret>()).filter_map(|(name, _)| id_of(name)).collect();
    Some(match (ids.as_slice(), told.as_slice()) {
        ([], _) => "no SPIRE agent has said whom to believe".to_owned(),
        (ids, []) => format!("no SPIRE agent has issued a certificate of {}", ids.join(", ")),
        (ids, told) => {
            format!("the SPIRE agent issues no certificate of {}, but of {}", ids.join(", "), told.join(", "))
        }
    })
}

/// TLS terms of all listeners and clusters of a set.
fn terms(set: &ResourceSet) -> impl Iterator<Item = TlsTerms> {
    // what cannot be read is refused elsewhere
    let listeners = messages::<Listener>(set).flat_map(|listener| {
        let by_name = listener.server_names.into_iter().filter_map(|name| name.tls);
        listener.tls.into_iter().chain(by_name).filter_map(|tls| tls.terms)
    });
    listeners.chain(messages::<Cluster>(set).filter_map(|cluster| cluster.tls?.terms))
}

fn messages<M: Message + Default + prost::Name>(set: &ResourceSet) -> impl Iterator<Item = M> {
    let all: Vec<M> =
        set.of_type(&TypeUrl::of::<M>()).filter_map(|(_, found)| M::decode(&*found.body).ok()).collect();
    all.into_iter()
}

/// Secrets of the data plane that an answer holds.
///
/// # Errors
/// In words: a certificate or an authority is not DER.
fn secrets(Told { svids, federated_bundles }: &Told) -> Result<ResourceSet, String> {
    let (mut set, mut domains) = (ResourceSet::default(), BTreeMap::new());
    for Svid { spiffe_id, chain, key, bundle } in svids {
        let certificate = Certificate { chain_pem: certificates(chain)?, key_pem: pem("PRIVATE KEY", key) };
        let name = agent_certificate(spiffe_id);
        set.insert_message(&*name.clone(), &Secret { name, certificate: Some(certificate), trust: None });
        domains.insert(domain(spiffe_id), certificates(bundle)?);
    }
    for (id, bundle) in federated_bundles {
        // who vouches for its own domain is said with the certificate
        domains.entry(domain(id)).or_insert(certificates(bundle)?);
    }
    let domains = domains.into_iter().map(|(domain, anchors_pem)| TrustDomain { domain, anchors_pem });
    let trust = Trust { anchors_pem: String::new(), domains: domains.collect() };
    let trust = Secret { name: AGENT_TRUST.into(), certificate: None, trust: Some(trust) };
    set.insert_message(AGENT_TRUST, &trust);
    Ok(set)
}

/// Trust domain of a SPIFFE ID.
fn domain(id: &str) -> String {
    let rest = id.strip_prefix("spiffe://").unwrap_or(id);
    rest.split('/').next().unwrap_or_default().to_owned()
}

/// Certificates in DER, one after another, as PEM.
fn certificates(der: &[u8]) -> Result<String, String> {
    pem_of_certificates(der).ok_or_else(|| "the agent sent a certificate that is none".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_agent_says_becomes_secrets_by_their_names() {
        let leaf = [&[0x30, 3, 1, 2, 3][..], &[0x30, 0x81, 1, 9]].concat();
        let svid = Svid {
            spiffe_id: "spiffe://own.example/web".into(),
            chain: leaf,
            key: vec![0xff; 50],
            bundle: vec![0x30, 0x82, 0, 1, 7],
        };
        let told = Told {
            svids: vec![svid],
            federated_bundles: [("spiffe://other.example".to_owned(), vec![0x30, 0])].into(),
        };
        let set = secrets(&told).unwrap();
        let read = |name: &str| {
            let found = set.get(&TypeUrl::of::<Secret>(), name).unwrap();
            Secret::decode(&*found.body).unwrap()
        };
        let certificate = read("spire:spiffe://own.example/web").certificate.unwrap();
        assert_eq!(certificate.chain_pem.matches("BEGIN CERTIFICATE").count(), 2);
        assert!(
            certificate.chain_pem.starts_with("-----BEGIN CERTIFICATE-----\nMAMBAgM=\n"),
            "{certificate:?}"
        );
        assert!(certificate.key_pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));
        let domains: Vec<_> = read(AGENT_TRUST).trust.unwrap().domains;
        let names: Vec<&str> = domains.iter().map(|it| it.domain.as_str()).collect();
        assert_eq!(names, ["other.example", "own.example"]);
        for broken in [vec![0x30, 5, 1], vec![1, 2, 3], vec![0x30]] {
            let told =
                Told { svids: vec![Svid { bundle: broken, ..told.svids[0].clone() }], ..Told::default() };
            assert!(secrets(&told).is_err());
        }
    }

    #[test]
    fn what_a_set_lacks_is_named_with_what_there_is() {
        let terms =
            |certificate: String| TlsTerms { certificate, trust: AGENT_TRUST.into(), ..TlsTerms::default() };
        let wants = |certificate: String| {
            let mut set = ResourceSet::default();
            let tls =
                Some(xds::proto::l4::ClientTls { terms: Some(terms(certificate)), ..Default::default() });
            set.insert_message("db", &Cluster { name: "db".into(), tls, ..Cluster::default() });
            set
        };
        let svid = |id: &str| Svid { spiffe_id: id.into(), ..Svid::default() };
        let told = |ids: &[&str]| {
            let svids = ids.iter().map(|id| svid(id)).collect();
            secrets(&Told { svids, ..Told::default() }).unwrap()
        };
        let web = wants(agent_certificate("spiffe://a/web"));
        let nothing = ResourceSet::default();
        assert_eq!(untold(&web, &told(&["spiffe://a/web", "spiffe://a/api"])), None);
        let why = |set, of_agent: &ResourceSet| untold(set, of_agent).unwrap();
        assert_eq!(why(&web, &nothing), "no SPIRE agent has issued a certificate of spiffe://a/web");
        assert_eq!(
            why(&web, &told(&["spiffe://a/api"])),
            "the SPIRE agent issues no certificate of spiffe://a/web, but of spiffe://a/api"
        );
        assert_eq!(why(&wants("by-the-mesh".into()), &nothing), "no SPIRE agent has said whom to believe");
        assert_eq!(untold(&nothing, &nothing), None);
    }
}
