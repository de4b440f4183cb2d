//! Names that only the dialect of the reference's data plane, and comparisons with it, need.

use model::Tags;

/// Names and marks of a listener in the reference. Our own proxy needs none of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Naming {
    /// `true`: the listener is named by the KRI of what is dialled, or by the section of an inbound (unified
    /// naming, spec 04 §5.4, 07 §9.1), in statistics too.
    pub unified: bool,
    /// Marks of the listener: of an outbound its tags, or the unified name (spec 04 §5.4); of an inbound its tags.
    pub marks: Tags,
    /// `true`: Kafka requests are counted (2.6 to 2.14, spec 04 §6).
    pub counts_kafka: bool,
    /// `true`: the reference gives an outbound no listener at all, so that the connection may leave the mesh around
    /// the proxy (spec 04 §4.4). All other readers see a listener that refuses.
    pub omitted: bool,
}
