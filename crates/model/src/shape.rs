//! How a value is described without being shown.

/// Describes a text by its shape: its length and, up to 24 characters, each digit as `d`, each letter as `a`,
/// each other character beyond ASCII as `u`, spaces and punctuation as themselves.
///
/// `31/06/1950` gives `10 characters, dd/dd/dddd`. Digits and letters never survive, so a shape holds no value.
pub fn of_text(value: &str) -> String {
    const SHOWN: usize = 24;
    let length = value.chars().count();
    if length == 0 {
        return "empty".to_owned();
    }
    let mut shape: String = value
        .chars()
        .take(SHOWN)
        .map(|c| match c {
            c if c.is_numeric() => 'd',
            c if c.is_alphabetic() => 'a',
            c if c.is_control() => 'c',
            c if c.is_ascii() => c,
            _ => 'u',
        })
        .collect();
    if length > SHOWN {
        shape.push('…');
    }
    let noun = if length == 1 { "character" } else { "characters" };
    format!("{length} {noun}, {shape}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_date_shows_its_separators_only() {
        assert_eq!(of_text("31/06/1950"), "10 characters, dd/dd/dddd");
        assert_eq!(of_text("O'Neill"), "7 characters, a'aaaaa");
        assert_eq!(of_text(""), "empty");
    }

    proptest! {
        #[test]
        fn no_letter_or_digit_of_a_value_survives(value in "[B-Zb-z0-9éß]{1,60}") {
            let shape = of_text(&value);
            let (_, pattern) = shape.split_once(", ").unwrap();
            prop_assert!(pattern.chars().all(|c| matches!(c, 'a' | 'd' | '…')));
        }
    }
}
