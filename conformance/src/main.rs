//! Answers the conformance cases with the functions of the product.

fn main() {}
