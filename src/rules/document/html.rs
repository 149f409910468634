//! The document as one page of HTML that needs nothing else: no script, no link, no picture, styles inside. It reads well on a
//! screen, on paper and to a screen reader. <https://html.spec.whatwg.org/>, <https://www.w3.org/TR/WCAG21/>

use super::content::{Block, Document, Section, Table, UNAVAILABLE};
use super::words::{Phrase, Tone, Word};

const STYLE: &str = include_str!("style.css");

/// What a browser may do with it: nothing but show it. Stands in the page too, for who opens the file.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// UTF-8.
pub fn html(document: &Document<'_>) -> Vec<u8> {
    let mut out = Page(String::with_capacity(32 * 1024));
    out.raw("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    out.raw("<meta http-equiv=\"Content-Security-Policy\" content=\"");
    out.text(POLICY);
    out.raw("\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>");
    out.text(document.title);
    out.raw(": ");
    out.text(&document.person_in_short.text());
    out.raw("</title>\n<style>\n");
    out.raw(STYLE);
    // A text of the vocabulary: no quotation mark and no tag is in it.
    out.raw("@page { @bottom-left { content: \"");
    out.raw(document.constant);
    out.raw("\"; width: 80%; text-align: left; font: 8pt \"Noto Sans\", Arial, sans-serif; } }\n");
    out.raw("</style>\n</head>\n<body>\n");
    out.head(document);
    out.raw("<main>\n");
    for (number, section) in document.sections.iter().enumerate() {
        out.section(section, number);
    }
    out.raw("</main>\n<footer>");
    out.text(document.constant);
    out.raw("</footer>\n</body>\n</html>\n");
    out.0.into_bytes()
}

struct Page(String);

impl Page {
    fn raw(&mut self, markup: &'static str) {
        self.0.push_str(markup);
    }

    /// Text where text or the value of a quoted attribute stands.
    fn text(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '&' => self.raw("&amp;"),
                '<' => self.raw("&lt;"),
                '>' => self.raw("&gt;"),
                '"' => self.raw("&quot;"),
                '\'' => self.raw("&#39;"),
                c => self.0.push(c),
            }
        }
    }

    fn head(&mut self, document: &Document<'_>) {
        self.raw("<header>\n<p class=\"source\">");
        self.phrase(&document.source);
        self.raw("</p>\n<p class=\"kind\">");
        self.text(document.title);
        self.raw(", ");
        self.phrase(&document.date);
        self.raw("</p>\n<h1>");
        self.phrase(&document.person);
        self.raw("</h1>\n</header>\n");
    }

    fn section(&mut self, section: &Section<'_>, number: usize) {
        let (number, class) = (
            number.to_string(),
            if section.urgent { " class=\"urgent\"" } else { "" },
        );
        self.raw("<section");
        self.raw(class);
        self.raw(" aria-labelledby=\"s");
        self.text(&number);
        self.raw("\">\n<h2 id=\"s");
        self.text(&number);
        self.raw("\">");
        self.text(section.title);
        self.raw("</h2>\n");
        if section.blocks.is_empty() {
            self.raw("<p class=\"quiet\">");
            self.text(UNAVAILABLE);
            self.raw("</p>\n");
        }
        section.blocks.iter().for_each(|block| self.block(block));
        self.raw("</section>\n");
    }

    fn block(&mut self, block: &Block<'_>) {
        match block {
            Block::Heading(heading) => {
                self.raw("<h3>");
                self.text(heading);
                self.raw("</h3>\n");
            }
            Block::Paragraph(phrase) => {
                self.raw("<p>");
                self.phrase(phrase);
                self.raw("</p>\n");
            }
            Block::Notice(phrase) => {
                self.raw("<p class=\"notice\">");
                self.phrase(phrase);
                self.raw("</p>\n");
            }
            Block::List(items) => {
                self.raw("<ul>\n");
                for item in items {
                    self.raw("<li>");
                    self.phrase(item);
                    self.raw("</li>\n");
                }
                self.raw("</ul>\n");
            }
            Block::Facts(facts) => {
                self.raw("<dl>\n");
                for (label, told) in facts {
                    self.raw("<dt>");
                    self.text(label);
                    self.raw("</dt>\n");
                    for phrase in told {
                        self.raw("<dd>");
                        self.phrase(phrase);
                        self.raw("</dd>\n");
                    }
                }
                self.raw("</dl>\n");
            }
            Block::Table(table) => self.table(table),
        }
    }

    fn table(&mut self, table: &Table<'_>) {
        self.raw("<table>\n<caption>");
        self.text(table.caption);
        self.raw("</caption>\n<colgroup>");
        for column in table.columns {
            self.raw("<col style=\"width:");
            self.text(&column.share.to_string());
            self.raw("%\">");
        }
        self.raw("</colgroup>\n<thead>\n<tr>");
        for column in table.columns {
            self.raw("<th scope=\"col\">");
            self.text(column.head);
            self.raw("</th>");
        }
        self.raw("</tr>\n</thead>\n<tbody>\n");
        for row in &table.rows {
            self.raw("<tr>");
            for cell in row {
                self.raw("<td>");
                for phrase in cell {
                    self.raw("<p>");
                    self.phrase(phrase);
                    self.raw("</p>");
                }
                self.raw("</td>");
            }
            self.raw("</tr>\n");
        }
        self.raw("</tbody>\n</table>\n");
    }

    fn phrase(&mut self, phrase: &Phrase<'_>) {
        for run in phrase.runs() {
            let (open, close) = match run.tone {
                Tone::Plain => ("", ""),
                Tone::Strong => ("<strong>", "</strong>"),
                Tone::Quiet => ("<small>", "</small>"),
            };
            self.raw(open);
            match &run.word {
                Word::Fixed(text) => self.text(text),
                Word::Datum(text) => {
                    // A name in a script that runs the other way leaves the words around it where they are.
                    self.raw("<bdi>");
                    self.text(text);
                    self.raw("</bdi>");
                }
            }
            self.raw(close);
        }
    }
}
