//! How numbers are written: full digits, grouped; a share never rounds to nothing nor to everything.

use serde::{Deserialize, Serialize};

/// A number and what it is a part of. Every figure of the report is one of these: no number stands alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    pub n: u64,
    pub of: u64,
    /// What is counted: `patients`, `rows`, `resources` …
    pub unit: String,
}

impl Count {
    pub fn new(n: u64, of: u64, unit: &str) -> Self {
        Self { n, of, unit: unit.to_owned() }
    }
}

/// Writes a number in full digits, in groups of three: `64,975,073`.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Writes a share as per cent with at least two significant digits.
///
/// A share that is neither nothing nor everything is never shown as `0 %` or `100 %`: below a hundredth of one
/// per cent it is `< 0.01 %`, near the whole `> 99.99 %`. Of nothing there is no share: `–`.
pub fn percent(n: u64, of: u64) -> String {
    const SPACE: char = '\u{202f}';
    if of == 0 {
        return "–".to_owned();
    }
    if n == 0 {
        return format!("0{SPACE}%");
    }
    if n == of {
        return format!("100{SPACE}%");
    }
    let (n, of) = (u128::from(n), u128::from(of));
    // In thousandths of one per cent, rounded half up.
    let share = (n * 200_000 + of) / (of * 2);
    if n * 10_000 < of {
        format!("<{SPACE}0.01{SPACE}%")
    } else if n < of && (of - n) * 10_000 < of {
        format!(">{SPACE}99.99{SPACE}%")
    } else if share < 100 {
        format!("0.{share:03}{SPACE}%")
    } else {
        let hundredths = (n * 20_000 + of) / (of * 2);
        format!("{}.{:02}{SPACE}%", hundredths / 100, hundredths % 100)
    }
}

/// `1 gate`, `2 gates`.
pub fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(n), if n == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(n: u64, of: u64) -> String {
        percent(n, of).replace('\u{202f}', " ")
    }

    #[test]
    fn digits_are_grouped_from_the_right() {
        let all: Vec<_> = [0, 7, 999, 1_000, 118_642, 64_975_073].map(grouped).to_vec();
        assert_eq!(all, ["0", "7", "999", "1,000", "118,642", "64,975,073"]);
    }

    #[test]
    fn a_share_keeps_two_significant_digits() {
        assert_eq!(plain(812_406, 1_241_880), "65.42 %");
        assert_eq!(plain(1_412, 1_241_880), "0.11 %");
        assert_eq!(plain(31, 60_000), "0.052 %");
        assert_eq!(plain(14, 64_975_073), "< 0.01 %");
        assert_eq!(plain(64_975_072, 64_975_073), "> 99.99 %");
        assert_eq!(plain(0, 5), "0 %");
        assert_eq!(plain(5, 5), "100 %");
        assert_eq!(plain(0, 0), "–");
    }

    proptest! {
        #[test]
        fn a_part_never_reads_as_nothing_nor_as_everything(of in 2_u64..u64::MAX / 4, part: u64) {
            let n = part % (of - 1) + 1;
            let text = plain(n, of);
            prop_assert!(!["0 %", "0.00 %", "0.000 %", "100 %", "100.00 %"].contains(&text.as_str()), "{n} of {of}: {text}");
        }
    }
}
