//! Words that make a sentence suspect. A hit adds suspicion; no hit clears nothing.
//! <https://hl7.org/fhir/R4/security-labels.html>
//!
//! Single words are found also one slip of the keyboard away when they are long enough (8 letters) not to
//! turn into ordinary words; pairs and triples of words are found as written.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::sieve::{LONGEST, Sieve};
use crate::terminology::Sensitivities;

const FUZZY_LENGTH: usize = 8;

struct Terms {
    words: HashMap<&'static str, Word>,
    phrases: HashMap<&'static str, Sensitivities>,
    longest_phrase: usize,
    /// Each long term with one letter left out (and whole): candidates to compare.
    near: HashMap<String, Vec<&'static str>>,
    /// The keys of `words` and of `near`.
    sieve: Sieve,
    near_sieve: Sieve,
}

/// A word on the list, or the first one of a phrase on it.
#[derive(Clone, Copy, Default)]
struct Word {
    sensitivity: Sensitivities,
    begins_phrase: bool,
}

static TERMS: LazyLock<Terms> = LazyLock::new(|| Terms::read(include_str!("terms.tsv")));

impl Terms {
    fn read(text: &'static str) -> Terms {
        let mut terms = Terms {
            words: HashMap::new(),
            phrases: HashMap::new(),
            longest_phrase: 1,
            near: HashMap::new(),
            sieve: Sieve::new(),
            near_sieve: Sieve::new(),
        };
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if let Some((term, code)) = line.split_once('\t') {
                terms.add(term, Sensitivities::of(code.trim()).unwrap_or_default());
            }
        }
        terms
    }

    fn add(&mut self, term: &'static str, sensitivity: Sensitivities) {
        let first = term.split(' ').next().unwrap_or(term);
        self.sieve.add(first);
        let word = self.words.entry(first).or_default();
        if first.len() < term.len() {
            word.begins_phrase = true;
            self.phrases.insert(term, sensitivity);
            self.longest_phrase = self.longest_phrase.max(term.split(' ').count());
            return;
        }
        word.sensitivity = sensitivity;
        if term.chars().count() >= FUZZY_LENGTH {
            for key in shortened(term).chain([term.to_owned()]) {
                self.near_sieve.add(&key);
                self.near.entry(key).or_default().push(term);
            }
        }
    }

    fn word(&self, word: &str) -> Word {
        let listed = self.sieve.passes(word).then(|| self.words.get(word)).flatten();
        match listed.copied().unwrap_or_default() {
            Word {
                sensitivity,
                begins_phrase,
            } if sensitivity.is_empty() => Word {
                sensitivity: self.slipped(word),
                begins_phrase,
            },
            listed => listed,
        }
    }

    /// What a word may have been meant to be.
    fn slipped(&self, word: &str) -> Sensitivities {
        let short = word.len() + 1 < FUZZY_LENGTH || word.chars().count() + 1 < FUZZY_LENGTH;
        if short || word.len() > LONGEST || !self.near_sieve.passes_shortened(word) {
            return Sensitivities::NONE;
        }
        let candidates = shortened(word)
            .chain([word.to_owned()])
            .filter_map(|key| self.near.get(&key))
            .flatten();
        let close = candidates
            .filter(|term| one_slip(word, term))
            .filter_map(|term| self.words.get(*term));
        close.fold(Sensitivities::NONE, |set, found| set.with(found.sensitivity))
    }
}

/// The sensitivities that a text makes suspect.
pub(super) fn suspect(text: &str) -> Sensitivities {
    let terms = &*TERMS;
    let lower = text.to_lowercase();
    let mut words = lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|w| !w.is_empty());
    let mut found = Sensitivities::NONE;
    while let Some(word) = words.next() {
        let Word {
            sensitivity,
            begins_phrase,
        } = terms.word(word);
        found = found.with(sensitivity);
        if begins_phrase {
            let mut phrase = word.to_owned();
            for next in words.clone().take(terms.longest_phrase - 1) {
                phrase.push(' ');
                phrase.push_str(next);
                found = found.with(terms.phrases.get(phrase.as_str()).copied().unwrap_or_default());
            }
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
        let words = TERMS.words.iter().filter(|(_, word)| !word.begins_phrase);
        let words = words.map(|(term, word)| (term, &word.sensitivity));
        for (term, sensitivity) in words.chain(&TERMS.phrases) {
            assert!(!sensitivity.is_empty(), "{term}");
            assert_eq!(*term, term.to_lowercase(), "terms are lower case");
        }
    }
}
