//! `postern validate`: resources in files held to R4, to the packages loaded here and to this deployment's own profiles, as
//! `$validate` does. Needs no database and keeps nothing. <https://hl7.org/fhir/R4/validation.html>

use std::path::{Path, PathBuf};

use clap::Args;
use postern_rules::disclosure::Rules;
use postern_rules::fhir::element::table;
use postern_rules::fhir::{Issue, Severity, json, xml};
use postern_rules::fhirpath::nearest;
use postern_rules::validation::Definitions;
use serde_json::Value;

use super::table::say;
use super::validation_report::{located, report, uncovered};
use crate::cli::say::complain;
use crate::config::{Config, read_input};
use crate::gateway::{load_catalog, load_packages, validated};

#[derive(Args)]
pub struct ValidateArgs {
    /// Resources, JSON or XML; - for standard input
    #[arg(required_unless_present = "uncovered", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// A profile they have to conform to, beside those they claim; repeatable. One that is not loaded is an information
    #[arg(long = "profile", value_name = "URL")]
    pub profiles: Vec<String>,
    /// Folder of FHIR packages (folders or .tgz), instead of paths.packages
    #[arg(long, value_name = "DIR")]
    pub packages: Option<PathBuf>,
    /// List the invariants that are not evaluated here and the profiles that cannot be used, with the reasons
    #[arg(long)]
    pub uncovered: bool,
    /// List every place; else of one warning, or one thing that is not checked, the first three
    #[arg(long)]
    pub every: bool,
}

const LIMIT: u64 = 64 * 1024 * 1024;

/// 0: every file is valid; 1: one is not; 2: one could not be read, or the packages or profiles here are not in order.
pub fn run(config: Option<&Path>, args: &ValidateArgs) -> anyhow::Result<u8> {
    let config = Config::load(config)?;
    let packages = args.packages.as_deref().or(config.paths.packages.as_deref());
    let definitions = load_packages(packages)?;
    if args.uncovered {
        say(&uncovered(&definitions.coverage()));
        return Ok(0);
    }
    // A checker beside no deployment has no profiles of its own.
    let has_own = config.paths.profiles.is_dir() && config.paths.mappings.is_dir();
    let rules = has_own.then(|| load_catalog(&config)).transpose()?;
    let rules = rules.as_ref().map(|(_, rules)| rules);
    let profiles: Vec<&str> = args.profiles.iter().map(String::as_str).collect();
    for url in &profiles {
        if let Some(told) = not_loaded(url, &definitions, rules) {
            complain!("{told}");
        }
    }
    let mut code = 0;
    for file in &args.files {
        match read_input(file, LIMIT) {
            Err(error) => {
                complain!("{error}");
                code = 2;
            }
            Ok(bytes) => {
                let issues = judged(&bytes, &definitions, rules, &profiles);
                let issues: Vec<Issue> = issues.into_iter().map(|issue| located(issue, &bytes)).collect();
                say(&report(&file.display().to_string(), &issues, args.every));
                let wrong = issues.iter().any(|issue| issue.severity <= Severity::Error);
                code = code.max(u8::from(wrong));
            }
        }
    }
    Ok(code)
}

/// Of a profile that nothing can be checked by: what is loaded, and which of those may be meant.
fn not_loaded(url: &str, definitions: &Definitions, rules: Option<&Rules>) -> Option<String> {
    let sets = rules.into_iter().flat_map(|rules| rules.data_sets.values());
    let own: Vec<&str> = sets
        .flat_map(|set| set.profiles())
        .map(|profile| profile.url())
        .collect();
    let of_r4 = url
        .strip_prefix(R4)
        .is_some_and(|name| table().any(name).is_some());
    if of_r4 || own.contains(&url) || definitions.has_profile(url) {
        return None;
    }
    let all: Vec<&str> = definitions.profiles().chain(own).collect();
    let meant = nearest(last_part(url), all.iter().map(|known| last_part(known)))
        .and_then(|name| all.iter().find(|known| last_part(known) == name))
        .map_or_else(|| ".".to_owned(), |known| format!("; did you mean {known}?"));
    let packages = match definitions.packages() {
        [] => "no packages; name a folder of them in paths.packages or --packages".to_owned(),
        packages => packages.join(", "),
    };
    Some(format!(
        "{url}: is not loaded, so nothing is checked by it{meant} Loaded: {packages}"
    ))
}

const R4: &str = "http://hl7.org/fhir/StructureDefinition/";

fn last_part(url: &str) -> &str {
    let (url, _) = url.split_once('|').unwrap_or((url, ""));
    url.rsplit('/').next().unwrap_or_default()
}

/// JSON, or XML where it begins with `<`.
fn judged(bytes: &[u8], definitions: &Definitions, rules: Option<&Rules>, profiles: &[&str]) -> Vec<Issue> {
    let is_xml = bytes.trim_ascii_start().first() == Some(&b'<');
    let read: Result<Value, Vec<Issue>> = if is_xml {
        xml::from_xml(bytes)
    } else {
        json::parse(bytes)
    };
    read.map_or_else(
        |issues| issues,
        |resource| validated(definitions, rules, &resource, profiles),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_json_or_xml_and_every_problem_has_its_line() {
        let definitions = Definitions::default();
        let good = br#"{"resourceType": "Patient", "gender": "female"}"#;
        let issues = judged(good, &definitions, None, &[]);
        assert_eq!(
            report("a.json", &issues, false),
            "a.json: warning: Patient: dom-6: A resource should have narrative for robust management\n\
             a.json: valid: errors 0, warnings 1, not checked 0\n"
        );
        let bad = br#"  <Patient xmlns="http://hl7.org/fhir"><gender value="f"/></Patient>"#;
        let issues = judged(bad, &definitions, None, &["https://nowhere.example/profile"]);
        let told = report("b.xml", &issues, false);
        let lines: Vec<&str> = told.lines().collect();
        assert!(lines[0].starts_with("b.xml: error: Patient.gender: "), "{told}");
        assert!(
            told.contains("b.xml: information: Patient: is not checked"),
            "{told}"
        );
        assert!(
            told.ends_with("b.xml: not valid: errors 1, warnings 1, not checked 1\n"),
            "{told}"
        );
        assert_eq!(judged(b"{", &definitions, None, &[]).len(), 1);
    }

    #[test]
    fn what_is_not_loaded_is_said_with_what_may_be_meant() {
        let definitions = Definitions::default();
        let told = not_loaded("https://nowhere.example/p", &definitions, None).expect("it is not");
        assert!(
            told.starts_with("https://nowhere.example/p: is not loaded"),
            "{told}"
        );
        assert!(told.contains("no packages; name a folder"), "{told}");
        assert_eq!(not_loaded(&format!("{R4}Patient"), &definitions, None), None);
        let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/rules/validation/cases/package");
        let definitions = load_packages(Some(&cases)).expect("a package");
        let told = not_loaded("vistor", &definitions, None).expect("it is not");
        assert!(
            told.contains(
                "; did you mean https://postern.example/fhir/StructureDefinition/visitor? Loaded: "
            ),
            "{told}"
        );
    }
}
