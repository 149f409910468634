//! What is a writer's own to write: what it stated itself and nobody made part of the record, the state of a referral it takes part
//! in, appointments. Everything else it sees it may propose. SEMANTICS 5

use serde_json::Value;

use super::writer::Writer;
use crate::disclosure::{Standing, Stored};
use crate::fhir::is_shared;
use crate::referral::By;

/// How far a writer may change a resource by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Right {
    All,
    /// The state of a referral, by one of its sides.
    Referral,
    /// An appointment that belongs to such a referral.
    Appointment,
    Propose,
}

/// Elements of a referral's Task that its sides write.
const OF_REFERRAL: [&str; 8] = [
    "status",
    "businessStatus",
    "statusReason",
    "output",
    "note",
    "executionPeriod",
    "lastModified",
    "owner",
];

/// Elements of an Appointment that who keeps it writes.
const OF_APPOINTMENT: [&str; 9] = [
    "status",
    "cancelationReason",
    "start",
    "end",
    "minutesDuration",
    "requestedPeriod",
    "comment",
    "patientInstruction",
    "participant",
];

impl Right {
    /// `released`: the resource as the writer sees it.
    pub fn of(writer: &Writer<'_>, stored: &Stored, released: &Value) -> Right {
        let own = stored
            .contributed
            .as_ref()
            .filter(|own| own.by == writer.recipient.id);
        let waits = own.is_some_and(|own| own.standing != Standing::Accepted);
        if waits || own.is_some() && stored.resource_type == "Appointment" {
            return Right::All;
        }
        match stored.resource_type.as_str() {
            shared if is_shared(shared) => Right::Propose,
            "Task" => match side(writer, released) {
                Some(_) => Right::Referral,
                None => Right::Propose,
            },
            "Appointment" if belongs(writer, released) => Right::Appointment,
            _ => Right::Propose,
        }
    }

    /// May all of these elements be written directly?
    pub fn covers(self, elements: &[String]) -> bool {
        let named = |list: &[&str]| elements.iter().all(|one| list.contains(&one.as_str()));
        match self {
            Right::All => true,
            Right::Referral => named(&OF_REFERRAL),
            Right::Appointment => named(&OF_APPOINTMENT),
            Right::Propose => false,
        }
    }
}

/// Which side of a referral the writer is, by what it sees of the Task; none of a Task that is no referral.
pub(super) fn side(writer: &Writer<'_>, task: &Value) -> Option<By> {
    let by = By {
        owner: writer.is_self(&task["owner"]),
        requester: writer.is_self(&task["requester"]),
    };
    (is_referral(task) && (by.owner || by.requester)).then_some(by)
}

/// A Task that asks for the fulfilment of a request; the actions of a plan are none.
pub(super) fn is_referral(task: &Value) -> bool {
    let codings = task["code"]["coding"].as_array().into_iter().flatten();
    codings
        .filter(|coding| coding["system"] == TASK_CODE)
        .any(|coding| coding["code"] == "fulfill")
}

pub(super) const TASK_CODE: &str = "http://hl7.org/fhir/CodeSystem/task-code";

/// Does an appointment rest on the request of a referral that the writer takes part in?
fn belongs(writer: &Writer<'_>, appointment: &Value) -> bool {
    let requests: Vec<&str> = appointment["basedOn"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|based| based["reference"].as_str())
        .collect();
    let tasks = writer.release.trees("Task");
    tasks
        .iter()
        .filter(|task| side(writer, task).is_some())
        .filter_map(|task| task["focus"]["reference"].as_str())
        .any(|focus| requests.contains(&focus))
}

/// Is every note that the writer saw still there, in its order, and the new ones behind them?
pub(super) fn appends(before: &Value, after: &Value) -> bool {
    let (before, after) = (before.as_array(), after.as_array());
    let before = before.map(Vec::as_slice).unwrap_or_default();
    after.map(Vec::as_slice).unwrap_or_default().starts_with(before)
}
