#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::hostile::waivers::check(input));
