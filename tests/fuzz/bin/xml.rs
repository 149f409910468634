//! libFuzzer over `targets/xml.rs`: XML bodies. <https://llvm.org/docs/LibFuzzer.html>
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    postern_fuzz::xml::target(data);
});
