//! Content poured onto pages, top to bottom. A heading stays with what follows it; a row that fits a page is not parted; the head of
//! a table stands again on the next page.

use super::lines::{Line, lines};
use super::sheet::{BOTTOM, HEIGHT, Ink, Kind, LEFT, Layout, Mark, Meaning, Place, RIGHT, Sheet, TOP};
use crate::document::content::{Block, Column, Document, Section, Table, UNAVAILABLE};
use crate::document::words::Phrase;

/// Said where a character could not be printed.
const REPLACED: &str =
    "Characters shown as \u{fffd} cannot be printed in this file; the HTML form of this document has them.";

pub const SIZE: f32 = 9.2;
const LINE: f32 = 12.6;
const HEAD_SIZE: f32 = 8.2;
/// Left of what is urgent runs a bar; its content stands in from it.
const BAR: f32 = 3.5;
const URGENT_INDENT: f32 = 12.0;
const PADDING: f32 = 4.0;
const LABEL: f32 = 104.0;

pub fn flow(document: &Document<'_>) -> Layout {
    let mut flow = Flow {
        layout: Layout {
            sheets: vec![Sheet::default()],
            ..Layout::default()
        },
        y: TOP,
        left: LEFT,
        bar_from: None,
    };
    flow.banner(document);
    for section in &document.sections {
        flow.section(section);
    }
    if flow.layout.has_replacements() {
        let of = flow.mean(Kind::Paragraph, None);
        flow.lines_of(&Phrase::fixed(REPLACED), 0.0, of);
    }
    flow.layout
}

struct Flow {
    layout: Layout,
    /// Where the next thing begins.
    y: f32,
    left: f32,
    bar_from: Option<f32>,
}

impl Flow {
    fn sheet(&mut self) -> &mut Sheet {
        self.layout.sheets.last_mut().expect("there is a page")
    }

    fn mean(&mut self, kind: Kind, within: Option<usize>) -> usize {
        self.layout.meanings.push(Meaning { kind, within });
        self.layout.meanings.len() - 1
    }

    fn fill(&mut self, (x, y): (f32, f32), (width, height): (f32, f32), ink: Ink) {
        self.sheet().marks.push(Mark::Fill {
            x,
            y,
            width,
            height,
            ink,
        });
    }

    /// A line whose top is at `y`.
    fn line(&mut self, (x, y): (f32, f32), line: Line, ink: Ink, of: Option<usize>) {
        let size = line.iter().map(|piece| piece.size).fold(SIZE, f32::max);
        let baseline = y + size * 1.02;
        self.sheet().marks.push(Mark::Text {
            x,
            y: baseline,
            line,
            ink,
            of,
        });
    }

    fn next_page(&mut self) {
        self.close_bar();
        self.layout.sheets.push(Sheet::default());
        self.y = TOP;
        self.bar_from = (self.left > LEFT).then_some(TOP);
    }

    fn close_bar(&mut self) {
        if let Some(from) = self.bar_from.take().filter(|from| *from < self.y) {
            let height = self.y - from;
            self.fill((LEFT, from), (BAR, height), Ink::Red);
        }
    }

    /// A new page unless this much is left.
    fn need(&mut self, height: f32) {
        if self.y + height > BOTTOM && self.y > TOP {
            self.next_page();
        }
    }

    fn width(&self) -> f32 {
        RIGHT - self.left
    }

    fn banner(&mut self, document: &Document<'_>) {
        let above = self.mean(Kind::Paragraph, None);
        let what = Phrase::fixed(document.title).say(", ").and(document.date.clone());
        for (phrase, ink, bold) in [(&document.source, Ink::Navy, true), (&what, Ink::Gray, false)] {
            for line in lines(phrase, 9.6, self.width(), bold) {
                let at = (self.left, self.y);
                self.line(at, line, ink, Some(above));
                self.y += 13.5;
            }
        }
        let title = self.mean(Kind::Title, None);
        for line in lines(&document.person, 19.0, self.width(), true) {
            let at = (self.left, self.y);
            self.line(at, line, Ink::Black, Some(title));
            self.y += 25.0;
        }
        self.y += 7.0;
    }

    fn section(&mut self, section: &Section<'_>) {
        self.need(64.0);
        let within = self.mean(Kind::Section, None);
        self.heading(section, within);
        if section.urgent {
            self.left = LEFT + URGENT_INDENT;
            self.bar_from = Some(self.y);
        }
        self.y += 4.0;
        if section.blocks.is_empty() {
            self.paragraph(&Phrase::fixed(UNAVAILABLE), within);
        }
        for (at, block) in section.blocks.iter().enumerate() {
            self.block(block, section.blocks.get(at + 1), within);
        }
        self.close_bar();
        self.left = LEFT;
        self.y += 9.0;
    }

    fn heading(&mut self, section: &Section<'_>, within: usize) {
        let place = Place {
            title: section.title,
            sheet: self.layout.sheets.len() - 1,
            y: self.y,
        };
        self.layout.places.push(place);
        let of = self.mean(Kind::Heading(2, section.title), Some(within));
        let words = lines(&Phrase::fixed(section.title), 12.0, self.width(), true);
        let (indent, ink) = match section.urgent {
            true => (8.0, Ink::White),
            false => (0.0, Ink::Navy),
        };
        if section.urgent {
            let (at, size) = ((LEFT, self.y), (self.width(), 19.0));
            self.fill(at, size, Ink::Red);
        }
        for line in words {
            let at = (self.left + indent, self.y + 2.5);
            self.line(at, line, ink, Some(of));
        }
        self.y += 19.0;
        if !section.urgent {
            let (at, size) = ((LEFT, self.y - 1.0), (self.width(), 1.1));
            self.fill(at, size, Ink::Navy);
        }
    }

    fn block(&mut self, block: &Block<'_>, next: Option<&Block<'_>>, within: usize) {
        match block {
            Block::Heading(words) => self.sub_heading(words, next, within),
            Block::Paragraph(phrase) => self.paragraph(phrase, within),
            Block::List(items) => self.list(items, within),
            Block::Facts(facts) => self.facts(facts, within),
            Block::Table(table) => self.table(table, within),
            Block::Notice(phrase) => self.notice(phrase, within),
        }
    }

    fn sub_heading(&mut self, words: &'static str, next: Option<&Block<'_>>, within: usize) {
        let follows = match next {
            Some(Block::Table(_)) => 50.0,
            _ => 30.0,
        };
        self.need(22.0 + follows);
        self.y += 5.0;
        let of = self.mean(Kind::Heading(3, words), Some(within));
        let ink = if self.left > LEFT { Ink::Red } else { Ink::Navy };
        for line in lines(&Phrase::fixed(words), 9.8, self.width(), true) {
            let at = (self.left, self.y);
            self.line(at, line, ink, Some(of));
            self.y += 14.5;
        }
    }

    fn paragraph(&mut self, phrase: &Phrase<'_>, within: usize) {
        let of = self.mean(Kind::Paragraph, Some(within));
        self.lines_of(phrase, 0.0, of);
        self.y += 2.0;
    }

    /// Lines one below the other, `indent` from the left.
    fn lines_of(&mut self, phrase: &Phrase<'_>, indent: f32, of: usize) {
        for line in lines(phrase, SIZE, self.width() - indent, false) {
            self.need(LINE);
            let at = (self.left + indent, self.y);
            self.line(at, line, Ink::Black, Some(of));
            self.y += LINE;
        }
    }

    fn list(&mut self, items: &[Phrase<'_>], within: usize) {
        let list = self.mean(Kind::List, Some(within));
        for item in items {
            self.need(LINE);
            let of = self.mean(Kind::Item, Some(list));
            let label = self.mean(Kind::Label, Some(of));
            let bullet = lines(&Phrase::fixed("•"), SIZE, self.width(), false);
            for line in bullet {
                let at = (self.left + 3.0, self.y);
                self.line(at, line, Ink::Black, Some(label));
            }
            let body = self.mean(Kind::Body, Some(of));
            self.lines_of(item, 13.0, body);
            self.y += 1.0;
        }
    }

    fn facts(&mut self, facts: &[(&'static str, Vec<Phrase<'_>>)], within: usize) {
        let list = self.mean(Kind::List, Some(within));
        for (label, told) in facts {
            self.need(LINE);
            let of = self.mean(Kind::Item, Some(list));
            let name = self.mean(Kind::Label, Some(of));
            for line in lines(&Phrase::fixed(label), SIZE, LABEL, false) {
                let at = (self.left, self.y);
                self.line(at, line, Ink::Gray, Some(name));
            }
            let body = self.mean(Kind::Body, Some(of));
            for phrase in told {
                self.lines_of(phrase, LABEL, body);
            }
            self.y += 1.5;
        }
        self.y += 3.0;
    }

    fn notice(&mut self, phrase: &Phrase<'_>, within: usize) {
        let all = lines(phrase, SIZE, self.width() - 16.0, true);
        let height = all.len() as f32 * LINE + 12.0;
        self.need(height.min(BOTTOM - TOP));
        let of = self.mean(Kind::Paragraph, Some(within));
        let (mut top, left, width) = (self.y, self.left, self.width());
        self.y += 6.0;
        for line in all {
            if self.y + LINE > BOTTOM {
                self.frame((left, top), (width, self.y - top));
                self.next_page();
                top = self.y;
            }
            let at = (left + 8.0, self.y);
            self.line(at, line, Ink::Black, Some(of));
            self.y += LINE;
        }
        self.y += 5.0;
        self.frame((left, top), (width, self.y - top));
        self.y += 7.0;
    }

    fn frame(&mut self, (x, y): (f32, f32), (width, height): (f32, f32)) {
        let thin = 1.2;
        self.fill((x, y), (width, thin), Ink::Black);
        self.fill((x, y + height - thin), (width, thin), Ink::Black);
        self.fill((x, y), (thin, height), Ink::Black);
        self.fill((x + width - thin, y), (thin, height), Ink::Black);
    }

    fn table(&mut self, table: &Table<'_>, within: usize) {
        let of = self.mean(Kind::Table(table.caption), Some(within));
        self.need(48.0);
        let row = self.mean(Kind::Row, Some(of));
        self.table_head(table.columns, Some(row));
        for cells in &table.rows {
            self.row(table.columns, cells, of);
        }
        self.y += 5.0;
    }

    /// `row`: nothing where the head only stands again on the next page.
    fn table_head(&mut self, columns: &'static [Column], row: Option<usize>) {
        let height = LINE + 3.0;
        let (at, size) = ((self.left, self.y), (self.width(), height));
        self.fill(at, size, Ink::Pale);
        for (column, (x, width)) in columns.iter().zip(edges(columns, self.left, self.width())) {
            let of = row.map(|row| self.mean(Kind::Head, Some(row)));
            let words = Phrase::fixed(column.head);
            if let Some(line) = lines(&words, HEAD_SIZE, width - 2.0 * PADDING, true)
                .into_iter()
                .next()
            {
                let at = (x + PADDING, self.y + 1.8);
                self.line(at, line, Ink::Navy, of);
            }
        }
        self.y += height;
        let (at, size) = ((self.left, self.y - 0.8), (self.width(), 0.8));
        self.fill(at, size, Ink::Navy);
    }

    fn row(&mut self, columns: &'static [Column], cells: &[Vec<Phrase<'_>>], table: usize) {
        let edges: Vec<(f32, f32)> = edges(columns, self.left, self.width()).collect();
        let cells: Vec<Vec<Line>> = cells
            .iter()
            .zip(&edges)
            .map(|(cell, (_, width))| {
                cell.iter()
                    .flat_map(|p| lines(p, SIZE, width - 2.0 * PADDING, false))
                    .collect()
            })
            .collect();
        let bands = cells.iter().map(Vec::len).max().unwrap_or_default();
        let height = bands as f32 * LINE + 5.5;
        if self.y + height > BOTTOM && height < HEIGHT / 2.0 {
            self.next_page();
            self.table_head(columns, None);
        }
        let row = self.mean(Kind::Row, Some(table));
        let meant: Vec<usize> = cells.iter().map(|_| self.mean(Kind::Cell, Some(row))).collect();
        let mut cells: Vec<_> = cells.into_iter().map(Vec::into_iter).collect();
        self.y += 2.5;
        for _ in 0..bands {
            if self.y + LINE > BOTTOM {
                self.next_page();
                self.table_head(columns, None);
                self.y += 2.5;
            }
            for ((cell, (x, _)), of) in cells.iter_mut().zip(&edges).zip(&meant) {
                if let Some(line) = cell.next() {
                    let at = (x + PADDING, self.y);
                    self.line(at, line, Ink::Black, Some(*of));
                }
            }
            self.y += LINE;
        }
        self.y += 3.0;
        let (at, size) = ((self.left, self.y - 0.6), (self.width(), 0.6));
        self.fill(at, size, Ink::Rule);
    }
}

/// Left edge and width of each column.
fn edges(columns: &'static [Column], left: f32, width: f32) -> impl Iterator<Item = (f32, f32)> {
    let mut x = left;
    columns.iter().map(move |column| {
        let own = width * f32::from(column.share) / 100.0;
        let edge = (x, own);
        x += own;
        edge
    })
}
