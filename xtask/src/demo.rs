//! `cargo xtask demo`: all set-up, then the main job on a synthetic peninsula of seven organisations, made here; where
//! real inputs are at hand, on those too.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Result, bail};

use crate::peninsula::model::Setting;
use crate::setup::{self, Need};
use crate::{peninsula, sqlite};

/// The people of the demo: enough for every kind of defect, and soon done.
const PEOPLE: Setting = Setting { seed: 1, n_people: 500 };

/// One project that the demo runs.
struct Job {
    name: &'static str,
    what: &'static str,
    project: PathBuf,
    sets: Vec<String>,
}

pub(crate) fn run() -> Result<ExitCode> {
    setup::ensure(&[Need::SqliteOdbc])?;
    println!("building epr");
    let epr = crate::build_epr("dev")?;
    setup::ensure_r4(&epr)?;

    let demo = crate::target().join("demo");
    let mut worst = 0;
    let mut places = Vec::new();
    for job in jobs(&demo)? {
        let run = demo.join(job.name);
        for old in [&run, &demo.join("state").join(job.name)] {
            if old.exists() {
                fs::remove_dir_all(old)?;
            }
        }
        println!("\n== {}: {}", job.name, job.what);
        let mut command = Command::new(&epr);
        command.arg("run").arg("--project").arg(&job.project).arg("--run-dir").arg(&run);
        command.args(["--set", &format!("project.state={}", demo.join("state").join(job.name).display())]);
        for set in &job.sets {
            command.args(["--set", set]);
        }
        // A run that ends with 1 is whole: it has issues, as legacy data do.
        match command.status()?.code() {
            Some(code @ (0 | 1)) => worst = worst.max(code),
            code => bail!("the run of {} ended with {code:?}", job.name),
        }
        places.push(run);
    }
    println!("\nWhere to look");
    for run in places {
        println!("  report     {}", run.join("7-report/report.html").display());
        println!("  delivered  {}", run.join("6-load/files").display());
    }
    Ok(if worst == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn jobs(demo: &Path) -> Result<Vec<Job>> {
    let fixtures = crate::root().join("fixtures");
    let input = demo.join("input");
    let mut jobs = vec![write_peninsula(&input.join("peninsula"))?];
    let Some(shared) = crate::shared_data() else {
        println!("skipped: the Synthea and NHS 111 runs: ../shared/data is not there");
        return Ok(jobs);
    };
    let synthea = input.join("synthea.sqlite");
    sqlite::from_csv_folder(&shared.join("synthea-csv-fhir-pair/csv"), &synthea)?;
    jobs.push(Job {
        name: "synthea",
        what: "one Synthea run's tables over ODBC",
        project: fixtures.join("synthea/epr.toml"),
        sets: vec![format!("source.synthea.database={}", synthea.display())],
    });
    jobs.push(Job {
        name: "nhs111",
        what: "seven NHS 111 messages of four suppliers",
        project: fixtures.join("nhs111/epr.toml"),
        sets: vec![format!("source.nhs111.path={}", shared.join("nhs111").display())],
    });
    Ok(jobs)
}

/// Seven organisations, written anew: nothing of an earlier demo is mixed in.
fn write_peninsula(folder: &Path) -> Result<Job> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    peninsula::write(folder, &crate::root(), PEOPLE, false, |_| {})?;
    Ok(Job {
        name: "peninsula",
        what: "500 synthetic people in the systems of seven organisations, with defects to find",
        project: folder.join("epr.toml"),
        sets: Vec::new(),
    })
}
