//! Decimals as text: compared digit by digit, never through floating point, so no digit is lost.
//! <http://hl7.org/fhirpath/N1/#decimal>, <https://hl7.org/fhir/R4/datatypes.html#decimal>

use std::cmp::Ordering;

struct Parts<'t> {
    negative: bool,
    whole: &'t [u8],
    fraction: &'t [u8],
    exponent: i64,
}

impl<'t> Parts<'t> {
    fn read(text: &'t str) -> Option<Parts<'t>> {
        let bytes = text.as_bytes();
        let (negative, rest) = match bytes.first()? {
            b'-' => (true, &bytes[1..]),
            b'+' => (false, &bytes[1..]),
            _ => (false, bytes),
        };
        let (mantissa, exponent) = match rest.iter().position(|b| matches!(b, b'e' | b'E')) {
            Some(at) => (&rest[..at], exponent(&rest[at + 1..])?),
            None => (rest, 0),
        };
        let (whole, fraction) = match mantissa.iter().position(|b| *b == b'.') {
            Some(at) if at + 1 < mantissa.len() => (&mantissa[..at], &mantissa[at + 1..]),
            Some(_) => return None,
            None => (mantissa, &[][..]),
        };
        let digits = !whole.is_empty() && whole.iter().chain(fraction).all(u8::is_ascii_digit);
        digits.then_some(Parts {
            negative,
            whole,
            fraction,
            exponent,
        })
    }

    fn digits(&self) -> impl Iterator<Item = u8> + '_ {
        self.whole.iter().chain(self.fraction).copied()
    }

    /// Where the first digit that is not zero stands, counted from the decimal point; `None` for zero.
    fn scale(&self) -> Option<i64> {
        let zeros = self.digits().position(|d| d != b'0')?;
        Some(
            (self.whole.len() as i64)
                .saturating_add(self.exponent)
                .saturating_sub(zeros as i64),
        )
    }

    fn sign(&self) -> i8 {
        match (self.scale(), self.negative) {
            (None, _) => 0,
            (Some(_), true) => -1,
            (Some(_), false) => 1,
        }
    }
}

/// An exponent beyond any that matters saturates: the number of digits is bounded, so order is kept.
fn exponent(bytes: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(bytes).ok()?;
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let size = digits.parse::<i64>().unwrap_or(i64::MAX / 4).min(i64::MAX / 4);
    Some(if text.starts_with('-') { -size } else { size })
}

/// Exact order of two decimal texts. `None` if one is not a number.
pub(crate) fn compare(left: &str, right: &str) -> Option<Ordering> {
    let (a, b) = (Parts::read(left)?, Parts::read(right)?);
    let signs = a.sign().cmp(&b.sign());
    if signs != Ordering::Equal || a.sign() == 0 {
        return Some(signs);
    }
    let size = a.scale().cmp(&b.scale()).then_with(|| {
        let (mut x, mut y) = (
            a.digits().skip_while(|d| *d == b'0'),
            b.digits().skip_while(|d| *d == b'0'),
        );
        loop {
            match (x.next(), y.next()) {
                (None, None) => return Ordering::Equal,
                (p, q) => match p.unwrap_or(b'0').cmp(&q.unwrap_or(b'0')) {
                    Ordering::Equal => {}
                    unequal => return unequal,
                },
            }
        }
    });
    Some(if a.negative { size.reverse() } else { size })
}

/// Equality rounded to the precision of the less precise one (`~`).
pub(super) fn equivalent(left: &str, right: &str) -> bool {
    let (Some(a), Some(b)) = (Parts::read(left), Parts::read(right)) else {
        return false;
    };
    if a.exponent != 0 || b.exponent != 0 {
        return compare(left, right) == Some(Ordering::Equal);
    }
    let places = significant(a.fraction).min(significant(b.fraction));
    compare(&rounded(&a, places), &rounded(&b, places)) == Some(Ordering::Equal)
}

/// Digits after the point without trailing zeros.
fn significant(fraction: &[u8]) -> usize {
    fraction.iter().rposition(|d| *d != b'0').map_or(0, |at| at + 1)
}

fn rounded(parts: &Parts<'_>, places: usize) -> String {
    let mut digits: Vec<u8> = parts.digits().take(parts.whole.len() + places).collect();
    if parts.fraction.get(places).is_some_and(|d| *d >= b'5') {
        let mut carry = true;
        for digit in digits.iter_mut().rev() {
            if *digit == b'9' {
                *digit = b'0';
            } else {
                *digit += 1;
                carry = false;
                break;
            }
        }
        if carry {
            digits.insert(0, b'1');
        }
    }
    let mut text = String::from(if parts.negative { "-" } else { "" });
    let point = digits.len() - places.min(parts.fraction.len());
    for (at, digit) in digits.iter().enumerate() {
        if at == point {
            text.push('.');
        }
        text.push(char::from(*digit));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_exact() {
        use Ordering::{Equal, Greater, Less};
        for (left, order, right) in [
            ("1.10", Equal, "1.1"),
            ("0", Equal, "-0.00"),
            ("1e2", Equal, "100"),
            ("1.5E-3", Equal, "0.0015"),
            ("9007199254740993", Greater, "9007199254740992.9999999999999999"),
            ("-2", Less, "-1.9999"),
            ("-1", Less, "0"),
            ("1e999999999999999999999", Greater, "1e99"),
            ("0.1", Less, "0.10000000000000000000001"),
        ] {
            assert_eq!(compare(left, right), Some(order), "{left} {right}");
            assert_eq!(compare(right, left), Some(order.reverse()), "{right} {left}");
        }
        for bad in ["", "-", "1.", ".5", "1e", "1e+", "a", "1.2.3", "1e1.5"] {
            assert_eq!(compare(bad, "0"), None, "{bad}");
        }
    }

    #[test]
    fn equivalence_rounds_to_the_less_precise() {
        assert!(equivalent("0.666666", "0.67"));
        assert!(equivalent("0.995", "1"));
        assert!(equivalent("9.96", "10.0"));
        assert!(!equivalent("1.1", "1.2"));
        assert!(equivalent("1.10", "1.1"));
    }
}
