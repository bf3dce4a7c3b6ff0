//! Mapping files to plans, staged tables to resources.

pub mod apply;
pub mod functions;
pub mod plan;
