//! Mapping files to plans, staged tables to resources.
