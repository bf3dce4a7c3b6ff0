//! Mapping files to plans, staged tables to resources.
//!
//! In: mapping files, fragments and code maps, source schemas and FHIR definitions; then staged tables. Out: every
//! mistake in the files before the first row is read, and a plan; then resources, issues and ledgers.
//! Never here: a clock, a random number, a network, a path or an SQL text in a mapping; `apply` does no I/O at all.
//!
//! | what you want to find | module |
//! |---|---|
//! | read the mappings folder | [`pack`] |
//! | a file to a tree with places | [`syntax`] |
//! | bases, changes by label, fragments put in place | `resolve` |
//! | names, types, elements, code maps: everything that can be proved before data | [`check`] |
//! | code maps as files | [`code_map`] |
//! | what a finding looks like, with a caret | [`diagnostics`] |
//! | the findings as SARIF | [`sarif`] |
//! | the compiled form | [`plan`] |
//! | the functions of the language | [`functions`] |
//! | look-ups, groups, doubles of a key | [`join`] |
//! | rows to resources | [`apply`] |
//! | the stage: from 1-extract to 2-map | [`stage`] |
//! | where an element comes from | [`explain`] |
//! | the tests of mapping files | [`testing`] |
//! | what differs between two versions of the mappings | [`difference`] |
//! | what the findings about files mean | [`diagnostic_codes`] |
//! | the codes that this crate raises about data | [`issues`] |

pub mod apply;
pub mod check;
pub mod code_map;
pub mod diagnostic_codes;
pub mod diagnostics;
pub mod difference;
pub mod explain;
pub mod functions;
pub mod issues;
pub mod join;
mod lower;
mod output;
pub mod pack;
pub mod plan;
mod resolve;
pub mod sarif;
pub mod stage;
pub mod syntax;
pub mod testing;

pub use check::{CompileInput, Compiled, OtherPack, compile};
pub use diagnostics::{Colour, Diagnostic, Sources};
pub use pack::{LoadError, load_pack};
