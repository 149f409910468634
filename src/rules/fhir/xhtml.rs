//! Narrative: one `div` of formatting and text, nothing that acts, loads or hides.
//! <https://hl7.org/fhir/R4/narrative.html#xhtml> (txt-1)

use super::markup::{Scanner, Token};

pub(super) const NAMESPACE: &str = "http://www.w3.org/1999/xhtml";

/// Tags open at once.
const MAX_DEPTH: usize = 128;

/// The elements of txt-1.
const ELEMENTS: &[&str] = &[
    "a",
    "abbr",
    "acronym",
    "b",
    "big",
    "blockquote",
    "br",
    "caption",
    "cite",
    "code",
    "col",
    "colgroup",
    "dd",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "li",
    "ol",
    "p",
    "pre",
    "q",
    "samp",
    "small",
    "span",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "tt",
    "ul",
    "var",
];

/// The attributes of txt-1, with `xmlns` and `xml:lang`, which XML brings along.
const ATTRIBUTES: &[&str] = &[
    "abbr",
    "accesskey",
    "align",
    "alt",
    "axis",
    "bgcolor",
    "border",
    "cellhalign",
    "cellpadding",
    "cellspacing",
    "cellvalign",
    "char",
    "charoff",
    "charset",
    "cite",
    "class",
    "colspan",
    "compact",
    "coords",
    "dir",
    "frame",
    "headers",
    "height",
    "href",
    "hreflang",
    "hspace",
    "id",
    "lang",
    "longdesc",
    "name",
    "nowrap",
    "rel",
    "rev",
    "rowspan",
    "rules",
    "scope",
    "shape",
    "span",
    "src",
    "start",
    "style",
    "summary",
    "tabindex",
    "title",
    "type",
    "valign",
    "value",
    "vspace",
    "width",
    "xml:lang",
    "xmlns",
];

/// Is it one well-formed `div` in the XHTML namespace, with the elements and attributes R4 allows?
///
/// A blank div passes: R4 asks for content (txt-2), but four of its own examples have none.
pub(super) fn check(text: &str) -> Result<(), &'static str> {
    if !text.starts_with("<div") {
        return Err("must be XHTML that starts with <div");
    }
    let mut scanner = Scanner::new(text);
    let mut open: Vec<&str> = Vec::new();
    while let Some(token) = scanner.next()? {
        match token {
            Token::Open {
                name,
                attributes,
                empty,
            } => {
                check_tag(name, &attributes, open.is_empty())?;
                if !empty {
                    open.push(name);
                }
                if open.len() > MAX_DEPTH {
                    return Err("must not nest tags deeper than 128 levels");
                }
            }
            Token::Close(name) => {
                if open.pop() != Some(name) {
                    return Err("must close its tags in order");
                }
            }
            Token::Text(_) | Token::Comment => {}
            Token::CData | Token::Instruction(_) => {
                return Err("must not hold CDATA or processing instructions");
            }
        }
        if open.is_empty() && scanner.offset() < text.len() {
            return Err("must be one div and nothing after it");
        }
    }
    if open.is_empty() {
        Ok(())
    } else {
        Err("must close its tags")
    }
}

fn check_tag(name: &str, attributes: &[(&str, &str)], is_root: bool) -> Result<(), &'static str> {
    let namespace = attributes
        .iter()
        .find(|(name, _)| *name == "xmlns")
        .map(|(_, value)| *value);
    if is_root && (name != "div" || namespace != Some(NAMESPACE)) {
        return Err("must be a div that declares xmlns=\"http://www.w3.org/1999/xhtml\"");
    }
    if namespace.is_some_and(|n| n != NAMESPACE) {
        return Err("must be XHTML throughout");
    }
    if !ELEMENTS.contains(&name) {
        return Err("must hold only the basic formatting elements of XHTML");
    }
    for (attribute, value) in attributes {
        if !ATTRIBUTES.contains(attribute) {
            return Err("must hold only the basic formatting attributes of XHTML");
        }
        if matches!(*attribute, "href" | "src" | "cite" | "longdesc") && runs_script(value) {
            return Err("must not link to a script");
        }
    }
    Ok(())
}

/// Browsers skip white space and controls in a scheme and resolve references, so `java&#10;script:` counts.
fn runs_script(value: &str) -> bool {
    let Ok(value) = super::markup::unescape(value) else {
        return true;
    };
    let scheme: String = value
        .chars()
        .filter(|c| *c > ' ')
        .take(11)
        .collect::<String>()
        .to_ascii_lowercase();
    scheme.starts_with("javascript:") || scheme.starts_with("vbscript:") || scheme.starts_with("data:text/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrative_is_formatting_and_text() {
        let div = |inner: &str| format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{inner}</div>");
        for inner in [
            "a",
            "<p>a<br/>b &amp; &#160;</p><!-- note -->",
            "<img src=\"#p\" alt=\"\"/>",
            "<a href='#x'>x</a>",
        ] {
            assert_eq!(check(&div(inner)), Ok(()), "{inner}");
        }
        for inner in [
            "<p>",
            "</div>a<div>",
            "<p>a</b>",
            "<script>1</script>",
            "<p onclick='x'>a</p>",
            "&nbsp;",
            "<a href='java&#10;Script:x'>a</a>",
            "<svg xmlns='http://www.w3.org/2000/svg'/>a",
            "<![CDATA[a]]>",
            "a</div><div>b",
        ] {
            assert!(check(&div(inner)).is_err(), "{inner}");
        }
        assert!(check("<div>a</div>").is_err() && check("a").is_err() && check("<divx>a</divx>").is_err());
        assert!(check(&div(&("<b>".repeat(10_000) + &"</b>".repeat(10_000)))).is_err());
    }
}
