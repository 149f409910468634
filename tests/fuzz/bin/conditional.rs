//! libFuzzer over `targets/conditional.rs`: `If-Match` and `If-None-Match`. <https://llvm.org/docs/LibFuzzer.html>
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    postern_fuzz::conditional::target(data);
});
