//! What `postern validate` prints: a line for each problem, the worst first, and one for each file; and what is not held at all.
//! <https://hl7.org/fhir/R4/validation.html>

use std::collections::HashMap;

use postern_rules::fhir::{Issue, Severity};
use postern_rules::validation::Coverage;

/// Places that are listed of one warning, or of one thing that is not checked.
const LISTED: usize = 3;

/// `file: severity: element: text` for each error; of what is no error, so many places and how many more there are, unless `every`
/// one is asked for.
pub fn report(file: &str, issues: &[Issue], every: bool) -> String {
    let mut sorted: Vec<&Issue> = issues.iter().collect();
    sorted.sort_by_key(|issue| issue.severity);
    let mut out = String::new();
    let mut places: HashMap<(&str, &str), usize> = HashMap::new();
    let mut more: Vec<&Issue> = Vec::new();
    for issue in sorted {
        let place = places.entry((issue.severity.code(), &issue.details)).or_default();
        *place += 1;
        if every || issue.severity <= Severity::Error || *place <= LISTED {
            out.push_str(&format!("{file}: {}: {issue}\n", issue.severity.code()));
        } else if *place == LISTED + 1 {
            more.push(issue);
        }
    }
    for issue in more {
        let (code, what) = (issue.severity.code(), issue.details.as_str());
        let further = places[&(code, what)] - LISTED;
        out.push_str(&format!(
            "{file}: {code}: {further} more like this (--every lists them): {what}\n"
        ));
    }
    out + &verdict(file, issues)
}

fn verdict(file: &str, issues: &[Issue]) -> String {
    let count = |wanted: &dyn Fn(Severity) -> bool| issues.iter().filter(|i| wanted(i.severity)).count();
    let errors = count(&|severity| severity <= Severity::Error);
    let warnings = count(&|severity| severity == Severity::Warning);
    let unchecked = count(&|severity| severity == Severity::Information);
    let verdict = match (errors, unchecked) {
        (0, 0) => "valid",
        (0, _) => "valid as far as it is checked",
        _ => "not valid",
    };
    format!("{file}: {verdict}: errors {errors}, warnings {warnings}, not checked {unchecked}\n")
}

/// An offset in bytes as editors show it: line and column, from 1.
pub fn located(mut issue: Issue, bytes: &[u8]) -> Issue {
    let offset = issue.details.rsplit_once(" (byte ").and_then(|(what, rest)| {
        let at: usize = rest.strip_suffix(')')?.parse().ok()?;
        Some((what.to_owned(), at))
    });
    if let Some((what, at)) = offset {
        let before = &bytes[..at.min(bytes.len())];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        let begun = before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        let column = 1 + String::from_utf8_lossy(&before[begun..]).chars().count();
        issue.details = format!("{what} (line {line}, column {column})");
    }
    issue
}

/// What of R4 and of the packages is not held.
pub fn uncovered(coverage: &Coverage) -> String {
    let mut out = format!(
        "{} invariants, {} of them not evaluated\n",
        coverage.invariants,
        coverage.unread.len()
    );
    for (key, place, why) in &coverage.unread {
        out.push_str(&format!("  {key} of {place}: {why}\n"));
    }
    if !coverage.unusable.is_empty() {
        out.push_str(&format!("{} profiles cannot be used\n", coverage.unusable.len()));
    }
    for (url, why) in &coverage.unusable {
        out.push_str(&format!("  {url}: {why}\n"));
    }
    out
}

#[cfg(test)]
mod tests {
    use postern_rules::fhir::IssueCode;
    use postern_rules::validation::Definitions;

    use super::*;

    fn issue(severity: Severity, place: &str, what: &str) -> Issue {
        Issue {
            severity,
            ..Issue::error(IssueCode::Value, place, what)
        }
    }

    #[test]
    fn of_what_is_no_error_the_first_places_are_listed() {
        let mut issues: Vec<Issue> = (0..5)
            .map(|n| issue(Severity::Warning, &format!("a[{n}]"), "same"))
            .collect();
        issues.extend((0..5).map(|n| issue(Severity::Error, &format!("b[{n}]"), "wrong")));
        issues.push(issue(Severity::Information, "c", "not checked"));
        let told = report("x", &issues, false);
        let lines: Vec<&str> = told.lines().collect();
        assert!(
            lines[..5].iter().all(|line| line.starts_with("x: error: b[")),
            "{told}"
        );
        assert_eq!(lines[5], "x: warning: a[0]: same");
        assert_eq!(
            lines[9],
            "x: warning: 2 more like this (--every lists them): same"
        );
        assert_eq!(lines[10], "x: not valid: errors 5, warnings 5, not checked 1");
        assert_eq!(report("x", &issues, true).lines().count(), 12);
        assert!(report("x", &issues[10..], false).contains("x: valid as far as it is checked: errors 0"));
    }

    #[test]
    fn an_offset_is_told_as_line_and_column() {
        let at = |text: &str, byte: usize| {
            located(
                issue(Severity::Error, "", &format!("misses a value (byte {byte})")),
                text.as_bytes(),
            )
            .details
        };
        assert_eq!(at("{", 1), "misses a value (line 1, column 2)");
        assert_eq!(at("{\n é,}", 6), "misses a value (line 2, column 4)");
        assert_eq!(at("{\n", 99), "misses a value (line 2, column 1)");
        assert_eq!(
            located(issue(Severity::Error, "", "is required"), b"").details,
            "is required"
        );
    }

    #[test]
    fn r4_alone_is_covered() {
        assert!(uncovered(&Definitions::default().coverage()).ends_with("0 of them not evaluated\n"));
    }
}
