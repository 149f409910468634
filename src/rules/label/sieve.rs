//! A sieve before the word lists: most words of a text are on none of them, and that is said here without a lookup.
//! It may let a word through that is on no list, never hold one back that is. <https://hl7.org/fhir/R4/security-labels.html>

/// 2^18 places: with some thousand keys about one word in twenty passes in vain.
const BITS: u32 = 18;
const BASE: u64 = 0x0000_0100_0000_01b3;
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
/// Longer words are not sieved.
pub(super) const LONGEST: usize = 40;

pub(super) struct Sieve(Vec<u64>);

impl Sieve {
    pub fn new() -> Sieve {
        Sieve(vec![0; 1 << (BITS - 6)])
    }

    pub fn add(&mut self, key: &str) {
        let (word, bit) = place(hash(key.as_bytes()));
        self.0[word] |= bit;
    }

    /// Could `word` be one of the keys?
    pub fn passes(&self, word: &str) -> bool {
        self.holds(hash(word.as_bytes()))
    }

    /// Could `word`, whole or with one letter left out, be one of the keys?
    pub fn passes_shortened(&self, word: &str) -> bool {
        let bytes = word.as_bytes();
        if !word.is_ascii() || bytes.len() > LONGEST {
            return true;
        }
        let mut spelled = Spelled::default();
        for byte in bytes {
            spelled.add(*byte);
        }
        self.passes_shortened_spelled(&spelled)
    }

    /// As `passes`.
    pub fn passes_spelled(&self, word: &Spelled) -> bool {
        self.holds(word.whole())
    }

    /// As `passes_shortened`.
    pub fn passes_shortened_spelled(&self, word: &Spelled) -> bool {
        let (before, whole) = (&word.before, word.whole());
        let mut power = 1u64;
        let without = |at: usize, power: u64| {
            let rest = whole.wrapping_sub(before[at + 1].wrapping_mul(power));
            before[at].wrapping_mul(power).wrapping_add(rest)
        };
        self.holds(whole)
            || (0..word.length).rev().any(|at| {
                let shortened = without(at, power);
                power = power.wrapping_mul(BASE);
                self.holds(shortened)
            })
    }

    fn holds(&self, hash: u64) -> bool {
        let (word, bit) = place(hash);
        self.0[word] & bit != 0
    }
}

/// A word letter by letter: the hash of everything before each letter. The rest of the word follows from the whole by
/// subtraction.
pub(super) struct Spelled {
    before: [u64; LONGEST + 1],
    length: usize,
}

impl Default for Spelled {
    fn default() -> Spelled {
        Spelled {
            before: [0; LONGEST + 1],
            length: 0,
        }
    }
}

impl Spelled {
    /// `false` when the word is too long to be sieved.
    pub fn add(&mut self, byte: u8) -> bool {
        let whole = push(self.whole(), byte);
        let Some(next) = self.before.get_mut(self.length + 1) else {
            return false;
        };
        *next = whole;
        self.length += 1;
        true
    }

    pub fn length(&self) -> usize {
        self.length
    }

    pub fn clear(&mut self) {
        self.length = 0;
    }

    fn whole(&self) -> u64 {
        self.before[self.length]
    }
}

fn push(hash: u64, byte: u8) -> u64 {
    hash.wrapping_mul(BASE).wrapping_add(u64::from(byte) + 1)
}

fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |hash, byte| push(hash, *byte))
}

fn place(hash: u64) -> (usize, u64) {
    let place = hash.wrapping_mul(SPREAD) >> (64 - BITS);
    ((place >> 6) as usize, 1 << (place & 63))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_was_never_added_seldom_passes() {
        let mut sieve = Sieve::new();
        (0..1000).for_each(|n| sieve.add(&format!("key{n}")));
        let passed = (0..1000).filter(|n| sieve.passes(&format!("other{n}"))).count();
        assert!(passed < 20, "{passed}");
    }

    proptest! {
        #[test]
        fn a_key_is_found_whole_and_when_the_word_has_one_letter_more(key in "[a-zé]{1,39}", at in 0usize..40, more in "[a-z]") {
            let mut sieve = Sieve::new();
            sieve.add(&key);
            let mut word = key.clone();
            let at = word.char_indices().map(|(i, _)| i).chain([word.len()]).nth(at.min(key.chars().count())).expect("in it");
            word.insert_str(at, &more);
            prop_assert!(sieve.passes(&key) && sieve.passes_shortened(&key) && sieve.passes_shortened(&word));
        }
    }
}
