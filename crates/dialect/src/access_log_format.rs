//! Access log formats: fills in the mesh's own placeholders, and leaves everything else to the proxy.

use plan::Proxy;

/// Values of the mesh's placeholders on one listener.
pub(crate) struct Placeholders<'a> {
    /// Proxy that writes the lines.
    pub(crate) proxy: &'a Proxy,
    /// Service behind the listener.
    pub(crate) destination: &'a str,
    /// `OUTBOUND` or `INBOUND`.
    pub(crate) direction: &'a str,
}

impl Placeholders<'_> {
    /// Fills in `%KUMA_…%`; placeholders of the data plane stay.
    pub(crate) fn fill(&self, format: &str) -> String {
        let Proxy { id, service, zone, address } = self.proxy;
        // The longer name first: it begins with the shorter one.
        let known = [
            ("%KUMA_SOURCE_ADDRESS_WITHOUT_PORT%", address.as_str()),
            ("%KUMA_SOURCE_ADDRESS%", address.as_str()),
            ("%KUMA_SOURCE_SERVICE%", service.as_str()),
            ("%KUMA_DESTINATION_SERVICE%", self.destination),
            ("%KUMA_MESH%", id.mesh()),
            ("%KUMA_TRAFFIC_DIRECTION%", self.direction),
            ("%KUMA_ZONE%", zone.as_str()),
        ];
        known.iter().fold(format.to_owned(), |text, (placeholder, value)| text.replace(placeholder, value))
    }
}
