//! Primitive values: what each FHIR type may look like in JSON.
//!
//! Real calendar days, offsets where a time stands, the ranges of numbers. Nothing here allocates.
//! Source: FHIR R4, datatypes, "Primitive Types".

/// The primitive types of FHIR R4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PrimitiveKind {
    Boolean,
    Integer,
    PositiveInt,
    UnsignedInt,
    Decimal,
    String,
    Code,
    Id,
    Oid,
    Uuid,
    Uri,
    Url,
    Canonical,
    Date,
    DateTime,
    Instant,
    Time,
    Base64Binary,
    Markdown,
    Xhtml,
}

/// How a primitive is written in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonForm {
    Bool,
    Number,
    Text,
}

/// What is wrong with a primitive value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrimitiveFault {
    /// The text has not the form of its type.
    Format,
    /// The form is right, but there is no such day, hour or number.
    Range,
    /// The text is empty, or nothing but white space.
    Blank,
    /// Longer than FHIR allows for any text (1 MiB).
    TooLong,
    /// An `urn:uuid:` or `urn:oid:` that is none.
    Urn,
}

/// FHIR: "strings SHALL NOT exceed 1,048,576 characters in size".
const MAX_TEXT: usize = 1_048_576;

impl PrimitiveKind {
    /// The kind of a FHIR type code; `None` where it is not a primitive.
    pub fn of_type(code: &str) -> Option<Self> {
        Some(match code {
            "boolean" => Self::Boolean,
            "integer" => Self::Integer,
            "positiveInt" => Self::PositiveInt,
            "unsignedInt" => Self::UnsignedInt,
            "decimal" => Self::Decimal,
            "string" => Self::String,
            "code" => Self::Code,
            "id" => Self::Id,
            "oid" => Self::Oid,
            "uuid" => Self::Uuid,
            "uri" => Self::Uri,
            "url" => Self::Url,
            "canonical" => Self::Canonical,
            "date" => Self::Date,
            "dateTime" => Self::DateTime,
            "instant" => Self::Instant,
            "time" => Self::Time,
            "base64Binary" => Self::Base64Binary,
            "markdown" => Self::Markdown,
            "xhtml" => Self::Xhtml,
            _ => return None,
        })
    }

    pub const fn json_form(self) -> JsonForm {
        match self {
            Self::Boolean => JsonForm::Bool,
            Self::Integer | Self::PositiveInt | Self::UnsignedInt | Self::Decimal => JsonForm::Number,
            _ => JsonForm::Text,
        }
    }

    /// What a right value looks like, for a message.
    pub const fn expected(self) -> &'static str {
        match self {
            Self::Boolean => "boolean: true or false",
            Self::Integer => "integer: a whole number of 32 bits",
            Self::PositiveInt => "positiveInt: a whole number from 1 to 2147483647",
            Self::UnsignedInt => "unsignedInt: a whole number from 0 to 2147483647",
            Self::Decimal => "decimal: a number",
            Self::String => "string: a text that is not empty",
            Self::Code => "code: no white space at either end, single spaces inside",
            Self::Id => "id: 1 to 64 letters, digits, - and .",
            Self::Oid => "oid: urn:oid:n.n.n",
            Self::Uuid => "uuid: urn:uuid: and a lower-case UUID",
            Self::Uri => "uri: no white space",
            Self::Url => "url: no white space",
            Self::Canonical => "canonical: no white space",
            Self::Date => "date: YYYY, YYYY-MM or YYYY-MM-DD, a real day",
            Self::DateTime => "dateTime: a date, or YYYY-MM-DDThh:mm:ss with an offset",
            Self::Instant => "instant: YYYY-MM-DDThh:mm:ss with an offset",
            Self::Time => "time: hh:mm:ss",
            Self::Base64Binary => "base64Binary: whole groups of four characters",
            Self::Markdown => "markdown: a text that is not empty",
            Self::Xhtml => "xhtml: one div in the XHTML namespace",
        }
    }
}

/// Checks the text of a primitive that is written as a JSON string. XHTML is [`crate::xhtml`]'s.
pub fn check_text(kind: PrimitiveKind, text: &str) -> Result<(), PrimitiveFault> {
    if text.is_empty() {
        return Err(PrimitiveFault::Blank);
    }
    if text.len() > MAX_TEXT && kind != PrimitiveKind::Base64Binary && text.chars().count() > MAX_TEXT {
        return Err(PrimitiveFault::TooLong);
    }
    match kind {
        PrimitiveKind::String | PrimitiveKind::Markdown => free_text(text),
        PrimitiveKind::Code => fits(is_code(text)),
        PrimitiveKind::Id => fits(is_id(text)),
        PrimitiveKind::Oid => fits(is_oid(text)),
        PrimitiveKind::Uuid => fits(is_uuid(text)),
        PrimitiveKind::Uri | PrimitiveKind::Url | PrimitiveKind::Canonical => uri(text),
        PrimitiveKind::Date => date(text.as_bytes()),
        PrimitiveKind::DateTime => date_time(text.as_bytes()),
        PrimitiveKind::Instant => instant(text.as_bytes()),
        PrimitiveKind::Time => time(text.as_bytes()).and_then(|rest| fits(rest.is_empty())),
        PrimitiveKind::Base64Binary => fits(is_base64(text.as_bytes())),
        _ => Ok(()),
    }
}

/// Checks the digits of a primitive that is written as a JSON number.
pub fn check_number(kind: PrimitiveKind, digits: &str) -> Result<(), PrimitiveFault> {
    let lowest = match kind {
        PrimitiveKind::Decimal => return Ok(()),
        PrimitiveKind::PositiveInt => 1,
        PrimitiveKind::UnsignedInt => 0,
        _ => i64::from(i32::MIN),
    };
    if !digits.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
        return Err(PrimitiveFault::Format);
    }
    match digits.parse::<i64>() {
        Ok(n) if n >= lowest && n <= i64::from(i32::MAX) => Ok(()),
        _ => Err(PrimitiveFault::Range),
    }
}

/// Whether a text is a logical id: 1 to 64 letters, digits, `-` and `.`.
pub fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
}

/// Whether a text is `urn:uuid:` and a UUID in lower case.
pub fn is_uuid(text: &str) -> bool {
    let Some(uuid) = text.strip_prefix("urn:uuid:") else { return false };
    uuid.len() == 36
        && uuid.bytes().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_digit() || (b'a'..=b'f').contains(&b),
        })
}

fn fits(holds: bool) -> Result<(), PrimitiveFault> {
    if holds { Ok(()) } else { Err(PrimitiveFault::Format) }
}

fn free_text(text: &str) -> Result<(), PrimitiveFault> {
    if text.bytes().all(|b| b.is_ascii_whitespace()) {
        return Err(PrimitiveFault::Blank);
    }
    // FHIR: no character below U+0020 but tab, carriage return and line feed.
    fits(text.bytes().all(|b| b >= 0x20 || matches!(b, b'\t' | b'\r' | b'\n')))
}

/// White space is that of FHIR's pattern, so ASCII's: published code systems hold codes with a no-break space.
fn is_code(text: &str) -> bool {
    let mut after_space = true;
    for c in text.bytes() {
        let space = c.is_ascii_whitespace();
        if space && after_space {
            return false;
        }
        after_space = space;
    }
    !after_space
}

fn uri(text: &str) -> Result<(), PrimitiveFault> {
    if text.bytes().any(|b| b.is_ascii_whitespace() || b < 0x20) {
        return Err(PrimitiveFault::Format);
    }
    if text.starts_with("urn:uuid:") && !uuid_with_fragment(text) || text.starts_with("urn:oid:") && !is_oid(text) {
        return Err(PrimitiveFault::Urn);
    }
    Ok(())
}

/// A canonical may carry `|version` and `#fragment` after the UUID.
fn uuid_with_fragment(text: &str) -> bool {
    let end = text.find(['|', '#']).unwrap_or(text.len());
    is_uuid(&text[..end])
}

fn is_oid(text: &str) -> bool {
    let Some(oid) = text.strip_prefix("urn:oid:") else { return false };
    let oid = oid.split(['|', '#']).next().unwrap_or_default();
    let mut arcs = oid.split('.');
    arcs.next().is_some_and(|first| matches!(first, "0" | "1" | "2"))
        && arcs.clone().next().is_some()
        && arcs.all(|arc| {
            !arc.is_empty() && arc.bytes().all(|b| b.is_ascii_digit()) && (arc == "0" || !arc.starts_with('0'))
        })
}

fn is_base64(text: &[u8]) -> bool {
    let mut n = 0_usize;
    let mut padding = 0_usize;
    for &b in text {
        match b {
            b' ' | b'\t' | b'\r' | b'\n' => continue,
            b'=' => padding += 1,
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if padding == 0 => {}
            _ => return false,
        }
        n += 1;
    }
    n > 0 && n.is_multiple_of(4) && padding <= 2
}

/// Reads `YYYY`, `YYYY-MM` or `YYYY-MM-DD`.
fn date(text: &[u8]) -> Result<(), PrimitiveFault> {
    match text.len() {
        4 => year(text).map(|_| ()),
        7 => year_month(text).map(|_| ()),
        10 => day(text),
        _ => Err(PrimitiveFault::Format),
    }
}

fn date_time(text: &[u8]) -> Result<(), PrimitiveFault> {
    if text.len() <= 10 { date(text) } else { instant(text) }
}

fn instant(text: &[u8]) -> Result<(), PrimitiveFault> {
    if text.len() < 11 || text[10] != b'T' {
        return Err(PrimitiveFault::Format);
    }
    day(&text[..10])?;
    offset(time(&text[11..])?)
}

fn day(text: &[u8]) -> Result<(), PrimitiveFault> {
    let (y, m) = year_month(&text[..7])?;
    if text[7] != b'-' {
        return Err(PrimitiveFault::Format);
    }
    let d = two_digits(&text[8..])?;
    let last = match m {
        4 | 6 | 9 | 11 => 30,
        2 if y % 4 == 0 && (y % 100 != 0 || y % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    };
    in_range((1..=last).contains(&d))
}

fn year_month(text: &[u8]) -> Result<(u32, u32), PrimitiveFault> {
    let y = year(&text[..4])?;
    if text[4] != b'-' {
        return Err(PrimitiveFault::Format);
    }
    let m = two_digits(&text[5..])?;
    in_range((1..=12).contains(&m))?;
    Ok((y, m))
}

fn year(text: &[u8]) -> Result<u32, PrimitiveFault> {
    let y = two_digits(text)? * 100 + two_digits(&text[2..])?;
    in_range(y > 0)?;
    Ok(y)
}

/// Reads `hh:mm:ss` and a fraction; gives what follows.
fn time(text: &[u8]) -> Result<&[u8], PrimitiveFault> {
    if text.len() < 8 || text[2] != b':' || text[5] != b':' {
        return Err(PrimitiveFault::Format);
    }
    let (h, m, s) = (two_digits(text)?, two_digits(&text[3..])?, two_digits(&text[6..])?);
    // FHIR's own pattern lets a leap second through.
    in_range(h <= 23 && m <= 59 && s <= 60)?;
    let rest = &text[8..];
    let Some(fraction) = rest.strip_prefix(b".") else { return Ok(rest) };
    let n = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
    if n == 0 { Err(PrimitiveFault::Format) } else { Ok(&fraction[n..]) }
}

fn offset(text: &[u8]) -> Result<(), PrimitiveFault> {
    match text {
        [b'Z'] => Ok(()),
        [b'+' | b'-', rest @ ..] if rest.len() == 5 && rest[2] == b':' => {
            let (h, m) = (two_digits(rest)?, two_digits(&rest[3..])?);
            in_range((h <= 13 && m <= 59) || (h == 14 && m == 0))
        }
        _ => Err(PrimitiveFault::Format),
    }
}

fn two_digits(text: &[u8]) -> Result<u32, PrimitiveFault> {
    match text {
        [a @ b'0'..=b'9', b @ b'0'..=b'9', ..] => Ok(u32::from(a - b'0') * 10 + u32::from(b - b'0')),
        _ => Err(PrimitiveFault::Format),
    }
}

fn in_range(holds: bool) -> Result<(), PrimitiveFault> {
    if holds { Ok(()) } else { Err(PrimitiveFault::Range) }
}

#[cfg(test)]
mod tests {
    use PrimitiveFault::*;
    use PrimitiveKind::*;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_text_type_has_right_wrong_and_boundary_values() {
        let cases: &[(PrimitiveKind, &str, Result<(), PrimitiveFault>)] = &[
            (Date, "1950", Ok(())),
            (Date, "1950-06", Ok(())),
            (Date, "2024-02-29", Ok(())),
            (Date, "2000-02-29", Ok(())),
            (Date, "1900-02-29", Err(Range)),
            (Date, "2023-02-29", Err(Range)),
            (Date, "2023-04-31", Err(Range)),
            (Date, "2023-13", Err(Range)),
            (Date, "0000", Err(Range)),
            (Date, "2023-1-1", Err(Format)),
            (Date, "31/06/1950", Err(Format)),
            (Date, "2023-01-01T00:00:00Z", Err(Format)),
            (Date, "", Err(Blank)),
            (DateTime, "2023-01-01T00:00:00Z", Ok(())),
            (DateTime, "2023-01-01T23:59:60.123+14:00", Ok(())),
            (DateTime, "2023-01-01T00:00:00", Err(Format)),
            (DateTime, "2023-01-01T00:00Z", Err(Format)),
            (DateTime, "2023-01-01T24:00:00Z", Err(Range)),
            (DateTime, "2023-01-01T00:00:00+14:01", Err(Range)),
            (DateTime, "2023-01-01T00:00:00.Z", Err(Format)),
            (DateTime, "2023-01-01 00:00:00Z", Err(Format)),
            (Instant, "2023-01-01", Err(Format)),
            (Instant, "2023-01-01T00:00:00.5-01:30", Ok(())),
            (Time, "09:30:00", Ok(())),
            (Time, "09:30", Err(Format)),
            (Time, "25:00:00", Err(Range)),
            (Time, "09:30:00Z", Err(Format)),
            (Id, "a-1.B", Ok(())),
            (Id, "a_1", Err(Format)),
            (Id, &"a".repeat(64), Ok(())),
            (Id, &"a".repeat(65), Err(Format)),
            (Code, "in progress", Ok(())),
            (Code, "in  progress", Err(Format)),
            (Code, " a", Err(Format)),
            (Code, "a ", Err(Format)),
            (Oid, "urn:oid:2.16.840", Ok(())),
            (Oid, "urn:oid:2.016", Err(Format)),
            (Oid, "2.16.840", Err(Format)),
            (Oid, "urn:oid:3.1", Err(Format)),
            (Uuid, "urn:uuid:c757873d-ec9a-4326-a141-556f43239520", Ok(())),
            (Uuid, "urn:uuid:C757873D-EC9A-4326-A141-556F43239520", Err(Format)),
            (Uri, "http://a b", Err(Format)),
            (Uri, "urn:uuid:1", Err(Urn)),
            (Uri, "urn:oid:1.2.3", Ok(())),
            (Uri, "urn:oid:1..3", Err(Urn)),
            (Canonical, "urn:uuid:c757873d-ec9a-4326-a141-556f43239520|1.0", Ok(())),
            (String, "  ", Err(Blank)),
            (String, "a\u{1}", Err(Format)),
            (String, "a\nb", Ok(())),
            (Base64Binary, "QUJD\n RA==", Ok(())),
            (Base64Binary, "QUJ", Err(Format)),
            (Base64Binary, "QU=D", Err(Format)),
            (Base64Binary, "QUJ-", Err(Format)),
        ];
        for (kind, text, expected) in cases {
            assert_eq!(check_text(*kind, text), *expected, "{kind:?} {text:?}");
        }
    }

    #[test]
    fn a_text_of_one_mebibyte_is_the_longest() {
        assert_eq!(check_text(String, &"a".repeat(1_048_576)), Ok(()));
        assert_eq!(check_text(String, &"a".repeat(1_048_577)), Err(TooLong));
        assert_eq!(check_text(String, &"é".repeat(1_048_576)), Ok(()));
    }

    #[test]
    fn numbers_keep_their_ranges() {
        let cases = [
            (Integer, "-2147483648", Ok(())),
            (Integer, "-2147483649", Err(Range)),
            (Integer, "2147483648", Err(Range)),
            (Integer, "1.0", Err(Format)),
            (Integer, "1e3", Err(Format)),
            (UnsignedInt, "0", Ok(())),
            (UnsignedInt, "-1", Err(Range)),
            (PositiveInt, "0", Err(Range)),
            (PositiveInt, "1", Ok(())),
            (PositiveInt, "99999999999999999999999", Err(Range)),
            (Decimal, "1.50", Ok(())),
            (Decimal, "-1e-30", Ok(())),
        ];
        for (kind, digits, expected) in cases {
            assert_eq!(check_number(kind, digits), expected, "{kind:?} {digits}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_judged_without_a_panic(text in "\\PC{0,40}") {
            for kind in [Date, DateTime, Instant, Time, Id, Code, Oid, Uuid, Uri, String, Base64Binary] {
                let _ = check_text(kind, &text);
            }
        }

        #[test]
        fn a_date_is_right_exactly_when_the_calendar_has_it(y in 1_u32..3000, m in 0_u32..14, d in 0_u32..33) {
            let days = [31, if y % 4 == 0 && (y % 100 != 0 || y % 400 == 0) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
            let real = (1..=12).contains(&m) && d >= 1 && d <= days[m as usize - 1];
            prop_assert_eq!(check_text(Date, &format!("{y:04}-{m:02}-{d:02}")).is_ok(), real);
        }
    }
}
