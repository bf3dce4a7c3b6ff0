//! The report of a small run folder, read as its readers would: figures, page, lists, signature.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use epr_report::{Decision, GateState, Role, SignError, SignatureState, Waiver, When};
use epr_run::{FinishedStage, RunFolder};
use serde_json::Value;
use tempfile::TempDir;

use crate::fixture_run::{self as fixture, Kind, PLANTED};

fn made(kind: Kind) -> (TempDir, RunFolder, FinishedStage) {
    let folder = tempfile::tempdir().unwrap();
    let run = fixture::write(&folder.path().join("run"), kind);
    let report = fixture::report(&run, &fixture::input(When::BeforeLoad));
    (folder, run, report)
}

fn text(report: &FinishedStage, file: &str) -> String {
    fs::read_to_string(report.path().join(file)).unwrap()
}

fn json(report: &FinishedStage) -> Value {
    serde_json::from_str(&text(report, "report.json")).unwrap()
}

const FILES: [&str; 6] =
    ["report.html", "report.json", "issues.csv", "reconciliation.csv", "hazard-log.csv", "outcomes.ndjson"];

#[test]
fn the_figures_of_a_flawed_run() {
    let (_folder, _run, report) = made(Kind::Flawed);
    insta::assert_snapshot!(text(&report, "report.json"));
}

#[test]
fn the_lists_of_a_flawed_run() {
    let (_folder, _run, report) = made(Kind::Flawed);
    for file in ["issues.csv", "reconciliation.csv", "hazard-log.csv", "outcomes.ndjson"] {
        insta::assert_snapshot!(file, text(&report, file));
    }
}

/// Headings, gates and table cells as text; not the drawing.
fn structure(html: &str) -> String {
    let body = html.split_once("<body>").unwrap().1;
    let body = body.split_once("<script>").unwrap().0;
    let mut out = String::new();
    let mut in_svg = false;
    for piece in body.split('<').skip(1) {
        let (tag, content) = piece.split_once('>').unwrap();
        let name = tag.split_whitespace().next().unwrap_or_default();
        in_svg = (in_svg || name == "svg") && name != "/svg";
        if in_svg {
            continue;
        }
        match name {
            "h1" | "h2" | "h3" | "tr" | "li" | "p" | "dt" | "summary" | "caption" => {
                out.extend(["\n[", name, "] "]);
            }
            "td" | "th" | "dd" => out.push_str(" | "),
            _ => {}
        }
        let content = content.split_whitespace().collect::<Vec<_>>().join(" ");
        if !content.is_empty() {
            out.push_str(&content);
            out.push(' ');
        }
    }
    let lines = out.lines().map(str::trim_end).filter(|l| !l.is_empty());
    lines.collect::<Vec<_>>().join("\n").replace("&#x2F;", "/").replace("&#x27;", "'")
}

#[test]
fn the_page_of_a_flawed_run() {
    let (_folder, _run, report) = made(Kind::Flawed);
    insta::assert_snapshot!(structure(&text(&report, "report.html")));
}

#[test]
fn the_page_of_a_clean_run() {
    let (_folder, run, report) = made(Kind::Clean);
    insta::assert_snapshot!(structure(&text(&report, "report.html")));
    assert!(epr_report::verdict(&run).unwrap().ready);
}

#[test]
fn the_page_after_a_load_that_was_rejected_in_part() {
    let (_folder, run, _report) = made(Kind::Clean);
    fixture::load(&run, false, 2);
    let report = fixture::report(&run, &fixture::input(When::AfterLoad));
    insta::assert_snapshot!(structure(&text(&report, "report.html")));
    let verdict = epr_report::verdict(&run).unwrap();
    assert_eq!(verdict.headline, "Loaded, but 1 of 12 gates fails");
    assert_eq!(verdict.gates[0].count.n, 2);
}

#[test]
fn t1_no_value_of_a_patient_is_in_any_file_of_the_report() {
    let (_folder, _run, report) = made(Kind::Flawed);
    for file in FILES {
        let content = text(&report, file);
        for planted in PLANTED {
            assert!(!content.contains(planted), "{file} holds a planted value");
        }
    }
}

#[test]
fn t2_the_sums_of_the_figures_agree() {
    let (_folder, _run, report) = made(Kind::Flawed);
    let figures = json(&report);
    let n = |v: &Value| v.as_u64().unwrap();
    for line in figures["reconciliation"]["maps"].as_array().unwrap() {
        let parts = ["mapped", "refused", "excluded", "superseded", "repeated", "empty"];
        assert_eq!(n(&line["in_scope"]), parts.iter().map(|p| n(&line[p])).sum::<u64>());
    }
    let cells: Vec<_> =
        figures["grid"]["rows"].as_array().unwrap().iter().flat_map(|r| r["cells"].as_array().unwrap()).collect();
    let affected = n(&figures["verdict"]["counts"]["patients_affected"]["n"]);
    let sum: u64 = cells.iter().map(|c| n(&c["patients"]["n"])).sum();
    let highest = cells.iter().map(|c| n(&c["patients"]["n"])).max().unwrap();
    assert!(sum >= affected && affected >= highest, "{sum} ≥ {affected} ≥ {highest}");
    let all: u64 = cells.iter().map(|c| n(&c["findings"]["n"])).sum();
    let by_rule: u64 = figures["findings"].as_array().unwrap().iter().map(|f| n(&f["findings"]["n"])).sum();
    assert_eq!(all, by_rule);
    assert_eq!(all, text(&report, "issues.csv").lines().count() as u64 - 1);
}

#[test]
fn r3_every_number_says_what_it_is_a_part_of() {
    fn walk(value: &Value, path: &str, faults: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                for (key, member) in members {
                    if member.is_number() && key != "schema" {
                        match members.get("of").and_then(Value::as_u64) {
                            Some(of) if member.as_u64().unwrap() <= of => {}
                            _ => faults.push(format!("{path}.{key}")),
                        }
                    }
                    walk(member, &format!("{path}.{key}"), faults);
                }
            }
            Value::Array(items) => items.iter().for_each(|i| walk(i, &format!("{path}[]"), faults)),
            _ => {}
        }
    }
    let (_folder, _run, report) = made(Kind::Flawed);
    let mut faults = Vec::new();
    walk(&json(&report), "", &mut faults);
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn t3_nothing_says_that_a_load_is_free_of_risk() {
    let (_folder, _run, report) = made(Kind::Clean);
    let templates = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/templates")).unwrap();
    let mut texts: Vec<String> = templates.map(|f| fs::read_to_string(f.unwrap().path()).unwrap()).collect();
    texts.push(text(&report, "report.html"));
    for text in texts {
        let words = text.split(|c: char| !c.is_alphanumeric());
        assert!(!words.map(str::to_lowercase).any(|w| w == "safe"));
    }
}

#[test]
fn s1_the_page_does_not_grow_with_the_findings_and_s3_it_asks_for_nothing_from_outside() {
    let (_folder, _run, report) = made(Kind::Flawed);
    let html = text(&report, "report.html");
    assert!(html.len() < 300_000, "{} bytes", html.len());
    for attribute in html.split(['"', '\'']).zip(html.split(['"', '\'']).skip(1)) {
        if attribute.0.ends_with("src=") || attribute.0.ends_with("href=") {
            assert!(!attribute.1.contains("//"), "{}", attribute.1);
        }
    }
    assert!(!html.contains("url(") && !html.contains("@import"));
    assert!(html.contains("default-src 'none'"));
    assert!(!html.contains(" style=\"") && !html.contains(" onclick="));
}

#[test]
fn the_policy_allows_exactly_the_blocks_that_are_in_the_page() {
    let (_folder, _run, report) = made(Kind::Clean);
    let html = text(&report, "report.html");
    for (open, close, file) in [("<style>", "</style>", "style.css"), ("<script>", "</script>", "script.js")] {
        assert_eq!(html.matches(open).count(), 1);
        let block = html.split_once(open).unwrap().1.split_once(close).unwrap().0;
        let path = format!("{}/templates/{file}", env!("CARGO_MANIFEST_DIR"));
        assert_eq!(block, fs::read_to_string(path).unwrap());
    }
}

#[test]
fn the_same_run_gives_the_same_bytes() {
    let (_a, _run, first) = made(Kind::Flawed);
    let (_b, _run, second) = made(Kind::Flawed);
    for file in FILES {
        assert_eq!(text(&first, file), text(&second, file), "{file}");
    }
    assert_eq!(first.manifest(), second.manifest());
}

#[test]
fn the_files_are_for_the_group_and_for_nobody_else() {
    let (_folder, _run, report) = made(Kind::Flawed);
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(report.path()), 0o750);
    for file in FILES {
        assert_eq!(mode(&report.path().join(file)), 0o640, "{file}");
    }
    let names: Vec<_> = report.manifest().files.iter().map(|f| f.path.as_str()).collect();
    assert_eq!(
        names,
        ["hazard-log.csv", "issues.csv", "outcomes.ndjson", "reconciliation.csv", "report.html", "report.json"]
    );
}

#[test]
fn a_row_that_the_ledger_counts_and_nobody_wrote_is_unaccounted_for() {
    let (_folder, run, _report) = made(Kind::RowLost);
    let verdict = epr_report::verdict(&run).unwrap();
    assert!(!verdict.ready);
    let failing: Vec<_> = verdict.failing().map(|g| (g.id.as_str(), g.count.n)).collect();
    assert_eq!(failing, [("rows-accounted", 1), ("ledgers-balance", 1)]);
    let error = sign(&run, Decision::Accept, vec![]).unwrap_err();
    assert!(matches!(error, SignError::Unbalanced { .. }), "{error}");
}

#[test]
fn an_altered_input_makes_no_report() {
    let folder = tempfile::tempdir().unwrap();
    let run = fixture::write(folder.path(), Kind::Flawed);
    let path = run.root().join("4-validate/ledger.json");
    let altered = fs::read_to_string(&path).unwrap().replace("\"failed\": 1", "\"failed\": 0");
    fs::write(&path, altered).unwrap();
    let stop = epr_run::StopFlag::new();
    let ctx = epr_run::StageContext { run: &run, progress: &epr_run::context::Silent, stop: &stop };
    let error = epr_report::run(ctx, &fixture::input(When::BeforeLoad)).unwrap_err();
    assert!(error.to_string().contains("was altered"), "{error}");
    assert!(!run.root().join("5-report").exists());
}

fn waiver(rule: &str, count: u64, expires_on: &str) -> Waiver {
    Waiver {
        rule: rule.to_owned(),
        scope: String::new(),
        count,
        reason: "twins, seen by the trust".to_owned(),
        name: "Dr A. Example".to_owned(),
        expires_on: expires_on.to_owned(),
    }
}

fn sign(run: &RunFolder, decision: Decision, waivers: Vec<Waiver>) -> Result<epr_report::Signature, SignError> {
    epr_report::sign(run, "Dr A. Example", Role::Cso, decision, waivers, "2026-11-02T10:00:00Z")
}

#[test]
fn a_stop_is_passed_only_by_a_waiver_that_is_large_enough_and_in_date() {
    let (_folder, run, _report) = made(Kind::Flawed);
    let refusal = |waivers| sign(&run, Decision::Accept, waivers).unwrap_err().to_string();
    assert_eq!(
        refusal(vec![]),
        "ID-03 is set to stop and has 2 (patients); the waivers cover 0: add a line to the waivers file, or refuse"
    );
    assert!(refusal(vec![waiver("ID-03", 1, "2026-12-31")]).contains("cover 1"));
    assert!(refusal(vec![waiver("ID-03", 2, "2026-11-01")]).contains("ended on 2026-11-01"));
    assert_eq!(epr_report::verify_signature(&run).unwrap(), SignatureState::Unsigned);

    let signature = sign(&run, Decision::Accept, vec![waiver("ID-03", 2, "2026-11-02")]).unwrap();
    assert_eq!(
        signature.failing_gates,
        ["hazards-waived", "profile-holds", "codes-mapped", "control-appointments-to-come"]
    );
    assert_eq!(signature.expired_on("2026-11-03").count(), 1);
    assert!(matches!(epr_report::verify_signature(&run).unwrap(), SignatureState::Accepted(_)));
}

#[test]
fn only_the_safety_officer_accepts_and_nobody_signs_twice() {
    let (_folder, run, _report) = made(Kind::Clean);
    let lead = epr_report::sign(&run, "A. Lead", Role::Lead, Decision::Accept, vec![], "2026-11-02T10:00:00Z");
    assert!(matches!(lead, Err(SignError::RoleMayNotAccept(Role::Lead))));
    sign(&run, Decision::Refuse, vec![]).unwrap();
    assert!(matches!(epr_report::verify_signature(&run).unwrap(), SignatureState::Refused(_)));
    assert!(matches!(sign(&run, Decision::Accept, vec![]), Err(SignError::AlreadySigned(_))));
}

#[test]
fn whatever_is_altered_after_the_signature_voids_it() {
    type Change = fn(&str) -> String;
    let alter: [(&str, Change); 5] = [
        ("5-report/report.html", |t| t.replace("Ready", "Steady")),
        ("5-report/issues.csv", |t| format!("{t}x")),
        ("5-report/signature.json", |t| t.replace("Dr A. Example", "Dr B. Example")),
        ("run.json", |t| t.replace(&epr_run::Sha256Hex::of_bytes(b"mappings").to_string(), &"0".repeat(64))),
        ("audit.ndjson", |t| t.replace("signed", "sighed")),
    ];
    for (file, change) in alter {
        let (_folder, run, _report) = made(Kind::Clean);
        sign(&run, Decision::Accept, vec![]).unwrap();
        let path = run.root().join(file);
        let before = fs::read_to_string(&path).unwrap();
        let after = change(&before);
        assert_ne!(before, after, "{file}");
        fs::write(&path, after).unwrap();
        let state = epr_report::verify_signature(&run).unwrap();
        assert!(matches!(state, SignatureState::Void(_)), "{file}: {state:?}");
    }
    let (_folder, run, _report) = made(Kind::Clean);
    sign(&run, Decision::Accept, vec![]).unwrap();
    let holds = run.root().join("4-validate/holds.parquet");
    fs::write(&holds, b"").unwrap();
    assert!(matches!(epr_report::verify_signature(&run).unwrap(), SignatureState::Void(r) if r.contains("holds")));
}

#[test]
fn the_report_after_the_load_knows_the_signature() {
    let (_folder, run, _report) = made(Kind::Clean);
    sign(&run, Decision::Accept, vec![]).unwrap();
    // What others write into the log later does not void it.
    epr_run::audit::append(run.root(), "2026-11-02T11:00:00Z", "tester", "signed", serde_json::Map::new()).unwrap();
    fixture::load(&run, false, 0);
    fixture::report(&run, &fixture::input(When::AfterLoad));
    let verdict = epr_report::verdict(&run).unwrap();
    assert_eq!(verdict.headline, "Loaded: 12 of 12 gates met");
    assert!(verdict.gates.iter().all(|g| g.state == GateState::Met));
    assert!(matches!(epr_report::verify_signature(&run).unwrap(), SignatureState::Accepted(_)));
}

#[test]
fn the_summary_names_the_worst_findings_and_the_reports_hash() {
    let (_folder, run, report) = made(Kind::Flawed);
    let summary = epr_report::summary(&run).unwrap();
    assert_eq!(summary.top[0].code, "ID-03");
    assert_eq!(summary.n_codes, 6);
    assert_eq!(summary.gates_in_words(), "4 gates fail, 1 is open, 6 are met");
    let hash = epr_run::Sha256Hex::of_file(&report.path().join("report.html")).unwrap().0;
    assert_eq!(summary.sha256, hash.to_string());
}
