//! NHS numbers that nobody has, and numbers that nobody may have.
//!
//! People use 999…, beyond 900,000 of them 998…; both are ranges that are not issued.

/// How many people have a number that begins with 999.
pub(crate) const N_IN_999: u64 = 900_000;

/// The check digit of nine digits; none where the nine are never used.
pub(crate) fn check_digit(nine: u32) -> Option<u32> {
    let mut sum = 0;
    let mut rest = nine;
    for weight in 2..=10 {
        sum += weight * (rest % 10);
        rest /= 10;
    }
    match 11 - sum % 11 {
        11 => Some(0),
        10 => None,
        digit => Some(digit),
    }
}

fn with_check_digit(nine: u32) -> Option<String> {
    Some(format!("{nine:09}{}", check_digit(nine)?))
}

/// Gives the n-th person the n-th number, so that neighbours have neighbouring numbers.
pub(crate) struct NhsNumbers(Vec<u32>);

impl NhsNumbers {
    pub(crate) fn new(n_people: u64) -> Self {
        let usable = |first: u32| (first..first + 1_000_000).filter(|nine| check_digit(*nine).is_some());
        let first = usable(999_000_000).take(N_IN_999 as usize);
        Self(first.chain(usable(998_000_000)).take(n_people as usize).collect())
    }

    /// The number of a person, who is numbered from 1.
    pub(crate) fn of(&self, person: u64) -> String {
        let nine = self.0[person as usize - 1];
        with_check_digit(nine).expect("only numbers with a check digit were taken")
    }
}

/// A valid number of the ranges 900 to 997, different for each person.
pub(crate) fn outside_test_range(person: u64) -> String {
    let first = 900_000_000 + (person * 50 % 97_999_000) as u32;
    (first..).find_map(with_check_digit).expect("of eleven numbers ten have a check digit")
}

/// A valid number of the test ranges that no person of the peninsula has.
pub(crate) fn spare(person: u64) -> String {
    let first = 998_900_000 + (person % 90_000) as u32;
    (first..).find_map(with_check_digit).expect("of eleven numbers ten have a check digit")
}

/// A number that is no person's: a placeholder, one with a wrong check digit, or one of another nation.
pub(crate) fn invalid(person: u64, own: &str, variant: u64) -> String {
    let nine = 10_101_000 + (person % 900) as u32;
    match variant % 5 {
        0 => "0000000000".to_owned(),
        // Scotland's numbers begin with the day of birth.
        1 => (nine..).find_map(with_check_digit).expect("of eleven numbers ten have a check digit"),
        2 => wrong_check_digit(own),
        3 => "9876543210".to_owned(),
        // Northern Ireland: 32 to 39.
        _ => (320_000_000 + (person % 100_000) as u32..)
            .find_map(with_check_digit)
            .expect("of eleven numbers ten have a check digit"),
    }
}

/// The person's own number, mistyped in its last digit.
pub(crate) fn wrong_check_digit(own: &str) -> String {
    let (nine, last) = own.split_at(9);
    let last: u32 = last.parse().expect("the last of ten digits");
    format!("{nine}{}", (last + 1) % 10)
}

/// The Verhoeff check digit of a SNOMED CT identifier without its last digit. Source: SNOMED CT Release File
/// Specification, appendix "Check-digit computation".
#[cfg(test)]
pub(crate) fn verhoeff(digits: &str) -> u8 {
    const MULTIPLY: [[u8; 10]; 10] = [
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
    const PERMUTE: [u8; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    const INVERSE: [u8; 10] = [0, 4, 3, 2, 1, 5, 6, 7, 8, 9];
    let mut check = 0;
    for (i, byte) in digits.bytes().rev().enumerate() {
        let mut digit = byte - b'0';
        for _ in 0..=i {
            digit = PERMUTE[digit as usize];
        }
        check = MULTIPLY[check as usize][digit as usize];
    }
    INVERSE[check as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_valid(number: &str) -> bool {
        let nine: u32 = number[..9].parse().unwrap();
        check_digit(nine).is_some_and(|digit| number.ends_with(&digit.to_string()))
    }

    #[test]
    fn check_digits_are_those_of_published_examples() {
        // Source: the NHS Data Dictionary's example 943 476 5919; 9876543210 is known to pass the check.
        assert_eq!(check_digit(943_476_591), Some(9));
        assert_eq!(check_digit(987_654_321), Some(0));
        assert_eq!((0..1000).filter(|nine| check_digit(999_000_000 + nine).is_none()).count(), 91);
    }

    #[test]
    fn a_million_people_have_a_number_each_from_999_and_then_998() {
        let numbers = NhsNumbers::new(1_000_000);
        let distinct: std::collections::BTreeSet<_> = numbers.0.iter().collect();
        assert_eq!(distinct.len(), 1_000_000);
        assert!(numbers.of(1).starts_with("999000"));
        assert!(numbers.of(N_IN_999).starts_with("999"));
        assert!(numbers.of(N_IN_999 + 1).starts_with("998000"));
        assert!((1..2000).all(|n| is_valid(&numbers.of(n))));
    }

    #[test]
    fn what_is_planted_is_what_it_says() {
        for person in [1, 2, 499, 1_000_000] {
            let outside = outside_test_range(person);
            assert!(is_valid(&outside) && ("900"..="997").contains(&&outside[..3]), "{outside}");
            let own = NhsNumbers::new(person).of(person);
            assert!(!is_valid(&invalid(person, &own, 2)));
            assert!(is_valid(&invalid(person, &own, 1)) && invalid(person, &own, 1).starts_with("0101"));
            assert!(is_valid(&invalid(person, &own, 4)) && invalid(person, &own, 4).starts_with("32"));
        }
    }

    #[test]
    fn verhoeff_agrees_with_published_identifiers() {
        for id in ["716186003", "10939881000119105", "196461000000101", "22298006"] {
            let (digits, check) = id.split_at(id.len() - 1);
            assert_eq!(verhoeff(digits).to_string(), check, "{id}");
        }
    }
}
