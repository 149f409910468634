//! Inferno's US Core 6.1.0 groups, over the two patients of its reference server as a practice is served them: of each
//! profile every search and combination that Inferno tries, read, `_revinclude`, references, and the claim of the profile.
//! A search has to find exactly what R4 says, worked out from the released resources by the harness.
//! <https://github.com/inferno-framework/us-core-test-kit>, <http://hl7.org/fhir/us/core/STU6.1/CapabilityStatement-us-core-server.html>

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::harness::{
    Asked, Engine, Group, MAPLE, Partner, Search, World, inferno_groups, moved, reference, references_in,
    stories,
};

stories!(each_group_of_inferno_holds);

/// Tests of groups whose types are served, for which the two patients have nothing that Inferno could ask with: no
/// QuestionnaireResponse, no value of that element, nothing that leads to a PractitionerRole.
const WITHOUT_DATA: &[&str] = &[
    "us_core_v610_practitioner_role_read_test",
    "us_core_v610_practitioner_role_validation_test",
    "us_core_v610_questionnaire_response__id_search_test",
    "us_core_v610_questionnaire_response_patient_search_test",
    "us_core_v610_questionnaire_response_provenance_revinclude_search_test",
    "us_core_v610_questionnaire_response_read_test",
    "us_core_v610_questionnaire_response_validation_test",
];

/// Searches that are refused, and why. A person is found by an identifier that the partner has, or by `$match`, which finds
/// one or nobody; by a name one could look through everybody. A team is found by its person.
const REFUSED: &[&str] = &[
    "us_core_v610_care_team_role_search_test",
    "us_core_v610_patient_name_search_test",
    "us_core_v610_patient_birthdate_family_search_test",
    "us_core_v610_patient_family_gender_search_test",
    "us_core_v610_patient_birthdate_name_search_test",
    "us_core_v610_patient_gender_name_search_test",
    "us_core_v610_patient_death_date_family_search_test",
];

/// Whose resources, by type: what each person's release holds.
type Released = Vec<(String, BTreeMap<String, Vec<Value>>)>;

async fn each_group_of_inferno_holds(engine: Engine) {
    let Some(groups) = inferno_groups() else { return };
    let world = World::empty(engine).await;
    let Some(people) = world.us_core(MAPLE).await else {
        return;
    };
    let partner = world.partner(MAPLE).await;
    let mut released = Released::new();
    for person in &people {
        let mut types: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for one in partner.everything(person).await.into_values() {
            let kind = one["resourceType"].as_str().unwrap_or_default().to_owned();
            types.entry(kind).or_default().push(one);
        }
        released.push((person.clone(), types));
    }
    let data_set = &world.gateway.rules.data_sets[MAPLE.class];
    let mut told = Told::default();
    for group in &groups {
        // A Provenance is tried with each resource it is of.
        if group.resource() == "Provenance" || data_set.profile(group.resource()).is_none() {
            continue;
        }
        let mut trial = Trial {
            partner: &partner,
            group,
            released: &released,
            told: &mut told,
        };
        trial.searches().await;
        trial.read().await;
        if data_set.profile("Provenance").is_some() {
            trial.provenance().await;
        }
        trial.references();
        trial.claims();
    }
    println!("{} tests of Inferno hold", told.held.len());
    for (id, times) in &told.held {
        println!("held {times:>4} {id}");
    }
    println!("{} have nothing to ask with", told.without.len());
    for id in &told.without {
        println!("without   {id}");
    }
    assert!(told.wrong.is_empty(), "{}", told.wrong.join("\n"));
    let known: BTreeSet<String> = WITHOUT_DATA.iter().map(|id| (*id).to_owned()).collect();
    let refused: BTreeSet<String> = REFUSED.iter().map(|id| (*id).to_owned()).collect();
    assert_eq!(told.refused, refused, "refused, and each tried");
    assert_eq!(told.without, known, "tests that found nothing to ask with");
}

/// What came of it.
#[derive(Default)]
struct Told {
    /// Inferno's test, and how many requests or resources it took.
    held: BTreeMap<String, usize>,
    without: BTreeSet<String>,
    refused: BTreeSet<String>,
    wrong: Vec<String>,
}

impl Told {
    fn holds(&mut self, id: &str, times: usize) {
        match times {
            0 => {
                self.without.insert(id.to_owned());
            }
            times => *self.held.entry(id.to_owned()).or_default() += times,
        }
    }
}

/// One group tried.
struct Trial<'t, 'w> {
    partner: &'t Partner<'w>,
    group: &'t Group,
    released: &'t Released,
    told: &'t mut Told,
}

fn query(asked: &[Asked]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(asked)
        .finish()
}

fn names(resources: &[Value]) -> BTreeSet<String> {
    resources.iter().map(reference).collect()
}

impl Trial<'_, '_> {
    async fn searches(&mut self) {
        if self.group.is_delayed() {
            return;
        }
        for (at, search) in self.group.searches().iter().enumerate() {
            let (mut requests, mut refused) = (0, false);
            let across = !search.names.iter().any(|name| name == "patient");
            for (person, types) in self.released {
                let own: Vec<&Value> = self.of_group(types);
                let found = own
                    .iter()
                    .find_map(|one| Some((*one, self.asked(person, search, one)?)));
                let Some((one, asked)) = found else { continue };
                let whose = |of: &str| across || of == person;
                let people = self.released.iter().filter(|(of, _)| whose(of));
                let all =
                    people.flat_map(|(_, types)| types.get(self.group.resource()).into_iter().flatten());
                let all: Vec<Value> = all.cloned().collect();
                if REFUSED.contains(&self.group.search_test(search).as_str()) {
                    let answer = self.partner.get(&self.path(&asked)).await;
                    assert_eq!(answer.status, 400, "{}", answer.text());
                    refused = true;
                    continue;
                }
                requests += self.try_search(person, &all, &asked).await;
                requests += self.forms(person, &all, one, &asked, at == 0).await;
            }
            let test = self.group.search_test(search);
            if refused {
                self.told.refused.insert(test);
            } else if requests > 0 || search.expectation == "SHALL" {
                self.told.holds(&test, requests);
            }
        }
    }

    /// The search with values of this resource.
    fn asked(&self, person: &str, search: &Search, resource: &Value) -> Option<Vec<Asked>> {
        let value = |name: &String| match name.as_str() {
            "patient" => Some(person.to_owned()),
            name => self.group.value_for(resource, name),
        };
        let asked = search.names.iter().map(|name| Some((name.clone(), value(name)?)));
        asked.collect()
    }

    /// Every way of the search that Inferno tries beside the plain one; comes out with how many.
    async fn forms(
        &mut self,
        person: &str,
        all: &[Value],
        one: &Value,
        asked: &[Asked],
        first: bool,
    ) -> usize {
        let mut tried = 0;
        let with = |at: usize, value: String| {
            let mut asked = asked.to_vec();
            asked[at].1 = value;
            asked
        };
        for (at, (name, value)) in asked.iter().enumerate() {
            if name == "patient" && first {
                tried += self
                    .try_search(person, all, &with(at, format!("Patient/{person}")))
                    .await;
                tried += self.try_post(person, all, asked).await;
            }
            let parameter = self.group.parameter(name);
            let is_token = matches!(parameter["type"].as_str(), Some("CodeableConcept" | "Coding"));
            if let Some(both) = self.group.value_with_system(one, name).filter(|_| is_token) {
                tried += self.try_search(person, all, &with(at, both)).await;
            }
            if parameter["multiple_or"] == "SHALL" {
                let every = all.iter().flat_map(|one| self.group.all_values(one, name));
                let every: BTreeSet<String> = every.collect();
                let joined = every.into_iter().collect::<Vec<_>>().join(",");
                tried += self.try_search(person, all, &with(at, joined)).await;
            }
            for (prefix, hours) in [("gt", -24), ("ge", -24), ("lt", 24), ("le", 24)] {
                // What was asked of a period lies a day beside it.
                let (plain, back) = match value.split_at_checked(2) {
                    Some(("gt", date)) => (date, 24),
                    Some(("lt", date)) => (date, -24),
                    _ => (value.as_str(), 0),
                };
                if parameter["comparators"][prefix] != "SHALL" {
                    continue;
                }
                let Some(other) = moved(plain, hours + back) else {
                    continue;
                };
                tried += self
                    .try_search(person, all, &with(at, format!("{prefix}{other}")))
                    .await;
            }
        }
        tried
    }

    fn path(&self, asked: &[Asked]) -> String {
        format!("{}?{}", self.group.resource(), query(asked))
    }

    /// One search: it finds those that answer to it, all of them and no other.
    async fn try_search(&mut self, person: &str, all: &[Value], asked: &[Asked]) -> usize {
        let path = self.path(asked);
        let mut found = Vec::new();
        let mut next = Some(path.clone());
        while let Some(page) = next {
            let answer = self.partner.get(&page).await;
            if answer.status != 200 {
                self.told
                    .wrong
                    .push(format!("{path}: {} {}", answer.status, answer.text()));
                return 1;
            }
            found.extend(answer.matches());
            next = answer.next_page();
        }
        self.compare(person, all, asked, &found, &path)
    }

    async fn try_post(&mut self, person: &str, all: &[Value], asked: &[Asked]) -> usize {
        let pairs: Vec<(&str, &str)> = asked.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let path = format!("{}/_search?_count=500", self.group.resource());
        let answer = self.partner.post(&path, &pairs).await;
        if answer.status != 200 {
            self.told.wrong.push(format!("POST {path}: {}", answer.text()));
        }
        self.compare(person, all, asked, &answer.matches(), &path)
    }

    fn compare(
        &mut self,
        person: &str,
        all: &[Value],
        asked: &[Asked],
        found: &[Value],
        path: &str,
    ) -> usize {
        let criteria: Vec<Asked> = asked
            .iter()
            .filter(|(name, _)| name != "patient")
            .cloned()
            .collect();
        let expected: Vec<Value> = all
            .iter()
            .filter(|one| self.group.answers(one, &criteria))
            .cloned()
            .collect();
        let (expected, found) = (names(&expected), names(found));
        if expected != found || found.is_empty() {
            let missing: Vec<&String> = expected.difference(&found).take(3).collect();
            let more: Vec<&String> = found.difference(&expected).take(3).collect();
            self.told.wrong.push(format!(
                "{path} of {person}: {} found, {} expected; missing {missing:?}, too many {more:?}",
                found.len(),
                expected.len()
            ));
        }
        1
    }

    /// Every resource of the group read by its id is what was found.
    async fn read(&mut self) {
        let mut read = 0;
        for (_, types) in self.released {
            for one in self.of_group(types).into_iter().take(5) {
                let answer = self.partner.get(&reference(one)).await;
                read += 1;
                if answer.json() != *one {
                    self.told
                        .wrong
                        .push(format!("read {} is another", reference(one)));
                }
            }
        }
        self.told.holds(&self.group.test("read"), read);
    }

    fn of_group<'r>(&self, types: &'r BTreeMap<String, Vec<Value>>) -> Vec<&'r Value> {
        let all = types.get(self.group.resource()).into_iter().flatten();
        all.filter(|one| self.group.covers(one)).collect()
    }

    /// `_revinclude=Provenance:target` brings who wrote each match and that it was transmitted.
    async fn provenance(&mut self) {
        if !self
            .group
            .revincludes()
            .iter()
            .any(|link| link == "Provenance:target")
        {
            return;
        }
        let mut brought = 0;
        for (person, types) in self.released {
            let own = self.of_group(types);
            let searches = self.group.searches();
            let Some((first, one)) = searches.first().zip(own.first()) else {
                continue;
            };
            let Some(asked) = self.asked(person, first, one) else {
                continue;
            };
            let path = format!(
                "{}?{}&_revinclude=Provenance:target",
                self.group.resource(),
                query(&asked)
            );
            let answer = self.partner.get(&path).await;
            let all = answer.resources();
            let (provenance, matches): (Vec<Value>, Vec<Value>) = all
                .into_iter()
                .partition(|one| one["resourceType"] == "Provenance");
            let targets: BTreeSet<String> = provenance
                .iter()
                .flat_map(|one| references_in(&one["target"]))
                .collect();
            if targets != names(&matches) {
                self.told.wrong.push(format!(
                    "{path}: Provenance of {} of {}",
                    targets.len(),
                    matches.len()
                ));
            }
            brought += provenance.len();
        }
        self.told
            .holds(&self.group.test("provenance_revinclude_search"), brought);
    }

    /// Each reference that the profile asks for leads to a resource of the release.
    fn references(&mut self) {
        let mut led = 0;
        for (_, types) in self.released {
            let there: BTreeSet<String> = types.values().flatten().map(reference).collect();
            for one in self.of_group(types) {
                for target in self.group.must_support_references(one) {
                    led += 1;
                    if !target.starts_with('#') && !there.contains(&target) {
                        self.told.wrong.push(format!(
                            "{} leads to {target}, which is not there",
                            reference(one)
                        ));
                    }
                }
            }
        }
        if led > 0 {
            self.told.holds(&self.group.test("reference_resolution"), led);
        }
    }

    /// Each resource that the group's first search finds says that it conforms, which `settle` checks.
    fn claims(&mut self) {
        let mut claimed = 0;
        for (_, types) in self.released {
            let all = self.of_group(types);
            let claims = |one: &&Value| {
                let profiles = one["meta"]["profile"].as_array().into_iter().flatten();
                profiles.into_iter().any(|url| url == self.group.profile())
            };
            claimed += all.iter().filter(|one| claims(one)).count();
        }
        self.told.holds(&self.group.test("validation"), claimed);
    }
}
