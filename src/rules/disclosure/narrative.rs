//! Narrative, generated again from what is released: the stored one was written from the whole record.
//! <https://hl7.org/fhir/R4/narrative.html>

use crate::fhir::Value;
use crate::fhir::excerpt::Part;

/// `42 CFR 2.32(a)(2)`, verbatim: the short statement that accompanies each disclosure of Part 2 content.
pub const PART2_NOTICE: &str = "42 CFR part 2 prohibits unauthorized use or disclosure of these records.";

pub(super) const SKIPPED: &[&str] = &[
    "resourceType",
    "id",
    "meta",
    "text",
    "implicitRules",
    "extension",
    "identifier",
];
/// Nobody reads the bytes of a document in its narrative.
pub(super) const SKIPPED_BELOW: &[&str] = &["extension", "data", "hash"];
pub(super) const DEEPEST: usize = 12;

/// Writes a `Narrative` with status `generated` for a released resource, as JSON. `notice` is a statement that must travel.
pub(super) fn narrative(resource: Part<'_, '_>, notice: Option<&str>, out: &mut Vec<u8>) {
    write(resource, notice, escape, out);
}

/// The same with a notice out of another narrative.
pub(super) fn narrative_with(resource: Part<'_, '_>, notice: Option<&str>, out: &mut Vec<u8>) {
    write(resource, notice, in_json, out);
}

fn write(
    resource: Part<'_, '_>,
    notice: Option<&str>,
    escape_notice: fn(&str, &mut Vec<u8>),
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(
        br#"{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><p><b>"#,
    );
    let resource_type = resource.member("resourceType").and_then(Part::as_str);
    escape(resource_type.unwrap_or("Resource"), out);
    out.extend_from_slice(b"</b></p>");
    members(resource, SKIPPED, 0, out);
    if let Some(notice) = notice {
        out.extend_from_slice(b"<p>");
        escape_notice(notice, out);
        out.extend_from_slice(b"</p>");
    }
    out.extend_from_slice(b"</div>\"}");
}

/// The statement that travels in a narrative made here, as it stands there. It is the last paragraph; the first is the head, and
/// what is said between them is a list.
pub(super) fn notice_in(div: &str) -> Option<&str> {
    let last = div.rfind("<p>")?;
    let notice = div[last..].strip_prefix("<p>")?.strip_suffix("</p></div>")?;
    (!notice.starts_with("<b>")).then_some(notice)
}

/// A narrative of nothing but such a statement.
pub(super) fn notice_alone(notice: &str) -> Value {
    let div = format!("<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>{notice}</p></div>");
    serde_json::json!({"status": "generated", "div": div})
}

/// Text that is HTML already, as it stands in a JSON string.
fn in_json(html: &str, out: &mut Vec<u8>) {
    let quoted = Value::from(html).to_string();
    out.extend_from_slice(quoted.trim_matches('"').as_bytes());
}

fn members(object: Part<'_, '_>, skipped: &[&str], depth: usize, out: &mut Vec<u8>) {
    let mut open = false;
    for part in object.parts() {
        let name = part.name();
        if name.starts_with('_') || skipped.contains(&name) {
            continue;
        }
        if !open {
            out.extend_from_slice(b"<ul>");
            open = true;
        }
        out.extend_from_slice(b"<li>");
        words(name, out);
        out.extend_from_slice(b": ");
        render(part, depth, out);
        out.extend_from_slice(b"</li>");
    }
    if open {
        out.extend_from_slice(b"</ul>");
    }
}

fn render(part: Part<'_, '_>, depth: usize, out: &mut Vec<u8>) {
    match part.scalar() {
        Some(Value::Null) => {}
        Some(Value::String(text)) => escape(text, out),
        Some(Value::Number(number)) => escape(number.as_str(), out),
        Some(other) => escape(&other.to_string(), out),
        None if part.is_list() => {
            for (index, item) in part.parts().filter(|item| !item.is_null()).enumerate() {
                if index > 0 {
                    out.extend_from_slice(b"; ");
                }
                render(item, depth, out);
            }
        }
        None if depth >= DEEPEST => out.extend_from_slice("…".as_bytes()),
        None if Phrase::of(part).is_some_and(|phrase| phrase.write(out)) => {}
        None => members(part, SKIPPED_BELOW, depth + 1, out),
    }
}

/// The members by which people read a concept, coding, reference, name, period or quantity as one phrase.
#[derive(Default)]
struct Phrase<'e, 'a> {
    members: usize,
    coding: Option<Part<'e, 'a>>,
    given: Option<Part<'e, 'a>>,
    value: Option<&'a str>,
    text: Option<&'a str>,
    reference: Option<&'a str>,
    display: Option<&'a str>,
    code: Option<&'a str>,
    system: Option<&'a str>,
    unit: Option<&'a str>,
    family: Option<&'a str>,
    start: Option<&'a str>,
    end: Option<&'a str>,
}

impl<'e, 'a> Phrase<'e, 'a> {
    fn of(part: Part<'e, 'a>) -> Option<Phrase<'e, 'a>> {
        let mut phrase = Phrase::default();
        for member in part.parts() {
            phrase.members += 1;
            let text = member.as_str();
            match member.name() {
                "coding" => phrase.coding = Some(member).filter(|m| m.is_list()),
                "given" => phrase.given = Some(member).filter(|m| m.is_list()),
                "value" => phrase.value = member.scalar().and_then(Value::as_number).map(|n| n.as_str()),
                "text" => phrase.text = text,
                "reference" => phrase.reference = text,
                "display" => phrase.display = text,
                "code" => phrase.code = text,
                "system" => phrase.system = text,
                "unit" => phrase.unit = text,
                "family" => phrase.family = text,
                "start" => phrase.start = text,
                "end" => phrase.end = text,
                _ => {}
            }
        }
        part.is_object().then_some(phrase)
    }

    /// `false` when it is none of them; then nothing is written.
    fn write(&self, out: &mut Vec<u8>) -> bool {
        let said = |text: &str, out: &mut Vec<u8>| {
            escape(text, out);
            true
        };
        if let Some(codings) = self.coding {
            let first = || codings.parts().next().and_then(Phrase::of);
            return match self.text {
                Some(text) => said(text, out),
                None => first().is_some_and(|coding| coding.write(out)),
            };
        }
        if let Some(reference) = self.reference {
            return said(self.display.unwrap_or(reference), out);
        }
        if let (Some(code), Some(_)) = (self.code, self.system) {
            let Some(number) = self.value else {
                return said(self.display.unwrap_or(code), out);
            };
            escape(number, out);
            out.push(b' ');
            return said(self.unit.unwrap_or(code), out);
        }
        if self.family.is_some() || self.given.is_some() {
            let given = self
                .given
                .into_iter()
                .flat_map(Part::parts)
                .filter_map(Part::as_str);
            for (index, name) in given.chain(self.family).enumerate() {
                if index > 0 {
                    out.push(b' ');
                }
                escape(name, out);
            }
            return true;
        }
        match (self.start, self.end, self.text) {
            (None, None, Some(text)) if self.members == 1 => said(text, out),
            (None, None, _) => false,
            (start, end, _) => {
                escape(start.unwrap_or("…"), out);
                out.extend_from_slice(" – ".as_bytes());
                said(end.unwrap_or("…"), out)
            }
        }
    }
}

/// `dosageInstruction` → `dosage instruction`
fn words(name: &str, out: &mut Vec<u8>) {
    for byte in name.bytes() {
        if byte.is_ascii_uppercase() {
            out.push(b' ');
        }
        out.push(byte.to_ascii_lowercase());
    }
}

/// Bytes that HTML or a JSON string does not take as they are.
const ESCAPED: [bool; 256] = {
    let mut escaped = [false; 256];
    let mut control = 0;
    while control < 0x20 {
        escaped[control] = true;
        control += 1;
    }
    escaped[b'<' as usize] = true;
    escaped[b'>' as usize] = true;
    escaped[b'&' as usize] = true;
    escaped[b'"' as usize] = true;
    escaped[b'\\' as usize] = true;
    escaped
};

/// Text as it stands in HTML that stands in a JSON string.
fn escape(text: &str, out: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| ESCAPED[usize::from(*byte)]) {
        out.extend_from_slice(&rest[..at]);
        match rest[at] {
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            b'"' => out.extend_from_slice(b"&quot;"),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            // No other control character may stand in R4's strings; serde_json has two more short forms.
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            control => out.extend_from_slice(format!("\\u{control:04x}").as_bytes()),
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::excerpt::Excerpt;
    use serde_json::json;

    fn div(resource: &Value, notice: Option<&str>) -> String {
        let mut excerpt = Excerpt::default();
        excerpt.value("", resource);
        let mut out = Vec::new();
        narrative(excerpt.root().expect("a resource"), notice, &mut out);
        let written: Value = serde_json::from_slice(&out).expect("JSON");
        written["div"].as_str().expect("a div").to_owned()
    }

    #[test]
    fn a_narrative_says_what_is_there_and_nothing_else() {
        let goal = json!({"resourceType": "Goal", "id": "g", "lifecycleStatus": "active",
            "text": {"div": "<div>an old secret</div>"},
            "description": {"coding": [{"system": "s", "code": "c"}], "text": "sleep < 8 hours"}});
        let div = div(&goal, Some(PART2_NOTICE));
        assert!(div.contains("lifecycle status: active") && div.contains("sleep &lt; 8 hours"));
        assert!(div.contains(PART2_NOTICE) && !div.contains("secret"));
        assert_eq!(notice_in(&div), Some(PART2_NOTICE));
        assert!(div.starts_with("<div xmlns=\"http://www.w3.org/1999/xhtml\">") && div.ends_with("</div>"));
    }

    #[test]
    fn datatypes_are_read_as_phrases() {
        let observation = json!({"resourceType": "Observation", "code": {"coding": [{"system": "s", "code": "c", "display": "D"}]},
            "subject": {"reference": "Patient/p"}, "effectivePeriod": {"start": "2026"}, "component": [{"valueQuantity":
            {"value": 1.5, "unit": "mg", "system": "u", "code": "mg"}}, null, {"valueBoolean": true}],
            "contact": {"given": ["A", "B"], "family": "C"}, "note": [{"text": "a\t\"b\" \\ c\u{1}"}]});
        assert_eq!(
            div(&observation, None).split_once("</p>").expect("a head").1,
            "<ul><li>code: D</li><li>subject: Patient/p</li><li>effective period: 2026 – …</li>\
            <li>component: <ul><li>value quantity: 1.5 mg</li></ul>; <ul><li>value boolean: true</li></ul></li>\
            <li>contact: A B C</li><li>note: a\t&quot;b&quot; \\ c\u{1}</li></ul></div>"
        );
    }

    #[test]
    fn the_notice_is_found_again_and_can_stand_elsewhere() {
        let said = "no \"more\" <than> this & that \\";
        let empty = json!({"resourceType": "Goal"});
        let full = json!({"resourceType": "Goal", "note": "<p>x</p></div>"});
        for resource in [&empty, &full] {
            assert_eq!(notice_in(&div(resource, None)), None);
            let whole = div(resource, Some(said));
            let notice = notice_in(&whole).expect("a notice").to_owned();
            assert_eq!(notice, "no &quot;more&quot; &lt;than&gt; this &amp; that \\");
            let mut excerpt = Excerpt::default();
            excerpt.value("", resource);
            let mut out = Vec::new();
            narrative_with(excerpt.root().expect("a resource"), Some(&notice), &mut out);
            let written: Value = serde_json::from_slice(&out).expect("JSON");
            assert_eq!(written["div"], whole.as_str());
            assert_eq!(
                notice_in(notice_alone(&notice)["div"].as_str().expect("a div")),
                Some(&*notice)
            );
        }
    }

    #[test]
    fn deep_nesting_is_cut_not_followed() {
        let mut value = json!({"a": "x"});
        for _ in 0..60 {
            value = json!({ "a": value });
        }
        assert!(div(&value, None).contains('…'));
    }
}
