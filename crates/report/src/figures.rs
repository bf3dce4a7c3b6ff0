//! Every figure of the report, as `report.json` holds it and as the page shows it.
//!
//! The page is drawn from these structs and from nothing else, so the two cannot disagree.

use epr_model::{HazardSeverity, Severity};
use serde::{Deserialize, Serialize};

use crate::honesty::Tuned;
use crate::numbers::Count;
use crate::rules::RuleSetting;
use crate::verdict::Verdict;

/// The version of `report.json`.
pub const REPORT_SCHEMA: u32 = 1;

#[derive(Debug, Serialize)]
pub struct Report {
    pub schema: u32,
    pub header: Header,
    pub verdict: Verdict,
    pub facts: Vec<Fact>,
    pub grid: SeverityGrid,
    pub matrix: RiskMatrix,
    pub controls: Controls,
    pub findings: Vec<Finding>,
    pub reconciliation: Reconciliation,
    pub codes: Codes,
    pub holds: Holds,
    pub people: MergedPeople,
    pub not_checked: NotChecked,
    pub targets: Vec<Target>,
    pub made: Made,
}

/// Which run this is.
#[derive(Debug, Serialize)]
pub struct Header {
    pub project: String,
    pub trial: Option<String>,
    pub run_hash: String,
    pub as_of: String,
    pub cut_off: Option<String>,
    pub after_load: bool,
    /// From the beginning of the first stage to the end of the last, in words.
    pub duration: Option<String>,
}

/// One of the four numbers below the verdict.
#[derive(Debug, Serialize)]
pub struct Fact {
    pub label: String,
    pub count: Count,
    pub note: String,
    pub section: String,
}

/// Distinct patients by severity (down) and by what was done (across).
#[derive(Debug, Serialize)]
pub struct SeverityGrid {
    pub actions: Vec<String>,
    pub rows: Vec<GridRow>,
}

#[derive(Debug, Serialize)]
pub struct GridRow {
    pub severity: Severity,
    pub cells: Vec<GridCell>,
}

#[derive(Debug, Serialize)]
pub struct GridCell {
    pub action: String,
    pub patients: Count,
    pub findings: Count,
}

/// The matrix of DCB0129: severity is proposed, likelihood and acceptance are the safety officer's.
#[derive(Debug, Serialize)]
pub struct RiskMatrix {
    /// Kinds of hazard found, of the catalogue's.
    pub n_hazards: Count,
    /// From minor to catastrophic.
    pub columns: Vec<MatrixColumn>,
    /// From very high to very low.
    pub rows: Vec<MatrixRow>,
}

#[derive(Debug, Serialize)]
pub struct MatrixColumn {
    pub severity: HazardSeverity,
    /// The hazards found.
    pub codes: Vec<String>,
    /// Distinct over the column's hazards.
    pub patients: Count,
    pub findings: Count,
}

#[derive(Debug, Serialize)]
pub struct MatrixRow {
    pub likelihood: String,
    pub means: String,
    /// One a column, 1 (acceptable) to 5 (unacceptable).
    pub ratings: Vec<u8>,
}

/// What the sources themselves hold, against what is delivered.
#[derive(Debug, Serialize)]
pub struct Controls {
    /// False where validate compared nothing.
    pub found: bool,
    pub lines: Vec<ControlLine>,
    pub total: ControlLine,
    /// Appointments to come; `None` where no source has any.
    pub weeks: Option<Weeks>,
    /// Open RTT pathways by how long they have waited.
    pub bands: Vec<WaitBand>,
}

/// Every number is a part of `of`, the rows that the source counts.
#[derive(Debug, Clone, Serialize)]
pub struct ControlLine {
    pub domain: String,
    pub organisation: String,
    pub delivered: u64,
    pub held: u64,
    pub refused: u64,
    /// An older version, or an equal row of the same key.
    pub set_aside: u64,
    pub changed: u64,
    pub lost: u64,
    pub of: u64,
}

/// Appointments to come, by week (across) and clinic (down).
#[derive(Debug, Serialize)]
pub struct Weeks {
    /// Over all clinics, not only those shown.
    pub heads: Vec<WeekHead>,
    /// Those with losses first, then the largest.
    pub clinics: Vec<ClinicLine>,
    pub n_clinics: Count,
}

#[derive(Debug, Serialize)]
pub struct WeekHead {
    pub label: String,
    pub of: u64,
    pub lost: u64,
    pub changed: u64,
}

#[derive(Debug, Serialize)]
pub struct ClinicLine {
    pub organisation: String,
    pub place: String,
    pub cells: Vec<WeekCell>,
    pub lost: u64,
    pub changed: u64,
    pub of: u64,
}

#[derive(Debug, Serialize)]
pub struct WeekCell {
    pub lost: u64,
    pub changed: u64,
    pub of: u64,
    /// `w0` (none) to `w4` (the fullest week of all).
    pub shade: String,
}

/// Open pathways of one length of wait; every number is a part of `of`.
#[derive(Debug, Serialize)]
pub struct WaitBand {
    pub label: String,
    pub delivered: u64,
    pub changed: u64,
    pub lost: u64,
    pub of: u64,
}

/// All findings of one code.
#[derive(Debug, Serialize)]
pub struct Finding {
    pub code: String,
    pub title: String,
    pub explanation: String,
    pub severity: Severity,
    pub hazard_severity: Option<HazardSeverity>,
    pub setting: RuleSetting,
    /// What was done, the most frequent first.
    pub actions: Vec<NamedCount>,
    /// In which cells of the grid it counts: `warning-omitted`.
    pub cells: Vec<String>,
    pub patients: Count,
    /// Distinct rows or resources.
    pub places: Count,
    pub findings: Count,
    pub path: PathChain,
    /// By organisation and map.
    pub splits: Vec<Split>,
    pub n_splits: Count,
    pub examples: Vec<Example>,
    pub n_examples: Count,
}

/// A number with a name.
#[derive(Debug, Serialize)]
pub struct NamedCount {
    pub name: String,
    pub count: Count,
}

/// From the rule to the source cell: what an engineer opens next.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PathChain {
    pub fhir_path: Option<String>,
    pub mapping: Option<String>,
    pub source: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct Split {
    pub organisation: String,
    pub map: String,
    pub count: Count,
}

/// One place where a rule found something: keys and shapes, never a value.
#[derive(Debug, Serialize)]
pub struct Example {
    pub place: String,
    pub path: PathChain,
    pub action: String,
    pub shape: Option<String>,
    /// The Patient id under which the person is delivered.
    pub patient_key: Option<String>,
}

/// The three ledgers.
#[derive(Debug, Serialize)]
pub struct Reconciliation {
    /// Ledger 1 added up by domain and organisation.
    pub domains: Vec<MapLine>,
    pub maps: Vec<MapLine>,
    pub maps_total: MapLine,
    pub tables: Vec<TableLine>,
    pub tables_total: TableLine,
    pub resources: Vec<ResourceLine>,
    pub resources_total: ResourceLine,
    /// Lines of any ledger whose residual is not 0.
    pub unbalanced: Count,
    /// Rows and resources that no outcome accounts for.
    pub unaccounted: Count,
    pub patients: PatientFlow,
}

/// Ledger 1. Every number is a part of `in_scope`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct MapLine {
    pub domain: String,
    pub map: String,
    pub table: String,
    pub in_scope: u64,
    pub mapped: u64,
    pub refused: u64,
    pub excluded: u64,
    pub superseded: u64,
    pub repeated: u64,
    pub empty: u64,
    pub residual: u64,
    /// In scope, for readers of the JSON: what the numbers beside it are a part of.
    pub of: u64,
}

/// Ledger 2. Every number is a part of `rows`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct TableLine {
    pub source: String,
    pub table: String,
    pub rows: u64,
    pub in_scope: u64,
    pub lookup_only: u64,
    pub not_used: u64,
    pub reason: Option<String>,
    pub residual: u64,
    pub of: u64,
}

/// Ledger 3. Every number is a part of `mapped`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ResourceLine {
    pub resource_type: String,
    pub mapped: u64,
    pub delivered: u64,
    pub merged: u64,
    pub held: u64,
    pub residual: u64,
    pub of: u64,
}

/// What became of the patients' rows, for the picture.
#[derive(Debug, Serialize)]
pub struct PatientFlow {
    pub sources: Vec<NamedCount>,
    pub outcomes: Vec<NamedCount>,
    pub ends: Vec<NamedCount>,
}

/// Codes that lost meaning, and values that the mapping filled in or left out.
#[derive(Debug, Serialize)]
pub struct Codes {
    /// Distinct source codes that no code map knows.
    pub distinct_unmapped: Count,
    pub unmapped_rows: Count,
    pub unmapped: Vec<UnmappedLine>,
    pub n_unmapped_lines: Count,
    pub changed: Vec<ChangedLine>,
    pub n_changed_lines: Count,
}

#[derive(Debug, Serialize)]
pub struct UnmappedLine {
    pub mapping: String,
    pub code_map: String,
    pub source: String,
    /// Of all distinct unmapped codes.
    pub codes: Count,
    /// Of the rows in scope of the map.
    pub rows: Count,
    /// Up to three, the most frequent first.
    pub shapes: Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct ChangedLine {
    pub mapping: String,
    pub element: String,
    pub action: String,
    pub code: String,
    pub title: String,
    pub rows: Count,
}

#[derive(Debug, Serialize)]
pub struct Holds {
    pub held: Count,
    pub roots: Count,
    pub dependants: Count,
    pub rules: Vec<HeldRule>,
}

#[derive(Debug, Serialize)]
pub struct HeldRule {
    pub rule: String,
    pub title: String,
    pub roots: Count,
    pub dependants: Count,
    pub types: Vec<NamedCount>,
    /// Who answers for the maps that made what is held.
    pub owners: Vec<NamedCount>,
}

/// What link made of the Patients.
#[derive(Debug, Serialize)]
pub struct MergedPeople {
    /// Patient resources that became part of another.
    pub merged: Count,
    /// People who have more than one source record in this run.
    pub joined: Count,
    pub by_size: Vec<NamedCount>,
    pub by_evidence: Vec<NamedCount>,
    /// Pairs that a person has to decide.
    pub candidates: Count,
    pub by_reason: Vec<NamedCount>,
}

#[derive(Debug, Serialize)]
pub struct NotChecked {
    pub areas: Vec<UncheckedArea>,
    pub n_areas: Count,
    pub checks: Count,
    pub checked: Vec<CheckedRule>,
    pub coded: Vec<CodedSystem>,
    /// Coded elements whose code was looked up, of all.
    pub coded_checked: Count,
    /// False where validate wrote no ledger: then nothing is known to have been checked.
    pub ledger_found: bool,
    /// Hazard rules that the project switched off.
    pub switched_off: Vec<SwitchedOff>,
    /// Numbers in rules that the project changed.
    pub tuned: Vec<Tuned>,
}

/// A hazard rule that was not asked, by decision of the project.
#[derive(Debug, Serialize)]
pub struct SwitchedOff {
    pub rule: String,
    pub title: String,
    pub hazard_severity: Option<HazardSeverity>,
    pub checks: Count,
}

#[derive(Debug, Serialize)]
pub struct UncheckedArea {
    pub rule: String,
    pub element: Option<String>,
    pub value_set: Option<String>,
    pub reason: String,
    pub hides: String,
    pub count: Count,
}

#[derive(Debug, Serialize)]
pub struct CheckedRule {
    pub rule: String,
    pub failed: Count,
}

#[derive(Debug, Serialize)]
pub struct CodedSystem {
    pub system: String,
    pub checked: Count,
}

/// What one target said of the resources it was given. Every number is a part of `delivered`.
#[derive(Debug, Clone, Serialize)]
pub struct Target {
    pub name: String,
    pub lines: Vec<TargetLine>,
}

#[derive(Debug, Clone, Default, Serialize)]
pub struct TargetLine {
    pub resource_type: String,
    pub delivered: u64,
    pub confirmed: u64,
    pub unchanged: u64,
    pub rejected: u64,
    pub in_doubt: u64,
    pub edited: u64,
    pub blocked: u64,
    pub residual: u64,
    pub of: u64,
}

/// How the report came about: enough to make it again.
#[derive(Debug, Serialize)]
pub struct Made {
    pub epr_version: String,
    pub started_by: String,
    pub started_at: String,
    pub packages: Vec<String>,
    pub hashes: Vec<NamedHash>,
    pub stages: Vec<StageLine>,
    /// Over the manifests of all stages that this report read: what a paper signature carries.
    pub evidence_hash: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct NamedHash {
    pub name: String,
    pub sha256: String,
}

#[derive(Debug, Serialize)]
pub struct StageLine {
    pub stage: String,
    pub began_at: Option<String>,
    pub duration: Option<String>,
    pub manifest: Option<String>,
}
