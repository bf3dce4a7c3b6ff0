//! `cargo xtask fixtures`: a synthetic peninsula written to a folder.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::peninsula::model::Setting;
use crate::peninsula::truth::Counts;

/// People between two lines of progress.
const TOLD_EVERY: u64 = 50_000;

struct Wish {
    setting: Setting,
    folder: PathBuf,
    is_clean: bool,
}

pub(crate) fn run(words: &[&str]) -> Result<ExitCode> {
    let wish = read(words)?;
    let started = Instant::now();
    let counts = crate::peninsula::write(&wish.folder, &crate::root(), wish.setting, wish.is_clean, |n| {
        if n.is_multiple_of(TOLD_EVERY) {
            eprintln!("fixtures: {n} of {} people, {:.0} s", wish.setting.n_people, started.elapsed().as_secs_f64());
        }
    })?;
    let seconds = started.elapsed().as_secs_f64();
    eprintln!("fixtures: {:.1} s, {:.0} people a second", seconds, counts.people as f64 / seconds);
    print!("{}", summary(&wish, &counts));
    Ok(ExitCode::SUCCESS)
}

fn read(words: &[&str]) -> Result<Wish> {
    let (mut seed, mut n_people, mut folder, mut is_clean) = (1, 500, None, false);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().with_context(|| format!("{word} needs a value"));
        match *word {
            "--seed" => seed = value()?.parse().context("--seed is a whole number")?,
            "--patients" => n_people = value()?.parse().context("--patients is a whole number")?,
            "--out" => folder = Some(PathBuf::from(value()?)),
            "--clean" => is_clean = true,
            other => bail!("fixtures: `{other}` is not known; expected --seed, --patients, --out or --clean"),
        }
    }
    if !(1..=1_700_000).contains(&n_people) {
        bail!("fixtures: --patients is from 1 to 1700000, as many as the test ranges 999 and 998 have numbers for");
    }
    let folder = folder.unwrap_or_else(|| crate::target().join("peninsula"));
    Ok(Wish { setting: Setting { seed, n_people }, folder, is_clean })
}

fn summary(wish: &Wish, counts: &Counts) -> String {
    use std::fmt::Write as _;
    let mut text = format!("{} people in {}\n", counts.people, wish.folder.display());
    let mut line = |what: &str, name: &str, n: u64| {
        // A String takes every line.
        let _ = writeln!(text, "{what:<10} {name:<14} {n:>9}");
    };
    for (system, n) in &counts.records {
        line("records", &format!("{} {}", system.organisation().code(), system.name()), *n);
    }
    for (domain, n) in &counts.facts {
        line("facts", domain, *n);
    }
    for (kind, n) in &counts.defects {
        line("planted", kind.code(), *n);
    }
    text
}
