//! Use cases, one file each: load → decide → record → answer. Deciding never does I/O; I/O never decides.

mod error;
mod catalog;
mod partner;
mod client;
mod agency;
mod caller;
mod events;
mod people;
mod release_cache;
mod release;
mod refresh;
mod named;
mod across;
mod pull;
mod document;
mod authentication;
mod token;
mod introspection;
mod roles;
mod staff_request;
mod staff_disclosure;
mod parameters;
mod emergency;
mod find_person;
mod everything;
mod break_glass;
mod grant;
mod request_more;
mod write;
mod explain;
mod statement;
mod intake;
mod import;
mod work;
mod label_review;
mod registration;
mod own_keys;
mod log;
mod packages;
mod validate;
mod metadata;
mod rate;
mod strangers;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use postern_rules::disclosure::Rules;
use postern_rules::log::{Digest, Signer, digest::hex};
use postern_rules::search::CursorKey;
use postern_rules::validation::Definitions;

pub use authentication::{ClientForm, TokenError};
pub use break_glass::{emergency_purpose, is_emergency};
pub use caller::{ACTIVE, Call, Caller, DISABLED};
pub use catalog::{CatalogError, Mappings, load as load_catalog, load_mappings};
pub use client::{ClientRegistration, Proof};
pub use emergency::{NATURE, NATURES};
pub use error::Error;
pub use events::Interaction;
pub use everything::Wanted;
pub use explain::{Look, Looked};
pub use import::{ImportLine, ImportReport};
pub use intake::{Accepted, Intake, Rejected};
pub use introspection::AboutToken;
pub use log::{AuditFilter, Verification};
pub use packages::{load_packages, validated};
pub use partner::{Identifier, NPI, Partner, is_npi};
pub use pull::Reply;
pub use refresh::Step;
pub use registration::{NewPartner, Registered};
pub use staff_disclosure::Made;
pub use strangers::{Attempt, Stranger};
pub use token::{TokenRequest, TokenResponse, URI, WRITABLE};
use validate::Checking;
pub use validate::{ToValidate, read_validation};
pub use work::{StaffMember, WorkView};
pub use write::{Intent, Target, Written};

use crate::auth::{FetchedKeys, OwnKeys};
use crate::config::{Clock, Config, Entropy, Keys};
use crate::egress::Egress;
use crate::store::{Change, Deployment, Store};

/// Everything a use case needs. Built once by `cli`; shared by every door.
pub struct Gateway {
    pub config: Config,
    pub store: Store,
    pub rules: Rules,
    pub mappings: Mappings,
    /// What `$validate` holds resources to, beside R4 and our own closed profiles.
    pub definitions: Arc<Definitions>,
    checking: Checking,
    pub clock: Clock,
    pub entropy: Entropy,
    keys: Keys,
    signer: Signer,
    cursors: CursorKey,
    rules_version: String,
    /// This process among those of the deployment.
    holder: String,
    releases: release_cache::ReleaseCache,
    pub egress: Egress,
    fetched: FetchedKeys,
    pub own_keys: OwnKeys,
    clients: client::KnownClients,
    tokens: caller::KnownTokens,
    people: people::People,
    rates: rate::Rates,
    strangers: strangers::Strangers,
    requests: AtomicU64,
}

impl Gateway {
    /// `catalog` comes from [`load_catalog`]; packages are read here. Fails when one of them is not in order, the log's origin cannot name a signer, or the agency's number is none.
    pub fn new(
        config: Config,
        store: Store,
        catalog: (Mappings, Rules),
        keys: Keys,
        clock: Clock,
        entropy: Entropy,
    ) -> Result<Arc<Gateway>, CatalogError> {
        let (mappings, mut rules) = catalog;
        let definitions = load_packages(config.paths.packages.as_deref())?;
        let agency = agency::organization(&config.agency, &keys.id);
        rules.answer_as(agency.map_err(|why| CatalogError(vec![why]))?, config.base());
        let signer = Signer::new(&config.log.origin, &keys.log)
            .map_err(|error| CatalogError(vec![format!("log.origin: {error}")]))?;
        Ok(Arc::new(Gateway {
            rules_version: hex(&rules.digest[..8]),
            holder: entropy.id("process"),
            releases: release_cache::ReleaseCache::new(release_cache::DEFAULT_WEIGHT),
            egress: Egress::new(&config.egress).map_err(|error| CatalogError(vec![error.to_string()]))?,
            fetched: FetchedKeys::default(),
            own_keys: OwnKeys::in_folder(config.paths.keys.clone()),
            clients: client::KnownClients::default(),
            tokens: caller::KnownTokens::default(),
            people: people::People::default(),
            checking: Checking::new(config.limits.validations),
            rates: rate::Rates::new(&config.limits, &clock),
            strangers: strangers::Strangers::default(),
            requests: AtomicU64::new(0),
            cursors: CursorKey::derive(&keys.id),
            config,
            store,
            rules,
            mappings,
            definitions: Arc::new(definitions),
            clock,
            entropy,
            keys,
            signer,
        }))
    }

    /// Founds the deployment at its first start; refuses a database whose ids were made with another key.
    pub async fn found(&self) -> Result<(), CatalogError> {
        let deployment = Deployment {
            id: self.entropy.id("deployment"),
            key_fingerprint: Digest::of(&self.keys.id).hex(),
            founded: self.clock.instant(),
        };
        let known = self.store.found(&deployment).await;
        let known = known.map_err(|error| CatalogError(vec![format!("store: {error}")]))?;
        if known == deployment {
            // Sealed at once: a log that was never under a checkpoint cannot be told from one that was cut.
            let failed = |error: &dyn std::fmt::Display| CatalogError(vec![format!("log: {error}")]);
            self.note_start().await.map_err(|error| failed(&error))?;
            self.seal().await.map_err(|error| failed(&error))?;
        }
        if known.key_fingerprint == deployment.key_fingerprint {
            return Ok(());
        }
        let why =
            "id.key is not the key this database's ids were made with; restore the keys that belong to it";
        Err(CatalogError(vec![why.to_owned()]))
    }

    /// Forgets tokens and guards that ended more than an hour ago, and clients that have been quiet.
    pub async fn forget_ended(&self) -> Result<(), Error> {
        let mut change = Change::at(self.clock.instant());
        change.forget_before = Some(change.now.plus_seconds(-3600));
        self.store.commit(change).await?;
        self.forget_rates();
        Ok(())
    }

    /// The id of a request that states none of its own.
    pub fn request_id(&self) -> String {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        self.entropy.id(&format!("request {number}"))
    }
}
