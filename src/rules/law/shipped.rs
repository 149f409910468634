//! The state files that come with Postern (`profiles/law/` at the top of the repository). A deployment may load its own from disk the
//! same way.

use std::collections::HashMap;

use super::StateLaw;
use crate::fhir::{Issue, IssueCode};

const FILES: [(&str, &str); 2] = [
    ("neutral.json", include_str!("../../../profiles/law/neutral.json")),
    (
        "illinois.json",
        include_str!("../../../profiles/law/illinois.json"),
    ),
];

/// The shipped states by name, loaded and checked.
pub fn states() -> Result<HashMap<String, StateLaw>, Vec<Issue>> {
    let mut states = HashMap::new();
    let mut problems = Vec::new();
    for (file, text) in FILES {
        let parsed = serde_json::from_str(text).map_err(|e| {
            let why = format!("is not JSON: line {}", e.line());
            vec![Issue::error(IssueCode::Structure, file, why)]
        });
        match parsed.and_then(|value| StateLaw::load(&value)) {
            Ok(state) => {
                states.insert(state.name().to_owned(), state);
            }
            Err(issues) => problems.extend(issues),
        }
    }
    if problems.is_empty() {
        Ok(states)
    } else {
        Err(problems)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::Programs;
    use crate::law::Confidence;

    #[test]
    fn the_shipped_states_load_and_say_what_was_not_read() {
        let states = states().expect("both load");
        let illinois = &states["illinois"];
        assert!(illinois.governs(Programs::named("mental-health").expect("a kind")));
        assert!(!illinois.governs(Programs::named("substance-use").expect("a kind")));
        let signing = illinois.signing();
        assert!(signing.witness && signing.calendar_expiry && signing.no_blanket);
        assert_eq!(
            (signing.minor_sud_from, signing.minor_mental_health_from),
            (Some(12), Some(12))
        );
        let unread = |id: &str| {
            let rule = illinois.rules().iter().find(|rule| rule.id == id);
            rule.map(|rule| rule.confidence) == Some(Confidence::Unverified)
        };
        assert!(unread("IL-7") && unread("IL-8") && unread("IL-9") && !unread("IL-4"));
        let neutral = &states["neutral"];
        assert!(!neutral.governs(Programs::named("mental-health").expect("a kind")));
        assert_eq!(neutral.signing().adult_from, 18);
    }
}
