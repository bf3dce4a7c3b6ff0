//! Source specs: how a system is read, as its author wrote it and as the program understands it.
//!
//! | what you want to find | where |
//! |---|---|
//! | the types of a spec | here |
//! | the keys, and every fault at once | [`read`] |
//! | where a table of a workbook ends | [`until`] |
//! | values inside a FHIR resource | [`element_path`] |
//! | faults with line, column and help | [`fault`] |
//! | the schema that a spec gives | [`schema`] |

pub mod element_path;
pub mod fault;
pub mod read;
pub mod schema;
pub mod until;

use std::collections::BTreeMap;

use encoding_rs::Encoding;
use epr_model::schema::ColumnKind;

use self::element_path::ElementPath;
use self::until::Until;
use crate::controls::ControlSpec;
use crate::xml::path::{ColumnPath, ElementsPath, RecordPath};

pub use fault::{SpecFault, SpecFaults};
pub use read::parse;

/// A source spec, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct SystemSpec {
    pub tables: Vec<TableSpec>,
    /// What the source itself counts.
    pub controls: Vec<ControlSpec>,
}

/// One table of a source, without the child tables that it gives.
#[derive(Debug, Clone, PartialEq)]
pub struct TableSpec {
    pub name: String,
    pub from: From,
    pub key: KeySpec,
    pub trim: Trim,
    /// What columns hold, by the author's word: `identifier`, `document`, `none` …
    pub classes: BTreeMap<String, String>,
    /// The whole table may be absent.
    pub optional: bool,
    pub optional_columns: Vec<String>,
    /// Kinds that the author decides, over what the source says.
    pub kinds: BTreeMap<String, ColumnKind>,
    /// The column that tells what changed since; recorded for the day on which extract reads deltas.
    pub watermark: Option<String>,
}

/// What makes a row itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySpec {
    Row,
    Columns(Vec<String>),
}

/// Which blanks are padding and not data. Applied to text when it is staged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trim {
    None,
    /// Spaces at the end, as `char(n)` columns have them.
    Right,
    Both,
}

/// Where a table's rows come from.
#[derive(Debug, Clone, PartialEq)]
pub enum From {
    Database(DatabaseTable),
    Xml(XmlTable),
    Csv(CsvTable),
    Sheet(SheetTable),
    Fixed(FixedTable),
    Fhir(FhirTable),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseTable {
    pub query: Query,
    /// `None`: all that the source has.
    pub columns: Option<Vec<NamedColumn>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// A table or view, perhaps `schema.table`.
    Table(String),
    Sql(String),
}

/// A staged column and what it is called in the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedColumn {
    pub name: String,
    pub source: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct XmlTable {
    /// A pattern for file names.
    pub files: String,
    pub record: RecordPath,
    pub columns: Vec<PathColumn>,
    pub children: Vec<ChildSpec>,
}

/// A column whose value is found by a path.
#[derive(Debug, Clone, PartialEq)]
pub struct PathColumn {
    pub name: String,
    pub path: ColumnPath,
}

/// A child table: one row for each element that `each` gives inside a record.
///
/// Its key is `_parent` (the record's key) and the ordinals from 1 on the way to it: `_ord`, and for a child of a
/// child `_ord_1` (the ordinal of its parent) before it.
#[derive(Debug, Clone, PartialEq)]
pub struct ChildSpec {
    pub name: String,
    pub each: ElementsPath,
    pub columns: Vec<PathColumn>,
    pub classes: BTreeMap<String, String>,
    pub kinds: BTreeMap<String, ColumnKind>,
    pub children: Vec<ChildSpec>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct CsvTable {
    /// A pattern for file names.
    pub files: String,
    pub delimiter: u8,
    /// `None`: by byte order mark, else UTF-8.
    pub encoding: Option<&'static Encoding>,
    /// The line of the header, from 1; `None`: the file has none and `columns` are the cells in order.
    pub header_row: Option<u64>,
    pub columns: Option<Vec<NamedColumn>>,
    pub empty: EmptyCell,
}

/// What an empty cell of a CSV file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmptyCell {
    Null,
    Text,
}

/// A table that stands on sheets of workbooks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SheetTable {
    /// A pattern for the names of sheets, whatever their case.
    pub sheets: String,
    /// Patterns for file names, whatever their case.
    pub files: Vec<String>,
    pub header: SheetHeader,
    pub columns: Vec<SheetColumn>,
    /// Where the table ends before its sheet does.
    pub until: Option<Until>,
    /// Where a row came from, as columns before the others.
    pub place: Vec<PlaceColumn>,
}

/// Where the names of the columns stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SheetHeader {
    /// In so many rows from this one, counted from 1 as the sheet shows it.
    Rows { first: u32, n_rows: u32 },
    /// In the first row that has all these names.
    Find(Vec<String>),
    /// Nowhere: the columns are those of the sheet, from A.
    None,
}

/// A column of a sheet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SheetColumn {
    pub name: String,
    /// What its header may say; case, spaces at the ends and repeated spaces do not count.
    pub named: Vec<String>,
    /// A whole number gets zeros before it until it has so many digits.
    pub pad: Option<usize>,
    pub dates: CellDates,
}

/// What a cell that Excel shows as a date is as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellDates {
    /// `yyyy-mm-dd`, and `yyyy-mm-ddTHH:MM:SS` where it has a time.
    Iso,
    /// `yyyy-mm-ddTHH:MM:SS`, midnight too.
    IsoTime,
}

/// A column that says where a row stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaceColumn {
    /// `_file`: the file's name.
    File,
    /// `_sheet`: the sheet's name.
    Sheet,
    /// `_row`: the row's number as the sheet shows it.
    Row,
}

/// A table whose records are lines with each column at its place.
#[derive(Debug, Clone, PartialEq)]
pub struct FixedTable {
    /// A pattern for file names.
    pub files: String,
    /// `None`: by byte order mark, else UTF-8.
    pub encoding: Option<&'static Encoding>,
    /// The characters of a line, line end apart; `None`: any.
    pub length: Option<usize>,
    /// What the table's lines begin with, where the file holds other records too.
    pub record: Option<String>,
    /// What the lines of the other tables of the same files begin with.
    pub others: Vec<String>,
    /// The first table of its files tells of lines that belong to none.
    pub tells_unknown: bool,
    /// What lines that are no record begin with: headers, comments.
    pub skip: Vec<String>,
    pub trailer: Option<Trailer>,
    pub columns: Vec<FixedColumn>,
    pub empty: EmptyCell,
}

/// Characters of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Characters before it.
    pub start: usize,
    pub width: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FixedColumn {
    pub name: String,
    pub place: Place,
}

/// The line that ends a file and proves that it is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trailer {
    pub starts_with: String,
    pub count: Option<Place>,
    pub counts: Counted,
}

/// What the number in a trailer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Lines that are records, of whatever table.
    Records,
    /// All lines, trailer and skipped ones too.
    Lines,
}

/// A table of FHIR resources of one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FhirTable {
    pub resource_type: String,
    /// Patterns for file names, whatever their case.
    pub files: Vec<String>,
    /// Columns besides `id` and `resource`.
    pub columns: Vec<ElementColumn>,
}

/// A column whose value is found inside a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElementColumn {
    pub name: String,
    pub path: ElementPath,
}

impl PlaceColumn {
    pub const ALL: [Self; 3] = [Self::File, Self::Sheet, Self::Row];

    /// The staged column.
    pub const fn name(self) -> &'static str {
        match self {
            Self::File => "_file",
            Self::Sheet => "_sheet",
            Self::Row => "_row",
        }
    }
}

impl Trim {
    pub fn apply(self, text: &str) -> &str {
        match self {
            Self::None => text,
            Self::Right => text.trim_end_matches(' '),
            Self::Both => text.trim_matches(' '),
        }
    }
}

impl TableSpec {
    /// How the spec writes the name of a column that the source has under this name, perhaps in another case.
    pub fn spelling(&self, source: &str) -> Option<&str> {
        let mut names = self.named_columns().into_iter();
        names.find(|n| n.eq_ignore_ascii_case(source))
    }

    /// The columns that the spec itself speaks of, each once: key, optional, class, kinds, watermark.
    pub fn named_columns(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        let keys: &[String] = match &self.key {
            KeySpec::Columns(keys) => keys,
            KeySpec::Row => &[],
        };
        let spoken_of = keys
            .iter()
            .chain(&self.optional_columns)
            .chain(self.classes.keys())
            .chain(self.kinds.keys())
            .chain(&self.watermark);
        for name in spoken_of {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        names
    }

    /// Whether a column may be absent.
    pub fn is_optional(&self, column: &str) -> bool {
        self.optional_columns.iter().any(|c| c == column)
    }
}
