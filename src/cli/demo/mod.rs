//! `postern demo`: two synthetic agencies, three partners and a stranger, one plan, over real HTTP, in a folder that
//! goes away. `--check` does it with altered records and consents and holds every answer against them.

pub(super) mod records;
pub(super) mod stage;
mod story;
mod check;

use super::args::DemoArgs;
use crate::config::{Clock, Entropy};

pub async fn run(args: &DemoArgs) -> anyhow::Result<u8> {
    if args.check {
        let fresh = u64::from_be_bytes(Entropy::System.bytes("seed")[..8].try_into().unwrap_or_default());
        return check::run(args.seed.unwrap_or(fresh)).await;
    }
    story::run(Clock::System).await
}
