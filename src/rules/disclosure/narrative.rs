//! Narrative, generated again from what is released: the stored one was written from the whole record.
//! <https://hl7.org/fhir/R4/narrative.html>

use crate::fhir::Value;

/// `42 CFR 2.32(a)(2)`, verbatim: the short statement that accompanies each disclosure of Part 2 content.
pub const PART2_NOTICE: &str = "42 CFR part 2 prohibits unauthorized use or disclosure of these records.";

const SKIPPED: &[&str] = &[
    "resourceType",
    "id",
    "meta",
    "text",
    "implicitRules",
    "extension",
    "identifier",
];
const DEEPEST: usize = 12;

/// `Narrative` with status `generated` for a released resource. `notice` is a statement that must travel.
pub fn narrative(resource: &Value, notice: Option<&str>) -> Value {
    let mut html = String::with_capacity(512);
    html.push_str("<div xmlns=\"http://www.w3.org/1999/xhtml\"><p><b>");
    escape(resource["resourceType"].as_str().unwrap_or("Resource"), &mut html);
    html.push_str("</b></p>");
    if let Value::Object(object) = resource {
        members(
            object
                .iter()
                .filter(|(name, _)| !SKIPPED.contains(&name.as_str())),
            0,
            &mut html,
        );
    }
    if let Some(notice) = notice {
        html.push_str("<p>");
        escape(notice, &mut html);
        html.push_str("</p>");
    }
    html.push_str("</div>");
    serde_json::json!({"status": "generated", "div": html})
}

fn members<'a>(list: impl Iterator<Item = (&'a String, &'a Value)>, depth: usize, html: &mut String) {
    let mut open = false;
    for (name, value) in list.filter(|(name, _)| !name.starts_with('_')) {
        if !open {
            html.push_str("<ul>");
            open = true;
        }
        html.push_str("<li>");
        escape(&words(name), html);
        html.push_str(": ");
        render(value, depth, html);
        html.push_str("</li>");
    }
    if open {
        html.push_str("</ul>");
    }
}

fn render(value: &Value, depth: usize, html: &mut String) {
    match value {
        Value::Null => {}
        Value::String(text) => escape(text, html),
        Value::Bool(_) | Value::Number(_) => escape(&value.to_string(), html),
        Value::Array(items) => {
            for (index, item) in items.iter().filter(|item| !item.is_null()).enumerate() {
                if index > 0 {
                    html.push_str("; ");
                }
                render(item, depth, html);
            }
        }
        Value::Object(_) if depth >= DEEPEST => html.push('…'),
        Value::Object(object) => match in_words(value) {
            Some(text) => escape(&text, html),
            None => members(
                object.iter().filter(|(name, _)| *name != "extension"),
                depth + 1,
                html,
            ),
        },
    }
}

/// The datatypes people read as one phrase: concepts, codings, references, names, periods, quantities.
fn in_words(value: &Value) -> Option<String> {
    let text = |name: &str| value[name].as_str();
    if let Some(codings) = value["coding"].as_array() {
        return text("text")
            .map(str::to_owned)
            .or_else(|| codings.first().and_then(in_words));
    }
    if let Some(reference) = text("reference") {
        return Some(text("display").unwrap_or(reference).to_owned());
    }
    if let Some(code) = text("code").filter(|_| value["system"].is_string()) {
        return match value["value"].as_number() {
            Some(number) => Some(format!("{number} {}", text("unit").unwrap_or(code))),
            None => Some(text("display").unwrap_or(code).to_owned()),
        };
    }
    if value["family"].is_string() || value["given"].is_array() {
        let given = value["given"].as_array().map(Vec::as_slice).unwrap_or_default();
        let parts = given.iter().filter_map(Value::as_str).chain(text("family"));
        return Some(parts.collect::<Vec<_>>().join(" "));
    }
    match (text("start"), text("end")) {
        (None, None) => text("text")
            .filter(|_| value.as_object().is_some_and(|o| o.len() == 1))
            .map(str::to_owned),
        (start, end) => Some(format!("{} – {}", start.unwrap_or("…"), end.unwrap_or("…"))),
    }
}

/// `dosageInstruction` → `dosage instruction`
fn words(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            out.push(' ');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

fn escape(text: &str, html: &mut String) {
    for c in text.chars() {
        match c {
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '&' => html.push_str("&amp;"),
            '"' => html.push_str("&quot;"),
            _ => html.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_narrative_says_what_is_there_and_nothing_else() {
        let goal = json!({"resourceType": "Goal", "id": "g", "lifecycleStatus": "active",
            "text": {"div": "<div>an old secret</div>"},
            "description": {"coding": [{"system": "s", "code": "c"}], "text": "sleep < 8 hours"}});
        let div = narrative(&goal, Some(PART2_NOTICE))["div"]
            .as_str()
            .expect("div")
            .to_owned();
        assert!(div.contains("lifecycle status: active") && div.contains("sleep &lt; 8 hours"));
        assert!(div.contains(PART2_NOTICE) && !div.contains("secret"));
        assert!(div.starts_with("<div xmlns=\"http://www.w3.org/1999/xhtml\">") && div.ends_with("</div>"));
    }

    #[test]
    fn deep_nesting_is_cut_not_followed() {
        let mut value = json!({"a": "x"});
        for _ in 0..60 {
            value = json!({ "a": value });
        }
        assert!(
            narrative(&value, None)["div"]
                .as_str()
                .is_some_and(|d| d.contains('…'))
        );
    }
}
