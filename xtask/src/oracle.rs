//! `cargo xtask oracle`: the reference validator beside ours, on the same files, under the same conditions.
//!
//! The files given; or without any the built-in set: a sample of the peninsula's output, resources of the Synthea pair,
//! UK Core's examples with profiles assigned, and mutants of them all; `--mutants N` makes mutants of given files too.
//! Without Java it says so and does nothing.
//!
//! | what you want to find | module |
//! |---|---|
//! | what is judged, and against what | [`inputs`] |
//! | the reference validator: started, asked, its answers kept | [`reference`] |
//! | our own binary | [`ours`] |
//! | how far both agree, and where not | [`agreement`] |
//! | the reference's judgement as numbers; replayed against ours where Java is absent | [`recorded`]; `replay` |

pub(crate) mod agreement;
pub(crate) mod inputs;
pub(crate) mod ours;
pub(crate) mod recorded;
pub(crate) mod reference;
#[cfg(test)]
mod replay;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use inputs::Input;
use reference::Reference;

/// Goals, in per mille.
const GOAL_VERDICT: usize = 970;
const GOAL_EXACT: usize = 880;
const GOAL_FOUND: usize = 985;

/// What one side said of one file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Judged {
    /// Errors and fatal ones; milder issues are nobody's business here.
    pub(crate) errors: Vec<Fault>,
    /// Why there is no judgement.
    pub(crate) failed: Option<String>,
}

/// One error.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fault {
    /// Our issue code, or the id of the reference's message.
    pub(crate) code: String,
    pub(crate) at: String,
    pub(crate) text: String,
}

/// What was asked for on the command line.
struct Options {
    files: Vec<PathBuf>,
    packages: Vec<String>,
    profile: Option<String>,
    /// A binary of ours that is built already.
    epr: Option<PathBuf>,
    /// A command that speaks as the launcher does; without it the launcher is built and started.
    launcher: Option<String>,
    seed: u64,
    /// Mutants of each kind.
    quota: usize,
    /// Mutants of each kind of the files given; without it they are judged as they are.
    of_given: Option<usize>,
    out: PathBuf,
    records: bool,
}

impl Options {
    fn read(words: &[&str]) -> Result<Self> {
        let mut options = Self {
            files: Vec::new(),
            packages: Vec::new(),
            profile: None,
            epr: None,
            launcher: None,
            seed: recorded::SEED,
            quota: recorded::QUOTA,
            of_given: None,
            out: crate::target().join("oracle"),
            records: false,
        };
        let mut words = words.iter();
        while let Some(&word) = words.next() {
            let mut value = || words.next().map(|v| (*v).to_owned()).with_context(|| format!("{word} wants a value"));
            match word {
                "--package" => options.packages.push(value()?),
                "--profile" => options.profile = Some(value()?),
                "--epr" => options.epr = Some(value()?.into()),
                "--launcher" => options.launcher = Some(value()?),
                "--seed" => options.seed = value()?.parse().context("--seed wants a number")?,
                "--quota" => options.quota = value()?.parse().context("--quota wants a number")?,
                "--mutants" => options.of_given = Some(value()?.parse().context("--mutants wants a number")?),
                "--out" => options.out = value()?.into(),
                "--record" => options.records = true,
                _ if word.starts_with("--") => bail!("{word} is no option of oracle"),
                _ => options.files.push(word.into()),
            }
        }
        Ok(options)
    }
}

pub(crate) fn run(words: &[&str]) -> Result<ExitCode> {
    let options = Options::read(words)?;
    let Some(mut reference) = Reference::start(options.launcher.as_deref(), &options.out)? else {
        println!("oracle: skipped: no Java here (17 or later, with Maven)");
        return Ok(ExitCode::SUCCESS);
    };
    let set = if options.files.is_empty() {
        inputs::built_in(&options.out, options.seed, options.quota)?
    } else {
        let set = inputs::given(&options.files, &options.packages, options.profile.as_deref())?;
        match options.of_given {
            Some(quota) => inputs::with_mutants(set, &options.out, options.seed, quota)?,
            None => set,
        }
    };
    println!(
        "{} files, {} of them mutants",
        set.files.len(),
        set.files.iter().filter(|f| f.mutant_of.is_some()).count()
    );
    let (theirs, their_speed) = reference.judge(&set)?;
    if options.records {
        recorded::write(&set, &theirs, options.seed)?;
    }
    let epr = options.epr.map_or_else(|| crate::build_epr("release"), Ok)?;
    let (ours, our_speed) = ours::judge(&epr, &set)?;
    let agreement = agreement::compare(&set, &ours, &theirs);
    agreement.print();
    let differences = options.out.join("differences.txt");
    std::fs::write(&differences, agreement.differences())?;
    println!("differences, by class: {}", differences.display());
    println!("ours       {our_speed}");
    println!("reference  {their_speed}");
    let meets = options.files.is_empty() && agreement.meets(GOAL_VERDICT, GOAL_EXACT, GOAL_FOUND);
    Ok(if meets || !options.files.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// UK Core's packages, and its profile of each type that it has one for.
pub(crate) fn uk_core() -> Result<Group> {
    inputs::groups()?.pop().context("the groups are two")
}

/// How fast the reference judges each line of an NDJSON file by itself, against UK Core; `None` where there is no Java.
pub(crate) fn speed_on(lines: &Path, out: &Path) -> Result<Option<Speed>> {
    // What was answered before would be read from its file.
    match std::fs::remove_dir_all(out) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let Some(mut reference) = Reference::start(None, out)? else { return Ok(None) };
    let mut files = Vec::new();
    for (n, line) in std::fs::read_to_string(lines)?.lines().enumerate() {
        let path = out.join(format!("{n:05}.json"));
        std::fs::write(&path, line)?;
        files.push(path);
    }
    let mut set = inputs::given(&files, &[], None)?;
    set.groups = inputs::groups()?;
    for file in &mut set.files {
        file.group = inputs::Against::UkCore.group();
    }
    Ok(Some(reference.judge(&set)?.1))
}

/// How fast one side was.
pub(crate) struct Speed {
    pub(crate) n_files: usize,
    pub(crate) cpu_ms: f64,
    /// What the figure does not say by itself.
    pub(crate) note: &'static str,
}

impl Speed {
    /// Files a CPU second.
    #[allow(clippy::cast_precision_loss, reason = "counts of files are small")]
    pub(crate) fn rate(&self) -> f64 {
        self.n_files as f64 / (self.cpu_ms / 1000.0).max(0.001)
    }
}

impl std::fmt::Display for Speed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} files judged in {:.1} CPU s: {:.0} a second ({})",
            self.n_files,
            self.cpu_ms / 1000.0,
            self.rate(),
            self.note
        )
    }
}

/// Files and what they are judged against.
pub(crate) struct Set {
    pub(crate) groups: Vec<Group>,
    pub(crate) files: Vec<Input>,
}

/// What a part of the set is judged against.
pub(crate) struct Group {
    pub(crate) name: &'static str,
    /// As the reference names them: `name#version`.
    pub(crate) packages: Vec<String>,
    /// As our command takes them.
    pub(crate) our_packages: Vec<String>,
    /// The profile of each type.
    pub(crate) profiles: std::collections::BTreeMap<String, String>,
}
