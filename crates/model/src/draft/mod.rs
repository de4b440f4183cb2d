//! Text into documents with positions, documents into resources.
