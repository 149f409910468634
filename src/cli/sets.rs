//! `postern config --sets`: each data set as it was loaded, who gets it for what, and how much of each type it opens.
//! 45 CFR 164.514(d)(3)

use postern_rules::disclosure::Rules;
use postern_rules::profile::{DataSet, Profile};

/// One block for each data set, by name.
pub fn printed(rules: &Rules) -> String {
    let mut sets: Vec<&DataSet> = rules.data_sets.values().collect();
    sets.sort_by_key(|set| set.name());
    sets.into_iter().map(|set| block(rules, set)).collect()
}

fn block(rules: &Rules, set: &DataSet) -> String {
    let policy = &rules.policy;
    let mut served: Vec<String> = policy
        .served()
        .filter(|(_, _, name)| *name == set.name())
        .map(|(class, purpose, _)| format!("{class} for {purpose}"))
        .collect();
    if policy.break_glass() == set.name() {
        served.push("break-glass".to_owned());
    }
    if policy.unconfirmed_relationship() == set.name() {
        served.push("a relationship only the requester states".to_owned());
    }
    let types: Vec<String> = set
        .profiles()
        .map(|profile| format!("{} {}", profile.resource_type(), opened(profile)))
        .collect();
    let labels = |items: &[postern_rules::profile::Sufficient]| {
        let labels: Vec<&str> = items.iter().map(|item| item.label.as_str()).collect();
        labels.join(", ")
    };
    let mut text = format!("\n{} ({}): {}\n", set.name(), set.title(), served.join(", "));
    text.push_str(&format!("  elements named: {}\n", types.join(", ")));
    if !set.excluded().is_empty() {
        text.push_str(&format!("  stays at home: {}\n", labels(set.excluded())));
    }
    text.push_str(&format!("  should hold: {}\n", labels(set.sufficient())));
    text
}

/// Elements the profile names and does not close.
fn opened(profile: &Profile) -> usize {
    let elements = profile.closed()["differential"]["element"].as_array();
    let named = |e: &&serde_json::Value| e["mustSupport"] == true && e["max"] != "0";
    elements.map_or(0, |all| all.iter().filter(named).count())
}
