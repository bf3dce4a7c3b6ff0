//! Tests of FHIRPath: grammar, a table of expressions, the official suite, the invariants of R4.

mod grammar;
