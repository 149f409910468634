//! The order of an answer: what a match is sorted by, and where one page ends and the next begins.
//! <https://hl7.org/fhir/R4/search.html#sort>

use std::cmp::Ordering;

use super::parameter::{Kind, Parameter, parameter};
use super::values::{Values, What};
use crate::fhir::Instant;

/// By what, and which way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SortBy {
    pub by: By,
    pub descending: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum By {
    Id,
    LastUpdated,
    Parameter(&'static Parameter),
}

/// What one match is compared by. Texts are compared by their first 200 bytes, so that a place fits into an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key<T> {
    Number(i64),
    Text(T),
    /// No value: last, whichever way.
    Missing,
}

/// A place in the order of one search: what the last match of a page was compared by, and its id. Both were in the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    pub keys: Vec<Key<String>>,
    pub id: String,
}

/// At most so many parameters of one `_sort`.
pub const MOST_SORTS: usize = 6;

pub(super) const LONGEST_KEY: usize = 200;

/// The order when nobody asks for another: what changed last stands last.
pub(super) const DEFAULT: SortBy = SortBy {
    by: By::LastUpdated,
    descending: false,
};

impl SortBy {
    /// `-date`; `None` when nothing of this type is sorted by it.
    pub(super) fn parse(resource_type: &str, text: &str) -> Option<SortBy> {
        let (descending, code) = match text.strip_prefix('-') {
            Some(code) => (true, code),
            None => (false, text),
        };
        let by = match code {
            "_id" => By::Id,
            "_lastUpdated" => By::LastUpdated,
            _ => By::Parameter(parameter(resource_type, code).filter(|p| is_sorted(p))?),
        };
        Some(SortBy { by, descending })
    }

    /// What a resource is compared by. Of several values the first in this direction counts.
    pub fn key<'v>(&self, id: &'v str, changed_at: Instant, values: &'v Values) -> Key<&'v str> {
        match self.by {
            By::Id => Key::Text(id),
            By::LastUpdated => Key::Number(changed_at.0),
            By::Parameter(parameter) => {
                let keys = values.of(parameter.at).filter_map(|what| self.one(values, what));
                let first = keys.min_by(|a, b| self.compare(a, b));
                first.unwrap_or(Key::Missing)
            }
        }
    }

    fn one<'v>(&self, values: &'v Values, what: What) -> Option<Key<&'v str>> {
        Some(match what {
            // An open end is no value: what began and goes on is sorted by its beginning.
            What::Date { from, to } => Key::Number(match from.instant() {
                Instant(i64::MIN) => to.instant().0,
                begun => begun.0,
            }),
            What::Text { folded, .. } => Key::Text(cut(values.get(folded))),
            What::Token { code, .. } | What::Code(code) => Key::Text(cut(values.get(code))),
            _ => return None,
        })
    }

    pub fn compare<A: AsRef<str>, B: AsRef<str>>(&self, a: &Key<A>, b: &Key<B>) -> Ordering {
        let order = match (a, b) {
            (Key::Missing, Key::Missing) => return Ordering::Equal,
            (Key::Missing, _) => return Ordering::Greater,
            (_, Key::Missing) => return Ordering::Less,
            (Key::Number(a), Key::Number(b)) => a.cmp(b),
            (Key::Text(a), Key::Text(b)) => a.as_ref().cmp(b.as_ref()),
            (Key::Number(_), Key::Text(_)) => Ordering::Less,
            (Key::Text(_), Key::Number(_)) => Ordering::Greater,
        };
        if self.descending { order.reverse() } else { order }
    }
}

/// By all of them in turn, ties by id.
pub fn compare<A: AsRef<str>, B: AsRef<str>>(
    sort: &[SortBy],
    a: (&[Key<A>], &str),
    b: (&[Key<B>], &str),
) -> Ordering {
    let keys = sort.iter().zip(a.0.iter().zip(b.0));
    let mut orders = keys.map(|(by, (a, b))| by.compare(a, b));
    let first = orders.find(|order| order.is_ne());
    first.unwrap_or_else(|| a.1.cmp(b.1))
}

impl Key<&str> {
    pub fn to_owned(&self) -> Key<String> {
        match self {
            Key::Number(number) => Key::Number(*number),
            Key::Text(text) => Key::Text((*text).to_owned()),
            Key::Missing => Key::Missing,
        }
    }
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(LONGEST_KEY)]
}

/// What is sorted by: dates, texts and codes.
pub fn is_sorted(parameter: &Parameter) -> bool {
    matches!(parameter.kind, Kind::Date | Kind::String | Kind::Token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_stands_last_both_ways_and_ties_go_by_id() {
        let up = SortBy {
            by: By::Id,
            descending: false,
        };
        let down = SortBy {
            by: By::Id,
            descending: true,
        };
        let (a, b, none) = (Key::Text("a"), Key::Text("b"), Key::<&str>::Missing);
        assert_eq!(
            (up.compare(&a, &b), down.compare(&a, &b)),
            (Ordering::Less, Ordering::Greater)
        );
        assert_eq!(
            (up.compare(&none, &b), down.compare(&none, &b)),
            (Ordering::Greater, Ordering::Greater)
        );
        let tie = compare(
            &[down],
            (std::slice::from_ref(&a), "1"),
            (std::slice::from_ref(&a), "2"),
        );
        assert_eq!(tie, Ordering::Less);
    }

    #[test]
    fn sorted_by_dates_texts_and_codes_of_the_type() {
        for (text, wanted) in [
            ("-date", true),
            ("status", true),
            ("_id", true),
            ("patient", false),
            ("colour", false),
        ] {
            assert_eq!(SortBy::parse("CarePlan", text).is_some(), wanted, "{text}");
        }
    }
}
