//! Whole numbers and exact decimals: digits stay as written.

use std::borrow::Cow;
use std::cmp::Ordering;

use rust_decimal::Decimal;

use super::Fault;

/// Reads a whole number; spaces around it are taken off, a plus sign is allowed.
pub fn integer(text: &str) -> Result<i64, Fault> {
    let digits = text.trim();
    let unsigned = digits.strip_prefix(['-', '+']).unwrap_or(digits);
    if unsigned.is_empty() || !unsigned.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Fault::NotAnInteger);
    }
    digits.parse().map_err(|_| Fault::NotAnInteger)
}

/// Reads a decimal and gives its digits as JSON wants them: `1.50` stays, `.5` becomes `0.5`, `007.0` becomes
/// `7.0`, `+1` becomes `1`. No exponent, no thousands mark, at most 18 digits of significance beyond FHIR's asking.
pub fn decimal(text: &str) -> Result<Cow<'_, str>, Fault> {
    let trimmed = text.trim();
    let (sign, unsigned) = match trimmed.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", trimmed.strip_prefix('+').unwrap_or(trimmed)),
    };
    let (whole, fraction) = match unsigned.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (unsigned, None),
    };
    let digits_only = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let n_digits = whole.len() + fraction.map_or(0, str::len);
    if n_digits == 0
        || n_digits > 60
        || fraction == Some("")
        || !digits_only(whole)
        || !digits_only(fraction.unwrap_or(""))
    {
        return Err(Fault::NotADecimal);
    }
    let kept = whole.trim_start_matches('0');
    let whole = match (kept, whole) {
        ("", "") => "",
        ("", w) => &w[w.len() - 1..],
        (k, _) => k,
    };
    if !whole.is_empty() && sign.len() + whole.len() + fraction.map_or(0, |f| f.len() + 1) == trimmed.len() {
        return Ok(Cow::Borrowed(trimmed));
    }
    let whole = if whole.is_empty() { "0" } else { whole };
    Ok(Cow::Owned(match fraction {
        Some(fraction) => format!("{sign}{whole}.{fraction}"),
        None => format!("{sign}{whole}"),
    }))
}

/// The exact value, for comparison and arithmetic; `None` beyond 28 digits.
pub fn exact(digits: &str) -> Option<Decimal> {
    Decimal::from_str_exact(digits).ok()
}

/// The order of two decimals of any length, by their digits; `None` where one of them is none.
pub fn compare(left: &str, right: &str) -> Option<Ordering> {
    let (left, right) = (parts(left)?, parts(right)?);
    let magnitude = |a: &Parts<'_>, b: &Parts<'_>| {
        let by_whole = a.whole.len().cmp(&b.whole.len()).then_with(|| a.whole.cmp(b.whole));
        by_whole.then_with(|| a.fraction.cmp(b.fraction))
    };
    Some(match (left.is_negative, right.is_negative) {
        (false, false) => magnitude(&left, &right),
        (true, true) => magnitude(&right, &left),
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
    })
}

struct Parts<'t> {
    is_negative: bool,
    /// Without leading noughts.
    whole: &'t str,
    /// Without trailing noughts.
    fraction: &'t str,
}

fn parts(digits: &str) -> Option<Parts<'_>> {
    let unsigned = digits.strip_prefix('-').unwrap_or(digits);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    // Minus nought is nought.
    let is_negative = unsigned.len() < digits.len() && !(whole.is_empty() && fraction.is_empty());
    Some(Parts { is_negative, whole, fraction })
}

/// The exact product; `None` where 28 digits do not hold it.
pub fn times(left: &str, right: &str) -> Option<String> {
    let (a, b) = (exact(left)?, exact(right)?);
    let product = a.checked_mul(b)?;
    // A product that lost digits has fewer decimal places than its factors have together.
    (product.scale() == a.scale() + b.scale()).then(|| product.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn digits_stay_as_written() {
        for (text, expected) in [
            ("1.50", Ok("1.50")),
            (" 1.50 ", Ok("1.50")),
            ("-0.0", Ok("-0.0")),
            (".5", Ok("0.5")),
            ("007.0", Ok("7.0")),
            ("0", Ok("0")),
            ("00", Ok("0")),
            ("+1", Ok("1")),
            ("1e5", Err(Fault::NotADecimal)),
            ("1,000", Err(Fault::NotADecimal)),
            ("1.", Err(Fault::NotADecimal)),
            ("", Err(Fault::NotADecimal)),
            (".", Err(Fault::NotADecimal)),
            ("NaN", Err(Fault::NotADecimal)),
            ("１", Err(Fault::NotADecimal)),
        ] {
            assert_eq!(decimal(text).as_deref(), expected.as_ref().copied(), "{text:?}");
        }
    }

    #[test]
    fn a_number_beyond_64_bits_is_a_fault_and_not_another_number() {
        assert_eq!(integer("99999999999999999999"), Err(Fault::NotAnInteger));
        assert_eq!(integer(" -12 "), Ok(-12));
        assert_eq!(integer("12.0"), Err(Fault::NotAnInteger));
        assert_eq!(integer("- 1"), Err(Fault::NotAnInteger));
    }

    #[test]
    fn products_are_exact_or_none() {
        assert_eq!(times("1.50", "1000").as_deref(), Some("1500.00"));
        assert_eq!(times("1.000000000000001", "1.0000000000000001").as_deref(), None);
    }

    #[test]
    fn decimals_beyond_any_machine_number_have_an_order() {
        let long = "9".repeat(50);
        assert_eq!(compare(&long, &format!("{long}.1")), Some(Ordering::Less));
        assert_eq!(compare(&format!("-{long}"), "1"), Some(Ordering::Less));
        assert_eq!(compare("-0", "0.00"), Some(Ordering::Equal));
        assert_eq!(compare("1", "x"), None);
    }

    proptest! {
        #[test]
        fn the_order_of_digits_is_the_order_of_values(
            a in "-?[0-9]{1,9}(\\.[0-9]{1,4})?", b in "-?[0-9]{1,9}(\\.[0-9]{1,4})?",
        ) {
            prop_assert_eq!(compare(&a, &b), Some(exact(&a).unwrap().cmp(&exact(&b).unwrap())));
        }

        #[test]
        fn what_is_written_is_a_json_number_of_the_same_value(text in "[-+]?[0-9]{0,12}(\\.[0-9]{1,8})?") {
            if let Ok(digits) = decimal(&text) {
                prop_assert!(serde_json::from_str::<serde_json::Number>(&digits).is_ok());
                let padded = text.replace('+', "").replace("-.", "-0.");
                let padded = if padded.starts_with('.') { format!("0{padded}") } else { padded };
                prop_assert_eq!(exact(&digits), exact(&padded));
            }
        }
    }
}
