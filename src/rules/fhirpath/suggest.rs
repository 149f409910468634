//! The nearest valid name for a mistyped one, by edit distance.
//! <https://en.wikipedia.org/wiki/Damerau-Levenshtein_distance>

const LONGEST: usize = 64;

/// The candidate at the smallest distance, if it is near enough to be what was meant.
/// Case is ignored for the distance. Long names get no suggestion (cost is quadratic).
pub fn nearest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    if name.len() > LONGEST {
        return None;
    }
    let wanted = name.to_lowercase();
    let allowed = (wanted.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .filter(|c| c.len() <= LONGEST)
        .map(|c| (distance(&wanted, &c.to_lowercase()), c))
        .filter(|(d, _)| *d <= allowed)
        .min_by_key(|(d, c)| (*d, distance(name, c)))
        .map(|(_, c)| c)
}

/// Insertions, deletions, replacements and swaps of neighbours.
fn distance(left: &str, right: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut before: Vec<usize> = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_finds_slips_and_leaves_strangers() {
        let names = ["startsWith", "endsWith", "where", "upper", "exists"];
        assert_eq!(nearest("startWith", names), Some("startsWith"));
        assert_eq!(nearest("exsits", names), Some("exists"));
        assert_eq!(nearest("WHERE", names), Some("where"));
        assert_eq!(nearest("aggregate", names), None);
    }
}
