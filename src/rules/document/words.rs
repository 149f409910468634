//! The words of a document. Each is of the document's own fixed vocabulary or stands in a released resource, and says which:
//! so it can be held that a document says nothing else.

use std::borrow::Cow;

/// A piece of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word<'a> {
    /// Of the vocabulary.
    Fixed(&'static str),
    /// As it stands in a resource, without characters that cannot be printed.
    Datum(Cow<'a, str>),
}

impl Word<'_> {
    pub fn as_str(&self) -> &str {
        match self {
            Word::Fixed(text) => text,
            Word::Datum(text) => text,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tone {
    Plain,
    Strong,
    /// What goes with something else: a date, a source, a status that is as usual.
    Quiet,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run<'a> {
    pub word: Word<'a>,
    pub tone: Tone,
}

/// Words that stand on one line, or fill one paragraph.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Phrase<'a>(Vec<Run<'a>>);

impl<'a> Phrase<'a> {
    pub fn fixed(text: &'static str) -> Phrase<'a> {
        Phrase::default().say(text)
    }

    pub fn datum(text: &'a str) -> Phrase<'a> {
        Phrase::default().tell(text)
    }

    /// Then this, of the vocabulary.
    pub fn say(self, text: &'static str) -> Phrase<'a> {
        self.with(Word::Fixed(text))
    }

    /// Then this, as it stands in a resource.
    pub fn tell(self, text: &'a str) -> Phrase<'a> {
        self.with(Word::Datum(printable(text)))
    }

    pub fn and(mut self, more: Phrase<'a>) -> Phrase<'a> {
        self.0.extend(more.0);
        self
    }

    /// Then `between` and `more`, where there is more and something before it.
    pub fn and_after(self, between: &'static str, more: Phrase<'a>) -> Phrase<'a> {
        match (self.is_empty(), more.is_empty()) {
            (_, true) => self,
            (true, false) => more,
            (false, false) => self.say(between).and(more),
        }
    }

    pub fn joined(parts: impl IntoIterator<Item = Phrase<'a>>, between: &'static str) -> Phrase<'a> {
        let all = parts.into_iter();
        all.fold(Phrase::default(), |all, part| all.and_after(between, part))
    }

    pub fn strong(self) -> Phrase<'a> {
        self.in_tone(Tone::Strong)
    }

    pub fn quiet(self) -> Phrase<'a> {
        self.in_tone(Tone::Quiet)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn runs(&self) -> &[Run<'a>] {
        &self.0
    }

    /// Its words without their tones.
    pub fn text(&self) -> String {
        self.0.iter().map(|run| run.word.as_str()).collect()
    }

    fn with(mut self, word: Word<'a>) -> Phrase<'a> {
        if !word.as_str().is_empty() {
            self.0.push(Run {
                word,
                tone: Tone::Plain,
            });
        }
        self
    }

    fn in_tone(mut self, tone: Tone) -> Phrase<'a> {
        self.0.iter_mut().for_each(|run| run.tone = tone);
        self
    }
}

/// The text without what has no place on paper: control characters (line ends aside), characters that turn the direction of
/// what follows, and code points that are none. Ends of lines are `\n`; blank ends go.
pub fn printable(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    if !text.chars().any(|c| c == '\t' || is_unprintable(c)) {
        return Cow::Borrowed(text);
    }
    let kept = text.chars().filter(|c| !is_unprintable(*c));
    Cow::Owned(kept.map(|c| if c == '\t' { ' ' } else { c }).collect())
}

fn is_unprintable(c: char) -> bool {
    let turns =
        matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}');
    let none = matches!(c, '\u{feff}' | '\u{fdd0}'..='\u{fdef}') || u32::from(c) & 0xfffe == 0xfffe;
    turns || none || (c.is_control() && c != '\n' && c != '\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_are_joined_where_there_is_something() {
        let parts = [
            Phrase::datum("a"),
            Phrase::datum(" "),
            Phrase::fixed("b"),
            Phrase::default(),
        ];
        let joined = Phrase::joined(parts, ", ");
        assert_eq!(joined.text(), "a, b");
        assert_eq!(joined.runs()[1].word, Word::Fixed(", "));
        assert_eq!(joined.quiet().runs()[0].tone, Tone::Quiet);
    }

    #[test]
    fn what_cannot_be_printed_goes() {
        assert_eq!(
            printable("one\r\ntwo\tthree\u{202e}\u{0}\u{ffff}\u{feff} "),
            "one\ntwo three"
        );
        assert!(matches!(
            printable(" Żółć Ωmega Привет "),
            Cow::Borrowed("Żółć Ωmega Привет")
        ));
    }
}
