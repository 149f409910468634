//! R4 datatypes as people read them. Nothing is computed: dates, numbers and codes stand as the source wrote them, with their
//! modifiers (`use`, comparator, *as needed*). <https://hl7.org/fhir/R4/datatypes.html>

use super::words::Phrase;
use crate::fhir::Value;
use crate::fhir::excerpt::Part;

pub fn text<'a>(part: Part<'_, 'a>, name: &str) -> Option<&'a str> {
    part.member(name).and_then(Part::as_str)
}

/// A text as a phrase; nothing where there is none.
pub fn told<'a>(part: Part<'_, 'a>, name: &str) -> Phrase<'a> {
    text(part, name).map(Phrase::datum).unwrap_or_default()
}

/// The items of a list, or the one value.
pub fn each<'e, 'a>(part: Part<'e, 'a>, name: &str) -> impl Iterator<Item = Part<'e, 'a>> + use<'e, 'a> {
    let member = part.member(name);
    let list = member.filter(|member| member.is_list());
    let alone = member.filter(|member| !member.is_list() && !member.is_null());
    let items = list.into_iter().flat_map(Part::parts);
    items.filter(|item| !item.is_null()).chain(alone)
}

/// The member of a choice (`onset[x]`): its value and the name of its type (`DateTime`).
pub fn choice<'e, 'a>(part: Part<'e, 'a>, stem: &str) -> Option<(Part<'e, 'a>, &'a str)> {
    let typed = |member: Part<'e, 'a>| {
        let of = member.name().strip_prefix(stem)?;
        of.starts_with(|c: char| c.is_ascii_uppercase())
            .then_some((member, of))
    };
    part.parts().find_map(typed)
}

/// The value of a choice, whatever its type.
pub fn chosen<'a>(part: Part<'_, 'a>, stem: &str) -> Phrase<'a> {
    choice(part, stem)
        .map(|(value, of)| value_of(value, of))
        .unwrap_or_default()
}

fn value_of<'a>(value: Part<'_, 'a>, of: &str) -> Phrase<'a> {
    match of {
        "Date" | "DateTime" | "Instant" | "Time" => value.as_str().map(moment).unwrap_or_default(),
        "CodeableConcept" | "Coding" => concept(value),
        "Quantity" | "Age" | "Duration" | "Money" | "SimpleQuantity" => quantity(value),
        "Range" => range(value),
        "Ratio" => ratio(value),
        "Period" => period(value),
        "Timing" => timing(value),
        _ => plain(value),
    }
}

/// A string, a number, or yes and no.
pub fn plain<'a>(value: Part<'_, 'a>) -> Phrase<'a> {
    match value.scalar() {
        Some(Value::String(text)) => Phrase::datum(text),
        Some(Value::Number(number)) => Phrase::datum(number.as_str()),
        Some(Value::Bool(true)) => Phrase::fixed("yes"),
        Some(Value::Bool(false)) => Phrase::fixed("no"),
        _ => Phrase::default(),
    }
}

/// CodeableConcept or Coding: its text, else the words of its codings, else its codes.
pub fn concept<'a>(part: Part<'_, 'a>) -> Phrase<'a> {
    if let Some(text) = text(part, "text") {
        return Phrase::datum(text);
    }
    let codings: Vec<Part<'_, 'a>> = match part.member("coding") {
        Some(_) => each(part, "coding").collect(),
        None => vec![part],
    };
    let words = |name: &str| {
        let mut told: Vec<&'a str> = codings.iter().filter_map(|coding| text(*coding, name)).collect();
        told.dedup();
        Phrase::joined(told.into_iter().map(Phrase::datum), ", ")
    };
    let displays = words("display");
    if displays.is_empty() {
        words("code")
    } else {
        displays
    }
}

/// The codes beside the words of a concept, for who looks them up; nothing when it has no words.
pub fn codes<'a>(part: Part<'_, 'a>, name: &str) -> Phrase<'a> {
    let Some(concept) = part.member(name) else {
        return Phrase::default();
    };
    let has_words =
        text(concept, "text").is_some() || each(concept, "coding").any(|c| text(c, "display").is_some());
    let codes = each(concept, "coding").filter_map(|coding| {
        let label = system(text(coding, "system")?)?;
        Some(Phrase::fixed(label).tell(text(coding, "code")?))
    });
    match has_words {
        true => Phrase::joined(codes, ", "),
        false => Phrase::default(),
    }
}

/// Code systems that a clinician knows by name.
fn system(url: &str) -> Option<&'static str> {
    match url {
        "http://hl7.org/fhir/sid/icd-10-cm" => Some("ICD-10-CM "),
        "http://hl7.org/fhir/sid/icd-9-cm" => Some("ICD-9-CM "),
        "http://snomed.info/sct" => Some("SNOMED CT "),
        "http://www.nlm.nih.gov/research/umls/rxnorm" => Some("RxNorm "),
        "http://loinc.org" => Some("LOINC "),
        _ => None,
    }
}

/// Concepts of a list, or the one.
pub fn concepts<'a>(part: Part<'_, 'a>, name: &str) -> Phrase<'a> {
    Phrase::joined(each(part, name).map(concept), ", ")
}

pub fn has_coding(part: Part<'_, '_>, name: &str, system: &str, code: &str) -> bool {
    code_of(part, name, system).any(|found| found == code)
}

/// Codes of one system in a concept or a list of them.
pub fn code_of<'a>(part: Part<'_, 'a>, name: &str, of: &str) -> impl Iterator<Item = &'a str> {
    let codings = each(part, name).flat_map(|concept| each(concept, "coding"));
    codings.filter_map(move |coding| {
        let own = text(coding, "system") == Some(of);
        text(coding, "code").filter(|_| own)
    })
}

/// A date as it stands; of a time the day, hour and minute, with its offset.
pub fn moment(text: &str) -> Phrase<'_> {
    let Some((day, time)) = text.split_once('T') else {
        return Phrase::datum(text);
    };
    let phrase = Phrase::datum(day);
    let Some(clock) = time.get(..5) else {
        return phrase;
    };
    let phrase = phrase.say(" ").tell(clock);
    match time.find(['+', '-']).and_then(|at| time.get(at..)) {
        Some(offset) => phrase.say(" UTC").tell(offset),
        None if time.ends_with('Z') => phrase.say(" UTC"),
        None => phrase,
    }
}

pub fn date<'a>(part: Part<'_, 'a>, name: &str) -> Phrase<'a> {
    text(part, name).map(moment).unwrap_or_default()
}

pub fn period<'a>(part: Part<'_, 'a>) -> Phrase<'a> {
    match (text(part, "start"), text(part, "end")) {
        (Some(start), Some(end)) => moment(start).say(" to ").and(moment(end)),
        (Some(start), None) => Phrase::fixed("since ").and(moment(start)),
        (None, Some(end)) => Phrase::fixed("until ").and(moment(end)),
        (None, None) => Phrase::default(),
    }
}

pub fn quantity<'a>(part: Part<'_, 'a>) -> Phrase<'a> {
    let value = part.member("value").map(plain).unwrap_or_default();
    let unit = text(part, "unit").or_else(|| text(part, "code"));
    let unit = unit.or_else(|| text(part, "currency"));
    let compared = told(part, "comparator").and_after(" ", value);
    compared.and_after(" ", unit.map(Phrase::datum).unwrap_or_default())
}

fn range<'a>(part: Part<'_, 'a>) -> Phrase<'a> {
    let end = |name| part.member(name).map(quantity).unwrap_or_default();
    match (end("low"), end("high")) {
        (low, high) if low.is_empty() && !high.is_empty() => Phrase::fixed("up to ").and(high),
        (low, high) if high.is_empty() && !low.is_empty() => Phrase::fixed("at least ").and(low),
        (low, high) => low.and_after(" to ", high),
    }
}

pub fn ratio<'a>(part: Part<'_, 'a>) -> Phrase<'a> {
    let side = |name| part.member(name).map(quantity).unwrap_or_default();
    side("numerator").and_after(" per ", side("denominator"))
}

/// How often: in words where the source has some, else frequency and period, days, times and bounds.
/// <https://hl7.org/fhir/R4/datatypes.html#Timing>
pub fn timing<'a>(part: Part<'_, 'a>) -> Phrase<'a> {
    let events = Phrase::joined(each(part, "event").filter_map(Part::as_str).map(moment), ", ");
    let code = part.member("code").map(concept).unwrap_or_default();
    let repeat = part.member("repeat").map(repeat).unwrap_or_default();
    Phrase::joined([code, repeat, events], ", ")
}

fn repeat<'a>(part: Part<'_, 'a>) -> Phrase<'a> {
    let number = |name: &str| part.member(name).map(plain).unwrap_or_default();
    let span = |low: &str, high: &str| {
        let (low, high) = (number(low), number(high));
        low.and_after(" to ", high)
    };
    let listed = |name: &str| Phrase::joined(each(part, name).map(plain), ", ");
    let labelled = |label: &'static str, phrase: Phrase<'a>| match phrase.is_empty() {
        true => phrase,
        false => Phrase::fixed(label).and(phrase),
    };
    let often = span("frequency", "frequencyMax");
    let often = if often.is_empty() { often } else { often.say("×") };
    let every = labelled(
        "every ",
        span("period", "periodMax").and_after(" ", unit(part, "periodUnit")),
    );
    let lasting = span("duration", "durationMax").and_after(" ", unit(part, "durationUnit"));
    let count = span("count", "countMax");
    let count = if count.is_empty() {
        count
    } else {
        count.say(" times in all")
    };
    let offset = number("offset");
    let offset = if offset.is_empty() {
        offset
    } else {
        offset.say(" minutes from it")
    };
    Phrase::joined(
        [
            often.and_after(" ", every),
            labelled("on ", listed("dayOfWeek")),
            labelled("at ", listed("timeOfDay")),
            Phrase::joined(each(part, "when").map(event), ", ").and_after(", ", offset),
            labelled("for ", lasting),
            count,
            chosen(part, "bounds"),
        ],
        ", ",
    )
}

/// Units of time as UCUM writes them.
fn unit<'a>(part: Part<'_, 'a>, name: &str) -> Phrase<'a> {
    let Some(code) = text(part, name) else {
        return Phrase::default();
    };
    match code {
        "s" => Phrase::fixed("s"),
        "min" => Phrase::fixed("min"),
        "h" => Phrase::fixed("h"),
        "d" => Phrase::fixed("days"),
        "wk" => Phrase::fixed("weeks"),
        "mo" => Phrase::fixed("months"),
        "a" => Phrase::fixed("years"),
        other => Phrase::datum(other),
    }
}

/// <https://hl7.org/fhir/R4/valueset-event-timing.html>
fn event<'a>(when: Part<'_, 'a>) -> Phrase<'a> {
    match when.as_str() {
        Some("HS") => Phrase::fixed("at bedtime"),
        Some("WAKE") => Phrase::fixed("on waking"),
        Some("MORN") => Phrase::fixed("in the morning"),
        Some("NOON") => Phrase::fixed("at noon"),
        Some("AFT") => Phrase::fixed("in the afternoon"),
        Some("EVE") => Phrase::fixed("in the evening"),
        Some("NIGHT") => Phrase::fixed("at night"),
        Some("AC") => Phrase::fixed("before meals"),
        Some("C") => Phrase::fixed("with meals"),
        Some("PC") => Phrase::fixed("after meals"),
        _ => plain(when),
    }
}

/// A telephone number or address of mail, with what it is for; an old one says so.
pub fn contact<'a>(part: Part<'_, 'a>) -> Phrase<'a> {
    let value = told(part, "value");
    if value.is_empty() {
        return value;
    }
    let kind = match (text(part, "system"), text(part, "use")) {
        (_, Some("old")) => " (old)",
        (Some("fax"), _) => " (fax)",
        (Some("pager"), _) => " (pager)",
        (Some("sms"), _) => " (text messages)",
        (_, Some("home")) => " (home)",
        (_, Some("mobile")) => " (mobile)",
        (_, Some("temp")) => " (temporary)",
        _ => "",
    };
    value.say(kind)
}

/// Ways to reach somebody, telephone first; old ones last.
pub fn contacts<'a>(part: Part<'_, 'a>) -> Vec<Phrase<'a>> {
    let mut all: Vec<Part<'_, 'a>> = each(part, "telecom").collect();
    let rank = |one: &Part<'_, '_>| one.member("rank").and_then(Part::scalar).and_then(Value::as_u64);
    all.sort_by_key(|one| {
        let old = text(*one, "use") == Some("old");
        let kind = match text(*one, "system") {
            Some("phone") => 0,
            Some("sms" | "pager") => 1,
            Some("email") => 2,
            _ => 3,
        };
        (old, kind, rank(one).unwrap_or(u64::MAX))
    });
    all.into_iter()
        .map(contact)
        .filter(|one| !one.is_empty())
        .collect()
}

pub fn address<'a>(part: Part<'_, 'a>) -> Phrase<'a> {
    let lines = Phrase::joined(each(part, "line").map(plain), ", ");
    let place = Phrase::joined(
        ["city", "district", "state", "postalCode", "country"].map(|name| told(part, name)),
        ", ",
    );
    let parts = lines.and_after(", ", place);
    let whole = if parts.is_empty() {
        told(part, "text")
    } else {
        parts
    };
    let until = part.member("period").map(period).unwrap_or_default();
    let kind = match text(part, "use") {
        _ if whole.is_empty() => "",
        Some("old") => "(old)",
        Some("temp") => "(temporary)",
        Some("billing") => "(billing)",
        _ => "",
    };
    let kind = if kind.is_empty() {
        Phrase::default()
    } else {
        Phrase::fixed(kind)
    };
    whole.and_after(" ", kind).and_after(", ", until.quiet())
}

/// Given names, then family name; the source's own words where it has no parts.
pub fn human_name<'a>(part: Part<'_, 'a>) -> Phrase<'a> {
    let given = Phrase::joined(each(part, "prefix").chain(each(part, "given")).map(plain), " ");
    let whole = given.and_after(" ", told(part, "family"));
    let whole = if whole.is_empty() {
        told(part, "text")
    } else {
        whole
    };
    let suffix = Phrase::joined(each(part, "suffix").map(plain), ", ");
    whole.and_after(", ", suffix)
}

/// The name somebody goes by in official matters, and the others with their use.
pub fn names<'e, 'a>(part: Part<'e, 'a>) -> (Option<Part<'e, 'a>>, Vec<Part<'e, 'a>>) {
    let mut all: Vec<Part<'e, 'a>> = each(part, "name").filter(|name| name.is_object()).collect();
    all.sort_by_key(|name| match text(*name, "use") {
        Some("official") => 0,
        Some("usual") | None => 1,
        Some("temp" | "anonymous") => 3,
        Some("old" | "maiden") => 4,
        Some(_) => 2,
    });
    let mut all = all.into_iter();
    (all.next(), all.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::excerpt::Excerpt;
    use serde_json::json;

    fn said(value: Value, of: impl Fn(Part<'_, '_>) -> String) -> String {
        let mut excerpt = Excerpt::default();
        excerpt.value("", &value);
        of(excerpt.root().expect("a value"))
    }

    #[test]
    fn dates_stand_as_they_are_written() {
        for (given, told) in [
            ("1987-03", "1987-03"),
            ("2026-12-03T09:30:00-06:00", "2026-12-03 09:30 UTC-06:00"),
            ("2026-12-03T09:30:00Z", "2026-12-03 09:30 UTC"),
        ] {
            assert_eq!(moment(given).text(), told);
        }
    }

    #[test]
    fn modifiers_are_said() {
        let old = json!({"system": "phone", "value": "555-0100", "use": "old"});
        assert_eq!(said(old, |p| contact(p).text()), "555-0100 (old)");
        let few = json!({"value": 5, "comparator": "<", "unit": "mg"});
        assert_eq!(said(few, |p| quantity(p).text()), "< 5 mg");
        let high = json!({"high": {"value": 2, "unit": "tablets"}});
        assert_eq!(said(high, |p| range(p).text()), "up to 2 tablets");
    }

    #[test]
    fn a_timing_without_words_is_read_out() {
        let timing_of = json!({"repeat": {"frequency": 1, "period": 8, "periodMax": 12, "periodUnit": "h", "when": ["HS"],
            "boundsPeriod": {"end": "2027-01-01"}}});
        assert_eq!(
            said(timing_of, |p| timing(p).text()),
            "1× every 8 to 12 h, at bedtime, until 2027-01-01"
        );
    }

    #[test]
    fn a_concept_is_its_words_and_the_codes_that_people_look_up() {
        let coded = json!({"code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "F31.32",
            "display": "Bipolar"}, {"system": "urn:x", "code": "y"}]}});
        assert_eq!(
            said(coded.clone(), |p| codes(p, "code").text()),
            "ICD-10-CM F31.32"
        );
        assert_eq!(said(coded["code"].clone(), |p| concept(p).text()), "Bipolar");
        let bare = json!({"coding": [{"code": "F31.32"}]});
        assert_eq!(said(bare, |p| concept(p).text()), "F31.32");
    }
}
