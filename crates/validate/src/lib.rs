//! Resources to issues, holds and the honesty ledger.
//!
//! In: the linked set of a run (`3-link`), or anybody's FHIR files; R4 definitions and profiles.
//! Out: findings with a place and a shape, holds with their root cause, and a ledger of what was checked, what was not,
//! and why. Never here: a change to a resource, a value of a patient's data in a message, a clock, the network.
//!
//! | what you want to find | module |
//! |---|---|
//! | definitions to a checking program | [`compile`], [`program`] |
//! | profiles to programs; what tells slices apart | `profile`, `discriminator` |
//! | one resource to findings and facts (pure) | [`check`](mod@check) |
//! | questionnaires and their responses | `check::questionnaire` |
//! | what a primitive, and a narrative may look like | [`primitive`]; `epr_fhir::narrative` |
//! | hazard rules, one file each | [`rules`] |
//! | the stage of a run: issues, holds, ledgers | [`stage`] |
//! | `epr validate` on files, its machine format | [`files`], [`outcome`] |
//! | the honesty ledger; what threads count, and its names | [`ledger`](mod@ledger); `tally`, `reach` |
//! | verdicts of earlier invocations used again | [`reuse`] |
//! | what each issue code means | [`issues`] |

pub mod check;
pub mod compile;
mod discriminator;
pub mod files;
pub mod finding;
mod hash;
mod invariant;
pub mod issues;
pub mod ledger;
mod locate;
mod moment;
pub mod outcome;
pub mod primitive;
mod profile;
pub mod program;
mod reach;
pub mod reuse;
pub mod rules;
pub mod stage;
mod tally;

pub use check::{Checker, check};
pub use compile::CompileError;
pub use files::{FileResult, FilesError, FilesSummary, Strictness, check_files};
pub use finding::{Facts, Finding, Findings, ReferenceFact};
pub use issues::ISSUES;
pub use program::Program;
pub use reuse::Verdicts;
pub use stage::{RuleAction, ValidateError, ValidateInput, run};
