//! YAML as mappings may use it: a tree of objects, lists and scalars, each with its place.
//! <https://yaml.org/spec/1.2.2/> through the events of saphyr-parser, so that scalars keep text and style.
//!
//! Refused: anchors, aliases, tags, `<<`, a second document, duplicate keys, empty values, and what YAML would
//! silently cut from an expression. Nothing here knows what a mapping means, but that `=` starts an expression.

use super::problem::At;
pub(super) use super::yaml_scalar::Scalar;
use super::yaml_scalar::{balanced, closes, hint};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle};
use std::collections::HashSet;

/// A mapping nested deeper than this is refused.
pub(super) const MAX_DEPTH: usize = 64;

#[derive(Debug)]
pub(super) struct Node {
    pub at: At,
    pub body: Body,
}

#[derive(Debug)]
pub(super) enum Body {
    Scalar(Scalar),
    List(Vec<Node>),
    Object(Vec<(Key, Node)>),
}

#[derive(Debug)]
pub(super) struct Key {
    pub at: At,
    pub text: String,
}

/// What is wrong with the YAML, and where.
pub(super) type Refusal = (At, String);

/// Reads one document.
///
/// # Errors
/// Every refusal; when YAML itself cannot be read further, the last one says so.
pub(super) fn read(text: &str) -> Result<Node, Vec<Refusal>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader {
        lines: text.lines().collect(),
        open: Vec::new(),
        root: None,
        refused: Vec::new(),
    };
    let mut documents = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = match event {
            Ok(found) => found,
            Err(error) => {
                let at = place(*error.marker());
                reader.refused.push((
                    at,
                    format!(
                        "not readable as YAML: {}{}",
                        error.info(),
                        hint(reader.line(at.line).unwrap_or(""))
                    ),
                ));
                break;
            }
        };
        if matches!(event, Event::DocumentStart(_)) {
            documents += 1;
            if documents > 1 {
                reader
                    .refused
                    .push((place(span.start), "a mapping is one YAML document".to_owned()));
                break;
            }
        }
        if reader.take(event, place(span.start)).is_err() {
            break;
        }
    }
    if reader.refused.is_empty() && reader.root.is_none() {
        reader
            .refused
            .push((At { line: 1, column: 1 }, "the file is empty".to_owned()));
    }
    match reader.root {
        Some(root) if reader.refused.is_empty() => Ok(root),
        _ => Err(reader.refused),
    }
}

struct Reader<'t> {
    lines: Vec<&'t str>,
    open: Vec<Open>,
    root: Option<Node>,
    refused: Vec<Refusal>,
}

/// A list or object whose end has not been met.
struct Open {
    at: At,
    flow: bool,
    body: Partial,
}

enum Partial {
    List(Vec<Node>),
    Object {
        entries: Vec<(Key, Node)>,
        seen: HashSet<String>,
        key: Option<Key>,
    },
}

/// The rest of the file cannot be read sensibly.
struct Stop;

impl Reader<'_> {
    fn take(&mut self, event: Event<'_>, at: At) -> Result<(), Stop> {
        match event {
            Event::Alias(_) => {
                self.refuse(at, "aliases (`*name`) are not allowed in a mapping");
                Err(Stop)
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.plain_features(at, anchor, tag.is_some());
                self.scalar(&text, style, at);
                Ok(())
            }
            Event::SequenceStart(anchor, tag) => {
                self.plain_features(at, anchor, tag.is_some());
                self.start(at, '[', Partial::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                self.plain_features(at, anchor, tag.is_some());
                let body = Partial::Object {
                    entries: Vec::new(),
                    seen: HashSet::new(),
                    key: None,
                };
                self.start(at, '{', body)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                self.end();
                Ok(())
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
        }
    }

    fn plain_features(&mut self, at: At, anchor: usize, tagged: bool) {
        if anchor != 0 {
            self.refuse(at, "anchors (`&name`) are not allowed in a mapping");
        }
        if tagged {
            self.refuse(at, "tags (`!name`) are not allowed in a mapping");
        }
    }

    fn start(&mut self, at: At, bracket: char, body: Partial) -> Result<(), Stop> {
        if self.expects_key() {
            self.refuse(at, "a key must be a plain name");
            return Err(Stop);
        }
        if self.open.len() >= MAX_DEPTH {
            self.refuse(at, "nested deeper than 64 levels");
            return Err(Stop);
        }
        let flow = self.in_flow() || self.rest_of_line(at).starts_with(bracket);
        self.open.push(Open { at, flow, body });
        Ok(())
    }

    fn end(&mut self) {
        if let Some(open) = self.open.pop() {
            let body = match open.body {
                Partial::List(items) => Body::List(items),
                Partial::Object { entries, .. } => Body::Object(entries),
            };
            self.place_node(Node { at: open.at, body });
        }
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, at: At) {
        if self.expects_key() {
            self.key(text, at);
            return;
        }
        if style == ScalarStyle::Plain && matches!(text, "" | "~" | "null" | "Null" | "NULL") {
            let hint = if self.in_flow() { COMMA } else { "" };
            self.refuse(
                at,
                &format!("an empty value: write a value or leave the key out{hint}"),
            );
        }
        let lines = self.lines_of(text, style, at);
        if text.starts_with('=') {
            self.expression_traps(text, style, at, lines.is_none());
        }
        let lines = lines.unwrap_or_else(|| vec![(at, u32::MAX)]);
        self.place_node(Node {
            at,
            body: Body::Scalar(Scalar {
                text: text.trim_end_matches('\n').to_owned(),
                lines,
            }),
        });
    }

    fn expression_traps(&mut self, text: &str, style: ScalarStyle, at: At, broken: bool) {
        let quoted = matches!(style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted);
        if broken && !(quoted && closes(self.rest_of_line(at))) {
            self.refuse(at, "an expression over several lines: write it as a block (`>-`)");
        } else if style == ScalarStyle::Plain {
            let rest: String = self.rest_of_line(at).chars().skip(text.chars().count()).collect();
            if rest.trim_start().starts_with('#') {
                let told = "a comment may not follow a plain expression on its line: \
                    put the expression in double quotes, or the comment on a line of its own";
                self.refuse(at, told);
            }
            if self.in_flow() && !balanced(text) {
                self.refuse(at, &format!("the expression is cut short{COMMA}"));
            }
        }
    }

    fn key(&mut self, text: &str, at: At) {
        if text.starts_with('=') {
            let told =
                "an expression with `: ` inside was read as a key: put the whole expression in double quotes";
            self.refuse(at, told);
        } else if text == "<<" {
            self.refuse(at, "merge keys (`<<`) are not allowed in a mapping");
        } else if text.is_empty() {
            self.refuse(at, "an empty key");
        }
        let Some(Open {
            body: Partial::Object { seen, key, .. },
            ..
        }) = self.open.last_mut()
        else {
            return;
        };
        *key = Some(Key {
            at,
            text: text.to_owned(),
        });
        if !seen.insert(text.to_owned()) {
            self.refuse(at, &format!("the key `{text}` stands twice in the same object"));
        }
    }

    fn place_node(&mut self, node: Node) {
        match self.open.last_mut().map(|open| &mut open.body) {
            None => self.root = Some(node),
            Some(Partial::List(items)) => items.push(node),
            Some(Partial::Object { entries, key, .. }) => {
                if let Some(key) = key.take() {
                    entries.push((key, node));
                }
            }
        }
    }

    fn expects_key(&self) -> bool {
        matches!(
            self.open.last(),
            Some(Open {
                body: Partial::Object { key: None, .. },
                ..
            })
        )
    }

    fn in_flow(&self) -> bool {
        self.open.last().is_some_and(|open| open.flow)
    }

    fn refuse(&mut self, at: At, why: &str) {
        self.refused.push((at, why.to_owned()));
    }

    fn line(&self, number: u32) -> Option<&str> {
        self.lines.get(number.checked_sub(1)? as usize).copied()
    }

    fn rest_of_line(&self, at: At) -> &str {
        let line = self.line(at.line).unwrap_or("");
        let skip = at.column.saturating_sub(1) as usize;
        line.char_indices()
            .nth(skip)
            .map_or("", |(start, _)| &line[start..])
    }

    /// Where the lines of a scalar stand; `None` when it is not written exactly as it reads.
    fn lines_of(&self, text: &str, style: ScalarStyle, at: At) -> Option<Vec<(At, u32)>> {
        let length = |part: &str| u32::try_from(part.chars().count()).unwrap_or(u32::MAX);
        match style {
            ScalarStyle::Plain => self
                .rest_of_line(at)
                .starts_with(text)
                .then(|| vec![(at, length(text))]),
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
                let inside = At {
                    line: at.line,
                    column: at.column + 1,
                };
                self.rest_of_line(inside)
                    .starts_with(text)
                    .then(|| vec![(inside, length(text))])
            }
            ScalarStyle::Literal | ScalarStyle::Folded => {
                let mut found = Vec::new();
                let mut left = text.trim_end().chars().count();
                // the mark of a block scalar is where its text starts, not its `|` or `>`
                for number in at.line.. {
                    let line = self.line(number)?;
                    let content = line.trim();
                    let indent = length(line) - length(line.trim_start());
                    found.push((
                        At {
                            line: number,
                            column: indent + 1,
                        },
                        length(content),
                    ));
                    left = left.saturating_sub(content.chars().count() + 1);
                    if left == 0 {
                        break;
                    }
                }
                Some(found)
            }
        }
    }
}

const COMMA: &str =
    "; inside [ ] and { } a comma or bracket ends a plain value: put the expression in double quotes";

fn place(marker: Marker) -> At {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    At {
        line: number(marker.line()).max(1),
        column: number(marker.col()).saturating_add(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusals(text: &str) -> Vec<(u32, u32, String)> {
        let refused = read(text).err().unwrap_or_default();
        refused
            .into_iter()
            .map(|(at, why)| (at.line, at.column, why))
            .collect()
    }

    /// One refusal at this place, whose sentence holds these words.
    fn refused(text: &str, line: u32, column: u32, words: &str) {
        let found = refusals(text);
        let hit = found
            .iter()
            .any(|(l, c, why)| (*l, *c) == (line, column) && why.contains(words));
        assert!(hit, "{text:?} gave {found:?}");
    }

    /// The scalar that is the first value of an object.
    fn scalar(text: &str) -> Scalar {
        let first = match read(text).expect("YAML").body {
            Body::Object(mut entries) => entries.remove(0).1.body,
            other => other,
        };
        let scalar = match first {
            Body::Scalar(scalar) => Some(scalar),
            _ => None,
        };
        scalar.expect("a scalar")
    }

    #[test]
    fn scalars_keep_their_text() {
        assert_eq!(scalar("a: 1.00").text, "1.00");
        assert_eq!(scalar("a: yes").text, "yes");
        assert_eq!(scalar("a: 007").text, "007");
        assert_eq!(scalar("a: =b#c").text, "=b#c");
        assert_eq!(scalar("a: \"=b: c # d, e\"").text, "=b: c # d, e");
        assert_eq!(scalar("a: >-\n  =b +\n  c\n").text, "=b + c");
    }

    #[test]
    fn what_mappings_may_not_use_is_refused_where_it_stands() {
        refused("a: &x 1\nb: 2", 1, 4, "anchors");
        refused("a: &x 1\nb: *x", 2, 4, "aliases");
        refused("a: !!str 1", 1, 4, "tags");
        refused("a:\n  <<: 1", 2, 3, "merge");
        refused("a: 1\n---\nb: 2", 2, 1, "one YAML document");
        refused("a: 1\nb: 2\na: 3", 3, 1, "twice");
        refused("a: ~", 1, 4, "empty value");
        refused("{a: 1, [b]: 2}", 1, 8, "plain name");
        refused("", 1, 1, "empty");
    }

    #[test]
    fn expressions_that_yaml_would_cut_are_refused() {
        refused("a: =b # c", 1, 4, "comment");
        refused("x: [{a: =b # c\n}]", 1, 9, "comment");
        refused("- =a: b", 1, 3, "read as a key");
        refused("x: [ =code(x, 'm') ]", 1, 6, "comma");
        refused("x: {a: =iif(b, c)}", 1, 8, "comma");
        refused("x: =a +\n  b", 1, 4, "several lines");
        refused("x: \"=a +\n  b\"", 1, 4, "several lines");
        assert!(refusals("x: =a: b")[0].2.contains("double quotes"));
        assert!(
            refusals("x: {a: =b[0].c}")
                .iter()
                .any(|r| r.2.contains("double quotes"))
        );
        assert_eq!(refusals("x: {a: =b} # fine\n# fine\ny: \"=b\" # fine"), []);
    }

    #[test]
    fn places_point_into_the_scalar() {
        let at = |line, column| At { line, column };
        assert_eq!(scalar("a: =bcd").place(3), at(1, 7));
        assert_eq!(scalar("a: '=bcd'").place(3), at(1, 8));
        assert_eq!(scalar("a: >-\n    =b +\n    cd\n").place(6), at(3, 6));
        assert_eq!(scalar("é: =ñcd").place(3), at(1, 6));
    }

    #[test]
    fn depth_is_limited_without_recursion() {
        let deep = |levels: usize| format!("a: {}1{}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(refusals(&deep(63)), []);
        assert!(refusals(&deep(64)).iter().any(|r| r.2.contains("64 levels")));
        assert!(!refusals(&deep(50_000)).is_empty());
    }
}
