//! Writes staged one after the other on the records they touch: what each becomes, what staff have to do about it, what will
//! be put. Nothing is recorded here. <https://hl7.org/fhir/R4/http.html#trules>

use std::collections::BTreeSet;

use postern_rules::disclosure::{Contributed, Permits, Shows, Standing, Stored};
use postern_rules::fhir::id::resource_id;
use postern_rules::fhir::{Now, Value};
use postern_rules::search::Values;
use postern_rules::write::{
    Form, Kind, Proposal, Refused, Updated, apply_to_released, contribute, nobody_named, precondition, update,
};

use super::bench::Bench;
use super::{Intent, Target};
use crate::auth::Permission;
use crate::gateway::release::contribution;
use crate::gateway::statement::identifiers;
use crate::gateway::{Call, Error, Gateway};
use crate::store::{Put, WrittenValue};

/// Everything one request writes, staged.
pub(super) struct Stage<'g> {
    pub gateway: &'g Gateway,
    pub call: &'g Call,
    pub now: &'g Now,
    pub base: String,
    pub benches: Vec<Bench>,
    /// `Type/id` of what is made.
    pub made: BTreeSet<String>,
    pub puts: Vec<Put>,
    pub values: Vec<WrittenValue>,
}

/// A resource and the bench it is on.
#[derive(Clone, Debug)]
pub(super) struct On {
    pub bench: usize,
    pub resource_type: String,
    pub id: String,
}

/// What became of one intent.
#[derive(Debug)]
pub(super) enum Outcome {
    Created(On),
    /// It was there already: the condition says so.
    Exists(On),
    Updated(On, Form),
    Unchanged(On),
    Proposed(On, Proposal),
    /// With the resource whose released state the reason speaks of.
    Refused(Refused, Option<On>),
}

impl<'g> Stage<'g> {
    pub fn new(gateway: &'g Gateway, call: &'g Call, now: &'g Now) -> Stage<'g> {
        Stage {
            gateway,
            call,
            now,
            base: gateway.config.base(),
            benches: Vec::new(),
            made: BTreeSet::new(),
            puts: Vec::new(),
            values: Vec::new(),
        }
    }

    /// Where this resource is released to the writer.
    pub fn on(&self, resource_type: &str, id: &str) -> Option<On> {
        let bench = self
            .benches
            .iter()
            .position(|bench| bench.holds(resource_type, id))?;
        Some(On {
            bench,
            resource_type: resource_type.to_owned(),
            id: id.to_owned(),
        })
    }

    /// Is this permitted by the scopes, which may name a part of a type?
    pub fn permits(&self, permission: Permission, on: &On) -> bool {
        let (caller, kind) = (&self.call.caller, on.resource_type.as_str());
        let release = self.benches[on.bench].release.as_ref();
        let Some(release) = release.filter(|release| release.values(kind, &on.id).is_some()) else {
            return caller.scopes.may_all(permission, kind);
        };
        let permits = |of: &str, values: &Values| caller.scopes.permits(permission, of, values);
        let within = |of: &str, values: &Values| caller.within(of, values);
        let scoped = (&permits as &Permits<'_>, &within as &Permits<'_>);
        let asking = self.gateway.asking(&self.base, scoped, &self.call.request);
        release.shows(kind, &on.id, &asking)
    }

    /// Is what was made or changed, as it is released now, inside the scopes too?
    pub fn in_scope<'o>(&self, outcomes: impl Iterator<Item = &'o Outcome>) -> Result<(), Error> {
        for outcome in outcomes {
            let permitted = match outcome {
                Outcome::Created(on) => self.permits(Permission::Create, on),
                Outcome::Updated(on, _) => self.permits(Permission::Update, on),
                _ => true,
            };
            if !permitted {
                return Err(Error::OutOfScope);
            }
        }
        Ok(())
    }

    /// Who may not read it is shown none of it.
    pub fn shows(&self, on: &On, asked: Shows) -> Shows {
        match asked {
            Shows::Representation if !self.permits(Permission::Read, on) => Shows::Minimal,
            asked => asked,
        }
    }

    /// The id of the `number`th resource that this request makes.
    pub fn new_id(&self, resource_type: &str, number: usize) -> String {
        let gateway = self.gateway;
        let namespace = format!("partner:{}", self.call.caller.recipient.id);
        let own = gateway
            .entropy
            .id(&format!("resource {number} {}", self.call.request));
        resource_id(&gateway.keys.id, &[&namespace, resource_type, &own]).unwrap_or(own)
    }

    pub fn create(&mut self, body: &Value, id: &str) -> Outcome {
        let person = Kind::of(body["resourceType"].as_str().unwrap_or_default())
            .and_then(|kind| kind.person(body, &self.base))
            .and_then(|patient| self.on("Patient", &patient));
        let Some(person) = person else {
            return Outcome::Refused(nobody_named(body), None);
        };
        let bench = &self.benches[person.bench];
        let caller = &self.call.caller;
        let writer = bench.writer(self.gateway, caller, (self.now, &self.base), &self.made);
        let Some(writer) = writer else {
            return Outcome::Refused(nobody_named(body), None);
        };
        let stated = match contribute(&writer, body, id) {
            Ok(stated) => stated,
            Err(refused) => return Outcome::Refused(refused, None),
        };
        let on = On {
            bench: person.bench,
            resource_type: stated["resourceType"].as_str().unwrap_or_default().to_owned(),
            id: id.to_owned(),
        };
        self.put(
            &on,
            stated,
            &contribution(&caller.recipient.id, Standing::Waiting),
        );
        Outcome::Created(on)
    }

    pub fn change(&mut self, intent: &Intent) -> Outcome {
        let Some(target) = intent.target() else {
            return Outcome::Refused(Refused::NotSupported, None);
        };
        let on = self.on(target.resource_type, &target.id);
        let Some(on) = on.filter(|on| self.permits(Permission::Update, on)) else {
            return Outcome::Refused(Refused::NotFound, None);
        };
        let updated = match self.changed(intent, target, &on) {
            Ok(updated) => updated,
            Err(refused) => {
                let about = matches!(refused, Refused::Conflict(_)).then_some(on);
                return Outcome::Refused(refused, about);
            }
        };
        match updated {
            Updated::Nothing => Outcome::Unchanged(on),
            Updated::Proposed(proposal) => Outcome::Proposed(on, proposal),
            Updated::Written(form) => {
                self.put_form(&on, &form);
                Outcome::Updated(on, form)
            }
        }
    }

    fn changed(&self, intent: &Intent, target: &Target, on: &On) -> Result<Updated, Refused> {
        let bench = &self.benches[on.bench];
        let name = (target.resource_type, target.id.as_str());
        precondition(bench.release.as_deref(), name, target.version.as_deref())?;
        let writer = bench.writer(
            self.gateway,
            &self.call.caller,
            (self.now, &self.base),
            &self.made,
        );
        let writer = writer.ok_or(Refused::NotFound)?;
        let sighted = bench.sighted(name.0, name.1).ok_or(Refused::NotFound)?;
        match intent {
            Intent::Patch { patch, .. } => {
                let most = self.gateway.config.server.body_limit;
                let body = apply_to_released(writer.release, name, patch, most)?;
                update(&writer, sighted, &body)
            }
            Intent::Update { body, .. } => update(&writer, sighted, body),
            Intent::Create { .. } => Err(Refused::NotSupported),
        }
    }

    fn put_form(&mut self, on: &On, form: &Form) {
        let partner = self.call.caller.recipient.id.clone();
        let patient = self.benches[on.bench].patient.clone();
        let stored = self.benches[on.bench].record.find(&on.resource_type, &on.id);
        let own = stored
            .and_then(|stored| stored.contributed.clone())
            .filter(|own| own.by == partner);
        let source = match own {
            // What was declined and is stated again waits again.
            Some(Contributed { by, standing }) => contribution(
                &by,
                match standing {
                    Standing::Accepted => Standing::Accepted,
                    _ => Standing::Waiting,
                },
            ),
            None => {
                let reference = format!("{}/{}", on.resource_type, on.id);
                for (place, digest) in &form.values {
                    let written = &mut self.benches[on.bench].record.written;
                    written.insert(&partner, &reference, place, *digest);
                    self.values.push(WrittenValue {
                        resource_type: on.resource_type.clone(),
                        id: on.id.clone(),
                        partner: partner.clone(),
                        place: place.clone(),
                        digest: digest.to_vec(),
                        patient: Some(patient.clone()),
                        at: self.now.stamp(),
                    });
                }
                format!("partner:{partner}/update")
            }
        };
        self.put(on, form.body.clone(), &source);
    }

    /// Puts a form on its bench and among what will be recorded.
    fn put(&mut self, on: &On, body: Value, source: &str) {
        let bench = &mut self.benches[on.bench];
        self.puts.push(Put {
            resource_type: on.resource_type.clone(),
            id: on.id.clone(),
            patient: Some(bench.patient.clone()),
            source: source.to_owned(),
            body: body.to_string(),
            deleted: false,
            identifiers: identifiers(&body),
        });
        let version = bench
            .record
            .find(&on.resource_type, &on.id)
            .map_or(1, |stored| stored.version + 1);
        if let Some(stored) = Stored::new(body, version) {
            bench.place(crate::gateway::release::as_stated(stored, source));
        }
    }
}
