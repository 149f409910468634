//! Dates, date-times and times at stated precision; comparing what cannot be decided gives `None`.
//! <http://hl7.org/fhirpath/N1/#datetime-equality>, <https://hl7.org/fhir/R4/datatypes.html#dateTime>

use std::cmp::Ordering;
use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemporalKind {
    Date,
    DateTime,
    Time,
}

/// A date, date-time or time of day. Its text is kept apart by whoever needs its digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Temporal {
    pub kind: TemporalKind,
    /// year, month, day, hour, minute, second
    fields: [u16; 6],
    nanos: u32,
    fraction_digits: u8,
    /// How many of `fields` are stated (a time starts at hour, so 4, 5 or 6).
    stated: u8,
    /// Minutes east of UTC.
    offset: Option<i16>,
}

const LEAST: [u16; 6] = [0, 1, 1, 0, 0, 0];

impl Temporal {
    /// `2015`, `2015-02`, `2015-02-04`.
    pub fn date(text: &str) -> Option<Temporal> {
        let found = Temporal::date_time(text)?;
        (found.stated <= 3 && !text.contains('T')).then_some(Temporal {
            kind: TemporalKind::Date,
            ..found
        })
    }

    /// A date, or a date with `T` and as much of a time as is stated, with or without offset.
    pub fn date_time(text: &str) -> Option<Temporal> {
        let (date, time) = match text.split_once('T') {
            Some((date, time)) => (date, Some(time)),
            None => (text, None),
        };
        let mut out = Temporal {
            kind: TemporalKind::DateTime,
            fields: LEAST,
            nanos: 0,
            fraction_digits: 0,
            stated: 0,
            offset: None,
        };
        for (at, part) in date.split('-').enumerate() {
            out.set(at, 3, part, if at == 0 { 4 } else { 2 })?;
        }
        if let Some(time) = time.filter(|t| !t.is_empty()) {
            if out.stated != 3 {
                return None;
            }
            out.read_time(time, true)?;
        }
        let [year, month, day, ..] = out.fields;
        let real = (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
        (real && year > 0).then_some(out)
    }

    /// `14`, `14:30`, `14:30:10.123`, without `T` and without offset.
    pub fn time(text: &str) -> Option<Temporal> {
        let mut out = Temporal {
            kind: TemporalKind::Time,
            fields: LEAST,
            nanos: 0,
            fraction_digits: 0,
            stated: 3,
            offset: None,
        };
        out.read_time(text, false)?;
        Some(out)
    }

    fn set(&mut self, at: usize, end: usize, part: &str, width: usize) -> Option<()> {
        let digits = part.len() == width && part.bytes().all(|b| b.is_ascii_digit());
        if at >= end || !digits {
            return None;
        }
        self.fields[at] = part.parse().ok()?;
        self.stated = at as u8 + 1;
        Some(())
    }

    fn read_time(&mut self, text: &str, with_offset: bool) -> Option<()> {
        let split = text.find(['Z', '+', '-']);
        let (clock, zone) = split.map_or((text, ""), |at| text.split_at(at));
        if !zone.is_empty() {
            if !with_offset {
                return None;
            }
            self.offset = Some(offset(zone)?);
        }
        let (clock, fraction) = match clock.split_once('.') {
            Some((clock, fraction)) => (clock, Some(fraction)),
            None => (clock, None),
        };
        for (at, part) in clock.split(':').enumerate() {
            self.set(3 + at, 6, part, 2)?;
        }
        if let Some(fraction) = fraction {
            let digits = !fraction.is_empty() && fraction.bytes().all(|b| b.is_ascii_digit());
            if !digits || self.stated != 6 {
                return None;
            }
            let kept: String = fraction.chars().chain("000000000".chars()).take(9).collect();
            self.nanos = kept.parse().ok()?;
            self.fraction_digits = fraction.len().min(9) as u8;
        }
        let [.., hour, minute, second] = self.fields;
        (hour < 24 && minute < 60 && second <= 60).then_some(())
    }

    /// The date part of a date-time; a date stays as it is.
    pub fn to_date(self) -> Temporal {
        Temporal {
            kind: TemporalKind::Date,
            stated: self.stated.min(3),
            fields: [self.fields[0], self.fields[1], self.fields[2], 0, 0, 0],
            nanos: 0,
            fraction_digits: 0,
            offset: None,
        }
    }

    pub fn to_date_time(self) -> Temporal {
        Temporal {
            kind: TemporalKind::DateTime,
            ..self
        }
    }

    /// Order at the precision both state. `None`: of different kinds, or not decidable.
    pub fn compare(&self, other: &Temporal) -> Option<Ordering> {
        if (self.kind == TemporalKind::Time) != (other.kind == TemporalKind::Time) {
            return None;
        }
        if self.offset.is_some() != other.offset.is_some() {
            return self.compare_with_unknown_offset(other);
        }
        let (a, b) = (self.in_utc(), other.in_utc());
        let shared = usize::from(a.stated.min(b.stated));
        match a.fields[..shared].cmp(&b.fields[..shared]) {
            Ordering::Equal if a.stated != b.stated => None,
            Ordering::Equal => Some(a.nanos.cmp(&b.nanos)),
            unequal => Some(unequal),
        }
    }

    /// One side has no offset: it may lie anywhere between UTC+14 and UTC-12.
    fn compare_with_unknown_offset(&self, other: &Temporal) -> Option<Ordering> {
        let ((a_first, a_last), (b_first, b_last)) = (self.range(), other.range());
        if a_last < b_first {
            Some(Ordering::Less)
        } else if a_first > b_last {
            Some(Ordering::Greater)
        } else {
            None
        }
    }

    /// First and last second since 1970 that this may mean.
    fn range(&self) -> (i64, i64) {
        let stated = usize::from(self.stated);
        let mut last = self.fields;
        let most = [9999, 12, 0, 23, 59, 59];
        last[stated..].copy_from_slice(&most[stated..]);
        if stated < 3 {
            last[2] = days_in(last[0], last[1]);
        }
        match self.offset {
            Some(minutes) => {
                let east = i64::from(minutes) * 60;
                (seconds(&self.fields) - east, seconds(&last) - east)
            }
            None => (seconds(&self.fields) - 14 * 3600, seconds(&last) + 12 * 3600),
        }
    }

    fn in_utc(&self) -> Temporal {
        let Some(minutes) = self.offset.filter(|m| *m != 0 && self.stated > 3) else {
            return *self;
        };
        let at = seconds(&self.fields) - i64::from(minutes) * 60;
        let (days, clock) = (at.div_euclid(86_400), at.rem_euclid(86_400));
        let (year, month, day) = civil(days);
        let fields = [
            year,
            month,
            day,
            (clock / 3600) as u16,
            (clock / 60 % 60) as u16,
            (clock % 60) as u16,
        ];
        Temporal {
            fields,
            offset: Some(0),
            ..*self
        }
    }

    /// A point in time: seconds and offset stated.
    pub(super) fn is_instant(&self) -> bool {
        self.stated == 6 && self.offset.is_some()
    }
}

impl fmt::Display for Temporal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [year, month, day, hour, minute, second] = self.fields;
        if self.kind != TemporalKind::Time {
            write!(f, "{year:04}")?;
            if self.stated > 1 {
                write!(f, "-{month:02}")?;
            }
            if self.stated > 2 {
                write!(f, "-{day:02}")?;
            }
            if self.stated > 3 {
                f.write_str("T")?;
            }
        }
        if self.stated > 3 {
            write!(f, "{hour:02}")?;
        }
        if self.stated > 4 {
            write!(f, ":{minute:02}")?;
        }
        if self.stated > 5 {
            write!(f, ":{second:02}")?;
        }
        if self.fraction_digits > 0 {
            let digits = format!("{:09}", self.nanos);
            write!(f, ".{}", &digits[..usize::from(self.fraction_digits)])?;
        }
        match self.offset {
            None => Ok(()),
            Some(0) => f.write_str("Z"),
            Some(m) => {
                let sign = if m < 0 { '-' } else { '+' };
                write!(f, "{sign}{:02}:{:02}", m.abs() / 60, m.abs() % 60)
            }
        }
    }
}

fn offset(zone: &str) -> Option<i16> {
    if zone == "Z" {
        return Some(0);
    }
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let digits = |t: &str| t.len() == 2 && t.bytes().all(|b| b.is_ascii_digit());
    if !digits(hours) || !digits(minutes) {
        return None;
    }
    let (hours, minutes): (i16, i16) = (hours.parse().ok()?, minutes.parse().ok()?);
    let east = hours * 60 + minutes;
    (minutes < 60 && east <= 14 * 60).then_some(if zone.starts_with('-') { -east } else { east })
}

fn days_in(year: u16, month: u16) -> u16 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn seconds(fields: &[u16; 6]) -> i64 {
    let [year, month, day, hour, minute, second] = fields.map(i64::from);
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let of_era = shifted.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    days * 86_400 + hour * 3600 + minute * 60 + second
}

/// Days since 1970-01-01 to year, month, day.
fn civil(days: i64) -> (u16, u16, u16) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    (year.clamp(0, 9999) as u16, month as u16, day as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Ordering::{Equal, Greater, Less};

    #[test]
    fn order_is_decided_only_where_precision_allows() {
        for (left, right, order) in [
            ("2012-04-15", "2012-04-15T10:00:00", None),
            ("2012-04-14", "2012-04-15T10:00:00", Some(Less)),
            ("2012-04-15T15:00:00Z", "2012-04-15T10:00:00", None),
            ("2012-04-13T15:00:00Z", "2012-04-15T10:00:00", Some(Less)),
            (
                "2012-04-15T15:00:00+02:00",
                "2012-04-15T16:00:00+03:00",
                Some(Equal),
            ),
            ("2012-01-01T00:30:00+01:00", "2011-12-31T23:30:00Z", Some(Equal)),
            ("2012-04-15T15:30:31", "2012-04-15T15:30:31.0", Some(Equal)),
            ("2012-04-15T15:30:31.1", "2012-04-15T15:30:31", Some(Greater)),
            ("2018-03", "2018-03-01", None),
            ("2018", "2019-03-01", Some(Less)),
        ] {
            let (a, b) = (
                Temporal::date_time(left).expect(left),
                Temporal::date_time(right).expect(right),
            );
            assert_eq!(a.compare(&b), order, "{left} {right}");
            assert_eq!(b.compare(&a), order.map(Ordering::reverse), "{right} {left}");
        }
    }

    #[test]
    fn text_comes_back_and_nonsense_is_refused() {
        for good in [
            "2015",
            "2015-02",
            "2015-02-04",
            "2015-02-04T14:34:28.123+10:00",
            "2016-02-29T23:59:60Z",
        ] {
            assert_eq!(Temporal::date_time(good).expect(good).to_string(), good);
        }
        for bad in [
            "",
            "15",
            "2015-2",
            "2015-13",
            "2015-02-30",
            "2015T10",
            "2015-02-04T25",
            "2015-02-04T10:00+",
            "2015-02-04T1é",
        ] {
            assert_eq!(Temporal::date_time(bad), None, "{bad}");
        }
        assert_eq!(Temporal::time("14:30").expect("time").to_string(), "14:30");
        assert!(Temporal::time("14:30Z").is_none());
        assert!(Temporal::date("2015-02-04T").is_none());
    }
}
