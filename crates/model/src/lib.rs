//! The words that all crates of `epr` share.
//!
//! In: nothing. Out: small value types, each of which can only be built valid.
//! Never here: I/O, a clock, a random number, anything that knows a file format.
//!
//! | what you want to find | module |
//! |---|---|
//! | what is wrong with the data, and where | [`issue`] |
//! | how badly a hazard can harm | [`hazard`] |
//! | what became of a row or a resource | [`outcome`] |
//! | the stages and their folders | [`stage`] |
//! | ids made from source keys | [`id`] |
//! | what a staged table looks like | [`schema`] |
//! | NHS numbers | [`nhs_number`] |
//! | the YAML that people write, as a tree with spans | [`yaml`] |
//! | values that must not be printed, and how they may be described | [`sensitive`], [`shape`] |

pub mod hazard;
pub mod id;
pub mod issue;
pub mod nhs_number;
pub mod outcome;
pub mod schema;
pub mod sensitive;
pub mod shape;
pub mod stage;
pub mod yaml;

pub use hazard::HazardSeverity;
pub use id::{IdNamespace, ResourceId};
pub use issue::{Action, Issue, IssueDoc, Severity};
pub use nhs_number::{NhsNumber, NhsNumberFault};
pub use outcome::{ControlOutcome, Domain, RowOutcome};
pub use sensitive::Sensitive;
pub use stage::Stage;
