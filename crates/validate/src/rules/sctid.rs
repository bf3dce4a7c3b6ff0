//! SNOMED CT identifiers: length, check digit and partition.
//!
//! Source: SNOMED CT Release File Specifications, "SCTID data type"; the check digit is Verhoeff's.

/// Why a text is no id of a SNOMED CT concept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Form,
    /// The digits after the fifteenth are zeros, as a spreadsheet leaves them.
    CutBySpreadsheet,
    CheckDigit,
    Partition,
    /// A description or a relationship.
    NotAConcept,
}

impl Fault {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Form => "not 6 to 18 digits without a leading zero",
            Self::CutBySpreadsheet => "zeros after the fifteenth digit, as a spreadsheet leaves them",
            Self::CheckDigit => "the check digit is wrong",
            Self::Partition => "the partition is none of SNOMED CT's",
            Self::NotAConcept => "the id of a description or a relationship",
        }
    }
}

/// What a spreadsheet keeps of a number.
const SPREADSHEET_DIGITS: usize = 15;
/// The shortest id with a namespace: one digit, seven of the namespace, two of the partition, one check digit.
const SHORTEST_WITH_NAMESPACE: usize = 11;

/// Checks the id of a concept.
pub(super) fn check(code: &str) -> Result<(), Fault> {
    let bytes = code.as_bytes();
    if !(6..=18).contains(&bytes.len()) || !bytes.iter().all(u8::is_ascii_digit) || bytes[0] == b'0' {
        return Err(Fault::Form);
    }
    let is_valid = verhoeff(bytes);
    let partition = &code[code.len() - 3..code.len() - 1];
    let is_long = partition.starts_with('1');
    let ends_in_zeros =
        bytes.get(SPREADSHEET_DIGITS..).is_some_and(|rest| !rest.is_empty() && rest.iter().all(|b| *b == b'0'));
    // An id of that length has a namespace, and so a 1 in the third place from its end.
    if ends_in_zeros && (!is_valid || !is_long) {
        return Err(Fault::CutBySpreadsheet);
    }
    if !is_valid {
        return Err(Fault::CheckDigit);
    }
    match partition {
        "00" => Ok(()),
        "10" if bytes.len() >= SHORTEST_WITH_NAMESPACE => Ok(()),
        "01" | "02" | "11" | "12" => Err(Fault::NotAConcept),
        _ => Err(Fault::Partition),
    }
}

const PRODUCT: [[u8; 10]; 10] = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    [1, 2, 3, 4, 0, 6, 7, 8, 9, 5],
    [2, 3, 4, 0, 1, 7, 8, 9, 5, 6],
    [3, 4, 0, 1, 2, 8, 9, 5, 6, 7],
    [4, 0, 1, 2, 3, 9, 5, 6, 7, 8],
    [5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
    [6, 5, 9, 8, 7, 1, 0, 4, 3, 2],
    [7, 6, 5, 9, 8, 2, 1, 0, 4, 3],
    [8, 7, 6, 5, 9, 3, 2, 1, 0, 4],
    [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
];

const PERMUTATION: [[u8; 10]; 8] = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    [1, 5, 7, 6, 2, 8, 3, 0, 9, 4],
    [5, 8, 0, 3, 7, 9, 6, 1, 4, 2],
    [8, 9, 1, 6, 0, 4, 3, 5, 2, 7],
    [9, 4, 5, 3, 1, 2, 6, 8, 7, 0],
    [4, 2, 8, 6, 5, 7, 3, 9, 0, 1],
    [2, 7, 9, 3, 8, 0, 6, 4, 1, 5],
    [7, 0, 4, 6, 9, 1, 3, 2, 5, 8],
];

/// Whether the last digit is the check digit of those before it.
fn verhoeff(digits: &[u8]) -> bool {
    let sum = digits.iter().rev().enumerate().fold(0_u8, |sum, (place, digit)| {
        let permuted = PERMUTATION[place % 8][usize::from(digit - b'0')];
        PRODUCT[usize::from(sum)][usize::from(permuted)]
    });
    sum == 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn published_ids_are_valid() {
        for code in ["716186003", "91936005", "404684003", "196411000000103", "999000011000001104", "22298006"] {
            assert_eq!(check(code), Ok(()), "{code}");
        }
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (code, fault) in [
            ("12345", Fault::Form),
            ("1234567890123456789", Fault::Form),
            ("091936005", Fault::Form),
            ("9193600x", Fault::Form),
            ("91936006", Fault::CheckDigit),
            ("999000011000001000", Fault::CutBySpreadsheet),
            ("900000000000001000", Fault::CutBySpreadsheet),
            ("754786014", Fault::NotAConcept),
        ] {
            assert_eq!(check(code), Err(fault), "{code}");
        }
    }

    proptest! {
        #[test]
        fn one_wrong_digit_is_always_seen(place in 1_usize..9, by in 1_u8..10) {
            let mut digits = *b"716186003";
            digits[place] = b'0' + (digits[place] - b'0' + by) % 10;
            prop_assert!(!verhoeff(&digits));
        }

        #[test]
        fn two_neighbours_changed_over_are_always_seen(place in 0_usize..8) {
            let mut digits = *b"716186003";
            prop_assume!(digits[place] != digits[place + 1]);
            digits.swap(place, place + 1);
            prop_assert!(!verhoeff(&digits));
        }
    }
}
