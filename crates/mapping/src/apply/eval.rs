//! Expressions over one row: total, typed, without a look-up by name.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use epr_model::ResourceId;

use super::columns::TableData;
use super::program::MapProgram;
use super::trace::Trace;
use super::value::Value;
use crate::functions::{Fault, Note};
use crate::join::LookupIndex;
use crate::plan::{CodeMapPlan, ColumnRef, CompareOp, Expr, LetSlot, ListSlot, RefExpr, RowSlot, TableSlot};

/// What an expression met on the way to its value.
#[derive(Debug, Clone)]
pub(crate) struct Mark {
    pub(crate) what: MarkKind,
    pub(crate) place: Option<Place>,
    /// Of the text that was read; never the text.
    pub(crate) shape: String,
    /// The hazard that the file names for it.
    pub(crate) hazard: Option<Arc<str>>,
}

/// The cell that an issue is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) name: CellName,
    pub(crate) table: TableSlot,
    /// Of the table's data; `None` where the expression read several rows of a list.
    pub(crate) row: Option<u32>,
    pub(crate) row_no: Option<u64>,
}

/// A column by the name that the mapping file reads it under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CellName {
    OfRow(ColumnRef),
    OfList(ListSlot, u16),
}

impl CellName {
    pub(crate) const fn column(self) -> u16 {
        match self {
            Self::OfRow(column) => column.column,
            Self::OfList(_, column) => column,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MarkKind {
    Fault(Fault),
    Note(Note),
    /// A code map inside an expression does not know the code.
    Unmapped,
}

/// The names of one row, bound, and scratch space.
pub(crate) struct Eval<'a> {
    pub(crate) program: &'a MapProgram<'a>,
    /// By table slot; `None` for a table that was not loaded.
    tables: Vec<Option<&'a TableData>>,
    lookups: &'a [LookupIndex],
    rows: Vec<Option<u32>>,
    positions: Vec<u32>,
    lists: Vec<Cow<'a, [u32]>>,
    lets: Vec<Option<LetValue<'a>>>,
    pub(crate) captures: Vec<Value<'a>>,
    pub(crate) marks: Vec<Mark>,
    id_buffer: Vec<u8>,
    /// By reference target: the last key of one field and its id. Rows of one patient mostly stand together.
    last_refs: Vec<Option<(String, ResourceId)>>,
    pub(crate) trace: Option<Trace>,
}

#[derive(Debug, Clone)]
struct LetValue<'a> {
    value: Value<'a>,
    marks: Vec<Mark>,
}

/// A look-up that gave more rows, or fewer, than it may take: its number, and how many it gave.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WrongCount {
    pub(crate) lookup: usize,
    pub(crate) n_rows: usize,
}

impl<'a> Eval<'a> {
    pub(crate) fn new(program: &'a MapProgram<'a>, main: &'a TableData, lookups: &'a [LookupIndex]) -> Self {
        let plan = program.plan;
        let mut tables = vec![None; plan.tables.len()];
        tables[0] = Some(main);
        for (lookup, index) in plan.lookups.iter().zip(lookups) {
            tables[usize::from(lookup.table.0)] = Some(index.data());
        }
        Self {
            program,
            tables,
            lookups,
            rows: vec![None; plan.rows.len()],
            positions: vec![0; plan.rows.len()],
            lists: vec![Cow::Borrowed(&[]); plan.lists.len()],
            lets: vec![None; plan.lets.len()],
            captures: Vec::new(),
            marks: Vec::new(),
            id_buffer: Vec::new(),
            last_refs: vec![None; plan.ref_targets.len()],
            trace: None,
        }
    }

    /// An evaluator over a look-up's own rows, for its order.
    pub(crate) fn over_table(program: &'a MapProgram<'a>, table: TableSlot, data: &'a TableData) -> Self {
        let mut eval = Self::new(program, data, &[]);
        eval.tables[0] = None;
        eval.tables[usize::from(table.0)] = Some(data);
        eval
    }

    /// Turns to a row of the main table: look-ups and `let`s of the row before are forgotten.
    pub(crate) fn turn_to(&mut self, row: u32) {
        self.rows.fill(None);
        self.lists.fill(Cow::Borrowed(&[]));
        self.lets.fill(None);
        self.marks.clear();
        self.rows[0] = Some(row);
    }

    pub(crate) fn bind_row(&mut self, slot: RowSlot, row: Option<u32>, position: u32) {
        self.rows[usize::from(slot.0)] = row;
        self.positions[usize::from(slot.0)] = position;
    }

    pub(crate) fn bind_list(&mut self, slot: ListSlot, rows: Cow<'a, [u32]>) {
        self.lists[usize::from(slot.0)] = rows;
    }

    pub(crate) fn list(&self, slot: ListSlot) -> Cow<'a, [u32]> {
        self.lists[usize::from(slot.0)].clone()
    }

    /// Finds the rows of every look-up for the row that the evaluator stands at.
    pub(crate) fn resolve_lookups(&mut self) -> Result<(), WrongCount> {
        let (plan, lookups) = (self.program.plan, self.lookups);
        for (i, (lookup, index)) in plan.lookups.iter().zip(lookups).enumerate() {
            let mut key = std::mem::take(&mut self.id_buffer);
            key.clear();
            let is_whole = lookup.pairs.iter().all(|pair| {
                let value = self.eval(&pair.ours);
                let is_there = !value.is_blank();
                super::columns::push_field(&value, &mut key);
                is_there
            });
            let mut found = if is_whole { Cow::Borrowed(index.find(&key)) } else { Cow::Borrowed(&[][..]) };
            self.id_buffer = key;
            if let Some(residual) = &lookup.residual {
                let kept = found.iter().copied().filter(|row| {
                    self.bind_row(lookup.row, Some(*row), 0);
                    self.eval(residual).truth() == Some(true)
                });
                found = Cow::Owned(kept.collect());
                self.bind_row(lookup.row, None, 0);
            }
            match &lookup.takes {
                crate::plan::Takes::Many { list, .. } => self.bind_list(*list, found),
                one_or_optional => {
                    let may_be_absent = matches!(one_or_optional, crate::plan::Takes::Optional);
                    if found.len() > 1 || found.is_empty() && !may_be_absent {
                        return Err(WrongCount { lookup: i, n_rows: found.len() });
                    }
                    self.bind_row(lookup.row, found.first().copied(), 0);
                }
            }
        }
        Ok(())
    }

    /// The value of an expression for the row that the evaluator stands at.
    pub(crate) fn eval(&mut self, expr: &'a Expr) -> Value<'a> {
        match expr {
            Expr::Literal(literal) => Value::of_literal(literal),
            Expr::Column(column) => self.cell(*column),
            Expr::Let(slot) => self.let_value(*slot),
            Expr::EachPosition(row) => Value::Int(self.positions[usize::from(row.0)].into()),
            Expr::Count(list) => Value::Int(self.lists[usize::from(list.0)].len().cast_signed() as i64),
            Expr::ListExists(list) => Value::Bool(!self.lists[usize::from(list.0)].is_empty()),
            Expr::First { list, column } => {
                self.list_cell(*list, *column, self.lists[usize::from(list.0)].first().copied())
            }
            Expr::Last { list, column } => {
                self.list_cell(*list, *column, self.lists[usize::from(list.0)].last().copied())
            }
            Expr::ListMap { list, row, body } => self.list_map(*list, *row, body),
            Expr::List(items) => Value::List(items.iter().map(|item| self.eval(item)).collect()),
            Expr::Compare { op, left, right } => self.compare(*op, left, right),
            Expr::In { value, of } => {
                let value = self.eval(value);
                Value::Bool(of.iter().any(|literal| Value::of_literal(literal).equals(&value)))
            }
            Expr::And(parts) => self.and_or(parts, false),
            Expr::Or(parts) => self.and_or(parts, true),
            Expr::Not(inner) => self.eval(inner).truth().map_or(Value::Null, |b| Value::Bool(!b)),
            Expr::If { condition, then, otherwise } => {
                let branch = if self.eval(condition).truth() == Some(true) { then } else { otherwise };
                self.eval(branch)
            }
            Expr::Coalesce(parts) => {
                parts.iter().map(|part| self.eval(part)).find(|value| !value.is_null()).unwrap_or(Value::Null)
            }
            Expr::Blank(inner) => Value::Bool(self.eval(inner).is_blank()),
            Expr::Call(call) => self.call(call),
            Expr::Ref(reference) => {
                self.reference(reference).map_or(Value::Null, |id| Value::Ref(reference.target, id))
            }
            Expr::Element(slot) => self.captures.get(usize::from(slot.0)).cloned().unwrap_or(Value::Null),
            Expr::ElementExists(slot) => {
                Value::Bool(self.captures.get(usize::from(slot.0)).is_some_and(|value| !value.is_null()))
            }
            Expr::Translate { value, map, .. } => self.translate(expr, value, map),
        }
    }

    /// The id that a reference names; `None` where a key is blank.
    pub(crate) fn reference(&mut self, reference: &'a RefExpr) -> Option<ResourceId> {
        let recipe = &self.program.ref_recipes[usize::from(reference.target.0)];
        let id = match reference.keys.as_slice() {
            [only] => {
                let value = self.eval(only);
                if value.is_blank() {
                    return None;
                }
                let text = value.to_text()?;
                let last = &mut self.last_refs[usize::from(reference.target.0)];
                match last {
                    Some((key, id)) if **key == *text => *id,
                    _ => {
                        let id = recipe.id([Some(text.as_bytes())], &mut self.id_buffer);
                        *last = Some((text.into_owned(), id));
                        id
                    }
                }
            }
            keys => {
                let values: Vec<_> = keys.iter().map(|key| self.eval(key)).collect();
                if values.iter().any(Value::is_blank) {
                    return None;
                }
                let texts: Vec<_> = values.iter().map(Value::to_text).collect();
                recipe.id(texts.iter().map(|t| t.as_deref().map(str::as_bytes)), &mut self.id_buffer)
            }
        };
        Some(id)
    }

    /// Remembers what was met, at the first column of `at`.
    pub(crate) fn mark(&mut self, what: MarkKind, at: &Expr, text: &str, hazard: Option<Arc<str>>) {
        let place = self.place_of(at);
        self.marks.push(Mark { what, place, shape: epr_model::shape::of_text(text), hazard });
    }

    /// The first cell that an expression reads, from left to right, for the rows that are bound now.
    pub(crate) fn place_of(&self, expr: &Expr) -> Option<Place> {
        match expr {
            Expr::Column(column) => Some(self.place(*column)),
            Expr::First { list, column } => Some(self.list_place(*list, *column, <[u32]>::first)),
            Expr::Last { list, column } => Some(self.list_place(*list, *column, <[u32]>::last)),
            Expr::ListMap { list, row, body } => {
                let column = body.first_column().filter(|c| c.row == *row)?.column;
                Some(self.list_place(*list, column, |_| None))
            }
            Expr::Let(slot) => self.place_of(&self.program.plan.lets[usize::from(slot.0)].value),
            _ => {
                let mut found = None;
                expr.for_each_child(|child| {
                    if found.is_none() {
                        found = self.place_of(child);
                    }
                });
                found
            }
        }
    }

    /// Where a column's cell is.
    pub(crate) fn place(&self, column: ColumnRef) -> Place {
        let table = self.program.plan.rows[usize::from(column.row.0)].table;
        self.place_in(CellName::OfRow(column), table, self.rows[usize::from(column.row.0)])
    }

    fn list_place(&self, list: ListSlot, column: u16, pick: fn(&[u32]) -> Option<&u32>) -> Place {
        let table = self.program.plan.lists[usize::from(list.0)].table;
        self.place_in(CellName::OfList(list, column), table, pick(&self.lists[usize::from(list.0)]).copied())
    }

    fn place_in(&self, name: CellName, table: TableSlot, row: Option<u32>) -> Place {
        let data = self.tables[usize::from(table.0)];
        Place { name, table, row, row_no: data.zip(row).map(|(data, row)| data.row_no(row)) }
    }

    /// The text of a cell, for the policies that keep it.
    pub(crate) fn text_at(&self, place: Place) -> Option<String> {
        let data = self.tables[usize::from(place.table.0)]?;
        data.cell(place.name.column(), place.row?).into_text().map(Cow::into_owned)
    }

    fn table_of(&self, row: RowSlot) -> usize {
        usize::from(self.program.plan.rows[usize::from(row.0)].table.0)
    }

    fn cell(&mut self, column: ColumnRef) -> Value<'a> {
        let Some(row) = self.rows[usize::from(column.row.0)] else { return Value::Null };
        let Some(table) = self.tables[self.table_of(column.row)] else { return Value::Null };
        if let Some(trace) = &mut self.trace {
            trace.cell(column, table.row_no(row));
        }
        table.cell(column.column, row)
    }

    fn list_cell(&mut self, list: ListSlot, column: u16, row: Option<u32>) -> Value<'a> {
        let slot = self.program.plan.lists[usize::from(list.0)].table;
        let (Some(table), Some(row)) = (self.tables[usize::from(slot.0)], row) else { return Value::Null };
        if let Some(trace) = &mut self.trace {
            trace.list_cell(slot, column, table.row_no(row));
        }
        table.cell(column, row)
    }

    fn list_map(&mut self, list: ListSlot, row: RowSlot, body: &'a Expr) -> Value<'a> {
        let members = self.list(list);
        let mut values = Vec::with_capacity(members.len());
        for (i, member) in members.iter().enumerate() {
            self.bind_row(row, Some(*member), i as u32 + 1);
            values.push(self.eval(body));
        }
        self.bind_row(row, None, 0);
        Value::List(values)
    }

    fn let_value(&mut self, slot: LetSlot) -> Value<'a> {
        let i = usize::from(slot.0);
        if let Some(known) = &self.lets[i] {
            // Each element that uses the value decides by its own policy, so each sees what was met.
            self.marks.extend(known.marks.iter().cloned());
            return known.value.clone();
        }
        let from = self.marks.len();
        let value = self.eval(&self.program.plan.lets[i].value);
        self.lets[i] = Some(LetValue { value: value.clone(), marks: self.marks[from..].to_vec() });
        value
    }

    fn compare(&mut self, op: CompareOp, left: &'a Expr, right: &'a Expr) -> Value<'a> {
        let (left, right) = (self.eval(left), self.eval(right));
        let holds: fn(Ordering) -> bool = match op {
            CompareOp::Eq => return Value::Bool(left.equals(&right)),
            CompareOp::Ne => return Value::Bool(!left.equals(&right)),
            CompareOp::Lt => Ordering::is_lt,
            CompareOp::Le => Ordering::is_le,
            CompareOp::Gt => Ordering::is_gt,
            CompareOp::Ge => Ordering::is_ge,
        };
        left.compare(&right).map_or(Value::Null, |order| Value::Bool(holds(order)))
    }

    /// Three-valued: `decisive` is what one part alone can decide (false for `and`, true for `or`).
    fn and_or(&mut self, parts: &'a [Expr], decisive: bool) -> Value<'a> {
        let mut has_null = false;
        for part in parts {
            match self.eval(part).truth() {
                Some(b) if b == decisive => return Value::Bool(decisive),
                Some(_) => {}
                None => has_null = true,
            }
        }
        if has_null { Value::Null } else { Value::Bool(!decisive) }
    }

    fn translate(&mut self, whole: &'a Expr, value: &'a Expr, map: &'a CodeMapPlan) -> Value<'a> {
        let value = self.eval(value);
        if value.is_blank() {
            return Value::Null;
        }
        let Some(text) = value.to_text() else { return Value::Null };
        if let Some(row) = map.rows.get(&*text) {
            if let Some(trace) = &mut self.trace {
                trace.code_map(&map.file, row.line);
            }
            return Value::Coding(super::value::CodingValue::Known(&row.coding));
        }
        self.mark(MarkKind::Unmapped, whole, &text, None);
        Value::Null
    }
}
