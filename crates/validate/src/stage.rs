//! The stage `4-validate`: the linked set to issues, holds and the honesty ledger.
//!
//! Three passes, none over the resources twice: keys and references (duplicates, orphans), the resources themselves
//! (in batches, in parallel, results in their order), and, where anything is held, the references again for what
//! depends on it. Then the rules over several resources, and the sources' own counts against what came of them.
//! Memory holds one batch, one part's keys, 20 bytes a resource, some 40 bytes for each fact that run-wide rules ask
//! for, and some 100 for each row that a source counts or of which it says what must be kept; what is held or orphaned
//! besides.
//!
//! | what you want to find | where |
//! |---|---|
//! | ids as numbers; orphans and holds | `ids`, `run_wide` |
//! | the pass over the resources, and what it remembers | `stream`, `facts` |
//! | rules over several resources of one run | `across`, `pairs` |
//! | the source's own count against the output | `controls` |
//! | what a source's row says against what its resource says | `keeps` |
//! | what extract wrote beside the staged tables | `tables` |
//! | records of composed persons, each as its source has it | `people` |
//! | hazards that mapping met | `mapped` |

mod across;
mod controls;
mod facts;
mod ids;
mod keeps;
mod mapped;
mod pairs;
mod people;
mod run_wide;
mod stream;
mod tables;

use std::collections::{BTreeMap, BTreeSet};

use epr_fhir::Definitions;
use epr_model::{Issue, Stage};
use epr_run::folder::OldSignature;
use epr_run::ledger::ResourceLedger;
use epr_run::records::{HoldRecord, RecordWriter};
use epr_run::whole_file::{self, Access};
use epr_run::{FinishedStage, Manifest, RunError, Sha256Hex, StageContext, StageFolder};

use crate::compile::CompileError;
use crate::moment::Moment;
use crate::program::Program;
use crate::reuse::Verdicts;
use crate::rules::thresholds::Thresholds;
use crate::rules::{HazardDoc, HazardSeverity, RESOURCE_RULES, RuleSettings};

/// The file of the honesty ledger in the stage's folder.
pub const LEDGER_FILE: &str = "ledger.json";

/// The key in [`ValidateInput::rules`] that stands for every profile error at once.
pub const PROFILE_RULE: &str = "profile";

/// What a project does with a resource in which a rule finds something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RuleAction {
    /// The rule is not asked; the ledger counts what it would have looked at as not checked.
    Off,
    /// The finding is told, the resource delivered.
    Deliver,
    /// The resource, and all that refers to it, is not delivered.
    Hold,
    /// Nothing is held; the verdict is "not ready" until a signature waives the rule.
    Stop,
}

/// What the stage is told beside the run folder.
pub struct ValidateInput<'a> {
    pub run_hash: Sha256Hex,
    pub definitions: &'a Definitions,
    /// Resource type to the canonical URL of the profile assigned to it.
    pub profiles: BTreeMap<String, String>,
    /// By issue code, or [`PROFILE_RULE`]; what is not named has its default.
    pub rules: BTreeMap<String, RuleAction>,
    /// The numbers in rules.
    pub thresholds: Thresholds,
    /// "Now" for every rule (RFC 3339).
    pub as_of: String,
    /// Prefixes of the NHS number test range that stand for synthetic people.
    pub test_range: Vec<String>,
    /// Sources (organisation, system) whose NHS numbers the project trusts without a verification status.
    pub trusted: BTreeSet<(String, String)>,
    pub old_signature: OldSignature,
    /// Verdicts of earlier runs that may be used again; `None`: all is worked out.
    pub verdicts: Option<&'a Verdicts>,
}

/// Why the stage could not be done. Nothing of it is left but the partial folder.
#[derive(Debug, thiserror::Error)]
pub enum ValidateError {
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Compile(#[from] CompileError),
    #[error(
        "{part}, line {line} has no type and id that an earlier stage can have written; run the stages from `epr map` again"
    )]
    NoIdentity { part: String, line: u64 },
}

/// Validates the linked set of a run.
///
/// Reads `3-link`, of `2-map` the issues, rows, keys and the Patients of which persons were composed, of `1-extract`
/// the sources' own counts; writes `issues.parquet`, `holds.parquet`, `controls.parquet`, `ledger.json` and the
/// manifest with the third ledger and that of the controls. The files do not depend on threads or batches.
pub fn run(ctx: StageContext<'_>, input: &ValidateInput<'_>) -> Result<FinishedStage, ValidateError> {
    let program = Program::compile(input.definitions, &input.profiles)?;
    let link = ctx.run.input(Stage::Link)?;
    let mut manifest = Manifest::new(Stage::Validate, input.run_hash.clone());
    manifest.inputs.insert(Stage::Link.as_str().to_owned(), link.manifest_hash()?);
    let folder = ctx.run.begin(Stage::Validate, input.old_signature)?;

    let ids = ids::Ids::read(ctx, &link)?;
    let refused = run_wide::refused(ctx)?;
    let actions = Actions { given: &input.rules };
    let findings = run_wide::orphans(ctx, &link, &ids, &refused)?;
    let people = people::People::read(&link)?;
    let mut controls = controls::Controls::read(ctx)?;
    let wanted = controls.join(ctx, &link, &ids, &people)?;
    let mut keeps = keeps::Keeps::read(ctx)?;
    let kept = keeps.join(ctx, &link, &ids, &people)?;
    let off: BTreeSet<String> = actions.off().map(str::to_owned).collect();
    let mut out = Output { issues: RecordWriter::new(&folder)?, counts: BTreeMap::new(), off };
    let settings = Settings::new(input);
    let stream = stream::Stream {
        ctx,
        program: &program,
        verdicts: input.verdicts,
        settings: &settings,
        actions: &actions,
        ids: &ids,
        people: &people,
        wanted: &wanted,
        kept: &kept,
    };
    let mut streamed = stream.run(&link, &folder, &findings, &mut out)?;
    streamed.facts.sort();

    let of_mapping = mapped::tell(ctx, &people, &mut out)?;
    let of_records = people::check_records(ctx, &people, &settings, &actions, &mut out)?;
    let is_linked = |from, to| people.person(ids.at(from).1) == ids.at(to).1;
    let (mut across, mut counts) = across::find(&streamed.facts, &input.thresholds, &is_linked);
    across.extend(controls.foreign_denials(&streamed.facts));
    let holds_hazard = |doc: &HazardDoc| actions.of_hazard(doc.issue.code, doc.hazard) == RuleAction::Hold;
    let own = of_records.holds.iter().filter_map(|(id, code)| Some((ids.number("Patient", *id)?, *code)));
    let of_several = across.iter().filter(|a| holds_hazard(a.doc)).map(|a| (a.number, a.doc.issue.code));
    let changed = controls.roots(&streamed.facts, holds_hazard);
    let differing = keeps.find(&streamed.facts);
    let not_kept = differing.iter().filter(|d| holds_hazard(d.doc)).map(|d| (d.number, d.doc.issue.code));
    for (number, code) in own.chain(of_several).chain(changed).chain(not_kept) {
        streamed.roots.entry(number).or_insert_with(|| code.to_owned());
    }
    let holds = run_wide::close(ctx, &link, &ids, streamed.roots, &findings.depend_on_refused)?;
    run_wide::tell_across(&link, &ids, &across, &holds_hazard, &mut out)?;
    run_wide::tell_dependants(ctx, &link, &ids, &holds, &mut out)?;
    let (of_controls, asked) = controls.tell(ctx, &folder, &ids, &streamed.facts, &holds, &mut out)?;

    let held = write_holds(&folder, &ids, &holds)?;
    counts.extend(asked);
    counts.extend(keeps.tell(&ids, &differing, &holds, &holds_hazard, &mut out)?);
    counts.extend(of_records.counts.into_iter().map(|(code, (n, failed))| (code, n, failed)));
    counts.extend(of_mapping.into_iter().map(|(code, n)| (code, n, n)));
    add_counts(&mut streamed.ledger, counts);
    streamed.ledger.switched_off = actions.off().map(str::to_owned).collect();
    streamed.ledger.tuned = input.thresholds.tuned();
    tell_switched_off(&mut streamed.ledger);
    write_ledger(&folder, &streamed.ledger)?;
    out.issues.finish()?;
    manifest.ledgers.controls = of_controls;
    manifest.issues = out.counts;
    manifest.ledgers.resources = resource_ledger(&link, &streamed.n_resources, &held);
    manifest.resources = streamed.n_resources;
    ctx.stop.check()?;
    Ok(folder.finish(manifest)?)
}

/// Adds what the run-wide rules were asked and found to what the ledger says of the rules over one resource.
fn add_counts(ledger: &mut crate::ledger::HonestyLedger, counts: across::Counts) {
    for (code, n, failed) in counts {
        if let Some(line) = ledger.checked.iter_mut().find(|line| line.rule == code) {
            line.n += n;
            line.failed += failed;
        } else {
            ledger.checked.push(crate::ledger::CheckedRule { rule: code.to_owned(), n, failed });
        }
    }
    ledger.checked.sort_by(|a, b| a.rule.cmp(&b.rule));
}

/// Why a rule that the project switched off was not checked.
const SWITCHED_OFF: &str = "the rule is switched off in the project file ([rules])";

/// What a rule that is switched off would have looked at was not checked, if there was anything or not.
fn tell_switched_off(ledger: &mut crate::ledger::HonestyLedger) {
    let off = &ledger.switched_off;
    let (gone, made) = std::mem::take(&mut ledger.checked).into_iter().partition(|line| off.contains(&line.rule));
    ledger.checked = made;
    let gone: Vec<crate::ledger::CheckedRule> = gone;
    for rule in off {
        let types = RESOURCE_RULES.iter().find(|r| r.doc().issue.code == rule).map(|r| r.types());
        let element =
            types.filter(|types| !types.is_empty()).map_or("the whole run".to_owned(), |types| types.join(", "));
        let n = gone.iter().filter(|line| line.rule == *rule).map(|line| line.n).sum();
        let (rule, reason) = (rule.clone(), SWITCHED_OFF.to_owned());
        ledger.not_checked.push(crate::ledger::NotChecked { rule, element, value_set: None, reason, n });
    }
    ledger.not_checked.sort();
}

/// What rules depend on, for a source whose NHS numbers the project trusts and for any other.
struct Settings<'a> {
    trusting: RuleSettings<'a>,
    other: RuleSettings<'a>,
    trusted: &'a BTreeSet<(String, String)>,
}

impl<'a> Settings<'a> {
    fn new(input: &'a ValidateInput<'_>) -> Self {
        let of = |trusts_numbers| RuleSettings {
            as_of: input.as_of.clone(),
            test_range: input.test_range.clone(),
            trusts_numbers,
            thresholds: input.thresholds,
            definitions: Some(input.definitions),
        };
        Self { trusting: of(true), other: of(false), trusted: &input.trusted }
    }

    /// For a resource of a staged table, `<organisation>/<system>/<table>`.
    fn of(&self, table: Option<&str>) -> &RuleSettings<'a> {
        let mut names = table.unwrap_or_default().splitn(3, '/');
        let source = (names.next().unwrap_or_default(), names.next().unwrap_or_default());
        let is_trusted = self.trusted.iter().any(|(o, s)| (o.as_str(), s.as_str()) == source);
        if is_trusted { &self.trusting } else { &self.other }
    }

    /// "Now", where it can be read.
    fn now(&self) -> Option<Moment> {
        Moment::parse(&self.other.as_of)
    }
}

/// What the project decided, with the defaults for the rest.
struct Actions<'a> {
    given: &'a BTreeMap<String, RuleAction>,
}

impl Actions<'_> {
    /// A hazard of severity major or worse stops, any other is delivered.
    fn of_hazard(&self, code: &str, severity: HazardSeverity) -> RuleAction {
        let default = if severity >= HazardSeverity::Major { RuleAction::Stop } else { RuleAction::Deliver };
        self.given.get(code).copied().unwrap_or(default)
    }

    /// The hazards that are not asked for, by id.
    fn off(&self) -> impl Iterator<Item = &str> {
        self.given.iter().filter(|(_, action)| **action == RuleAction::Off).map(|(code, _)| code.as_str())
    }

    /// A profile error is held; a warning is told.
    fn of_profile(&self, code: &str, is_error: bool) -> RuleAction {
        if let Some(action) = self.given.get(code) {
            return *action;
        }
        if is_error { self.given.get(PROFILE_RULE).copied().unwrap_or(RuleAction::Hold) } else { RuleAction::Deliver }
    }
}

/// Where issues go, counted by code.
struct Output {
    issues: RecordWriter<Issue>,
    counts: BTreeMap<String, u64>,
    /// Rules that are switched off: what would be told of them is not.
    off: BTreeSet<String>,
}

impl Output {
    fn push(&mut self, issue: &Issue) -> Result<(), RunError> {
        if self.off.contains(&issue.code) {
            return Ok(());
        }
        if let Some(n) = self.counts.get_mut(&issue.code) {
            *n += 1;
        } else {
            self.counts.insert(issue.code.clone(), 1);
        }
        self.issues.push(issue)
    }
}

/// Writes the holds by type and id; gives how many of each type are held.
fn write_holds(
    folder: &StageFolder,
    ids: &ids::Ids,
    holds: &BTreeMap<u32, run_wide::Hold>,
) -> Result<BTreeMap<String, u64>, RunError> {
    let mut writer = RecordWriter::<HoldRecord>::new(folder)?;
    let mut held = BTreeMap::new();
    // Indices rise with type and id, so the file is sorted by them.
    for (index, hold) in holds {
        let (resource_type, id) = ids.at(*index);
        // A hold names an id; all resources that have it stay back.
        *held.entry(resource_type.to_owned()).or_default() += ids.copies(*index);
        writer.push(&HoldRecord {
            resource_type: resource_type.to_owned(),
            id,
            rule: hold.rule.clone(),
            root_cause: hold.root_cause.clone(),
        })?;
    }
    writer.finish()?;
    Ok(held)
}

fn write_ledger(folder: &StageFolder, ledger: &crate::ledger::HonestyLedger) -> Result<(), RunError> {
    let mut bytes = serde_json::to_vec_pretty(ledger).expect("the ledger has text keys only");
    bytes.push(b'\n');
    whole_file::write(&folder.file(LEDGER_FILE)?, &bytes, Access::Group)
}

/// The third ledger: mapped and merged as link counted them, held as counted here, delivered as read here less held.
fn resource_ledger(
    link: &FinishedStage,
    n_resources: &BTreeMap<String, u64>,
    held: &BTreeMap<String, u64>,
) -> BTreeMap<String, ResourceLedger> {
    let before = &link.manifest().ledgers.resources;
    let types: BTreeSet<&String> = before.keys().chain(n_resources.keys()).collect();
    types
        .into_iter()
        .map(|name| {
            let n = n_resources.get(name).copied().unwrap_or_default();
            let held = held.get(name).copied().unwrap_or_default();
            let old = before.get(name).cloned().unwrap_or(ResourceLedger { mapped: n, ..ResourceLedger::default() });
            (
                name.clone(),
                ResourceLedger { mapped: old.mapped, merged: old.merged, held, delivered: n - held, at_target: None },
            )
        })
        .collect()
}
