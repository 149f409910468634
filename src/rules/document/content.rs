//! A document before it is written: sections of headings, paragraphs, lists and tables. HTML and PDF are two ways to write the
//! same content in the same order.

use super::words::Phrase;

/// One readable document about one person.
#[derive(Clone, Debug)]
pub struct Document<'a> {
    pub title: &'static str,
    /// Who answers for it.
    pub source: Phrase<'a>,
    /// Whom it is about, for the head of the first page.
    pub person: Phrase<'a>,
    /// The same on one line, for the head of every page.
    pub person_in_short: Phrase<'a>,
    /// When its content last changed for its reader.
    pub date: Phrase<'a>,
    pub sections: Vec<Section<'a>>,
    /// Said on every page.
    pub constant: &'static str,
    /// Names this version of it.
    pub version: Phrase<'a>,
    /// When its content last changed, as a number: metadata of the file.
    pub at: crate::fhir::Instant,
}

#[derive(Clone, Debug)]
pub struct Section<'a> {
    pub title: &'static str,
    /// What is needed first, and fast.
    pub urgent: bool,
    /// Nothing: unavailable, for whatever reason.
    pub blocks: Vec<Block<'a>>,
}

#[derive(Clone, Debug)]
pub enum Block<'a> {
    Heading(&'static str),
    Paragraph(Phrase<'a>),
    List(Vec<Phrase<'a>>),
    /// Label and what it labels.
    Facts(Vec<(&'static str, Vec<Phrase<'a>>)>),
    Table(Table<'a>),
    /// A statement that has to be seen.
    Notice(Phrase<'a>),
}

#[derive(Clone, Debug)]
pub struct Table<'a> {
    /// What it lists, for who cannot see that.
    pub caption: &'static str,
    pub columns: &'static [Column],
    /// A cell is paragraphs.
    pub rows: Vec<Vec<Vec<Phrase<'a>>>>,
}

#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub head: &'static str,
    /// Of the width, in hundredths; those of a table sum to 100.
    pub share: u16,
}

pub const fn column(head: &'static str, share: u16) -> Column {
    Column { head, share }
}

/// What stands where a section has nothing: absent and withheld are the same.
pub const UNAVAILABLE: &str = "Unavailable.";

impl<'a> Section<'a> {
    pub fn new(title: &'static str) -> Section<'a> {
        Section {
            title,
            urgent: false,
            blocks: Vec::new(),
        }
    }

    pub fn urgent(self) -> Section<'a> {
        Section { urgent: true, ..self }
    }

    pub fn with(mut self, block: Block<'a>) -> Section<'a> {
        if !block.is_empty() {
            self.blocks.push(block);
        }
        self
    }

    /// A part that is named whether or not it has content.
    pub fn always(self, heading: &'static str, block: Block<'a>) -> Section<'a> {
        let block = match block.is_empty() {
            true => Block::Paragraph(Phrase::fixed(UNAVAILABLE).quiet()),
            false => block,
        };
        self.with(Block::Heading(heading)).with(block)
    }

    /// A part that is named where it has content.
    pub fn perhaps(self, heading: &'static str, block: Block<'a>) -> Section<'a> {
        match block.is_empty() {
            true => self,
            false => self.with(Block::Heading(heading)).with(block),
        }
    }
}

impl<'a> Block<'a> {
    pub fn is_empty(&self) -> bool {
        match self {
            Block::Heading(_) => false,
            Block::Paragraph(phrase) | Block::Notice(phrase) => phrase.is_empty(),
            Block::List(items) => items.is_empty(),
            Block::Facts(facts) => facts.is_empty(),
            Block::Table(table) => table.rows.is_empty(),
        }
    }

    pub fn table(
        caption: &'static str,
        columns: &'static [Column],
        rows: Vec<Vec<Vec<Phrase<'a>>>>,
    ) -> Block<'a> {
        Block::Table(Table {
            caption,
            columns,
            rows,
        })
    }

    /// Facts that have content.
    pub fn facts(facts: impl IntoIterator<Item = (&'static str, Vec<Phrase<'a>>)>) -> Block<'a> {
        let facts = facts.into_iter().map(|(label, told)| (label, paragraphs(told)));
        Block::Facts(facts.filter(|(_, told)| !told.is_empty()).collect())
    }
}

/// Those with words in them.
pub fn paragraphs<'a>(all: impl IntoIterator<Item = Phrase<'a>>) -> Vec<Phrase<'a>> {
    all.into_iter().filter(|phrase| !phrase.is_empty()).collect()
}

impl Document<'_> {
    /// Every phrase in it, in order. For tests and for who searches it.
    pub fn phrases(&self) -> Vec<&Phrase<'_>> {
        let mut all = vec![
            &self.source,
            &self.person,
            &self.person_in_short,
            &self.date,
            &self.version,
        ];
        for block in self.sections.iter().flat_map(|section| &section.blocks) {
            match block {
                Block::Heading(_) => {}
                Block::Paragraph(phrase) | Block::Notice(phrase) => all.push(phrase),
                Block::List(items) => all.extend(items),
                Block::Facts(facts) => all.extend(facts.iter().flat_map(|(_, told)| told)),
                Block::Table(table) => all.extend(table.rows.iter().flatten().flatten()),
            }
        }
        all
    }
}
