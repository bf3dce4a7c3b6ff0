//! A compiled map over a batch of rows: resource bytes, keys, references, outcomes and issues. Pure.

pub mod json;
