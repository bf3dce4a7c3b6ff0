//! Tests of what other crates see: reading, packages, definitions.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot go on fails, a skip is said aloud")]

#[path = "suite/code_list.rs"]
mod code_list;
#[path = "suite/definitions.rs"]
mod definitions;
#[path = "suite/install.rs"]
mod install;
#[path = "suite/json.rs"]
mod json;
#[path = "suite/membership.rs"]
mod membership;
#[path = "suite/pack.rs"]
mod pack;
#[path = "suite/r4.rs"]
mod r4;
#[path = "suite/snapshot.rs"]
mod snapshot;
#[path = "suite/xml.rs"]
mod xml;
#[path = "suite/xml_round_trip.rs"]
mod xml_round_trip;

use std::path::Path;

use epr_fhir::Definitions;
use epr_fhir::package::{PackageCache, PackageSource};

/// The hand-written definitions beside this file.
fn small() -> Definitions {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inputs/definitions");
    let nowhere = PackageCache::at(folder.join("no-cache"));
    Definitions::load_with(&nowhere, &[], &[PackageSource::open(&folder).unwrap()]).unwrap()
}
