//! What the document is: its source, its date, what has to be said with it. 42 CFR 2.32; SEMANTICS 1.10

use crate::document::content::{Block, Section};
use crate::document::words::Phrase;
use crate::document::{MAY_BE_INCOMPLETE, Request};

pub fn about<'a>(request: &Request<'a>, source: Phrase<'a>, date: Phrase<'a>) -> Section<'a> {
    let notices = request
        .statements
        .iter()
        .map(|statement| Block::Notice(Phrase::datum(statement)));
    let section = notices.fold(Section::new("About this document"), Section::with);
    section.with(Block::facts([
        ("Source", vec![source]),
        ("Made for", vec![Phrase::datum(request.audience)]),
        ("Content as of", vec![date]),
        ("Document", vec![Phrase::datum(request.identifier)]),
        ("Version", vec![Phrase::datum(request.version)]),
        ("Please note", vec![Phrase::fixed(MAY_BE_INCOMPLETE)]),
    ]))
}
