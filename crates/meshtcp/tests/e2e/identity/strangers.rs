//! Clients that are not proxies of the mesh, or pretend to be.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::neighbours::{Neighbours, Sort, mesh};
use super::stranger::{Authority, Server, dials};
use crate::program::{PATIENCE, eventually};

#[test]
fn an_inbound_lets_in_whom_the_ca_of_the_mesh_knows_and_nobody_else() {
    for server in [Sort::Ours, Sort::Envoy] {
        let neighbours = Neighbours::open(Sort::Ours, server, &mesh("STRICT", "1d"));
        let (own, other) = (neighbours.authority(), Authority::another());
        let web = own.signs("web", &["spiffe://default/web", "kuma://kuma.io/service/web"], 1);
        let port = neighbours.inbound;
        let names: &[&[&str]] = &[
            &[],
            &["-servername", "redis{mesh=default}"],
            &["-servername", "a67397f3a97f4597b.redis.6379.default.ms"],
            &["-servername", "sni.msvc.default.redis.6379"],
            &["-tls1_2"],
            &["-tls1_3"],
        ];
        for more in names {
            let heard = dials(port, Some(&web), more);
            assert!(heard.is_served(), "{server:?} {more:?}: {heard:?}\n{}", neighbours.logs());
        }
        let strangers = [
            ("no certificate", None),
            ("of another CA", Some(other.signs("web", &["spiffe://default/web"], 1))),
            ("of another mesh", Some(own.signs("elsewhere", &["spiffe://other/web"], 1))),
            ("without a name", Some(own.signs("nobody", &[], 1))),
            ("expired", Some(own.signs("late", &["spiffe://default/web"], 0))),
        ];
        for (what, certificate) in strangers {
            for version in ["-tls1_2", "-tls1_3"] {
                let heard = dials(port, certificate.as_ref(), &[version]);
                assert_eq!(heard.text, "", "{server:?}, {what}, {version}: {heard:?}");
            }
        }
        let mut plain = neighbours.plain();
        plain.set_read_timeout(Some(PATIENCE)).unwrap();
        plain.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        let mut heard = Vec::new();
        // the end may come as a reset
        let _ = plain.read_to_end(&mut heard);
        assert!(!String::from_utf8_lossy(&heard).contains("redis"), "{server:?}: {heard:?}");
        assert!(dials(port, Some(&web), &[]).is_served());
    }
}

#[test]
fn an_outbound_says_nothing_to_whom_it_did_not_mean() {
    for client in [Sort::Ours, Sort::Envoy] {
        let mut neighbours = Neighbours::open(client, Sort::Ours, &mesh("STRICT", "1d"));
        let (own, other) = (neighbours.authority(), Authority::another());
        neighbours.redis = None;
        let strangers = [
            ("another service", own.signs("kafka", &["spiffe://default/kafka"], 1), &own, false),
            ("of another CA", other.signs("redis", &["spiffe://default/redis"], 1), &own, false),
            ("expired", own.signs("late", &["spiffe://default/redis"], 0), &own, false),
            ("the one that is meant", own.signs("redis", &["spiffe://default/redis"], 1), &own, true),
        ];
        for (what, certificate, authority, is_meant) in strangers {
            let server = Server::start(neighbours.inbound, &certificate, authority);
            let say = || {
                let mut connection = TcpStream::connect(("127.0.0.1", neighbours.outbound)).ok()?;
                connection.write_all(b"between us\n").ok()?;
                connection.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
                let mut heard = [0; 64];
                connection.read(&mut heard).ok()
            };
            if is_meant {
                eventually("what is meant for it arrives", || {
                    say();
                    server.heard().contains("between us")
                });
            } else {
                for _ in 0..3 {
                    say();
                }
                assert_eq!(server.heard(), "", "{client:?}, {what}");
            }
        }
    }
}
