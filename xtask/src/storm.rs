//! `cargo xtask storm [NAME]`: the long forms of tests, each a line of one table.
//!
//! A storm is a test of the suite with a harder setting. What it prints after `storm: ` comes into the table.

use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Result, bail};

use crate::setup::{self, Need};

/// One storm.
struct Storm {
    name: &'static str,
    what: &'static str,
    needs: &'static [Need],
    /// The test of the suite, and the settings that make it long.
    test: &'static str,
    settings: &'static [(&'static str, &'static str)],
}

const STORMS: &[Storm] = &[
    Storm {
        name: "load-hapi",
        what: "kill -9 of the loader at 20 moments, HAPI FHIR JPA over PostgreSQL",
        needs: &[Need::SqliteOdbc, Need::Hapi],
        test: "fhir_target::hapi_holds_each_resource_once_whatever_happens",
        settings: &[("EPR_STORM_KILLS", "20")],
    },
    Storm {
        name: "load-medplum",
        what: "kill -9 of the loader at 20 moments, Medplum's router",
        needs: &[Need::SqliteOdbc, Need::Medplum],
        test: "fhir_target::medplum_holds_each_resource_once_whatever_happens",
        settings: &[("EPR_STORM_KILLS", "20")],
    },
    Storm {
        name: "peninsula",
        what: "every planted kind is found, every person and fact accounted for, at seeds 1, 2 and 3",
        needs: &[Need::SqliteOdbc],
        test: "peninsula::each_planted_kind_is_found_wherever_it_was_planted",
        settings: SEEDS,
    },
    Storm {
        name: "clean-twin",
        what: "the same people without defects give nothing that stops a load, at seeds 1, 2 and 3",
        needs: &[Need::SqliteOdbc],
        test: "peninsula::the_clean_twin_gives_nothing_that_stops_a_load",
        settings: SEEDS,
    },
    Storm {
        name: "faulty-maps",
        what: "faults of a copy of the mappings are found by what the sources hold, at seeds 1, 2 and 3",
        needs: &[Need::SqliteOdbc],
        test: "peninsula::a_faulty_mapping_is_found_by_what_the_sources_hold",
        settings: SEEDS,
    },
];

const SEEDS: &[(&str, &str)] = &[("EPR_SEEDS", "1,2,3")];

pub(crate) fn run(args: &[&str]) -> Result<ExitCode> {
    let chosen: Vec<&Storm> = match args {
        [] => STORMS.iter().collect(),
        [name] => STORMS.iter().filter(|storm| storm.name == *name).collect(),
        _ => bail!("cargo xtask storm [NAME]"),
    };
    if chosen.is_empty() {
        let names: Vec<_> = STORMS.iter().map(|storm| storm.name).collect();
        bail!("there is no such storm; there are: {}", names.join(", "));
    }
    let needs: Vec<Need> = chosen.iter().flat_map(|storm| storm.needs).copied().collect();
    setup::ensure(&needs)?;
    if needs.contains(&Need::Hapi) || needs.contains(&Need::Medplum) {
        setup::ensure_servers()?;
    }
    setup::ensure_r4(&crate::build_epr("dev")?)?;
    let require: Vec<&str> = needs.iter().map(|need| need.word()).collect();

    let mut rows = Vec::new();
    for storm in &chosen {
        println!("== {}: {}", storm.name, storm.what);
        let began = Instant::now();
        let output = Command::new(env!("CARGO"))
            .current_dir(crate::root())
            .args(["test", "--quiet", "--test", "epr", "--", "--exact", "--show-output", storm.test])
            .env("EPR_REQUIRE", require.join(","))
            .env("EPR_XTASK", std::env::current_exe()?)
            .envs(storm.settings.iter().copied())
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            println!("{text}{}", String::from_utf8_lossy(&output.stderr));
        }
        let told: Vec<String> = text.lines().filter_map(|l| l.strip_prefix("storm: ")).map(str::to_owned).collect();
        rows.push((storm.name, output.status.success(), began.elapsed().as_secs(), told));
    }
    println!("\n{:<14} {:<6} {:>6}  what it saw", "storm", "held", "s");
    for (name, held, seconds, told) in &rows {
        println!("{name:<14} {:<6} {seconds:>6}  {}", if *held { "yes" } else { "NO" }, told.join("; "));
    }
    Ok(if rows.iter().all(|(_, held, _, _)| *held) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
