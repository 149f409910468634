//! Words that make a sentence suspect. A hit adds suspicion; no hit clears nothing.
//! <https://hl7.org/fhir/R4/security-labels.html>
//!
//! Single words are found also one slip of the keyboard away when they are long enough (8 letters) not to
//! turn into ordinary words; pairs and triples of words are found as written.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::terminology::Sensitivities;

const FUZZY_LENGTH: usize = 8;

struct Terms {
    exact: HashMap<&'static str, Sensitivities>,
    longest_phrase: usize,
    /// Each long term with one letter left out (and whole): candidates to compare.
    near: HashMap<String, Vec<&'static str>>,
}

static TERMS: LazyLock<Terms> = LazyLock::new(|| Terms::read(include_str!("terms.tsv")));

impl Terms {
    fn read(text: &'static str) -> Terms {
        let mut terms = Terms {
            exact: HashMap::new(),
            longest_phrase: 1,
            near: HashMap::new(),
        };
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((term, code)) = line.split_once('\t') else {
                continue;
            };
            terms
                .exact
                .insert(term, Sensitivities::of(code.trim()).unwrap_or_default());
            terms.longest_phrase = terms.longest_phrase.max(term.split(' ').count());
            if term.chars().count() >= FUZZY_LENGTH && !term.contains(' ') {
                for key in shortened(term).chain([term.to_owned()]) {
                    terms.near.entry(key).or_default().push(term);
                }
            }
        }
        terms
    }

    fn word(&self, word: &str) -> Sensitivities {
        if let Some(found) = self.exact.get(word) {
            return *found;
        }
        if word.chars().count() + 1 < FUZZY_LENGTH || word.len() > 40 {
            return Sensitivities::NONE;
        }
        let candidates = shortened(word)
            .chain([word.to_owned()])
            .filter_map(|key| self.near.get(&key))
            .flatten();
        let close = candidates
            .filter(|term| one_slip(word, term))
            .filter_map(|term| self.exact.get(*term));
        close.fold(Sensitivities::NONE, |set, found| set.with(*found))
    }
}

/// The sensitivities that a text makes suspect.
pub(super) fn suspect(text: &str) -> Sensitivities {
    let terms = &*TERMS;
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|w| !w.is_empty())
        .collect();
    let mut found = Sensitivities::NONE;
    let mut phrase = String::new();
    for (i, word) in words.iter().enumerate() {
        found = found.with(terms.word(word));
        phrase.clear();
        phrase.push_str(word);
        for next in words[i + 1..].iter().take(terms.longest_phrase - 1) {
            phrase.push(' ');
            phrase.push_str(next);
            found = found.with(terms.exact.get(phrase.as_str()).copied().unwrap_or_default());
        }
    }
    found
}

fn shortened(word: &str) -> impl Iterator<Item = String> + '_ {
    word.char_indices()
        .map(|(at, c)| [&word[..at], &word[at + c.len_utf8()..]].concat())
}

/// One letter more, less, other, or two neighbours swapped.
fn one_slip(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let head = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[head..], &b[head..]);
    match (a, b) {
        ([], []) => true,
        ([_, rest @ ..], other) if rest == other => true,
        (other, [_, rest @ ..]) if rest == other => true,
        ([_, rest @ ..], [_, other @ ..]) if rest == other => true,
        ([x, y, rest @ ..], [v, w, other @ ..]) => x == w && y == v && rest == other,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slip_of_the_keyboard_is_still_found() {
        for text in [
            "Buprenorphine",
            "buprenorphne",
            "bupernorphine",
            "bupprenorphine",
            "buprenorphane",
            "on SUBOXONE film",
        ] {
            assert!(
                suspect(text).intersects(Sensitivities::of("SUD").expect("code")),
                "{text}"
            );
        }
        for text in ["attends an AA meeting", "methadone clinic, 8:00", "uses heroin"] {
            assert!(!suspect(text).is_empty(), "{text}");
        }
        for text in ["the heroine of the play", "aa batteries", "walks daily", "", "…"] {
            assert!(suspect(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn every_term_has_a_sensitivity() {
        for (term, sensitivity) in &TERMS.exact {
            assert!(!sensitivity.is_empty(), "{term}");
            assert_eq!(*term, term.to_lowercase(), "terms are lower case");
        }
    }
}
