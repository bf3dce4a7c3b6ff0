//! The functions of the mapping language: pure, and no name is looked up when they run.
//!
//! [`FUNCTIONS`] is the one list: the checker types calls against it, `docs/language.md` prints it. Arguments of
//! kind [`ArgKind::Literal`] and all options are known before the first row: [`bind`] reads them into a [`Bound`].
//!
//! | what you want to find | module |
//! |---|---|
//! | the list, and reading literal arguments | this one, [`bind`] |
//! | dates and times with their precision | [`moment`] |
//! | explicit formats (`%d/%m/%Y`) | [`format`] |
//! | zones, the autumn fold and the spring gap | [`zone`] |
//! | HL7 v2/v3 time stamps, M's `$HOROLOG` | [`legacy_time`] |
//! | whole numbers and exact decimals | [`number`] |
//! | names, postcodes, plain text | [`name_case`], [`postcode`], [`text`] |

pub mod bind;
pub mod format;
pub mod legacy_time;
pub mod moment;
pub mod name_case;
pub mod number;
pub mod postcode;
pub mod text;
pub mod zone;

pub use bind::{BindDefaults, BindFault, Bound, bind};

use crate::plan::Type;

/// A type in the list of functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FnType {
    Text,
    Bool,
    Integer,
    /// Integer or decimal or a text that is read as one.
    Number,
    Decimal,
    Date,
    DateTime,
    Instant,
    Code,
    Coding,
    Concept,
    Quantity,
    ListOfText,
    /// A text, a local timestamp, a date, a dateTime or an instant.
    Temporal,
    /// A coding, or a list of codings.
    Codings,
    /// A coding (its code, display and system become code, unit and system) or a text (the unit).
    Unit,
    /// A column of bytes.
    Blob,
    /// Any value that has an order: the arguments and the result have one type.
    Ordered,
    /// Any scalar.
    Any,
}

impl FnType {
    /// The expression type of a result; `None` where it follows from the arguments ([`FnType::Ordered`]).
    pub fn as_result(self) -> Option<Type> {
        Some(match self {
            Self::Text => Type::Text,
            Self::Bool => Type::Bool,
            Self::Integer => Type::Integer,
            Self::Decimal | Self::Number => Type::Decimal,
            Self::Date => Type::Date,
            Self::DateTime => Type::DateTime,
            Self::Instant => Type::Instant,
            Self::Code => Type::Code,
            Self::Coding => Type::Coding,
            Self::Concept => Type::Concept,
            Self::Quantity => Type::Quantity,
            Self::ListOfText => Type::List(Box::new(Type::Text)),
            Self::Blob => Type::Blob,
            Self::Temporal | Self::Codings | Self::Unit | Self::Ordered | Self::Any => return None,
        })
    }

    /// Whether an argument of this type takes an expression of type `given`.
    pub fn takes(self, given: &Type) -> bool {
        match self {
            Self::Text => matches!(given, Type::Text | Type::Code | Type::Blob),
            Self::Bool => matches!(given, Type::Bool),
            Self::Integer => matches!(given, Type::Integer),
            Self::Decimal => matches!(given, Type::Decimal | Type::Integer),
            Self::Number => matches!(given, Type::Decimal | Type::Integer | Type::Text),
            Self::Date => matches!(given, Type::Date),
            Self::DateTime => matches!(given, Type::DateTime | Type::Date | Type::Instant),
            Self::Instant => matches!(given, Type::Instant),
            Self::Code => matches!(given, Type::Code | Type::Text),
            Self::Coding => matches!(given, Type::Coding),
            Self::Concept => matches!(given, Type::Concept),
            Self::Quantity => matches!(given, Type::Quantity),
            Self::ListOfText => matches!(given, Type::List(item) if matches!(**item, Type::Text | Type::Code)),
            Self::Temporal => {
                matches!(given, Type::Text | Type::LocalTimestamp | Type::Date | Type::DateTime | Type::Instant)
            }
            Self::Codings => match given {
                Type::Coding => true,
                Type::List(item) => matches!(**item, Type::Coding),
                _ => false,
            },
            Self::Blob => matches!(given, Type::Blob),
            Self::Unit => matches!(given, Type::Coding | Type::Text),
            Self::Ordered => matches!(
                given,
                Type::Text
                    | Type::Integer
                    | Type::Decimal
                    | Type::Double
                    | Type::LocalTimestamp
                    | Type::Date
                    | Type::DateTime
                    | Type::Instant
            ),
            Self::Any => !matches!(given, Type::List(_) | Type::Row),
        }
    }
}

/// Whether an argument is evaluated for each row, or known before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArgKind {
    Value,
    /// A text in quotes; handed to [`bind`] under the argument's name.
    Literal,
}

/// One positional argument.
#[derive(Debug, Clone, Copy)]
pub struct ArgSpec {
    pub name: &'static str,
    pub ty: FnType,
    pub kind: ArgKind,
    pub need: Need,
}

/// How often an argument may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    Required,
    Optional,
    /// Any number, none included; the last argument only.
    Repeated,
}

/// One function.
#[derive(Debug, Clone, Copy)]
pub struct FunctionSpec {
    pub name: &'static str,
    pub function: Function,
    pub args: &'static [ArgSpec],
    /// Named literal options (`sentinel: '…'`); `sentinel` may be repeated.
    pub options: &'static [&'static str],
    pub result: FnType,
    pub doc: &'static str,
}

const fn value(name: &'static str, ty: FnType) -> ArgSpec {
    ArgSpec { name, ty, kind: ArgKind::Value, need: Need::Required }
}

const fn optional(name: &'static str, ty: FnType) -> ArgSpec {
    ArgSpec { name, ty, kind: ArgKind::Value, need: Need::Optional }
}

const fn repeated(name: &'static str, ty: FnType) -> ArgSpec {
    ArgSpec { name, ty, kind: ArgKind::Value, need: Need::Repeated }
}

const fn literal(name: &'static str) -> ArgSpec {
    ArgSpec { name, ty: FnType::Text, kind: ArgKind::Literal, need: Need::Required }
}

const fn literals(name: &'static str) -> ArgSpec {
    ArgSpec { name, ty: FnType::Text, kind: ArgKind::Literal, need: Need::Repeated }
}

macro_rules! functions {
    ($($variant:ident $name:literal ($($arg:expr),*) [$($option:literal),*] -> $result:ident $doc:literal;)*) => {
        /// A function, by number.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Function { $(#[doc = $doc] $variant,)* }

        /// Every function of the language, in the order of `docs/language.md`.
        pub const FUNCTIONS: &[FunctionSpec] = &[$(FunctionSpec {
            name: $name,
            function: Function::$variant,
            args: &[$($arg),*],
            options: &[$($option),*],
            result: FnType::$result,
            doc: $doc,
        },)*];

        impl Function {
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

use FnType::{Any, Blob, Code, Codings, DateTime, Integer, ListOfText, Number, Ordered, Temporal, Text, Unit};

functions! {
    Date "date" (value("value", Temporal), literals("format")) ["sentinel", "pivot", "hazard"] -> Date
        "A date, by the first format that fits the whole text; precision is kept. A timestamp or dateTime gives its day as written.";
    DateTime "datetime" (value("value", Temporal), literals("format")) ["sentinel", "pivot", "hazard", "zone", "ambiguous", "gap"] -> DateTime
        "A dateTime. A text with an offset keeps it; a local time takes `zone`; a date stays a date.";
    Instant "instant" (value("value", Temporal), literals("format")) ["sentinel", "pivot", "hazard", "zone", "ambiguous", "gap"] -> Instant
        "An instant: as `datetime`, and invalid unless it has seconds.";
    Time "time" (value("value", Text), literals("format")) ["sentinel"] -> Text
        "A time of day, written hh:mm:ss.";
    Hl7Date "hl7_date" (value("value", Text)) ["sentinel"] -> Date
        "The date of an HL7 time stamp (YYYY, YYYYMM, YYYYMMDD, longer).";
    Hl7Ts "hl7_ts" (value("value", Text)) ["sentinel", "zone", "ambiguous", "gap"] -> DateTime
        "An HL7 time stamp (YYYY to YYYYMMDDHHMMSS.ffff, with or without +ZZZZ); precision is kept.";
    HorologDate "horolog_date" (value("value", Text)) ["sentinel"] -> Date
        "The date of M's $HOROLOG (days since 31 December 1840, then a comma and seconds).";
    Horolog "horolog" (value("value", Text)) ["sentinel", "zone", "ambiguous", "gap"] -> DateTime
        "M's $HOROLOG as a dateTime.";
    Later "later" (value("value", DateTime), value("minutes", Integer)) ["zone"] -> DateTime
        "So many minutes later, as clocks run: across a change of the clocks the offset is the zone's. A date without a time is invalid.";
    AsOf "as_of" () [] -> Instant
        "The cut-off of the run: now, for every rule.";
    Integer "integer" (value("value", Number)) ["sentinel"] -> Integer
        "A whole number; spaces around it are taken off.";
    Decimal "decimal" (value("value", Number)) ["sentinel"] -> Decimal
        "An exact decimal; its digits are kept.";
    IsInteger "is_integer" (value("value", Text)) [] -> Bool
        "Whether `integer` would read it.";
    IsDecimal "is_decimal" (value("value", Text)) [] -> Bool
        "Whether `decimal` would read it.";
    Times "times" (value("value", Number), literal("factor")) [] -> Decimal
        "The exact product with a decimal literal.";
    Quantity "quantity" (value("value", Number), optional("unit", Unit)) [] -> Quantity
        "A quantity; a UCUM coding gives unit, system and code, a text the unit alone.";
    Ucum "ucum" (value("code", Text), optional("unit", Text)) [] -> Coding
        "A UCUM unit; `unit` is the text shown, else the code.";
    Code "code" (value("value", Text)) [] -> Code
        "A text as a FHIR code.";
    Coding "coding" (literal("system"), value("code", Code), optional("display", Text)) [] -> Coding
        "A coding of a system (its short name or URL); null where the code is null.";
    Concept "concept" (optional("coding", Codings), optional("text", Text)) [] -> Concept
        "A concept of a coding, or a list of codings, and a text; a null coding leaves the text.";
    ConceptText "concept_text" (value("text", Text)) [] -> Concept
        "A concept that has a text and no coding.";
    Text "text" (value("value", Any)) [] -> Text
        "Any value as text, as FHIR writes it.";
    Trim "trim" (value("value", Text)) [] -> Text
        "Without white space at both ends.";
    Squeeze "squeeze" (value("value", Text)) [] -> Text
        "Trimmed, and each run of white space made one space.";
    Upper "upper" (value("value", Text)) [] -> Text "In capitals.";
    Lower "lower" (value("value", Text)) [] -> Text "In small letters.";
    NameCase "name_case" (value("value", Text)) [] -> Text
        "A name in capitals as people write it: O'Neill, McDonald, Smith-Jones, de la Cruz. A name in mixed case stays.";
    Postcode "postcode" (value("value", Text)) [] -> Text
        "A UK postcode in capitals with its one space; a text that is none is invalid.";
    Digits "digits" (value("value", Text)) [] -> Text "Only the digits.";
    Replace "replace" (value("value", Text), literal("from"), literal("to")) [] -> Text
        "Each `from` replaced by `to`.";
    Substring "substring" (value("value", Text), value("start", Integer), optional("length", Integer)) [] -> Text
        "From character `start` (from 1), at most `length` characters; empty gives null.";
    Before "before" (value("value", Text), literal("separator")) [] -> Text
        "What stands before the first separator; null where there is none.";
    After "after" (value("value", Text), literal("separator")) [] -> Text
        "What stands after the first separator; null where there is none.";
    Part "part" (value("value", Text), literal("separator"), value("number", Integer)) [] -> Text
        "Part `number` (from 1) between the separators; empty gives null.";
    Split "split" (value("value", Text), literal("separator")) [] -> ListOfText
        "The parts between the separators, trimmed, without the empty ones.";
    Join "join" (value("values", ListOfText), literal("separator")) [] -> Text
        "The values that are not blank with the separator between them; null where there is none.";
    Concat "concat" (value("first", Text), repeated("more", Text)) [] -> Text
        "The texts one after the other; null where one of them is.";
    PadLeft "pad_left" (value("value", Text), value("width", Integer), literal("with")) [] -> Text
        "Filled up at the left to `width` characters.";
    Length "length" (value("value", Text)) [] -> Integer "The number of characters.";
    Size "size" (value("value", Blob)) [] -> Integer "The number of bytes.";
    Contains "contains" (value("value", Text), literal("part")) [] -> Bool "Whether the part stands in it.";
    StartsWith "starts_with" (value("value", Text), literal("part")) [] -> Bool "Whether it begins so.";
    EndsWith "ends_with" (value("value", Text), literal("part")) [] -> Bool "Whether it ends so.";
    Matches "matches" (value("value", Text), literal("pattern")) [] -> Bool
        "Whether the whole text has this shape: 9 is a digit, A a letter, ? any character, * any run, \\ takes the next as it is.";
    NhsNumber "nhs_number" (value("value", Text)) [] -> Text
        "The ten digits of a valid NHS number; any other text is invalid (ID-01).";
    ValidNhsNumber "valid_nhs_number" (value("value", Text)) [] -> Bool
        "Whether `nhs_number` would read it; null where it is blank.";
    Least "least" (value("first", Ordered), repeated("more", Ordered)) [] -> Ordered
        "The least of the values that are not null.";
    Greatest "greatest" (value("first", Ordered), repeated("more", Ordered)) [] -> Ordered
        "The greatest of the values that are not null.";
}

/// The function of a name.
pub fn function(name: &str) -> Option<&'static FunctionSpec> {
    FUNCTIONS.iter().find(|f| f.name == name)
}

/// Why a value could not be read, or what was decided on the way. It knows nothing of rows; the evaluator makes an
/// issue of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// No format fits.
    DateFormat,
    /// 31/06, month 13, hour 25.
    NotACalendarDate,
    /// A local time without a zone to read it in.
    NoZone,
    /// The spring gap, and the policy is to omit it.
    Gap,
    /// The autumn fold, and the policy is to omit it.
    Ambiguous,
    /// A zone whose offset at that time is not whole minutes, as FHIR wants it.
    OddOffset,
    /// An instant without seconds.
    NoSeconds,
    NotAnInteger,
    NotADecimal,
    NotAPostcode,
    NhsNumber(epr_model::NhsNumberFault),
    /// The element's format refuses the value.
    ElementFormat,
    /// A character that FHIR does not allow in a text.
    ControlCharacter,
}

/// What was decided about a value that could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Note {
    /// A sentinel: the value is null.
    Sentinel,
    /// The autumn fold: the policy chose.
    AmbiguousDecided,
    /// The spring gap: the policy chose.
    GapDecided,
    /// The century of a two-digit year was taken from the pivot.
    PivotUsed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_has_a_name_of_its_own_and_repeats_its_last_argument_only() {
        let mut names: Vec<_> = FUNCTIONS.iter().map(|f| f.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), FUNCTIONS.len());
        for spec in FUNCTIONS {
            let before_last = spec.args.len().saturating_sub(1);
            assert!(spec.args[..before_last].iter().all(|a| a.need != Need::Repeated), "{}", spec.name);
            assert_eq!(function(spec.name).unwrap().function, spec.function);
            assert!(spec.doc.ends_with('.'), "{}", spec.name);
        }
    }
}
