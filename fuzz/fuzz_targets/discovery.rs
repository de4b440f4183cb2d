//! Discovery stream with an unruly client.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| meshtcp_doors::discovery(bytes));
