//! `conf.loadBalancer`: how endpoints are chosen. TCP does not feel it here; it is only checked.

use crate::draft::Fields;

/// Checks the load balancer, where it is given.
pub(super) fn check(mut fields: Fields<'_>) {
    fields.known(&["roundRobin", "random", "maglev"]);
    let mut least_request = fields.object("leastRequest");
    if least_request.number::<u32>("choiceCount").is_some_and(|count| count < 2) {
        least_request.violate("choiceCount", "value must be greater than or equal to 2");
    }
    fields.object("ringHash").known(&["hashFunction", "minRingSize", "maxRingSize"]);
}
