//! Certificate of a TLS peer of a proxy.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| meshtcp_doors::certificate(bytes));
