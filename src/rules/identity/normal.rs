//! Texts as they are compared: what a clerk, a form and a wristband write differently becomes equal, and nothing else.
//! <https://www.rfc-editor.org/rfc/rfc3966>, USPS Publication 28 appendix C (suffixes of streets)

use crate::fhir::letters::base_letter;

/// Letters of names: lower case, base letters, nothing else. `O’Brien-Núñez` → `obriennunez`.
pub(super) fn name(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars().flat_map(char::to_lowercase) {
        match base_letter(letter) {
            Some(base) => out.push_str(base),
            // combining accents and everything that is no letter or digit
            None if !letter.is_alphanumeric() => {}
            None => out.push(letter),
        }
    }
    out
}

/// The last ten digits; `None` with fewer than seven.
pub(super) fn phone(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    (digits.len() >= 7).then(|| digits[digits.len().saturating_sub(10)..].to_owned())
}

pub(super) fn mail(text: &str) -> Option<String> {
    let text = text.trim().to_lowercase();
    text.contains('@').then_some(text)
}

/// The first five digits of an American postal code, else its letters and digits.
pub(super) fn postal_code(text: &str) -> Option<String> {
    let plain: String = text
        .chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect();
    let american = matches!(plain.len(), 5 | 9) && plain.bytes().all(|b| b.is_ascii_digit());
    let cut = if american { plain[..5].to_owned() } else { plain };
    (cut.len() >= 3).then_some(cut)
}

/// Words of an address line: lower case, base letters, usual abbreviations.
pub(super) fn line(text: &str) -> Option<String> {
    let words: Vec<String> = text
        .split(|c: char| !c.is_alphanumeric() && c != '\'' && c != '’' && c != '.')
        .map(name)
        .filter(|word| !word.is_empty())
        .map(|word| short(&word).map_or(word, str::to_owned))
        .collect();
    (!words.is_empty()).then(|| words.join(" "))
}

fn short(word: &str) -> Option<&'static str> {
    Some(match word {
        "street" => "st",
        "avenue" | "av" => "ave",
        "road" => "rd",
        "drive" => "dr",
        "lane" => "ln",
        "court" => "ct",
        "place" => "pl",
        "boulevard" => "blvd",
        "highway" => "hwy",
        "parkway" => "pkwy",
        "circle" => "cir",
        "terrace" => "ter",
        "square" => "sq",
        "apartment" => "apt",
        "north" => "n",
        "south" => "s",
        "east" => "e",
        "west" => "w",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_case_accents_and_signs() {
        for (text, normal) in [
            ("O’Brien-Núñez", "obriennunez"),
            ("o'brien nunez", "obriennunez"),
            ("Nu\u{301}n\u{303}ez", "nunez"),
            ("Łukasz", "lukasz"),
            ("Weiß", "weiss"),
            ("van der Berg", "vanderberg"),
            ("李", "李"),
            (" - ", ""),
        ] {
            assert_eq!(name(text), normal, "{text}");
        }
    }

    #[test]
    fn numbers_and_addresses_are_compared_by_what_counts() {
        assert_eq!(phone("+1 (217) 555-0142"), phone("217.555.0142"));
        assert_eq!(phone("555"), None);
        assert_eq!(mail(" Rosa@Synthetic.example "), mail("rosa@synthetic.example"));
        assert_eq!(postal_code("62704-1234"), postal_code("62704"));
        assert_ne!(postal_code("62704"), postal_code("62705"));
        assert_eq!(postal_code("SW1A 1AA"), postal_code("sw1a1aa"));
        assert_eq!(line("12 Test Orchard Lane"), line("12 test orchard LN."));
        assert_ne!(line("12 Test Orchard Lane"), line("14 Test Orchard Lane"));
        assert_eq!(line(", ,"), None);
    }
}
