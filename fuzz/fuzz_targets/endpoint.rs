#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| waflows_operator_fuzz::endpoint(input));
