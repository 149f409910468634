//! Dates as search compares them: both sides are spans of time, `[from, to)`, and a prefix says how they have to stand to
//! each other. <https://hl7.org/fhir/R4/search.html#date>, <https://hl7.org/fhir/R4/search.html#prefix>

use jiff::civil;
use jiff::tz::TimeZone;

use crate::fhir::Instant;
use crate::fhir::date::PartialDate;
use crate::fhir::excerpt::Part;

pub(super) type Span = (Instant, Instant);

const ALWAYS: Span = (Instant(i64::MIN), Instant::MAX);

/// What a date, dateTime, instant, Period or Timing covers; an end that is not stated is open. `None` when nothing is.
pub(super) fn span_of(found: Part<'_, '_>, zone: &TimeZone) -> Option<Span> {
    let stated = |part: Part<'_, '_>| Some(PartialDate::parse(part.as_str()?)?.bounds(zone));
    if found.scalar().is_some() {
        return stated(found);
    }
    if let Some(events) = found.member("event") {
        let events = events.parts().filter_map(stated);
        return events.reduce(around);
    }
    let period = found
        .member("repeat")
        .and_then(|repeat| repeat.member("boundsPeriod"))
        .unwrap_or(found);
    let (start, end) = (period.member("start"), period.member("end"));
    let (start, end) = (start.and_then(stated), end.and_then(stated));
    (start.is_some() || end.is_some()).then(|| {
        let from = start.map_or(ALWAYS.0, |start| start.0);
        (from, end.map_or(ALWAYS.1, |end| end.1))
    })
}

fn around(a: Span, b: Span) -> Span {
    (a.0.min(b.0), a.1.max(b.1))
}

/// <https://hl7.org/fhir/R4/valueset-search-comparator.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
    Eq,
    Ne,
    Gt,
    Lt,
    Ge,
    Le,
    Sa,
    Eb,
    Ap,
}

impl Prefix {
    pub const ALL: [(&'static str, Prefix); 9] = [
        ("eq", Prefix::Eq),
        ("ne", Prefix::Ne),
        ("gt", Prefix::Gt),
        ("lt", Prefix::Lt),
        ("ge", Prefix::Ge),
        ("le", Prefix::Le),
        ("sa", Prefix::Sa),
        ("eb", Prefix::Eb),
        ("ap", Prefix::Ap),
    ];

    /// Does a span that a resource holds stand so to the one that was asked for?
    pub(super) fn holds(self, held: Span, asked: Span) -> bool {
        let contained = asked.0 <= held.0 && held.1 <= asked.1;
        let (above, below) = (held.1 > asked.1, held.0 < asked.0);
        match self {
            Prefix::Eq => contained,
            Prefix::Ne => !contained,
            Prefix::Gt => above,
            Prefix::Lt => below,
            Prefix::Ge => above || contained,
            Prefix::Le => below || contained,
            Prefix::Sa => held.0 >= asked.1,
            Prefix::Eb => held.1 <= asked.0,
            Prefix::Ap => held.0 < asked.1 && asked.0 < held.1,
        }
    }
}

/// A date that was asked for: how, and which span. For `ap` the span is already the wider one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct When {
    pub prefix: Prefix,
    pub from: Instant,
    pub to: Instant,
}

impl When {
    /// `ge2024-03`, `2024-03-14T12:30`; days, and times without an offset, are those of `zone`. `ap` widens by a tenth of the
    /// way from `now`, as R4 recommends.
    pub(super) fn parse(text: &str, zone: &TimeZone, now: Instant) -> Option<When> {
        let stated = Prefix::ALL
            .iter()
            .find_map(|(code, prefix)| Some((*prefix, text.strip_prefix(code)?)));
        let (prefix, date) = stated.unwrap_or((Prefix::Eq, text));
        let (from, to) = asked(date, zone)?;
        let margin = match prefix {
            Prefix::Ap if now < from => (from.0 - now.0) / 10,
            Prefix::Ap if now >= to => (now.0 - to.0) / 10,
            _ => 0,
        };
        Some(When {
            prefix,
            from: Instant(from.0.saturating_sub(margin)),
            to: Instant(to.0.saturating_add(margin)),
        })
    }

    pub(super) fn fits(&self, held: Span) -> bool {
        self.prefix.holds(held, (self.from, self.to))
    }

    /// Between which instants a point in time can fit; for finding candidates.
    pub(super) fn bounds(&self) -> Span {
        match self.prefix {
            Prefix::Eq | Prefix::Ap => (self.from, self.to),
            Prefix::Ne => ALWAYS,
            // A moment that is stated to the millisecond can begin inside what was asked and end above it.
            Prefix::Gt | Prefix::Ge => (self.from, ALWAYS.1),
            Prefix::Sa => (self.to, ALWAYS.1),
            Prefix::Lt | Prefix::Le => (ALWAYS.0, self.to),
            Prefix::Eb => (ALWAYS.0, self.from),
        }
    }
}

/// As R4 writes dates, and beyond it what a search may: no seconds, no offset.
fn asked(text: &str, zone: &TimeZone) -> Option<Span> {
    // A `+` that was not escaped arrives as a space.
    let text = text.replace(' ', "+");
    if let Some(date) = PartialDate::parse(&text) {
        return Some(date.bounds(zone));
    }
    let (day, time) = text.split_once('T')?;
    let day = PartialDate::parse(day).filter(|_| day.len() == 10)?.day();
    let offset = time.find(['Z', '+', '-']);
    let (clock, offset) = time.split_at(offset.unwrap_or(time.len()));
    let whole = match clock.len() {
        5 => format!("{clock}:00"),
        _ => clock.to_owned(),
    };
    // The rest of the grammar is that of a full moment.
    let moment = PartialDate::parse(&format!(
        "1970-01-01T{whole}{}",
        if offset.is_empty() { "Z" } else { offset }
    ))?;
    let (start, end) = moment.bounds(&TimeZone::UTC);
    let length = if clock.len() == 5 {
        60_000_000
    } else {
        end.0 - start.0
    };
    let from = match offset {
        "" => local(day, start, zone)?,
        _ => Instant(start.0 + days(day) * 86_400_000_000),
    };
    Some((from, Instant(from.0 + length)))
}

/// This day at this time since midnight, where the agency is.
fn local(day: civil::Date, since_midnight: Instant, zone: &TimeZone) -> Option<Instant> {
    let at = day.to_datetime(civil::Time::midnight());
    let at = at
        .checked_add(jiff::SignedDuration::from_micros(since_midnight.0))
        .ok()?;
    let stamp = at.to_zoned(zone.clone()).ok()?.timestamp();
    Some(Instant(stamp.as_microsecond()))
}

/// Days since 1970-01-01.
fn days(day: civil::Date) -> i64 {
    day.duration_since(civil::date(1970, 1, 1)).as_hours() / 24
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::excerpt::Excerpt;
    use serde_json::{Value, json};

    fn zone() -> TimeZone {
        TimeZone::get("America/Chicago").expect("a zone")
    }

    fn at(text: &str) -> Instant {
        Instant::parse(text).expect("an instant")
    }

    fn held(value: &Value) -> Option<Span> {
        let mut excerpt = Excerpt::default();
        excerpt.value("", value);
        span_of(excerpt.root().expect("a value"), &zone())
    }

    fn fits(asked: &str, value: &Value) -> bool {
        let when = When::parse(asked, &zone(), at("2026-11-21T12:00:00Z")).expect("a date");
        when.fits(held(value).expect("a span"))
    }

    /// The examples of R4's table of prefixes, read for dates.
    #[test]
    fn prefixes_hold_as_r4_says() {
        let period = json!({"start": "2013-01-21T00:00:00Z"});
        let (day, long) = (
            json!("2013-01-14"),
            json!({"start": "2013-01-01", "end": "2013-02-28"}),
        );
        for (asked, value, wanted) in [
            // matches 2013-01-14 all day, and not the day after
            ("eq2013-01-14", &day, true),
            ("eq2013-01-15", &day, false),
            ("ne2013-01-14", &day, false),
            ("eq2013", &day, true),
            ("eq2013-01-14T10:00", &day, false),
            ("lt2013-01-14T10:00", &day, true),
            ("gt2013-01-14T10:00", &day, true),
            // a period that has begun and not ended: the part after the 14th is what R4 explains
            ("gt2013-03-14", &period, true),
            ("ge2013-03-14", &period, true),
            ("le2013-03-14", &period, true),
            ("lt2013-01-14", &period, false),
            ("sa2013-01-14", &period, true),
            ("eb2013-03-14", &period, false),
            ("eb2013-03-14", &long, true),
            ("eb2013-02-28", &long, false),
            ("sa2013-01-14", &long, false),
            ("ap2013-02", &long, true),
            ("eq2013-01", &long, false),
            ("ne2013-01", &long, true),
        ] {
            assert_eq!(fits(asked, value), wanted, "{asked} {value}");
        }
    }

    #[test]
    fn what_resources_hold_are_spans_in_the_zone_of_the_agency() {
        let span = |from: &str, to: &str| Some((at(from), at(to)));
        for (value, wanted) in [
            (
                json!("2026-03"),
                span("2026-03-01T06:00:00Z", "2026-04-01T05:00:00Z"),
            ),
            (
                json!("2026-03-08"),
                span("2026-03-08T06:00:00Z", "2026-03-09T05:00:00Z"),
            ),
            (
                json!({"start": "2026", "end": "2026-01-02"}),
                span("2026-01-01T06:00:00Z", "2026-01-03T06:00:00Z"),
            ),
            (
                json!({"event": ["2026-01-05", "2026-01-02"]}),
                span("2026-01-02T06:00:00Z", "2026-01-06T06:00:00Z"),
            ),
            (
                json!({"repeat": {"frequency": 1, "boundsPeriod": {"start": "2026", "end": "2026"}}}),
                span("2026-01-01T06:00:00Z", "2027-01-01T06:00:00Z"),
            ),
            (json!({}), None),
            (json!({"repeat": {"frequency": 1}}), None),
            (json!("some time"), None),
        ] {
            assert_eq!(held(&value), wanted, "{value}");
        }
        let open = held(&json!({"start": "2026"})).expect("a span");
        assert_eq!(open.1, Instant::MAX);
    }

    #[test]
    fn a_date_is_asked_for_at_any_precision() {
        let asked = |text| asked(text, &zone()).map(|(from, to)| (from.to_fhir(), (to.0 - from.0) / 1000));
        let from = |text: &str, milliseconds| Some((text.to_owned(), milliseconds));
        for (text, wanted) in [
            ("2026-11-21T10:30Z", from("2026-11-21T10:30:00.000Z", 60_000)),
            ("2026-11-21T10:30", from("2026-11-21T16:30:00.000Z", 60_000)),
            ("2026-11-21T10:30:05", from("2026-11-21T16:30:05.000Z", 1000)),
            ("2026-11-21T10:30:05.25", from("2026-11-21T16:30:05.250Z", 10)),
            (
                "2026-11-21T10:30:05+02:00",
                from("2026-11-21T08:30:05.000Z", 1000),
            ),
            ("2026-11-21T10:30 02:00", from("2026-11-21T08:30:00.000Z", 60_000)),
            ("2026-11-21T10", None),
            ("2026-11-21T", None),
            ("2026-13", None),
            ("2026-11T10:30", None),
            ("21.11.2026", None),
            ("", None),
            ("2026-11-21T25:00", None),
        ] {
            assert_eq!(asked(text), wanted, "{text}");
        }
    }

    #[test]
    fn about_is_a_tenth_of_the_way_from_now() {
        let now = at("2026-11-21T00:00:00Z");
        let when = When::parse("ap2016-11-21T00:00:00Z", &zone(), now).expect("a date");
        let days = |a: Instant, b: Instant| (b.0 - a.0) / 86_400_000_000;
        assert_eq!(days(when.from, at("2016-11-21T00:00:00Z")), 365);
        assert_eq!(days(at("2016-11-21T00:00:00Z"), when.to), 365);
    }

    #[test]
    fn bounds_hold_whatever_moment_fits() {
        let moment = |t: Instant| (t, Instant(t.0 + 1000));
        for (code, _) in Prefix::ALL {
            let when = When::parse(&format!("{code}2026-11-21"), &zone(), at("2026-11-21T12:00:00Z"));
            let when = when.expect("a date");
            let (from, to) = when.bounds();
            for hour in -72..72 {
                let t = at("2026-11-21T06:00:00Z").plus_seconds(hour * 3600);
                assert!(
                    !when.fits(moment(t)) || (from <= t && t < to),
                    "{code} {}",
                    t.to_fhir()
                );
            }
        }
    }
}
