//! Which values can be absent, as far as the file itself shows: what elements that must be there are asked.
//!
//! A value is never null where it is written in the file, is a key column, or stands behind a `require` or a `.when`
//! that asks for it. Everything else that is read from the source may be null.

use epr_model::schema::TableKey;

use super::elements::has_expression;
use super::scope::MapCompiler;
use crate::functions::Function;
use crate::plan::{ColumnRef, CompareOp, EmitKind, EmitNode, Expr, LeftOut, LetSlot, Literal, RowSlot};

/// Something that is known to be neither null nor blank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Present {
    Column(ColumnRef),
    Let(LetSlot),
}

impl MapCompiler<'_, '_, '_> {
    /// Remembers what a condition that holds says of columns and `let`s.
    pub(crate) fn learn(&mut self, condition: &Expr) {
        match condition {
            Expr::And(parts) => {
                for part in parts {
                    self.learn(part);
                }
            }
            Expr::Not(inner) => {
                if let Expr::Blank(value) = &**inner {
                    self.learn_present(value);
                }
            }
            _ => {}
        }
    }

    /// Remembers that a column or a `let` is there.
    pub(crate) fn learn_present(&mut self, value: &Expr) {
        match value {
            Expr::Column(column) => self.present.push(Present::Column(*column)),
            Expr::Let(slot) => self.present.push(Present::Let(*slot)),
            _ => {}
        }
    }

    /// Whether a value is never null, for any row.
    pub(crate) fn is_never_null(&self, value: &Expr) -> bool {
        let all = |parts: &[Expr]| parts.iter().all(|p| self.is_never_null(p));
        match value {
            Expr::Literal(literal) => *literal != Literal::Null,
            Expr::Column(column) => self.present.contains(&Present::Column(*column)) || self.is_key(*column),
            Expr::Let(slot) => {
                self.present.contains(&Present::Let(*slot)) || self.is_never_null(&self.lets[usize::from(slot.0)].value)
            }
            Expr::If { then, otherwise, .. } => self.is_never_null(then) && self.is_never_null(otherwise),
            Expr::Coalesce(parts) => parts.iter().any(|p| self.is_never_null(p)),
            Expr::And(parts) | Expr::Or(parts) => all(parts),
            Expr::Not(inner) => self.is_never_null(inner),
            Expr::Compare { op: CompareOp::Eq | CompareOp::Ne, .. }
            | Expr::In { .. }
            | Expr::Blank(_)
            | Expr::Count(_)
            | Expr::ListExists(_)
            | Expr::EachPosition(_) => true,
            Expr::Compare { left, right, .. } => self.is_never_null(left) && self.is_never_null(right),
            Expr::Ref(reference) => all(&reference.keys),
            Expr::Call(call) => match call.function {
                // A sentinel is null, whatever the column is.
                _ if !call.bound.sentinels.is_empty() => false,
                Function::Concat | Function::Later => all(&call.args),
                Function::Concept | Function::Least | Function::Greatest => {
                    call.args.iter().any(|a| self.is_never_null(a))
                }
                Function::Coding
                | Function::Code
                | Function::ConceptText
                | Function::Ucum
                | Function::Quantity
                | Function::Text
                | Function::Trim
                | Function::Squeeze
                | Function::Upper
                | Function::Lower
                | Function::NameCase
                | Function::Replace
                | Function::PadLeft
                | Function::Length
                | Function::Size
                | Function::Date
                | Function::DateTime
                | Function::Instant
                | Function::Integer
                | Function::Decimal
                | Function::NhsNumber
                | Function::Postcode => call.args.first().is_some_and(|a| self.is_never_null(a)),
                _ => false,
            },
            _ => false,
        }
    }

    /// Whether a column is of the key of the row that is mapped: a row with a null in its key is never mapped.
    fn is_key(&self, column: ColumnRef) -> bool {
        let Some(table) = self.tables.first().filter(|_| column.row == RowSlot::MAIN) else { return false };
        match (table.schema.map(|s| &s.key), table.columns.get(usize::from(column.column))) {
            (Some(TableKey::Columns(key)), Some(read)) => key.contains(&read.name),
            _ => false,
        }
    }
}

/// The policy that can leave out all of what a node writes; `None` where something always stays. A `.when` is not
/// looked at, nor an `.each`.
pub(crate) fn left_out(node: &EmitNode) -> Option<LeftOut> {
    match &node.kind {
        EmitKind::Literal(_) => None,
        EmitKind::Value(value) => value.left_out,
        EmitKind::Primitive { value, extensions } => {
            if extensions.is_empty() {
                value.as_ref().and_then(|v| v.left_out)
            } else {
                None
            }
        }
        EmitKind::Array(items) => first_of_all(items.iter()),
        EmitKind::Object { members, has_expression: reads } => {
            if *reads {
                // Literals do not keep an object that got no value.
                first_of_all(members.iter().map(|m| &m.node).filter(|n| has_expression(n)))
            } else {
                None
            }
        }
    }
}

/// The first reason, where every part has one. A part under a `.when` is taken to be there.
fn first_of_all<'n>(mut parts: impl Iterator<Item = &'n EmitNode>) -> Option<LeftOut> {
    let first = parts.next().and_then(left_out)?;
    parts.all(|p| left_out(p).is_some()).then_some(first)
}
