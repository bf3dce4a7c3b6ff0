//! Workbooks: sheets to rows.

pub mod header;
