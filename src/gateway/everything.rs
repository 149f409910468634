//! A partner asks for much at once: all that is released of a person, its documents, a plan with all it leads to. Over the release
//! only, recorded and opened like searches.
//! <https://hl7.org/fhir/R4/patient-operation-everything.html>, <http://hl7.org/fhir/us/core/OperationDefinition/docref>,
//! <http://hl7.org/fhir/us/eltss/OperationDefinition/all-eltss-careplan>

use std::sync::Arc;

use postern_rules::disclosure::{Answer, Asking, Release};
use postern_rules::fhir::{Issue, Now, Value};
use postern_rules::search::{Selection, Setting, Values};

use super::events::Interaction;
use super::parameters::{Operation, Parameter};
use super::pull::{Reply, TRIES};
use super::release::{Found, Trust};
use super::{Call, Error, Gateway};
use crate::auth::Permission;

const fn parameter(name: &'static str, members: &'static [&'static str], about: &'static str) -> Parameter {
    Parameter {
        name,
        members,
        required: false,
        many: false,
        about,
    }
}

const START: &str = "Care from this date on; what has no date of care is always in.";
const END: &str = "Care until this date.";
const COUNT: &str =
    "Resources on a page: 100 unless said otherwise, 500 at most; follow the next link for the others.";

/// `Patient/[id]/$everything`.
pub const EVERYTHING: Operation = Operation {
    on: "Patient",
    official: Some("http://hl7.org/fhir/OperationDefinition/Patient-everything"),
    changes: false,
    code: "everything",
    name: "Everything",
    title: "All that is released of a person",
    about: "Every resource of the caller's release of this person, in pages.",
    instance: true,
    takes: &[
        parameter("start", &["valueDate", "valueDateTime"], START),
        parameter("end", &["valueDate", "valueDateTime"], END),
        parameter(
            "_since",
            &["valueInstant", "valueDateTime"],
            "What changed for the caller from this instant on.",
        ),
        Parameter {
            many: true,
            ..parameter(
                "_type",
                &["valueCode", "valueString"],
                "Of these resource types only.",
            )
        },
        parameter("_count", &["valueInteger", "valuePositiveInt"], COUNT),
    ],
    gives: &[("return", "Bundle", "A searchset.")],
};

/// `DocumentReference/$docref`.
pub const DOCREF: Operation = Operation {
    on: "DocumentReference",
    official: Some("http://hl7.org/fhir/us/core/OperationDefinition/docref"),
    changes: false,
    code: "docref",
    name: "Docref",
    title: "The documents of a person",
    about: "DocumentReferences of the caller's release of this person. The shared plan (LOINC 18776-5) is written when it is \
            read; there is no C-CDA.",
    instance: false,
    takes: &[
        Parameter {
            required: true,
            ..parameter("patient", &["valueId", "valueString"], "The person, by id.")
        },
        parameter("start", &["valueDateTime", "valueDate"], START),
        parameter("end", &["valueDateTime", "valueDate"], END),
        Parameter {
            many: true,
            ..parameter("type", &["valueCoding"], "The kind of document; of several, any.")
        },
        parameter(
            "on-demand",
            &["valueBoolean"],
            "Only documents that are written when they are read.",
        ),
        Parameter {
            many: true,
            ..parameter(
                "profile",
                &["valueCanonical", "valueUri"],
                "Only documents whose DocumentReference names this profile; of several, any.",
            )
        },
        parameter("_count", &["valueInteger", "valuePositiveInt"], COUNT),
    ],
    gives: &[(
        "return",
        "Bundle",
        "A searchset; an empty one when there is no such document.",
    )],
};

/// `CarePlan/[id]/$all-eltss-careplan`.
pub const ALL_ELTSS: Operation = Operation {
    on: "CarePlan",
    official: Some("http://hl7.org/fhir/us/eltss/OperationDefinition/all-eltss-careplan"),
    changes: false,
    code: "all-eltss-careplan",
    name: "AllEltssCareplan",
    title: "A plan with all it leads to",
    about: "The plan, plans that are part of it, and everything they refer to, as far as it is released to the caller.",
    instance: true,
    takes: &[],
    gives: &[("return", "Bundle", "A collection.")],
};

/// What is called, with its parameters as they stand in an address.
pub enum Wanted<'a> {
    Everything { patient: &'a str },
    Documents,
    PlanWithAll { plan: &'a str },
}

impl Wanted<'_> {
    fn operation(&self) -> &'static Operation {
        match self {
            Wanted::Everything { .. } => &EVERYTHING,
            Wanted::Documents => &DOCREF,
            Wanted::PlanWithAll { .. } => &ALL_ELTSS,
        }
    }

    /// Parameters of a body, as pairs; none of an empty one.
    pub fn pairs(&self, body: Option<&Value>) -> Result<Vec<(String, String)>, Vec<Issue>> {
        body.map_or_else(|| Ok(Vec::new()), |body| self.operation().pairs(body))
    }
}

impl Gateway {
    /// `GET` and `POST` of one of these operations. `lenient`: what is not served is left out instead of refused.
    pub async fn wanted(
        &self,
        call: &Call,
        wanted: &Wanted<'_>,
        pairs: &[(String, String)],
        lenient: bool,
    ) -> Result<Reply, Error> {
        let base = self.config.base();
        let setting = Setting {
            base: &base,
            zone: &self.rules.zone,
            now: self.clock.now().stamp(),
            lenient,
        };
        match wanted {
            Wanted::Everything { patient } => {
                let selection = Selection::everything(patient, pairs, &setting).map_err(Error::Invalid)?;
                self.selected(call, &selection, true).await
            }
            Wanted::Documents => {
                let selection = Selection::documents(pairs, &setting).map_err(Error::Invalid)?;
                self.selected(call, &selection, false).await
            }
            Wanted::PlanWithAll { plan } => {
                only_format(pairs, lenient)?;
                self.plan_with_all(call, plan).await
            }
        }
    }

    /// `instance`: called on the person, who has to be there; else an empty answer.
    async fn selected(&self, call: &Call, selection: &Selection, instance: bool) -> Result<Reply, Error> {
        let of = if instance { "Patient" } else { "DocumentReference" };
        let (mut call, mut trust) = (call.clone(), Trust::Memory);
        for _ in 0..TRIES {
            let now = self.clock.now();
            let caller = &call.caller;
            if !caller.scopes.may_read(of) && !caller.scopes.may_search(of) {
                return Err(Error::OutOfScope);
            }
            let bound = selection.clone();
            let bound = bound.bound(&self.cursors, &caller.client, &caller.purpose, &now);
            let bound = bound.map_err(|issue| Error::Invalid(vec![issue]))?;
            let found = self.find_release(caller, &selection.patient, trust, &now).await?;
            let release = found.release.as_ref().ok().cloned();
            let within = |of: &str, values: &Values| call.caller.within(of, values);
            let base = self.config.base();
            let permits = |of: &str, values: &Values| may_see(&call, of, values);
            let asking = self.asking(&base, (&permits, &within), &call.request);
            let there = |release: &Arc<Release>| release.shows("Patient", &selection.patient, &asking);
            let answer = match release {
                Some(release) if !instance || there(&release) => {
                    Answer::selected(Some(release), &bound, &asking)
                }
                _ => {
                    self.nothing(&call, &bound, instance, (&found, &now), &asking)
                        .await?
                }
            };
            let recorded = self
                .record(&call, Interaction::Operation, answer, vec![found], &now)
                .await?;
            if let Some(reply) = recorded {
                return Ok(reply);
            }
            (call, trust) = (self.again(&call).await?, Trust::Database);
        }
        Err(Error::Unavailable)
    }

    async fn nothing(
        &self,
        call: &Call,
        selection: &Selection,
        instance: bool,
        (found, now): (&Found, &Now),
        asking: &Asking<'_>,
    ) -> Result<Answer, Error> {
        self.pay_for_a_miss(call, &selection.patient, std::slice::from_ref(found), now)
            .await?;
        Ok(match instance {
            true => Answer::not_found(asking.request),
            false => Answer::selected(None, selection, asking),
        })
    }

    async fn plan_with_all(&self, call: &Call, plan: &str) -> Result<Reply, Error> {
        let (mut call, mut trust) = (call.clone(), Trust::Memory);
        for _ in 0..TRIES {
            let now = self.clock.now();
            if !call.caller.scopes.may_read("CarePlan") {
                return Err(Error::OutOfScope);
            }
            let people = self.people_of(&call, "CarePlan", plan, trust).await?;
            let found = self.find_all(&call, people, trust, &now).await?;
            let within = |of: &str, values: &Values| call.caller.within(of, values);
            let base = self.config.base();
            let permits =
                |of: &str, values: &Values| call.caller.scopes.permits(Permission::Read, of, values);
            let asking = self.asking(&base, (&permits, &within), &call.request);
            let mut releases = found.iter().filter_map(|f| f.release.as_ref().ok());
            let release = releases
                .find(|release| release.shows("CarePlan", plan, &asking))
                .cloned();
            if release.is_none() {
                self.pay_for_a_miss(&call, plan, &found, &now).await?;
            }
            let answer = Answer::closure(release, plan, now.stamp(), &asking);
            let recorded = self
                .record(&call, Interaction::Operation, answer, found, &now)
                .await?;
            if let Some(reply) = recorded {
                return Ok(reply);
            }
            (call, trust) = (self.again(&call).await?, Trust::Database);
        }
        Err(Error::Unavailable)
    }
}

/// What a client may read or search for may come along.
fn may_see(call: &Call, of: &str, values: &Values) -> bool {
    let scopes = &call.caller.scopes;
    scopes.permits(Permission::Read, of, values) || scopes.permits(Permission::Search, of, values)
}

fn only_format(pairs: &[(String, String)], lenient: bool) -> Result<(), Error> {
    let known = |name: &str| name == "_format" || name == "_pretty";
    if lenient || pairs.iter().all(|(name, _)| known(name)) {
        return Ok(());
    }
    let why = "this operation takes no parameters";
    let issue = Issue::error(postern_rules::fhir::IssueCode::NotSupported, "", why);
    Err(Error::Invalid(vec![issue]))
}
