//! Verdicts used again: the same findings and the same ledger, from any book, and no book is believed that is damaged.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests are tests too")]

mod r4;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use epr_fhir::definitions::{CodeList, Completeness};
use epr_run::StopFlag;
use epr_validate::{Program, Strictness, Verdicts, check_files, outcome};
use proptest::prelude::*;
use proptest::sample::subsequence;
use proptest::test_runner::{Config, TestRunner};

const CODE: &str = "a build";
/// Every vital sign is an Observation that is held against this one.
const VITAL_SIGNS: &str = "http://hl7.org/fhir/StructureDefinition/vitalsigns";

/// What a call prints and what its ledger is, and how many verdicts it asked for and used again.
struct Told {
    text: String,
    asked: (u64, u64),
}

struct Ground {
    program: Program<'static>,
    profiles: BTreeMap<String, String>,
}

impl Ground {
    fn new() -> Option<Self> {
        let profiles = BTreeMap::from([("Observation".to_owned(), VITAL_SIGNS.to_owned())]);
        Some(Self { program: Program::compile(r4::definitions()?, &profiles).unwrap(), profiles })
    }

    fn open(&self, books: &Path) -> Verdicts {
        Verdicts::open(books, CODE, r4::definitions().unwrap(), &self.profiles)
    }

    fn told(&self, verdicts: Option<&Verdicts>, paths: &[PathBuf], input: &str) -> Told {
        let mut text = String::new();
        let mut input = input.as_bytes();
        let summary = check_files(&self.program, verdicts, paths, &mut input, &StopFlag::new(), &mut |result| {
            text.push_str(
                &String::from_utf8(outcome::ndjson_line(&result, result.is_valid(Strictness::Plain))).unwrap(),
            );
            let _ = writeln!(text, "{:?} {:?}", result.places, result.issues);
            Ok(())
        });
        let summary = summary.unwrap();
        text.push_str(&serde_json::to_string_pretty(&summary.ledger).unwrap());
        let _ = write!(text, "{} {}", summary.n_errors, summary.n_not_checked);
        Told { text, asked: verdicts.map(Verdicts::counts).unwrap_or_default() }
    }
}

/// Files of every kind: sound ones, one for each fault that there is a test of, XML, Bundles, lines that are no JSON.
fn inputs(folder: &Path) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut lines = fs::read_to_string(root.join("../../fixtures/oracle/peninsula.ndjson")).unwrap();
    lines.push_str("{\"resourceType\":\n{\"resourceType\":\"Nothing\"}\n");
    // The same content once more: it has one verdict.
    lines.push_str(&lines.clone());
    let path = folder.join("lines.ndjson");
    fs::write(&path, lines).unwrap();
    let xml = folder.join("xml");
    fs::create_dir_all(&xml).unwrap();
    for (n, entry) in fs::read_dir(root.join("../../fixtures/fuzz/xml")).unwrap().enumerate() {
        fs::copy(entry.unwrap().path(), xml.join(format!("{n:03}.xml"))).unwrap();
    }
    vec![root.join("tests/inputs"), path, xml]
}

#[test]
fn verdicts_used_again_are_those_that_were_worked_out() {
    let Some(ground) = Ground::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (books, paths) = (folder.path().join("books"), inputs(folder.path()));
    let plain = ground.told(None, &paths, "");
    let first = ground.told(Some(&ground.open(&books)), &paths, "");
    assert!(first.text == plain.text, "what is noted changes what is told");
    assert!(first.asked.0 > 200 && first.asked.1 == 0, "{:?}", first.asked);
    let written = book(&books);
    let bytes = fs::read(&written).unwrap();
    for threads in [1, 2, 16] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let again = pool.install(|| ground.told(Some(&ground.open(&books)), &paths, ""));
        assert!(again.text == plain.text, "{threads} threads: what is used again is not what was worked out");
        assert_eq!(again.asked, (first.asked.0, first.asked.0), "{threads} threads");
    }
    assert!(fs::read(&written).unwrap() == bytes, "nothing was new, and the book was written");
}

/// The one book of a folder.
fn book(folder: &Path) -> PathBuf {
    let names: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(names.len(), 1, "{names:?}");
    names[0].clone()
}

#[test]
fn any_book_of_the_same_program_gives_the_same() {
    let Some(ground) = Ground::new() else { return };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("../../fixtures/oracle/peninsula.ndjson")).unwrap();
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let some = || subsequence(lines.clone(), 0..lines.len()).prop_shuffle();
    let mut runner = TestRunner::new(Config { cases: 12, failure_persistence: None, ..Config::default() });
    let stdin = [PathBuf::from("-")];
    let run = runner.run(&(some(), some(), some()), |(known, more, asked)| {
        let books = tempfile::tempdir().unwrap();
        for part in [known, more] {
            ground.told(Some(&ground.open(books.path())), &stdin, &part.join("\n"));
        }
        let twice = [asked.clone(), asked].concat().join("\n");
        let with = ground.told(Some(&ground.open(books.path())), &stdin, &twice);
        prop_assert_eq!(with.text, ground.told(None, &stdin, &twice).text);
        Ok(())
    });
    run.unwrap();
}

#[test]
fn a_damaged_book_is_passed_over_and_written_anew() {
    let Some(ground) = Ground::new() else { return };
    let books = tempfile::tempdir().unwrap();
    let stdin = [PathBuf::from("-")];
    let input =
        "{\"resourceType\":\"Patient\",\"id\":\"a\",\"gender\":\"x\"}\n{\"resourceType\":\"Patient\",\"id\":\"b\"}";
    let plain = ground.told(None, &stdin, input).text;
    ground.told(Some(&ground.open(books.path())), &stdin, input);
    let path = book(books.path());
    let sound = fs::read(&path).unwrap();
    let flipped = (0..sound.len()).step_by(7).map(|at| {
        let mut bytes = sound.clone();
        bytes[at] ^= 0x10;
        bytes
    });
    let cut = (0..sound.len()).step_by(11).map(|end| sound[..end].to_vec());
    for bytes in flipped.chain(cut) {
        fs::write(&path, bytes).unwrap();
        let verdicts = ground.open(books.path());
        assert!(verdicts.was_damaged());
        let told = ground.told(Some(&verdicts), &stdin, input);
        assert_eq!((told.text.as_str(), told.asked.1), (plain.as_str(), 0));
        assert!(fs::read(&path).unwrap() == sound, "the book was not written anew");
    }
}

#[test]
fn another_program_uses_no_verdict() {
    let Some(ground) = Ground::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let books = folder.path().join("books");
    let stdin = [PathBuf::from("-")];
    let input = "{\"resourceType\":\"Patient\",\"id\":\"a\"}";
    ground.told(Some(&ground.open(&books)), &stdin, input);
    assert_eq!(ground.told(Some(&ground.open(&books)), &stdin, input).asked, (1, 1));

    let definitions = r4::definitions().unwrap();
    let list = folder.path().join("codes.csv");
    fs::write(&list, "code,display\n1,one\n").unwrap();
    let mut with_codes = definitions.clone();
    with_codes.add_codes(CodeList::read("http://example.org/codes", &list, Completeness::Part).unwrap());
    let others = [
        Verdicts::open(&books, "another build", definitions, &ground.profiles),
        Verdicts::open(&books, CODE, definitions, &BTreeMap::new()),
        Verdicts::open(&books, CODE, &with_codes, &ground.profiles),
    ];
    for verdicts in &others {
        assert_eq!(ground.told(Some(verdicts), &stdin, input).asked, (1, 0));
    }
}

#[test]
fn books_do_not_fill_the_disk_and_what_a_killed_process_left_goes() {
    let Some(ground) = Ground::new() else { return };
    let books = tempfile::tempdir().unwrap();
    let stdin = [PathBuf::from("-")];
    fs::write(books.path().join("0123.4711.partial"), b"cut off").unwrap();
    for n in 0..12 {
        let verdicts =
            Verdicts::open(books.path(), &format!("build {n}"), r4::definitions().unwrap(), &ground.profiles);
        ground.told(Some(&verdicts), &stdin, "{\"resourceType\":\"Patient\",\"id\":\"a\"}");
        assert_eq!(verdicts.not_kept(), None);
    }
    assert_eq!(fs::read_dir(books.path()).unwrap().count(), 8);
}

#[test]
fn a_book_that_cannot_be_written_takes_nothing_from_what_was_judged() {
    let Some(ground) = Ground::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    // Where the folder of books should be there is a file.
    let books = folder.path().join("books");
    fs::write(&books, b"").unwrap();
    let stdin = [PathBuf::from("-")];
    let input = "{\"resourceType\":\"Patient\",\"id\":\"a\",\"gender\":\"x\"}";
    let verdicts = ground.open(&books);
    assert_eq!(ground.told(Some(&verdicts), &stdin, input).text, ground.told(None, &stdin, input).text);
    assert!(verdicts.not_kept().is_some());
}
