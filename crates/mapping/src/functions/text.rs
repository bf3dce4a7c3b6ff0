//! Plain text: cut, join, compare with a shape.

use std::borrow::Cow;

/// Trimmed, and each run of white space made one space.
pub fn squeeze(text: &str) -> Cow<'_, str> {
    let is_squeezed =
        text.trim().len() == text.len() && !text.contains("  ") && !text.chars().any(|c| c.is_whitespace() && c != ' ');
    if is_squeezed {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// From character `start` (from 1), at most `length` characters; `None` where that is empty.
pub fn substring(text: &str, start: i64, length: Option<i64>) -> Option<&str> {
    let skip = usize::try_from(start - 1).ok()?;
    let take = length.map_or(Some(usize::MAX), |n| usize::try_from(n).ok())?;
    let from = text.char_indices().map(|(i, _)| i).nth(skip)?;
    let rest = &text[from..];
    let to = rest.char_indices().map(|(i, _)| i).nth(take).unwrap_or(rest.len());
    Some(&rest[..to]).filter(|part| !part.is_empty())
}

/// Part `number` (from 1) between the separators; `None` where it is empty or not there.
pub fn part<'t>(text: &'t str, separator: &str, number: i64) -> Option<&'t str> {
    let index = usize::try_from(number - 1).ok()?;
    text.split(separator).nth(index).filter(|part| !part.is_empty())
}

/// Filled up at the left to `width` characters; a longer text stays.
pub fn pad_left(text: &str, width: i64, with: &str) -> String {
    let missing = usize::try_from(width).unwrap_or(0).min(1024).saturating_sub(text.chars().count());
    let mut out: String = with.chars().cycle().take(missing).collect();
    out.push_str(text);
    out
}

/// Whether the whole text has the shape: `9` a digit, `A` a letter, `?` any character, `*` any run, `\` takes the
/// next character as it is.
pub fn matches(text: &str, pattern: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let pattern = tokens(pattern);
    // The classic two-pointer walk: linear but for the last star, so no text can make it slow.
    let (mut t, mut p) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(Token::Run) => {
                star = Some((p, t));
                p += 1;
            }
            Some(token) if token.fits(text[t]) => (t, p) = (t + 1, p + 1),
            _ => match &mut star {
                Some((at, from)) => {
                    *from += 1;
                    (t, p) = (*from, *at + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|token| matches!(token, Token::Run))
}

enum Token {
    Digit,
    Letter,
    Any,
    Run,
    Exactly(char),
}

impl Token {
    fn fits(&self, c: char) -> bool {
        match self {
            Self::Digit => c.is_ascii_digit(),
            Self::Letter => c.is_alphabetic(),
            Self::Any | Self::Run => true,
            Self::Exactly(wanted) => *wanted == c,
        }
    }
}

fn tokens(pattern: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '9' => Token::Digit,
            'A' => Token::Letter,
            '?' => Token::Any,
            '*' => Token::Run,
            '\\' => Token::Exactly(chars.next().unwrap_or('\\')),
            other => Token::Exactly(other),
        });
    }
    tokens
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parts_count_from_one() {
        assert_eq!(substring("abcdef", 2, Some(3)), Some("bcd"));
        assert_eq!(substring("éab", 1, Some(1)), Some("é"));
        assert_eq!(substring("abc", 4, None), None);
        assert_eq!(substring("abc", 0, None), None);
        assert_eq!(part("a^b^^d", "^", 2), Some("b"));
        assert_eq!(part("a^b^^d", "^", 3), None);
        assert_eq!(part("a^b^^d", "^", 9), None);
        assert_eq!(pad_left("42", 5, "0"), "00042");
        assert_eq!(squeeze("  a \t b "), "a b");
    }

    #[test]
    fn shapes() {
        assert!(matches("AB12", "AA99"));
        assert!(!matches("AB123", "AA99"));
        assert!(matches("report.pdf", "*.pdf"));
        assert!(matches("9", "\\9"));
        assert!(!matches("8", "\\9"));
        assert!(matches("", "*"));
        assert!(!matches("", "?"));
        assert!(matches("aXbXc", "a*X?"));
    }

    proptest! {
        #[test]
        fn any_text_is_cut_without_a_panic(text in "\\PC{0,20}", start: i64, length: i64, pattern in "[9A?*\\\\x]{0,8}") {
            prop_assume!(start > i64::MIN);
            let _ = substring(&text, start, Some(length));
            let _ = part(&text, "a", start);
            let _ = matches(&text, &pattern);
        }

        #[test]
        fn a_text_matches_itself_when_escaped(text in "\\PC{0,12}") {
            let pattern: String = text.chars().flat_map(|c| ['\\', c]).collect();
            prop_assert!(matches(&text, &pattern));
        }
    }
}
