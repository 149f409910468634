//! Compiled mappings: a source record in, FHIR R4 resources out, with the source of each value and all problems.
//! <https://hl7.org/fhir/R4/formats.html>; SEMANTICS section 6; for writers of mappings: `README.md` in this folder.
//!
//! `Mapping::compile` checks everything that can be known without a record; `Mapping::convert` is pure and makes
//! all resources of a record or none.

mod problem;
mod yaml_scalar;
mod yaml;
mod code_map;
mod date;
mod calls;
mod template;
mod compile;
mod scalar;
mod header;
mod path;
mod host;
mod written;
mod leaf;
mod run;
mod report;
mod conversion;
mod whole;
mod fhir_record;

#[cfg(test)]
mod cases;
#[cfg(test)]
mod compile_tests;
#[cfg(test)]
mod convert_tests;
#[cfg(test)]
mod suicide_items;

pub use conversion::{Conversion, Trace};
pub use problem::{At, Problem, Rule};

use crate::fhir::Instant;
use crate::fhir::element;
use crate::fhirpath::Recorder;
use code_map::CodeMap;
use compile::Compiler;
use conversion::Finished;
use header::{Header, Kind};
use host::Functions;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;
use template::{Made, Slot};
use yaml::Body;

/// The files of one mapping, as text.
#[derive(Clone, Debug)]
pub struct MappingFiles<'a> {
    /// The folder's name, `hearthstone`.
    pub source: &'a str,
    /// The file's name without `.map.yaml`, `care-plan`.
    pub record: &'a str,
    /// How the file is named in problems, `mappings/hearthstone/care-plan.map.yaml`.
    pub map_name: &'a str,
    pub map: &'a str,
    /// Each file of `codes/`: its name without `.csv`, and its text.
    pub codes: Vec<(&'a str, &'a str)>,
}

/// What a conversion needs besides mapping and record.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a> {
    /// The deployment's id key; ids of resources depend on it.
    pub id_key: &'a [u8],
    /// `%now`.
    pub now: Instant,
}

/// A compiled mapping. It holds no record and may be shared between threads.
#[derive(Debug)]
pub struct Mapping {
    file: String,
    header: Header,
    digest: String,
    maps: HashMap<String, CodeMap>,
    formats: HashMap<String, date::Format>,
    zones: HashMap<String, jiff::tz::TimeZone>,
    /// How many templates have names.
    names: usize,
    /// Which of them a record is chiefly about.
    about: Option<usize>,
    /// Source fields that some expression names, without indexes.
    reads: HashSet<String>,
    work: Work,
}

/// How a record becomes resources.
#[derive(Debug)]
enum Work {
    /// Made from a template; `slot` is where resources go.
    Template { made: Made, slot: Slot },
    /// They are resources already.
    Fhir(fhir_record::Rules),
}

/// `resources` takes what `contained` takes: a list of any resources.
fn resources() -> Slot {
    let holder = element::table()
        .any("DomainResource")
        .expect("R4 has DomainResource");
    Slot::new(
        holder
            .child("contained")
            .expect("R4 has DomainResource.contained"),
    )
}

impl Mapping {
    /// Compiles and checks a mapping.
    ///
    /// # Errors
    /// Every problem found, by file, line and column.
    pub fn compile(files: &MappingFiles<'_>) -> Result<Mapping, Vec<Problem>> {
        let mut compiler = Compiler::new(files);
        let root = match yaml::read(files.map) {
            Ok(root) => root,
            Err(refused) => {
                for (at, why) in refused {
                    compiler.problem(at, Rule::Yaml, "", why);
                }
                return Err(compiler.problems);
            }
        };
        let slot = resources();
        let wanted = format!("{}/{}", files.source, files.record);
        let (header, resources) = compiler.header(&root, &wanted);
        let work = match (&root.body, &header) {
            (Body::Object(entries), Some(Header { kind: Kind::Fhir, .. })) => {
                compiler.fhir_rules(root.at, entries).map(Work::Fhir)
            }
            _ => resources
                .and_then(|node| compiler.value(node, slot, ""))
                .map(|made| Work::Template { made, slot }),
        };
        let about = header.as_ref().and_then(|header| header.about.clone());
        let about = about.and_then(|(at, name)| compiler.about(at, &name));
        match (header, work) {
            (Some(header), Some(work)) if compiler.problems.is_empty() => Ok(Mapping {
                file: compiler.file,
                header,
                digest: digest(files, &compiler.used),
                maps: compiler.maps,
                formats: compiler.formats,
                zones: compiler.zones,
                names: compiler.names.len(),
                about,
                reads: compiler.reads,
                work,
            }),
            _ => {
                compiler
                    .problems
                    .sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
                Err(compiler.problems)
            }
        }
    }

    /// `source/record`.
    pub fn name(&self) -> &str {
        &self.header.name
    }

    /// The member of staff who acted, as the record names them (the header's `staff`).
    pub fn staff<'r>(&self, record: &'r Value) -> Option<&'r str> {
        if self.header.staff.is_empty() {
            return None;
        }
        let named = self.header.staff.iter().try_fold(record, |at, name| at.get(name));
        named?.as_str().filter(|name| !name.trim().is_empty())
    }

    /// The names of its source's code maps that it uses.
    pub fn code_maps(&self) -> impl Iterator<Item = &str> {
        self.maps.keys().map(String::as_str)
    }

    /// One of them: each source word with the Coding it becomes (without a system where the map states none), in the order of
    /// the file.
    pub fn code_map(&self, name: &str) -> Option<impl Iterator<Item = (&str, &Value)>> {
        self.maps.get(name).map(CodeMap::rows)
    }

    /// Is its source a Part 2 program as a whole (the header's `part2: whole`)?
    pub fn part2_whole(&self) -> bool {
        self.header.part2_whole
    }

    /// Another mapping of the same source says so: each record of such a source is Part 2 content.
    pub fn becomes_part2_whole(&mut self) {
        self.header.part2_whole = true;
    }

    pub fn version(&self) -> u32 {
        self.header.version
    }

    /// SHA-256 of the mapping file and the code maps it uses, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// `hearthstone/care-plan 3 sha256:…`: names exactly this mapping in traces and provenance.
    pub fn stamp(&self) -> String {
        format!(
            "{} {} sha256:{}",
            self.header.name, self.header.version, self.digest
        )
    }

    /// Is a record one row of a CSV file, an object of strings?
    pub fn is_csv(&self) -> bool {
        self.header.kind == Kind::Csv
    }

    /// Is a record FHIR: a Bundle, or a list of resources about one person?
    pub fn is_fhir(&self) -> bool {
        self.header.kind == Kind::Fhir
    }

    /// Converts one record, whole or not at all. At most 10 000 values, depth 64.
    ///
    /// # Errors
    /// Every problem of the record, without its values.
    pub fn convert<'a>(
        &'a self,
        record: &'a Value,
        settings: &Settings<'_>,
    ) -> Result<Conversion<'a>, Vec<Problem>> {
        let mut conversion = match &self.work {
            Work::Template { made, slot } => self.fill(record, settings, made, slot)?,
            Work::Fhir(rules) => self.take(record, settings, rules)?,
        };
        if self.header.part2_whole {
            whole::label(&mut conversion.resources);
        }
        Ok(conversion)
    }

    /// The record through a template.
    fn fill<'a>(
        &'a self,
        record: &'a Value,
        settings: &Settings<'_>,
        made: &'a Made,
        slot: &'a Slot,
    ) -> Result<Conversion<'a>, Vec<Problem>> {
        let record = self.record(record);
        let functions = Functions::new(self, settings.id_key);
        let recorder = Recorder::default();
        let mut run = run::Run::new(&record, settings.now, &functions, &recorder, self.names);
        self.shape(&mut run);
        if run.problems.is_empty() {
            run.resources(made, slot);
        }
        if run.problems.is_empty() {
            self.gate(&mut run);
        }
        if !run.problems.is_empty() {
            return Err(self.report(&run));
        }
        let chief = self.about.and_then(|name| run.names[name].first());
        let chief = chief.map(|reference| reference.text.clone());
        let finished = Finished::of(run);
        Ok(Conversion::new(self, record, finished, chief))
    }

    /// The resources of a record that is FHIR.
    fn take<'a>(
        &'a self,
        record: &Value,
        settings: &Settings<'_>,
        rules: &fhir_record::Rules,
    ) -> Result<Conversion<'a>, Vec<Problem>> {
        let taken = fhir_record::convert(rules, &self.header.namespace, settings.id_key, record);
        let problem = |found: fhir_record::Found| Problem {
            file: self.file.clone(),
            line: found.at.line,
            column: found.at.column,
            target: found.target,
            source: found.source,
            rule: found.rule,
            message: found.message,
        };
        taken
            .map(|taken| Conversion::taken(self, taken))
            .map_err(|found| found.into_iter().map(problem).collect())
    }

    /// The record as expressions see it: an empty cell of a CSV row is absent.
    fn record<'a>(&self, record: &'a Value) -> Cow<'a, Value> {
        let blank = |value: &Value| value.as_str().is_some_and(|text| text.trim().is_empty());
        match record {
            Value::Object(row) if self.is_csv() && row.values().any(blank) => {
                let kept = row
                    .iter()
                    .filter(|(_, value)| !blank(value))
                    .map(|(key, value)| (key.clone(), value.clone()));
                Cow::Owned(Value::Object(kept.collect()))
            }
            _ => Cow::Borrowed(record),
        }
    }
}

/// Over the mapping and the code maps it uses in order of name, each with its length.
fn digest(files: &MappingFiles<'_>, used: &BTreeSet<String>) -> String {
    let codes: BTreeMap<&str, &str> = files
        .codes
        .iter()
        .copied()
        .filter(|(name, _)| used.contains(*name))
        .collect();
    let mut hash = Sha256::new();
    let mut add = |text: &str| {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    };
    add(files.map);
    for (name, text) in codes {
        add(name);
        add(text);
    }
    let mut out = String::with_capacity(64);
    for byte in hash.finalize() {
        // writing to a String does not fail
        let _ = write!(out, "{byte:02x}");
    }
    out
}
