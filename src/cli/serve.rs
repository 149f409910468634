//! `postern serve`: the doors and the worker, until SIGINT or SIGTERM; then what is under way is finished.

use std::path::Path;

use tokio::sync::watch;

use super::args::ServeArgs;
use crate::cli::say::complain;
use crate::config::{Clock, Config, Entropy};
use crate::{http, worker};

pub async fn run(file: Option<&Path>, args: ServeArgs) -> anyhow::Result<u8> {
    let mut config = Config::load(file)?;
    config.server.behind_proxy |= args.behind_proxy;
    if let Some(listen) = args.listen {
        config.server.listen = listen;
    }
    let bound = http::bind(&config.server)?;
    if config.server.public_url.is_empty() {
        config.server.listen = bound.address.to_string();
    }
    let gateway = super::open_with(config, Clock::System, Entropy::System).await?;
    gateway.make_first_key().await?;
    complain!("postern serves {} (stop with Ctrl-C)", gateway.config.base());
    let (stop, stopped) = watch::channel(false);
    #[expect(clippy::disallowed_methods, reason = "the worker's own task")]
    let working = tokio::spawn(worker::run(gateway.clone(), stopped));
    let served = bound.serve(gateway.clone(), asked_to_stop()).await;
    // The worker ends by itself when the sender is gone; either way the log is sealed before the store closes.
    let _ = stop.send(true);
    let _ = working.await;
    gateway.store.close().await;
    served?;
    Ok(0)
}

/// SIGINT, or SIGTERM where there is one.
pub async fn asked_to_stop() {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut terminated) => {
                tokio::select! {
                    _ = interrupted => {}
                    _ = terminated.recv() => {}
                }
            }
            Err(_) => {
                let _ = interrupted.await;
            }
        }
    }
    #[cfg(not(unix))]
    let _ = interrupted.await;
}
