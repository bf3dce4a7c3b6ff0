//! The stages in their order: which are done already, and doing the next.
//!
//! A finished stage of the same run hash is never done again by `epr run`; the commands of single stages do theirs
//! again, which deletes the later folders.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::anyhow;
use epr_link::{LinkInput, TestNumbers};
use epr_load::{LoadInput, TargetKind};
use epr_mapping::stage::{Limit, MapError, MapInput};
use epr_model::{Issue, Stage};
use epr_report::{Hint, ReportInput, When};
use epr_run::folder::{OldSignature, StageTimes};
use epr_run::{FinishedStage, RunFolder, RunInfo, Sha256Hex, StageContext, StopFlag, audit};
use epr_validate::{RuleAction, ValidateInput};
use serde_json::{Map, Value};

use crate::args::{Common, Reuse};
use crate::clock;
use crate::config::{NhsNumberTrust, Retired};
use crate::exit::{Exit, Failure, Outcome, of_stage};
use crate::output::note;
use crate::progress::{Bar, Shown};
use crate::verdicts;
use crate::workspace::{Workspace, run_hash};

static STOP: StopFlag = StopFlag::new();
static HANDLER_SET: AtomicBool = AtomicBool::new(false);

/// A run that is open, with all that its stages need.
pub(crate) struct Session {
    pub(crate) workspace: Workspace,
    pub(crate) run: RunFolder,
    pub(crate) run_hash: Sha256Hex,
    bar: Bar,
    quiet: bool,
    verbose: bool,
    old_signature: OldSignature,
}

/// Whether the run folder is to be made, or must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Open {
    OrCreate,
    Existing,
}

impl Session {
    pub(crate) fn open(common: &Common, open: Open, discard_signature: bool) -> Outcome<Self> {
        set_up_threads(common)?;
        on_ctrl_c();
        let workspace = Workspace::read_whole(common)?;
        let hashes = workspace.hashes()?;
        let hash = run_hash(&hashes);
        let root = match &common.run_dir {
            Some(dir) => dir.clone(),
            None if open == Open::OrCreate => {
                let name = format!("{}-{}", clock::now_for_a_name(), &hash.as_str()[..4]);
                workspace.project.folder.join("runs").join(name)
            }
            None => return Err(no_run_named(&workspace.project.folder)),
        };
        let run = if RunFolder::exists(&root) {
            let run = RunFolder::open(&root)?;
            same_hash(&run, &hashes, &hash, &root)?;
            run
        } else if open == Open::OrCreate {
            let run = RunFolder::create(&root, &info(&workspace, &hashes, &hash))?;
            audit::append(
                &root,
                &clock::now(),
                &clock::user(),
                "run-begun",
                details([("run_hash", hash.to_string())]),
            )?;
            run
        } else {
            return Err(Failure::usage(anyhow!("{} holds no run", root.display())).next("epr extract begins one"));
        };
        let shown = if common.no_progress || common.quiet || !is_terminal() { Shown::Nothing } else { Shown::Bar };
        let old_signature = if discard_signature { OldSignature::Discard } else { OldSignature::Keep };
        let bar = Bar::new(shown);
        let (quiet, verbose) = (common.quiet, common.verbose > 0);
        Ok(Self { workspace, run, run_hash: hash, bar, quiet, verbose, old_signature })
    }

    pub(crate) fn context(&self) -> StageContext<'_> {
        StageContext { run: &self.run, progress: &self.bar, stop: &STOP }
    }

    pub(crate) fn extract(&self) -> Outcome<FinishedStage> {
        self.stage(Stage::Extract, "1-extract", || {
            let input = epr_extract::ExtractInput {
                run_hash: self.run_hash.clone(),
                sources: self.workspace.sources.clone(),
                batch_rows: self.workspace.project.file.run.batch_rows,
                cut_off: self.workspace.project.file.project.as_of.clone(),
                old_signature: self.old_signature,
            };
            epr_extract::run(self.context(), &input).map_err(|error| {
                let otherwise = if error.is_environment() { Exit::Environment } else { Exit::Usage };
                of_stage(error, otherwise)
            })
        })
    }

    pub(crate) fn map(&self, max_refused: Option<Limit>) -> Outcome<FinishedStage> {
        self.stage(Stage::Map, "2-map", || {
            let input = MapInput {
                run_hash: self.run_hash.clone(),
                plans: self.workspace.plans(),
                namespace: self.workspace.namespace,
                batch_rows: self.workspace.project.file.run.batch_rows,
                max_refused,
                as_of: Some(self.run.info()?.as_of),
                old_signature: self.old_signature,
            };
            epr_mapping::stage::run(self.context(), &input).map_err(|error| {
                let too_many = matches!(error, MapError::TooManyRefused { .. });
                of_stage(error, if too_many { Exit::Issues } else { Exit::Usage })
            })
        })
    }

    pub(crate) fn link(&self) -> Outcome<FinishedStage> {
        let finished = self.stage(Stage::Link, "3-link", || {
            let trusted = self.trusted();
            let file = &self.workspace.project.file;
            let state = self.workspace.project.state();
            let input = LinkInput {
                run_hash: self.run_hash.clone(),
                trusted,
                state: state.is_dir().then_some(state),
                retired: match file.link.retired {
                    Retired::Omit => epr_link::Retired::Omit,
                    Retired::Linked => epr_link::Retired::Linked,
                },
                // In a live load a number of the test range is nobody's: it may not make two records one person.
                test_numbers: if file.project.test_range.is_empty() {
                    TestNumbers::CandidatesOnly
                } else {
                    TestNumbers::Identify
                },
                old_signature: self.old_signature,
            };
            epr_link::run(self.context(), &input).map_err(|error| of_stage(error, Exit::Usage))
        })?;
        Ok(finished)
    }

    /// Sources whose NHS numbers the project trusts without a verification status.
    fn trusted(&self) -> BTreeSet<(String, String)> {
        let sources = self.workspace.project.file.source.values();
        let trusted = sources.filter(|s| s.nhs_number == NhsNumberTrust::Trusted);
        trusted.map(|s| (s.organisation.clone(), s.system.clone())).collect()
    }

    pub(crate) fn validate(&self, reuse: Reuse) -> Outcome<FinishedStage> {
        let (profiles, _) = self.workspace.project.profiles().map_err(Failure::usage)?;
        let pays = || -> Outcome<bool> {
            let linked = self.run.input(Stage::Link)?;
            Ok(linked.manifest().resources.values().sum::<u64>() >= verdicts::PAYS_FROM)
        };
        let is_on = reuse == Reuse::Always || (reuse == Reuse::Auto && pays()?);
        let verdicts = is_on.then(|| verdicts::open(&self.workspace.definitions, &profiles)).transpose()?;
        let finished = self.stage(Stage::Validate, "4-validate", || {
            let file = &self.workspace.project.file;
            let rules = crate::rules::read(&file.rules).map_err(Failure::usage)?;
            let as_of = self.run.info()?.as_of;
            let input = ValidateInput {
                run_hash: self.run_hash.clone(),
                definitions: &self.workspace.definitions,
                profiles,
                rules: rules.actions,
                thresholds: rules.thresholds,
                as_of,
                test_range: file.project.test_range.clone(),
                trusted: self.trusted(),
                old_signature: self.old_signature,
                verdicts: verdicts.as_ref(),
            };
            epr_validate::stage::run(self.context(), &input).map_err(|error| of_stage(error, Exit::Usage))
        })?;
        if let Some(verdicts) = verdicts.filter(|_| !self.quiet) {
            verdicts::tell(&verdicts);
        }
        Ok(finished)
    }

    pub(crate) fn report(&self, when: When) -> Outcome<FinishedStage> {
        let (stage, folder) = match when {
            When::BeforeLoad => (Stage::Report, "5-report"),
            When::AfterLoad => (Stage::ReportAfterLoad, "7-report"),
        };
        let finished = self.stage(stage, folder, || {
            let docs = crate::commands::explain::all_codes();
            let file = &self.workspace.project.file;
            let rules = crate::rules::read(&file.rules).map_err(Failure::usage)?;
            let settings = rules.actions.into_iter().map(|(rule, action)| (rule, report_setting(action))).collect();
            let input = ReportInput {
                run_hash: self.run_hash.clone(),
                when,
                old_signature: self.old_signature,
                docs: &docs,
                hazards: BTreeMap::new(),
                settings,
                packages: self.workspace.packages(),
                hints: hints(),
            };
            epr_report::run(self.context(), &input).map_err(|error| of_stage(error, Exit::Environment))
        })?;
        if let Some(group) = &self.workspace.project.file.project.group {
            give_to_group(finished.path(), group)?;
        }
        Ok(finished)
    }

    pub(crate) fn load(&self, target: &str) -> Outcome<FinishedStage> {
        let input = self.load_input(target)?;
        let remember = || -> Outcome<()> {
            let link = self.run.input(Stage::Link)?;
            Ok(epr_link::remember(&link, &self.workspace.project.state())?)
        };
        // Once the ids are out in the world later runs must give the same persons the same ids. A server has some of
        // them after the first bundle, whether or not the load ends.
        if input.server.is_some() {
            remember()?;
        }
        let loaded = self.stage(Stage::Load, &format!("6-load/{target}"), || {
            epr_load::run(self.context(), &input).map_err(|error| self.load_failure(target, error))
        })?;
        remember()?;
        Ok(loaded)
    }

    /// What a load to a target needs, the address and the token of a server from the environment.
    pub(crate) fn load_input(&self, target: &str) -> Outcome<LoadInput> {
        let section = &self.workspace.project.file.target[target];
        let kind = target_kind(target, &section.kind)?;
        let server = match kind {
            TargetKind::Files => None,
            TargetKind::Fhir => Some(crate::commands::load::server(&self.workspace.project, target, section)?),
        };
        Ok(LoadInput { run_hash: self.run_hash.clone(), target_name: target.to_owned(), kind, server })
    }

    /// An unfinished load says what is true at the target and what to type.
    pub(crate) fn load_failure(&self, target: &str, error: epr_load::LoadError) -> Failure {
        let exit = if error.is_usage() {
            Exit::Usage
        } else if error.is_unfinished() {
            Exit::Unfinished
        } else {
            Exit::Environment
        };
        let again = format!("epr load --run-dir {} --target {target}", self.run.root().display());
        let failure = of_stage(error, exit);
        match failure.exit {
            Exit::Unfinished | Exit::Environment => failure
                .state("what the target confirmed stands in the journal and is not sent again")
                .next(format!("{again} goes on from there")),
            Exit::Usage => failure.state("nothing was sent"),
            _ => failure,
        }
    }

    /// The targets that may be loaded without a signature, or the one named.
    pub(crate) fn targets(&self, named: Option<&str>) -> Outcome<Vec<String>> {
        let targets = &self.workspace.project.file.target;
        if let Some(name) = named {
            if !targets.contains_key(name) {
                let known: Vec<_> = targets.keys().map(String::as_str).collect();
                return Err(Failure::usage(anyhow!(
                    "there is no target `{name}`; the project has: {}",
                    known.join(", ")
                )));
            }
            return Ok(vec![name.to_owned()]);
        }
        let mut loadable = Vec::new();
        for (name, section) in targets {
            if !section.live.unwrap_or(target_kind(name, &section.kind)?.is_live()) {
                loadable.push(name.clone());
            }
        }
        Ok(loadable)
    }

    /// Does a stage that is not finished, and writes down when; a finished one is returned as it is.
    fn stage(
        &self,
        stage: Stage,
        folder: &str,
        work: impl FnOnce() -> Outcome<FinishedStage>,
    ) -> Outcome<FinishedStage> {
        let begun = Instant::now();
        let began_at = clock::now();
        let finished = work()?;
        let mut info = self.run.info()?;
        info.stages.insert(folder.to_owned(), StageTimes { began_at, ended_at: clock::now() });
        self.run.write_info(&info)?;
        let hash = finished.manifest_hash()?.to_string();
        let entry = details([("stage", stage.as_str().to_owned()), ("folder", folder.to_owned()), ("manifest", hash)]);
        audit::append(self.run.root(), &clock::now(), &clock::user(), "stage-finished", entry)?;
        if !self.quiet {
            note(crate::summary::stage_line(&finished, begun.elapsed()));
            if self.verbose {
                note_issues(&finished)?;
            }
        }
        Ok(finished)
    }
}

/// Prints each code of a stage's issues with their number and the place of the first.
fn note_issues(stage: &FinishedStage) -> Outcome<()> {
    let mut by_code: BTreeMap<String, (u64, String)> = BTreeMap::new();
    for issue in epr_run::records::read::<Issue>(stage)? {
        let issue = issue?;
        by_code.entry(issue.code.clone()).or_insert_with(|| (0, crate::summary::place(&issue))).0 += 1;
    }
    for (code, (n, first)) in by_code {
        note(format!("    {code:<8} {:>9}  first at {first}", epr_report::numbers::grouped(n)));
    }
    Ok(())
}

/// What a reader of the report may want to type next.
fn hints() -> Vec<Hint> {
    vec![Hint {
        purpose: "Sign".to_owned(),
        command: "epr sign --run-dir DIR --by NAME --role CSO --decision accept|refuse".to_owned(),
    }]
}

/// Uses as many threads as asked for, else as many as there are cores.
pub(crate) fn set_up_threads(common: &Common) -> Outcome<()> {
    if common.threads == Some(0) {
        return Err(Failure::usage(anyhow!("--threads 0: at least one is needed")));
    }
    let Some(threads) = common.threads else { return Ok(()) };
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().map_err(Failure::environment)
}

fn on_ctrl_c() {
    if HANDLER_SET.swap(true, Ordering::Relaxed) {
        return;
    }
    // The first Ctrl-C lets the batch at hand end; the second does not wait.
    let asked = AtomicBool::new(false);
    let handler = move || {
        if asked.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(Exit::Stopped.code()));
        }
        STOP.stop();
    };
    // Without a handler Ctrl-C ends the program at once, which loses nothing: stages are whole or not there.
    let _ = ctrlc::set_handler(handler);
}

fn is_terminal() -> bool {
    use std::io::IsTerminal;
    std::io::stderr().is_terminal()
}

fn no_run_named(folder: &Path) -> Failure {
    let latest = std::fs::read_dir(folder.join("runs"))
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| RunFolder::exists(path))
        .max();
    let next = match latest {
        Some(path) => format!("--run-dir {} is the newest", path.display()),
        None => "epr extract (or epr run) begins a run".to_owned(),
    };
    Failure::usage(anyhow!("which run? --run-dir DIR names it")).next(next)
}

fn info(workspace: &Workspace, hashes: &BTreeMap<String, Sha256Hex>, hash: &Sha256Hex) -> RunInfo {
    let now = clock::now();
    let project = &workspace.project.file.project;
    RunInfo {
        schema: 1,
        run_hash: hash.clone(),
        epr_version: env!("CARGO_PKG_VERSION").to_owned(),
        project: project.name.clone(),
        trial: project.trial.clone(),
        as_of: project.as_of.clone().unwrap_or_else(|| now.clone()),
        started_by: clock::user(),
        started_at: now,
        hashes: hashes.clone(),
        stages: BTreeMap::new(),
    }
}

/// A run folder belongs to one state of project, specs, mappings, packages and binary.
fn same_hash(run: &RunFolder, hashes: &BTreeMap<String, Sha256Hex>, hash: &Sha256Hex, root: &Path) -> Outcome<()> {
    let info = run.info()?;
    if info.run_hash == *hash {
        return Ok(());
    }
    let changed: Vec<_> =
        hashes.iter().filter(|(name, h)| info.hashes.get(*name) != Some(h)).map(|(n, _)| n.as_str()).collect();
    let error = anyhow!("{} is a run of another state: {} changed since", root.display(), changed.join(", "));
    Err(Failure::usage(error).state("the run folder is as it was").next("name another --run-dir, or undo the change"))
}

/// Lets the group that the project names read a report: the files are 0640 already.
fn give_to_group(folder: &Path, group: &str) -> Outcome<()> {
    let groups = std::fs::read_to_string("/etc/group").unwrap_or_default();
    let line = groups.lines().find(|line| line.split(':').next() == Some(group));
    let id = line.and_then(|line| line.split(':').nth(2)).and_then(|id| id.parse::<u32>().ok());
    let Some(id) = id else {
        return Err(Failure::usage(anyhow!("project.group is `{group}`, which this machine does not have"))
            .state("the report is written, and only its owner may read it"));
    };
    let chown = |path: &Path| {
        std::os::unix::fs::chown(path, None, Some(id)).map_err(|error| {
            Failure::environment(
                anyhow::Error::new(error).context(format!("could not give {} to {group}", path.display())),
            )
        })
    };
    chown(folder)?;
    for entry in std::fs::read_dir(folder).map_err(Failure::environment)? {
        chown(&entry.map_err(Failure::environment)?.path())?;
    }
    Ok(())
}

fn target_kind(name: &str, kind: &str) -> Outcome<TargetKind> {
    TargetKind::from_code(kind)
        .ok_or_else(|| Failure::usage(anyhow!("target.{name}.kind is `{kind}`; this version knows: files, fhir")))
}

fn report_setting(action: RuleAction) -> epr_report::RuleSetting {
    match action {
        RuleAction::Off => epr_report::RuleSetting::Off,
        RuleAction::Deliver => epr_report::RuleSetting::Deliver,
        RuleAction::Hold => epr_report::RuleSetting::Hold,
        RuleAction::Stop => epr_report::RuleSetting::Stop,
    }
}

fn details<const N: usize>(pairs: [(&str, String); N]) -> Map<String, Value> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), Value::String(value))).collect()
}
