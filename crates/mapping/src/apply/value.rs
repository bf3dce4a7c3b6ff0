//! Values while a row is evaluated. They borrow from the batch and the plan wherever they can.

use std::borrow::Cow;
use std::cmp::Ordering;

use epr_model::ResourceId;
use jiff::civil;

use crate::functions::moment::{Moment, PartialDate};
use crate::functions::number;
use crate::plan::{CodingLiteral, Literal, RefTargetSlot};

/// One value, or null.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Text(Cow<'a, str>),
    /// What a column of bytes holds; as text, its hexadecimal digits.
    Bytes(Cow<'a, [u8]>),
    /// JSON digits.
    Decimal(Cow<'a, str>),
    Double(f64),
    Local(civil::DateTime),
    Date(PartialDate),
    Moment(Moment),
    Code(Cow<'a, str>),
    Coding(CodingValue<'a>),
    Concept(Box<ConceptValue<'a>>),
    Quantity(Box<QuantityValue<'a>>),
    Ref(RefTargetSlot, ResourceId),
    List(Vec<Value<'a>>),
}

/// A coding that the plan knows, or one made of the row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum CodingValue<'a> {
    Known(&'a CodingLiteral),
    Made { system: &'a str, code: Cow<'a, str>, display: Option<Box<str>> },
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ConceptValue<'a> {
    pub(crate) codings: Vec<CodingValue<'a>>,
    pub(crate) text: Option<Cow<'a, str>>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct QuantityValue<'a> {
    /// JSON digits.
    pub(crate) value: Cow<'a, str>,
    pub(crate) unit: Option<UnitValue<'a>>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum UnitValue<'a> {
    Coded(CodingValue<'a>),
    Text(Cow<'a, str>),
}

impl CodingValue<'_> {
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::Known(coding) => &coding.code,
            Self::Made { code, .. } => code,
        }
    }

    pub(crate) fn system(&self) -> Option<&str> {
        match self {
            Self::Known(coding) => coding.system.as_deref(),
            Self::Made { system, .. } => Some(system),
        }
    }

    pub(crate) fn display(&self) -> Option<&str> {
        match self {
            Self::Known(coding) => coding.display.as_deref(),
            Self::Made { display, .. } => display.as_deref(),
        }
    }
}

impl<'a> Value<'a> {
    pub(crate) fn of_literal(literal: &'a Literal) -> Self {
        match literal {
            Literal::Null => Self::Null,
            Literal::Text(text) => Self::Text(Cow::Borrowed(text)),
            Literal::Bool(b) => Self::Bool(*b),
            Literal::Integer(i) => Self::Int(*i),
            Literal::Decimal(digits) => Self::Decimal(Cow::Borrowed(digits)),
            Literal::Date(date) => Self::Date(*date),
            Literal::DateTime(moment) => Self::Moment(*moment),
            Literal::Code(code) => Self::Code(Cow::Borrowed(code)),
            Literal::Coding(coding) => Self::Coding(CodingValue::Known(coding)),
        }
    }

    pub(crate) const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Null, empty, or only spaces.
    pub(crate) fn is_blank(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Text(text) | Self::Code(text) => text.trim().is_empty(),
            Self::List(items) => items.iter().all(Self::is_blank),
            Self::Bytes(bytes) => bytes.is_empty(),
            _ => false,
        }
    }

    pub(crate) const fn truth(&self) -> Option<bool> {
        match self {
            Self::Bool(b) => Some(*b),
            _ => None,
        }
    }

    /// The value as text, as FHIR writes it: for keys, joins, code maps and `text()`. Null where it has no one text.
    pub(crate) fn to_text(&self) -> Option<Cow<'_, str>> {
        let written = |write: &dyn Fn(&mut Vec<u8>)| {
            let mut out = Vec::with_capacity(32);
            write(&mut out);
            Cow::Owned(String::from_utf8(out).expect("dates are ASCII"))
        };
        Some(match self {
            Self::Null | Self::List(_) => return None,
            Self::Text(text) | Self::Code(text) | Self::Decimal(text) => Cow::Borrowed(text),
            Self::Bytes(bytes) => Cow::Owned(hex(bytes)),
            Self::Bool(b) => Cow::Borrowed(if *b { "true" } else { "false" }),
            Self::Int(i) => Cow::Owned(i.to_string()),
            Self::Double(d) => Cow::Owned(d.to_string()),
            Self::Local(local) => Cow::Owned(local.to_string()),
            Self::Date(date) => written(&|out| date.write(out)),
            Self::Moment(moment) => written(&|out| moment.write(out)),
            Self::Coding(coding) => Cow::Borrowed(coding.code()),
            Self::Concept(concept) => {
                Cow::Borrowed(concept.text.as_deref().or(concept.codings.first().map(CodingValue::code))?)
            }
            Self::Quantity(quantity) => Cow::Borrowed(&quantity.value),
            Self::Ref(_, id) => Cow::Owned(id.to_string()),
        })
    }

    /// As [`Value::to_text`], without a copy where the value holds its text.
    pub(crate) fn into_text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) | Self::Code(text) | Self::Decimal(text) => Some(text),
            other => other.to_text().map(|text| Cow::Owned(text.into_owned())),
        }
    }

    /// `==`: two-valued; null equals only null.
    pub(crate) fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Null, _) | (_, Self::Null) => false,
            (Self::Text(a) | Self::Code(a), Self::Text(b) | Self::Code(b)) => a == b,
            (Self::Coding(a), Self::Coding(b)) => a.code() == b.code() && a.system() == b.system(),
            (Self::Coding(a), Self::Text(b) | Self::Code(b)) | (Self::Text(b) | Self::Code(b), Self::Coding(a)) => {
                a.code() == b
            }
            _ => match self.compare(other) {
                Some(order) => order == Ordering::Equal,
                None => self == other,
            },
        }
    }

    /// `<` and the like; `None` for null, for values without an order, and beyond a date's precision.
    pub(crate) fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(b)),
            (Self::Text(a) | Self::Code(a), Self::Text(b) | Self::Code(b)) => Some(a.cmp(b)),
            (Self::Double(a), Self::Double(b)) => a.partial_cmp(b),
            (Self::Bool(a), Self::Bool(b)) => Some(a.cmp(b)),
            (Self::Local(a), Self::Local(b)) => Some(a.cmp(b)),
            (Self::Date(a), Self::Date(b)) => a.compare(*b),
            (Self::Date(_) | Self::Moment(_), Self::Date(_) | Self::Moment(_)) => {
                self.as_moment()?.compare(other.as_moment()?)
            }
            (Self::Decimal(_) | Self::Int(_), Self::Decimal(_) | Self::Int(_)) => {
                number::compare(&self.to_text()?, &other.to_text()?)
            }
            _ => None,
        }
    }

    const fn as_moment(&self) -> Option<Moment> {
        match self {
            Self::Date(date) => Some(Moment::Date(*date)),
            Self::Moment(moment) => Some(*moment),
            _ => None,
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The order of an `order:` key: nulls last, whatever the direction; what has no order counts as equal.
pub(crate) fn order_nulls_last(a: &Value<'_>, b: &Value<'_>, descending: bool) -> Ordering {
    match (a.is_null(), b.is_null()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => {
            let order = a.compare(b).unwrap_or(Ordering::Equal);
            if descending { order.reverse() } else { order }
        }
    }
}
