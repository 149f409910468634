//! Dates as R4 states them: year, month, day or moment, each a span of time at its own precision.
//! <https://hl7.org/fhir/R4/datatypes.html#dateTime>, <https://hl7.org/fhir/R4/search.html#date>

use jiff::civil;
use jiff::tz::TimeZone;

use super::Instant;

/// How much of the date was stated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Precision {
    Year,
    Month,
    Day,
    /// A moment to the second, with its zone.
    Second,
    /// A moment with a fraction of a second.
    Fraction,
}

/// A `date`, `dateTime` or `instant` that exists in the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartialDate {
    precision: Precision,
    /// First day of what was stated.
    day: civil::Date,
    /// For a moment: the instant, and how long it lasts at the stated precision, in microseconds.
    moment: Option<(Instant, i64)>,
}

/// How one span of time stands to another; the words of R4 search prefixes build on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Ends before the other begins.
    Before,
    /// Begins after the other ends.
    After,
    /// Lies wholly inside the other, or is the same.
    Within,
    /// Shares some time with the other, but not all of its own.
    Overlaps,
}

impl PartialDate {
    /// `YYYY`, `YYYY-MM`, `YYYY-MM-DD` or `YYYY-MM-DDThh:mm:ss[.f…](Z|±hh:mm)`; anything else is `None`.
    /// Digits beyond the microsecond are accepted and cut. Second 60 is a leap second: the next second begins it.
    pub fn parse(text: &str) -> Option<PartialDate> {
        let bytes = text.as_bytes();
        let year = number(bytes, 0, 4)?;
        let month = if bytes.len() > 4 {
            separated(bytes, 4, b'-')?
        } else {
            1
        };
        let day = if bytes.len() > 7 {
            separated(bytes, 7, b'-')?
        } else {
            1
        };
        // Year 0000 is no year in R4; jiff would take it.
        if year == 0 {
            return None;
        }
        let date = civil::Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
        let precision = match bytes.len() {
            4 => Precision::Year,
            7 => Precision::Month,
            10 => Precision::Day,
            _ => return Self::with_time(date, bytes.get(10..)?),
        };
        Some(PartialDate {
            precision,
            day: date,
            moment: None,
        })
    }

    fn with_time(day: civil::Date, rest: &[u8]) -> Option<PartialDate> {
        let rest = rest.strip_prefix(b"T")?;
        let zone = rest.iter().position(|b| matches!(b, b'Z' | b'+' | b'-'))?;
        let (clock, offset) = (rest.get(..zone)?, offset_seconds(&rest[zone..])?);
        let (seconds, micros, fraction_digits) = clock_time(clock)?;
        let days = day.duration_since(civil::date(1970, 1, 1)).as_hours() / 24;
        let start = Instant((days * 86_400 + seconds - offset) * 1_000_000 + micros);
        let (precision, length) = match fraction_digits {
            0 => (Precision::Second, 1_000_000),
            n => (Precision::Fraction, 10_i64.pow(6 - n.min(6))),
        };
        Some(PartialDate {
            precision,
            day,
            moment: Some((start, length)),
        })
    }

    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Was a time of day stated? Then a zone was stated too.
    pub fn has_time(&self) -> bool {
        self.moment.is_some()
    }

    /// The first day of what was stated, on the calendar of the one who wrote it.
    pub fn day(&self) -> civil::Date {
        self.day
    }

    /// `[start, end)` at the stated precision. Dates without a time are days in `zone`; moments carry their own.
    pub fn bounds(&self, zone: &TimeZone) -> (Instant, Instant) {
        if let Some((start, length)) = self.moment {
            return (start, Instant(start.0 + length));
        }
        let end = match self.precision {
            Precision::Year => self.day.checked_add(jiff::Span::new().years(1)),
            Precision::Month => self.day.checked_add(jiff::Span::new().months(1)),
            _ => self.day.tomorrow(),
        };
        // Only the last day of year 9999 has no tomorrow.
        (
            midnight(self.day, zone),
            end.map_or(Instant::MAX, |day| midnight(day, zone)),
        )
    }

    /// How this date stands to another, each taken as its whole span.
    pub fn order(&self, other: &PartialDate, zone: &TimeZone) -> Order {
        order(self.bounds(zone), other.bounds(zone))
    }
}

/// How the span `a` stands to the span `b`; both are `[start, end)`.
pub fn order(a: (Instant, Instant), b: (Instant, Instant)) -> Order {
    if a.1 <= b.0 {
        Order::Before
    } else if a.0 >= b.1 {
        Order::After
    } else if a.0 >= b.0 && a.1 <= b.1 {
        Order::Within
    } else {
        Order::Overlaps
    }
}

fn midnight(day: civil::Date, zone: &TimeZone) -> Instant {
    match day.to_zoned(zone.clone()) {
        Ok(zoned) => Instant(zoned.timestamp().as_microsecond()),
        Err(_) => Instant::MAX,
    }
}

/// R4 `time`: `hh:mm:ss` with an optional fraction.
pub(super) fn is_time(text: &[u8]) -> bool {
    clock_time(text).is_some()
}

/// Seconds since midnight, microseconds, digits of the fraction.
fn clock_time(text: &[u8]) -> Option<(i64, i64, u32)> {
    let hour = number(text, 0, 2)?;
    let (minute, second) = (separated(text, 2, b':')?, separated(text, 5, b':')?);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let fraction = match text.get(8..)? {
        [] => &[][..],
        [b'.', digits @ ..] if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) => digits,
        _ => return None,
    };
    let micros = (0..6).fold(0, |sum, i| {
        sum * 10 + fraction.get(i).map_or(0, |d| i64::from(d - b'0'))
    });
    let seconds = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
    Some((seconds, micros, u32::try_from(fraction.len()).ok()?))
}

fn offset_seconds(text: &[u8]) -> Option<i64> {
    let sign = match text {
        b"Z" => return Some(0),
        [b'+', ..] => 1,
        [b'-', ..] => -1,
        _ => return None,
    };
    let (hours, minutes) = (number(text, 1, 2)?, separated(text, 3, b':')?);
    let legal = text.len() == 6 && minutes < 60 && (hours < 14 || (hours == 14 && minutes == 0));
    legal.then_some(sign * (i64::from(hours) * 3600 + i64::from(minutes) * 60))
}

/// Two digits after a separator.
fn separated(text: &[u8], at: usize, separator: u8) -> Option<i16> {
    if text.get(at) == Some(&separator) {
        number(text, at + 1, 2)
    } else {
        None
    }
}

fn number(text: &[u8], at: usize, digits: usize) -> Option<i16> {
    let digits = text.get(at..at + digits)?;
    digits.iter().try_fold(0_i16, |sum, b| {
        b.is_ascii_digit().then(|| sum * 10 + i16::from(b - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(text: &str, zone: &str) -> (String, String) {
        let zone = TimeZone::get(zone).expect("a zone");
        let (start, end) = PartialDate::parse(text).expect("a date").bounds(&zone);
        (start.to_fhir(), end.to_fhir())
    }

    fn pair(a: &str, b: &str) -> (String, String) {
        (a.to_owned(), b.to_owned())
    }

    #[test]
    fn spans_follow_precision_zone_and_daylight_saving() {
        let new_york = "America/New_York";
        assert_eq!(
            bounds("2024", "UTC"),
            pair("2024-01-01T00:00:00.000Z", "2025-01-01T00:00:00.000Z")
        );
        assert_eq!(
            bounds("2024-12", new_york),
            pair("2024-12-01T05:00:00.000Z", "2025-01-01T05:00:00.000Z")
        );
        // 23 hours: the clock goes forward that day.
        assert_eq!(
            bounds("2024-03-10", new_york),
            pair("2024-03-10T05:00:00.000Z", "2024-03-11T04:00:00.000Z")
        );
        assert_eq!(
            bounds("1969-12-31T23:59:59.5+01:00", new_york),
            pair("1969-12-31T22:59:59.500Z", "1969-12-31T22:59:59.600Z")
        );
        assert_eq!(
            bounds("2016-12-31T23:59:60Z", "UTC"),
            pair("2017-01-01T00:00:00.000Z", "2017-01-01T00:00:01.000Z")
        );
        let (start, end) = PartialDate::parse("9999").expect("a date").bounds(&TimeZone::UTC);
        assert!(start < end);
    }

    #[test]
    fn moments_agree_with_jiff() {
        for text in [
            "0001-01-01T00:00:00+14:00",
            "1900-02-28T12:00:00Z",
            "2024-02-29T23:59:59.123456-13:59",
        ] {
            let ours = PartialDate::parse(text)
                .expect("a moment")
                .bounds(&TimeZone::UTC)
                .0;
            assert_eq!(Some(ours), Instant::parse(text), "{text}");
        }
    }

    #[test]
    fn spans_are_ordered_as_search_needs() {
        let date = |text| PartialDate::parse(text).expect("a date");
        let order = |a, b| date(a).order(&date(b), &TimeZone::UTC);
        assert_eq!(order("2023", "2024-01"), Order::Before);
        assert_eq!(order("2024-01-01T00:00:00Z", "2023"), Order::After);
        assert_eq!(order("2024-02-29", "2024"), Order::Within);
        assert_eq!(order("2024", "2024-02-29"), Order::Overlaps);
    }
}
