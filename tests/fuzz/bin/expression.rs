//! libFuzzer over `targets/expression.rs`: FHIRPath. <https://llvm.org/docs/LibFuzzer.html>
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    postern_fuzz::expression::target(data);
});
