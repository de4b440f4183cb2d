//! Zone proxies: connections are told apart by the server name of mesh TLS (spec 08 §5, §6, §8).
//!
//! | proxy | takes | passes on to |
//! |---|---|---|
//! | ingress | what other zones dial | the proxies of this zone, TLS as it came |
//! | egress | what leaves the zone | the ingresses of other zones, TLS as it came; the outside, mesh TLS ending here |
//! | a Dataplane with listeners | either, of its own mesh | the same |

mod chains;
mod destinations;
mod egress;
mod ingress;
mod listeners;
mod services;

pub(crate) use egress::plan_egress;
pub(crate) use ingress::plan_ingress;
pub(super) use listeners::{Carried, of_proxy};
