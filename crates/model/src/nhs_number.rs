//! NHS numbers: format, check digit and the range they were issued from.
//!
//! Source: NHS Data Dictionary, NHS NUMBER; the ranges by nation as published for the number's issuers.
//! A right check digit alone proves little: all ten repeated-digit numbers pass it.

use std::fmt;

/// Ten digits with a right check digit, from the range of England, Wales and the Isle of Man or the test range.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NhsNumber([u8; 10]);

/// Where a valid number comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NhsNumberRange {
    /// 4000000000–4999999999 and 6000000000–7999999999.
    Issued,
    /// 9000000000–9999999999: never issued, for tests.
    Test,
}

/// Why a text is not an NHS number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NhsNumberFault {
    #[error("no number is given")]
    Absent,
    #[error("not ten digits")]
    Format,
    #[error("the check digit is wrong")]
    Checksum,
    #[error("a placeholder, not a person's number")]
    Placeholder,
    #[error("a number of another nation's register")]
    OtherNation,
    #[error("from a range that was never issued")]
    NotIssuedRange,
}

impl NhsNumber {
    /// Reads a number as it stands in a source. Spaces are taken out wherever a 3-3-4 grouping puts them;
    /// nothing else is.
    pub fn parse(raw: &str) -> Result<Self, NhsNumberFault> {
        let trimmed = raw.trim_matches(' ');
        if trimmed.is_empty() {
            return Err(NhsNumberFault::Absent);
        }
        let digits = digits_of(trimmed).ok_or(NhsNumberFault::Format)?;
        if is_placeholder(&digits) {
            return Err(NhsNumberFault::Placeholder);
        }
        if check_digit(&digits) != Some(digits[9]) {
            return Err(NhsNumberFault::Checksum);
        }
        match leading_four(&digits) {
            100..=3112 | 3200..=3999 | 8000..=8599 => Err(NhsNumberFault::OtherNation),
            4000..=4999 | 6000..=7999 | 9000..=9999 => Ok(Self(digits)),
            _ => Err(NhsNumberFault::NotIssuedRange),
        }
    }

    pub fn range(&self) -> NhsNumberRange {
        if self.0[0] == 9 { NhsNumberRange::Test } else { NhsNumberRange::Issued }
    }

    /// The ten digits. An NHS number identifies a person: it goes into resources and restricted files only.
    pub fn digits(&self) -> String {
        self.0.iter().map(|d| char::from(b'0' + d)).collect()
    }
}

impl fmt::Debug for NhsNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<NHS number>")
    }
}

/// `dddddddddd` or `ddd ddd dddd`; anything else is `None`.
fn digits_of(text: &str) -> Option<[u8; 10]> {
    let bytes = text.as_bytes();
    let grouped = bytes.len() == 12 && bytes[3] == b' ' && bytes[7] == b' ';
    if !(bytes.len() == 10 || grouped) {
        return None;
    }
    let mut digits = [0; 10];
    let mut at = 0;
    for &byte in bytes {
        if byte == b' ' && grouped {
            continue;
        }
        if !byte.is_ascii_digit() || at == 10 {
            return None;
        }
        digits[at] = byte - b'0';
        at += 1;
    }
    (at == 10).then_some(digits)
}

fn is_placeholder(digits: &[u8; 10]) -> bool {
    digits.iter().all(|d| d == &digits[0])
        || *digits == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
        || *digits == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
}

/// Modulus 11 with weights 10 to 2; `None` where the rule gives 10, which no number may have.
fn check_digit(digits: &[u8; 10]) -> Option<u8> {
    let sum: u32 = digits[..9].iter().zip((2..=10).rev()).map(|(d, w)| u32::from(*d) * w).sum();
    match 11 - sum % 11 {
        11 => Some(0),
        10 => None,
        digit => Some(digit as u8),
    }
}

fn leading_four(digits: &[u8; 10]) -> u16 {
    digits[..4].iter().fold(0, |n, d| n * 10 + u16::from(*d))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_class_of_text_has_its_fault() {
        use NhsNumberFault::*;
        let cases = [
            ("", Err(Absent)),
            ("   ", Err(Absent)),
            ("999 000 0107", Ok(NhsNumberRange::Test)),
            ("9990000107", Ok(NhsNumberRange::Test)),
            ("4010232137", Ok(NhsNumberRange::Issued)), // not a person's: the example of published descriptions
            ("9990000108", Err(Checksum)),
            ("999-000-0107", Err(Format)),
            ("9990 000107", Err(Format)),
            ("999 000 010", Err(Format)),
            ("993254128", Err(Format)),
            ("0000000000", Err(Placeholder)),
            ("9999999999", Err(Placeholder)),
            ("0123456789", Err(Placeholder)),
            ("9876543210", Err(Placeholder)),
        ];
        for (raw, expected) in cases {
            assert_eq!(NhsNumber::parse(raw).map(|n| n.range()), expected, "{raw:?}");
        }
    }

    proptest! {
        #[test]
        fn at_most_one_last_digit_is_right(stem in "[0-9]{9}") {
            let right = (0..10).filter(|d| NhsNumber::parse(&format!("{stem}{d}")) != Err(NhsNumberFault::Checksum)).count();
            // Placeholders are told apart before the check digit is, so two may answer otherwise.
            prop_assert!(right <= 2);
        }

        #[test]
        fn any_text_is_read_without_a_panic(raw in "\\PC{0,20}") {
            let _ = NhsNumber::parse(&raw);
        }
    }
}
