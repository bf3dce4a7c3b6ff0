//! FHIR packages that somebody altered after they were installed: nothing is loaded, and every command that looks
//! says which package it is.

use std::fs;
use std::path::{Path, PathBuf};

use crate::binary;
use crate::project::Project;

const R4: &str = "hl7.fhir.r4.core#4.0.1";

/// A home whose R4 package has the files of the real one, by hard links where the disk can, and no compiled pack.
fn home_with_r4(home: &Path) -> PathBuf {
    let real = PathBuf::from(std::env::var_os("HOME").unwrap()).join(".fhir/packages").join(R4);
    let copy = home.join(".fhir/packages").join(R4);
    link(&real, &copy);
    copy
}

fn link(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            link(&entry.path(), &target);
        } else if fs::hard_link(entry.path(), &target).is_err() {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn an_altered_package_is_named_and_nothing_is_staged() {
    if !binary::can_run() {
        return;
    }
    let project = Project::make();
    let home = project.path("home");
    let package = home_with_r4(&home);
    if !binary::has("r4 installed by epr", package.join(".epr-integrity.json").is_file()) {
        return;
    }
    // The link is replaced, not written through: the real package stays as it is.
    let definition = package.join("package/StructureDefinition-Patient.json");
    let text = fs::read_to_string(&definition).unwrap();
    fs::remove_file(&definition).unwrap();
    fs::write(&definition, text.replacen("\"max\":\"1\"", "\"max\":\"2\"", 1) + "\n").unwrap();

    let output = binary::expect(project.command().env("HOME", &home), &[3]);
    let told = project.told(&output);
    assert!(told.contains("hl7.fhir.r4.core@4.0.1") && told.contains("was altered"), "{told}");
    assert!(told.contains("nothing was loaded") && told.contains("rm -r"), "{told}");
    assert!(project.stages().is_empty());

    for args in [["packages", "list"], ["doctor", "--no-progress"]] {
        let output = binary::expect(project.epr(&args).env("HOME", &home), &[1]);
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(told.contains("hl7.fhir.r4.core@4.0.1") && told.contains("was altered"), "{args:?}: {told}");
    }
}
