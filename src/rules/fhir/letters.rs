//! Letters as people compare them: without case, accents and signs.
//! <https://hl7.org/fhir/R4/search.html#string>

/// The usual spelling of an accented Latin letter, lower case.
pub fn base_letter(letter: char) -> Option<&'static str> {
    Some(match letter {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' | 'ā' | 'ă' | 'ą' | 'ǎ' => "a",
        'ç' | 'ć' | 'ĉ' | 'ċ' | 'č' => "c",
        'ď' | 'đ' | 'ð' => "d",
        'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' => "e",
        'ĝ' | 'ğ' | 'ġ' | 'ģ' => "g",
        'ĥ' | 'ħ' => "h",
        'ì' | 'í' | 'î' | 'ï' | 'ĩ' | 'ī' | 'ĭ' | 'į' | 'ı' | 'ǐ' => "i",
        'ĵ' => "j",
        'ķ' => "k",
        'ĺ' | 'ļ' | 'ľ' | 'ŀ' | 'ł' => "l",
        'ñ' | 'ń' | 'ņ' | 'ň' => "n",
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' | 'ō' | 'ŏ' | 'ő' | 'ǒ' => "o",
        'ŕ' | 'ŗ' | 'ř' => "r",
        'ś' | 'ŝ' | 'ş' | 'š' | 'ș' => "s",
        'ţ' | 'ť' | 'ŧ' | 'ț' => "t",
        'ù' | 'ú' | 'û' | 'ü' | 'ũ' | 'ū' | 'ŭ' | 'ů' | 'ű' | 'ų' | 'ǔ' => "u",
        'ŵ' => "w",
        'ý' | 'ÿ' | 'ŷ' => "y",
        'ź' | 'ż' | 'ž' => "z",
        'æ' => "ae",
        'œ' => "oe",
        'ß' => "ss",
        'þ' => "th",
        _ => return None,
    })
}

/// Appends `text` as insensitive string searches compare it: lower case, base letters, no signs, single spaces, none at
/// the ends. Two texts are equal for such a search when their folded forms are.
pub fn fold(text: &str, out: &mut String) {
    let mut space = false;
    let begun = out.len();
    for letter in text.chars().flat_map(char::to_lowercase) {
        if letter.is_whitespace() {
            space = out.len() > begun;
            continue;
        }
        let base = base_letter(letter);
        // Combining accents and signs count for nothing.
        if base.is_none() && !letter.is_alphanumeric() {
            continue;
        }
        if std::mem::take(&mut space) {
            out.push(' ');
        }
        match base {
            Some(base) => out.push_str(base),
            None => out.push(letter),
        }
    }
}

/// The same as a text of its own.
pub fn folded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    fold(text, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_lose_case_accents_signs_and_needless_space() {
        for (text, plain) in [
            ("Eve", "eve"),
            ("  O\u{2019}Brien-N\u{fa}\u{f1}ez ", "obriennunez"),
            ("12  Test\tOrchard Lane, Apt. 4", "12 test orchard lane apt 4"),
            ("Nu\u{301}n\u{303}ez", "nunez"),
            ("Wei\u{df}", "weiss"),
            ("\u{674e}", "\u{674e}"),
            (" - ", ""),
            ("a - b", "a b"),
        ] {
            assert_eq!(folded(text), plain, "{text}");
        }
    }
}
