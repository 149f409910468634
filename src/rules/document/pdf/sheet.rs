//! What stands where: the pages of a document before they are written, and the tree of what they mean.

use super::face::REPLACEMENT;
use super::lines::Line;

/// Points from the left and from the top.
pub const WIDTH: f32 = 612.0;
pub const HEIGHT: f32 = 792.0;
pub const LEFT: f32 = 50.0;
pub const RIGHT: f32 = WIDTH - 50.0;
/// Between these stands the content.
pub const TOP: f32 = 66.0;
pub const BOTTOM: f32 = HEIGHT - 62.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    Black,
    /// Dark enough for a fax.
    Gray,
    Navy,
    Red,
    White,
    Pale,
    Rule,
}

#[derive(Clone, Debug)]
pub enum Mark {
    /// A line of text on its baseline; `of`: what it is part of, nothing for what only dresses the page.
    Text {
        x: f32,
        y: f32,
        line: Line,
        ink: Ink,
        of: Option<usize>,
    },
    Fill {
        x: f32,
        y: f32,
        width: f32,
        height: f32,
        ink: Ink,
    },
}

#[derive(Clone, Debug, Default)]
pub struct Sheet {
    pub marks: Vec<Mark>,
}

/// What a part of the document is to who cannot see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Title,
    Section,
    /// With its level and its words.
    Heading(u16, &'static str),
    Paragraph,
    List,
    Item,
    Label,
    Body,
    /// With its caption.
    Table(&'static str),
    Row,
    Head,
    Cell,
}

#[derive(Clone, Debug)]
pub struct Meaning {
    pub kind: Kind,
    /// The one it is part of; nothing for the topmost.
    pub within: Option<usize>,
}

/// Where a section begins, for the outline.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub title: &'static str,
    pub sheet: usize,
    pub y: f32,
}

/// The whole document laid out.
#[derive(Debug, Default)]
pub struct Layout {
    pub sheets: Vec<Sheet>,
    pub meanings: Vec<Meaning>,
    pub places: Vec<Place>,
}

impl Layout {
    /// Does a character stand in it that has no glyph?
    pub fn has_replacements(&self) -> bool {
        let marks = self.sheets.iter().flat_map(|sheet| &sheet.marks);
        let mut lines = marks.filter_map(|mark| match mark {
            Mark::Text { line, .. } => Some(line),
            Mark::Fill { .. } => None,
        });
        lines.any(|line| line.iter().any(|piece| piece.shaped.text.contains(REPLACEMENT)))
    }
}
