//! Text of resources from a user.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| meshtcp_doors::draft(bytes));
