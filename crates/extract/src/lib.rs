//! Stage 1: legacy sources to staged tables.
//!
//! In: source specs (`sources/<ods>/<system>.yaml`) and what they describe: a database over ODBC, XML, CSV and fixed-width files,
//! workbooks, FHIR exports.
//! Out: `1-extract/`: one Parquet table a source table, with the issues found on the way and a manifest.
//! Never here: what a row means. Nothing is mapped, joined or filtered but by the SQL that the spec itself gives;
//! and no value is lost: what does not fit its column is kept aside, with an issue.
//!
//! | what you want to find | module |
//! |---|---|
//! | run the stage; write the schema file | [`stage`] |
//! | what a source is, as the project gives it | [`source`] |
//! | source specs: keys, faults, the schema that follows from them | [`spec`] |
//! | databases: drivers, connections, one strategy a kind of cursor | [`odbc`] |
//! | XML: well-formedness, records, paths | [`xml`] |
//! | CSV: wholeness, ragged rows | [`delimited`] |
//! | what a source itself counts, whatever a mapping makes of it | [`controls`] |
//! | text to typed values, strictly | [`convert`] |
//! | workbooks: xlsx, xls, xlsb, ods | [`sheet`] |
//! | fixed-width files | [`fixed`] |
//! | FHIR exports | [`fhir`] |
//! | bytes to text | [`decode`] |
//! | files read twice and never held whole | [`stream`] |
//! | rows to Parquet; what did not fit; large cells | [`staging`], [`aside`], [`blobs`] |
//! | files of a source, in one order | [`files`] |
//! | issue codes and their pages | [`issues`] |
//! | why a stage could not go on | [`error`] |

pub mod aside;
pub mod blobs;
pub mod controls;
pub mod convert;
pub mod decode;
pub mod delimited;
pub mod error;
pub mod fhir;
pub mod files;
pub mod fixed;
pub mod issues;
pub mod odbc;
pub mod sheet;
pub mod source;
pub mod spec;
pub mod stage;
pub mod staging;
pub mod stream;
pub mod xml;

pub use error::ExtractError;
pub use issues::ISSUES;
pub use source::{ExtractInput, Source, SourceKind};
pub use stage::{check_against, read_schema, run, schema, schema_from_spec, write_schema};
