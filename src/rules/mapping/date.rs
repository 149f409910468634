//! Dates in a source's own format, read strictly into R4 `date` and `dateTime`.
//! <https://hl7.org/fhir/R4/datatypes.html#dateTime>; letters as in Unicode UTS 35 where they have them.

use jiff::civil;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use std::fmt::Write as _;

/// A date or a date with time, in R4's form.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stamp {
    Date(String),
    DateTime(String),
}

/// A stated format, cut into its parts once.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Format {
    parts: Vec<Part>,
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Text(char),
    /// A number of this field with at least and at most so many digits.
    Number(Field, usize, usize),
    MonthName,
    HalfDay,
    Offset,
    /// The whole text is a count since 1970, in units of so many microseconds.
    Epoch(i64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Year,
    Month,
    Day,
    Hour24,
    Hour12,
    Minute,
    Second,
    Milli,
}

/// The fields read so far.
#[derive(Default)]
struct Read {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    hour: Option<i64>,
    hour12: Option<i64>,
    afternoon: Option<bool>,
    minute: Option<i64>,
    second: Option<i64>,
    milli: Option<i64>,
    offset: Option<Offset>,
    epoch: Option<i64>,
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

impl Format {
    /// # Errors
    /// A letter that means nothing, or a format that does not say at least a year.
    pub fn parse(pattern: &str) -> Result<Format, &'static str> {
        match pattern {
            "epoch-ms" => {
                return Ok(Format {
                    parts: vec![Part::Epoch(1_000)],
                });
            }
            "epoch-s" => {
                return Ok(Format {
                    parts: vec![Part::Epoch(1_000_000)],
                });
            }
            _ => {}
        }
        let mut parts = Vec::new();
        let mut rest = pattern.chars().peekable();
        let mut quoted = false;
        while let Some(letter) = rest.next() {
            if letter == '\'' {
                quoted = !quoted;
            } else if quoted || letter == 'T' || !letter.is_ascii_alphabetic() {
                parts.push(Part::Text(letter));
            } else {
                let mut count = 1;
                while rest.next_if_eq(&letter).is_some() {
                    count += 1;
                }
                parts.push(part(letter, count).ok_or("has a letter that means nothing in a date format")?);
            }
        }
        let format = Format { parts };
        if quoted {
            return Err("has an open quote");
        }
        format
            .complete()
            .then_some(format)
            .ok_or("must say a year, and each larger unit before a smaller one")
    }

    fn has(&self, field: Field) -> bool {
        self.parts
            .iter()
            .any(|part| matches!(part, Part::Number(found, ..) if *found == field))
    }

    fn complete(&self) -> bool {
        let month = self.has(Field::Month) || self.parts.contains(&Part::MonthName);
        let half = self.has(Field::Hour12) == self.parts.contains(&Part::HalfDay);
        let hour = self.has(Field::Hour24) || self.has(Field::Hour12);
        let chain = [
            self.has(Field::Year),
            month,
            self.has(Field::Day),
            hour,
            self.has(Field::Minute),
        ];
        let chain = chain
            .into_iter()
            .chain([self.has(Field::Second), self.has(Field::Milli)]);
        let mut ended = false;
        let ordered = chain.into_iter().all(|present| {
            let fine = !(present && ended);
            ended |= !present;
            fine
        });
        let minutes = !hour || self.has(Field::Minute);
        self.has(Field::Year) && ordered && half && minutes && (hour || !self.parts.contains(&Part::Offset))
    }

    /// Does it say a time of day without saying the offset, so that a zone is needed?
    pub fn needs_zone(&self) -> bool {
        (self.has(Field::Hour24) || self.has(Field::Hour12)) && !self.parts.contains(&Part::Offset)
    }

    /// Does it read a count since 1970?
    pub fn is_epoch(&self) -> bool {
        matches!(self.parts.first(), Some(Part::Epoch(_)))
    }

    /// Reads `text`, which must be in this format to the last character.
    ///
    /// # Errors
    /// A fixed sentence; it never quotes the text.
    pub fn read(&self, text: &str, zone: Option<&TimeZone>) -> Result<Stamp, &'static str> {
        let mut read = Read::default();
        let mut rest = text;
        for part in &self.parts {
            rest = part
                .read(rest, &mut read)
                .ok_or("the text is not in the stated format")?;
        }
        if !rest.is_empty() {
            return Err("the text is not in the stated format");
        }
        read.stamp(zone)
    }
}

fn part(letter: char, count: usize) -> Option<Part> {
    Some(match (letter, count) {
        ('y', 4) => Part::Number(Field::Year, 4, 4),
        ('M', 3) => Part::MonthName,
        ('a', 1) => Part::HalfDay,
        ('X', 3) => Part::Offset,
        ('S', 3) => Part::Number(Field::Milli, 3, 3),
        ('m', 2) => Part::Number(Field::Minute, 2, 2),
        ('s', 2) => Part::Number(Field::Second, 2, 2),
        ('M' | 'd' | 'H' | 'h', 1 | 2) => {
            let field = match letter {
                'M' => Field::Month,
                'd' => Field::Day,
                'H' => Field::Hour24,
                _ => Field::Hour12,
            };
            Part::Number(field, count, 2)
        }
        _ => return None,
    })
}

impl Part {
    fn read<'t>(&self, text: &'t str, read: &mut Read) -> Option<&'t str> {
        match self {
            Part::Text(c) => text.strip_prefix(*c),
            Part::Number(field, least, most) => {
                let digits = text.bytes().take(*most).take_while(u8::is_ascii_digit).count();
                let (number, rest) = text.split_at_checked(digits).filter(|_| digits >= *least)?;
                read.set(*field, number.parse().ok()?);
                Some(rest)
            }
            Part::MonthName => {
                let (name, rest) = text.split_at_checked(3)?;
                let month = MONTHS.iter().position(|known| known.eq_ignore_ascii_case(name))?;
                read.month = i64::try_from(month + 1).ok();
                Some(rest)
            }
            Part::HalfDay => {
                let (half, rest) = text.split_at_checked(2)?;
                read.afternoon = Some(match half {
                    "AM" | "am" => false,
                    "PM" | "pm" => true,
                    _ => return None,
                });
                Some(rest)
            }
            Part::Offset => offset(text, read),
            Part::Epoch(unit) => {
                let digits = text.strip_prefix('-').unwrap_or(text);
                let number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
                read.epoch = Some(text.parse::<i64>().ok().filter(|_| number)?.checked_mul(*unit)?);
                Some("")
            }
        }
    }
}

/// `Z` or `+hh:mm`.
fn offset<'t>(text: &'t str, read: &mut Read) -> Option<&'t str> {
    if let Some(rest) = text.strip_prefix('Z') {
        read.offset = Some(Offset::UTC);
        return Some(rest);
    }
    let (stated, rest) = text.split_at_checked(6)?;
    let sign = match stated.as_bytes()[0] {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = stated[1..].split_once(':')?;
    let two = |part: &str| {
        part.bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| part.parse::<i32>().ok())
            .flatten()
    };
    let (hours, minutes) = (
        two(hours).filter(|h| *h <= 14)?,
        two(minutes).filter(|m| *m < 60)?,
    );
    read.offset = Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok();
    read.offset.map(|_| rest)
}

impl Read {
    fn set(&mut self, field: Field, number: i64) {
        let place = match field {
            Field::Year => &mut self.year,
            Field::Month => &mut self.month,
            Field::Day => &mut self.day,
            Field::Hour24 => &mut self.hour,
            Field::Hour12 => &mut self.hour12,
            Field::Minute => &mut self.minute,
            Field::Second => &mut self.second,
            Field::Milli => &mut self.milli,
        };
        *place = Some(number);
    }

    fn stamp(&self, zone: Option<&TimeZone>) -> Result<Stamp, &'static str> {
        const IMPOSSIBLE: &str = "there is no such date";
        if let Some(epoch) = self.epoch {
            let instant = jiff::Timestamp::from_microsecond(epoch).map_err(|_| IMPOSSIBLE)?;
            let zoned = instant.to_zoned(zone.cloned().unwrap_or(TimeZone::UTC));
            let milli = (zoned.millisecond() != 0).then(|| i64::from(zoned.millisecond()));
            return Ok(Stamp::DateTime(written(zoned.datetime(), milli, zoned.offset())));
        }
        let year = self.year.filter(|year| *year > 0).ok_or(IMPOSSIBLE)?;
        let Some(month) = self.month else {
            return Ok(Stamp::Date(format!("{year:04}")));
        };
        let small = |number: i64| i8::try_from(number).map_err(|_| IMPOSSIBLE);
        let year = i16::try_from(year).map_err(|_| IMPOSSIBLE)?;
        let first =
            civil::Date::new(year, small(month)?, small(self.day.unwrap_or(1))?).map_err(|_| IMPOSSIBLE)?;
        if self.day.is_none() {
            return Ok(Stamp::Date(format!("{year:04}-{month:02}")));
        }
        let Some(hour) = self.hour_of_day()? else {
            return Ok(Stamp::Date(first.to_string()));
        };
        let (minute, second) = (self.minute.unwrap_or(0), self.second.unwrap_or(0));
        let nanosecond = i32::try_from(self.milli.unwrap_or(0) * 1_000_000).map_err(|_| IMPOSSIBLE)?;
        const NO_TIME: &str = "there is no such time of day";
        let time = civil::Time::new(small(hour)?, small(minute)?, small(second)?, nanosecond)
            .map_err(|_| NO_TIME)?;
        self.zoned(first.to_datetime(time), zone)
    }

    fn hour_of_day(&self) -> Result<Option<i64>, &'static str> {
        match (self.hour, self.hour12, self.afternoon) {
            (Some(hour), _, _) => Ok(Some(hour)),
            (None, Some(hour @ 1..=12), Some(afternoon)) => {
                Ok(Some(hour % 12 + if afternoon { 12 } else { 0 }))
            }
            (None, Some(_), _) => Err("there is no such time of day"),
            (None, None, _) => Ok(None),
        }
    }

    fn zoned(&self, local: civil::DateTime, zone: Option<&TimeZone>) -> Result<Stamp, &'static str> {
        let offset = match (self.offset, zone) {
            (Some(offset), _) => offset,
            (None, Some(zone)) => {
                let zoned = zone.to_ambiguous_zoned(local);
                if matches!(zoned.offset(), AmbiguousOffset::Gap { .. }) {
                    return Err("the clocks skipped this time in the stated zone");
                }
                zoned.earlier().map_err(|_| "there is no such date")?.offset()
            }
            (None, None) => return Err("a time needs a zone"),
        };
        Ok(Stamp::DateTime(written(local, self.milli, offset)))
    }
}

/// R4 wants seconds and an offset with every time.
fn written(local: civil::DateTime, milli: Option<i64>, offset: Offset) -> String {
    let (date, time) = (local.date(), local.time());
    let mut out = String::with_capacity(29);
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    // writing to a String does not fail
    let _ = write!(out, "{date}T{hour:02}:{minute:02}:{second:02}");
    if let Some(milli) = milli {
        let _ = write!(out, ".{milli:03}");
    }
    let seconds = offset.seconds();
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.abs() / 60;
    let _ = write!(out, "{sign}{:02}:{:02}", minutes / 60, minutes % 60);
    out
}

/// The zone of an IANA name.
pub(super) fn zone(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(format: &str, text: &str, place: &str) -> Result<String, &'static str> {
        let zone = zone(place);
        match Format::parse(format)?.read(text, zone.as_ref())? {
            Stamp::Date(text) | Stamp::DateTime(text) => Ok(text),
        }
    }

    #[test]
    fn dates_are_read_strictly() {
        let good = [
            ("yyyy-MM-dd", "2024-02-29", "2024-02-29"),
            ("M/d/yyyy", "3/7/2024", "2024-03-07"),
            ("M/d/yyyy", "03/07/2024", "2024-03-07"),
            ("MM/dd/yyyy", "12/31/1999", "1999-12-31"),
            ("yyyyMMdd", "20240307", "2024-03-07"),
            ("d MMM yyyy", "7 Mar 2024", "2024-03-07"),
            ("yyyy-MM", "2024-03", "2024-03"),
            ("yyyy", "2024", "2024"),
        ];
        for (format, text, wanted) in good {
            assert_eq!(read(format, text, "").as_deref(), Ok(wanted), "{format}");
        }
        for (format, text) in [
            ("yyyy-MM-dd", "2023-02-29"),
            ("yyyy-MM-dd", "2023-2-9"),
            ("yyyy-MM-dd", "2023-02-09 "),
            ("yyyy-MM-dd", "٢٠٢٣-02-09"),
            ("MM/dd/yyyy", "3/7/2024"),
            ("M/d/yyyy", "13/7/2024"),
            ("M/d/yyyy", "3/7/24"),
            ("yyyy", "0000"),
            ("yyyyMMdd", ""),
        ] {
            assert!(read(format, text, "").is_err(), "{format} {text}");
        }
    }

    #[test]
    fn times_get_the_offset_of_their_zone_at_that_moment() {
        let ny = "America/New_York";
        let minute = "yyyy-MM-dd HH:mm";
        assert_eq!(
            read(minute, "2024-01-10 09:05", ny).as_deref(),
            Ok("2024-01-10T09:05:00-05:00")
        );
        assert_eq!(
            read(minute, "2024-07-10 09:05", ny).as_deref(),
            Ok("2024-07-10T09:05:00-04:00")
        );
        assert!(read(minute, "2024-03-10 02:30", ny).is_err(), "skipped");
        assert_eq!(
            read(minute, "2024-11-03 01:30", ny).as_deref(),
            Ok("2024-11-03T01:30:00-04:00"),
            "twice"
        );
        assert!(read(minute, "2024-01-10 24:00", ny).is_err());
        assert!(read(minute, "2024-01-10 09:05", "").is_err(), "no zone");
        let half = "M/d/yyyy h:mm a";
        assert_eq!(
            read(half, "1/10/2024 12:05 AM", ny).as_deref(),
            Ok("2024-01-10T00:05:00-05:00")
        );
        assert_eq!(
            read(half, "1/10/2024 12:05 PM", ny).as_deref(),
            Ok("2024-01-10T12:05:00-05:00")
        );
        let own = "yyyy-MM-ddTHH:mm:ss.SSSXXX";
        assert_eq!(
            read(own, "2024-01-10T09:05:01.250Z", "").as_deref(),
            Ok("2024-01-10T09:05:01.250+00:00")
        );
        assert_eq!(
            read("epoch-ms", "1704877501250", "").as_deref(),
            Ok("2024-01-10T09:05:01.250+00:00")
        );
        assert_eq!(
            read("epoch-s", "1704877501", ny).as_deref(),
            Ok("2024-01-10T04:05:01-05:00")
        );
        assert!(read("epoch-ms", "99999999999999999999", "").is_err());
    }

    #[test]
    fn a_format_must_make_sense() {
        for format in [
            "",
            "dd/MM",
            "yyyy-dd",
            "yyyy-MM-dd h:mm",
            "yyyy-MM-dd HH",
            "yyyy-MM-dd Q",
            "yyyy-MM-ddXXX",
            "yy",
        ] {
            assert!(Format::parse(format).is_err(), "{format}");
        }
        assert_eq!(
            Format::parse("yyyy-MM-dd HH:mm").map(|f| f.needs_zone()),
            Ok(true)
        );
        assert_eq!(Format::parse("epoch-s").map(|f| f.is_epoch()), Ok(true));
    }
}
