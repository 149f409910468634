//! The one integration binary. What each module shows: `tests/README.md`.
//! <https://doc.rust-lang.org/cargo/reference/cargo-targets.html#integration-tests>

mod postgres;
mod store;
