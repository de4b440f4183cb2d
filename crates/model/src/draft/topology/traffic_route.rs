//! Reader of TrafficRoute: the route of the tag-based model (spec 01 §10).

mod http;
mod load_balancer;

use crate::draft::topology::CANNOT_BE_EMPTY;
use crate::draft::topology::tags::{self, TagRules};
use crate::draft::{Body, Context, Fields};
use crate::policy::{LegacyDestination, TrafficRoute, TrafficSplit};
use crate::reference::Tags;
use crate::resource::Spec;

/// Reads and checks a TrafficRoute.
pub(crate) fn traffic_route(body: &mut Body<'_>, _: &Context<'_>) -> Spec {
    let spec = &mut body.spec;
    let sources = tags::selectors(spec, "sources", TagRules::SELECTOR);
    let destinations = tags::selectors(spec, "destinations", TagRules::SERVICE_ONLY);
    let mut conf = spec.object("conf");
    let destination = if conf.is_present() {
        http::check(&mut conf);
        let destination = destination(&mut conf);
        load_balancer::check(conf.object("loadBalancer"));
        destination
    } else {
        spec.violate("conf", CANNOT_BE_EMPTY);
        LegacyDestination::default()
    };
    Spec::TrafficRoute(TrafficRoute { sources, destinations, destination })
}

/// Reads and checks the destination of connections, or of requests that match: one of `split` and `destination`.
fn destination(fields: &mut Fields<'_>) -> LegacyDestination {
    let splits = fields.items("split");
    let single: Tags = tags::read(fields, "destination");
    match (splits.is_empty(), single.is_empty()) {
        (true, true) => fields.violate_here("requires either \"destination\" or \"split\""),
        (false, false) => {
            fields.violate_here("\"split\" cannot be defined at the same time as \"destination\"");
        }
        _ => {}
    }
    if !single.is_empty() {
        TagRules::SELECTOR.check(fields, &fields.at("destination"), &single);
    }
    if splits.is_empty() {
        return LegacyDestination::Single(single);
    }
    let splits: Vec<TrafficSplit> = splits.into_iter().map(split).collect();
    if splits.iter().all(|split| split.weight == 0) {
        fields.violate("split", "there must be at least one split entry with weight above 0");
    }
    LegacyDestination::Split(splits)
}

fn split(mut fields: Fields<'_>) -> TrafficSplit {
    let weight = fields.number("weight");
    if weight.is_none() {
        fields.violate("weight", "needs to be defined");
    }
    let destination = tags::checked(&mut fields, "destination", TagRules::SELECTOR);
    TrafficSplit { weight: weight.unwrap_or_default(), destination }
}
