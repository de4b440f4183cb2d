//! First bytes of a connection from another proxy.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| meshtcp_doors::proxy_header(bytes));
