//! What an operator registers: partners with their clients, sources, staff. Each act is on the log.

use postern_rules::audit::{self, Act, Kind};
use serde_json::{Value, json};

use super::caller::{ACTIVE, DISABLED};
use super::roles::ROLES;
use super::{ClientKeys, Error, Gateway, Partner};
use crate::auth::hash;
use crate::store::{self, Change};

/// A partner and the public keys of its first client.
pub struct NewPartner {
    pub partner: Partner,
    pub jwks: Value,
}

#[derive(Clone, Debug)]
pub struct Registered {
    pub client_id: String,
    pub token_endpoint: String,
}

impl Gateway {
    /// Registers a partner with one client. All problems at once, as sentences.
    pub async fn add_partner(&self, new: NewPartner, operator: &str) -> Result<Registered, Vec<String>> {
        let partner = &new.partner;
        let classes: Vec<String> = self
            .rules
            .policy
            .classes()
            .iter()
            .map(|class| class.name.clone())
            .collect();
        let serves = |purpose: &str| self.rules.data_set(&partner.class, purpose).is_some();
        let mut problems = partner.problems(&classes, &serves);
        let keys = ClientKeys {
            jwks: new.jwks.clone(),
        };
        problems.extend(keys.check().err().map(|error| format!("jwks: {error}")));
        if !problems.is_empty() {
            return Err(problems);
        }
        let failed = |error: &dyn std::fmt::Display| vec![error.to_string()];
        let body = serde_json::to_string(partner).map_err(|e| failed(&e))?;
        let client_id = format!(
            "{}-{}",
            partner.id,
            &self.entropy.id(&format!("client {}", partner.id))[..8]
        );
        let mut change = Change::at(self.clock.instant());
        change.partners.push((
            0,
            store::Partner {
                id: partner.id.clone(),
                state: ACTIVE.to_owned(),
                body,
            },
        ));
        change.clients.push(store::Client {
            client_id: client_id.clone(),
            partner: partner.id.clone(),
            state: ACTIVE.to_owned(),
            body: json!({ "jwks": new.jwks }).to_string(),
        });
        let recipient = partner.recipient(&self.rules.policy);
        let details = [
            ("class", partner.class.as_str()),
            ("role", recipient.role.name()),
            (
                "medical-personnel",
                if recipient.medical_personnel { "yes" } else { "no" },
            ),
            ("client", client_id.as_str()),
        ];
        self.operate(change, Kind::PartnerAdded, operator, partner, &details)
            .await
            .map_err(|error| match error {
                Error::Conflict => vec![format!("id: a partner `{}` exists already", partner.id)],
                other => failed(&other),
            })?;
        Ok(Registered {
            client_id,
            token_endpoint: self.token_endpoint(),
        })
    }

    /// Every registered partner with its state and clients.
    pub async fn partners(&self) -> Result<Vec<(Partner, String, Vec<store::Client>)>, Error> {
        let mut all = Vec::new();
        for (_, row) in self.store.partners().await? {
            let partner: Partner = serde_json::from_str(&row.body).map_err(|_| Error::Unavailable)?;
            let clients = self.store.clients_of(&row.id).await?;
            all.push((partner, row.state, clients));
        }
        Ok(all)
    }

    /// From the next request on its tokens are worth nothing.
    pub async fn disable_partner(&self, id: &str, operator: &str) -> Result<(), Error> {
        let (version, mut row) = self.store.partner(id).await?.ok_or(Error::NotFound)?;
        let partner: Partner = serde_json::from_str(&row.body).map_err(|_| Error::Unavailable)?;
        row.state = DISABLED.to_owned();
        let mut change = Change::at(self.clock.instant());
        change.partners.push((version, row));
        for mut client in self.store.clients_of(id).await? {
            client.state = DISABLED.to_owned();
            change.clients.push(client);
        }
        self.operate(change, Kind::PartnerDisabled, operator, &partner, &[])
            .await
    }

    /// A bearer token for an internal source; shown once, stored hashed. A known name keeps its token unless `renew`.
    pub async fn add_source(&self, name: &str, renew: bool, operator: &str) -> Result<String, Vec<String>> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            return Err(vec![
                "name: 1 to 64 letters, digits, hyphens: a folder of mappings/".to_owned(),
            ]);
        }
        let known = self.store.sources().await.map_err(|e| vec![e.to_string()])?;
        if known.iter().any(|source| source.name == name) && !renew {
            return Err(vec![format!(
                "`{name}` has a token already; --renew gives a new one and ends the old one"
            )]);
        }
        let token = self.entropy.token(&format!("source {name}"));
        let mut change = Change::at(self.clock.instant());
        let token_hash = hash(&token).to_vec();
        change.sources.push(store::Source {
            name: name.to_owned(),
            token_hash,
            state: ACTIVE.to_owned(),
        });
        self.register(change, operator, &[("source", name)])
            .await
            .map_err(|e| vec![e.to_string()])?;
        Ok(token)
    }

    /// From the next request on its token is worth nothing.
    pub async fn disable_source(&self, name: &str, operator: &str) -> Result<(), Error> {
        let known = self
            .store
            .sources()
            .await?
            .into_iter()
            .find(|source| source.name == name);
        let mut source = known.ok_or(Error::NotFound)?;
        source.state = DISABLED.to_owned();
        let mut change = Change::at(self.clock.instant());
        change.sources.push(source);
        self.register(change, operator, &[("source-disabled", name)])
            .await
    }

    /// A bearer token for a member of staff; shown once, stored hashed. A known id keeps its token unless `renew`.
    pub async fn add_staff(
        &self,
        id: &str,
        name: &str,
        role: &str,
        renew: bool,
        operator: &str,
    ) -> Result<String, Vec<String>> {
        if !ROLES.contains(&role) {
            return Err(vec![format!("role: one of {}", ROLES.join(", "))]);
        }
        let known = self.store.staff().await.map_err(|e| vec![e.to_string()])?;
        if known.iter().any(|staff| staff.id == id) && !renew {
            return Err(vec![format!(
                "`{id}` has a token already; --renew gives a new one and ends the old one"
            )]);
        }
        let token = self.entropy.token(&format!("staff {id}"));
        let mut change = Change::at(self.clock.instant());
        change.staff.push(store::Staff {
            id: id.to_owned(),
            name: name.to_owned(),
            role: role.to_owned(),
            token_hash: hash(&token).to_vec(),
            state: ACTIVE.to_owned(),
        });
        let details = [("staff", id), ("role", role)];
        self.register(change, operator, &details)
            .await
            .map_err(|e| vec![e.to_string()])?;
        Ok(token)
    }

    /// From the next request on their token is worth nothing.
    pub async fn disable_staff(&self, id: &str, operator: &str) -> Result<(), Error> {
        let known = self.store.staff().await?.into_iter().find(|staff| staff.id == id);
        let mut staff = known.ok_or(Error::NotFound)?;
        staff.state = DISABLED.to_owned();
        let mut change = Change::at(self.clock.instant());
        change.staff.push(staff);
        self.register(change, operator, &[("staff-disabled", id)]).await
    }

    /// How many records name the partner's organisation somewhere.
    pub async fn people_naming(&self, partner: &Partner) -> Result<usize, Error> {
        let mut people = std::collections::BTreeSet::new();
        for identifier in &partner.organization {
            for (resource_type, id, _) in self
                .store
                .find_identifier(&identifier.system, &identifier.value)
                .await?
            {
                people.extend(
                    self.store
                        .people_referring(&format!("{resource_type}/{id}"))
                        .await?,
                );
            }
        }
        Ok(people.len())
    }

    async fn operate(
        &self,
        mut change: Change,
        kind: Kind,
        operator: &str,
        partner: &Partner,
        details: &[(&str, &str)],
    ) -> Result<(), Error> {
        let request = self.request_id();
        self.with_occasion(change.now, &request, |occasion, salt| {
            let first = partner.organization.first();
            let party = audit::Party {
                name: &partner.name,
                system: first.map_or("", |i| i.system.as_str()),
                identifier: first.map_or("", |i| i.value.as_str()),
            };
            let person = audit::Person {
                name: operator,
                id: operator,
            };
            let act = Act {
                partner: Some(&party),
                details,
                ..Act::of(kind, person)
            };
            change.audit.push(act.event(occasion, salt));
        });
        self.store.commit(change).await?;
        Ok(())
    }

    async fn register(
        &self,
        mut change: Change,
        operator: &str,
        details: &[(&str, &str)],
    ) -> Result<(), Error> {
        let request = self.request_id();
        self.with_occasion(change.now, &request, |occasion, salt| {
            let person = audit::Person {
                name: operator,
                id: operator,
            };
            let act = Act {
                details,
                ..Act::of(Kind::PartnerChanged, person)
            };
            change.audit.push(act.event(occasion, salt));
        });
        self.store.commit(change).await?;
        Ok(())
    }
}
