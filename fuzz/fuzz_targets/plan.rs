//! Arbitrary resources, planned and lowered.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| meshtcp_doors::plan(bytes));
