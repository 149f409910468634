//! libFuzzer over `targets/search.rs`: search queries. <https://llvm.org/docs/LibFuzzer.html>
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    postern_fuzz::search::target(data);
});
