//! Check of `conf.loadBalancer`. It does not affect TCP here, and is only checked.

use crate::draft::Fields;

/// Checks the load balancer, if set.
pub(super) fn check(mut fields: Fields<'_>) {
    fields.known(&["roundRobin", "random", "maglev"]);
    let mut least_request = fields.object("leastRequest");
    if least_request.number::<u32>("choiceCount").is_some_and(|count| count < 2) {
        least_request.violate("choiceCount", "value must be greater than or equal to 2");
    }
    fields.object("ringHash").known(&["hashFunction", "minRingSize", "maxRingSize"]);
}
