#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::hostile::tape_csv::check(input));
