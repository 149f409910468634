//! libFuzzer over `targets/write.rs`: JSON Patch and the body of a PUT. <https://llvm.org/docs/LibFuzzer.html>
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    postern_fuzz::write::target(data);
});
