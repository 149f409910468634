//! How codes are written in a list: single ones, ranges, and lists of those.
//! <https://www.cdc.gov/nchs/icd/icd-10-cm/index.html>: a category stands for all below it

/// Longer codes are in no system that is listed, and a lookup stops there.
pub(super) const LONGEST_CODE: usize = 32;

/// `F10`, `F10-F16`, `T40.0-T40.4`, `H0001-H0030`, and lists of those separated by commas; in upper case, without dots.
/// Without `ranges` a hyphen belongs to the code.
pub(super) fn expand(codes: &str, ranges: bool) -> Result<Vec<String>, &'static str> {
    let mut out = Vec::new();
    for part in codes.split(',') {
        let part: String = part
            .trim()
            .chars()
            .filter(|c| *c != '.')
            .collect::<String>()
            .to_ascii_uppercase();
        if part.is_empty() || !part.is_ascii() {
            return Err("a code is empty or not ASCII");
        }
        match part.split_once('-').filter(|_| ranges) {
            Some((from, to)) => range(from, to, &mut out)?,
            None if part.len() > LONGEST_CODE => return Err("a code is longer than 32 characters"),
            None => out.push(part),
        }
    }
    Ok(out)
}

/// Letters, a number, and perhaps a letter after it (`4270F`); only the number runs.
fn range(from: &str, to: &str, out: &mut Vec<String>) -> Result<(), &'static str> {
    if from.len() != to.len() || from.len() > LONGEST_CODE {
        return Err("the ends of a range differ in length");
    }
    let (from, tail) = split_tail(from);
    let (to, other_tail) = split_tail(to);
    let head = from.trim_end_matches(|c: char| c.is_ascii_digit());
    let last = to
        .strip_prefix(head)
        .filter(|_| tail == other_tail)
        .ok_or("the ends of a range begin or end differently")?;
    let first = &from[head.len()..];
    let width = first.len();
    let (Ok(first), Ok(last)) = (first.parse::<u32>(), last.parse::<u32>()) else {
        return Err("the ends of a range differ in more than a number");
    };
    if first > last || last - first > 100_000 {
        return Err("a range runs backwards or is too wide");
    }
    out.extend((first..=last).map(|n| format!("{head}{n:0width$}{tail}")));
    Ok(())
}

fn split_tail(code: &str) -> (&str, &str) {
    code.split_at(code.trim_end_matches(|c: char| c.is_ascii_alphabetic()).len())
}
