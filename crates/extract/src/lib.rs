//! Legacy sources to staged tables.
