//! Expressions: names resolved to slots, types found, and what cannot mean anything refused.

use std::sync::Arc;

use super::scope::{Binding, MapCompiler};
use super::types::{self, Typed};
use crate::diagnostics::{Span, nearest};
use crate::plan::{CompareOp, Expr as PlanExpr, ListSlot, Literal, OrderKey, RowSlot, Type};
use crate::syntax::expr::{BinaryOp, Dollar, Expr, ExprKind};

/// What an expression can be before it is used as a value.
#[derive(Debug, Clone)]
pub(crate) enum Thing {
    Value(Typed),
    Row(RowSlot),
    Rows(ListSlot),
    /// `first($ep)`, `last($ep)`: its columns can be taken.
    OneOf {
        list: ListSlot,
        is_last: bool,
    },
}

impl MapCompiler<'_, '_, '_> {
    /// An expression as a value.
    pub(crate) fn value(&mut self, expr: &Expr) -> Option<Typed> {
        match self.thing(expr)? {
            Thing::Value(value) => Some(value),
            Thing::Row(_) | Thing::OneOf { .. } => {
                self.sink()
                    .error("MAP0115", expr.span, "a row is not a value")
                    .help("name a column of it, such as `$alias.COLUMN` or `first($alias).COLUMN`");
                None
            }
            Thing::Rows(_) => {
                self.sink()
                    .error("MAP0115", expr.span, "a list of rows is not a value")
                    .help("take one row with `first($alias).COLUMN`, or make an item for each with `.each`");
                None
            }
        }
    }

    /// An expression that must be true or false.
    pub(crate) fn condition(&mut self, expr: &Expr) -> Option<PlanExpr> {
        let value = self.value(expr)?;
        if value.ty == Type::Bool {
            return Some(value.expr);
        }
        let message = format!("a condition is true or false, and this is {}", types::name(&value.ty));
        self.sink()
            .error("MAP0107", expr.span, message)
            .help("compare it, such as `x == 'Y'`, or write `not blank(x)`");
        None
    }

    /// Keys of an order: numbers, dates or times.
    pub(crate) fn order(&mut self, expr: &Expr) -> Vec<OrderKey> {
        let items = match &expr.kind {
            ExprKind::List(items) => items.as_slice(),
            _ => std::slice::from_ref(expr),
        };
        let mut keys = Vec::new();
        for item in items {
            let (inner, descending) = match &item.kind {
                ExprKind::Call(call) if call.function == "desc" && call.arguments.len() == 1 => {
                    (&call.arguments[0].value, true)
                }
                _ => (item, false),
            };
            let Some(value) = self.value(inner) else { continue };
            if !types::ordered(&value.ty) {
                let message = format!("{} has no order", types::name(&value.ty));
                self.sink()
                    .error("MAP0108", inner.span, message)
                    .help("convert it first: `integer(x)`, `date(x, 'format')` or `datetime(x, 'format')`");
                continue;
            }
            keys.push(OrderKey { by: value.expr, descending });
        }
        keys
    }

    pub(crate) fn thing(&mut self, expr: &Expr) -> Option<Thing> {
        let value = |expr, ty| Some(Thing::Value(Typed { expr, ty }));
        match &expr.kind {
            ExprKind::Text(text) => value(PlanExpr::text(text), Type::Text),
            ExprKind::Number(digits) => {
                let (literal, ty) = number(digits);
                value(PlanExpr::Literal(literal), ty)
            }
            ExprKind::Bool(b) => value(PlanExpr::Literal(Literal::Bool(*b)), Type::Bool),
            ExprKind::Coding { system, code } => {
                let coding = self.coding(system, code, expr.span)?;
                value(PlanExpr::Literal(Literal::Coding(coding)), Type::Coding)
            }
            ExprKind::Dollar(dollar) => self.dollar(dollar, expr.span),
            ExprKind::Name(name) => self.bare_name(name, expr.span),
            ExprKind::Member { of, column, column_span } => self.member(of, column, *column_span),
            ExprKind::Call(call) => self.call(call, expr.span),
            ExprKind::Not(inner) => {
                let inner = self.condition(inner)?;
                value(PlanExpr::Not(Box::new(inner)), Type::Bool)
            }
            ExprKind::Binary { op: op @ (BinaryOp::And | BinaryOp::Or), left, right } => {
                let (left, right) = (self.condition(left), self.condition(right));
                let (left, right) = (left?, right?);
                let joined = if *op == BinaryOp::And { and(left, right) } else { or(left, right) };
                value(joined, Type::Bool)
            }
            ExprKind::Binary { op, left, right } => self.comparison(*op, left, right, expr.span).map(Thing::Value),
            ExprKind::In { value, among, negated } => self.membership(value, among, *negated).map(Thing::Value),
            ExprKind::List(items) => self.list_of(items, expr.span).map(Thing::Value),
            ExprKind::Argument { value, parameter, declared } => self.argument(value, parameter, declared),
        }
    }

    fn dollar(&mut self, dollar: &Dollar, span: Span) -> Option<Thing> {
        let Some((column, column_span)) = &dollar.second else {
            if let Some((binding, _)) = self.names.get(&dollar.first).copied() {
                self.used_names.insert(dollar.first.clone());
                return Some(match binding {
                    Binding::Row(row) => Thing::Row(row),
                    Binding::List(list) => Thing::Rows(list),
                    Binding::Let(slot) => {
                        let ty = self.lets[usize::from(slot.0)].ty.clone();
                        Thing::Value(Typed { expr: PlanExpr::Let(slot), ty })
                    }
                });
            }
            let (at, kind) = self.column(RowSlot::MAIN, &dollar.first, span)?;
            let expr = PlanExpr::column(RowSlot::MAIN, at);
            return Some(Thing::Value(Typed { expr, ty: types::of_column(kind) }));
        };
        let Some((binding, _)) = self.names.get(&dollar.first).copied() else {
            let names: Vec<String> = self.names.keys().cloned().collect();
            let help =
                nearest(&dollar.first, names.iter().map(String::as_str)).map(|n| format!("did you mean `${n}`?"));
            let message = format!("no row is named `{}`", dollar.first);
            self.sink().error("MAP0102", dollar.first_span, message).help_if(help);
            return None;
        };
        self.used_names.insert(dollar.first.clone());
        match binding {
            Binding::Row(row) => {
                let (at, kind) = self.column(row, column, *column_span)?;
                Some(Thing::Value(Typed { expr: PlanExpr::column(row, at), ty: types::of_column(kind) }))
            }
            Binding::List(list) => {
                let row = self.list_info[usize::from(list.0)].row;
                let (at, kind) = self.column(row, column, *column_span)?;
                let body = Box::new(PlanExpr::column(row, at));
                let ty = Type::List(Box::new(types::of_column(kind)));
                Some(Thing::Value(Typed { expr: PlanExpr::ListMap { list, row, body }, ty }))
            }
            Binding::Let(_) => {
                self.sink().error("MAP0102", span, format!("`${}` is a value and has no columns", dollar.first));
                None
            }
        }
    }

    /// `first($ep).SPEC_CODE`.
    fn member(&mut self, of: &Expr, column: &str, span: Span) -> Option<Thing> {
        match self.thing(of)? {
            Thing::OneOf { list, is_last } => {
                let table = self.lists[usize::from(list.0)].table;
                let (at, kind) = self.column_of(table, column, span)?;
                let expr =
                    if is_last { PlanExpr::Last { list, column: at } } else { PlanExpr::First { list, column: at } };
                Some(Thing::Value(Typed { expr, ty: types::of_column(kind) }))
            }
            Thing::Row(row) => {
                let (at, kind) = self.column(row, column, span)?;
                Some(Thing::Value(Typed { expr: PlanExpr::column(row, at), ty: types::of_column(kind) }))
            }
            _ => {
                self.sink().error("MAP0115", span, "only a row has columns").help("write `first($alias).COLUMN`");
                None
            }
        }
    }

    /// In an `assert` a bare name is an element of the resource; anywhere else it is a text without quotes.
    fn bare_name(&mut self, name: &str, span: Span) -> Option<Thing> {
        if self.in_assert {
            let path = capture_path(name);
            if let Some((slot, Some(ty))) = self.captures.get(&path).cloned() {
                return Some(Thing::Value(Typed { expr: PlanExpr::Element(slot), ty }));
            }
            let known: Vec<String> =
                self.captures.iter().filter(|(_, (_, t))| t.is_some()).map(|(p, _)| p.clone()).collect();
            let help = nearest(&path, known.iter().map(String::as_str)).map(|n| format!("did you mean `{n}`?"));
            let message = format!("no rule of this map fills `{name}`");
            self.sink().error("MAP0221", span, message).help_if(help);
            return None;
        }
        let help = if self.names.contains_key(name)
            || self.tables.first().and_then(|t| t.schema).is_some_and(|t| t.column(name).is_some())
        {
            format!("a column or a row is written `${name}`")
        } else {
            format!("a text stands in single quotes: `'{name}'`; a column is written `${name}`")
        };
        self.sink().error("MAP0010", span, format!("`{name}` has no meaning here")).help(help);
        None
    }

    fn comparison(&mut self, op: BinaryOp, left: &Expr, right: &Expr, span: Span) -> Option<Typed> {
        for (side, other) in [(left, right), (right, left)] {
            if matches!(&side.kind, ExprKind::Text(t) if t.trim().is_empty()) {
                let negation = if op == BinaryOp::NotEqual { "not " } else { "" };
                self.sink()
                    .error("MAP0011", span, "comparing with '' does not compile: null, empty and spaces would differ")
                    .help(format!("write `{negation}blank({})`", shown(other)));
                return None;
            }
        }
        let (l, r) = (self.value(left), self.value(right));
        let (l, r) = (l?, r?);
        let is_order = !matches!(op, BinaryOp::Equal | BinaryOp::NotEqual);
        if !types::comparable(&l.ty, &r.ty) {
            let message = format!("{} cannot be compared with {}", types::name(&l.ty), types::name(&r.ty));
            let help = comparison_help(&l, &r);
            self.sink().error("MAP0104", span, message).help_if(help);
            return None;
        }
        if is_order && !types::ordered(&l.ty) {
            let message = format!("{} has no order", types::name(&l.ty));
            self.sink()
                .error("MAP0108", span, message)
                .help("convert both sides first: `integer(x)`, `date(x, 'format')` or `datetime(x, 'format')`");
            return None;
        }
        let op = match op {
            BinaryOp::NotEqual => CompareOp::Ne,
            BinaryOp::Less => CompareOp::Lt,
            BinaryOp::LessOrEqual => CompareOp::Le,
            BinaryOp::Greater => CompareOp::Gt,
            BinaryOp::GreaterOrEqual => CompareOp::Ge,
            _ => CompareOp::Eq,
        };
        let expr = PlanExpr::Compare { op, left: Box::new(l.expr), right: Box::new(r.expr) };
        Some(Typed { expr, ty: Type::Bool })
    }

    fn membership(&mut self, value: &Expr, among: &[Expr], negated: bool) -> Option<Typed> {
        let value = self.value(value);
        let mut of = Vec::new();
        for item in among {
            if matches!(&item.kind, ExprKind::Text(t) if t.trim().is_empty()) {
                self.sink()
                    .error("MAP0011", item.span, "comparing with '' does not compile")
                    .help("write `blank(x) or x in [...]`");
                continue;
            }
            let Some(literal) = self.value(item) else { continue };
            let PlanExpr::Literal(written) = literal.expr else {
                self.sink()
                    .error("MAP0107", item.span, "`in` takes a list of literals")
                    .help("join comparisons with `or`");
                continue;
            };
            if let Some(value) = &value
                && !types::comparable(&value.ty, &literal.ty)
            {
                let message =
                    format!("{} cannot be compared with {}", types::name(&value.ty), types::name(&literal.ty));
                self.sink().error("MAP0104", item.span, message);
                continue;
            }
            of.push(written);
        }
        let expr = PlanExpr::In { value: Box::new(value?.expr), of };
        let expr = if negated { PlanExpr::Not(Box::new(expr)) } else { expr };
        Some(Typed { expr, ty: Type::Bool })
    }

    fn list_of(&mut self, items: &[Expr], span: Span) -> Option<Typed> {
        let mut ty: Option<Type> = None;
        let mut exprs = Vec::new();
        for item in items {
            let value = self.value(item)?;
            ty = match &ty {
                None => Some(value.ty),
                Some(before) => {
                    let common = types::common(before, &value.ty);
                    if common.is_none() {
                        let message =
                            format!("a list of {} cannot hold {}", types::name(before), types::name(&value.ty));
                        self.sink().error("MAP0107", item.span, message);
                        return None;
                    }
                    common
                }
            };
            exprs.push(value.expr);
        }
        let Some(ty) = ty else {
            self.sink().error("MAP0107", span, "an empty list has no type");
            return None;
        };
        Some(Typed { expr: PlanExpr::List(exprs), ty: Type::List(Box::new(ty)) })
    }

    /// A fragment's argument: it must be what the parameter takes.
    fn argument(&mut self, value: &Expr, parameter: &str, declared: &str) -> Option<Thing> {
        let thing = self.thing(value)?;
        let Thing::Value(typed) = &thing else {
            self.value(value)?;
            return None;
        };
        let given = types::name(&typed.ty);
        let fits = given == declared
            || (declared == "ref" && matches!(typed.ty, Type::Ref(_)))
            || matches!(
                (declared, &typed.ty),
                ("text" | "code", Type::Text | Type::Code)
                    | ("decimal", Type::Integer)
                    | ("dateTime", Type::Date | Type::Instant)
            );
        if !fits {
            let message = format!("the parameter `{parameter}` takes {declared}, and this is {given}");
            self.sink().error("MAP0107", value.span, message);
            return None;
        }
        Some(thing)
    }
}

/// `name[0].family` captures the first value, as `name.family` does.
pub(crate) fn capture_path(name: &str) -> String {
    let mut path = String::new();
    let mut inside = false;
    for c in name.chars() {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            c if !inside => path.push(c),
            _ => {}
        }
    }
    path
}

pub(crate) fn number(digits: &str) -> (Literal, Type) {
    match digits.parse::<i64>() {
        Ok(number) => (Literal::Integer(number), Type::Integer),
        Err(_) => (Literal::Decimal(Arc::from(digits)), Type::Decimal),
    }
}

fn and(left: PlanExpr, right: PlanExpr) -> PlanExpr {
    match left {
        PlanExpr::And(mut items) => {
            items.push(right);
            PlanExpr::And(items)
        }
        left => PlanExpr::And(vec![left, right]),
    }
}

fn or(left: PlanExpr, right: PlanExpr) -> PlanExpr {
    match left {
        PlanExpr::Or(mut items) => {
            items.push(right);
            PlanExpr::Or(items)
        }
        left => PlanExpr::Or(vec![left, right]),
    }
}

fn comparison_help(left: &Typed, right: &Typed) -> Option<String> {
    let literal = |t: &Typed| matches!(t.expr, PlanExpr::Literal(_));
    match (&left.ty, &right.ty) {
        (Type::Text, Type::Integer) if literal(right) => Some("write the number as a text: '1'".to_owned()),
        (Type::Integer, Type::Text) if literal(left) => Some("write the number as a text: '1'".to_owned()),
        (Type::Integer | Type::Decimal | Type::Double, Type::Text) if literal(right) => {
            Some("write the number without quotes".to_owned())
        }
        (Type::Date | Type::DateTime | Type::LocalTimestamp, Type::Text) => {
            Some("write `date('01/01/2015', '%d/%m/%Y')`".to_owned())
        }
        (Type::List(_), _) | (_, Type::List(_)) => Some("take one row with `first($alias).COLUMN`".to_owned()),
        _ => None,
    }
}

/// An expression for a help text: short ones only.
fn shown(expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::Dollar(d) => match &d.second {
            Some((column, _)) => format!("${}.{column}", d.first),
            None => format!("${}", d.first),
        },
        _ => "x".to_owned(),
    }
}
