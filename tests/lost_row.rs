//! One resource taken out of a finished stage: a run that goes on says which it was, or refuses the altered file.

use std::fs;
use std::path::Path;

use epr_run::Sha256Hex;

use crate::binary;
use crate::project::Project;

/// A run of the written fixture, without what came after the link.
fn linked() -> Project {
    let project = Project::make();
    binary::expect(&mut project.command(), &[0, 1]);
    for stage in ["4-validate", "5-report", "6-load", "7-report"] {
        fs::remove_dir_all(project.path("run").join(stage)).unwrap();
    }
    project
}

/// Takes the first allergy out of its part; returns its id.
fn lose_one(run: &Path) -> String {
    let path = run.join("3-link/AllergyIntolerance/part-0000.ndjson.zst");
    let text = String::from_utf8(zstd::decode_all(fs::File::open(&path).unwrap()).unwrap()).unwrap();
    let (lost, rest) = text.split_once('\n').unwrap();
    let lost: serde_json::Value = serde_json::from_str(lost).unwrap();
    // The part may be a hard link to the mapped one, which stays as it is.
    fs::remove_file(&path).unwrap();
    fs::write(&path, zstd::encode_all(rest.as_bytes(), 1).unwrap()).unwrap();
    lost["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_resource_that_is_gone_is_named_where_the_hashes_were_made_to_fit() {
    if !binary::can_run() {
        return;
    }
    let project = linked();
    let run = project.path("run");
    let id = lose_one(&run);
    let path = run.join("3-link/manifest.json");
    let mut manifest: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let part = "AllergyIntolerance/part-0000.ndjson.zst";
    let (sha256, bytes) = Sha256Hex::of_file(&run.join("3-link").join(part)).unwrap();
    for file in manifest["files"].as_array_mut().unwrap().iter_mut().filter(|f| f["path"] == part) {
        file["sha256"] = sha256.to_string().into();
        file["bytes"] = bytes.into();
    }
    fs::write(&path, serde_json::to_vec_pretty(&manifest).unwrap()).unwrap();
    let output = binary::expect(&mut project.command(), &[5]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("has lost 1 of the resources"), "{said}");
    assert!(said.contains(&format!("AllergyIntolerance/{id}")), "{said}");
    assert!(said.contains("ALLERGIES, row "), "{said}");
    assert!(!run.join("4-validate").exists() && !run.join("6-load").exists());
}

#[test]
fn a_resource_that_is_gone_makes_its_file_an_altered_one() {
    if !binary::can_run() {
        return;
    }
    let project = linked();
    let run = project.path("run");
    lose_one(&run);
    let output = binary::expect(&mut project.command(), &[2]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("was altered after the stage that wrote it had finished"), "{said}");
}
