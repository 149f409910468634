//! Code lists: which clinical codes make a resource sensitive, and why. Lookup is a hash.
//! <https://hl7.org/fhir/R4/security-labels.html#hcs>, HL7 security labelling service

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::fhir::{Issue, IssueCode};
use crate::terminology::Sensitivities;

static SHIPPED: LazyLock<CodeLists> = LazyLock::new(|| {
    let mut lists = CodeLists::default();
    // A test reads the same file and demands no problem.
    let _ = lists.load("codes.tsv", include_str!("codes.tsv"));
    lists
});

/// Short names of systems in the files; any other first column is the system's address itself.
const SYSTEMS: [(&str, &[&str]); 8] = [
    (
        "icd-10-cm",
        &[
            "http://hl7.org/fhir/sid/icd-10-cm",
            "http://hl7.org/fhir/sid/icd-10",
            "urn:oid:2.16.840.1.113883.6.90",
        ],
    ),
    (
        "icd-9-cm",
        &[
            "http://hl7.org/fhir/sid/icd-9-cm",
            "http://terminology.hl7.org/CodeSystem/icd9cm",
        ],
    ),
    (
        "hcpcs",
        &[
            "http://terminology.hl7.org/CodeSystem/HCPCS-all-codes",
            "https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets",
            "urn:oid:2.16.840.1.113883.6.285",
            "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets",
        ],
    ),
    (
        "cpt",
        &[
            "http://www.ama-assn.org/go/cpt",
            "http://terminology.hl7.org/CodeSystem/HCPCS-all-codes",
        ],
    ),
    ("rxnorm", &["http://www.nlm.nih.gov/research/umls/rxnorm"]),
    ("loinc", &["http://loinc.org"]),
    ("snomed", &["http://snomed.info/sct"]),
    ("cvx", &["http://hl7.org/fhir/sid/cvx"]),
];

/// What a code list says about one code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    pub sensitivity: Sensitivities,
    /// Index for [`CodeLists::reason`].
    pub line: u32,
}

#[derive(Clone, Debug, Default)]
struct System {
    /// ICD: a listed code covers everything below it, the longest listed code wins.
    hierarchical: bool,
    codes: HashMap<String, Hit>,
}

/// Any number of code lists, read as one.
#[derive(Clone, Debug, Default)]
pub struct CodeLists {
    systems: HashMap<String, System>,
    reasons: Vec<String>,
}

impl CodeLists {
    /// The reviewed list that ships with Postern (`codes.tsv` beside this file).
    pub fn shipped() -> &'static CodeLists {
        &SHIPPED
    }

    /// Adds the lines of a file `system, code or range, sensitivities, verified, reason` (tab separated, `#` comments).
    /// Good lines are taken, each bad one is named by its number in the list of problems.
    pub fn load(&mut self, file: &str, text: &str) -> Result<(), Vec<Issue>> {
        let mut problems = Vec::new();
        for (number, line) in text.lines().enumerate().map(|(i, line)| (i + 1, line)) {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            if let Err(problem) = self.line(file, number, line) {
                problems.push(Issue::error(
                    IssueCode::CodeInvalid,
                    "",
                    format!("{file}:{number}: {problem}"),
                ));
            }
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(problems)
        }
    }

    fn line(&mut self, file: &str, number: usize, line: &str) -> Result<(), &'static str> {
        let cells: Vec<&str> = line.split('\t').map(str::trim).collect();
        let [system, codes, sensitivities, verified, reason] = cells[..] else {
            return Err("wants five columns: system, code or range, sensitivities, verified, reason");
        };
        let sensitivity = parse_sensitivities(sensitivities)?;
        if !matches!(verified, "yes" | "unverified") {
            return Err("the fourth column is `yes` or `unverified`");
        }
        if reason.is_empty() {
            return Err("each line states its reason");
        }
        let index = u32::try_from(self.reasons.len()).map_err(|_| "too many lines")?;
        self.reasons.push(format!("{file}:{number}: {codes}: {reason}"));
        let codes = expand(codes)?;
        let hierarchical = system.starts_with("icd-");
        let addresses = SYSTEMS
            .iter()
            .find(|(short, _)| *short == system)
            .map_or(&[][..], |(_, a)| *a);
        let named = addresses.is_empty().then_some(system);
        for address in addresses.iter().copied().chain(named) {
            let list = self.systems.entry(address.to_owned()).or_default();
            list.hierarchical |= hierarchical;
            for code in &codes {
                let hit = list.codes.entry(code.clone()).or_insert(Hit {
                    sensitivity: Sensitivities::NONE,
                    line: index,
                });
                // `-` clears what stood before; lines after it, an operator's file too, may add again.
                hit.line = if hit.sensitivity.is_empty() || sensitivity.is_empty() {
                    index
                } else {
                    hit.line
                };
                hit.sensitivity = if sensitivity.is_empty() {
                    sensitivity
                } else {
                    hit.sensitivity.with(sensitivity)
                };
            }
        }
        Ok(())
    }

    /// What the lists say about a coding; `None` when nothing, or when its line clears it (`-`).
    pub fn lookup(&self, system: &str, code: &str) -> Option<Hit> {
        let list = self.systems.get(system)?;
        let mut buffer = [0u8; 32];
        let code = plain(code, &mut buffer)?;
        let hit = match list.codes.get(code) {
            Some(hit) => Some(hit),
            None if list.hierarchical => (3..code.len())
                .rev()
                .filter_map(|length| list.codes.get(code.get(..length)?))
                .next(),
            None => None,
        };
        hit.copied().filter(|hit| !hit.sensitivity.is_empty())
    }

    /// Does any line, also one that clears, speak of this code?
    pub fn speaks_of(&self, system: &str, code: &str) -> bool {
        let mut buffer = [0u8; 32];
        let (Some(list), Some(code)) = (self.systems.get(system), plain(code, &mut buffer)) else {
            return false;
        };
        list.codes.contains_key(code)
            || list.hierarchical
                && (3..code.len()).any(|n| code.get(..n).is_some_and(|c| list.codes.contains_key(c)))
    }

    /// `file:line: codes: reason` of a hit, for explanations.
    pub fn reason(&self, line: u32) -> Option<&str> {
        self.reasons.get(usize::try_from(line).ok()?).map(String::as_str)
    }
}

fn parse_sensitivities(text: &str) -> Result<Sensitivities, &'static str> {
    if text == "-" {
        return Ok(Sensitivities::NONE);
    }
    let mut set = Sensitivities::NONE;
    for code in text.split(',') {
        set = set.with(Sensitivities::of(code.trim()).ok_or("a sensitivity is no code of v3-ActCode")?);
    }
    Ok(set)
}

/// The code in upper case without dots, the form of the tables; over 32 bytes nothing is listed.
fn plain<'b>(code: &str, buffer: &'b mut [u8; 32]) -> Option<&'b str> {
    let mut length = 0;
    for byte in code.bytes().filter(|b| *b != b'.') {
        *buffer.get_mut(length)? = byte.to_ascii_uppercase();
        length += 1;
    }
    std::str::from_utf8(&buffer[..length]).ok()
}

/// `F10`, `F10-F16`, `T40.0-T40.4`, `H0001-H0030`, and lists of those separated by commas.
fn expand(codes: &str) -> Result<Vec<String>, &'static str> {
    let mut out = Vec::new();
    for part in codes.split(',') {
        let part: String = part
            .trim()
            .chars()
            .filter(|c| *c != '.')
            .collect::<String>()
            .to_ascii_uppercase();
        if part.is_empty() || part.len() > 65 || !part.is_ascii() {
            return Err("a code is empty, too long or not ASCII");
        }
        match part
            .split_once('-')
            .filter(|(_, to)| to.starts_with(|c: char| c.is_ascii_alphanumeric()))
        {
            Some((from, to)) if is_range(from, to) => range(from, to, &mut out)?,
            _ => out.push(part),
        }
    }
    Ok(out)
}

/// LOINC codes hold a hyphen themselves: `75624-7` is one code, since its parts differ in length.
fn is_range(from: &str, to: &str) -> bool {
    from.len() == to.len()
}

/// Letters, a number, and perhaps a letter after it (`4270F`); only the number runs.
fn range(from: &str, to: &str, out: &mut Vec<String>) -> Result<(), &'static str> {
    let (from, tail) = split_tail(from);
    let (to, other_tail) = split_tail(to);
    let head = from.trim_end_matches(|c: char| c.is_ascii_digit());
    let last = to
        .strip_prefix(head)
        .filter(|_| tail == other_tail)
        .ok_or("the ends of a range begin or end differently")?;
    let first = &from[head.len()..];
    let width = first.len();
    let (Ok(first), Ok(last)) = (first.parse::<u32>(), last.parse::<u32>()) else {
        return Err("the ends of a range differ in more than a number");
    };
    if first > last || last - first > 100_000 {
        return Err("a range runs backwards or is too wide");
    }
    out.extend((first..=last).map(|n| format!("{head}{n:0width$}{tail}")));
    Ok(())
}

fn split_tail(code: &str) -> (&str, &str) {
    code.split_at(code.trim_end_matches(|c: char| c.is_ascii_alphabetic()).len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_file_has_no_problem() {
        assert_eq!(
            CodeLists::default().load("codes.tsv", include_str!("codes.tsv")),
            Ok(())
        );
    }

    #[test]
    fn ranges_prefixes_and_clearing_lines() {
        let mut lists = CodeLists::default();
        let text = "icd-10-cm\tF10-F19\tSUD\tyes\tr\nicd-10-cm\tF17\t-\tyes\tnicotine\nloinc\t75624-7\tSUD\tunverified\tr\n";
        lists.load("t", text).expect("good");
        let icd = |code| {
            lists
                .lookup("http://hl7.org/fhir/sid/icd-10-cm", code)
                .map(|h| h.sensitivity)
        };
        assert_eq!(icd("F10.20"), Sensitivities::of("SUD"));
        assert_eq!(icd("f19"), Sensitivities::of("SUD"));
        assert_eq!(icd("F17.210"), None);
        assert_eq!(icd("F20"), None);
        assert!(lists.lookup("http://loinc.org", "75624-7").is_some());
        assert!(
            lists.lookup("http://loinc.org", "75624").is_none(),
            "only ICD has prefixes"
        );
    }

    #[test]
    fn bad_lines_are_named_and_good_ones_taken() {
        let mut lists = CodeLists::default();
        let text =
            "icd-10-cm\tF10\tSUD\tyes\tr\nicd-10-cm\tF11\tNOPE\tyes\tr\nicd-10-cm\tF19-F10\tSUD\tyes\tr\nx\n";
        let problems = lists.load("mine.tsv", text).expect_err("three bad lines");
        assert_eq!(problems.len(), 3);
        assert!(
            problems[0].details.starts_with("mine.tsv:2: "),
            "{}",
            problems[0].details
        );
        assert!(
            lists
                .lookup("http://hl7.org/fhir/sid/icd-10-cm", "F10.1")
                .is_some()
        );
    }

    /// Every code of the public list is labelled, cleared by a line, or stands with its reason in `exceptions.tsv`.
    #[test]
    fn the_public_list_is_labelled_or_excepted() {
        let file = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../../shared/terminology/sensitivity-codes-public-domain.json"
        );
        let Ok(text) = std::fs::read_to_string(file) else {
            println!("skipped: {file} is not here");
            return;
        };
        let list: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let mut exceptions = CodeLists::default();
        for line in include_str!("exceptions.tsv")
            .lines()
            .filter(|l| !l.starts_with('#'))
        {
            let (codes, reason) = line.rsplit_once('\t').expect("three columns");
            exceptions
                .load("exceptions.tsv", &format!("{codes}\tPSY\tyes\t{reason}"))
                .expect("good lines");
        }
        let concepts = list["concepts"].as_array().expect("concepts");
        let missing: Vec<String> = concepts
            .iter()
            .map(|c| {
                (
                    c["system"].as_str().unwrap_or(""),
                    c["code"].as_str().unwrap_or(""),
                )
            })
            .filter(|(s, c)| CodeLists::shipped().lookup(s, c).is_none() && exceptions.lookup(s, c).is_none())
            .map(|(s, c)| format!("{s}|{c}"))
            .collect();
        assert!(
            missing.is_empty(),
            "{} of {}: {}",
            missing.len(),
            concepts.len(),
            missing.join(" ")
        );
        println!("{} codes labelled or excepted", concepts.len());
    }
}
