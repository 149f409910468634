//! May a referral go from one state to another, and may this side say so? Both states are as the writer sees them; what is
//! answered names nothing else. <https://hl7.org/fhir/R4/task.html#statemachine>

use serde_json::Value;

use super::milestone::Milestone;
use super::task_state;

/// Which side of the referral writes; an organisation can be both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct By {
    /// Who was asked (`Task.owner`).
    pub owner: bool,
    /// Who asked (`Task.requester`).
    pub requester: bool,
}

/// A step that is none. Its text names what may follow, from the state the writer sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Codes of milestones, or of Task states, that this side may write next.
    pub next: Vec<&'static str>,
    pub why: String,
}

/// Is `after` a state that may follow `before`? Nothing before it: a referral that is made.
pub fn check(before: Option<&Value>, after: &Value, by: By) -> Result<(), Refused> {
    let status = after["status"].as_str().unwrap_or_default();
    let milestone = Milestone::of(after);
    let Some(before) = before else {
        return created(milestone, status);
    };
    let (was, was_at) = (
        before["status"].as_str().unwrap_or_default(),
        Milestone::of(before),
    );
    if (was, was_at) == (status, milestone) {
        return Ok(());
    }
    match (was_at, milestone) {
        (None, None) => by_status(was, status, by),
        (Some(at), Some(to)) => by_milestone(&[at], (was, status), to, by),
        (None, Some(to)) => {
            let implied: Vec<Milestone> = Milestone::implied_by(was).collect();
            by_milestone(&implied, (was, status), to, by)
        }
        (Some(at), None) => Err(refused_at(
            &[at],
            by,
            "the businessStatus of a referral does not go away",
        )),
    }
}

fn created(milestone: Option<Milestone>, status: &str) -> Result<(), Refused> {
    let fits = milestone.is_none_or(|one| one == Milestone::Created);
    if fits && status == "requested" {
        return Ok(());
    }
    Err(Refused {
        next: vec![Milestone::Created.code()],
        why: "a referral begins with status requested, and with businessStatus 2.0 (Service Request Created) or none"
            .to_owned(),
    })
}

fn by_status(was: &str, status: &str, by: By) -> Result<(), Refused> {
    let may = |to: &&&str| {
        by.owner && task_state::is_said_by_owner(to) || by.requester && task_state::is_said_by_requester(to)
    };
    let next: Vec<&'static str> = task_state::next(was).iter().filter(may).copied().collect();
    if next.contains(&status) {
        return Ok(());
    }
    let why = match next.is_empty() {
        true => "this referral is closed, or its next step is the other side's".to_owned(),
        false => format!("from here the status goes on to {}", next.join(", ")),
    };
    Err(Refused { next, why })
}

fn by_milestone(at: &[Milestone], (was, status): (&str, &str), to: Milestone, by: By) -> Result<(), Refused> {
    // The same milestone may be known by another status: requested, then received.
    let stays = at.contains(&to) && was != status && by.owner;
    if !stays && !next_of(at, by).contains(&to) {
        return Err(refused_at(at, by, "no such step from here"));
    }
    if to.statuses().contains(&status) {
        return Ok(());
    }
    let why = format!(
        "businessStatus {} ({}) means status {}",
        to.code(),
        to.title(),
        to.statuses().join(" or ")
    );
    Err(Refused {
        next: vec![to.code()],
        why,
    })
}

/// What this side may write from any of these milestones.
fn next_of(at: &[Milestone], by: By) -> Vec<Milestone> {
    let may = |to: &Milestone| match to.is_said_by_requester() {
        true => by.requester,
        false => by.owner,
    };
    let mut next: Vec<Milestone> = at
        .iter()
        .flat_map(|one| one.next())
        .copied()
        .filter(may)
        .collect();
    next.sort();
    next.dedup();
    next
}

fn refused_at(at: &[Milestone], by: By, what: &str) -> Refused {
    let next = next_of(at, by);
    let named = next
        .iter()
        .map(|to| format!("{} {} (status {})", to.code(), to.title(), to.statuses()[0]));
    let why = match next.is_empty() {
        true => format!("{what}: this referral is closed, or its next step is the other side's"),
        false => format!("{what}; it goes on to {}", named.collect::<Vec<_>>().join(", ")),
    };
    Refused {
        next: next.into_iter().map(Milestone::code).collect(),
        why,
    }
}

#[cfg(test)]
mod tests {
    use super::super::milestone::{ALL, SYSTEM};
    use super::*;
    use serde_json::json;

    const OWNER: By = By {
        owner: true,
        requester: false,
    };
    const BOTH: By = By {
        owner: true,
        requester: true,
    };

    fn task(status: &str, milestone: Option<Milestone>) -> Value {
        let mut task = json!({"resourceType": "Task", "status": status});
        if let Some(milestone) = milestone {
            task["businessStatus"] = json!({"coding": [{"system": SYSTEM, "code": milestone.code()}]});
        }
        task
    }

    #[test]
    fn of_a_hundred_steps_exactly_the_listed_ones_are_legal() {
        for at in ALL {
            for to in ALL {
                let (before, after) = (task(at.statuses()[0], Some(at)), task(to.statuses()[0], Some(to)));
                let legal = check(Some(&before), &after, BOTH).is_ok();
                let listed = at.next().contains(&to) || at == to;
                assert_eq!(legal, listed, "{} to {}", at.code(), to.code());
            }
        }
    }

    #[test]
    fn a_status_that_does_not_fit_its_milestone_is_refused() {
        let sent = task("requested", Some(Milestone::Created));
        for (status, milestone) in [
            ("completed", Milestone::Accepted),
            ("requested", Milestone::Accepted),
            ("accepted", Milestone::Created),
        ] {
            let after = task(status, Some(milestone));
            assert!(
                check(Some(&sent), &after, OWNER).is_err(),
                "{status} {milestone:?}"
            );
        }
        let received = task("received", Some(Milestone::Created));
        assert_eq!(check(Some(&sent), &received, OWNER), Ok(()));
    }

    #[test]
    fn a_side_says_what_is_its_own_to_say() {
        let sent = task("requested", Some(Milestone::Created));
        let asked = task("in-progress", Some(Milestone::CancellationRequested));
        let refused = check(Some(&sent), &asked, OWNER).expect_err("the owner does not ask for that");
        assert_eq!(refused.next, ["3.0", "4.0"]);
        let requester = By {
            owner: false,
            requester: true,
        };
        assert_eq!(check(Some(&sent), &asked, requester), Ok(()));
        let accepted = task("accepted", Some(Milestone::Accepted));
        assert_eq!(
            check(Some(&sent), &accepted, requester)
                .expect_err("not its to say")
                .next,
            ["5.2"]
        );
    }

    #[test]
    fn without_a_milestone_the_status_follows_r4() {
        let (sent, accepted) = (task("requested", None), task("accepted", None));
        assert_eq!(check(Some(&sent), &accepted, OWNER), Ok(()));
        let refused = check(Some(&sent), &task("completed", None), OWNER).expect_err("too far");
        assert_eq!(
            refused.next,
            ["received", "accepted", "rejected", "ready", "cancelled"]
        );
        assert!(check(Some(&task("completed", None)), &sent, BOTH).is_err());
        let scheduled = task("in-progress", Some(Milestone::Scheduled));
        assert_eq!(check(Some(&accepted), &scheduled, OWNER), Ok(()));
        assert!(check(Some(&scheduled), &task("completed", None), OWNER).is_err());
    }

    #[test]
    fn a_referral_begins_at_its_beginning() {
        assert_eq!(
            check(None, &task("requested", Some(Milestone::Created)), BOTH),
            Ok(())
        );
        assert_eq!(check(None, &task("requested", None), BOTH), Ok(()));
        assert!(check(None, &task("completed", Some(Milestone::Completed)), BOTH).is_err());
        assert!(check(None, &task("accepted", Some(Milestone::Created)), BOTH).is_err());
    }
}
