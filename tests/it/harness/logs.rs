//! What the gateway writes for its operators, collected from the whole process: no line of it may name a person.
//! 45 CFR 164.312(a)(1)

use std::io::Write;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());

fn lines() -> MutexGuard<'static, Vec<u8>> {
    LINES.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Collector;

impl Write for Collector {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        lines().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// From now on, everything down to `trace` of ours is collected.
pub fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let filter = tracing_subscriber::EnvFilter::new("postern=trace,postern_rules=trace,info");
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_ansi(false)
            .with_writer(|| Collector)
            .finish();
        let _ = tracing::subscriber::set_global_default(subscriber);
    });
}

/// All that was written so far by any test of this process.
pub fn written() -> String {
    String::from_utf8_lossy(&lines()).into_owned()
}
