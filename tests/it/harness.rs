//! The ground every story stands on: a gateway over this repository's own mappings and profiles, a fresh database, a
//! clock moved by hand, and partners who talk to it as their systems would, through the real router.
//! When a world ends it is settled: `harness/settle.rs` says what must hold after every test.
//! <https://hl7.org/fhir/R4/http.html>

mod conformance;
mod emergency;
mod disk;
mod exchange;
mod inferno;
mod kept;
mod logs;
mod panel;
mod partner;
mod people;
mod rows;
mod settle;
mod tls;
mod us_core;
mod world;
mod writer;

pub use conformance::{Nonconformity, claims_no_us_core, known, nonconformities, nonconformities_of_event};
pub use disk::folder as database_folder;
pub use emergency::{emergency, numbered, parameter, parameters};
pub use exchange::{Answer, Ask, reference};
pub use inferno::{Asked, Group, Search, groups as inferno_groups, moved};
pub use kept::{Kept, never_was};
pub use logs::written as operators_log;
pub use partner::{
    BRIGID, MAPLE, OPEN_DOOR, PRAIRIE, Partner, RIVERSIDE, STRANGER, Who, key_of, references_in,
    registration_of,
};
pub use people::{DemoRecord, Person, demo_record, item, records, root};
pub use tls::{Authority, Certificate, Says, Served, Server, written};
pub use us_core::{ehr_record, referred_to, us_core_bundles};
pub use world::{Door, Engine, World};
pub use writer::{JSON_PATCH, creation};

/// Each story once per engine: `sqlite::…` and `postgres::…`.
macro_rules! stories {
    ($($story:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                super::$story($crate::harness::Engine::Sqlite).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                if $crate::harness::Engine::Postgres.is_there() {
                    super::$story($crate::harness::Engine::Postgres).await;
                }
            })*
        }
    };
}
pub(crate) use stories;
