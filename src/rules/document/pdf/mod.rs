//! The document as a PDF: pages of letter size, with a head and a foot on each, text that can be selected and searched, tags and
//! an outline, as PDF/A-2a (<https://www.iso.org/standard/50655.html>) and PDF/UA-1 (<https://www.iso.org/standard/64599.html>) ask.

mod face;
mod flow;
mod lines;
mod sheet;
mod tags;

use krilla::SerializeSettings;
use krilla::color::rgb;
use krilla::configure::{Accessibility, Archival, Configuration, ConfigurationBuilder};
use krilla::destination::XyzDestination;
use krilla::geom::{Path, PathBuilder, Point, Rect};
use krilla::metadata::{DateTime, Metadata};
use krilla::outline::{Outline, OutlineNode};
use krilla::page::PageSettings;
use krilla::paint::Fill;
use krilla::surface::Surface;
use krilla::tagging::{Artifact, ArtifactType, ContentTag, Identifier, SpanTag};

use super::content::Document;
use super::words::{Phrase, Tone};
use crate::fhir::Instant;
use lines::{Line, lines};
use sheet::{BOTTOM, HEIGHT, Ink, LEFT, Layout, Mark, RIGHT, WIDTH};

/// The document could not be written as a PDF. What it holds is not told.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the document cannot be written as PDF")]
pub struct Unwritable;

/// The bytes of the file. The same document gives the same bytes.
pub fn pdf(document: &Document<'_>) -> Result<Vec<u8>, Unwritable> {
    let layout = flow::flow(document);
    // What a standard forbids was kept out; should something be left, a plain file is better than none.
    write(document, &layout, standards()).or_else(|_| write(document, &layout, None))
}

fn standards() -> Option<Configuration> {
    let builder = ConfigurationBuilder::new();
    let builder = builder.with_archival_validator(Archival::A2_A);
    builder
        .with_accessibility_validator(Accessibility::UA1)
        .finish()
        .ok()
}

fn write(
    document: &Document<'_>,
    layout: &Layout,
    standards: Option<Configuration>,
) -> Result<Vec<u8>, Unwritable> {
    let mut settings = SerializeSettings::default();
    if let Some(standards) = standards {
        settings.configuration = standards;
    }
    let mut file = krilla::Document::new_with(settings);
    let mut said: Vec<(usize, Identifier)> = Vec::new();
    let pages = layout.sheets.len();
    for (number, sheet) in layout.sheets.iter().enumerate() {
        let size = PageSettings::from_wh(WIDTH, HEIGHT).ok_or(Unwritable)?;
        let mut page = file.start_page_with(size);
        let mut surface = page.surface();
        head(&mut surface, document);
        foot(&mut surface, document, number + 1, pages);
        // What lies under words is painted first.
        let (fills, words): (Vec<&Mark>, Vec<&Mark>) = sheet
            .marks
            .iter()
            .partition(|mark| matches!(mark, Mark::Fill { .. }));
        dressed(&mut surface, ArtifactType::Layout, |surface| {
            fills.iter().for_each(|mark| paint(surface, mark));
        });
        for mark in words {
            say(&mut surface, mark, &mut said);
        }
        surface.finish();
        page.finish();
    }
    file.set_tag_tree(tags::tree(layout, said));
    file.set_outline(outline(layout));
    file.set_metadata(metadata(document));
    file.finish().map_err(|_| Unwritable)
}

fn outline(layout: &Layout) -> Outline {
    let mut outline = Outline::new();
    for place in &layout.places {
        let to = XyzDestination::new(place.sheet, Point::from_xy(LEFT, place.y));
        outline.push_child(OutlineNode::new(place.title.to_owned(), to));
    }
    outline
}

/// Longest title of a file, in characters.
const LONGEST_TITLE: usize = 200;

fn metadata(document: &Document<'_>) -> Metadata {
    let title = format!("{}: {}", document.title, document.person_in_short.text());
    let metadata = Metadata::new()
        .title(title.chars().take(LONGEST_TITLE).collect())
        .authors(vec![document.source.text().chars().take(LONGEST_TITLE).collect()])
        .language("en".to_owned())
        .producer("Postern".to_owned())
        .document_id(document.version.text());
    match date(document.at) {
        Some(date) => metadata.creation_date(date),
        None => metadata,
    }
}

fn date(at: Instant) -> Option<DateTime> {
    let stamp = jiff::Timestamp::from_microsecond(at.0).ok()?;
    let at = jiff::tz::TimeZone::UTC.to_datetime(stamp);
    let small = |n: i8| u8::try_from(n).unwrap_or_default();
    let date = DateTime::new(u16::try_from(at.year()).ok()?)
        .month(small(at.month()))
        .day(small(at.day()))
        .hour(small(at.hour()))
        .minute(small(at.minute()))
        .second(small(at.second()));
    Some(date.utc_offset_hour(0).utc_offset_minute(0))
}

/// Draws what is not part of what the document says.
fn dressed(surface: &mut Surface<'_>, kind: ArtifactType, draw: impl FnOnce(&mut Surface<'_>)) {
    surface.start_tagged(ContentTag::Artifact(Artifact::with_kind(kind)));
    draw(surface);
    surface.end_tagged();
}

const HEAD: f32 = 7.8;

/// Who, what and when, on every page.
fn head(surface: &mut Surface<'_>, document: &Document<'_>) {
    let what = Phrase::fixed(document.title).say(", ").and(document.date.clone());
    dressed(surface, ArtifactType::Header, |surface| {
        let right = lines(&what, HEAD, 170.0, false);
        let left = lines(&document.person_in_short, HEAD, RIGHT - LEFT - 190.0, true);
        for (number, line) in left.into_iter().take(2).enumerate() {
            put(surface, LEFT, 38.0 + number as f32 * 10.0, &line, Ink::Black);
        }
        for (number, line) in right.into_iter().take(2).enumerate() {
            put(
                surface,
                RIGHT - width(&line),
                38.0 + number as f32 * 10.0,
                &line,
                Ink::Black,
            );
        }
        rule(surface, 53.0);
    });
}

/// The constant sentence, the version, page n of m.
fn foot(surface: &mut Surface<'_>, document: &Document<'_>, number: usize, pages: usize) {
    let (number, pages) = (number.to_string(), pages.to_string());
    let page = Phrase::fixed("Page ").tell(&number).say(" of ").tell(&pages);
    let constant = Phrase::fixed(document.constant);
    let version = document
        .source
        .clone()
        .and_after(", version ", document.version.clone());
    dressed(surface, ArtifactType::Footer, |surface| {
        rule(surface, BOTTOM + 12.0);
        let left = RIGHT - LEFT - 80.0;
        let mut y = BOTTOM + 23.0;
        for line in lines(&constant, HEAD, left, false)
            .iter()
            .chain(&lines(&version, HEAD - 0.8, left, false))
            .take(3)
        {
            put(surface, LEFT, y, line, Ink::Black);
            y += 10.0;
        }
        for line in lines(&page, HEAD, 80.0, true) {
            put(surface, RIGHT - width(&line), BOTTOM + 23.0, &line, Ink::Black);
        }
    });
}

fn width(line: &Line) -> f32 {
    line.iter().map(|piece| piece.width).sum()
}

fn rule(surface: &mut Surface<'_>, y: f32) {
    surface.set_fill(Some(ink(Ink::Gray)));
    if let Some(path) = rectangle(LEFT, y, RIGHT - LEFT, 0.6) {
        surface.draw_path(&path);
    }
}

fn rectangle(x: f32, y: f32, width: f32, height: f32) -> Option<Path> {
    let mut path = PathBuilder::new();
    path.push_rect(Rect::from_xywh(x, y, width, height)?);
    path.finish()
}

fn paint(surface: &mut Surface<'_>, mark: &Mark) {
    if let Mark::Fill {
        x,
        y,
        width,
        height,
        ink: color,
    } = mark
    {
        surface.set_fill(Some(ink(*color)));
        if let Some(path) = rectangle(*x, *y, *width, *height) {
            surface.draw_path(&path);
        }
    }
}

/// Writes a line of text and notes what it is part of.
fn say(surface: &mut Surface<'_>, mark: &Mark, said: &mut Vec<(usize, Identifier)>) {
    let Mark::Text { x, y, line, ink, of } = mark else {
        return;
    };
    if line.is_empty() {
        return;
    }
    match of {
        Some(of) => {
            let identifier = surface.start_tagged(ContentTag::Span(SpanTag::empty()));
            put(surface, *x, *y, line, *ink);
            surface.end_tagged();
            said.push((*of, identifier));
        }
        None => dressed(surface, ArtifactType::PaginationOther, |surface| {
            put(surface, *x, *y, line, *ink)
        }),
    }
}

fn put(surface: &mut Surface<'_>, x: f32, y: f32, line: &Line, color: Ink) {
    let mut at = x;
    for piece in line {
        let color = match (piece.tone, color) {
            (Tone::Quiet, Ink::Black) => Ink::Gray,
            _ => color,
        };
        surface.set_fill(Some(ink(color)));
        let glyphs = &piece.shaped.glyphs[piece.from..piece.to];
        let font = piece.shaped.weight.font();
        surface.draw_glyphs(
            Point::from_xy(at, y),
            glyphs,
            font,
            &piece.shaped.text,
            piece.size,
            false,
        );
        at += piece.width;
    }
}

fn ink(ink: Ink) -> Fill {
    let color = match ink {
        Ink::Black => rgb::Color::new(0x11, 0x11, 0x11),
        Ink::Gray => rgb::Color::new(0x44, 0x44, 0x44),
        Ink::Navy => rgb::Color::new(0x16, 0x32, 0x4f),
        Ink::Red => rgb::Color::new(0x9b, 0x1c, 0x1c),
        Ink::White => rgb::Color::new(0xff, 0xff, 0xff),
        Ink::Pale => rgb::Color::new(0xe9, 0xee, 0xf3),
        Ink::Rule => rgb::Color::new(0xb8, 0xc2, 0xcc),
    };
    Fill {
        paint: color.into(),
        ..Fill::default()
    }
}

/// What the lines on the pages say, in order; heads and feet aside.
#[cfg(test)]
pub(super) fn lines_for_test(document: &Document<'_>) -> Vec<String> {
    let layout = flow::flow(document);
    let marks = layout.sheets.into_iter().flat_map(|sheet| sheet.marks);
    let lines = marks.filter_map(|mark| match mark {
        Mark::Text { line, .. } => Some(lines::text_of(&line)),
        Mark::Fill { .. } => None,
    });
    lines.collect()
}
