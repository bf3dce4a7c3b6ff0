//! FHIRPath: parse, compile, evaluate.
