//! Expressions: total and typed; names are resolved to slots.

use std::sync::Arc;

use super::codes::CodingLiteral;
use super::{At, CaptureSlot, LetSlot, ListSlot, RefTargetSlot, RowSlot};
use crate::functions::moment::{Moment, PartialDate};
use crate::functions::{Bound, Function};

/// The type of an expression; each may also be null.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Type {
    Text,
    Bool,
    Integer,
    Decimal,
    Double,
    LocalTimestamp,
    /// With its precision: year, month or day.
    Date,
    DateTime,
    Instant,
    Code,
    Coding,
    Concept,
    Quantity,
    /// A reference to a resource of this type.
    Ref(Arc<str>),
    List(Box<Type>),
    Blob,
    /// A row of a table (`$al`, `first($ep)`): only its columns can be used.
    Row,
}

/// A value known before the first row.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    Null,
    Text(Arc<str>),
    Bool(bool),
    Integer(i64),
    /// Digits as written.
    Decimal(Arc<str>),
    Date(PartialDate),
    DateTime(Moment),
    /// A FHIR code without a system.
    Code(Arc<str>),
    Coding(Arc<CodingLiteral>),
}

/// A column of the row that a slot stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ColumnRef {
    pub row: RowSlot,
    /// Index into the columns of the row's [`super::PlanTable`].
    pub column: u16,
}

/// An expression. `if` and `.when` take null as false; `and`, `or` and `not` are three-valued.
#[derive(Debug, Clone)]
pub enum Expr {
    Literal(Literal),
    /// A column; its type follows from its staged kind. A row slot that no row is bound to (an `optional` look-up
    /// without a match) gives null.
    Column(ColumnRef),
    Let(LetSlot),
    /// The position in the list of the `.each` that bound this row, from 1.
    EachPosition(RowSlot),
    /// The number of rows of a list.
    Count(ListSlot),
    /// `first($al).COL`: null where the list is empty. The order of the list decides.
    First {
        list: ListSlot,
        column: u16,
    },
    /// `last($al).COL`.
    Last {
        list: ListSlot,
        column: u16,
    },
    /// `$al.COL` as a list, and any expression over each row of a list; `row` is bound while `body` is evaluated.
    ListMap {
        list: ListSlot,
        row: RowSlot,
        body: Box<Expr>,
    },
    /// A written list of expressions: `[a, b]`.
    List(Vec<Expr>),
    /// `==` and `!=` are two-valued (null equals only null); the others give null for null.
    Compare {
        op: CompareOp,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    /// `x in ('a', 'b')`; two-valued as `==` is.
    In {
        value: Box<Expr>,
        of: Vec<Literal>,
    },
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    If {
        condition: Box<Expr>,
        then: Box<Expr>,
        otherwise: Box<Expr>,
    },
    /// The first that is not null.
    Coalesce(Vec<Expr>),
    /// Null, empty or only spaces; of a list: no row.
    Blank(Box<Expr>),
    Call(Box<Call>),
    Ref(Box<RefExpr>),
    /// In `assert`: an element of the resource just built.
    Element(CaptureSlot),
    /// In `assert`: whether the element was written.
    ElementExists(CaptureSlot),
    /// The number of rows of a list, none or more, is not nought.
    ListExists(ListSlot),
    /// A code map inside an expression: null where the code is not in it (an issue follows `.on_invalid`).
    Translate {
        value: Box<Expr>,
        map: Arc<super::CodeMapPlan>,
        at: At,
    },
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompareOp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

/// A call of a function of [`crate::functions::FUNCTIONS`].
#[derive(Debug, Clone)]
pub struct Call {
    pub function: Function,
    /// The arguments that are evaluated for each row, in the order of the function's table. Arguments that must
    /// be literals (formats, sentinels, zones) are in `bound` and not here.
    pub args: Vec<Expr>,
    /// Made by [`crate::functions::bind`].
    pub bound: Bound,
    pub at: At,
}

/// `ref(map, key…)`: null where a key is null.
#[derive(Debug, Clone)]
pub struct RefExpr {
    pub target: RefTargetSlot,
    /// The key of the target, in the order of its key columns (or of its `by`).
    pub keys: Vec<Expr>,
    pub at: At,
}

impl Expr {
    pub fn text(value: &str) -> Self {
        Self::Literal(Literal::Text(Arc::from(value)))
    }

    pub const fn column(row: RowSlot, column: u16) -> Self {
        Self::Column(ColumnRef { row, column })
    }

    pub fn call(function: Function, args: Vec<Expr>, bound: Bound, at: At) -> Self {
        Self::Call(Box::new(Call { function, args, bound, at }))
    }

    pub fn eq(left: Expr, right: Expr) -> Self {
        Self::Compare { op: CompareOp::Eq, left: Box::new(left), right: Box::new(right) }
    }

    /// Hands the direct parts of an expression to `visit`.
    pub fn for_each_child<'e>(&'e self, mut visit: impl FnMut(&'e Expr)) {
        match self {
            Self::Literal(_)
            | Self::Column(_)
            | Self::Let(_)
            | Self::EachPosition(_)
            | Self::Count(_)
            | Self::First { .. }
            | Self::Last { .. }
            | Self::Element(_)
            | Self::ElementExists(_)
            | Self::ListExists(_) => {}
            Self::ListMap { body, .. } => visit(body),
            Self::List(items) | Self::And(items) | Self::Or(items) | Self::Coalesce(items) => {
                items.iter().for_each(visit);
            }
            Self::Compare { left, right, .. } => {
                visit(left);
                visit(right);
            }
            Self::In { value, .. } | Self::Translate { value, .. } => visit(value),
            Self::Not(inner) | Self::Blank(inner) => visit(inner),
            Self::If { condition, then, otherwise } => {
                visit(condition);
                visit(then);
                visit(otherwise);
            }
            Self::Call(call) => call.args.iter().for_each(visit),
            Self::Ref(reference) => reference.keys.iter().for_each(visit),
        }
    }

    /// The first column that the expression reads, from left to right: the place that an issue names.
    pub fn first_column(&self) -> Option<ColumnRef> {
        if let Self::Column(column) = self {
            return Some(*column);
        }
        let mut found = None;
        self.for_each_child(|child| {
            if found.is_none() {
                found = child.first_column();
            }
        });
        found
    }
}
