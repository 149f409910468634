//! Mappings, data sets and policy, loaded and checked as one: a single mistake anywhere and nothing starts.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use postern_rules::disclosure::Rules;
use postern_rules::fhir::{Value, json};
use postern_rules::label::CodeLists;
use postern_rules::law::StateLaw;
use postern_rules::log::Digest;
use postern_rules::mapping::{Mapping, MappingFiles};
use postern_rules::profile::{DataSet, Policy};

use crate::config::{CatalogFiles, Config, ConfigError, read_catalog};

/// Compiled mappings by `source/record`.
#[derive(Default)]
pub struct Mappings(HashMap<String, Mapping>);

impl Mappings {
    pub fn get(&self, source: &str, record: &str) -> Option<&Mapping> {
        self.0.get(&format!("{source}/{record}"))
    }

    /// Is this source a Part 2 program as a whole?
    pub fn part2_whole(&self, source: &str) -> bool {
        let mut own = self
            .0
            .iter()
            .filter(|(name, _)| name.split('/').next() == Some(source));
        own.any(|(_, mapping)| mapping.part2_whole())
    }

    /// The code map `[source]-[map]`: each of the source's words with the Coding it becomes, in the order of its file.
    pub fn code_map(&self, id: &str) -> Option<Vec<(&str, &Value)>> {
        self.0.iter().find_map(|(name, mapping)| {
            let source = name.split('/').next()?;
            let map = id.strip_prefix(source)?.strip_prefix('-')?;
            Some(mapping.code_map(map)?.collect())
        })
    }

    /// `[source]-[map]` of each code map that some mapping uses.
    pub fn code_maps(&self) -> BTreeSet<String> {
        let sources = self
            .0
            .iter()
            .map(|(name, mapping)| (name.split('/').next().unwrap_or_default(), mapping));
        let all = sources
            .flat_map(|(source, mapping)| mapping.code_maps().map(move |map| format!("{source}-{map}")));
        all.collect()
    }

    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.0.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }
}

/// Everything found wrong, one line each.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct CatalogError(pub Vec<String>);

impl From<ConfigError> for CatalogError {
    fn from(error: ConfigError) -> CatalogError {
        CatalogError(vec![error.0])
    }
}

/// Reads both folders named by the configuration.
pub fn load(config: &Config) -> Result<(Mappings, Rules), CatalogError> {
    let files = read_catalog(&config.paths)?;
    let mut problems = Vec::new();
    let mappings = load_mappings(&files, &config.paths.mappings, &mut problems);
    let rules = load_rules(&files, config, &mut problems);
    match (rules, problems.is_empty()) {
        (Some(rules), true) => Ok((mappings, rules)),
        _ => Err(CatalogError(problems)),
    }
}

/// Compiles every `<source>/<record>.map.yaml` with the code maps beside it.
pub fn load_mappings(files: &CatalogFiles, root: &Path, problems: &mut Vec<String>) -> Mappings {
    let mut mappings = Mappings::default();
    for (path, text) in &files.mappings {
        let Some((source, record)) = names(path) else {
            continue;
        };
        let codes: Vec<(&str, &str)> = files
            .mappings
            .iter()
            .filter_map(|(p, t)| code_map(p, source, t))
            .collect();
        let shown = root.join(path).display().to_string();
        let compiled = Mapping::compile(&MappingFiles {
            source,
            record,
            map_name: &shown,
            map: text,
            codes,
        });
        match compiled {
            Ok(mapping) => {
                mappings.0.insert(format!("{source}/{record}"), mapping);
            }
            Err(found) => problems.extend(found.iter().map(ToString::to_string)),
        }
    }
    mark_whole_sources(&mut mappings);
    mappings
}

/// A source is a Part 2 program as a whole when any of its mappings says so: a second kind of record does not make it less of one.
fn mark_whole_sources(mappings: &mut Mappings) {
    let source = |name: &str| name.split('/').next().unwrap_or_default().to_owned();
    let whole: Vec<String> = mappings
        .0
        .iter()
        .filter(|(_, mapping)| mapping.part2_whole())
        .map(|(name, _)| source(name))
        .collect();
    for (name, mapping) in &mut mappings.0 {
        if whole.contains(&source(name)) {
            mapping.becomes_part2_whole();
        }
    }
}

fn names(path: &Path) -> Option<(&str, &str)> {
    let source = path.parent()?.to_str()?;
    let record = path.file_name()?.to_str()?.strip_suffix(".map.yaml")?;
    Some((source, record))
}

fn code_map<'f>(path: &'f Path, source: &str, text: &'f str) -> Option<(&'f str, &'f str)> {
    let beside = path.parent()? == Path::new(source).join("codes");
    let name = path.file_name()?.to_str()?.strip_suffix(".csv")?;
    beside.then_some((name, text))
}

fn load_rules(files: &CatalogFiles, config: &Config, problems: &mut Vec<String>) -> Option<Rules> {
    let mut parsed: Vec<(PathBuf, Value)> = Vec::new();
    let mut all = String::new();
    for (path, text) in &files.profiles {
        all.push_str(text);
        let shown = config.paths.profiles.join(path).display().to_string();
        match json::parse(text.as_bytes()) {
            Ok(value) => parsed.push((path.clone(), value)),
            Err(issues) => problems.extend(issues.iter().map(|issue| format!("{shown}: {issue}"))),
        }
    }
    let policy = load_policy(&parsed, &config.paths.profiles, problems);
    let data_sets = load_data_sets(&parsed, &config.paths.profiles, problems);
    let states = load_states(&parsed, &config.paths.profiles, problems);
    let lists = load_lists(files, problems);
    let labels = Digest(lists.identity());
    let identity = format!("{}\n{}\n{all}", env!("CARGO_PKG_VERSION"), labels.hex());
    let digest = Digest::of(identity.as_bytes()).0;
    let policy = policy?;
    for name in policy.data_sets().filter(|name| !data_sets.contains_key(*name)) {
        let shown = config.paths.profiles.join("policy.json").display().to_string();
        problems.push(format!(
            "{shown}: no data set named {name} beside it: it would release nothing"
        ));
    }
    let Some(state) = states.get(policy.state()).cloned() else {
        let folder = config.paths.profiles.join("law").display().to_string();
        let name = policy.state();
        problems.push(format!(
            "{folder}: no state file named {name}, which policy.json chooses"
        ));
        return None;
    };
    Some(Rules {
        policy,
        data_sets,
        lists,
        state,
        states,
        zone: config.zone(),
        agency: None,
        base: String::new(),
        digest,
    })
}

/// The shipped list, and after it what the deployment adds. Loaded once for the life of the process.
fn load_lists(files: &CatalogFiles, problems: &mut Vec<String>) -> &'static CodeLists {
    if files.codes.is_empty() {
        return CodeLists::shipped();
    }
    let mut lists = CodeLists::shipped().clone();
    for (path, text) in &files.codes {
        if let Err(issues) = lists.load(&path.display().to_string(), text) {
            problems.extend(issues.into_iter().map(|issue| issue.details));
        }
    }
    Box::leak(Box::new(lists))
}

fn load_policy(parsed: &[(PathBuf, Value)], root: &Path, problems: &mut Vec<String>) -> Option<Policy> {
    let shown = root.join("policy.json").display().to_string();
    let Some((_, value)) = parsed.iter().find(|(path, _)| path == Path::new("policy.json")) else {
        problems.push(format!("{shown}: missing or not readable"));
        return None;
    };
    match Policy::load(value) {
        Ok(policy) => Some(policy),
        Err(issues) => {
            problems.extend(issues.iter().map(|issue| format!("{shown}: {issue}")));
            None
        }
    }
}

/// Every `law/<state>.json`, by the name it gives itself.
fn load_states(
    parsed: &[(PathBuf, Value)],
    root: &Path,
    problems: &mut Vec<String>,
) -> HashMap<String, StateLaw> {
    let mut states = HashMap::from([("neutral".to_owned(), StateLaw::neutral())]);
    for (path, value) in parsed
        .iter()
        .filter(|(path, _)| path.parent() == Some(Path::new("law")))
    {
        match StateLaw::load(value) {
            Ok(state) => {
                states.insert(state.name().to_owned(), state);
            }
            Err(issues) => {
                let shown = root.join(path).display().to_string();
                problems.extend(issues.iter().map(|issue| format!("{shown}: {issue}")));
            }
        }
    }
    states
}

fn load_data_sets(
    parsed: &[(PathBuf, Value)],
    root: &Path,
    problems: &mut Vec<String>,
) -> HashMap<String, DataSet> {
    let mut sets = HashMap::new();
    for (path, set) in parsed.iter().filter(|(path, _)| path.ends_with("data-set.json")) {
        let Some(folder) = path.parent() else { continue };
        let name = folder.to_string_lossy().into_owned();
        let profiles: Vec<(String, Value)> = parsed
            .iter()
            .filter(|(p, _)| p.parent() == Some(folder) && p != path)
            .filter_map(|(p, value)| Some((p.file_name()?.to_str()?.to_owned(), value.clone())))
            .collect();
        match DataSet::load(&name, profiles, set) {
            Ok(loaded) => {
                sets.insert(name, loaded);
            }
            Err(issues) => problems.extend(issues.iter().map(|issue| format!("{}/{issue}", root.display()))),
        }
    }
    sets
}
