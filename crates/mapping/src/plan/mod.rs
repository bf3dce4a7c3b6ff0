//! The compiled form of a mapping: what `lower` writes and `apply` runs.
//!
//! Everything that has a name in a mapping file has a number here: tables, rows, lists, columns, `let`s and
//! reference targets are indices, literals are bytes ready for the output, and every policy is decided. So the
//! row loop looks up no name and parses no text but the data's own.
//!
//! How the numbers hang together, for one [`MapPlan`]:
//!
//! - `tables[i]` is a staged table and the columns of it that the map reads; `tables[0]` is the map's own.
//! - `rows[i]` ([`RowSlot`]) is a name that stands for one row at a time: `rows[0]` is the row being mapped (of a
//!   group, its first), then look-ups that take one, `.each` aliases and the row of a [`Expr::ListMap`].
//! - `lists[i]` ([`ListSlot`]) is a name that stands for several rows: look-ups that take many, and `$rows`.
//! - `lets[i]` is evaluated once a row, in order; a `let` may use those before it.
//! - `captures` are the elements that an `assert` reads: the emitter puts each first value there.
//!
//! | what you want to find | module |
//! |---|---|
//! | expressions, literals, types | [`expr`] |
//! | elements: what is written, in which shape, under which policy | [`emit`] |
//! | code maps | [`codes`] |
//! | resources that the source holds whole | [`keep`] |
//! | tests of a mapping file | [`tests_block`] |

pub mod codes;
pub mod emit;
pub mod expr;
pub mod keep;
pub mod tests_block;

use std::sync::Arc;

use epr_model::Domain;
use epr_model::schema::ColumnKind;

pub use codes::{CodeMapPlan, CodeMapRow, CodingLiteral, Equivalence};
pub use emit::{Each, EmitKind, EmitNode, FhirPrimitive, LeftOut, Member, Policy, PolicyAt, Shape, ValueNode};
pub use expr::{Call, ColumnRef, CompareOp, Expr, Literal, RefExpr, Type};
pub use keep::{KeepPlan, KeepShape, ShapeMember, ShapeNode};
pub use tests_block::{ExpectedIssue, GivenRow, TestPlan};

/// The number of a table in [`MapPlan::tables`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableSlot(pub u16);

/// The number of a row name in [`MapPlan::rows`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowSlot(pub u16);

/// The number of a list name in [`MapPlan::lists`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListSlot(pub u16);

/// The number of a `let` in [`MapPlan::lets`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LetSlot(pub u16);

/// The number of a reference target in [`MapPlan::ref_targets`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RefTargetSlot(pub u16);

/// The number of a captured element of one resource; see [`ResourcePlan::n_captures`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CaptureSlot(pub u16);

impl RowSlot {
    /// The row being mapped; of a group, its first.
    pub const MAIN: Self = Self(0);
}

impl TableSlot {
    /// The map's own table.
    pub const MAIN: Self = Self(0);
}

/// A place in a mapping file: `file` counts in [`MapPlan::files`], `line` from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct At {
    pub file: u16,
    pub line: u32,
}

impl At {
    pub const fn new(file: u16, line: u32) -> Self {
        Self { file, line }
    }
}

/// All maps of one source system, compiled.
#[derive(Debug, Clone)]
pub struct MappingPlan {
    /// `<ods>/<system>`, in lower case as the folders are named.
    pub pack: String,
    /// The organisation as ids, issues and ledgers name it (the ODS code as `epr.toml` gives it).
    pub organisation: String,
    /// The system likewise.
    pub system: String,
    /// In the order of their names.
    pub maps: Vec<MapPlan>,
    /// SHA-256 (hex) over the resolved plan text: base, overrides, fragments, code maps, source spec.
    pub plan_hash: String,
}

/// One map, compiled.
#[derive(Debug, Clone)]
pub struct MapPlan {
    /// `<ods>/<system>/<map>`.
    pub name: String,
    /// The files that took part (the map first, then bases and fragments), below `mappings/`.
    pub files: Vec<String>,
    pub domain: Domain,
    /// Who answers for it: `safety.owner`.
    pub owner: Option<String>,
    /// `tables[0]` is the map's own.
    pub tables: Vec<PlanTable>,
    pub rows: Vec<RowName>,
    pub lists: Vec<ListName>,
    pub key: KeyPlan,
    /// Look-ups, in an order in which each uses only rows that stand before it.
    pub lookups: Vec<LookupPlan>,
    pub lets: Vec<LetPlan>,
    /// May use columns of the main row and `let`s that use only these. Null refuses the row.
    pub where_: Option<Predicate>,
    pub require: Vec<RequirePlan>,
    pub group: Option<GroupPlan>,
    pub latest: Option<LatestPlan>,
    pub resources: Vec<ResourcePlan>,
    pub measures: Vec<MeasurePlan>,
    pub ref_targets: Vec<RefTarget>,
    /// SHA-256 (hex) of this map's resolved text, for `approvals.csv`.
    pub plan_hash: String,
    pub tests: Vec<TestPlan>,
    pub at: At,
}

/// A staged table and the columns that the map reads.
///
/// With [`KeyPlan::Row`] the main table has all its columns, in the schema's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanTable {
    /// The name of the staged table. It belongs to the plan's system unless `pack` says otherwise.
    pub name: String,
    pub columns: Vec<PlanColumn>,
    /// All columns of the staged table in the schema's order: two rows of one key are compared over these.
    pub all_columns: Vec<PlanColumn>,
}

/// A column of a [`PlanTable`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanColumn {
    pub name: String,
    pub kind: ColumnKind,
}

/// A name for one row at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowName {
    /// As the file writes it, without `$`; issues and tests name a column `alias.COLUMN`.
    pub alias: String,
    pub table: TableSlot,
}

/// A name for several rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListName {
    pub alias: String,
    pub table: TableSlot,
}

/// What makes a row of the map's table itself, for ids and for the search of doubles.
#[derive(Debug, Clone)]
pub enum KeyPlan {
    /// Indices into the main table's columns. A null refuses the row.
    Columns(Vec<u16>),
    /// `key: row`: all columns (nulls allowed) and an ordinal among equal rows.
    Row,
    /// Under `group` and `latest`: their `by`. A null refuses the row.
    By(Vec<Expr>),
}

/// A condition and where it stands.
#[derive(Debug, Clone)]
pub struct Predicate {
    pub that: Expr,
    pub at: At,
}

/// One `lookup` or `join`.
#[derive(Debug, Clone)]
pub struct LookupPlan {
    pub alias: String,
    pub table: TableSlot,
    /// `theirs == ours` for each pair; a null on either side matches nothing. Texts and whole numbers compare by
    /// their text. Never empty.
    pub pairs: Vec<JoinPair>,
    /// What of `match` is no such pair: evaluated with `row` bound to the candidate.
    pub residual: Option<Expr>,
    /// The row slot of the alias: bound to the match (`one`, `optional`), and to the candidate while `residual`
    /// and `order` are evaluated (every `takes`).
    pub row: RowSlot,
    pub takes: Takes,
    /// `join:`, which may spill.
    pub may_spill: bool,
    pub at: At,
}

/// One equality of a `match`.
#[derive(Debug, Clone)]
pub struct JoinPair {
    /// A column of the look-up's table.
    pub theirs: u16,
    /// An expression over the main row and the rows of look-ups before this one.
    pub ours: Expr,
}

/// How many rows a look-up may give to one row.
#[derive(Debug, Clone)]
pub enum Takes {
    /// Exactly one; none or several is an issue and refuses the row.
    One,
    /// None or one; several is an issue and refuses the row.
    Optional,
    /// Any number, in the order of `order` (then of the table); `list` is its slot.
    Many { list: ListSlot, order: Vec<OrderKey> },
}

/// One key of an order. Nulls come last; equal keys keep the order of the table.
#[derive(Debug, Clone)]
pub struct OrderKey {
    pub by: Expr,
    pub descending: bool,
}

/// One `let`.
#[derive(Debug, Clone)]
pub struct LetPlan {
    pub name: String,
    pub value: Expr,
    pub ty: Type,
    pub at: At,
}

/// One `require`.
#[derive(Debug, Clone)]
pub struct RequirePlan {
    pub that: Expr,
    /// A hazard id or an issue code of the file's own; else the program's code.
    pub hazard: Option<String>,
    pub at: At,
}

/// `group:` several rows, one resource.
#[derive(Debug, Clone)]
pub struct GroupPlan {
    /// The same as [`KeyPlan::By`].
    pub by: Vec<Expr>,
    /// The order of the rows of a group; then their order in the table.
    pub order: Vec<OrderKey>,
    /// The slot of `$rows`.
    pub rows: ListSlot,
    /// Columns of the main table that must be equal over the group.
    pub agree: Vec<u16>,
    /// What happens where they are not.
    pub otherwise: GroupElse,
    pub at: At,
}

/// What becomes of a group whose rows do not agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupElse {
    /// All rows of the group are refused.
    RefuseRow,
    /// The first row's values go on, with an issue.
    Issue,
}

/// `latest:` the row with the greatest `max` of each `by`; the others are superseded.
#[derive(Debug, Clone)]
pub struct LatestPlan {
    pub by: Vec<Expr>,
    /// Compared one after the other. A row whose first key is null loses to every other row. Two different rows
    /// with equal greatest keys are both refused.
    pub max: Vec<Expr>,
    pub at: At,
}

/// One resource that a row gives.
#[derive(Debug, Clone)]
pub struct ResourcePlan {
    pub resource_type: String,
    /// Empty unless several resources of one type come from one row.
    pub id_part: String,
    /// Null counts as false.
    pub when: Option<Expr>,
    /// One resource for each row of a list.
    pub each: Option<ResourceEach>,
    /// The members after `resourceType` and `id`, in the order in which they are written.
    pub emit: Vec<Member>,
    /// The source holds the resource whole; `emit` is laid over it.
    pub keep: Option<KeepPlan>,
    pub asserts: Vec<AssertPlan>,
    /// How many elements the asserts read.
    pub n_captures: u16,
    pub at: At,
}

/// `.each` at the head of a resource.
#[derive(Debug, Clone)]
pub struct ResourceEach {
    pub each: Each,
    /// What tells the resources of one row apart, beside the row's key: columns of the list's table. Empty: the
    /// position in the list, from 1.
    pub key: Vec<u16>,
}

/// One `assert`, over the resource just built.
#[derive(Debug, Clone)]
pub struct AssertPlan {
    pub that: Expr,
    pub otherwise: AssertElse,
    pub hazard: Option<String>,
    pub at: At,
}

/// What happens where an assertion is false. (Null: it is *not checked*, with an issue of its own.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssertElse {
    Issue,
    RefuseResource,
    RefuseRow,
}

/// One `measure`, kept as text in `rows.parquet`.
#[derive(Debug, Clone)]
pub struct MeasurePlan {
    /// One of the closed list of `docs/language.md`.
    pub name: String,
    pub value: Expr,
    pub ty: Type,
    pub at: At,
}

/// A map's resource as others refer to it: the fields of its ids but for the key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RefTarget {
    pub resource_type: Arc<str>,
    pub organisation: String,
    pub system: String,
    /// The table of the target map.
    pub table: String,
    pub id_part: String,
}

impl MapPlan {
    /// The map's own table.
    pub fn main_table(&self) -> &PlanTable {
        &self.tables[0]
    }

    /// The table behind a row slot.
    pub fn table_of_row(&self, row: RowSlot) -> &PlanTable {
        &self.tables[usize::from(self.rows[usize::from(row.0)].table.0)]
    }

    /// A column as issues name it: its alias and its name.
    pub fn column_name(&self, column: ColumnRef) -> (&str, &str) {
        let table = self.table_of_row(column.row);
        (&self.rows[usize::from(column.row.0)].alias, &table.columns[usize::from(column.column)].name)
    }

    /// The same for a cell of a row or a list.
    pub fn cell_name(&self, cell: crate::apply::CellName) -> (&str, &str) {
        match cell {
            crate::apply::CellName::OfRow(column) => self.column_name(column),
            crate::apply::CellName::OfList(list, column) => {
                let list = &self.lists[usize::from(list.0)];
                (&list.alias, &self.tables[usize::from(list.table.0)].columns[usize::from(column)].name)
            }
        }
    }

    /// The file of a place.
    pub fn file(&self, at: At) -> &str {
        self.files.get(usize::from(at.file)).map_or("", String::as_str)
    }
}
