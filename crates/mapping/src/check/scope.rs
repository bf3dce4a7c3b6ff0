//! Names and what they stand for: rows, lists, columns, `let`s. No name hides another.

use std::collections::{BTreeMap, BTreeSet};

use epr_fhir::definitions::{Definitions, Element};
use epr_model::schema::{ColumnKind, SystemSchema, TableSchema};

use crate::check::absence::Present;
use crate::check::{CompileInput, MapSummary};
use crate::diagnostics::{FileId, Sink, Span, nearest};
use crate::plan::{
    At, CaptureSlot, LetPlan, LetSlot, ListName, ListSlot, PlanColumn, PlanTable, RefTarget, RowName, RowSlot,
    TableSlot, Type,
};
use crate::resolve::{ResolvedMap, Resolver};
use crate::syntax::ast::Name;

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Binding {
    Row(RowSlot),
    List(ListSlot),
    Let(LetSlot),
}

/// A list: its table, the row that stands for each of its rows, and whether its order is declared.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ListInfo {
    pub(crate) row: RowSlot,
    pub(crate) is_ordered: bool,
}

/// One map while it is compiled.
pub(crate) struct MapCompiler<'c, 'r, 's> {
    pub(crate) input: &'c CompileInput<'c>,
    pub(crate) resolver: &'c mut Resolver<'r, 's>,
    pub(crate) summaries: &'c BTreeMap<String, MapSummary>,
    pub(crate) resolved: &'c ResolvedMap,
    pub(crate) files: Vec<FileId>,
    pub(crate) tables: Vec<TableBuild<'c>>,
    pub(crate) rows: Vec<RowName>,
    pub(crate) lists: Vec<ListName>,
    pub(crate) list_info: Vec<ListInfo>,
    pub(crate) lets: Vec<LetPlan>,
    pub(crate) names: BTreeMap<String, (Binding, Option<Span>)>,
    pub(crate) used_names: BTreeSet<String>,
    pub(crate) ref_targets: Vec<RefTarget>,
    pub(crate) systems: BTreeMap<String, String>,
    /// Elements that an `assert` reads, by path below the resource, and their types once known.
    pub(crate) captures: BTreeMap<String, (CaptureSlot, Option<Type>)>,
    /// In an assert a bare name is an element.
    pub(crate) in_assert: bool,
    /// Value sets and extensions of which it was said that they cannot be checked.
    pub(crate) said: BTreeSet<String>,
    /// The element whose members are compiled: where it is a Reference, its `reference` asks it for allowed types.
    pub(crate) reference_of: Option<&'c Element>,
    /// What the profile gave beside the file: an element's id or an extension's key, and its value. For the plan text.
    pub(crate) from_profile: BTreeMap<String, String>,
    /// Code maps that took part, for the plan text.
    pub(crate) code_maps: BTreeSet<FileId>,
    pub(crate) resource_type: String,
    /// What `require` and the `.when`s around say is there.
    pub(crate) present: Vec<Present>,
}

/// A table and the columns that are read of it.
#[derive(Debug, Clone)]
pub(crate) struct TableBuild<'c> {
    pub(crate) schema: Option<&'c TableSchema>,
    pub(crate) name: String,
    pub(crate) columns: Vec<PlanColumn>,
}

impl<'c, 's> MapCompiler<'c, '_, 's> {
    pub(crate) fn sink(&mut self) -> &mut Sink<'s> {
        self.resolver.sink
    }

    pub(crate) const fn definitions(&self) -> &'c Definitions {
        self.input.definitions
    }

    /// The place of a span in the plan.
    pub(crate) fn at(&mut self, span: Span) -> At {
        let file = self.files.iter().position(|f| *f == span.file).unwrap_or_else(|| {
            self.files.push(span.file);
            self.files.len() - 1
        });
        At { file: file as u16, line: self.input.sources.line(span) }
    }

    /// Adds a table; a name that the schema does not have is said, and its columns are then not checked.
    pub(crate) fn table(&mut self, name: &Name) -> TableSlot {
        let schema: &'c SystemSchema = self.input.schema;
        let table = schema.table(&name.text);
        if table.is_none() {
            let help = nearest(&name.text, schema.tables.iter().map(|t| t.name.as_str()))
                .map(|n| format!("`{n}` is"))
                .or_else(|| {
                    schema.tables.is_empty().then(|| "the source has no schema: run `epr extract --schema`".into())
                });
            let message = format!("table `{}` is not in the source {}", name.text, self.input.pack);
            self.sink().error("MAP0101", name.span, message).help_if(help);
        }
        self.tables.push(TableBuild { schema: table, name: name.text.clone(), columns: Vec::new() });
        TableSlot(self.tables.len() as u16 - 1)
    }

    /// A column of a row; `None` when the table does not have it, which is said.
    pub(crate) fn column(&mut self, row: RowSlot, column: &str, span: Span) -> Option<(u16, ColumnKind)> {
        let slot = self.rows[usize::from(row.0)].table;
        self.column_of(slot, column, span)
    }

    pub(crate) fn column_of(&mut self, slot: TableSlot, column: &str, span: Span) -> Option<(u16, ColumnKind)> {
        let table = &mut self.tables[usize::from(slot.0)];
        if let Some(at) = table.columns.iter().position(|c| c.name == column) {
            return Some((at as u16, table.columns[at].kind));
        }
        let schema = table.schema?;
        let Some(found) = schema.column(column) else {
            let help = nearest(column, schema.columns.iter().map(|c| c.name.as_str())).map(|n| format!("`{n}` is"));
            let message = format!("column `{column}` is not in table {}", schema.name);
            self.sink().error("MAP0118", span, message).help_if(help);
            return None;
        };
        table.columns.push(PlanColumn { name: found.name.clone(), kind: found.kind });
        Some((table.columns.len() as u16 - 1, found.kind))
    }

    /// Binds a name; one that means something already is refused.
    pub(crate) fn bind(&mut self, name: &Name, binding: Binding) -> bool {
        let main = self.tables.first().and_then(|t| t.schema);
        if let Some((_, Some(first))) = self.names.get(&name.text) {
            let note = self.resolver.sink.note_at("first at", *first);
            let message = format!("`{}` has a meaning already", name.text);
            self.sink()
                .error("MAP0103", name.span, message)
                .note(note)
                .help("take another name: no name hides another");
            return false;
        }
        if main.is_some_and(|t| t.column(&name.text).is_some()) {
            let message = format!("`{}` is also a column of the source table", name.text);
            self.sink().error("MAP0103", name.span, message).help("take another name: no name hides another");
            return false;
        }
        self.names.insert(name.text.clone(), (binding, Some(name.span)));
        true
    }

    /// Adds a name for one row of a table.
    pub(crate) fn row(&mut self, alias: &str, table: TableSlot) -> RowSlot {
        self.rows.push(RowName { alias: alias.to_owned(), table });
        RowSlot(self.rows.len() as u16 - 1)
    }

    /// Adds a list over a table; `row` stands for each of its rows.
    pub(crate) fn list(&mut self, alias: &str, table: TableSlot, row: RowSlot, is_ordered: bool) -> ListSlot {
        self.lists.push(ListName { alias: alias.to_owned(), table });
        self.list_info.push(ListInfo { row, is_ordered });
        ListSlot(self.lists.len() as u16 - 1)
    }

    /// The tables as the plan has them.
    pub(crate) fn plan_tables(&self) -> Vec<PlanTable> {
        let all = |schema: Option<&TableSchema>| {
            let columns = schema.map(|s| s.columns.as_slice()).unwrap_or_default();
            columns.iter().map(|c| PlanColumn { name: c.name.clone(), kind: c.kind }).collect()
        };
        self.tables
            .iter()
            .map(|t| PlanTable { name: t.name.clone(), columns: t.columns.clone(), all_columns: all(t.schema) })
            .collect()
    }
}
