//! Literal arguments and options, read once before the first row.

use std::sync::Arc;

use jiff::tz::TimeZone;

use super::Function;
use super::format::Format;
use super::zone::{Choice, Zone};

/// What a call knows before the first row.
#[derive(Debug, Clone, Default)]
pub struct Bound {
    /// In the order in which they are tried.
    pub formats: Vec<Format>,
    pub sentinels: Vec<Box<str>>,
    pub zone: Option<Zone>,
    pub pivot: Option<Pivot>,
    /// The other literal arguments, in the order of the function's table.
    pub texts: Vec<Arc<str>>,
}

/// How a two-digit year gets its century, and the hazard that the file names for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pivot {
    /// `yy` at or above it is 19yy, below it 20yy.
    pub year: i16,
    pub hazard: Arc<str>,
}

/// The `defaults:` head, as far as functions use it.
#[derive(Debug, Clone, Copy, Default)]
pub struct BindDefaults<'a> {
    pub zone: Option<&'a str>,
    pub ambiguous: Option<&'a str>,
    pub gap: Option<&'a str>,
}

/// Why a literal argument does not do. Texts of a mapping file are not patient data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BindFault {
    #[error("`{format}` is not a date format: {what}")]
    Format { format: String, what: String },
    #[error("a format is needed for a text")]
    NoFormat,
    #[error("the format `{format}` has a two-digit year: give `pivot:` and `hazard:`")]
    NoPivot { format: String },
    #[error("`{pivot}` is not a pivot: two digits, and a `hazard:` beside it")]
    Pivot { pivot: String },
    #[error("`{zone}` is not a time zone of the tz database")]
    Zone { zone: String },
    #[error("`{value}` is not one of {allowed}")]
    Choice { value: String, allowed: &'static str },
    #[error("`{format}` gives a local time: a `zone` is needed, here or under `defaults:`")]
    NoZone { format: String },
    #[error("`{value}` is not a decimal")]
    Factor { value: String },
    #[error("an empty text cannot be a separator")]
    EmptySeparator,
}

/// Reads the literal arguments and options of a call, each by its name in the function's table; `format` and
/// `sentinel` may stand several times.
///
/// That a format is there for a text argument is the caller's to check ([`BindFault::NoFormat`] is for it).
pub fn bind(function: Function, literals: &[(&str, &str)], defaults: &BindDefaults<'_>) -> Result<Bound, BindFault> {
    let one = |name: &str| literals.iter().find(|(n, _)| *n == name).map(|(_, v)| *v);
    let all = |name: &'static str| literals.iter().filter(move |(n, _)| *n == name).map(|(_, v)| *v);

    let pivot = one("pivot").map(|text| read_pivot(text, one("hazard"))).transpose()?;
    let mut formats = Vec::new();
    for text in all("format") {
        let format =
            Format::parse(text).map_err(|what| BindFault::Format { format: text.to_owned(), what: what.to_owned() })?;
        if format.has_two_digit_year() && pivot.is_none() {
            return Err(BindFault::NoPivot { format: text.to_owned() });
        }
        formats.push(format);
    }
    let zone =
        read_zone(one("zone").or(defaults.zone), one("ambiguous").or(defaults.ambiguous), one("gap").or(defaults.gap))?;
    if matches!(function, Function::DateTime | Function::Instant)
        && zone.is_none()
        && let Some(local) = formats.iter().find(|f| f.is_local_time())
    {
        return Err(BindFault::NoZone { format: local.as_str().to_owned() });
    }
    Ok(Bound {
        formats,
        sentinels: all("sentinel").map(Box::from).collect(),
        zone,
        pivot,
        texts: other_texts(function, literals)?,
    })
}

fn read_pivot(text: &str, hazard: Option<&str>) -> Result<Pivot, BindFault> {
    let fault = || BindFault::Pivot { pivot: text.to_owned() };
    let year = text.parse::<i16>().ok().filter(|y| (0..100).contains(y)).ok_or_else(fault)?;
    Ok(Pivot { year, hazard: Arc::from(hazard.ok_or_else(fault)?) })
}

fn read_zone(name: Option<&str>, ambiguous: Option<&str>, gap: Option<&str>) -> Result<Option<Zone>, BindFault> {
    let Some(name) = name else { return Ok(None) };
    let tz = TimeZone::get(name).map_err(|_| BindFault::Zone { zone: name.to_owned() })?;
    let choice = |value: Option<&str>, allowed: &'static str| match value {
        None | Some("omit") => Ok(Choice::Omit),
        Some("first") => Ok(Choice::First),
        Some("second") => Ok(Choice::Second),
        Some(other) => Err(BindFault::Choice { value: other.to_owned(), allowed }),
    };
    Ok(Some(Zone {
        name: Arc::from(name),
        tz,
        ambiguous: choice(ambiguous, "`first`, `second`, `omit`")?,
        gap: choice(gap, "`first` (the offset before the gap), `second` (the offset after it), `omit`")?,
    }))
}

fn other_texts(function: Function, literals: &[(&str, &str)]) -> Result<Vec<Arc<str>>, BindFault> {
    let spec = super::FUNCTIONS.iter().find(|f| f.function == function).expect("every function is in the table");
    let names = spec.args.iter().filter(|a| a.kind == super::ArgKind::Literal && a.name != "format");
    let mut texts = Vec::new();
    for arg in names {
        let Some((_, value)) = literals.iter().find(|(n, _)| *n == arg.name) else { continue };
        if arg.name == "factor" && super::number::decimal(value).is_err() {
            return Err(BindFault::Factor { value: (*value).to_owned() });
        }
        if matches!(arg.name, "separator" | "from" | "with") && value.is_empty() && function != Function::Join {
            return Err(BindFault::EmptySeparator);
        }
        texts.push(Arc::from(*value));
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONDON: BindDefaults<'_> =
        BindDefaults { zone: Some("Europe/London"), ambiguous: Some("first"), gap: Some("omit") };

    #[test]
    fn a_two_digit_year_needs_a_pivot_and_a_hazard() {
        let format = ("format", "%d/%m/%y");
        assert!(matches!(bind(Function::Date, &[format], &LONDON), Err(BindFault::NoPivot { .. })));
        assert!(matches!(bind(Function::Date, &[format, ("pivot", "30")], &LONDON), Err(BindFault::Pivot { .. })));
        let bound = bind(Function::Date, &[format, ("pivot", "30"), ("hazard", "ID-03")], &LONDON).unwrap();
        assert_eq!(bound.pivot, Some(Pivot { year: 30, hazard: Arc::from("ID-03") }));
    }

    #[test]
    fn a_local_time_needs_a_zone_and_a_date_does_not() {
        let literals = [("format", "%d/%m/%Y %H:%M")];
        let none = BindDefaults::default();
        assert!(matches!(bind(Function::DateTime, &literals, &none), Err(BindFault::NoZone { .. })));
        assert!(bind(Function::Date, &literals, &none).is_ok());
        assert!(bind(Function::DateTime, &[("format", "%Y-%m-%dT%H:%M:%S%z")], &none).is_ok());
    }

    #[test]
    fn unknown_zones_and_choices_are_faults() {
        let zone = BindDefaults { zone: Some("Europe/Plymouth"), ..LONDON };
        assert!(matches!(bind(Function::DateTime, &[], &zone), Err(BindFault::Zone { .. })));
        let choice = BindDefaults { ambiguous: Some("later"), ..LONDON };
        assert!(matches!(bind(Function::DateTime, &[], &choice), Err(BindFault::Choice { .. })));
    }

    #[test]
    fn other_literals_keep_the_order_of_the_table() {
        let bound = bind(Function::Replace, &[("to", ""), ("from", "-")], &BindDefaults::default()).unwrap();
        assert_eq!(bound.texts, [Arc::from("-"), Arc::from("")] as [Arc<str>; 2]);
        assert_eq!(
            bind(Function::Replace, &[("to", ""), ("from", "")], &BindDefaults::default()).unwrap_err(),
            BindFault::EmptySeparator
        );
    }
}
