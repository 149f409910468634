//! What an operator registers: partners with their clients, sources, staff. Each act is on the log.

use super::caller::{ACTIVE, DISABLED};
use super::roles::ROLES;
use super::{ClientRegistration, Error, Gateway, Partner};
use crate::auth::{Thumbprint, hash};
use crate::store::{self, Change};
use postern_rules::audit::{self, Act, Kind};
use postern_rules::log::Digest;

/// A partner and its client. Without keys the client gets a secret.
pub struct NewPartner {
    pub partner: Partner,
    pub client: ClientRegistration,
}

#[derive(Clone)]
pub struct Registered {
    pub client_id: String,
    pub token_endpoint: String,
    /// Shown once.
    pub secret: Option<String>,
}

impl Gateway {
    /// Registers a partner with one client. All problems at once, as sentences.
    pub async fn add_partner(&self, new: NewPartner, operator: &str) -> Result<Registered, Vec<String>> {
        let id = &new.partner.id;
        let client_id = format!("{id}-{}", &self.entropy.id(&format!("client {id}"))[..8]);
        self.add_partner_as(new, client_id, operator).await
    }

    /// The same under a client id that it has elsewhere: a sandbox takes its partners from a deployment.
    pub async fn add_partner_as(
        &self,
        new: NewPartner,
        client_id: String,
        operator: &str,
    ) -> Result<Registered, Vec<String>> {
        let (partner, mut client) = (&new.partner, new.client);
        let secret = self.secret_if_wanted(&mut client, &partner.id);
        let classes: Vec<String> = self
            .rules
            .policy
            .classes()
            .iter()
            .map(|class| class.name.clone())
            .collect();
        let serves = |purpose: &str| self.rules.data_set(&partner.class, purpose).is_some();
        let mut problems = partner.problems(&classes, &serves);
        problems.extend(self.client_problems(&client));
        if !problems.is_empty() {
            return Err(problems);
        }
        let failed = |error: &dyn std::fmt::Display| vec![error.to_string()];
        let body = serde_json::to_string(partner).map_err(|e| failed(&e))?;
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
            body: serde_json::to_string(&client).map_err(|e| failed(&e))?,
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
            ("proves-itself", client.method()),
            ("interactive", if client.interactive { "yes" } else { "no" }),
            ("certificates-sha256", &client.certificates_said()),
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
            secret,
        })
    }

    /// Gives the partner's client another way to prove itself: new keys, or a new secret. The old way ends with the next
    /// request; tokens that were given live out their five minutes. Comes out with the secret, shown once.
    pub async fn change_keys(
        &self,
        id: &str,
        keys: ClientRegistration,
        operator: &str,
    ) -> Result<Registered, Vec<String>> {
        let changed = |before: ClientRegistration| before.proving_itself_by(keys);
        self.change_client(id, changed, operator).await
    }

    /// Binds the partner's client to these certificates in place of those before; to none, and it is asked for none. Over
    /// connections without one of them nothing of it is answered from the next request on, whatever token it holds.
    pub async fn change_certificates(
        &self,
        id: &str,
        certificates: Vec<Thumbprint>,
        operator: &str,
    ) -> Result<Registered, Vec<String>> {
        let changed = |before: ClientRegistration| ClientRegistration {
            certificates,
            ..before
        };
        self.change_client(id, changed, operator).await
    }

    async fn change_client(
        &self,
        id: &str,
        changed: impl FnOnce(ClientRegistration) -> ClientRegistration,
        operator: &str,
    ) -> Result<Registered, Vec<String>> {
        let said = |error: &dyn std::fmt::Display| vec![error.to_string()];
        let row = self.store.partner(id).await.map_err(|e| said(&e))?;
        let (version, row) = row.ok_or_else(|| vec![format!("no partner `{id}`")])?;
        let partner: Partner = serde_json::from_str(&row.body).map_err(|e| said(&e))?;
        let clients = self.store.clients_of(id).await.map_err(|e| said(&e))?;
        let [row_of_client] = clients.as_slice() else {
            return Err(vec![format!("partner `{id}` has {} clients", clients.len())]);
        };
        let before: ClientRegistration = serde_json::from_str(&row_of_client.body).map_err(|e| said(&e))?;
        let mut client = changed(before);
        let secret = self.secret_if_wanted(&mut client, id);
        let problems = self.client_problems(&client);
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut change = Change::at(self.clock.instant());
        // In its old form: the world's version moves, so that what is in memory anywhere counts no more.
        change.partners.push((version, row));
        change.clients.push(store::Client {
            body: serde_json::to_string(&client).map_err(|e| said(&e))?,
            ..row_of_client.clone()
        });
        let details = [
            ("client", row_of_client.client_id.as_str()),
            ("proves-itself", client.method()),
            ("certificates-sha256", &client.certificates_said()),
        ];
        self.operate(change, Kind::PartnerChanged, operator, &partner, &details)
            .await
            .map_err(|e| said(&e))?;
        Ok(Registered {
            client_id: row_of_client.client_id.clone(),
            token_endpoint: self.token_endpoint(),
            secret,
        })
    }

    /// A client registered without keys gets a secret of 256 bits, of which only the SHA-256 is kept.
    fn secret_if_wanted(&self, client: &mut ClientRegistration, partner: &str) -> Option<String> {
        if client.jwks.is_some() || client.jwks_url.is_some() || client.secret_sha256.is_some() {
            return None;
        }
        let secret = self.entropy.token(&format!("client secret {partner}"));
        client.secret_sha256 = Some(Digest(hash(&secret)).base64());
        Some(secret)
    }

    fn client_problems(&self, client: &ClientRegistration) -> Vec<String> {
        let mut problems: Vec<String> = client.proof(&self.egress).err().into_iter().collect();
        if client.secret_sha256.is_some() && !self.config.smart.client_secrets {
            problems.push(
                "keys: a shared secret needs smart.client_secrets = true in the configuration; prefer keys"
                    .to_owned(),
            );
        }
        if !client.certificates.is_empty() && self.config.server.client_authorities().is_none() {
            problems.push(
                "certificate: no connection shows one without server.client_certificates in the configuration"
                    .to_owned(),
            );
        }
        problems
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
