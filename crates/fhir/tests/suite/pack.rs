//! The compiled pack on disk: made once, never trusted blindly.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use epr_fhir::Definitions;
use epr_fhir::definitions::{CodeList, Completeness, DefinitionsError};
use epr_fhir::package::{PackageCache, PackageError, PackageId, PackageSource};

/// A cache with the hand-written definitions as a package that somebody placed there.
fn placed() -> (tempfile::TempDir, PackageCache, PackageId) {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("test.definitions#1.0.0/package");
    fs::create_dir_all(&folder).unwrap();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inputs/definitions")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
    }
    let cache = PackageCache::at(root.path().to_owned());
    (root, cache, "test.definitions@1.0.0".parse().unwrap())
}

fn packs(cache: &PackageCache) -> Vec<PathBuf> {
    let entries = fs::read_dir(cache.root().join(".epr")).unwrap().map(|entry| entry.unwrap().path());
    let mut packs: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|end| end == "pack")).collect();
    packs.sort();
    packs
}

fn gender_of(definitions: &Definitions) -> String {
    definitions.structure("Patient").unwrap().element("Patient.gender").unwrap().types[0].code.clone()
}

#[test]
fn the_second_load_reads_the_pack_and_knows_the_same() {
    let (_root, cache, id) = placed();
    let cold = Definitions::load(&cache, std::slice::from_ref(&id)).unwrap();
    assert_eq!(packs(&cache).len(), 1);
    let made = fs::read(&packs(&cache)[0]).unwrap();
    let warm = Definitions::load(&cache, std::slice::from_ref(&id)).unwrap();
    assert_eq!(cold.packages(), warm.packages());
    let (cold, warm): (Vec<_>, Vec<_>) = (cold.structures().collect(), warm.structures().collect());
    assert_eq!(cold, warm);
    assert_eq!(fs::read(&packs(&cache)[0]).unwrap(), made);
}

#[test]
fn a_torn_or_foreign_pack_is_made_again() {
    let (_root, cache, id) = placed();
    Definitions::load(&cache, std::slice::from_ref(&id)).unwrap();
    let path = packs(&cache).remove(0);
    let made = fs::read(&path).unwrap();
    let mut flipped = made.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for damaged in [&made[..0], &made[..10], &made[..made.len() / 2], &flipped, b"not a pack at all, but long enough"] {
        fs::write(&path, damaged).unwrap();
        let definitions = Definitions::load(&cache, std::slice::from_ref(&id)).unwrap();
        assert_eq!(gender_of(&definitions), "code");
        assert_eq!(fs::read(&path).unwrap(), made);
    }
}

#[test]
fn a_changed_file_makes_a_new_pack_and_the_old_one_goes() {
    let (_root, cache, id) = placed();
    let before = Definitions::load(&cache, std::slice::from_ref(&id)).unwrap();
    let file = cache.folder(&id).join("package/StructureDefinition-Patient.json");
    let text = fs::read_to_string(&file).unwrap().replace("\"code\": \"code\"", "\"code\": \"string\"");
    fs::write(&file, text).unwrap();
    let after = Definitions::load(&cache, std::slice::from_ref(&id)).unwrap();
    assert_eq!((gender_of(&before).as_str(), gender_of(&after).as_str()), ("code", "string"));
    assert_ne!(before.packages()[0].sha256, after.packages()[0].sha256);
    assert_eq!(packs(&cache).len(), 1);
}

#[test]
fn the_content_hash_changes_with_whatever_the_definitions_answer_from() {
    let (root, cache, id) = placed();
    let plain = Definitions::load(&cache, std::slice::from_ref(&id)).unwrap();
    assert_eq!(plain.content_hash(), Definitions::load(&cache, std::slice::from_ref(&id)).unwrap().content_hash());

    let text = fs::read(cache.folder(&id).join("package/StructureDefinition-Patient.json")).unwrap();
    let file = root.path().join("patient.json");
    fs::write(&file, &text).unwrap();
    let overlay = plain.with(&[PackageSource::open(&file).unwrap()]).unwrap();
    fs::write(root.path().join("codes.csv"), "code,display\nA,a\n").unwrap();
    let list = |completeness| CodeList::read("urn:x", &root.path().join("codes.csv"), completeness).unwrap();
    let (mut whole, mut part) = (plain.clone(), plain.clone());
    whole.add_codes(list(Completeness::Whole));
    part.add_codes(list(Completeness::Part));
    let mut added = plain.clone();
    added.add_structure(plain.structure("Patient").unwrap().clone());
    fs::write(cache.folder(&id).join("package/more.json"), &text).unwrap();
    let more = Definitions::load(&cache, &[id]).unwrap();
    let hashes: BTreeSet<_> =
        [plain, overlay, whole, part, added, more].iter().map(Definitions::content_hash).collect();
    assert_eq!(hashes.len(), 6);
}

#[test]
fn whatever_changes_a_definition_file_is_noticed() {
    let (_root, cache, id) = placed();
    let folder = cache.folder(&id).join("package");
    let patient = folder.join("StructureDefinition-Patient.json");
    let text = fs::read_to_string(&patient).unwrap();
    let sha256 = || Definitions::load(&cache, std::slice::from_ref(&id)).unwrap().packages()[0].sha256.clone();
    let mut seen = vec![sha256()];
    let mut is_new = |what: &str| {
        let now = sha256();
        assert!(!seen.contains(&now), "{what}");
        seen.push(now);
    };
    // The clock of a disk may be coarse: each write has a time of its own.
    let mut time = UNIX_EPOCH;
    let mut write = |path: &Path, patient: &str| {
        fs::write(path, text.replace("Patient", patient)).unwrap();
        time += Duration::from_secs(1);
        fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    };
    // An editor that writes into the file that is there: the size stays, and the folder is not touched.
    write(&patient, "patient");
    is_new("written in place");
    // One that writes another file and renames it.
    write(&folder.join("new.tmp"), "PATIENT");
    fs::rename(folder.join("new.tmp"), &patient).unwrap();
    is_new("renamed into place");
    write(&folder.join("more.json"), "Patient");
    is_new("added");
    fs::rename(folder.join("more.json"), folder.join("other.json")).unwrap();
    is_new("renamed");
    fs::create_dir(folder.join("deep")).unwrap();
    fs::rename(folder.join("other.json"), folder.join("deep/other.json")).unwrap();
    is_new("moved into a folder");
    write(&folder.join("deep/other.json"), "pAtient");
    is_new("written in place, deep");
    fs::remove_dir_all(folder.join("deep")).unwrap();
    fs::remove_file(folder.join("CodeSystem-sexes.json")).unwrap();
    is_new("removed");
}

/// The files of snapshots that were kept.
fn kept(cache: &PackageCache) -> Vec<PathBuf> {
    let entries = fs::read_dir(cache.root().join(".epr")).unwrap().map(|entry| entry.unwrap().path());
    let mut kept: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "snapshots")).collect();
    kept.sort();
    kept
}

const PROFILE: &str = "http://example.org/fhir/StructureDefinition/with-gender";
const PROFILE_FILE: &str = r#"{"resourceType": "StructureDefinition", "url": "http://example.org/fhir/StructureDefinition/with-gender",
    "name": "WithGender", "status": "draft", "kind": "resource", "abstract": false, "type": "Patient",
    "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient", "derivation": "constraint",
    "differential": {"element": [{"id": "Patient.gender", "path": "Patient.gender", "min": 1}]}}"#;

#[test]
fn snapshots_are_made_once_for_the_same_packages() {
    let (root, cache, id) = placed();
    fs::write(cache.folder(&id).join("package/profile.json"), PROFILE_FILE).unwrap();
    let load = |sources: &[PackageSource]| {
        let definitions = Definitions::load_with(&cache, std::slice::from_ref(&id), sources).unwrap();
        (definitions.structure(PROFILE).unwrap().clone(), definitions.snapshot_faults().to_vec())
    };
    let cold = load(&[]);
    assert!(!cold.0.elements.is_empty() && !cold.1.is_empty());
    let path = kept(&cache).remove(0);
    let made = fs::read(&path).unwrap();
    assert_eq!(load(&[]), cold);
    let mut flipped = made.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for damaged in [&made[..0], &made[..made.len() / 2], &flipped] {
        fs::write(&path, damaged).unwrap();
        assert_eq!(load(&[]), cold);
        assert_eq!(fs::read(&path).unwrap(), made);
    }

    // Another base, given by path: its snapshots are its own, whatever hash it says it has.
    let text = fs::read_to_string(cache.folder(&id).join("package/StructureDefinition-Patient.json")).unwrap();
    let base = |name: &str| {
        let text = text.replace("\"code\": \"code\"", &format!("\"code\": \"{name}\""));
        PackageSource {
            path: root.path().join("base"),
            sha256: String::new(),
            files: vec![("patient.json".to_owned(), text.into_bytes())],
        }
    };
    let gender = |sources: &[PackageSource]| {
        let (profile, _) = load(sources);
        profile.element("Patient.gender").unwrap().types[0].code.clone()
    };
    for _ in 0..2 {
        assert_eq!(gender(&[]), "code");
        assert_eq!(gender(&[base("string")]), "string");
        assert_eq!(gender(&[base("date")]), "date");
    }
    assert_eq!(kept(&cache).len(), 3);

    // A changed base in the package itself.
    fs::write(
        cache.folder(&id).join("package/StructureDefinition-Patient.json"),
        text.replace("\"code\": \"code\"", "\"code\": \"uri\""),
    )
    .unwrap();
    assert_eq!(gender(&[]), "uri");
    for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        gender(&[base(name)]);
    }
    assert_eq!(kept(&cache).len(), 8);
}

#[test]
fn a_package_that_is_not_there_is_an_error_that_says_what_to_type() {
    let (_root, cache, _) = placed();
    let missing: PackageId = "no.such.package@1.0.0".parse().unwrap();
    let error = Definitions::load(&cache, &[missing]).unwrap_err();
    assert!(matches!(error, DefinitionsError::Package(PackageError::NotInstalled { .. })));
    assert!(error.to_string().contains("`epr packages install no.such.package@1.0.0`"), "{error}");
}

#[test]
fn a_file_that_is_not_json_is_an_error_with_its_place() {
    let (_root, cache, id) = placed();
    let file = cache.folder(&id).join("package/ValueSet-broken.json");
    fs::write(&file, "{\"resourceType\":\n  oops").unwrap();
    match Definitions::load(&cache, &[id]).unwrap_err() {
        DefinitionsError::NotJson { file: at, source } => assert_eq!((at, source.line, source.column), (file, 2, 3)),
        other => panic!("{other}"),
    }
}

#[test]
fn a_package_given_by_path_wins_over_a_cached_one() {
    let (root, cache, id) = placed();
    let text = fs::read_to_string(cache.folder(&id).join("package/StructureDefinition-Patient.json")).unwrap();
    let file = root.path().join("patient.json");
    fs::write(&file, text.replace("\"code\": \"code\"", "\"code\": \"string\"")).unwrap();
    let source = PackageSource::open(&file).unwrap();
    let definitions = Definitions::load_with(&cache, &[id], &[source]).unwrap();
    assert_eq!(gender_of(&definitions), "string");
    assert_eq!(definitions.packages().len(), 2);
    assert_eq!(definitions.packages()[0].id, file.display().to_string());
}

#[test]
fn a_cache_that_is_not_there_lists_nothing() {
    let (root, cache, id) = placed();
    let listed = cache.list().unwrap();
    assert_eq!((listed.len(), &listed[0].id), (1, &id));
    assert!(cache.verify(&id).unwrap().record.is_none());
    assert!(PackageCache::at(root.path().join("nowhere")).list().unwrap().is_empty());
}
