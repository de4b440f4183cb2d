//! Reports of a proxy about its connections.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| meshtcp_doors::report(bytes));
