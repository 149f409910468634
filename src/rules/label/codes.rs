//! Code lists: which clinical codes make a resource sensitive, and why. Lookup is a hash.
//! <https://hl7.org/fhir/R4/security-labels.html#hcs>, HL7 security labelling service

use std::collections::HashMap;
use std::sync::LazyLock;

use sha2::{Digest, Sha256};

use super::range::{LONGEST_CODE, expand};
use super::terms;
use crate::fhir::{Issue, IssueCode};
use crate::terminology::{EQUIVALENCE, Sensitivities};

static SHIPPED: LazyLock<CodeLists> = LazyLock::new(|| {
    let mut lists = CodeLists::default();
    // A test reads the same file and demands no problem.
    let _ = lists.load("codes.tsv", include_str!("codes.tsv"));
    lists
});

/// Short names of systems in the files; any other first column is the system's address itself.
const SYSTEMS: [(&str, &[&str]); 9] = [
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
            "urn:oid:2.16.840.1.113883.6.103",
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
    (
        "rxnorm",
        &[
            "http://www.nlm.nih.gov/research/umls/rxnorm",
            "urn:oid:2.16.840.1.113883.6.88",
        ],
    ),
    ("loinc", &["http://loinc.org", "urn:oid:2.16.840.1.113883.6.1"]),
    (
        "snomed",
        &["http://snomed.info/sct", "urn:oid:2.16.840.1.113883.6.96"],
    ),
    ("cvx", &["http://hl7.org/fhir/sid/cvx"]),
    ("ndc", &["http://hl7.org/fhir/sid/ndc"]),
];

/// In these a code may be the end of a range; elsewhere a hyphen belongs to the code (LOINC's check digit).
const WITH_RANGES: [&str; 4] = ["icd-10-cm", "icd-9-cm", "hcpcs", "cpt"];

/// More than the largest published value sets hold together: what is above is a mistake in a range.
const MOST_CODES: usize = 5_000_000;

/// What a code list says about one code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    pub sensitivity: Sensitivities,
    /// Index for [`CodeLists::reason`] and [`CodeLists::list`].
    pub line: u32,
}

/// Which list, and which version of it: what an explanation names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ListName {
    /// From the file's line `# list: NAME VERSION`, else the file's name.
    pub name: String,
    /// From the same line, else `sha256:` and twelve digits of the file's digest.
    pub version: String,
}

/// One file that was loaded.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub list: ListName,
    pub file: String,
    /// Codes its lines name, ranges written out.
    pub codes: usize,
}

#[derive(Clone, Debug, Default)]
struct System {
    /// ICD: a code covers everything below it.
    hierarchical: bool,
    codes: HashMap<String, Hit>,
}

/// Any number of code lists, read as one.
#[derive(Clone, Debug, Default)]
pub struct CodeLists {
    systems: HashMap<String, System>,
    lists: Vec<Loaded>,
    /// Of each line: its list and `file:line: codes: reason`.
    lines: Vec<(u32, String)>,
    codes: usize,
    texts: Vec<[u8; 32]>,
}

impl CodeLists {
    /// The reviewed list that ships with Postern (`codes.tsv` beside this file).
    pub fn shipped() -> &'static CodeLists {
        &SHIPPED
    }

    /// Adds the lines of a file `system, code or range, sensitivities, verified, reason` (tab separated, `#` comments;
    /// `# list: NAME VERSION` names it). A file loaded later adds to what stands, or clears it with `-`.
    /// Good lines are taken, each bad one is named by its number in the list of problems.
    pub fn load(&mut self, file: &str, text: &str) -> Result<(), Vec<Issue>> {
        let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        self.texts.push(digest);
        let before = self.codes;
        let list = u32::try_from(self.lists.len()).unwrap_or(u32::MAX);
        self.lists.push(Loaded {
            list: ListName {
                name: file.to_owned(),
                version: format!("sha256:{}", hex(&digest[..6])),
            },
            file: file.to_owned(),
            codes: 0,
        });
        let mut problems = Vec::new();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (number, line) in text.lines().enumerate().map(|(i, line)| (i + 1, line)) {
            let taken = if let Some(named) = line.strip_prefix("# list:") {
                self.named(named)
            } else if line.trim().is_empty() || line.starts_with('#') {
                continue;
            } else {
                self.line(file, list, number, line)
            };
            if let Err(problem) = taken {
                problems.push(Issue::error(
                    IssueCode::CodeInvalid,
                    "",
                    format!("{file}:{number}: {problem}"),
                ));
            }
        }
        if let Some(loaded) = self.lists.last_mut() {
            loaded.codes = self.codes - before;
        }
        if problems.is_empty() && self.codes == before {
            let told = format!("{file}:1: the list names no code");
            problems.push(Issue::error(IssueCode::CodeInvalid, "", told));
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(problems)
        }
    }

    fn named(&mut self, text: &str) -> Result<(), &'static str> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let ([name, version], Some(loaded)) = (&words[..], self.lists.last_mut()) else {
            return Err("`# list:` is followed by a name and a version, without blanks in them");
        };
        (*name).clone_into(&mut loaded.list.name);
        (*version).clone_into(&mut loaded.list.version);
        Ok(())
    }

    fn line(&mut self, file: &str, list: u32, number: usize, line: &str) -> Result<(), &'static str> {
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
        let addresses = SYSTEMS
            .iter()
            .find(|(short, _)| *short == system)
            .map_or(&[][..], |(_, a)| *a);
        if addresses.is_empty() && !system.contains(':') {
            return Err(
                "the system is neither a short name (icd-10-cm, hcpcs, rxnorm, loinc, snomed …) nor an address",
            );
        }
        let index = u32::try_from(self.lines.len()).map_err(|_| "too many lines")?;
        let shown = expand(codes, WITH_RANGES.contains(&system))?;
        if self.codes + shown.len() > MOST_CODES {
            return Err("the lists name more than five million codes: a range is too wide");
        }
        self.codes += shown.len();
        self.lines
            .push((list, format!("{file}:{number}: {codes}: {reason}")));
        let hierarchical = system.starts_with("icd-");
        let named = addresses.is_empty().then_some(system);
        for address in addresses.iter().copied().chain(named) {
            self.add(address, hierarchical, &shown, sensitivity, index);
        }
        Ok(())
    }

    fn add(&mut self, address: &str, hierarchical: bool, codes: &[String], set: Sensitivities, index: u32) {
        if !self.systems.contains_key(address) {
            self.systems.insert(address.to_owned(), System::default());
        }
        let Some(system) = self.systems.get_mut(address) else {
            return;
        };
        system.hierarchical |= hierarchical;
        for code in codes {
            let hit = system.codes.entry(code.clone()).or_insert(Hit {
                sensitivity: Sensitivities::NONE,
                line: index,
            });
            // `-` clears what stood before; lines after it, an operator's file too, may add again.
            if hit.sensitivity.is_empty() || set.is_empty() {
                *hit = Hit {
                    sensitivity: set,
                    line: index,
                };
            } else {
                hit.sensitivity = hit.sensitivity.with(set);
            }
        }
    }

    /// What the lists say about a coding; `None` when nothing, or when its line clears it (`-`).
    pub fn lookup(&self, system: &str, code: &str) -> Option<Hit> {
        self.line_of(system, code)
            .filter(|hit| !hit.sensitivity.is_empty())
    }

    /// Does any line, also one that clears, speak of this code?
    pub fn speaks_of(&self, system: &str, code: &str) -> bool {
        self.line_of(system, code).is_some()
    }

    /// The longest listed code that this one is, or in ICD is below; one lookup for each length.
    fn line_of(&self, system: &str, code: &str) -> Option<Hit> {
        let list = self.systems.get(system)?;
        let mut buffer = [0u8; LONGEST_CODE];
        let code = plain(code, &mut buffer)?;
        let found = list.codes.get(code).or_else(|| {
            let shorter = if list.hierarchical { 3..code.len() } else { 0..0 };
            let mut above = shorter.rev().filter_map(|n| list.codes.get(code.get(..n)?));
            above.next()
        });
        found.copied()
    }

    /// `file:line: codes: reason` of a hit, for explanations.
    pub fn reason(&self, line: u32) -> Option<&str> {
        self.lines
            .get(usize::try_from(line).ok()?)
            .map(|(_, text)| text.as_str())
    }

    /// The list a hit comes from.
    pub fn list(&self, line: u32) -> Option<&ListName> {
        let (list, _) = self.lines.get(usize::try_from(line).ok()?)?;
        Some(&self.lists.get(usize::try_from(*list).ok()?)?.list)
    }

    /// The files these lists come from, in the order they were read.
    pub fn loaded(&self) -> &[Loaded] {
        &self.lists
    }

    /// SHA-256 over everything that labels by content: these lists, the terms and the equivalence table of denies.
    /// Part of the rules' digest: a decision names what it was made by.
    pub fn identity(&self) -> [u8; 32] {
        let mut all = Sha256::new();
        all.update(terms::TEXT.as_bytes());
        all.update(EQUIVALENCE.name.as_bytes());
        all.update(EQUIVALENCE.version.as_bytes());
        self.texts.iter().for_each(|digest| all.update(digest));
        all.finalize().into()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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

/// The code in upper case without dots, the form of the tables; longer ones are not listed.
fn plain<'b>(code: &str, buffer: &'b mut [u8; LONGEST_CODE]) -> Option<&'b str> {
    let mut length = 0;
    for byte in code.bytes().filter(|b| *b != b'.') {
        *buffer.get_mut(length)? = byte.to_ascii_uppercase();
        length += 1;
    }
    std::str::from_utf8(&buffer[..length]).ok()
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

    #[test]
    fn a_list_has_a_name_and_a_version_and_a_hit_knows_its_list() {
        let mut lists = CodeLists::default();
        lists
            .load("a.tsv", "# list: ours 3\nloinc\t1-8\tSUD\tunverified\tr\n")
            .expect("good");
        lists
            .load("b.tsv", "\u{feff}snomed\t111\tHIV\tunverified\tr\r\n")
            .expect("good");
        let of = |system: &str, code: &str| {
            let hit = lists.lookup(system, code).expect("listed");
            lists.list(hit.line).expect("a list").clone()
        };
        let ours = of("http://loinc.org", "1-8");
        assert_eq!((ours.name.as_str(), ours.version.as_str()), ("ours", "3"));
        let other = of("http://snomed.info/sct", "111");
        assert!(
            other.name == "b.tsv" && other.version.starts_with("sha256:"),
            "{other:?}"
        );
        assert_eq!(lists.loaded().iter().map(|l| l.codes).collect::<Vec<_>>(), [1, 1]);
        assert_ne!(lists.identity(), CodeLists::default().identity());
    }

    #[test]
    fn a_hundred_thousand_lines_load_fast_and_are_found_by_a_hash() {
        let mut text = String::from("# list: large 1\n");
        for code in 0..120_000 {
            use std::fmt::Write as _;
            let _ = writeln!(
                text,
                "snomed\t{}\tPSY\tunverified\tmade for a test",
                10_000_000 + code
            );
        }
        let mut lists = CodeLists::shipped().clone();
        lists.load("large.tsv", &text).expect("good");
        assert_eq!(lists.loaded().last().map(|l| l.codes), Some(120_000));
        assert!(lists.lookup("http://snomed.info/sct", "10119999").is_some());
        assert!(lists.lookup("http://snomed.info/sct", "10120000").is_none());
    }

    #[test]
    fn a_file_without_codes_and_a_system_nobody_knows_are_problems() {
        let problem = |text: &str| {
            let found = CodeLists::default().load("x.tsv", text).expect_err("a problem");
            found[0].details.to_string()
        };
        assert!(problem("# nothing\n").contains("names no code"));
        assert!(problem("icd10\tF10\tSUD\tyes\tr\n").contains("neither a short name"));
        assert!(problem("# list: a b c\nloinc\t1-8\tSUD\tyes\tr\n").starts_with("x.tsv:1:"));
        let long = format!("loinc\t{}\tSUD\tyes\tr\n", "9".repeat(40));
        assert!(problem(&long).contains("longer"), "{}", problem(&long));
    }
}
