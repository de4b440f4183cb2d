//! Access log formats: fills in the mesh's own placeholders, and leaves everything else to the proxy.

use plan::{Destination, Direction, Listener, Proxy};

/// Values of the mesh's placeholders on one listener.
pub(crate) struct Placeholders<'a> {
    /// Proxy that writes the lines.
    pub(crate) proxy: &'a Proxy,
    /// Service of the client.
    pub(crate) source: &'a str,
    /// Service behind the listener.
    pub(crate) destination: &'a str,
    /// `OUTBOUND` or `INBOUND`; of a zone proxy `UNSPECIFIED`.
    pub(crate) direction: &'a str,
}

impl<'a> Placeholders<'a> {
    /// Placeholders of a listener, with the words of the reference where a client is not known, and where a gateway has no
    /// single destination.
    pub(crate) fn of(listener: &'a Listener, proxy: &'a Proxy) -> Self {
        let (own, service) = (proxy.service.as_str(), listener.service.as_str());
        let (source, destination, direction) = match &listener.direction {
            Direction::Inbound => ("unknown", service, "INBOUND"),
            Direction::Outbound(Destination::Resource { id, name: _ }) => (own, id.name.as_str(), "OUTBOUND"),
            Direction::Outbound(Destination::Tags(_)) => (own, service, "OUTBOUND"),
            Direction::Gateway => (own, "*", "INBOUND"),
            Direction::Zone => ("unknown", "unknown", "UNSPECIFIED"),
        };
        Self { proxy, source, destination, direction }
    }

    /// Fills in `%KUMA_…%`; placeholders of the data plane stay.
    pub(crate) fn fill(&self, format: &str) -> String {
        let Proxy { id, service: _, zone, address } = self.proxy;
        // The longer name first: it begins with the shorter one.
        let known = [
            ("%KUMA_SOURCE_ADDRESS_WITHOUT_PORT%", address.as_str()),
            ("%KUMA_SOURCE_ADDRESS%", address.as_str()),
            ("%KUMA_SOURCE_SERVICE%", self.source),
            ("%KUMA_DESTINATION_SERVICE%", self.destination),
            ("%KUMA_MESH%", id.mesh()),
            ("%KUMA_TRAFFIC_DIRECTION%", self.direction),
            ("%KUMA_ZONE%", zone.as_str()),
        ];
        known.iter().fold(format.to_owned(), |text, (placeholder, value)| text.replace(placeholder, value))
    }
}
