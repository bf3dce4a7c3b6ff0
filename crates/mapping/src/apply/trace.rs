//! What the evaluator saw on the way to an element, for `epr explain`.

use crate::functions::Function;
use crate::plan::{ColumnRef, TableSlot};

/// Collects what went into the element that is being written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trace {
    current: Seen,
    pub(crate) elements: Vec<TracedElement>,
    /// `<Type>/<id>` of the resource that is being written.
    pub(crate) resource: String,
    /// The path of the element with its indices.
    pub(crate) path: Vec<PathStep>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PathStep {
    Name(std::sync::Arc<str>),
    Index(usize),
}

/// Cells, functions and code-map rows, in the order in which they were met.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) cells: Vec<SeenCell>,
    pub(crate) functions: Vec<Function>,
    /// File and line.
    pub(crate) code_map_rows: Vec<(String, u32)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SeenCell {
    OfRow(ColumnRef, u64),
    OfList(TableSlot, u16, u64),
}

/// One element of a resource and where it comes from.
#[derive(Debug, Clone)]
pub(crate) struct TracedElement {
    /// `<Type>/<id>`.
    pub(crate) resource: String,
    pub(crate) path: String,
    /// JSON as written.
    pub(crate) json: Vec<u8>,
    pub(crate) seen: Seen,
    pub(crate) at: crate::plan::At,
}

impl Trace {
    pub(crate) fn cell(&mut self, column: ColumnRef, row_no: u64) {
        let cell = SeenCell::OfRow(column, row_no);
        if !self.current.cells.contains(&cell) {
            self.current.cells.push(cell);
        }
    }

    pub(crate) fn list_cell(&mut self, table: TableSlot, column: u16, row_no: u64) {
        let cell = SeenCell::OfList(table, column, row_no);
        if !self.current.cells.contains(&cell) {
            self.current.cells.push(cell);
        }
    }

    pub(crate) fn function(&mut self, function: Function) {
        if !self.current.functions.contains(&function) {
            self.current.functions.push(function);
        }
    }

    pub(crate) fn code_map(&mut self, file: &str, line: u32) {
        self.current.code_map_rows.push((file.to_owned(), line));
    }

    /// Forgets what was seen: an element begins.
    pub(crate) fn begin(&mut self) {
        self.current = Seen::default();
    }

    pub(crate) fn element(&mut self, json: &[u8], at: crate::plan::At) {
        let seen = std::mem::take(&mut self.current);
        self.elements.push(TracedElement {
            resource: self.resource.clone(),
            path: self.path_text(),
            json: json.to_vec(),
            seen,
            at,
        });
    }

    fn path_text(&self) -> String {
        let mut text = String::new();
        for step in &self.path {
            match step {
                PathStep::Name(name) => {
                    if !text.is_empty() {
                        text.push('.');
                    }
                    text.push_str(name);
                }
                PathStep::Index(i) => {
                    text.push('[');
                    text.push_str(&i.to_string());
                    text.push(']');
                }
            }
        }
        text
    }
}
