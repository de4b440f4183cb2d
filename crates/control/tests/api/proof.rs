//! Tests that a caller without a token is recognised by more than the address of the connection.

use meshtcp_control::api::{Role, Setup};
use meshtcp_control::identity::{Bearer, Claims};
use meshtcp_control::web::KnownAs;

use crate::client::{send, send_locally};
use crate::server::Server;

const ROUTE: &str =
    r#"{"type":"MeshTCPRoute","mesh":"default","name":"r","spec":{"targetRef":{"kind":"Mesh"}}}"#;
const SECRET: &str = r#"{"type":"Secret","mesh":"default","name":"s","data":"YQ=="}"#;
const GET: &str = "GET /meshes/default/meshtcproutes";
const PUT: &str = "PUT /meshes/default/meshtcproutes/r";
/// Requests that only an admin may make.
const OF_ADMINS: [(&str, &str); 4] = [
    ("GET /global-secrets", ""),
    ("GET /meshes/default/secrets", ""),
    ("PUT /meshes/default/secrets/s", SECRET),
    ("POST /tokens/user", r#"{"name":"jo","groups":["mesh-system:admin"],"validFor":"1h"}"#),
];

#[tokio::test]
async fn a_connection_from_this_host_reads_and_changes_nothing() {
    let setup = Setup { socket: Some("/run/meshtcp/here".into()), ..Setup::default() };
    let server = Server::start(setup).await;
    assert_eq!(send(server.address, GET, "").await.status, 200);
    assert_eq!(send(server.address, "POST /_preview", ROUTE).await.status, 200);
    let forbidden = [(PUT, ROUTE), ("DELETE /meshes/default", "")];
    for (request, body) in OF_ADMINS.into_iter().chain(forbidden) {
        let reply = send(server.address, request, body).await;
        assert_eq!(reply.status, 403, "{request}: {}", reply.body);
        // the advice is part of the answer
        assert!(reply.body.contains("/run/meshtcp/here"), "{}", reply.body);
    }
    assert_eq!(send(server.address, "GET /who-am-i", "").await.json()["name"], "mesh-system:anonymous");
    // a page in a browser, or a server that marks forwarded requests
    for header in ["Host: evil.example", "Origin: http://evil.example", "X-Forwarded-For: 10.0.0.1"] {
        assert_eq!(send(server.address, &format!("{GET}\n{header}"), "").await.status, 403, "{header}");
    }
}

#[tokio::test]
async fn the_operator_says_what_a_connection_from_this_host_is_worth() {
    for (localhost, expected) in [
        (Role::Nobody, [403, 403, 403]),
        (Role::Reader, [200, 403, 403]),
        (Role::Writer, [200, 201, 403]),
        (Role::Admin, [200, 201, 200]),
    ] {
        let server = Server::start(Setup { localhost, ..Setup::default() }).await;
        for ((request, body), status) in [(GET, ""), (PUT, ROUTE), OF_ADMINS[0]].into_iter().zip(expected) {
            let reply = send(server.address, request, body).await;
            assert_eq!(reply.status, status, "{localhost:?} {request}: {}", reply.body);
        }
    }
}

#[tokio::test]
async fn through_the_socket_our_own_user_is_admin() {
    let server = Server::start(Setup { localhost: Role::Nobody, ..Setup::default() }).await;
    for (request, body) in OF_ADMINS {
        let reply = send_locally(&server.socket, request, body).await;
        assert!(matches!(reply.status, 200 | 201), "{request}: {} {}", reply.status, reply.body);
    }
    let who = send_locally(&server.socket, "GET /who-am-i", "").await;
    assert_eq!(who.json()["name"], "mesh-system:admin");
    // a server that was led here on purpose, and names the original client
    let passed_on = format!("{GET}\nX-Forwarded-For: 10.0.0.1");
    assert_eq!(send_locally(&server.socket, &passed_on, "").await.status, 403);
}

#[tokio::test]
async fn who_may_read_without_a_token_asks_by_a_name_of_this_server() {
    let known_as = KnownAs::new(["cp-1.internal".to_owned()]);
    let setup = Setup { anonymous: Role::Reader, localhost: Role::Nobody, known_as, ..Setup::default() };
    let server = Server::start(setup).await;
    for host in ["10.0.0.1:5681", "cp-1.internal:5681", "localhost"] {
        assert_eq!(send(server.address, &format!("{GET}\nHost: {host}"), "").await.status, 200, "{host}");
    }
    let reply = send(server.address, &format!("{GET}\nHost: evil.example:5681"), "").await;
    assert!(reply.status == 403 && reply.body.contains("--host-name evil.example"), "{}", reply.body);
    // a token is proof enough: no browser adds it by itself
    let bearer = Bearer::User { name: "jo".into(), groups: Vec::new() };
    let token = server.tokens.issue(Claims::new(bearer, std::time::Duration::from_secs(60))).await.unwrap();
    let request = format!("{GET}\nHost: lb.example\nAuthorization: Bearer {token}");
    assert_eq!(send(server.address, &request, "").await.status, 200);
}

#[tokio::test]
async fn a_mesh_is_deleted_by_who_may_delete_all_that_is_in_it() {
    let server = Server::start(Setup { localhost: Role::Writer, ..Setup::default() }).await;
    server.keep("type: Mesh\nname: depot\n---\ntype: MeshTCPRoute\nmesh: depot\nname: r\nspec: {}\n").await;
    assert_eq!(send_locally(&server.socket, "PUT /meshes/default/secrets/s", SECRET).await.status, 201);
    let reply = send(server.address, "DELETE /meshes/default", "").await;
    assert!(reply.status == 403 && reply.body.contains("Secret"), "{} {}", reply.status, reply.body);
    assert_eq!(send_locally(&server.socket, "GET /meshes/default/secrets/s", "").await.status, 200);
    assert_eq!(send(server.address, "DELETE /meshes/depot", "").await.status, 200);
    assert_eq!(send_locally(&server.socket, "DELETE /meshes/default", "").await.status, 200);
}
