//! Tests of FHIRPath: grammar, a table of expressions, the official suite, the invariants of R4.

// Notices of what was skipped, and the misses of the official suite, are for the reader of the test's output.
#![allow(clippy::print_stdout)]

mod focus;
mod grammar;
mod invariants;
mod native;
mod official;
mod r4;
mod render;
mod table;
mod xml;
