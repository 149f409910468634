//! libFuzzer over `targets/cursor.rs`: cursors of pages. <https://llvm.org/docs/LibFuzzer.html>
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    postern_fuzz::cursor::target(data);
});
