//! Names of hosts, looked up and judged: a connection goes only to addresses that passed, so a name that says something
//! else a moment later leads nowhere else. <https://owasp.org/www-community/attacks/DNS_Rebinding>

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::reach::Reach;

/// Says which addresses a name has. The system's answers, or a test's.
pub trait Names: Send + Sync {
    fn addresses(
        &self,
        name: &str,
    ) -> Pin<Box<dyn Future<Output = std::io::Result<Vec<IpAddr>>> + Send + '_>>;
}

pub struct SystemNames;

impl Names for SystemNames {
    fn addresses(
        &self,
        name: &str,
    ) -> Pin<Box<dyn Future<Output = std::io::Result<Vec<IpAddr>>> + Send + '_>> {
        let name = name.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// A name has addresses, and none of them may be called.
#[derive(Debug, thiserror::Error)]
#[error("the name leads to private or special addresses only")]
pub(super) struct OutOfReach;

/// What `reqwest` asks.
pub(super) struct Judged {
    pub names: Arc<dyn Names>,
    pub reach: Reach,
}

impl Resolve for Judged {
    fn resolve(&self, name: Name) -> Resolving {
        let (names, reach) = (Arc::clone(&self.names), self.reach.clone());
        Box::pin(async move {
            let found = names.addresses(name.as_str()).await?;
            let within: Vec<SocketAddr> = found
                .into_iter()
                .filter(|address| reach.covers(*address))
                .map(|address| SocketAddr::new(address, 0))
                .collect();
            if within.is_empty() {
                return Err(OutOfReach.into());
            }
            let addresses: Addrs = Box::new(within.into_iter());
            Ok(addresses)
        })
    }
}
