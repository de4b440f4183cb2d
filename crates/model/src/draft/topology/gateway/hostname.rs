//! Check of `hostname`: the hosts that a gateway listener serves: one, all below one, or `*`.

use crate::draft::Fields;
use crate::draft::topology::address::is_dns_name;
use crate::profile::Profile;

const LONGEST: usize = 253;

/// Checks a host name, if set.
pub(super) fn check(fields: &Fields<'_>, name: &str, hostname: &str, profile: Profile) {
    let message = match hostname.strip_prefix("*.") {
        _ if hostname == "*" => return,
        _ if profile.checks_hostname_length() && hostname.len() > LONGEST => "must be at most 253 characters",
        Some(parent) if is_dns_name(parent) => return,
        Some(_) => "invalid wildcard domain",
        None if is_dns_name(hostname) => return,
        None => "invalid hostname",
    };
    fields.violate(name, message);
}
