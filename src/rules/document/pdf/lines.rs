//! Phrases broken into lines of a width: after spaces, hyphens and slashes, else wherever it must be.

use std::rc::Rc;

use super::face::{Shaped, Weight, shape};
use crate::document::words::{Phrase, Tone};

/// A stretch of glyphs of one run on one line.
#[derive(Clone, Debug)]
pub struct Piece {
    pub shaped: Rc<Shaped>,
    pub tone: Tone,
    pub size: f32,
    /// Places in `shaped.glyphs`.
    pub from: usize,
    pub to: usize,
    pub width: f32,
}

pub type Line = Vec<Piece>;

/// What is never parted.
struct Atom {
    shaped: usize,
    from: usize,
    to: usize,
    width: f32,
    may_break_after: bool,
    is_space: bool,
}

/// How large the words of a tone are, beside the others.
fn size_of(tone: Tone, size: f32) -> f32 {
    match tone {
        Tone::Quiet => size * 0.9,
        Tone::Plain | Tone::Strong => size,
    }
}

/// The lines of a phrase; at least one. `bold`: all of it, whatever its tones.
pub fn lines(phrase: &Phrase<'_>, size: f32, width: f32, bold: bool) -> Vec<Line> {
    let mut broken = Broken::new(width);
    for run in phrase.runs() {
        let weight = match bold || run.tone == Tone::Strong {
            true => Weight::Bold,
            false => Weight::Regular,
        };
        for (number, text) in run.word.as_str().split('\n').enumerate() {
            if number > 0 {
                broken.end_of_line();
            }
            broken.take(Rc::new(shape(text, weight)), run.tone, size_of(run.tone, size));
        }
    }
    broken.finish()
}

struct Broken {
    width: f32,
    runs: Vec<(Rc<Shaped>, Tone, f32)>,
    lines: Vec<Line>,
    line: Vec<Atom>,
    /// Of the line so far.
    filled: f32,
}

impl Broken {
    fn new(width: f32) -> Broken {
        Broken {
            width,
            runs: Vec::new(),
            lines: Vec::new(),
            line: Vec::new(),
            filled: 0.0,
        }
    }

    fn take(&mut self, shaped: Rc<Shaped>, tone: Tone, size: f32) {
        let run = self.runs.len();
        self.runs.push((Rc::clone(&shaped), tone, size));
        let mut at = 0;
        while at < shaped.glyphs.len() {
            let cluster = shaped.glyphs[at].text_range.clone();
            let same = shaped.glyphs[at..]
                .iter()
                .take_while(|glyph| glyph.text_range == cluster);
            let (mut count, mut width) = (0, 0.0);
            for glyph in same {
                count += 1;
                width += glyph.x_advance * size;
            }
            let next = shaped.text[cluster.end..].chars().next();
            let text = &shaped.text[cluster];
            let atom = Atom {
                shaped: run,
                from: at,
                to: at + count,
                width,
                may_break_after: may_break_after(text, next),
                is_space: text == " ",
            };
            self.add(atom);
            at += count;
        }
    }

    /// A space may stand beyond the end of its line: nobody sees it.
    fn add(&mut self, atom: Atom) {
        if !atom.is_space && self.filled + atom.width > self.width && !self.line.is_empty() {
            let last = self.line.iter().rposition(|atom| atom.may_break_after);
            let rest = self.line.split_off(last.map_or(self.line.len(), |at| at + 1));
            self.end_of_line();
            self.filled = rest.iter().map(|atom| atom.width).sum();
            self.line = rest;
        }
        self.filled += atom.width;
        self.line.push(atom);
    }

    fn end_of_line(&mut self) {
        self.filled = 0.0;
        let mut line: Line = Vec::new();
        for atom in std::mem::take(&mut self.line) {
            let (shaped, tone, size) = &self.runs[atom.shaped];
            match line.last_mut() {
                Some(piece) if Rc::ptr_eq(&piece.shaped, shaped) && piece.to == atom.from => {
                    piece.to = atom.to;
                    piece.width += atom.width;
                }
                _ => line.push(Piece {
                    shaped: Rc::clone(shaped),
                    tone: *tone,
                    size: *size,
                    from: atom.from,
                    to: atom.to,
                    width: atom.width,
                }),
            }
        }
        self.lines.push(line);
    }

    fn finish(mut self) -> Vec<Line> {
        self.end_of_line();
        self.lines
    }
}

/// Not within numbers and dates, which are read in one piece.
fn may_break_after(text: &str, next: Option<char>) -> bool {
    match text {
        " " | "–" | "—" | "\u{fffd}" => true,
        "-" | "/" => next.is_some_and(char::is_alphabetic),
        _ => false,
    }
}

/// What a line says.
#[cfg(test)]
pub fn text_of(line: &Line) -> String {
    let glyphs = line.iter().flat_map(|piece| {
        let glyphs = &piece.shaped.glyphs[piece.from..piece.to];
        let mut ranges: Vec<_> = glyphs.iter().map(|glyph| glyph.text_range.clone()).collect();
        ranges.dedup();
        ranges.into_iter().map(|range| &piece.shaped.text[range])
    });
    glyphs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(text: &str, width: f32) -> Vec<String> {
        lines(&Phrase::datum(text), 10.0, width, false)
            .iter()
            .map(text_of)
            .collect()
    }

    #[test]
    fn lines_end_after_spaces_and_hyphens_and_are_never_too_wide() {
        assert_eq!(broken("one two three", 45.0), ["one two ", "three"]);
        assert_eq!(broken("self-harm", 30.0), ["self-", "harm"]);
        assert_eq!(broken("call 217-555-0143", 70.0), ["call ", "217-555-0143"]);
        assert_eq!(broken("a\nb", 100.0), ["a", "b"]);
        let long = "x".repeat(100);
        let phrase = Phrase::datum(&long).say(" and more");
        let all = lines(&phrase, 10.0, 50.0, false);
        assert!(
            all.iter()
                .all(|line| line.iter().map(|piece| piece.width).sum::<f32>() <= 53.0),
            "{all:?}"
        );
        assert_eq!(
            all.iter().map(text_of).collect::<String>(),
            format!("{long} and more")
        );
    }

    #[test]
    fn nothing_is_one_empty_line() {
        assert_eq!(lines(&Phrase::default(), 10.0, 50.0, false).len(), 1);
    }
}
