//! Code maps: what a source's own word becomes in FHIR, from `codes/<map>.csv`.
//! <https://hl7.org/fhir/R4/datatypes.html#Coding>
//!
//! The notation, and what happens to a word no row names, is in `README.md`, "Code maps".

use super::problem::At;
use crate::fhir::primitive;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// A compiled code map.
#[derive(Debug, Default)]
pub(super) struct CodeMap {
    rows: HashMap<Box<str>, Row>,
    unknown: Unknown,
    /// The source words in the order of the file, for error messages.
    known: Vec<Box<str>>,
    /// The first row without a system, which `coding` may not use.
    pub without_system: Option<At>,
}

/// What one source word becomes.
#[derive(Debug)]
pub(super) struct Row {
    /// A JSON string.
    pub code: Value,
    /// A Coding.
    pub coding: Value,
}

#[derive(Debug, Default)]
enum Unknown {
    #[default]
    Refuse,
    Fixed(Row),
    Text,
    Drop,
}

/// The answer for one source word.
pub(super) enum Found<'m> {
    Row(&'m Row),
    /// Keep the word itself as text.
    Text,
    /// Leave the element out.
    Drop,
    Unknown,
}

const HEADER: [&str; 4] = ["source", "system", "code", "display"];

impl CodeMap {
    /// Reads the text of a CSV file.
    ///
    /// # Errors
    /// Every bad row, by line.
    pub fn read(text: &str) -> Result<CodeMap, Vec<(At, String)>> {
        let mut map = CodeMap::default();
        let mut wrong = Vec::new();
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(text.strip_prefix('\u{feff}').unwrap_or(text).as_bytes());
        let mut headed = false;
        for record in reader.records() {
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    wrong.push((at(error.position()), "not readable as CSV in UTF-8".to_owned()));
                    break;
                }
            };
            let at = at(record.position());
            let told = if headed {
                map.row(&record, at)
            } else {
                header(&record)
            };
            headed = true;
            if let Err(why) = told {
                wrong.push((at, why));
            }
        }
        if !headed {
            wrong.push((at(None), "the file is empty".to_owned()));
        } else if map.rows.is_empty() && wrong.is_empty() {
            wrong.push((at(None), "the map has no row".to_owned()));
        }
        if wrong.is_empty() { Ok(map) } else { Err(wrong) }
    }

    fn row(&mut self, record: &csv::StringRecord, at: At) -> Result<(), String> {
        if !(record.len() == 4 || record.len() == 5) {
            return Err("a row has the cells source,system,code,display and perhaps a note".to_owned());
        }
        let [source, system, code, display] = [0, 1, 2, 3].map(|cell| record.get(cell).unwrap_or(""));
        if source.is_empty() {
            return Err("a row needs a source word".to_owned());
        }
        if source == "*" {
            if !matches!(self.unknown, Unknown::Refuse) {
                return Err("a second row `*`".to_owned());
            }
            self.unknown = match (system, code) {
                ("", "text") => Unknown::Text,
                ("", "drop") => Unknown::Drop,
                _ => Unknown::Fixed(self.target(system, code, display, at)?),
            };
            return Ok(());
        }
        let row = self.target(system, code, display, at)?;
        if self.rows.insert(source.into(), row).is_some() {
            return Err("the same source word stands in an earlier row".to_owned());
        }
        self.known.push(source.into());
        Ok(())
    }

    fn target(&mut self, system: &str, code: &str, display: &str, at: At) -> Result<Row, String> {
        let code = Value::String(code.to_owned());
        if primitive::check("code", &code).is_err() {
            return Err("the code is not an R4 code".to_owned());
        }
        let mut coding = Map::new();
        if system.is_empty() {
            self.without_system.get_or_insert(at);
        } else {
            let system = Value::String(system.to_owned());
            if primitive::check("uri", &system).is_err() {
                return Err("the system is not a URI".to_owned());
            }
            coding.insert("system".to_owned(), system);
        }
        coding.insert("code".to_owned(), code.clone());
        if !display.is_empty() {
            coding.insert("display".to_owned(), Value::String(display.to_owned()));
        }
        Ok(Row {
            code,
            coding: Value::Object(coding),
        })
    }

    /// What `word` becomes; blanks at both ends do not count, anything else does.
    pub fn find(&self, word: &str) -> Found<'_> {
        match (self.rows.get(word.trim()), &self.unknown) {
            (Some(row), _) | (None, Unknown::Fixed(row)) => Found::Row(row),
            (None, Unknown::Refuse) => Found::Unknown,
            (None, Unknown::Text) => Found::Text,
            (None, Unknown::Drop) => Found::Drop,
        }
    }

    /// Each source word with its Coding, in the order of the file.
    pub fn rows(&self) -> impl Iterator<Item = (&str, &Value)> {
        let coding = |word| self.rows.get(word).map(|row: &Row| &row.coding);
        self.known
            .iter()
            .filter_map(move |word| Some((&**word, coding(word)?)))
    }

    /// The known source words, for a message; the first fifty.
    pub fn known(&self) -> String {
        let mut words = self
            .known
            .iter()
            .take(50)
            .map(|word| format!("`{word}`"))
            .collect::<Vec<_>>()
            .join(", ");
        if self.known.len() > 50 {
            words.push_str(", …");
        }
        words
    }
}

fn header(record: &csv::StringRecord) -> Result<(), String> {
    let extra = record.get(4).is_none_or(|note| note == "note") && record.len() <= 5;
    if record.iter().take(4).eq(HEADER) && extra {
        return Ok(());
    }
    Err("the first line must be source,system,code,display (and perhaps note)".to_owned())
}

fn at(position: Option<&csv::Position>) -> At {
    let line = position.map_or(1, csv::Position::line);
    At {
        line: u32::try_from(line).unwrap_or(u32::MAX),
        column: 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> Vec<(u32, String)> {
        let found = CodeMap::read(text).err().unwrap_or_default();
        found.into_iter().map(|(at, why)| (at.line, why)).collect()
    }

    fn row<'m>(map: &'m CodeMap, word: &str) -> Option<&'m Row> {
        match map.find(word) {
            Found::Row(row) => Some(row),
            _ => None,
        }
    }

    #[test]
    fn words_are_compared_exactly_after_trimming() {
        let map =
            CodeMap::read("source,system,code,display\n Male ,,male,\nF,http://x.example,female,Female\n")
                .expect("good");
        assert_eq!(
            row(&map, " Male ").map(|row| &row.code),
            Some(&Value::from("male"))
        );
        assert!(matches!(map.find("male"), Found::Unknown));
        let wanted = serde_json::json!({"system": "http://x.example", "code": "female", "display": "Female"});
        assert_eq!(row(&map, "F").map(|row| &row.coding), Some(&wanted));
        assert_eq!(map.known(), "`Male`, `F`");
        assert_eq!(map.without_system, Some(At { line: 2, column: 1 }));
    }

    #[test]
    fn the_star_row_says_what_becomes_of_other_words() {
        let with = |row: &str| {
            CodeMap::read(&format!("source,system,code,display,note\na,,b,,\n{row}\n")).expect("good")
        };
        assert!(matches!(with("*,,text,,").find("x"), Found::Text));
        assert!(matches!(with("*,,drop,,").find("x"), Found::Drop));
        assert!(
            matches!(with("*,http://x.example,o,Other,why").find("x"), Found::Row(row) if row.code == "o")
        );
    }

    #[test]
    fn bad_rows_are_all_named() {
        let text = "source,system,code,display\na,,b,\na,,c,\n,,c,\nd,not a uri,c,\ne,,two  blanks,\nf\n";
        let lines: Vec<u32> = wrong(text).into_iter().map(|(line, _)| line).collect();
        assert_eq!(lines, [3, 4, 5, 6, 7]);
        assert_eq!(wrong("system,code\n")[0].0, 1);
        assert_eq!(wrong("")[0].1, "the file is empty");
    }
}
