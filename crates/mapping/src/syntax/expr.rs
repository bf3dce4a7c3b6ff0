//! The expression tree, as written: nothing is resolved or typed yet.

use crate::diagnostics::Span;

/// One expression and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expr {
    pub kind: ExprKind,
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExprKind {
    /// `$COL`, `$alias.COL`, or `$alias` alone for a whole row or list.
    Dollar(Dollar),
    /// `first($ep).SPEC_CODE`: a column of what an expression gives.
    Member {
        of: Box<Expr>,
        column: String,
        column_span: Span,
    },
    /// `'text'`.
    Text(String),
    /// Digits as written.
    Number(String),
    Bool(bool),
    /// `loinc#85354-9`.
    Coding {
        system: String,
        code: String,
    },
    /// A bare name: a map in `ref(patient, …)`, a policy, or a dotted element path in `assert`.
    Name(String),
    /// `f(a, name: b)`; in `x | f(a)` the piped value is the first argument.
    Call(Call),
    Not(Box<Expr>),
    Binary {
        op: BinaryOp,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    /// `x in ['a', 'b']`; `negated` for `not in`.
    In {
        value: Box<Expr>,
        among: Vec<Expr>,
        negated: bool,
    },
    List(Vec<Expr>),
    /// What a map gives for a fragment's parameter; made when the fragment is put in place, never written.
    Argument {
        value: Box<Expr>,
        parameter: String,
        declared: String,
    },
}

/// What follows a dollar sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dollar {
    pub first: String,
    pub first_span: Span,
    /// The column, where two names stand: `$alias.COL`.
    pub second: Option<(String, Span)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub function: String,
    pub function_span: Span,
    pub arguments: Vec<Argument>,
    pub piped: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    pub name: Option<(String, Span)>,
    pub value: Expr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BinaryOp {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    And,
    Or,
}

impl BinaryOp {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::And => "and",
            Self::Or => "or",
        }
    }
}

impl Expr {
    /// Calls `visit` on this expression and all inside it, outer first.
    pub fn walk<'e>(&'e self, visit: &mut impl FnMut(&'e Self)) {
        visit(self);
        match &self.kind {
            ExprKind::Member { of, .. } => of.walk(visit),
            ExprKind::Argument { value, .. } => value.walk(visit),
            ExprKind::Call(call) => call.arguments.iter().for_each(|a| a.value.walk(visit)),
            ExprKind::Not(inner) => inner.walk(visit),
            ExprKind::Binary { left, right, .. } => {
                left.walk(visit);
                right.walk(visit);
            }
            ExprKind::In { value, among, .. } => {
                value.walk(visit);
                for item in among {
                    item.walk(visit);
                }
            }
            ExprKind::List(items) => items.iter().for_each(|i| i.walk(visit)),
            _ => {}
        }
    }

    /// Calls `change` on this expression and all inside it, inner first.
    pub fn walk_mut(&mut self, change: &mut impl FnMut(&mut Self)) {
        match &mut self.kind {
            ExprKind::Member { of, .. } => of.walk_mut(change),
            ExprKind::Argument { value, .. } => value.walk_mut(change),
            ExprKind::Call(call) => call.arguments.iter_mut().for_each(|a| a.value.walk_mut(change)),
            ExprKind::Not(inner) => inner.walk_mut(change),
            ExprKind::Binary { left, right, .. } => {
                left.walk_mut(change);
                right.walk_mut(change);
            }
            ExprKind::In { value, among, .. } => {
                value.walk_mut(change);
                for item in among {
                    item.walk_mut(change);
                }
            }
            ExprKind::List(items) => items.iter_mut().for_each(|i| i.walk_mut(change)),
            _ => {}
        }
        change(self);
    }
}

impl std::fmt::Display for Expr {
    /// The expression in one fixed spelling, whatever spaces or brackets the file has: part of the plan text.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.kind {
            ExprKind::Dollar(d) => match &d.second {
                Some((column, _)) => write!(f, "$`{}`.`{column}`", d.first),
                None => write!(f, "$`{}`", d.first),
            },
            ExprKind::Member { of, column, .. } => write!(f, "{of}.`{column}`"),
            ExprKind::Text(text) => write!(f, "'{}'", text.replace('\'', "''")),
            ExprKind::Number(digits) => f.write_str(digits),
            ExprKind::Bool(value) => write!(f, "{value}"),
            ExprKind::Coding { system, code } => write!(f, "{system}#{code}"),
            ExprKind::Name(name) => f.write_str(name),
            ExprKind::Call(call) => {
                write!(f, "{}(", call.function)?;
                for (i, argument) in call.arguments.iter().enumerate() {
                    if i > 0 {
                        f.write_str(", ")?;
                    }
                    if let Some((name, _)) = &argument.name {
                        write!(f, "{name}: ")?;
                    }
                    write!(f, "{}", argument.value)?;
                }
                f.write_str(")")
            }
            ExprKind::Not(inner) => write!(f, "(not {inner})"),
            ExprKind::Binary { op, left, right } => write!(f, "({left} {} {right})", op.as_str()),
            ExprKind::In { value, among, negated } => {
                write!(f, "({value} {}in ", if *negated { "not " } else { "" })?;
                write_list(f, among)?;
                f.write_str(")")
            }
            ExprKind::List(items) => write_list(f, items),
            ExprKind::Argument { value, .. } => write!(f, "{value}"),
        }
    }
}

fn write_list(f: &mut std::fmt::Formatter<'_>, items: &[Expr]) -> std::fmt::Result {
    f.write_str("[")?;
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            f.write_str(", ")?;
        }
        write!(f, "{item}")?;
    }
    f.write_str("]")
}
