//! Names in capitals, as people write them.

/// Gives a name the case that people write. A name that has small letters already was written by somebody and
/// stays as it is.
///
/// Known: `O'NEILL` O'Neill, `MCDONALD` McDonald, `SMITH-JONES` Smith-Jones, `DE LA CRUZ` de la Cruz (a particle is
/// small only before another word), `ST. JOHN` St. John. `Mac` is not split: MACEY is Macey and MACDONALD may be
/// either; `II` to `IV` stay. No rule of this kind is always right: the text of the source stays in `name.text`.
pub fn name_case(text: &str) -> String {
    if text.chars().any(char::is_lowercase) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut words = text.split(' ').peekable();
    while let Some(word) = words.next() {
        let is_last = words.peek().is_none();
        push_word(&mut out, word, is_last);
        if !is_last {
            out.push(' ');
        }
    }
    out
}

const PARTICLES: [&str; 14] =
    ["de", "da", "di", "del", "della", "der", "den", "des", "du", "la", "le", "van", "von", "ten"];

fn push_word(out: &mut String, word: &str, is_last: bool) {
    let lower = word.to_lowercase();
    if !is_last && PARTICLES.contains(&lower.as_str()) {
        out.push_str(&lower);
        return;
    }
    if matches!(lower.as_str(), "ii" | "iii" | "iv") {
        out.push_str(word);
        return;
    }
    let mut capital = true;
    let mut since_break = 0;
    let letters: Vec<char> = lower.chars().collect();
    for (i, &letter) in letters.iter().enumerate() {
        if capital && letter.is_alphabetic() {
            out.extend(letter.to_uppercase());
            capital = false;
        } else {
            out.push(letter);
        }
        since_break += 1;
        match letter {
            '-' | '.' | '(' | '/' => (capital, since_break) = (true, 0),
            // O'Neill and D'Arcy, but not Sara's and not a mark at the end.
            '\'' | '’' if since_break == 2 && letters.len() > i + 2 => (capital, since_break) = (true, 0),
            'c' if since_break == 2 && letters[i - 1] == 'm' && letters.len() > i + 2 => capital = true,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_as_people_write_them() {
        for (raw, expected) in [
            ("SMITH", "Smith"),
            ("O'NEILL", "O'Neill"),
            ("O’NEILL", "O’Neill"),
            ("D'ARCY", "D'Arcy"),
            ("MCDONALD", "McDonald"),
            ("MACEY", "Macey"),
            ("SMITH-JONES", "Smith-Jones"),
            ("SMITH-MCDONALD", "Smith-McDonald"),
            ("DE LA CRUZ", "de la Cruz"),
            ("VAN DER BERG", "van der Berg"),
            ("LE", "Le"),
            ("ST. JOHN", "St. John"),
            ("JOHN PAUL II", "John Paul II"),
            ("de Souza", "de Souza"),
            ("ÉLODIE", "Élodie"),
            ("MC", "Mc"),
            ("", ""),
        ] {
            assert_eq!(name_case(raw), expected, "{raw:?}");
        }
    }

    proptest! {
        #[test]
        fn only_the_case_changes(name in "[A-ZÉÖ' .-]{0,20}") {
            prop_assert_eq!(name_case(&name).to_lowercase(), name.to_lowercase());
        }
    }
}
