//! Words that make a sentence suspect. A hit adds suspicion; no hit clears nothing.
//! <https://hl7.org/fhir/R4/security-labels.html>
//!
//! Single words are found also one slip of the keyboard away when they are long enough (8 letters) not to
//! turn into ordinary words, and as they are heard; pairs and triples of words are found as written.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use super::codes::ListName;
use super::sieve::{LONGEST, Sieve, Spelled};
use crate::terminology::Sensitivities;

const FUZZY_LENGTH: usize = 8;

/// The list of terms; its line `# list: NAME VERSION` names it.
pub(super) const TEXT: &str = include_str!("terms.tsv");

struct Terms {
    list: ListName,
    words: HashMap<&'static str, Word>,
    phrases: HashMap<&'static str, Sensitivities>,
    longest_phrase: usize,
    /// Each spelling of a long term with one letter left out (and whole): candidates to compare.
    near: HashMap<String, Vec<Spelling>>,
    /// Ordinary words that stand one slip from a term.
    ordinary: HashSet<&'static str>,
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

/// A way to write a term, and the term.
#[derive(Clone)]
struct Spelling {
    written: String,
    term: &'static str,
}

/// Letters that are heard alike: who writes a medicine down from hearing writes one for the other.
const HEARD_ALIKE: [(&str, &str); 6] = [
    ("ph", "f"),
    ("x", "ks"),
    ("y", "i"),
    ("th", "t"),
    ("c", "k"),
    ("z", "s"),
];

static TERMS: LazyLock<Terms> = LazyLock::new(|| Terms::read(TEXT));

impl Terms {
    fn read(text: &'static str) -> Terms {
        let mut terms = Terms {
            list: ListName {
                name: "terms.tsv".to_owned(),
                version: String::new(),
            },
            ordinary: HashSet::new(),
            words: HashMap::new(),
            phrases: HashMap::new(),
            longest_phrase: 1,
            near: HashMap::new(),
            sieve: Sieve::new(),
            near_sieve: Sieve::new(),
        };
        for line in text.lines() {
            if let Some((name, version)) = line
                .strip_prefix("# list:")
                .and_then(|l| l.trim().split_once(' '))
            {
                (terms.list.name, terms.list.version) = (name.to_owned(), version.to_owned());
            }
            match line.split_once('\t').filter(|_| !line.starts_with('#')) {
                Some((word, "-")) => {
                    terms.ordinary.insert(word);
                }
                Some((term, code)) => terms.add(term, Sensitivities::of(code.trim()).unwrap_or_default()),
                None => {}
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
            for written in spellings(term) {
                for key in shortened(&written).chain([written.clone()]) {
                    self.near_sieve.add(&key);
                    self.near.entry(key).or_default().push(Spelling {
                        written: written.clone(),
                        term,
                    });
                }
            }
        }
    }

    /// Could a term sound in this text? Most texts are answered here, in one pass and without a copy in small letters.
    fn may_sound(&self, text: &str) -> bool {
        if !text.is_ascii() {
            return true;
        }
        let mut word = Spelled::default();
        let end = std::iter::once(b' ');
        for byte in text.bytes().chain(end) {
            if byte.is_ascii_alphanumeric() {
                if !word.add(byte.to_ascii_lowercase()) {
                    return true;
                }
            } else if word.length() > 0 {
                let near =
                    word.length() + 1 >= FUZZY_LENGTH && self.near_sieve.passes_shortened_spelled(&word);
                if near || self.sieve.passes_spelled(&word) {
                    return true;
                }
                word.clear();
            }
        }
        false
    }

    /// The word as listed, else shows what it may have been meant to be.
    fn word(&self, word: &str, see: &mut dyn FnMut(&str, Sensitivities)) -> bool {
        let listed = self.sieve.passes(word).then(|| self.words.get(word)).flatten();
        let listed = listed.copied().unwrap_or_default();
        if listed.sensitivity.is_empty() {
            self.slipped(word, see);
        } else {
            see(word, listed.sensitivity);
        }
        listed.begins_phrase
    }

    /// What a word may have been meant to be.
    fn slipped(&self, word: &str, see: &mut dyn FnMut(&str, Sensitivities)) {
        let short = word.len() + 1 < FUZZY_LENGTH || word.chars().count() + 1 < FUZZY_LENGTH;
        if short || word.len() > LONGEST || !self.near_sieve.passes_shortened(word) {
            return;
        }
        if self.ordinary.contains(word) {
            return;
        }
        let candidates = shortened(word)
            .chain([word.to_owned()])
            .filter_map(|key| self.near.get(&key))
            .flatten();
        for Spelling { written, term } in candidates {
            if let Some(meant) = self.words.get(term).filter(|_| one_slip(word, written)) {
                see(term, meant.sensitivity);
            }
        }
    }
}

/// The sensitivities that a text makes suspect.
pub(super) fn suspect(text: &str) -> Sensitivities {
    if !TERMS.may_sound(text) {
        return Sensitivities::NONE;
    }
    let mut found = Sensitivities::NONE;
    each(text, &mut |_, sensitivity| found = found.with(sensitivity));
    found
}

/// The terms that sound in a text, each once.
pub(super) fn found(text: &str) -> Vec<(String, Sensitivities)> {
    let mut terms: Vec<(String, Sensitivities)> = Vec::new();
    each(text, &mut |term, sensitivity| {
        if terms.iter().all(|(known, _)| known != term) {
            terms.push((term.to_owned(), sensitivity));
        }
    });
    terms
}

/// Name and version of the list of terms.
pub(super) fn list() -> ListName {
    TERMS.list.clone()
}

fn each(text: &str, see: &mut dyn FnMut(&str, Sensitivities)) {
    let terms = &*TERMS;
    let lower = text.to_lowercase();
    let mut words = lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|w| !w.is_empty());
    while let Some(word) = words.next() {
        if terms.word(word, see) {
            let mut phrase = word.to_owned();
            for next in words.clone().take(terms.longest_phrase - 1) {
                phrase.push(' ');
                phrase.push_str(next);
                if let Some(sensitivity) = terms.phrases.get(phrase.as_str()) {
                    see(&phrase, *sensitivity);
                }
            }
        }
    }
}

/// A term as listed, and as it sounds.
fn spellings(term: &str) -> Vec<String> {
    let mut all = vec![term.to_owned()];
    for (written, heard) in HEARD_ALIKE {
        let other = term.replace(written, heard);
        if !all.contains(&other) {
            all.push(other);
        }
    }
    all
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
            "buprenorfine",
            "bupernorphine film",
            "suboxne",
            "suboksone",
            "metadone",
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
        for text in [
            "the heroine of the play",
            "aa batteries",
            "in addition",
            "it mattered",
            "walks daily",
            "",
            "…",
        ] {
            assert!(suspect(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn what_may_not_sound_has_no_term() {
        let terms = TERMS.words.keys().chain(TERMS.phrases.keys());
        for term in terms {
            let cut = [
                &term[1..],
                &term[..term.len() - 1],
                &term.to_uppercase(),
                &format!("{term}x"),
            ];
            for text in cut.into_iter().chain([*term, "2026-11-21", "Zürich", ""]) {
                let mut sounds = false;
                each(text, &mut |_, _| sounds = true);
                assert!(!sounds || TERMS.may_sound(text), "{text}");
            }
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
