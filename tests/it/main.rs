//! The one integration binary. What each module shows: `tests/README.md`.
//! <https://doc.rust-lang.org/cargo/reference/cargo-targets.html#integration-tests>

mod harness;
mod postgres;
mod store;
mod story_break_glass;
mod story_grant;
mod story_hidden_change;
mod story_hostile;
mod story_http;
mod story_intake;
mod story_match;
mod story_outage;
mod story_pull;
mod story_reach;
mod story_revocation;
mod story_sets;
mod story_staff;
mod story_statements;
mod story_stranger;
mod story_ties;
mod story_token;
mod tidy;
mod traces;
mod two_worlds;
