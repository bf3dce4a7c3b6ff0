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
    /// The text is empty.
    Empty,
    /// The text is nothing but white space.
    Blank,
    /// A control character, which R4 asks not to use.
    Control,
    /// Longer than FHIR allows for any text (1 MiB).
    TooLong,
    /// An `urn:uuid:` or `urn:oid:` that is none.
    Urn,
    /// `oid:` or `uuid:` without the `urn:` before it.
    BareUrn,
    /// A time of day without an offset from UTC.
    NoOffset,
    /// A canonical URL that is neither absolute nor a fragment.
    Relative,
}

impl PrimitiveFault {
    /// R4 asks that a text say something and have no control characters, it does not demand it.
    pub const fn is_error(self) -> bool {
        !matches!(self, Self::Blank | Self::Control)
    }
}

/// The faults of one value: at most four, kept without an allocation.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    found: [Option<PrimitiveFault>; 4],
}

impl Faults {
    fn add(&mut self, fault: PrimitiveFault) {
        if let Some(free) = self.found.iter_mut().find(|f| f.is_none()) {
            *free = Some(fault);
        }
    }

    fn add_unless(&mut self, holds: bool, fault: PrimitiveFault) {
        if !holds {
            self.add(fault);
        }
    }

    fn add_of(&mut self, judged: Result<(), PrimitiveFault>) {
        if let Err(fault) = judged {
            self.add(fault);
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = PrimitiveFault> + '_ {
        self.found.iter().map_while(|f| *f)
    }

    /// Whether the value is there at all: a text that is empty or blank says nothing that could be looked at.
    pub fn says_nothing(&self) -> bool {
        matches!(self.found[0], Some(PrimitiveFault::Empty | PrimitiveFault::Blank))
    }

    pub fn has_error(&self) -> bool {
        self.iter().any(PrimitiveFault::is_error)
    }
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
            Self::Uuid => "uuid: urn:uuid: and a UUID in lower case",
            Self::Uri => "uri: no white space",
            Self::Url => "url: no white space",
            Self::Canonical => "canonical: an absolute URL without white space, or #id",
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

/// Checks the text of a primitive, however JSON wrote it. XHTML is [`epr_fhir::narrative`]'s.
pub fn check(kind: PrimitiveKind, text: &str) -> Faults {
    let mut faults = Faults::default();
    if text.is_empty() {
        faults.add(PrimitiveFault::Empty);
        return faults;
    }
    let bytes = text.as_bytes();
    if bytes[0] <= b' ' && bytes.iter().all(|b| is_white(*b)) {
        faults.add(PrimitiveFault::Blank);
        return faults;
    }
    if text.len() > MAX_TEXT && kind == PrimitiveKind::String && text.encode_utf16().count() > MAX_TEXT {
        faults.add(PrimitiveFault::TooLong);
    }
    match kind {
        PrimitiveKind::Boolean => faults.add_unless(matches!(text, "true" | "false"), PrimitiveFault::Format),
        PrimitiveKind::Integer | PrimitiveKind::PositiveInt | PrimitiveKind::UnsignedInt => {
            faults.add_of(integer(kind, text));
        }
        PrimitiveKind::Decimal => faults.add_unless(is_decimal(bytes), PrimitiveFault::Format),
        PrimitiveKind::Code => faults.add_unless(is_code(text), PrimitiveFault::Format),
        PrimitiveKind::Id => faults.add_unless(is_id(text), PrimitiveFault::Format),
        PrimitiveKind::Oid
        | PrimitiveKind::Uuid
        | PrimitiveKind::Uri
        | PrimitiveKind::Url
        | PrimitiveKind::Canonical => uri(kind, text, &mut faults),
        PrimitiveKind::Date => faults.add_of(date(bytes)),
        PrimitiveKind::DateTime => date_time(text, &mut faults),
        PrimitiveKind::Instant => faults.add_of(instant(bytes)),
        PrimitiveKind::Time => faults.add_of(time(bytes).and_then(|rest| fits(rest.is_empty()))),
        PrimitiveKind::Base64Binary => faults.add_unless(is_base64(bytes), PrimitiveFault::Format),
        PrimitiveKind::String | PrimitiveKind::Markdown | PrimitiveKind::Xhtml => {}
    }
    if bytes.iter().any(|b| *b < b' ' && !matches!(b, b'\t' | b'\r' | b'\n')) {
        faults.add(PrimitiveFault::Control);
    }
    faults
}

/// Whether a URI names its target by itself: a scheme in lower case and something without a space after it.
pub(crate) fn is_absolute(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let mut letters = scheme.bytes();
    letters.next().is_some_and(|b| b.is_ascii_lowercase())
        && letters.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'[' | b']'))
        && !rest.is_empty()
        && !rest.contains(' ')
}

fn integer(kind: PrimitiveKind, text: &str) -> Result<(), PrimitiveFault> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) || digits.len() > 1 && digits.starts_with('0') {
        return Err(PrimitiveFault::Format);
    }
    let lowest = match kind {
        PrimitiveKind::PositiveInt => 1,
        PrimitiveKind::UnsignedInt => 0,
        _ => i64::from(i32::MIN),
    };
    in_range(text.parse().is_ok_and(|n: i64| n >= lowest && n <= i64::from(i32::MAX)))
}

/// `-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?`
fn is_decimal(text: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|b| b.is_ascii_digit()).count();
    let rest = text.strip_prefix(b"-").unwrap_or(text);
    let n = digits(rest);
    if n == 0 || n > 1 && rest[0] == b'0' {
        return false;
    }
    let mut rest = &rest[n..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let n = digits(fraction);
        if n == 0 {
            return false;
        }
        rest = &fraction[n..];
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent = exponent.strip_prefix(b"+").or_else(|| exponent.strip_prefix(b"-")).unwrap_or(exponent);
        return !exponent.is_empty() && digits(exponent) == exponent.len();
    }
    rest.is_empty()
}

fn is_white(b: u8) -> bool {
    b == b' ' || (b'\t'..=b'\r').contains(&b)
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

fn uri(kind: PrimitiveKind, text: &str, faults: &mut Faults) {
    if text.starts_with("oid:") || text.starts_with("uuid:") {
        faults.add(PrimitiveFault::BareUrn);
    }
    let asked = match kind {
        PrimitiveKind::Oid => "urn:oid:",
        PrimitiveKind::Uuid => "urn:uuid:",
        _ => "",
    };
    if text.bytes().any(is_white) || !text.starts_with(asked) {
        faults.add(PrimitiveFault::Format);
    }
    let is_canonical = kind == PrimitiveKind::Canonical;
    if is_canonical && !text.starts_with('#') && !is_absolute(text) {
        faults.add(PrimitiveFault::Relative);
    }
    if text.starts_with("urn:uuid:") {
        let uuid = text.split('#').next().unwrap_or_default();
        let uuid = if is_canonical { uuid.rsplit_once('|').map_or(uuid, |(before, _)| before) } else { uuid };
        faults.add_unless(is_uuid(uuid), PrimitiveFault::Urn);
    } else if let Some(oid) = text.strip_prefix("urn:oid:") {
        let oid = if is_canonical { oid.split('|').next().unwrap_or_default() } else { oid };
        faults.add_unless(is_oid(oid), PrimitiveFault::Urn);
    }
}

/// Arcs with dots between them. A root of an arc or two names nobody but, under `1.3`, the organisations themselves:
/// the reference validator takes a shorter one for a slip, and so is it taken here.
fn is_oid(oid: &str) -> bool {
    let mut arcs = oid.split('.');
    arcs.next().is_some_and(|first| matches!(first, "0" | "1" | "2"))
        && arcs.all(|arc| {
            !arc.is_empty() && arc.bytes().all(|b| b.is_ascii_digit()) && (arc == "0" || !arc.starts_with('0'))
        })
        && oid.rfind('.').is_some_and(|last| last >= 4 || oid.starts_with("1.3"))
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

fn date_time(text: &str, faults: &mut Faults) {
    let bytes = text.as_bytes();
    let has_offset = bytes.len() > 10 && bytes[10..].iter().any(|b| matches!(b, b'-' | b'+' | b'Z'));
    if !text.contains('T') || has_offset {
        return faults.add_of(if bytes.len() <= 10 { date(bytes) } else { instant(bytes) });
    }
    // A day that the calendar lacks is told once the time is right.
    let shape = bytes.get(..10).map_or(Err(PrimitiveFault::Format), |day| match day_shape(day) {
        Ok(_) if bytes.get(10) == Some(&b'T') => time(&bytes[11..]).and_then(|rest| fits(rest.is_empty())),
        Ok(_) => Err(PrimitiveFault::Format),
        Err(fault) => Err(fault),
    });
    faults.add_of(shape);
    faults.add(PrimitiveFault::NoOffset);
}

fn instant(text: &[u8]) -> Result<(), PrimitiveFault> {
    if text.len() < 11 || text[10] != b'T' {
        return Err(PrimitiveFault::Format);
    }
    day(&text[..10])?;
    offset(time(&text[11..])?)
}

fn day(text: &[u8]) -> Result<(), PrimitiveFault> {
    let (y, m, d) = day_shape(text)?;
    let last = match m {
        4 | 6 | 9 | 11 => 30,
        2 if y % 4 == 0 && (y % 100 != 0 || y % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    };
    in_range(d <= last)
}

/// Year, month and a day of 1 to 31.
fn day_shape(text: &[u8]) -> Result<(u32, u32, u32), PrimitiveFault> {
    let (y, m) = year_month(&text[..7])?;
    if text[7] != b'-' {
        return Err(PrimitiveFault::Format);
    }
    let d = two_digits(&text[8..])?;
    in_range((1..=31).contains(&d))?;
    Ok((y, m, d))
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
    fn every_type_has_right_wrong_and_boundary_values() {
        let cases: &[(PrimitiveKind, &str, &[PrimitiveFault])] = &[
            (Date, "1950", &[]),
            (Date, "1950-06", &[]),
            (Date, "2024-02-29", &[]),
            (Date, "2000-02-29", &[]),
            (Date, "1900-02-29", &[Range]),
            (Date, "2023-02-29", &[Range]),
            (Date, "2023-04-31", &[Range]),
            (Date, "2023-13", &[Range]),
            (Date, "0000", &[Range]),
            (Date, "2023-1-1", &[Format]),
            (Date, "31/06/1950", &[Format]),
            (Date, "2023-01-01T00:00:00Z", &[Format]),
            (Date, "", &[Empty]),
            (DateTime, "2023-01-01T00:00:00Z", &[]),
            (DateTime, "2023-01-01T23:59:60.123+14:00", &[]),
            (DateTime, "2023-01-01T00:00:00", &[NoOffset]),
            (DateTime, "2023-02-31T00:00:00", &[NoOffset]),
            (DateTime, "2023-13-01T00:00:00", &[Range, NoOffset]),
            (DateTime, "2023-01-01T00:00", &[Format, NoOffset]),
            (DateTime, "Today", &[Format, NoOffset]),
            (DateTime, "2023-01-01T", &[Format, NoOffset]),
            (DateTime, "2023-01-01T00:00Z", &[Format]),
            (DateTime, "2023-01-01T24:00:00Z", &[Range]),
            (DateTime, "2023-02-31T00:00:00Z", &[Range]),
            (DateTime, "2023-01-01T00:00:00+14:01", &[Range]),
            (DateTime, "2023-01-01T00:00:00.Z", &[Format]),
            (DateTime, "2023-01-01 00:00:00Z", &[Format]),
            (Instant, "2023-01-01", &[Format]),
            (Instant, "2023-01-01T00:00:00.5-01:30", &[]),
            (Time, "09:30:00", &[]),
            (Time, "09:30", &[Format]),
            (Time, "25:00:00", &[Range]),
            (Time, "09:30:00Z", &[Format]),
            (Id, "a-1.B", &[]),
            (Id, "a_1", &[Format]),
            (Id, &"a".repeat(64), &[]),
            (Id, &"a".repeat(65), &[Format]),
            (Code, "in progress", &[]),
            (Code, "in  progress", &[Format]),
            (Code, " a", &[Format]),
            (Code, "a ", &[Format]),
            (Oid, "urn:oid:2.16.840", &[]),
            (Oid, "urn:oid:1.3.6", &[]),
            (Oid, "urn:oid:1.2.3", &[Urn]),
            (Oid, "urn:oid:2.016.1", &[Urn]),
            (Oid, "2.16.840", &[Format]),
            (Oid, "urn:oid:3.16.840", &[Urn]),
            (Uuid, "urn:uuid:c757873d-ec9a-4326-a141-556f43239520", &[]),
            (Uuid, "urn:uuid:C757873D-EC9A-4326-A141-556F43239520", &[Urn]),
            (Uri, "http://a b", &[Format]),
            (Uri, "Patient/1", &[]),
            (Uri, "urn:uuid:1", &[Urn]),
            (Uri, "oid:1.2.3", &[BareUrn]),
            (Uri, "urn:oid:2.16.1..3", &[Urn]),
            (Canonical, "urn:uuid:c757873d-ec9a-4326-a141-556f43239520|1.0", &[]),
            (Canonical, "urn:oid:2.16.840.1|1.0", &[]),
            (Canonical, "http://a.org/x|1", &[]),
            (Canonical, "#x", &[]),
            (Canonical, "Questionnaire/1", &[Relative]),
            (String, "  ", &[Blank]),
            (String, "a\u{1}", &[Control]),
            (String, "a\nb", &[]),
            (Base64Binary, "QUJD\n RA==", &[]),
            (Base64Binary, "QUJ", &[Format]),
            (Base64Binary, "QU=D", &[Format]),
            (Base64Binary, "QUJ-", &[Format]),
            (Boolean, "true", &[]),
            (Boolean, "yes", &[Format]),
            (Integer, "-2147483648", &[]),
            (Integer, "-2147483649", &[Range]),
            (Integer, "2147483648", &[Range]),
            (Integer, "1.0", &[Format]),
            (Integer, "1e3", &[Format]),
            (Integer, "007", &[Format]),
            (UnsignedInt, "0", &[]),
            (UnsignedInt, "-1", &[Range]),
            (PositiveInt, "0", &[Range]),
            (PositiveInt, "1", &[]),
            (PositiveInt, "99999999999999999999999", &[Range]),
            (Decimal, "1.50", &[]),
            (Decimal, "-1e-30", &[]),
            (Decimal, "01.5", &[Format]),
            (Decimal, "1.", &[Format]),
            (Decimal, "1e", &[Format]),
            (Decimal, "abc", &[Format]),
        ];
        for (kind, text, expected) in cases {
            assert_eq!(check(*kind, text).iter().collect::<Vec<_>>(), *expected, "{kind:?} {text:?}");
        }
    }

    #[test]
    fn a_text_of_one_mebibyte_is_the_longest() {
        assert!(!check(String, &"a".repeat(1_048_576)).has_error());
        assert!(check(String, &"a".repeat(1_048_577)).has_error());
        assert!(!check(String, &"é".repeat(1_048_576)).has_error());
    }

    proptest! {
        #[test]
        fn any_text_is_judged_without_a_panic(text in "\\PC{0,40}") {
            for kind in [Date, DateTime, Instant, Time, Id, Code, Oid, Uuid, Uri, Canonical, String, Base64Binary, Integer, Decimal] {
                let _ = check(kind, &text);
            }
        }

        #[test]
        fn any_text_like_a_time_is_judged_without_a_panic(text in "[0-9T:Z+.-]{0,30}") {
            for kind in [Date, DateTime, Instant, Time, Decimal] {
                let _ = check(kind, &text);
            }
        }

        #[test]
        fn a_date_is_right_exactly_when_the_calendar_has_it(y in 1_u32..3000, m in 0_u32..14, d in 0_u32..33) {
            let days = [31, if y % 4 == 0 && (y % 100 != 0 || y % 400 == 0) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
            let real = (1..=12).contains(&m) && d >= 1 && d <= days[m as usize - 1];
            prop_assert_eq!(!check(Date, &format!("{y:04}-{m:02}-{d:02}")).has_error(), real);
        }
    }
}
