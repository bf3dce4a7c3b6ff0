//! `cargo xtask fixtures`: a synthetic peninsula written to a folder.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::peninsula::model::Setting;
use crate::peninsula::project::HEADER;
use crate::peninsula::truth::Counts;

/// What a peninsula consists of. What else lies in its folder (runs, state) is nobody's to take away.
const WRITTEN: [&str; 14] = [
    "epr.toml",
    "codes",
    "rk9.sqlite",
    "ref.sqlite",
    "ref-ed",
    "ra9.sqlite",
    "ra9-cancer",
    "rbz.sqlite",
    "rh8",
    "hosp1",
    "hosp2",
    "hosp3",
    "nhs111",
    "truth",
];

/// People between two lines of progress.
const TOLD_EVERY: u64 = 50_000;

struct Wish {
    setting: Setting,
    folder: PathBuf,
    is_clean: bool,
}

pub(crate) fn run(words: &[&str]) -> Result<ExitCode> {
    let wish = read(words)?;
    clear(&wish.folder)?;
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

/// Takes away a peninsula that was written here before: fewer people leave no file of more behind.
fn clear(folder: &Path) -> Result<()> {
    let project = folder.join("epr.toml");
    match std::fs::read_to_string(&project) {
        Ok(text) if !text.starts_with(HEADER) => {
            bail!("fixtures: {} is another project's; nothing was written. Name another folder", project.display())
        }
        Ok(_) => {}
        Err(_) if WRITTEN.iter().any(|name| folder.join(name).exists()) => {
            bail!("fixtures: {} holds something else; nothing was written. Name another folder", folder.display())
        }
        Err(_) => return Ok(()),
    }
    for name in WRITTEN {
        let path = folder.join(name);
        if path.is_dir() {
            std::fs::remove_dir_all(&path)?;
        } else if path.exists() {
            std::fs::remove_file(&path)?;
        }
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_cleared_of_a_peninsula_only() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().to_string_lossy().into_owned();
        let words = |n: &'static str| ["--patients", n, "--out", &out].map(str::to_owned);
        let go = |n| {
            let words = words(n);
            run(&words.each_ref().map(String::as_str))
        };
        go("120").unwrap();
        std::fs::create_dir(folder.path().join("state")).unwrap();
        let calls = |folder: &Path| std::fs::read_dir(folder.join("nhs111")).unwrap().count();
        let before = calls(folder.path());
        go("60").unwrap();
        assert!(calls(folder.path()) < before);
        assert!(folder.path().join("state").is_dir());
        std::fs::write(folder.path().join("epr.toml"), "[project]\n").unwrap();
        assert!(go("60").is_err());
        assert!(folder.path().join("rk9.sqlite").exists());
    }

    #[test]
    fn the_words_of_the_command_are_checked() {
        assert!(run(&["--patients", "0"]).is_err());
        assert!(run(&["--patients", "many"]).is_err());
        assert!(run(&["--seed"]).is_err());
        assert!(run(&["--sed", "1"]).is_err());
    }
}
