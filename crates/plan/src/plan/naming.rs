//! What a plan says for one reader only: the dialect of the reference's data plane, and who compares the two.

use model::Tags;

/// How the reference names and marks a listener. Our own proxy needs none of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Naming {
    /// Whether the listener is named by the KRI of what is dialled, or by the section of an inbound (unified naming, spec 04
    /// §5.4, 07 §9.1), in statistics too.
    pub unified: bool,
    /// What an outbound is marked with: its tags, or the unified name (spec 04 §5.4); an inbound with its tags.
    pub marks: Tags,
    /// Whether Kafka requests are counted on the way (2.6 to 2.14, spec 04 §6).
    pub counts_kafka: bool,
    /// Whether the reference gives an outbound no listener at all, so that the connection may leave the mesh around the
    /// proxy (spec 04 §4.4). It is a listener that refuses everywhere else.
    pub omitted: bool,
}
