//! The two faces of the document, and text as glyphs of one of them. Noto Sans covers Latin, Greek and Cyrillic; a character it
//! has no glyph for becomes a visible replacement (U+FFFD). <https://openfontlicense.org/>

use std::ops::Range;
use std::sync::LazyLock;

use krilla::text::{Font, GlyphId, KrillaGlyph};
use rustybuzz::{Direction, Face, Script, ShapePlan, UnicodeBuffer, script, shape_with_plan};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Weight {
    Regular,
    Bold,
}

/// Scripts that are shaped by rules of their own.
const SCRIPTS: [Script; 3] = [script::LATIN, script::GREEK, script::CYRILLIC];

struct Loaded {
    face: Face<'static>,
    font: Font,
    /// One for each of `SCRIPTS`.
    plans: [ShapePlan; 3],
}

static REGULAR: LazyLock<Loaded> = LazyLock::new(|| load(notosans::REGULAR_TTF));
static BOLD: LazyLock<Loaded> = LazyLock::new(|| load(notosans::BOLD_TTF));

fn load(data: &'static [u8]) -> Loaded {
    let face = Face::from_slice(data, 0).expect("Noto Sans is a font");
    let font = Font::new(data.into(), 0).expect("Noto Sans is a font");
    let plans = SCRIPTS.map(|script| ShapePlan::new(&face, Direction::LeftToRight, Some(script), None, &[]));
    Loaded { face, font, plans }
}

impl Weight {
    fn loaded(self) -> &'static Loaded {
        match self {
            Weight::Regular => &REGULAR,
            Weight::Bold => &BOLD,
        }
    }

    pub fn font(self) -> Font {
        self.loaded().font.clone()
    }
}

/// A text on one line as glyphs, whose measures are parts of the size.
#[derive(Debug)]
pub struct Shaped {
    pub weight: Weight,
    pub text: String,
    pub glyphs: Vec<KrillaGlyph>,
}

pub const REPLACEMENT: char = '\u{fffd}';

/// `text` without line ends.
pub fn shape(text: &str, weight: Weight) -> Shaped {
    let loaded = weight.loaded();
    let text: String = text.chars().filter_map(|c| glyph_for(c, &loaded.face)).collect();
    let mut glyphs = Vec::with_capacity(text.len());
    for (script, range) in by_script(&text) {
        shape_range(&text, range, script, loaded, &mut glyphs);
    }
    Shaped { weight, text, glyphs }
}

/// The character, or what stands for it; nothing for one that only joins or hints.
fn glyph_for(c: char, face: &Face<'_>) -> Option<char> {
    match c {
        '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{fe00}'..='\u{fe0f}' => None,
        '\u{e000}'..='\u{f8ff}' => Some(REPLACEMENT),
        c if c.is_whitespace() => Some(if c == '\u{a0}' || c == '\u{202f}' {
            '\u{a0}'
        } else {
            ' '
        }),
        c => Some(face.glyph_index(c).map_or(REPLACEMENT, |_| c)),
    }
}

/// Stretches of one script; what belongs to none goes with what stands before it.
fn by_script(text: &str) -> Vec<(usize, Range<usize>)> {
    let mut stretches: Vec<(usize, Range<usize>)> = Vec::new();
    for (at, c) in text.char_indices() {
        let own = match c {
            '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' => Some(1),
            '\u{400}'..='\u{52f}'
            | '\u{1c80}'..='\u{1c8f}'
            | '\u{2de0}'..='\u{2dff}'
            | '\u{a640}'..='\u{a69f}' => Some(2),
            c if c.is_alphabetic() => Some(0),
            _ => None,
        };
        let end = at + c.len_utf8();
        match stretches.last_mut() {
            Some((script, range)) if own.is_none_or(|own| own == *script) => range.end = end,
            _ => stretches.push((own.unwrap_or_default(), at..end)),
        }
    }
    stretches
}

fn shape_range(text: &str, range: Range<usize>, script: usize, loaded: &Loaded, out: &mut Vec<KrillaGlyph>) {
    let (from, end) = (range.start, range.end);
    let mut buffer = UnicodeBuffer::new();
    buffer.push_str(&text[range]);
    buffer.set_direction(Direction::LeftToRight);
    buffer.set_script(SCRIPTS[script]);
    let shaped = shape_with_plan(&loaded.face, &loaded.plans[script], buffer);
    let units = loaded.font.units_per_em();
    let (infos, positions) = (shaped.glyph_infos(), shaped.glyph_positions());
    for (index, (info, position)) in infos.iter().zip(positions).enumerate() {
        let next = infos[index..].iter().find(|other| other.cluster != info.cluster);
        let cluster_end = next.map_or(end, |next| from + next.cluster as usize);
        let part = |units_of: i32| units_of as f32 / units;
        out.push(KrillaGlyph::new(
            GlyphId::new(info.glyph_id),
            part(position.x_advance),
            part(position.x_offset),
            part(position.y_offset),
            part(position.y_advance),
            from + info.cluster as usize..cluster_end,
            None,
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_whole(shaped: &Shaped) -> bool {
        let mut at = 0;
        for glyph in &shaped.glyphs {
            if glyph.text_range.start > at {
                return false;
            }
            at = at.max(glyph.text_range.end);
        }
        at == shaped.text.len()
    }

    #[test]
    fn names_of_three_scripts_have_glyphs() {
        for name in [
            "Łucja Żółć-Ñandú",
            "Ελένη Ῥωμαίου",
            "Ольга Їжакевич",
            "e\u{301}te\u{308}",
            "Åse Ωmega Жук, 3½ µg ≥ 5",
        ] {
            for weight in [Weight::Regular, Weight::Bold] {
                let shaped = shape(name, weight);
                assert!(!shaped.text.contains(REPLACEMENT), "{name}: {}", shaped.text);
                assert!(
                    shaped.glyphs.iter().all(|glyph| glyph.glyph_id.to_u32() != 0),
                    "{name}"
                );
                assert!(is_whole(&shaped), "{name}");
            }
        }
    }

    #[test]
    fn what_has_no_glyph_is_replaced_visibly() {
        let shaped = shape("李 \u{1f600}\u{e001} ש \u{200d}x", Weight::Regular);
        assert_eq!(shaped.text, "\u{fffd} \u{fffd}\u{fffd} \u{fffd} x");
        assert!(shaped.glyphs.iter().all(|glyph| glyph.glyph_id.to_u32() != 0));
    }
}
