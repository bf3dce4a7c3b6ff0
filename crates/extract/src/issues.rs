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
pub const SHEET_REFUSED: &str = "EXT0501";
pub const SHEET_ABSENT: &str = "EXT0502";
pub const SHEET_HEADER: &str = "EXT0503";
pub const SHEET_UNLISTED: &str = "EXT0504";
pub const SHEET_HIDDEN: &str = "EXT0505";
pub const SHEET_ERROR_CELL: &str = "EXT0506";
pub const SHEET_LONG_NUMBER: &str = "EXT0507";
pub const SHEET_NO_DATE: &str = "EXT0508";
pub const SHEET_UNCOMPUTED: &str = "EXT0509";
pub const SHEET_AFTER_END: &str = "EXT0510";
pub const SHEET_NO_ROW: &str = "EXT0511";
pub const SHEET_MERGED: &str = "EXT0512";
pub const SHEET_UNNAMED: &str = "EXT0513";
pub const FIXED_LENGTH: &str = "EXT0601";
pub const FIXED_UNKNOWN: &str = "EXT0602";
pub const FIXED_REFUSED: &str = "EXT0603";
pub const FIXED_UNDECODABLE: &str = "EXT0604";
pub const FHIR_REFUSED: &str = "EXT0701";
pub const FHIR_MALFORMED: &str = "EXT0702";
pub const FHIR_OTHER_TYPE: &str = "EXT0703";
pub const FHIR_REPEATED: &str = "EXT0704";
pub const FHIR_ID_TWICE: &str = "EXT0705";
pub const FHIR_NO_ID: &str = "EXT0706";
pub const FHIR_SEVERAL_VALUES: &str = "EXT0707";

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
    IssueDoc {
        code: SHEET_REFUSED,
        severity: Severity::Fatal,
        title: "a workbook cannot be read, and nothing of it was staged",
        explanation: "It is protected by a password, damaged, breaks off, is no workbook at all (web pages and CSV often \
                      go by such names), or declares what cannot be. The place gives the file and the reason; the other \
                      files are staged. Have the file saved anew as xlsx or ods without a password, then run extract \
                      again.",
    },
    IssueDoc {
        code: SHEET_ABSENT,
        severity: Severity::Warning,
        title: "a workbook has no sheet whose name fits",
        explanation: "No sheet of this file matches the pattern under `sheet:`, so it gives the table no rows. If the \
                      file belongs to another table, narrow `files:`; if the sheet was renamed, widen the pattern.",
    },
    IssueDoc {
        code: SHEET_HEADER,
        severity: Severity::Fatal,
        title: "the header of a sheet does not fit, and nothing of the sheet was staged",
        explanation: "The row under `header:` lacks columns of the spec, two of its cells name one column, or no row of \
                      the first thirty has the names to find. The place gives file and sheet, and what is lacking by \
                      the names of the spec. Add the header's wording under `named:`, list the column under `optional:`, \
                      or correct `header:`.",
    },
    IssueDoc {
        code: SHEET_UNLISTED,
        severity: Severity::Warning,
        title: "a sheet has a column that the spec does not list",
        explanation: "What stands below this header is not staged. Raised once a run for each header. List it under \
                      `columns:` to have it, whether a mapping uses it or ignores it with a reason.",
    },
    IssueDoc {
        code: SHEET_HIDDEN,
        severity: Severity::Information,
        title: "hidden sheets, rows or columns were read",
        explanation: "Somebody hid them, perhaps by a filter; they are staged like all others. Raised once for each \
                      sheet that has any. Ask the source's owner whether they are meant to be part of the record.",
    },
    IssueDoc {
        code: SHEET_ERROR_CELL,
        severity: Severity::Error,
        title: "a cell holds an error such as #REF! or #N/A",
        explanation: "Its formula could not be computed when the workbook was saved. The cell is null in the staged \
                      table; the place gives file, sheet and cell. Have it repaired at the source.",
    },
    IssueDoc {
        code: SHEET_LONG_NUMBER,
        severity: Severity::Error,
        title: "a number of more than fifteen digits, which a spreadsheet does not keep",
        explanation: "Spreadsheets keep fifteen digits and put zeros for the others, without a word: a SNOMED CT id or a \
                      pathway identifier typed as a number is no longer what was typed. The digits are staged as they \
                      stand. Have the column typed as text at the source; what was lost cannot be recovered from here.",
    },
    IssueDoc {
        code: SHEET_NO_DATE,
        severity: Severity::Error,
        title: "a cell is shown as a date that is none",
        explanation: "Its number is no day of the calendar: below the first day, beyond the year 9999, or 60, which \
                      Excel shows as 29 February 1900, a day that never was. The cell is null in the staged table; the \
                      number stands in `<table>.aside.parquet`.",
    },
    IssueDoc {
        code: SHEET_UNCOMPUTED,
        severity: Severity::Error,
        title: "a formula has no stored value",
        explanation: "The workbook was written by a program that does not compute. The cell is null in the staged table. \
                      Open the workbook in a spreadsheet program, save it, and run extract again.",
    },
    IssueDoc {
        code: SHEET_AFTER_END,
        severity: Severity::Error,
        title: "rows that look like data stand below the end of a table",
        explanation: "The condition under `until:` ended the table, and rows for which it does not hold come after. They \
                      are not staged; their cells stand in `<table>.aside.parquet`. Raised once for each sheet, with the \
                      first row and their number. See whether the condition fits, or whether a second table begins there.",
    },
    IssueDoc {
        code: SHEET_NO_ROW,
        severity: Severity::Information,
        title: "lines of a sheet are no rows of its table",
        explanation: "Totals and notes below its end, headers that are repeated further down, lines with nothing in any \
                      listed column. Raised once for each sheet, with their numbers. They are not staged.",
    },
    IssueDoc {
        code: SHEET_MERGED,
        severity: Severity::Warning,
        title: "cells are merged over several rows of a table",
        explanation: "Only the first of the rows has the value; in the others the column is null, and nothing is filled \
                      in by guessing. Raised once for each sheet, with their number and the first. Have them split at the \
                      source where each row should have the value.",
    },
    IssueDoc {
        code: SHEET_UNNAMED,
        severity: Severity::Warning,
        title: "cells stand in a column without a header",
        explanation: "They are not staged; they stand in `<table>.aside.parquet`, by row and column letter. Raised once \
                      for each such column of a sheet. A header that is merged over several columns makes such columns.",
    },
    IssueDoc {
        code: FIXED_LENGTH,
        severity: Severity::Error,
        title: "a line is longer or shorter than its record",
        explanation: "Where one character is missing, every column after it is wrong, so the line is not staged: it \
                      stands whole in `<table>.aside.parquet`, by file and line. Write `length: any` if lines of this \
                      file may end early.",
    },
    IssueDoc {
        code: FIXED_UNKNOWN,
        severity: Severity::Error,
        title: "a line is no record of any table",
        explanation: "It begins with none of the texts under `record:`, `skip:` and `trailer:`. It is not staged: it \
                      stands whole in `<table>.aside.parquet`, by file and line. Add a table for it, or `skip:` it.",
    },
    IssueDoc {
        code: FIXED_REFUSED,
        severity: Severity::Fatal,
        title: "a fixed-width file is not whole, and nothing of it was staged",
        explanation: "The trailer is missing, counts other than what is there, or stands before records; or the file \
                      holds NUL bytes or a line of more than 64 MB. The place gives file and line. Have the file sent \
                      again, then run extract again.",
    },
    IssueDoc {
        code: FIXED_UNDECODABLE,
        severity: Severity::Error,
        title: "the bytes of a line are not text in the declared encoding",
        explanation: "Where characters cannot be counted, columns cannot be told apart, so the line is not staged: its \
                      bytes stand in `<table>.aside.parquet`, by file and line. Set `encoding` in the source spec, or \
                      have the line corrected at the source.",
    },
    IssueDoc {
        code: FHIR_REFUSED,
        severity: Severity::Fatal,
        title: "a file of resources is not whole, and nothing of it was staged",
        explanation: "It breaks off inside a resource or inside its compression, or holds a line of more than 64 MB. The \
                      place gives the file and the reason; the other files are staged. Have the file sent again, then \
                      run extract again.",
    },
    IssueDoc {
        code: FHIR_MALFORMED,
        severity: Severity::Error,
        title: "a line or an entry is no FHIR resource",
        explanation: "It is not JSON, or no object with a resourceType. It is not staged: it stands whole in \
                      `<table>.aside.parquet`, by file and line.",
    },
    IssueDoc {
        code: FHIR_OTHER_TYPE,
        severity: Severity::Error,
        title: "resources of a type that no table takes",
        explanation: "They are not staged. Raised once for each type in each file, with their number. Add a table for the \
                      type to the source spec, with a mapping or a reason to ignore it.",
    },
    IssueDoc {
        code: FHIR_REPEATED,
        severity: Severity::Information,
        title: "the same resource stands in the export more than once",
        explanation: "Same type, id and bytes: it is staged once.",
    },
    IssueDoc {
        code: FHIR_ID_TWICE,
        severity: Severity::Error,
        title: "two different resources have one type and id",
        explanation: "Versions of one resource, or two exports in one folder. All are staged, so that nothing is chosen \
                      by chance: a mapping that takes the latest of each id decides, and one that does not refuses them. \
                      Raised for each but the first.",
    },
    IssueDoc {
        code: FHIR_NO_ID,
        severity: Severity::Error,
        title: "a resource has no id",
        explanation: "It is staged with a null key, so a mapping refuses it by name. Nothing can refer to it.",
    },
    IssueDoc {
        code: FHIR_SEVERAL_VALUES,
        severity: Severity::Warning,
        title: "a path gives several values where a column holds one",
        explanation: "The first was taken; all of them are still in the column `resource`. Write `[0]` or `[name=text]` \
                      in the path to say which is meant. Raised once a table for each column, with the number of rows.",
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
