//! libFuzzer over `targets/assertion.rs`: client assertions. <https://llvm.org/docs/LibFuzzer.html>
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    postern_fuzz::assertion::target(data);
});
