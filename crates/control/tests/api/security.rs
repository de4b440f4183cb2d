//! Tests of attacks that must fail.

use std::time::Duration;

use meshtcp_control::api::{Role, Setup};
use meshtcp_control::identity::{Bearer, Claims};
use meshtcp_control::store::Expected;
use model::{Kind, ResourceKey};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{Reply, raw, reply, send};
use crate::server::{Server, trusting};

const ROUTE: &str =
    r#"{"type":"MeshTCPRoute","mesh":"default","name":"r","spec":{"targetRef":{"kind":"Mesh"}}}"#;
const HOUR: Duration = Duration::from_secs(3600);

/// Starts a server that trusts nobody because of their address.
async fn strict() -> Server {
    Server::start(Setup { localhost: Role::Nobody, ..Setup::default() }).await
}

async fn ask(server: &Server, request: &str, token: &str) -> Reply {
    let head = match token {
        "" => request.to_owned(),
        token => format!("{request}\nAuthorization: Bearer {token}"),
    };
    let body = if request.starts_with("PUT") { ROUTE } else { "" };
    send(server.address, &head, body).await
}

async fn user(server: &Server, groups: &[&str]) -> String {
    let groups = groups.iter().map(|group| group.to_string()).collect();
    server.tokens.issue(Claims::new(Bearer::User { name: "jo".into(), groups }, HOUR)).await.unwrap()
}

const PUT: &str = "PUT /meshes/default/meshtcproutes/r";
const GET: &str = "GET /meshes/default/meshtcproutes";
const SECRETS: &str = "GET /meshes/default/secrets";
const TOKEN: &str = "POST /tokens/user";

#[tokio::test]
async fn without_a_token_nobody_gets_anything_but_the_index() {
    let server = strict().await;
    for request in
        [PUT, GET, SECRETS, TOKEN, "GET /config", "GET /_status", "GET /meshes", "DELETE /meshes/default"]
    {
        let reply = ask(&server, request, "").await;
        assert_eq!(reply.status, 403, "{request}: {}", reply.body);
        assert_eq!(reply.json()["title"], "Access Denied");
    }
    assert_eq!(ask(&server, "GET /", "").await.status, 200);
    let who = ask(&server, "GET /who-am-i", "").await;
    assert_eq!(who.json()["name"], "mesh-system:anonymous");
}

#[tokio::test]
async fn a_role_gives_what_it_says_and_no_more() {
    let server = strict().await;
    let [admin, writer, reader] = [
        user(&server, &["mesh-system:admin"]).await,
        user(&server, &["mesh-system:writer"]).await,
        user(&server, &["team-a"]).await,
    ];
    let expected = [
        // request, reader, writer, admin
        (GET, 200, 200, 200),
        (PUT, 403, 201, 200),
        (SECRETS, 403, 403, 200),
        ("GET /global-secrets", 403, 403, 200),
        ("GET /global-secrets/user-token-signing-key-1", 403, 403, 200),
        ("PUT /global-secrets/r", 403, 403, 400),
        (TOKEN, 403, 403, 400),
    ];
    for (request, by_reader, by_writer, by_admin) in expected {
        for (token, status) in [(&reader, by_reader), (&writer, by_writer), (&admin, by_admin)] {
            let reply = ask(&server, request, token).await;
            assert_eq!(reply.status, status, "{request}: {}", reply.body);
        }
    }
}

#[tokio::test]
async fn a_token_of_another_sort_ended_changed_or_revoked_is_no_token() {
    let server = strict().await;
    let good = user(&server, &["mesh-system:admin"]).await;
    assert_eq!(ask(&server, GET, &good).await.status, 200);

    let proxy = Bearer::Dataplane {
        name: "".into(),
        mesh: "default".into(),
        tags: Default::default(),
        kind: "".into(),
        workload: "".into(),
    };
    let of_proxy = server.tokens.issue(Claims::new(proxy, HOUR)).await.unwrap();
    let of_zone = Bearer::Zone { zone: "east".into(), scope: vec!["cp".into()] };
    let of_zone = server.tokens.issue(Claims::new(of_zone, HOUR)).await.unwrap();
    let bearer = || Bearer::User { name: "jo".into(), groups: vec!["mesh-system:admin".into()] };
    let ended = Claims { expires: 1, ..Claims::new(bearer(), HOUR) };
    let ended = server.tokens.issue(ended).await.unwrap();
    let claims = Claims::new(bearer(), HOUR);
    let id = claims.id.clone();
    let revoked = server.tokens.issue(claims).await.unwrap();
    let list = json!({ "type": "GlobalSecret", "name": "user-token-revocations", "data": base64(&id) });
    let key = ResourceKey::global(Kind::GlobalSecret, "user-token-revocations");
    server.store.put(&key, list, Expected::Any).await.unwrap();

    let elsewhere = strict().await;
    let of_another = user(&elsewhere, &["mesh-system:admin"]).await;
    let mut changed = good.clone();
    changed.truncate(good.len() - 4);
    changed.push_str("AAAA");
    let [header, claims, _] = good.split('.').collect::<Vec<_>>()[..] else { panic!() };
    let unsigned = format!("{header}.{claims}.");
    for (name, token) in [
        ("of a proxy", &of_proxy),
        ("of a zone", &of_zone),
        ("ended", &ended),
        ("revoked", &revoked),
        ("of another control plane", &of_another),
        ("changed", &changed),
        ("unsigned", &unsigned),
        ("nonsense", &"nonsense".to_owned()),
    ] {
        let reply = ask(&server, GET, token).await;
        assert_eq!(reply.status, 401, "{name}: {}", reply.body);
        assert!(!reply.body.contains(token.as_str()), "{name}");
    }
    for header in ["Authorization: Basic am86am8=", "Authorization: Bearer", "Authorization: \u{e4}"] {
        let reply = send(server.address, &format!("{GET}\n{header}"), "").await;
        assert_eq!(reply.status, 401, "{header}");
    }
}

fn url_base64(text: &str) -> String {
    use ::base64::Engine;
    ::base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
}

fn base64(text: &str) -> String {
    use ::base64::Engine;
    ::base64::engine::general_purpose::STANDARD.encode(text)
}

#[tokio::test]
async fn headers_do_not_make_an_admin() {
    let server = Server::start(trusting()).await;
    assert_eq!(ask(&server, SECRETS, "").await.status, 200);
    for headers in [
        "Host: example.com",
        "Host: localhost.example.com",
        "Host: 10.0.0.1:5681",
        "Host: localhost:5681\nOrigin: http://evil.example",
        "Host: localhost:5681\nOrigin: null",
        "Host: localhost:5681\nOrigin: http://localhost:9999",
        "Host: localhost:5681\nSec-Fetch-Site: cross-site",
        "Host: localhost:5681\nX-Forwarded-For: 127.0.0.1",
        "Host: localhost:5681\nForwarded: for=127.0.0.1",
        "Host: localhost:5681\nX-Real-IP: 127.0.0.1",
        "Host: evil.example\nX-Forwarded-Host: localhost",
    ] {
        let reply = ask(&server, &format!("{SECRETS}\n{headers}"), "").await;
        assert_eq!(reply.status, 403, "{headers}: {}", reply.body);
        let reply = ask(&server, &format!("{PUT}\n{headers}"), "").await;
        assert_eq!(reply.status, 403, "{headers}: {}", reply.body);
    }
    // two of a header that may occur once
    let twice = ask(&server, &format!("{SECRETS}\nHost: localhost\nHost: evil.example"), "").await;
    assert!(matches!(twice.status, 400 | 403), "{}", twice.status);
}

#[tokio::test]
async fn who_is_anonymous_may_do_what_the_operator_says() {
    let setup = |anonymous| Setup { localhost: Role::Nobody, anonymous, ..Setup::default() };
    let reader = Server::start(setup(Role::Reader)).await;
    let writer = Server::start(setup(Role::Writer)).await;
    assert_eq!((ask(&reader, GET, "").await.status, ask(&reader, PUT, "").await.status), (200, 403));
    assert_eq!((ask(&writer, PUT, "").await.status, ask(&writer, SECRETS, "").await.status), (201, 403));
}

#[tokio::test]
async fn paths_lead_nowhere_else() {
    let server = strict().await;
    let reader = user(&server, &[]).await;
    for path in [
        "/meshes/default/../../global-secrets",
        "/meshes/default/meshtcproutes/../secrets",
        "/meshes/default/%2e%2e/secrets",
        "/meshes/default/secrets%2f",
        "/meshes/default/Secrets",
        "/meshes/default//secrets",
        "//global-secrets",
        "/meshes/default/globalsecrets",
        "/secrets",
        "/secrets/x",
        "/globalsecrets/x",
        "/meshes/default/secrets/x/_overview",
        "/meshes/default/secrets/x/_resources/dataplanes",
        "/meshes/%00/meshtcproutes",
        "/meshes/%ff/meshtcproutes",
        "/meshes/default/meshtcproutes/%ff",
        "/_kri/kri_secret_default___x_",
        "/_kri/..%2f..%2fetc%2fpasswd",
    ] {
        let reply = ask(&server, &format!("GET {path}"), &reader).await;
        assert!(matches!(reply.status, 400 | 403 | 404), "{path}: {} {}", reply.status, reply.body);
        assert!(!reply.body.contains("PRIVATE KEY") && !reply.body.contains("\"data\""), "{path}");
    }
    // clients compare these words, to tell that they reached the wrong server
    for request in ["GET /nowhere", "POST /bootstrap", "DELETE /nowhere/at/all/really"] {
        let nowhere = ask(&server, request, "").await;
        assert_eq!((nowhere.status, nowhere.body.as_str()), (404, "404: Page Not Found"), "{request}");
    }
}

#[tokio::test]
async fn bodies_have_a_limit_whether_they_say_their_length_or_not() {
    let setup = Setup { body_limit: 2000, ..trusting() };
    let server = Server::start(setup).await;
    let huge = format!(r#"{{"type":"MeshTCPRoute","name":"r","x":"{}"}}"#, "y".repeat(100_000));
    assert_eq!(send(server.address, PUT, &huge).await.status, 413);
    let claimed = format!("{PUT}\nContent-Length: 99999999999");
    assert_eq!(send(server.address, &claimed, "{").await.status, 413);
    let mut chunked = format!(
        "{PUT} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    );
    for _ in 0..100 {
        chunked.push_str(&format!("3e8\r\n{}\r\n", "z".repeat(1000)));
    }
    chunked.push_str("0\r\n\r\n");
    assert_eq!(raw(server.address, chunked.as_bytes()).await.status, 413);
    // nested deeper than any reader supports
    let deep =
        format!(r#"{{"type":"MeshTCPRoute","name":"r","spec":{}1{}}}"#, "[".repeat(900), "]".repeat(900));
    assert_eq!(send(server.address, PUT, &deep).await.status, 400);
    // the server is unaffected
    assert_eq!(send(server.address, PUT, ROUTE).await.status, 201);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let setup = Setup { body_timeout: Duration::from_millis(200), ..trusting() };
    let server = Server::start(setup).await;
    let mut slow = TcpStream::connect(server.address).await.unwrap();
    let head =
        format!("{PUT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\nConnection: close\r\n\r\n{{");
    slow.write_all(head.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(60), slow.read_to_end(&mut bytes));
    let _ = read.await.expect("the server gives up");
    assert_eq!(reply(&bytes).status, 408);
}

#[tokio::test]
async fn a_head_that_does_not_come_is_not_waited_for() {
    let setup = Setup { head_timeout: Duration::from_millis(200), ..trusting() };
    let server = Server::start(setup).await;
    for begun in ["", "GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: a"] {
        let mut slow = TcpStream::connect(server.address).await.unwrap();
        slow.write_all(begun.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(60), slow.read_to_end(&mut bytes));
        let _ = read.await.expect("the server gives up");
        // some are told why, some are just closed
        assert!(bytes.is_empty() || reply(&bytes).status == 408, "{}", String::from_utf8_lossy(&bytes));
    }
    // an idle caller after a request is not waited for either
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(60), idle.read_to_end(&mut bytes));
    let _ = read.await.expect("the server gives up");
    assert_eq!(reply(&bytes).status, 200);
    assert_eq!(send(server.address, "GET /", "").await.status, 200);
}

#[tokio::test]
async fn tokens_of_an_rsa_key_that_was_made_elsewhere_are_believed() {
    // in PKCS #1, as Kuma makes them, and in PKCS #8; the token was signed by OpenSSL
    let token = include_str!("rsa/token.jwt");
    for pem in [include_str!("rsa/pkcs1.pem"), include_str!("rsa/pkcs8.pem")] {
        let server = strict().await;
        let key = ResourceKey::global(Kind::GlobalSecret, "user-token-signing-key-1");
        let secret =
            json!({ "type": "GlobalSecret", "name": "user-token-signing-key-1", "data": base64(pem) });
        server.store.put(&key, secret, Expected::Any).await.unwrap();
        assert_eq!(ask(&server, SECRETS, token).await.status, 200);
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let swapped: String = signature.chars().rev().collect();
        assert_eq!(ask(&server, SECRETS, &format!("{signed}.{swapped}")).await.status, 401);
        // the same claims with another algorithm in the header, over the same bytes
        let (_, claims) = signed.split_once('.').unwrap();
        for word in ["EdDSA", "HS256", "none"] {
            let header = url_base64(&format!(r#"{{"alg":"{word}","kid":"1","typ":"JWT"}}"#));
            assert_eq!(ask(&server, SECRETS, &format!("{header}.{claims}.{signature}")).await.status, 401);
        }
        // and the key signs new ones
        let issued = user(&server, &["mesh-system:admin"]).await;
        assert!(issued.starts_with(&url_base64(r#"{"alg":"RS25"#)), "{issued}");
        assert_eq!(ask(&server, SECRETS, &issued).await.status, 200);
    }
}

#[tokio::test]
async fn a_preview_changes_nothing_is_for_readers_and_shows_no_secret() {
    let server = strict().await;
    let reader = user(&server, &["team-a"]).await;
    let secret = json!({ "type": "Secret", "mesh": "default", "name": "s", "data": base64("hunter2") });
    server.store.put(&ResourceKey::new(Kind::Secret, "default", "s"), secret, Expected::Any).await.unwrap();
    let before = server.store.revision().await.unwrap();
    let preview = async |token: &str, body: &str| {
        let token = if token.is_empty() { String::new() } else { format!("\nAuthorization: Bearer {token}") };
        send(server.address, &format!("POST /_preview{token}"), body).await
    };
    assert_eq!(preview("", ROUTE).await.status, 403);
    assert_eq!(preview("nonsense", ROUTE).await.status, 401);
    let reply = preview(&reader, ROUTE).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.json()["resources"][0]["verb"], "create");
    let reply = preview(&reader, r#"{"type":"Secret","mesh":"default","name":"s","data":"YQ=="}"#).await;
    assert_eq!((reply.status, &reply.json()["resources"]), (200, &json!([])));
    assert!(!reply.body.contains(&base64("hunter2")), "{}", reply.body);
    // whose plan takes more than their document
    let inbounds: Vec<Value> =
        (1..=10_001).map(|port| json!({ "port": port, "tags": { "kuma.io/service": "a" } })).collect();
    let networking = json!({ "address": "127.0.0.1", "inbound": inbounds });
    let large = json!({ "type": "Dataplane", "mesh": "default", "name": "x", "networking": networking });
    let reply = preview(&reader, &large.to_string()).await;
    assert_eq!(reply.status, 413, "{}", reply.body);
    assert!(reply.body.contains("these are 10001"), "{}", reply.body);
    assert_eq!(server.store.revision().await.unwrap(), before);
}

#[tokio::test]
async fn bodies_of_other_types_are_not_guessed() {
    let server = Server::start(trusting()).await;
    // what a form of another site can send without a preflight
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        let reply = send(server.address, &format!("{PUT}\nContent-Type: {kind}"), ROUTE).await;
        assert_eq!(reply.status, 415, "{kind}");
    }
    let reply =
        send(server.address, &format!("{PUT}\nContent-Type: application/json; charset=utf-8"), ROUTE).await;
    assert_eq!(reply.status, 201);
}

#[tokio::test]
async fn requests_that_are_none_do_no_harm() {
    let server = Server::start(trusting()).await;
    for bytes in [
        b"\r\n\r\n".as_slice(),
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert!(!answer.starts_with(b"HTTP/1.1 5"), "{}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(send(server.address, "GET /", "").await.status, 200);
}

#[tokio::test]
async fn every_answer_has_a_request_id_and_is_not_kept_by_caches() {
    let server = Server::start(trusting()).await;
    let reply = send(server.address, "GET /meshes\nX-Request-Id: abc-1", "").await;
    assert_eq!(
        (reply.header("x-request-id"), reply.header("cache-control")),
        (Some("abc-1"), Some("no-store"))
    );
    let reply = send(server.address, "GET /meshes\nX-Request-Id: <script>", "").await;
    assert_eq!(reply.header("x-request-id").map(str::len), Some(36));
}
