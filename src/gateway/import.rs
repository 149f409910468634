//! A file of records: JSON (one object or a list) or NDJSON. Good records go in, each bad one is reported with its
//! line and all its problems.

use postern_rules::fhir::json;

use super::{Accepted, Error, Gateway, Intake, Rejected};

/// What became of one record of the file.
#[derive(Debug)]
pub struct ImportLine {
    /// Line of the file, from 1; in a JSON list, the number of the record.
    pub line: usize,
    pub result: Result<Accepted, Vec<String>>,
}

#[derive(Debug, Default)]
pub struct ImportReport {
    pub lines: Vec<ImportLine>,
}

impl ImportReport {
    pub fn accepted(&self) -> usize {
        self.lines.iter().filter(|line| line.result.is_ok()).count()
    }

    pub fn rejected(&self) -> usize {
        self.lines.len() - self.accepted()
    }

    pub fn changed(&self) -> usize {
        self.lines
            .iter()
            .filter_map(|l| l.result.as_ref().ok())
            .map(|a| a.changed + a.retired)
            .sum()
    }
}

/// Records waiting to be accepted, by line.
type Records = Vec<(usize, Result<serde_json::Value, Vec<String>>)>;

impl Gateway {
    /// Imports all records of a file's bytes. An unreadable file is an `Err` with one sentence; nothing is kept then.
    pub async fn import(
        &self,
        source: &str,
        record: &str,
        bytes: &[u8],
        staff: Option<&str>,
    ) -> Result<ImportReport, String> {
        let Some(mapping) = self.mappings.get(source, record) else {
            let known = self.mappings.names().join(", ");
            return Err(format!("no mapping {source}/{record}; known: {known}"));
        };
        let mut all = records(bytes)?;
        if mapping.is_fhir() {
            all = fhir_records(all);
        }
        let mut report = ImportReport::default();
        for (line, parsed) in all {
            let result = match parsed {
                Err(problems) => Err(problems),
                Ok(body) => {
                    let request = format!("import-{}", self.request_id());
                    let intake = Intake {
                        source,
                        record,
                        body: &body,
                        staff,
                        address: "localhost",
                        request: &request,
                    };
                    self.accept_waiting(&intake).await
                }
            };
            report.lines.push(ImportLine { line, result });
        }
        Ok(report)
    }

    async fn accept_waiting(&self, intake: &Intake<'_>) -> Result<Accepted, Vec<String>> {
        self.accept(intake, true)
            .await
            .map_err(|rejected| match rejected {
                Rejected::NoMapping(_) => vec!["no such mapping".to_owned()],
                Rejected::Problems(problems) => problems.iter().map(ToString::to_string).collect(),
                Rejected::Failed(Error::Busy) => vec!["the store is busy; import the file again".to_owned()],
                Rejected::Failed(Error::Unprocessable(issues)) => {
                    issues.iter().map(ToString::to_string).collect()
                }
                Rejected::Failed(error) => vec![format!("not kept: {error}")],
            })
    }
}

/// One object, a list of objects, or one object a line.
fn records(bytes: &[u8]) -> Result<Records, String> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err("the file is empty".to_owned());
    }
    if bytes.contains(&0) || std::str::from_utf8(bytes).is_err() {
        return Err("not a text file in UTF-8".to_owned());
    }
    if let Ok(whole) = json::parse(bytes) {
        return Ok(match whole {
            serde_json::Value::Array(list) => list
                .into_iter()
                .enumerate()
                .map(|(index, one)| (index + 1, Ok(one)))
                .collect(),
            one => vec![(1, Ok(one))],
        });
    }
    let lines: Vec<(usize, &[u8])> = bytes
        .split(|b| *b == b'\n')
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim_ascii()))
        .filter(|(_, line)| !line.is_empty())
        .collect();
    let parsed: Records = lines
        .iter()
        .map(|(number, line)| (*number, parse_line(line)))
        .collect();
    if !is_ndjson(&parsed, bytes) {
        let problems = json::parse(bytes).err().unwrap_or_default();
        let first = problems.first().map(ToString::to_string).unwrap_or_default();
        return Err(format!("neither JSON nor NDJSON: {first}"));
    }
    Ok(parsed)
}

/// Each Bundle is a record. Resources that are no Bundles are the lines of one export, and one record together: it has
/// them all, or it is not taken.
fn fhir_records(stated: Records) -> Records {
    let is_bundle =
        |one: &Result<serde_json::Value, _>| one.as_ref().is_ok_and(|one| one["resourceType"] == "Bundle");
    if stated.iter().any(|(_, one)| is_bundle(one)) {
        return stated;
    }
    let first = stated.first().map_or(1, |(line, _)| *line);
    let (mut lines, mut problems) = (Vec::new(), Vec::new());
    for (line, one) in stated {
        match one {
            Ok(resource) => lines.push(resource),
            Err(found) => problems.extend(found.iter().map(|why| format!("line {line}: {why}"))),
        }
    }
    let whole = problems.is_empty().then_some(serde_json::Value::Array(lines));
    vec![(first, whole.ok_or(problems))]
}

/// Whether lines are records, some of them perhaps broken; else the file is one broken JSON text, of which nothing is
/// taken, though single lines of it may happen to be objects.
fn is_ndjson(lines: &Records, bytes: &[u8]) -> bool {
    let good = |one: &Result<serde_json::Value, _>| one.as_ref().is_ok_and(serde_json::Value::is_object);
    let found = lines.iter().filter(|(_, one)| good(one)).count();
    let first = lines.first().is_some_and(|(_, one)| good(one));
    !bytes.trim_ascii_start().starts_with(b"[") && (first || found * 2 >= lines.len().max(1))
}

fn parse_line(line: &[u8]) -> Result<serde_json::Value, Vec<String>> {
    json::parse(line).map_err(|issues| issues.iter().map(ToString::to_string).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_written_file_gives_its_good_lines_and_names_the_bad_one() {
        let found = records(b"{\"a\":1}\n\n{\"a\":2}\n{\"a\":").expect("some good lines");
        assert_eq!(
            found
                .iter()
                .map(|(line, one)| (*line, one.is_ok()))
                .collect::<Vec<_>>(),
            [(1, true), (3, true), (4, false)]
        );
    }

    #[test]
    fn an_export_of_resources_is_one_record_and_bundles_are_one_each() {
        let taken = |bytes: &[u8]| fhir_records(records(bytes).expect("records"));
        let export = taken(b"{\"resourceType\":\"Patient\"}\n{\"resourceType\":\"Goal\"}\n");
        assert_eq!(export.len(), 1);
        assert_eq!(
            export[0].1.as_ref().expect("whole").as_array().map(Vec::len),
            Some(2)
        );
        let one = taken(b"{\"resourceType\":\"Patient\"}");
        assert_eq!(
            one[0].1.as_ref().expect("whole").as_array().map(Vec::len),
            Some(1)
        );
        let bundles = taken(b"{\"resourceType\":\"Bundle\"}\n{\"resourceType\":\"Bundle\"}\n");
        assert_eq!(bundles.len(), 2);
        let broken = taken(b"{\"resourceType\":\"Patient\"}\n{\"resourceType\":\n");
        assert_eq!(broken.len(), 1);
        let why = broken[0].1.as_ref().expect_err("half an export");
        assert!(why[0].starts_with("line 2: "), "{why:?}");
    }

    #[test]
    fn a_half_written_list_or_object_over_several_lines_is_refused_whole() {
        for cut in [
            &b"[\n{\"a\":1}"[..],
            b"[\n{\"a\":1},\n{\"a\":2}\n",
            b"{\n\"a\": [\n{\"b\": 1}\n",
            b"{\n{}\n\"a\": 1,\n\"b\": 2",
        ] {
            let why = records(cut).expect_err("half a file");
            assert!(why.starts_with("neither JSON nor NDJSON"), "{why}");
        }
    }

    #[test]
    fn empty_binary_and_foreign_files_are_named() {
        assert_eq!(records(b" \n").expect_err("empty"), "the file is empty");
        assert_eq!(
            records(b"PK\x03\x04\0").expect_err("binary"),
            "not a text file in UTF-8"
        );
        assert!(
            records(b"name;dob\nx;y\n")
                .expect_err("csv")
                .starts_with("neither JSON")
        );
    }
}
