//! Permissions between services.

use super::neighbours::{Neighbours, Sort, mesh};
use super::of_every_pair;
use super::stranger::dials;
use crate::connection::Connection;

#[test]
fn nobody_is_let_in_unless_a_permission_says_so() {
    of_every_pair(|client, server| {
        let neighbours = Neighbours::start(client, server, &mesh("STRICT", "1d"));
        neighbours.is_kept_out("nobody is let in");
        let greeted = Connection::open(neighbours.outbound).is_some();
        // Envoy decides at the first byte of the client, and has dialled the application by then
        assert!(server == Sort::Envoy || !greeted, "the application was dialled for whom it may not hear");
        neighbours.permit(&[(Some("web"), "Allow")]);
        let mut connection = neighbours.reaches("the permission is in force");
        neighbours.forbid();
        neighbours.is_kept_out("the permission is gone");
        if server == Sort::Ours {
            connection.echo();
        }
    });
}

#[test]
fn a_service_is_kept_out_of_what_the_mesh_may_have() {
    for server in [Sort::Ours, Sort::Envoy] {
        let neighbours = Neighbours::open(Sort::Ours, server, &mesh("STRICT", "1d"));
        let own = neighbours.authority();
        neighbours.permit(&[(None, "Allow"), (Some("web"), "Deny")]);
        neighbours.is_kept_out("web is denied");
        let api = own.signs("api", &["spiffe://default/api", "kuma://kuma.io/service/api"], 1);
        let heard = dials(neighbours.inbound, Some(&api), &[]);
        assert!(heard.is_served(), "{heard:?}");
        // a client that is web and also another service is web
        let both = own.signs("both", &["spiffe://default/api", "spiffe://default/web"], 1);
        assert!(!dials(neighbours.inbound, Some(&both), &[]).is_served());

        neighbours.permit(&[(None, "Allow"), (Some("web"), "AllowWithShadowDeny")]);
        neighbours.reaches("what would be denied is only counted");
    }
}
