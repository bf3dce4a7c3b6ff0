//! FHIRPath (N1, with the functions that FHIR R4 adds): parse, compile, evaluate.
//!
//! In: the text of an expression; resources read by `epr-fhir`; optionally R4 definitions, a resolver, a point in time.
//! Out: the items that the expression reaches, or the verdict of an invariant.
//! Never here: I/O, a clock, a trace output, a guess. A check that cannot be made is [`Verdict::NotChecked`], never true.
//!
//! | what you want to find | module |
//! |---|---|
//! | the grammar: tree, parser, places of errors | [`ast`], [`parser`] |
//! | names resolved once; constraints of R4 | [`compile()`], [`compile_constraint()`] |
//! | evaluation, errors, verdicts | [`Expression`], [`Evaluated`], [`Verdict`] |
//! | invariants that are asked most, without the evaluator | `native` |
//! | what the caller lends, where evaluation begins | [`host`] |
//! | steps from element to element, choices, primitives with extensions | [`element`] |
//! | items and collections; quantities; dates of any precision | [`value`], [`quantity`], [`temporal`] |
//! | conversion of units | `ucum` |
//! | names and types of an expression, before any data | [`analysis`] |
//! | equality, equivalence, order | `compare` |
//!
//! Left out, and said so where it matters: units that `ucum` has not (not checked), `subsumes`, `slice`,
//! `elementDefinition` and `checkModifiers` (no invariant of R4 uses them; they are unknown functions).

pub mod analysis;
pub mod ast;
mod compare;
mod compile;
pub mod element;
mod eval;
mod functions;
pub mod host;
mod lexer;
mod native;
pub mod parser;
pub mod quantity;
pub mod temporal;
mod types;
mod ucum;
pub mod value;

pub use analysis::{Analysis, analyse};
pub use ast::Ast;
pub use compile::{Expression, compile, compile_constraint};
pub use element::{ElementNode, says_nothing};
pub use eval::{EvalError, Evaluated, NotChecked, Verdict};
pub use host::{Conformance, Focus, Host, Resolved, Resolver};
pub use native::expression_of;
pub use parser::{ParseError, ParseFault, parse};
pub use value::{Collection, Item};
