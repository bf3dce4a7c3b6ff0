//! The `tests:` of a mapping file, resolved to slots.

use super::{At, TableSlot};

/// One test: the rows it gives and what must come of them. The first given row of the main table is mapped.
#[derive(Debug, Clone)]
pub struct TestPlan {
    pub name: String,
    /// Rows by table; columns not given are null.
    pub given: Vec<GivenRow>,
    /// With several resources: the `id_part` (or the type) of the one that `expect` looks at; else the first.
    pub of: Option<String>,
    /// A path below the resource (`name[0].family`) and its text: the string, the digits, `true`.
    pub expect: Vec<(String, String, At)>,
    /// Paths at which nothing may be.
    pub expect_absent: Vec<(String, At)>,
    /// Where given: the complete list, in any order.
    pub expect_issue: Option<Vec<ExpectedIssue>>,
    /// The row gives no resource because a policy refused it.
    pub expect_refused: bool,
    /// The row gives no resource because `where` or every `.when` left it out.
    pub expect_none: bool,
    pub at: At,
}

/// One given row.
#[derive(Debug, Clone)]
pub struct GivenRow {
    pub table: TableSlot,
    /// Column index and text; the text is read as the column's staged kind (a date as `yyyy-mm-dd`).
    pub cells: Vec<(u16, String)>,
}

/// `MAP0410@p.DTTM_OF_BIRTH`; without a place any place will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedIssue {
    pub code: String,
    /// `alias.COLUMN`.
    pub column: Option<String>,
    pub at: At,
}
