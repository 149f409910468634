//! The one binary: installs the TLS provider and runs the command line.

use std::process::ExitCode;

/// Releases and conversions are many small trees: a third of their time was the system's allocator (benches/README.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<ExitCode> {
    // One provider for TLS in and out; a second installation cannot happen here.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let code = runtime.block_on(postern::cli::run());
    Ok(ExitCode::from(code))
}
