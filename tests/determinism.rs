//! Delivered files are the same bytes whatever the threads, batches, working folder, zone, language and input order.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use crate::{binary, first};

type Files = BTreeMap<String, Vec<u8>>;

#[test]
fn the_written_fixture_is_delivered_the_same_way_under_every_condition() {
    if !binary::can_run() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("first.sqlite");
    first::database(&database, first::Order::AsWritten);
    let backwards = folder.path().join("backwards.sqlite");
    first::database(&backwards, first::Order::Backwards);
    let elsewhere = folder.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();

    let baseline = deliver(&database, &folder.path().join("baseline"), |_| {});
    assert!(baseline.len() > 4, "several types are delivered");
    same(
        &baseline,
        "one thread",
        &deliver(&database, &folder.path().join("1"), |c| {
            c.args(["--threads", "1"]);
        }),
    );
    same(
        &baseline,
        "two threads",
        &deliver(&database, &folder.path().join("2"), |c| {
            c.args(["--threads", "2"]);
        }),
    );
    same(
        &baseline,
        "batches of one row",
        &deliver(&database, &folder.path().join("3"), |c| {
            c.args(["--set", "run.batch_rows=1"]);
        }),
    );
    same(
        &baseline,
        "batches of 65,536 rows",
        &deliver(&database, &folder.path().join("4"), |c| {
            c.args(["--set", "run.batch_rows=65536"]);
        }),
    );
    same(
        &baseline,
        "another place",
        &deliver(&database, &folder.path().join("5"), |c| {
            c.current_dir(&elsewhere).env("TZ", "Asia/Tokyo").env("LANG", "C").env("LC_ALL", "C");
        }),
    );
    same(&baseline, "rows in another order", &deliver(&backwards, &folder.path().join("6"), |_| {}));
}

#[test]
fn synthea_is_delivered_the_same_way_under_every_condition() {
    if !binary::can_run() {
        return;
    }
    let Some(pair) = binary::shared("synthea-csv-fhir-pair") else { return };
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("synthea.sqlite");
    crate::sqlite::from_csv_folder(&pair.join("csv"), &database).unwrap();
    let deliver = |name: &str, change: &dyn Fn(&mut Command)| {
        let run = folder.path().join(name);
        let project = binary::root().join("fixtures/synthea/epr.toml");
        let mut command = binary::run(&project, &run, &[("source.synthea.database", &database)]);
        change(&mut command);
        binary::expect(&mut command, &[0, 1]);
        binary::delivered(&run)
    };
    let baseline = deliver("1", &|c| {
        c.args(["--threads", "1", "--set", "run.batch_rows=65536"]);
    });
    same(
        &baseline,
        "two threads, batches of seven rows",
        &deliver("2", &|c| {
            c.args(["--threads", "2", "--set", "run.batch_rows=7"]).env("TZ", "Asia/Tokyo").env("LANG", "C");
        }),
    );
}

fn deliver(database: &Path, run: &Path, change: impl FnOnce(&mut Command)) -> Files {
    let mut command = first::run(database, run);
    change(&mut command);
    binary::expect(&mut command, &[0, 1]);
    binary::delivered(run)
}

fn same(baseline: &Files, condition: &str, found: &Files) {
    assert_eq!(baseline.keys().collect::<Vec<_>>(), found.keys().collect::<Vec<_>>(), "{condition}");
    for (name, bytes) in baseline {
        assert!(bytes == &found[name], "{name} differs under: {condition}");
    }
}
