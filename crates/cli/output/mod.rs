//! What commands print on stdout: which formats a command offers, one writer a format.
//!
//! | what you want to find | module |
//! |---|---|
//! | which command offers which format | [`offer`] |
//! | stdout and stderr, and a reader that went away | [`stream`] |
//! | a finding, whatever command made it | [`finding`] |
//! | the results of `epr validate` on files, in each format | [`resources`] |
//! | CSV | [`csv`] |
//! | JUnit, for the test pages of CI servers | [`junit`] |
//! | SARIF of FHIR files, for code-scanning pages and editors | [`sarif`] |
//!
//! JSON and NDJSON need no module: the types themselves say how they are written.

pub(crate) mod csv;
pub(crate) mod finding;
pub(crate) mod junit;
pub(crate) mod offer;
pub(crate) mod resources;
pub(crate) mod sarif;
pub(crate) mod stream;

pub(crate) use stream::{note, say, say_json};
