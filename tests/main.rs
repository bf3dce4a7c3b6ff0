//! Tests through the binary: what a person types, what comes out, what is true on disk afterwards.
//!
//! | what you want to find | module |
//! |---|---|
//! | how a test runs the binary, and how it skips | [`binary`] |
//! | commands, messages and exit codes as snapshots | [`commands`] |
//! | the written fixture, from rows to delivered files | [`first`] |
//! | Synthea's tables against Synthea's own FHIR export | [`synthea`] |
//! | other years of Synthea's tables, made of those | [`synthea_years`] |
//! | NHS 111 messages against an independent XPath reading | [`nhs111`] |
//! | the same bytes whatever the threads, batches, places and orders | [`determinism`] |
//! | kill -9 anywhere, then the same command | [`resume`] |
//! | bad input: a clear message, the right exit code, nothing half-written | [`bad_input`] |
//! | the fixture's project, where a test can spoil it | [`project`] |
//! | ten mistakes in mappings, each at its line and column | [`ten_mistakes`] |
//! | every `--format` of every command | [`formats`] |
//! | `epr validate` on anybody's files | [`validate_files`] |
//! | a resource taken out of a finished stage | [`lost_row`] |
//! | manifests against their JSON Schema | [`manifests`] |
//! | FHIR packages that somebody altered | [`packages`] |
//! | no patient's value where anybody may read | [`privacy`] |
//! | the report in a real browser | [`browser`] |
//! | `epr load` into two real FHIR servers | [`fhir_target`] |
//! | those servers | [`fhir_servers`] |
//! | the synthetic peninsula against its generator's answer key | [`peninsula`] |
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "tests")]

mod bad_input;
mod binary;
mod browser;
mod commands;
mod determinism;
mod fhir_servers;
mod fhir_target;
mod first;
mod formats;
mod lost_row;
mod manifests;
mod nhs111;
mod packages;
mod peninsula;
mod privacy;
mod project;
mod resume;
#[path = "../xtask/src/sqlite.rs"]
#[allow(dead_code, reason = "the developers' commands use the rest")]
mod sqlite;
mod synthea;
mod synthea_years;
mod ten_mistakes;
mod validate_files;
