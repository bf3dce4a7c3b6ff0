//! Tests of the report through its public functions, on run folders written by hand.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod browser;
mod fixture_run;
mod report;
