//! libFuzzer over `targets/json.rs`: JSON bodies. <https://llvm.org/docs/LibFuzzer.html>
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    postern_fuzz::json::target(data);
});
