#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| silverback_fuzz::targets::pull::run(data));
