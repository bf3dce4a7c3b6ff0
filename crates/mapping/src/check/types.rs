//! Types of expressions: names, what can be compared, what two branches have in common, and the table of coercions.

use epr_model::schema::ColumnKind;

use crate::plan::{Expr, FhirPrimitive, Shape, Type};

/// An expression with its type.
#[derive(Debug, Clone)]
pub(crate) struct Typed {
    pub(crate) expr: Expr,
    pub(crate) ty: Type,
}

/// The type of a staged column.
pub(crate) fn of_column(kind: ColumnKind) -> Type {
    match kind {
        ColumnKind::Text => Type::Text,
        ColumnKind::Int64 => Type::Integer,
        ColumnKind::Decimal => Type::Decimal,
        ColumnKind::Double => Type::Double,
        ColumnKind::Bool => Type::Bool,
        ColumnKind::LocalTimestamp => Type::LocalTimestamp,
        ColumnKind::Date => Type::Date,
        ColumnKind::Instant => Type::Instant,
        ColumnKind::Bytes | ColumnKind::Blob => Type::Blob,
    }
}

/// The name of a type, as the reference writes it.
pub(crate) fn name(ty: &Type) -> String {
    match ty {
        Type::Text => "text".to_owned(),
        Type::Bool => "bool".to_owned(),
        Type::Integer => "integer".to_owned(),
        Type::Decimal => "decimal".to_owned(),
        Type::Double => "double".to_owned(),
        Type::LocalTimestamp => "local-timestamp".to_owned(),
        Type::Date => "date".to_owned(),
        Type::DateTime => "dateTime".to_owned(),
        Type::Instant => "instant".to_owned(),
        Type::Code => "code".to_owned(),
        Type::Coding => "coding".to_owned(),
        Type::Concept => "concept".to_owned(),
        Type::Quantity => "quantity".to_owned(),
        Type::Ref(target) => format!("ref({target})"),
        Type::List(item) => format!("list<{}>", name(item)),
        Type::Blob => "blob".to_owned(),
        Type::Row => "row".to_owned(),
    }
}

/// The type that both branches have, where there is one.
pub(crate) fn common(a: &Type, b: &Type) -> Option<Type> {
    if a == b {
        return Some(a.clone());
    }
    match (a, b) {
        (Type::Integer, Type::Decimal) | (Type::Decimal, Type::Integer) => Some(Type::Decimal),
        (Type::Date, Type::DateTime) | (Type::DateTime, Type::Date) => Some(Type::DateTime),
        (Type::Text, Type::Code) | (Type::Code, Type::Text) => Some(Type::Text),
        _ => None,
    }
}

/// Whether `==` and `!=` have a meaning for two types.
pub(crate) fn comparable(a: &Type, b: &Type) -> bool {
    let number = |t: &Type| matches!(t, Type::Integer | Type::Decimal | Type::Double);
    let time = |t: &Type| matches!(t, Type::Date | Type::DateTime | Type::Instant);
    let text = |t: &Type| matches!(t, Type::Text | Type::Code);
    (a == b && !matches!(a, Type::List(_) | Type::Row | Type::Blob))
        || (number(a) && number(b))
        || (time(a) && time(b))
        || (text(a) && text(b))
        || matches!((a, b), (Type::Coding, Type::Code) | (Type::Code, Type::Coding))
}

/// Whether `<` has a meaning: texts have no order.
pub(crate) fn ordered(ty: &Type) -> bool {
    matches!(
        ty,
        Type::Integer
            | Type::Decimal
            | Type::Double
            | Type::LocalTimestamp
            | Type::Date
            | Type::DateTime
            | Type::Instant
    )
}

/// How an expression's type fits an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    /// Always.
    Always,
    /// Where the value has the element's format; the rest follows `.on_invalid`.
    WhenFormatHolds,
    No,
}

/// The table of coercions: the only ones that are made without being written.
pub(crate) fn fit(ty: &Type, shape: Shape) -> Fit {
    let always = |fits: bool| if fits { Fit::Always } else { Fit::No };
    match shape {
        Shape::Primitive(primitive) => fit_primitive(ty, primitive),
        Shape::Coding => always(matches!(ty, Type::Coding)),
        Shape::CodeableConcept => always(matches!(ty, Type::Coding | Type::Concept)),
        Shape::Quantity => always(matches!(ty, Type::Quantity)),
        Shape::Reference => always(matches!(ty, Type::Ref(_))),
    }
}

fn fit_primitive(ty: &Type, primitive: FhirPrimitive) -> Fit {
    use FhirPrimitive as P;
    match (ty, primitive) {
        (Type::Text | Type::Code, P::String | P::Markdown)
        | (Type::Code | Type::Coding, P::Code)
        | (Type::Blob, P::Base64Binary)
        | (Type::Bool, P::Boolean)
        | (Type::Integer | Type::Decimal, P::Decimal)
        | (Type::Date, P::Date)
        | (Type::Date | Type::DateTime | Type::Instant, P::DateTime)
        | (Type::Instant, P::Instant) => Fit::Always,
        (Type::Text, P::Code | P::Id | P::Uri | P::Url | P::Canonical | P::Oid | P::Uuid | P::Time)
        | (Type::Integer, P::Integer | P::UnsignedInt | P::PositiveInt)
        | (Type::Double, P::Decimal)
        | (Type::DateTime, P::Instant) => Fit::WhenFormatHolds,
        _ => Fit::No,
    }
}

/// What to write where a type does not fit an element.
pub(crate) fn conversion(ty: &Type, shape: Shape) -> Option<&'static str> {
    use FhirPrimitive as P;
    Some(match (ty, shape) {
        (Type::Text | Type::LocalTimestamp | Type::DateTime | Type::Instant, Shape::Primitive(P::Date)) => {
            "date(x, 'format')"
        }
        (Type::Text | Type::LocalTimestamp, Shape::Primitive(P::DateTime)) => "datetime(x, 'format')",
        (Type::Text | Type::LocalTimestamp, Shape::Primitive(P::Instant)) => "instant(x, 'format')",
        (Type::Text, Shape::Primitive(P::Integer | P::UnsignedInt | P::PositiveInt)) => "integer(x)",
        (Type::Text, Shape::Primitive(P::Decimal)) => "decimal(x)",
        (Type::Text | Type::Integer, Shape::Primitive(P::Boolean)) => "a comparison such as x == 'Y'",
        (
            Type::Integer | Type::Decimal | Type::Double | Type::Date | Type::DateTime | Type::Instant | Type::Bool,
            Shape::Primitive(P::String | P::Code | P::Id | P::Markdown),
        ) => "text(x)",
        (Type::Text | Type::Code, Shape::CodeableConcept) => {
            "`.via` with a code map, coding('system', x) or concept_text(x)"
        }
        (Type::Text | Type::Code, Shape::Coding) => "`.via` with a code map, or coding('system', x)",
        (Type::Text | Type::Integer | Type::Decimal | Type::Double, Shape::Quantity) => "quantity(x, ucum('unit'))",
        (Type::Text | Type::Integer, Shape::Reference) => "ref(map, x), or an object with `identifier`",
        _ => return None,
    })
}
