//! The token endpoint: a client proves itself, opaque access token out.
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html#obtain-access-token>,
//! <https://www.rfc-editor.org/rfc/rfc6749#section-4.4>

use postern_rules::audit;

use super::authentication::{ClientForm, Incoming, Proven, TokenError};
use super::break_glass::is_emergency;
use super::client::KnownClient;
use super::pull::TRIES;
use super::{Error, Gateway, Identifier, NPI, Partner};
use crate::auth::{MAX_LIFETIME_SECONDS, Scopes, Stated, hash};
use crate::store::{AccessToken, Change, Refused};

/// The form fields of a token request.
#[derive(Clone, Debug, Default)]
pub struct TokenRequest {
    pub grant_type: Option<String>,
    pub scope: Option<String>,
    pub client: ClientForm,
}

#[derive(Clone, Debug)]
pub struct TokenResponse {
    pub access_token: String,
    /// Seconds.
    pub expires_in: i64,
    pub scope: String,
}

/// Types that a partner may write, some of them as a proposal to staff. Letters `c`, `u`, `d` of a scope are granted for
/// these alone.
pub const WRITABLE: &[&str] = &[
    "AllergyIntolerance",
    "Appointment",
    "CarePlan",
    "CareTeam",
    "Communication",
    "Condition",
    "DocumentReference",
    "Encounter",
    "Goal",
    "MedicationRequest",
    "Observation",
    "Patient",
    "QuestionnaireResponse",
    "RelatedPerson",
    "RiskAssessment",
    "ServiceRequest",
    "Task",
];

/// What a token is given for.
struct Grant {
    scopes: Scopes,
    purpose: String,
    stated: Stated,
}

fn oauth(code: &'static str, description: &'static str) -> TokenError {
    TokenError::oauth(code, description)
}

impl Gateway {
    /// `address` is where the request came from, for the log.
    pub async fn issue_token(
        &self,
        form: &TokenRequest,
        request: &str,
        address: &str,
    ) -> Result<TokenResponse, TokenError> {
        self.heard_enough_of(address)?;
        let mut incoming = Incoming::new(request, address);
        let issued = self.try_to_issue(form, &mut incoming).await;
        self.note_refused(&issued, &incoming).await;
        issued
    }

    async fn try_to_issue(
        &self,
        form: &TokenRequest,
        incoming: &mut Incoming<'_>,
    ) -> Result<TokenResponse, TokenError> {
        match form.grant_type.as_deref() {
            Some("client_credentials") => {}
            None => return Err(oauth("invalid_request", "grant_type is missing")),
            Some(_) => {
                return Err(oauth(
                    "unsupported_grant_type",
                    "only client_credentials is supported",
                ));
            }
        }
        for attempt in 0..TRIES {
            let proven = self.authenticate(&form.client, incoming, attempt > 0).await?;
            let grant = grant(form.scope.as_deref().unwrap_or_default(), &proven)?;
            if let Some(issued) = self.record_token(&proven, &grant, incoming).await? {
                return Ok(issued);
            }
        }
        Err(TokenError::Failed(Error::Unavailable))
    }

    /// `None` when what is registered has changed meanwhile.
    async fn record_token(
        &self,
        proven: &Proven,
        grant: &Grant,
        incoming: &Incoming<'_>,
    ) -> Result<Option<TokenResponse>, TokenError> {
        let client = &proven.client;
        let token = self.entropy.token(&format!("token {}", incoming.request));
        let at = self.clock.instant();
        let mut change = Change::at(at);
        change.expects_world = Some(client.world);
        change.guards.extend(proven.guard.clone());
        let person = person(&grant.stated);
        let scope = grant.scopes.to_string();
        let certificate = proven.certificate.map(|one| one.to_string()).unwrap_or_default();
        change.tokens.push(AccessToken {
            hash: hash(&token).to_vec(),
            client: client.id.clone(),
            partner: client.partner.id.clone(),
            scope: scope.clone(),
            purpose: grant.purpose.clone(),
            subject: person.as_ref().map(|(name, id)| format!("{name}\n{id}")),
            stated: stated(&grant.stated),
            certificate: proven.certificate.map(|one| one.bytes().to_vec()),
            issued: at,
            expires: at.plus_seconds(MAX_LIFETIME_SECONDS),
        });
        self.with_occasion(at, incoming.request, |occasion, salt| {
            let caller =
                super::events::caller_of(&client.id, &client.partner, incoming.address, person.as_ref());
            let event = audit::Token {
                caller: &caller,
                purpose: &grant.purpose,
                request: &format!("grant_type=client_credentials&scope={scope}"),
                jti: &proven.jti,
                scope: &scope,
                refused: "",
                details: &details(proven.method, &certificate, &grant.stated),
            };
            change.audit.push(event.event(occasion, salt));
        });
        match self.store.commit(change).await {
            Ok(_) => Ok(Some(TokenResponse {
                access_token: token,
                expires_in: MAX_LIFETIME_SECONDS,
                scope,
            })),
            Err(Refused::Duplicate(_)) => Err(TokenError::invalid_client("`jti` was used before")),
            Err(Refused::Stale) => Ok(None),
            Err(refused) => Err(Error::from(refused).into()),
        }
    }

    /// Public address of the token endpoint: the `aud` of client assertions, and the only one. An assertion for the FHIR
    /// base is for nobody: SMART and UDAP name the token endpoint, and one audience cannot be mistaken for another.
    pub fn token_endpoint(&self) -> String {
        format!("{}/auth/token", self.root())
    }

    /// The public address above the FHIR base.
    pub(super) fn root(&self) -> String {
        let base = self.config.base();
        base.strip_suffix("/fhir").unwrap_or(&base).to_owned()
    }
}

fn grant(asked: &str, proven: &Proven) -> Result<Grant, TokenError> {
    let client = &proven.client;
    let stated = Stated::read(&proven.extensions).map_err(|why| oauth("invalid_request", why.0))?;
    let stated = stated.unwrap_or_default();
    let purpose = purpose(&stated, client)?;
    check_organization(&stated, &client.partner)?;
    check_person(&stated, &purpose, client)?;
    Ok(Grant {
        scopes: scopes(asked, client)?,
        purpose,
        stated,
    })
}

fn scopes(asked: &str, client: &KnownClient) -> Result<Scopes, TokenError> {
    let asked = Scopes::parse(asked).map_err(|why| oauth("invalid_scope", why.told()))?;
    let granted = asked.narrowed_to(&client.registered).writing_only(WRITABLE);
    if granted.is_empty() {
        Err(oauth("invalid_scope", "none of these scopes is registered"))
    } else {
        Ok(granted)
    }
}

/// The stated purpose when it is one of the registered ones; without one, the partner's default.
fn purpose(stated: &Stated, client: &KnownClient) -> Result<String, TokenError> {
    let registered = &client.partner.purposes;
    if stated.purpose.is_empty() {
        let default = registered.first().cloned();
        return default.ok_or(TokenError::Failed(Error::Unavailable));
    }
    if registered.contains(&stated.purpose) {
        Ok(stated.purpose.clone())
    } else {
        Err(oauth(
            "invalid_request",
            "this purpose of use is not registered for the client",
        ))
    }
}

/// A client speaks for its own organisation.
fn check_organization(stated: &Stated, partner: &Partner) -> Result<(), TokenError> {
    let names = |identifier: &Identifier| {
        stated
            .organization_id
            .as_deref()
            .is_none_or(|id| identifier.is(id))
    };
    if partner.organization.iter().any(names) {
        Ok(())
    } else {
        Err(oauth(
            "invalid_request",
            "hl7-b2b: organization_id is not registered for this client; send the registered one, or none",
        ))
    }
}

/// In an emergency, and where people use the client, the log must be able to say who it was.
fn check_person(stated: &Stated, purpose: &str, client: &KnownClient) -> Result<(), TokenError> {
    let why = match (is_emergency(purpose), client.interactive) {
        _ if stated.names_a_person() => return Ok(()),
        (true, _) => "hl7-b2b: subject_name and subject_id are required for an emergency purpose of use",
        (_, true) => "hl7-b2b: subject_name and subject_id are required of this client: people use it",
        (false, false) => return Ok(()),
    };
    Err(oauth("invalid_request", why))
}

/// What was stated and how the client proved itself, for the log.
fn details<'a>(method: &'a str, certificate: &'a str, stated: &'a Stated) -> Vec<(&'a str, &'a str)> {
    let text = |value: &'a Option<String>| value.as_deref().unwrap_or_default();
    let mut details = vec![
        ("method", method),
        ("certificate-sha256", certificate),
        ("subject-role", text(&stated.subject_role)),
        ("organization-name", text(&stated.organization_name)),
        ("organization-id", text(&stated.organization_id)),
    ];
    details.extend(
        stated
            .consent_policy
            .iter()
            .map(|one| ("consent-policy", one.as_str())),
    );
    details.extend(
        stated
            .consent_reference
            .iter()
            .map(|one| ("consent-reference", one.as_str())),
    );
    details
}

/// Kept with the token; none when nothing was stated.
fn stated(stated: &Stated) -> Option<String> {
    let said = *stated != Stated::default();
    said.then(|| serde_json::to_string(stated).ok()).flatten()
}

fn person(stated: &Stated) -> Option<(String, String)> {
    let name = stated.subject_name.clone()?;
    Some((name, stated.subject_id.clone().unwrap_or_default()))
}

impl Identifier {
    /// Is it what a URI states: `system|value`, an NPI under its OID, or the URI itself?
    fn is(&self, stated: &str) -> bool {
        let oid = (self.system == NPI).then_some("urn:oid:2.16.840.1.113883.4.6");
        let systems = [Some(self.system.as_str()), oid];
        let written = systems.into_iter().flatten().any(|system| {
            ["|", "#"]
                .iter()
                .any(|between| stated == format!("{system}{between}{}", self.value))
        });
        written || (self.system == URI && stated == self.value)
    }
}

/// The system of an identifier that is itself a URI.
pub const URI: &str = "urn:ietf:rfc:3986";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_organisation_is_named_by_any_of_its_registered_identifiers() {
        let identifier = |system: &str, value: &str| Identifier {
            system: system.to_owned(),
            value: value.to_owned(),
        };
        let npi = identifier(NPI, "1999002011");
        assert!(npi.is("http://hl7.org/fhir/sid/us-npi|1999002011"));
        assert!(npi.is("urn:oid:2.16.840.1.113883.4.6#1999002011"));
        assert!(!npi.is("1999002011") && !npi.is("urn:oid:2.16.840.1.113883.4.7#1999002011"));
        let uri = identifier(URI, "https://maple-street.example");
        assert!(uri.is("https://maple-street.example") && !uri.is("https://maple-street.example/x"));
    }
}
