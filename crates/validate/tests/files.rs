//! `epr validate` on files: forms of files, folders, standard input, faults, and the machine format.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests are tests too")]

mod r4;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use epr_run::StopFlag;
use epr_validate::{Program, Strictness, check_files, outcome};

const GOOD: &str = r#"{"resourceType":"Patient","id":"p1"}"#;
const BAD: &str = r#"{"resourceType":"Patient","id":"p2","gender":"F"}"#;

/// The machine lines of some paths, with the folder's own path taken out.
fn lines(folder: &Path, paths: &[PathBuf], input: &str) -> Option<String> {
    let program = Program::compile(r4::definitions()?, &BTreeMap::new()).unwrap();
    let mut shown = String::new();
    let summary = check_files(&program, None, paths, &mut input.as_bytes(), &StopFlag::new(), &mut |result| {
        let line = outcome::ndjson_line(&result, result.is_valid(Strictness::Plain));
        shown.push_str(&String::from_utf8(line).unwrap());
        shown.push('\n');
        Ok(())
    });
    let summary = summary.unwrap();
    let (n, invalid) = (summary.n_resources, summary.n_invalid);
    writeln!(shown, "{n} resources, {} errors, {} warnings, {invalid} invalid", summary.n_errors, summary.n_warnings)
        .unwrap();
    Some(shown.replace(&folder.display().to_string(), "FOLDER"))
}

fn zipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn every_form_of_file_is_read_and_every_fault_is_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    };
    write("in/a.json", GOOD.as_bytes());
    write("in/b.ndjson", format!("{GOOD}\n\n{BAD}\n{{\n").as_bytes());
    write("in/c.json.gz", &zipped(BAD.as_bytes()));
    write("in/d/e.ndjson.zst", &zstd::encode_all(GOOD.as_bytes(), 1).unwrap());
    write("in/f.xml", b"<Patient/>");
    write("in/f2.xml.gz", &zipped(b"<Patient xmlns=\"http://hl7.org/fhir\"><id value=\"p3\"/><odd/></Patient>"));
    write("in/g.json.gz", &zipped(BAD.as_bytes())[..20]);
    write("in/notes.txt", b"passed over");
    write("in/h.json", format!("\u{feff}{GOOD}").as_bytes());
    let named = write("x.txt", b"");
    let paths = [folder.path().join("in"), named, folder.path().join("absent.json"), PathBuf::from("-")];
    let Some(shown) = lines(folder.path(), &paths, BAD) else { return };
    insta::assert_snapshot!(shown);
}

#[test]
fn ten_thousand_lines_keep_their_order_whatever_the_threads() {
    let folder = tempfile::tempdir().unwrap();
    // Sound ones, faulty ones and lines that are no JSON, in no even rhythm.
    let patient = |i: usize| match i {
        i if i % 97 == 5 => "{\"resourceType\":".to_owned(),
        i if i % 7 == 3 => format!("{{\"resourceType\":\"Patient\",\"id\":\"p{i}\",\"gender\":\"x{i}\",\"odd\":1}}"),
        i => format!("{{\"resourceType\":\"Patient\",\"id\":\"p{i}\"}}"),
    };
    let patients: Vec<_> = (0..10_000).map(patient).collect();
    let text = patients.join("\n");
    std::fs::write(folder.path().join("a.ndjson"), text).unwrap();
    let paths = [folder.path().to_owned()];
    let with = |n: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
        pool.install(|| lines(folder.path(), &paths, ""))
    };
    let Some(one) = with(1) else { return };
    for threads in [2, 3, 16] {
        assert!(with(threads).unwrap() == one, "{threads} threads give other bytes than one");
    }
    assert!(one.lines().nth(9_999).unwrap().contains("\"line\":10000,"));
}
