//! `epr load` into two real FHIR servers: each resource there once, whatever is killed, refused or cut in between.
//!
//! One test a server, since a server takes long to start; each scene has people of its own, by a namespace of its
//! own. `EPR_STORM_KILLS=20` is the long form that `cargo xtask storm` asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

use crate::binary;
use crate::fhir_servers::{self, Server};
use crate::project::Project;

/// Resources to send, at least: the fixture's tables copied often enough.
const AT_LEAST: u64 = 5_000;

#[test]
fn hapi_holds_each_resource_once_whatever_happens() {
    if !binary::can_run() {
        return;
    }
    let Some(server) = fhir_servers::hapi() else { return };
    killed_loads_end_with_each_resource_once(&server);
}

#[test]
fn medplum_holds_each_resource_once_whatever_happens() {
    if !binary::can_run() {
        return;
    }
    let Some(server) = fhir_servers::medplum() else { return };
    killed_loads_end_with_each_resource_once(&server);
    a_server_that_refuses_and_hangs_up_gets_everything_once(&server);
    what_is_rejected_is_listed_and_what_refers_to_it_waits(&server);
    a_lost_journal_overwrites_nothing(&server);
}

/// Refused unsigned; killed in the middle, often; read back; edited at the server, and left as it was edited.
fn killed_loads_end_with_each_resource_once(server: &Server) {
    let n_kills = std::env::var("EPR_STORM_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(3);
    let scene = Scene::make(server, "6f1c7b4e-2f0a-4d35-9a0f-3a5a5d0f7c12", 300);
    let before = server.counts();
    let run = scene.run("one", &[]);
    let delivered = delivered_by_type(&run);
    let total: u64 = delivered.values().sum();
    assert!(total >= AT_LEAST, "{total} resources");

    // Unsigned: refused, nothing sent. A dry run needs no signature and sends nothing.
    let refused = scene.load(&run, &[2]);
    assert!(refused.contains("is not signed") && refused.contains("epr sign"), "{refused}");
    let forecast = scene.epr("load", &run, &["--target", "epr", "--dry-run"], &[0]);
    assert!(forecast.contains("nothing was sent"), "{forecast}");
    assert_eq!(server.counts(), before, "nothing was sent");

    scene.sign(&run);
    let began = Instant::now();
    let mut hits = 0;
    for kill in 1..=n_kills {
        let at = total * kill / (n_kills + 1);
        let moment = [Moment::Sent, Moment::Answered][(kill % 2) as usize];
        hits += u64::from(scene.kill_when(&run, at, moment));
    }
    let told = scene.load(&run, &[0, 1]);
    let seconds = began.elapsed().as_secs_f64();
    println!("storm: {total} resources, {hits} of {n_kills} kills hit, {seconds:.0} s");
    assert!(hits * 3 >= n_kills * 2, "only {hits} of {n_kills} kills hit their moment: {told}");

    // The fixture has references that lead nowhere (DA-03, delivered): HAPI FHIR keeps referential integrity.
    let at_target = Scene::at_target(&run);
    let rejected = sum(&at_target, "rejected");
    assert_eq!(rejected > 0, server.name == "hapi", "{at_target}");
    assert_eq!(sum(&at_target, "confirmed") + rejected, total, "{at_target}");
    let after = server.counts();
    for (kind, n) in &delivered {
        let n = n - at_target[kind]["at_target"]["rejected"].as_u64().unwrap();
        assert_eq!(added(&before, &after, kind), (n, n), "{kind}: each once, in one version");
    }

    let verified: Value =
        serde_json::from_str(&scene.epr("load", &run, &["--target", "epr", "--verify", "--format", "json"], &[0]))
            .unwrap();
    assert_eq!(verified["whole"], true, "{verified}");
    assert_eq!(verified["types"]["Patient"]["delivered"], delivered["Patient"]);
    if server.name == "hapi" {
        assert!(verified["findings"].as_array().unwrap().is_empty(), "{verified}");
    }

    // Edited at the server between two loads.
    let edited: Vec<String> = ids(&run, "Patient").into_iter().take(50).collect();
    for id in &edited {
        let (_, mut patient) = server.get(&format!("Patient/{id}"));
        patient["maritalStatus"] = json!({ "text": "edited at the target" });
        patient.as_object_mut().unwrap().remove("meta");
        server.put(&format!("Patient/{id}"), &patient);
    }
    let edits = server.counts();
    scene.load(&run, &[0, 1]);
    assert_eq!(server.counts(), edits, "nothing new is sent, so nothing is written");
    assert_eq!(sum(&Scene::at_target(&run), "edited"), 50);
    assert_eq!(sum(&Scene::at_target(&run), "unchanged"), total - rejected - 50);
    assert_eq!(listed(&run), edited.iter().map(|id| format!("Patient/{id}")).collect());

    // New content for every Patient of the PAS: it goes to all but those that were edited.
    scene.change_every_patient();
    let second = scene.run("two", &[]);
    scene.sign(&second);
    scene.load(&second, &[0, 1]);
    let at_target = Scene::at_target(&second);
    assert_eq!(sum(&at_target, "edited"), 50, "{at_target}");
    let changed = sum(&at_target, "confirmed");
    assert!(changed > 1000, "{at_target}");
    assert_eq!(sum(&at_target, "confirmed") + sum(&at_target, "unchanged") + 50 + rejected, total, "{at_target}");
    let (_, versions) = added(&edits, &server.counts(), "Patient");
    assert_eq!(versions, at_target["Patient"]["at_target"]["confirmed"].as_u64().unwrap(), "one version each");
    for id in &edited {
        let (_, patient) = server.get(&format!("Patient/{id}"));
        assert_eq!(patient["maritalStatus"]["text"], "edited at the target", "not overwritten");
    }
    assert_eq!(listed(&second).len(), 50);
}

fn a_server_that_refuses_and_hangs_up_gets_everything_once(server: &Server) {
    server.clear();
    let scene = Scene::make(server, "6f1c7b4e-2f0a-4d35-9a0f-3a5a5d0f7c13", 40);
    let run = scene.run("one", &[]);
    let delivered = delivered_by_type(&run);
    scene.sign(&run);
    server.knobs(&json!({ "throttle": 3, "status": 503, "drop": 5, "hangup": 7, "limit": 60 }));
    scene.load(&run, &[0, 1]);
    let counts = server.counts();
    for (kind, n) in &delivered {
        assert_eq!(counts[kind], (*n, *n), "{kind}: each once, in one version");
    }
    server.knobs(&json!({ "throttle": 2, "status": 429 }));
    scene.change_every_patient();
    let second = scene.run("two", &[]);
    scene.sign(&second);
    scene.load(&second, &[0, 1]);
    let changed = Scene::at_target(&second)["Patient"]["at_target"]["confirmed"].as_u64().unwrap();
    assert!(changed > 100);
    assert_eq!(server.counts()["Patient"], (delivered["Patient"], delivered["Patient"] + changed));

    // A server that never has time: unfinished, and the same command goes on.
    server.clear();
    server.knobs(&json!({ "throttle": 1, "status": 503 }));
    let third = Scene::make(server, "6f1c7b4e-2f0a-4d35-9a0f-3a5a5d0f7c14", 1);
    let run = third.run("one", &[]);
    third.sign(&run);
    let told = third.load(&run, &[4]);
    assert!(told.contains("goes on from there"), "{told}");
    server.knobs(&json!({}));
    third.load(&run, &[0, 1]);
    for (kind, n) in delivered_by_type(&run) {
        assert_eq!(server.counts()[&kind], (n, n), "{kind}");
    }
}

fn what_is_rejected_is_listed_and_what_refers_to_it_waits(server: &Server) {
    server.clear();
    let scene = Scene::make(server, "6f1c7b4e-2f0a-4d35-9a0f-3a5a5d0f7c15", 2);
    let run = scene.run("one", &[]);
    let delivered = delivered_by_type(&run);
    scene.sign(&run);
    server.knobs(&json!({ "reject": "Patient" }));
    scene.load(&run, &[1]);
    let at_target = Scene::at_target(&run);
    assert_eq!(at_target["Patient"]["at_target"]["rejected"], delivered["Patient"], "{at_target}");
    // An allergy of a patient whom no row has waits for nobody: this server takes a reference that leads nowhere.
    let patients = ids(&run, "Patient");
    let is_orphan = |allergy: &Value| {
        let patient = allergy["patient"]["reference"].as_str().unwrap().trim_start_matches("Patient/");
        !patients.iter().any(|id| id == patient)
    };
    let n_orphans = binary::resources(&run, "AllergyIntolerance").iter().filter(|a| is_orphan(a)).count() as u64;
    let blocked = delivered["AllergyIntolerance"] - n_orphans;
    assert!(blocked > 0);
    assert_eq!(at_target["AllergyIntolerance"]["at_target"]["blocked"], blocked, "{at_target}");
    assert_eq!(server.counts().get("AllergyIntolerance").map_or(0, |(n, _)| *n), n_orphans);
    let codes = &load_manifest(&run)["issues"];
    assert_eq!(codes["LOD0101"], delivered["Patient"], "{codes}");

    // The server takes them now: the same command sends what was rejected and what waited.
    server.knobs(&json!({}));
    scene.load(&run, &[0, 1]);
    for (kind, n) in &delivered {
        assert_eq!(server.counts()[kind], (*n, *n), "{kind}");
    }
}

fn a_lost_journal_overwrites_nothing(server: &Server) {
    server.clear();
    let scene = Scene::make(server, "6f1c7b4e-2f0a-4d35-9a0f-3a5a5d0f7c16", 2);
    let run = scene.run("one", &[]);
    scene.sign(&run);
    scene.load(&run, &[0, 1]);
    let id = ids(&run, "Patient").remove(0);
    let (_, mut patient) = server.get(&format!("Patient/{id}"));
    patient["maritalStatus"] = json!({ "text": "edited at the target" });
    server.put(&format!("Patient/{id}"), &patient);
    let before = server.counts();
    std::fs::remove_dir_all(scene.state().join("epr")).unwrap();
    scene.load(&run, &[0, 1]);
    assert_eq!(server.counts(), before, "what is there is read, and not written again");
    assert_eq!(listed(&run), BTreeSet::from([format!("Patient/{id}")]));
    let total: u64 = delivered_by_type(&run).values().sum();
    assert_eq!(sum(&Scene::at_target(&run), "confirmed"), total - 1);
}

/// When to kill a loader.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// Right after an intent was written: the bundle is on its way.
    Sent,
    /// As soon as so many are confirmed.
    Answered,
}

/// The fixture's project with a server as its target, and its tables copied many times over.
struct Scene {
    project: Project,
    url: String,
    namespace: &'static str,
}

impl Scene {
    fn make(server: &Server, namespace: &'static str, copies: u32) -> Self {
        let project = Project::make();
        let file = project.path("fixtures/first/epr.toml");
        let mut text = std::fs::read_to_string(&file).unwrap();
        text.push_str("\n[target.epr]\nkind = \"fhir\"\nurl_env = \"EPR_TARGET\"\npatience = 2\ntimeout = 60\n");
        std::fs::write(&file, text).unwrap();
        copy_rows(&project.path("pas.sqlite"), copies);
        Self { project, url: server.url.clone(), namespace }
    }

    fn state(&self) -> PathBuf {
        self.project.path("state")
    }

    fn command(&self, name: &str, run: &Path) -> Command {
        let mut command = self.project.epr(&[name]);
        command.arg("--run-dir").arg(run).arg("--no-progress");
        command.arg("--set").arg(format!("project.state={}", self.state().display()));
        command.arg("--set").arg(format!("project.namespace={}", self.namespace));
        command.env("EPR_TARGET", &self.url);
        command
    }

    /// What the command printed, stdout and then stderr.
    fn epr(&self, name: &str, run: &Path, args: &[&str], codes: &[i32]) -> String {
        let output = binary::expect(self.command(name, run).args(args), codes);
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        if args.contains(&"json") { told } else { told + &String::from_utf8_lossy(&output.stderr) }
    }

    fn run(&self, name: &str, args: &[&str]) -> PathBuf {
        let run = self.project.path(name);
        self.epr("run", &run, args, &[0, 1]);
        run
    }

    /// Accepts, with a waiver for each defect of the fixture that stops.
    fn sign(&self, run: &Path) {
        let report: Value = serde_json::from_slice(&std::fs::read(run.join("5-report/report.json")).unwrap()).unwrap();
        let mut waivers = "rule,patients,reason,name,expires_on\n".to_owned();
        for stop in report["verdict"]["stops"].as_array().unwrap() {
            let rule = stop["rule"].as_str().unwrap();
            writeln!(waivers, "{rule},100000,planted,A Person,2099-12-31").unwrap();
        }
        let file = self.project.path("waivers.csv");
        std::fs::write(&file, waivers).unwrap();
        let mut sign = binary::epr();
        sign.args(["sign", "--by", "A Person", "--role", "CSO", "--decision", "accept", "--run-dir"]).arg(run);
        binary::expect(sign.arg("--waivers").arg(file), &[0]);
    }

    fn load(&self, run: &Path, codes: &[i32]) -> String {
        self.epr("load", run, &["--target", "epr"], codes)
    }

    /// Kills the loader when so many resources are confirmed; `false` where it was over first.
    fn kill_when(&self, run: &Path, n: u64, moment: Moment) -> bool {
        let mut child = self
            .command("load", run)
            .args(["--target", "epr"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let begun = Instant::now();
        while child.try_wait().unwrap().is_none() {
            let (confirmed, sent) = self.journal();
            if confirmed >= n && (sent > 0 || matches!(moment, Moment::Answered)) {
                child.kill().unwrap();
                child.wait().unwrap();
                return true;
            }
            assert!(begun.elapsed() < Duration::from_mins(5), "the load hangs");
            std::thread::sleep(Duration::from_millis(2));
        }
        false
    }

    /// Confirmed, and sent without an answer.
    fn journal(&self) -> (u64, u64) {
        let path = self.state().join("epr/journal.sqlite");
        let count = || {
            let connection = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            let sql = "SELECT count(*) FILTER (WHERE state = 'confirmed'), count(*) FILTER (WHERE state = 'sent') FROM resources";
            connection.query_row(sql, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
        };
        // Before the loader has made it there is nothing to read.
        let (confirmed, sent) = count().unwrap_or((0, 0));
        (u64::try_from(confirmed).unwrap(), u64::try_from(sent).unwrap())
    }

    fn at_target(run: &Path) -> Value {
        load_manifest(run)["ledgers"]["resources"].clone()
    }

    fn change_every_patient(&self) {
        let connection = Connection::open(self.project.path("pas.sqlite")).unwrap();
        connection.execute_batch("UPDATE PATIENTS SET FORENAME = coalesce(FORENAME, '') || 'A'").unwrap();
    }
}

/// What validation lets through, by type.
fn delivered_by_type(run: &Path) -> BTreeMap<String, u64> {
    let ledgers = manifest(&run.join("4-validate"))["ledgers"]["resources"].clone();
    let ledgers = ledgers.as_object().unwrap().iter();
    ledgers.map(|(kind, l)| (kind.clone(), l["delivered"].as_u64().unwrap())).filter(|(_, n)| *n > 0).collect()
}

fn load_manifest(run: &Path) -> Value {
    manifest(&run.join("6-load/epr"))
}

/// The resources that the load's issues name.
fn listed(run: &Path) -> BTreeSet<String> {
    let report: Vec<String> = std::fs::read_to_string(run.join("7-report/issues.csv"))
        .unwrap()
        .lines()
        .filter(|line| line.contains("LOD0103"))
        .map(str::to_owned)
        .collect();
    report
        .iter()
        .map(|line| {
            let id = line.split(',').find(|cell| cell.len() == 36 && cell.matches('-').count() == 4).unwrap();
            format!("Patient/{id}")
        })
        .collect()
}

fn ids(run: &Path, kind: &str) -> Vec<String> {
    binary::resources(run, kind).iter().map(|r| r["id"].as_str().unwrap().to_owned()).collect()
}

/// Copies the rows of three tables: people nobody shares a number with, and what refers to the first dozen.
fn copy_rows(database: &Path, copies: u32) {
    let connection = Connection::open(database).unwrap();
    for (table, sets) in [
        (
            "PATIENTS",
            "PATNT_REFNO = PATNT_REFNO + 1000 * copy_no, PASID = PASID || '-' || copy_no, NHS_IDENTIFIER = NULL",
        ),
        ("ALLERGIES", "ALLER_REFNO = ALLER_REFNO + 1000 * copy_no"),
        ("SCHEDULES", "SCHDL_REFNO = SCHDL_REFNO + 1000 * copy_no"),
    ] {
        let copy = format!(
            "CREATE TEMP TABLE copies AS
               WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {copies})
               SELECT {table}.*, n.i AS copy_no FROM {table}, n;
             UPDATE copies SET {sets};
             ALTER TABLE copies DROP COLUMN copy_no;
             INSERT INTO {table} SELECT * FROM copies;
             DROP TABLE copies;"
        );
        connection.execute_batch(&copy).unwrap();
    }
}

fn manifest(stage: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(stage.join("manifest.json")).unwrap()).unwrap()
}

fn sum(ledgers: &Value, what: &str) -> u64 {
    ledgers.as_object().unwrap().values().map(|l| l["at_target"][what].as_u64().unwrap_or(0)).sum()
}

fn added(before: &BTreeMap<String, (u64, u64)>, after: &BTreeMap<String, (u64, u64)>, kind: &str) -> (u64, u64) {
    let (a, b) = (before.get(kind).copied().unwrap_or_default(), after.get(kind).copied().unwrap_or_default());
    (b.0 - a.0, b.1 - a.1)
}
