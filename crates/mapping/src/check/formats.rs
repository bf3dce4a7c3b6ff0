//! The formats of FHIR's primitive types, for literals of a mapping file. Values of data are `apply`'s to check.

use crate::plan::FhirPrimitive;

/// Whether a literal has the format of a primitive type. Source: FHIR R4, datatypes.
pub(crate) fn primitive_format(primitive: FhirPrimitive, text: &str) -> bool {
    use FhirPrimitive as P;
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    let whole = |t: &str| digits(t) && (t == "0" || !t.starts_with('0')) && t.parse::<i32>().is_ok();
    match primitive {
        P::Boolean => matches!(text, "true" | "false"),
        P::Integer => whole(text.strip_prefix('-').unwrap_or(text)),
        P::UnsignedInt => whole(text),
        P::PositiveInt => whole(text) && text != "0",
        P::Decimal => {
            let unsigned = text.strip_prefix('-').unwrap_or(text);
            let (int, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
            digits(int) && (int == "0" || !int.starts_with('0')) && digits(fraction)
        }
        P::Code => !text.is_empty() && text.trim() == text && !text.contains("  ") && !text.contains(['\t', '\n']),
        P::Id => {
            !text.is_empty()
                && text.len() <= 64
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'))
        }
        P::Uri | P::Url | P::Canonical => !text.is_empty() && !text.contains(char::is_whitespace),
        P::Oid => text.strip_prefix("urn:oid:").is_some_and(|t| t.split('.').all(digits)),
        P::Uuid => text.strip_prefix("urn:uuid:").is_some_and(|t| t.len() == 36),
        P::Date => is_date(text),
        P::DateTime => is_date(text) || is_instant(text),
        P::Instant => is_instant(text),
        P::Time => is_time(text),
        P::Base64Binary => text.len().is_multiple_of(4),
        P::String | P::Markdown => !text.trim().is_empty(),
    }
}

/// Whether a text begins with a scheme and goes on after it. Source: RFC 3986, 3.1.
pub(crate) fn is_absolute_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
        && !rest.is_empty()
}

fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let number = |t: &str, width: usize, range: std::ops::RangeInclusive<u32>| {
        t.len() == width && t.parse::<u32>().is_ok_and(|n| range.contains(&n))
    };
    match parts.as_slice() {
        [y] => number(y, 4, 1..=9999),
        [y, m] => number(y, 4, 1..=9999) && number(m, 2, 1..=12),
        [y, m, d] => number(y, 4, 1..=9999) && number(m, 2, 1..=12) && number(d, 2, 1..=31),
        _ => false,
    }
}

fn is_time(text: &str) -> bool {
    let whole = text.split('.').next().unwrap_or(text);
    let parts: Vec<&str> = whole.split(':').collect();
    parts.len() == 3 && parts.iter().all(|p| p.len() == 2 && p.bytes().all(|b| b.is_ascii_digit()))
}

fn is_instant(text: &str) -> bool {
    let Some((date, rest)) = text.split_once('T') else { return false };
    let time = rest.trim_end_matches('Z');
    let time = time.rsplit_once(['+', '-']).map_or(time, |(t, _)| t);
    date.len() == 10 && is_date(date) && is_time(time) && (rest.ends_with('Z') || rest.len() > time.len())
}

/// What to write where a literal has not the format.
pub(crate) fn format_help(primitive: FhirPrimitive) -> Option<String> {
    Some(
        match primitive {
            FhirPrimitive::Boolean => "write `true` or `false`, or a comparison such as `=$X == 'Y'`",
            FhirPrimitive::Date => "write 2015, 2015-06 or 2015-06-01",
            FhirPrimitive::DateTime => "write 2015-06-01 or 2015-06-01T09:30:00+01:00",
            FhirPrimitive::Instant => "write 2015-06-01T09:30:00+01:00",
            FhirPrimitive::Time => "write 09:30:00",
            FhirPrimitive::Decimal
            | FhirPrimitive::Integer
            | FhirPrimitive::UnsignedInt
            | FhirPrimitive::PositiveInt => "write digits; a column is written `$COLUMN`",
            _ => return None,
        }
        .to_owned(),
    )
}
