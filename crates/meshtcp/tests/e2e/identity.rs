//! Mutual authentication of proxies: ours and a real Envoy, each as client and as server, and OpenSSL as a stranger.
//!
//! `web` dials `redis`, whose application greets and then echoes. See [`neighbours`] for the addresses.

mod domains;
mod egress;
mod lasting;
mod meshtls;
pub(crate) mod neighbours;
mod outside;
mod permissions;
mod stranger;
mod strangers;
mod workload;

use neighbours::of_every_pair;
