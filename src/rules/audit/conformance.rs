//! Tests: every kind of event passes the R4 gate and meets the BALP profile it claims, slice by slice, as the
//! package's own StructureDefinitions say. <https://profiles.ihe.net/ITI/BALP/artifacts.html>

use super::*;
use crate::fhir::{Instant, Severity, gate, json};
use crate::log::Projection as _;
use crate::validation::tests::packages;
use proptest::prelude::*;
use serde_json::Value;

pub(super) const GATEWAY: Gateway<'static> = Gateway {
    reference: "Device/postern",
    name: "Postern at Hearthstone",
    base: "https://postern.example/fhir",
    custodian: Party {
        name: "Hearthstone Community Services",
        system: "http://hl7.org/fhir/sid/us-npi",
        identifier: "1234567893",
    },
};

pub(super) fn occasion() -> Occasion<'static> {
    let recorded = Instant::parse("2026-11-21T21:40:03.123456Z").unwrap();
    Occasion {
        gateway: &GATEWAY,
        recorded,
        request: "req-0001",
    }
}

pub(super) fn caller() -> Caller<'static> {
    Caller {
        client_id: "riverbend-ehr",
        organisation: Party {
            name: "Riverbend Primary Care",
            system: "",
            identifier: "riverbend",
        },
        address: "203.0.113.7",
        person: Some(Person {
            name: "Dr. Ana Ruiz",
            id: "aruiz",
        }),
    }
}

const RELEASED: &[Released<'static>] = &[
    Released {
        reference: "CarePlan/c1",
        version: "5f2a",
    },
    Released {
        reference: "Goal/g1",
        version: "77b0",
    },
    Released {
        reference: "Goal/g2",
        version: "77b1",
    },
];
const WITHHELD: &[Withheld<'static>] = &[Withheld {
    path: "CarePlan.activity[3]",
    rule: "part2-no-consent",
    label: "ETH",
}];

pub(super) fn disclosure<'a>(caller: &'a Caller<'a>) -> Disclosure<'a> {
    Disclosure {
        caller,
        purpose: "TREAT",
        patient: "Patient/p1",
        interaction: "read",
        released: RELEASED,
        withheld: WITHHELD,
        data_set: "primary-care",
        profiles: "1.0.0",
        basis: Basis {
            legal: "part2-consent",
            general_designation: false,
            via_ehr: true,
            consents: &[ConsentUsed {
                consent: "Consent/k1",
                provision: "provision.provision[1]",
            }],
        },
    }
}

/// One event of every kind of facts, with `text` wherever a caller chooses one.
fn every_event(occasion: &Occasion<'_>, caller: &Caller<'_>, text: &str) -> Vec<Event> {
    let (salt, purpose, patient) = ([7; 16], "TREAT", "Patient/p1");
    let query = text.as_bytes();
    let person = Person { name: text, id: "s1" };
    let source = Party {
        name: text,
        system: "",
        identifier: "casebook",
    };
    let mut events = vec![
        Read {
            caller,
            purpose,
            patient,
            interaction: "vread",
            resource: "CarePlan/c1",
        }
        .event(occasion, salt),
        Query {
            caller,
            purpose,
            patient,
            interaction: "search-type",
            query,
        }
        .event(occasion, salt),
        Query {
            caller,
            purpose,
            patient,
            interaction: "operation",
            query,
        }
        .event(occasion, salt),
        Disclosure {
            purpose: text,
            ..disclosure(caller)
        }
        .event(occasion, salt),
        Disclosure {
            interaction: "",
            released: &[],
            withheld: &[],
            basis: Basis::default(),
            ..disclosure(caller)
        }
        .event(occasion, salt),
        Refusal {
            caller,
            purpose,
            patient: "",
            interaction: "read",
            query,
            reason: text,
            outcome: Outcome::SeriousFailure,
        }
        .event(occasion, salt),
        Token {
            caller,
            purpose,
            request: text,
            jti: text,
            scope: "system/CarePlan.rs",
            refused: "",
            details: &[("organization", text)],
        }
        .event(occasion, salt),
        Token {
            caller,
            purpose: "",
            request: "",
            jti: "",
            scope: "",
            refused: "unknown client",
            details: &[],
        }
        .event(occasion, salt),
    ];
    for (update, written) in [(false, &["CarePlan/c1", "Goal/g1"][..]), (true, &["Consent/k1"])] {
        let intake = Intake {
            source,
            address: text,
            staff: person,
            patient,
            update,
            written,
            mapping: "hearthstone/care-plan",
        };
        events.push(intake.event(occasion, salt));
        events.push(
            Intake {
                patient: "",
                ..intake
            }
            .event(occasion, salt),
        );
        events.push(
            Intake {
                staff: Person::default(),
                ..intake
            }
            .event(occasion, salt),
        );
    }
    for (kind, interaction) in [
        (Kind::Create, "create"),
        (Kind::Update, "patch"),
        (Kind::Proposal, "update"),
    ] {
        let write = Write {
            kind,
            caller,
            purpose,
            patient,
            interaction,
            resource: "Task/t1",
            details: &[("element", text), ("blank", "")],
        };
        events.push(write.event(occasion, salt));
        events.push(
            Write {
                details: &[],
                ..write
            }
            .event(occasion, salt),
        );
    }
    for kind in [Kind::TokenIntrospected, Kind::TokenRevoked] {
        let details = [("active", "yes"), ("client", text), ("blank", "")];
        let act = TokenAct {
            kind,
            caller,
            details: &details,
        };
        events.push(act.event(occasion, salt));
    }
    for kind in [Kind::BreakGlass, Kind::RequestMore, Kind::Validation] {
        let details = [("nature", text), ("affiliation", "x"), ("blank", "")];
        let reason = if patient.is_empty() { "nobody meant" } else { "" };
        let outcome = Outcome::Success;
        let called = Operation {
            kind,
            caller,
            purpose,
            patient,
            details: &details,
            outcome,
            reason,
        };
        events.push(called.event(occasion, salt));
    }
    for kind in [
        Kind::WorkOpened,
        Kind::WorkTaken,
        Kind::PartnerAdded,
        Kind::AuditRead,
        Kind::Export,
        Kind::BreakGlass,
        Kind::GrantEnded,
        Kind::Started,
    ] {
        events.push(Act::of(kind, Person::default()).event(occasion, salt));
        let details = [("note", text), (text, "x")];
        let full = Act {
            partner: Some(&source),
            purpose,
            patient,
            item: "Task/t1",
            details: &details,
            ..Act::of(kind, person)
        };
        events.push(full.event(occasion, salt));
    }
    events
}

fn check(event: &Event) -> Value {
    let body = json::parse(event.body.as_bytes()).unwrap();
    assert_eq!(gate::check(&body), [], "{}", event.body);
    assert_eq!(
        Columns::from_body(&body).as_ref(),
        Some(&event.columns),
        "{}",
        event.body
    );
    assert_eq!(event.columns.differs(event.body.as_bytes()), None);
    body
}

#[test]
fn every_event_passes_the_gate_and_its_profile() {
    let anonymous = Caller {
        person: None,
        ..caller()
    };
    let unknown = Caller {
        client_id: "",
        organisation: Party::default(),
        address: "",
        person: None,
    };
    for caller in [caller(), anonymous, unknown] {
        for event in every_event(&occasion(), &caller, "some text") {
            let body = check(&event);
            let problems = errors(&body);
            assert!(problems.is_empty(), "{problems:#?}\n{}", event.body);
        }
    }
}

/// By R4 and by the profile that the event claims, where the package of BALP lies beside the repository.
fn errors(event: &Value) -> Vec<String> {
    let Some(definitions) = packages::all() else {
        return Vec::new();
    };
    let issues = definitions.validate(event, &[]).into_iter();
    let errors = issues.filter(|issue| issue.severity <= Severity::Error);
    errors.map(|issue| issue.to_string()).collect()
}

/// The package's own examples pass, and fail once a role is turned.
#[test]
fn the_examples_of_the_package_meet_their_profiles() {
    let Some(folder) = packages::shared("examples/balp-audit-events") else {
        println!("skipped: no examples of BALP beside the repository");
        return;
    };
    for (name, bytes) in packages::json_files(&folder) {
        let mut event = json::parse(&bytes).unwrap();
        assert_eq!(errors(&event), [""; 0], "{name}");
        let profile = event["meta"]["profile"][0].as_str().unwrap_or_default();
        if !profile.contains("accessTokenUse") {
            event["agent"][0]["type"]["coding"][0]["code"] = "110199".into();
            assert_ne!(errors(&event), [""; 0], "{name} with another role");
        }
    }
}

#[test]
fn profiles_are_claimed_where_they_hold() {
    let events = every_event(&occasion(), &caller(), "some text");
    let claimed: Vec<String> = events
        .iter()
        .filter_map(|event| {
            check(event)["meta"]["profile"][0]
                .as_str()
                .map(|url| url.rsplit('/').next().unwrap().to_owned())
        })
        .collect();
    assert_eq!(
        claimed,
        [
            "IHE.BasicAudit.PatientRead",
            "IHE.BasicAudit.PatientQuery",
            "IHE.BasicAudit.PrivacyDisclosure.Source",
            "IHE.BasicAudit.PrivacyDisclosure.Source",
            "IHE.IUA.71",
            "IHE.BasicAudit.PatientCreate",
            "IHE.BasicAudit.Create",
            "IHE.BasicAudit.PatientCreate",
            "IHE.BasicAudit.PatientUpdate",
            "IHE.BasicAudit.Update",
            "IHE.BasicAudit.PatientUpdate",
            "IHE.BasicAudit.PatientCreate",
            "IHE.BasicAudit.PatientCreate",
            "IHE.BasicAudit.PatientUpdate",
            "IHE.BasicAudit.PatientUpdate",
        ]
    );
}

/// The must-haves that hold without the package: directions, the two events linked, nothing withheld inside.
#[test]
fn roles_flip_with_the_direction_of_the_data() {
    let caller = caller();
    let code = |event: &Event, at: usize| {
        check(event)["agent"][at]["type"]["coding"][0]["code"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let events = every_event(&occasion(), &caller, "some text");
    let (read, query, disclosed) = (&events[0], &events[1], &events[3]);
    assert_eq!(
        (code(read, 0), code(read, 1)),
        ("110152".to_owned(), "110153".to_owned())
    );
    assert_eq!(
        (code(query, 0), code(query, 1)),
        ("110153".to_owned(), "110152".to_owned())
    );
    let body = check(disclosed);
    assert_eq!(body["agent"][0]["who"], body["source"]["observer"]);
    assert_eq!(read.columns.request, disclosed.columns.request);
    assert_eq!(
        (disclosed.columns.released_count, disclosed.columns.withheld_count),
        (3, 1)
    );
    assert!(
        disclosed
            .body
            .contains("CarePlan.activity[3] | part2-no-consent | ETH")
    );
    assert_ne!(read.columns.id, "07".repeat(16), "the id does not tell the salt");
}

#[test]
fn a_changed_column_is_named() {
    let event = disclosure(&caller()).event(&occasion(), [7; 16]);
    let body = event.body.as_bytes();
    let good = &event.columns;
    for (changed, name) in [
        (
            Columns {
                patient: None,
                ..good.clone()
            },
            "patient",
        ),
        (
            Columns {
                partner: Some("other".to_owned()),
                ..good.clone()
            },
            "partner",
        ),
        (
            Columns {
                recorded: Instant(good.recorded.0 + 1),
                ..good.clone()
            },
            "recorded",
        ),
        (
            Columns {
                withheld_count: 0,
                ..good.clone()
            },
            "withheld",
        ),
    ] {
        assert_eq!(changed.differs(body), Some(name));
    }
    assert_eq!(good.differs(b"{}"), Some("body"));
}

#[test]
fn a_line_says_who_saw_what_and_why() {
    let caller = caller();
    let event = disclosure(&caller).event(&occasion(), [7; 16]);
    let line = Line::of(&event.columns, &check(&event)).to_string();
    assert_eq!(
        line,
        "2026-11-21T21:40:03Z · Dr. Ana Ruiz, Riverbend Primary Care · disclosure: CarePlan, 2 Goal · TREAT · \
         part2-consent, Consent/k1 provision.provision[1] · 1 withheld"
    );
    let anonymous = Caller {
        person: None,
        ..caller
    };
    let event = disclosure(&anonymous).event(&occasion(), [7; 16]);
    let line = Line::of(&event.columns, &check(&event));
    assert_eq!(line.who, "system of Riverbend Primary Care; person not stated");
    assert_eq!(Line::of(&event.columns, &Value::Null).what, "disclosure");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn texts_that_callers_choose_break_nothing(text in "\\PC{0,40}|(?s).{0,40}", id in "\\PC{0,20}", request in ".{0,20}") {
        let occasion = Occasion { request: &request, ..occasion() };
        let organisation = Party { name: &text, system: "", identifier: &id };
        let caller = Caller { client_id: &id, organisation, address: &text, person: Some(Person { name: &text, id: &id }) };
        for event in every_event(&occasion, &caller, &text) {
            check(&event);
        }
    }
}
