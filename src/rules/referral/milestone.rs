//! The ten milestones of a referral, the status of the Task that each means, and what may follow it.
//! <http://hl7.org/fhir/us/bser/CodeSystem/TaskBusinessStatusCS>

use serde_json::Value;

/// The code system of `Task.businessStatus`.
pub const SYSTEM: &str = "http://hl7.org/fhir/us/bser/CodeSystem/TaskBusinessStatusCS";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Milestone {
    Created,
    Accepted,
    Declined,
    Scheduled,
    Unattended,
    EventCancelled,
    EventCompleted,
    CancellationRequested,
    Cancelled,
    Completed,
}

use Milestone::{
    Accepted, CancellationRequested, Cancelled, Completed, Created, Declined, EventCancelled, EventCompleted,
    Scheduled, Unattended,
};

/// In the order in which a referral comes by them.
pub(super) const ALL: [Milestone; 10] = [
    Created,
    Accepted,
    Declined,
    Scheduled,
    Unattended,
    EventCancelled,
    EventCompleted,
    CancellationRequested,
    Cancelled,
    Completed,
];

impl Milestone {
    /// The milestone a Task states; `None` when it states none of this system.
    pub fn of(task: &Value) -> Option<Milestone> {
        let codings = task["businessStatus"]["coding"].as_array()?;
        let own = codings.iter().filter(|coding| coding["system"] == SYSTEM);
        own.filter_map(|coding| Milestone::named(coding["code"].as_str()?))
            .next()
    }

    pub fn named(code: &str) -> Option<Milestone> {
        ALL.into_iter().find(|one| one.code() == code)
    }

    pub fn code(self) -> &'static str {
        match self {
            Created => "2.0",
            Accepted => "3.0",
            Declined => "4.0",
            Scheduled => "5.1.1",
            Unattended => "5.1.2",
            EventCancelled => "5.1.3",
            EventCompleted => "5.1.4",
            CancellationRequested => "5.2",
            Cancelled => "6.0",
            Completed => "7.0",
        }
    }

    /// As the code system displays it.
    pub fn title(self) -> &'static str {
        match self {
            Created => "Service Request Created",
            Accepted => "Service Request Accepted",
            Declined => "Service Request Declined",
            Scheduled => "Service Request Event Scheduled",
            Unattended => "Scheduled Service Request Event Unattended",
            EventCancelled => "Scheduled Service Request Event Cancelled",
            EventCompleted => "Service Request Event Completed",
            CancellationRequested => "Service Request Cancellation Requested",
            Cancelled => "Service Request Fulfillment Cancelled",
            Completed => "Service Request Fulfillment Completed",
        }
    }

    /// What `Task.status` is at this milestone; the first one is the usual.
    pub fn statuses(self) -> &'static [&'static str] {
        match self {
            Created => &["requested", "received", "draft"],
            Accepted => &["accepted"],
            Declined => &["rejected"],
            Scheduled | Unattended | EventCancelled | EventCompleted | CancellationRequested => {
                &["in-progress"]
            }
            Cancelled => &["cancelled"],
            Completed => &["completed"],
        }
    }

    /// The milestones that a status may stand for where none is stated.
    pub(super) fn implied_by(status: &str) -> impl Iterator<Item = Milestone> {
        let meant = move |one: &Milestone| one.statuses().contains(&status) && *one != CancellationRequested;
        ALL.into_iter().filter(meant)
    }

    /// What may follow. With the creation these are BSeR's thirty transitions.
    pub fn next(self) -> &'static [Milestone] {
        match self {
            Created => &[Accepted, Declined, CancellationRequested],
            Accepted => &[
                Declined,
                Scheduled,
                EventCompleted,
                CancellationRequested,
                Completed,
            ],
            Scheduled => &[
                Declined,
                Scheduled,
                Unattended,
                EventCancelled,
                EventCompleted,
                CancellationRequested,
                Completed,
            ],
            Unattended => &[Declined, Scheduled, EventCancelled, CancellationRequested],
            EventCancelled => &[Scheduled, CancellationRequested],
            EventCompleted => &[
                Declined,
                Scheduled,
                EventCancelled,
                EventCompleted,
                CancellationRequested,
                Completed,
            ],
            CancellationRequested => &[Cancelled, Completed],
            Declined | Cancelled | Completed => &[],
        }
    }

    /// Only who asked for the service asks for its cancellation; all else is said by who was asked.
    pub(super) fn is_said_by_requester(self) -> bool {
        matches!(self, Created | CancellationRequested)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_thirty_transitions_with_the_creation() {
        let pairs: usize = ALL.into_iter().map(|one| one.next().len()).sum();
        assert_eq!(pairs + 1, 30);
    }

    /// The code system as the guide publishes it, where it is at hand.
    #[test]
    fn codes_and_titles_are_those_of_the_guide() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../../shared/packages/bser-2.0.0-ballot/CodeSystem-TaskBusinessStatusCS.json"
        );
        let Ok(text) = std::fs::read(path) else {
            return eprintln!("skipped: no BSeR package beside this checkout");
        };
        let system = crate::fhir::json::parse(&text).expect("JSON");
        assert_eq!(system["url"], SYSTEM);
        let concepts = system["concept"].as_array().expect("concepts");
        assert_eq!(concepts.len(), ALL.len());
        for concept in concepts {
            let own = Milestone::named(concept["code"].as_str().expect("a code")).expect("it is known");
            assert_eq!(concept["display"].as_str().map(str::trim), Some(own.title()));
        }
    }
}
