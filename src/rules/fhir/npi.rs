//! The national provider identifier and its check digit.
//! <http://hl7.org/fhir/us/core/StructureDefinition/us-core-organization> (us-core-16, us-core-17)

/// Ten digits whose last one is the Luhn check digit over `80840` and the rest.
pub fn is_npi(value: &str) -> bool {
    let digits: Option<Vec<u32>> = format!("80840{value}").chars().map(|c| c.to_digit(10)).collect();
    let Some(digits) = digits.filter(|d| d.len() == 15) else {
        return false;
    };
    let doubled = |d: u32| if d > 4 { 2 * d - 9 } else { 2 * d };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(i, d)| if i % 2 == 1 { doubled(*d) } else { *d })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::is_npi;

    #[test]
    fn the_last_digit_checks_the_rest() {
        assert!(is_npi("1999001005") && !is_npi("1999001006"));
        assert!(!is_npi("199900100") && !is_npi("199900100x") && !is_npi(""));
    }
}
