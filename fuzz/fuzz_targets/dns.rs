//! Packet at the DNS server.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| meshtcp_doors::dns(bytes));
