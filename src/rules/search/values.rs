//! What one released resource answers to: its values for every parameter served for its type, small enough to be kept.
//! Taken once, from what is released; a search looks at nothing else.
//! <https://hl7.org/fhir/R4/search.html#ptypes>

use super::parameter::{Parameter, Served};
use crate::fhir::Instant;

/// Held for one resource: all its texts in one piece, and what they mean.
#[derive(Clone, Debug, Default)]
pub struct Values {
    pub(super) served: Option<&'static Served>,
    pub(super) held: Box<[Held]>,
    pub(super) text: Box<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// The parameter's place among those of the type.
    pub parameter: u8,
    pub what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Of a Coding or Identifier; an empty system is none.
    Token {
        system: Span,
        code: Span,
    },
    /// A bare `code`: its system is the parameter's.
    Code(Span),
    /// An Identifier once more, by a coding of its type.
    OfType {
        system: Span,
        code: Span,
        value: Span,
    },
    /// `Type/id`, or a canonical.
    Reference(Span),
    /// The logical identifier of a reference.
    Identified {
        system: Span,
        value: Span,
    },
    /// `[from, to)`
    Date {
        from: Moment,
        to: Moment,
    },
    /// As stated, and folded.
    Text {
        stated: Span,
        folded: Span,
    },
    Uri(Span),
}

/// An instant in microseconds, in two halves: so that it does not make every value larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment([u32; 2]);

impl Moment {
    pub fn of(at: Instant) -> Moment {
        let bits = at.0.cast_unsigned();
        Moment([(bits >> 32) as u32, bits as u32])
    }

    pub fn instant(self) -> Instant {
        let bits = u64::from(self.0[0]) << 32 | u64::from(self.0[1]);
        Instant(bits.cast_signed())
    }
}

/// A piece of the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub at: u32,
    pub len: u32,
}

impl Values {
    pub(super) fn get(&self, span: Span) -> &str {
        let at = span.at as usize;
        self.text.get(at..at + span.len as usize).unwrap_or_default()
    }

    /// What it holds for the parameter at this place.
    pub(super) fn of(&self, parameter: u8) -> impl Iterator<Item = What> {
        let own = self.held.iter().filter(move |held| held.parameter == parameter);
        own.map(|held| held.what)
    }

    fn named(&self, code: &str) -> Option<&'static Parameter> {
        self.served?.parameters.iter().find(|p| p.code == code)
    }

    fn of_code(&self, code: &str) -> impl Iterator<Item = What> {
        self.named(code)
            .into_iter()
            .flat_map(|parameter| self.of(parameter.at))
    }

    /// Does the resource hold `code` (of `system`, when one is named) for this parameter? An empty `code` is any.
    pub fn has_token(&self, parameter: &str, system: Option<&str>, code: &str) -> bool {
        let Some(parameter) = self.named(parameter) else {
            return false;
        };
        self.of(parameter.at)
            .any(|what| self.is_token(what, parameter, system, code))
    }

    pub(super) fn is_token(
        &self,
        what: What,
        parameter: &Parameter,
        system: Option<&str>,
        code: &str,
    ) -> bool {
        match what {
            What::Token {
                system: own,
                code: held,
            } => {
                (code.is_empty() || self.get(held) == code)
                    && system.is_none_or(|wanted| wanted == self.get(own))
            }
            What::Code(held) => {
                (code.is_empty() || self.get(held) == code)
                    && system.is_none_or(|wanted| {
                        wanted.is_empty() || parameter.systems.iter().any(|s| s == wanted)
                    })
            }
            _ => false,
        }
    }

    /// References of the form `Type/id` that it holds for a parameter.
    pub fn references(&self, parameter: &str) -> impl Iterator<Item = (&str, &str)> {
        self.of_code(parameter).filter_map(|what| self.to_local(what))
    }

    pub(super) fn to_local(&self, what: What) -> Option<(&str, &str)> {
        match what {
            What::Reference(to) => self.get(to).split_once('/').filter(|(_, id)| !id.contains('/')),
            _ => None,
        }
    }

    pub fn has_reference_to(&self, parameter: &str, resource_type: &str, id: &str) -> bool {
        self.references(parameter).any(|to| to == (resource_type, id))
    }

    /// Every time it holds, whichever parameter it is for; `[from, to)`.
    pub(super) fn dates(&self) -> impl Iterator<Item = (Instant, Instant)> {
        self.held.iter().filter_map(|held| match held.what {
            What::Date { from, to } => Some((from.instant(), to.instant())),
            _ => None,
        })
    }

    /// From now on what it holds for this date parameter is this instant, as exact as it is written: to the millisecond.
    pub fn becomes_dated(&mut self, code: &str, at: Instant) {
        let Some(parameter) = self.named(code) else { return };
        let date = What::Date {
            from: Moment::of(at),
            to: Moment::of(Instant(at.0.saturating_add(1_000))),
        };
        let own = self.held.iter_mut().filter(|held| held.parameter == parameter.at);
        own.for_each(|held| held.what = date);
    }

    /// Bytes held, for the cache's weight.
    pub fn weight(&self) -> usize {
        size_of::<Values>() + self.text.len() + self.held.len() * size_of::<Held>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_small() {
        assert_eq!(size_of::<Held>(), 32);
        assert_eq!(size_of::<Values>(), 40);
        for at in [i64::MIN, -1, 0, 1, 1_795_262_400_000_000, i64::MAX] {
            assert_eq!(Moment::of(Instant(at)).instant(), Instant(at));
        }
    }
}
