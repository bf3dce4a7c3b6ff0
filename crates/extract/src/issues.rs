//! The issue codes of extract, and what `epr explain` shows for each.

use epr_model::{IssueDoc, Severity};

pub const COLUMN_ABSENT: &str = "EXT0101";
pub const TABLE_ABSENT: &str = "EXT0102";
pub const VALUE_UNFIT: &str = "EXT0201";
pub const BYTES_UNDECODABLE: &str = "EXT0202";
pub const CELL_TOO_LARGE: &str = "EXT0203";
pub const XML_REFUSED: &str = "EXT0301";
pub const XML_SEVERAL_VALUES: &str = "EXT0302";
pub const XML_NO_RECORD: &str = "EXT0303";
pub const CSV_SHORT_ROW: &str = "EXT0401";
pub const CSV_LONG_ROW: &str = "EXT0402";
pub const CSV_REFUSED: &str = "EXT0403";

/// Every code that this crate can raise, sorted.
pub const ISSUES: &[IssueDoc] = &[
    IssueDoc {
        code: COLUMN_ABSENT,
        severity: Severity::Information,
        title: "an optional column is absent in this source",
        explanation: "The source spec lists the column as optional, and this source does not have it: it is null in \
                      every row. Raised once a run for each such column. Nothing to do, unless the column was expected.",
    },
    IssueDoc {
        code: TABLE_ABSENT,
        severity: Severity::Information,
        title: "an optional table is absent in this source",
        explanation: "The source spec says that the whole table may be absent, and it is: it is staged without rows. \
                      Raised once a run for each such table. Nothing to do, unless the table was expected.",
    },
    IssueDoc {
        code: VALUE_UNFIT,
        severity: Severity::Error,
        title: "a value does not fit the kind of its column",
        explanation: "For example letters in a column that is declared INTEGER, as SQLite allows, or a number with more \
                      digits than a 64-bit integer holds. The cell is null in the staged table; the value itself stands \
                      in `<table>.aside.parquet` beside the table's folder, by row and column. To have the whole column \
                      as text, write `kinds: { COLUMN: text }` for the table in the source spec.",
    },
    IssueDoc {
        code: BYTES_UNDECODABLE,
        severity: Severity::Error,
        title: "the bytes of a cell are not text in the declared encoding",
        explanation: "The cell is null in the staged table; its bytes stand in `<table>.aside.parquet` beside the table's \
                      folder, by row and column. Set `encoding` for the table in the source spec, or have the cell \
                      corrected at the source.",
    },
    IssueDoc {
        code: CELL_TOO_LARGE,
        severity: Severity::Error,
        title: "a cell over 1 MiB stands in a column that is not declared a document",
        explanation: "The cell is null in the staged table; its content is in `1-extract/blobs/`, named by its SHA-256, \
                      which `<table>.aside.parquet` gives by row and column. If the column holds documents, write \
                      `class: { COLUMN: document }`: it is then staged as references to blobs.",
    },
    IssueDoc {
        code: XML_REFUSED,
        severity: Severity::Fatal,
        title: "an XML file is not whole or not well-formed, and nothing of it was staged",
        explanation: "A file that breaks off, has two roots, text after its root, an undeclared prefix or entity, a \
                      document type, or bytes outside its encoding may lack records without a trace; one with a \
                      record, tag or text of more than 64 MB is refused like them. None of its records is staged; the \
                      other files are. The place gives file, line and column. Have the file sent again, then run \
                      extract again.",
    },
    IssueDoc {
        code: XML_SEVERAL_VALUES,
        severity: Severity::Warning,
        title: "a path gives several values where a column holds one",
        explanation: "The first in document order was taken; the others are not staged under this column. Write a child \
                      table (`children:`) to have them all, or `[1]` or another predicate in the path to say that this \
                      one is meant.",
    },
    IssueDoc {
        code: XML_NO_RECORD,
        severity: Severity::Warning,
        title: "an XML file holds no record",
        explanation: "The file is well-formed, but the path under `record:` matches nothing in it. See whether the path \
                      and the namespaces under `ns:` fit this kind of file.",
    },
    IssueDoc {
        code: CSV_SHORT_ROW,
        severity: Severity::Error,
        title: "a row of a CSV file has fewer cells than its header",
        explanation: "The missing cells are null and the row is staged. A line break inside an unquoted cell makes such \
                      rows: two short rows one after the other are a sign of it.",
    },
    IssueDoc {
        code: CSV_LONG_ROW,
        severity: Severity::Error,
        title: "a row of a CSV file has more cells than its header",
        explanation: "The row is staged with the cells that have a column; the others stand in `<table>.aside.parquet`, \
                      by row and place. An unquoted delimiter inside a cell makes such rows, and then every cell after \
                      it is in the wrong column: look at the row before trusting it.",
    },
    IssueDoc {
        code: CSV_REFUSED,
        severity: Severity::Fatal,
        title: "a CSV file is not whole, and nothing of it was staged",
        explanation: "A quoted cell that never ends, text after a closing quote, a NUL byte, or a header that names a \
                      column twice or not at all: where rows begin and end, or what they hold, is then a guess. So it \
                      is with a row of more than 64 MB, which a lost quote makes. The place gives file and line. Have \
                      the file sent again, then run extract again.",
    },
];

/// The documented severity of a code.
pub(crate) fn severity(code: &str) -> Severity {
    ISSUES.iter().find(|doc| doc.code == code).expect("every code of this module is documented").severity
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_sorted() {
        assert!(ISSUES.windows(2).all(|pair| pair[0].code < pair[1].code));
    }
}
