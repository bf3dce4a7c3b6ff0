//! The resources themselves: batches of lines, checked in parallel, their findings written in the order of the lines.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use epr_fhir::Resource;
use epr_model::{Action, Issue, ResourceId, Severity, Stage};
use epr_run::keys_by_part::KeysByPart;
use epr_run::parts::{self, PartReader};
use epr_run::records::KeyRecord;
use epr_run::{FinishedStage, RunError, StageContext, StageFolder};
use rayon::prelude::*;

use super::facts::{Extracted, Facts, Wanted};
use super::ids::Ids;
use super::people::{self, People};
use super::run_wide::RefFindings;
use super::{Actions, Output, RuleAction, Settings, ValidateError};
use crate::finding::Finding;
use crate::issues;
use crate::ledger::HonestyLedger;
use crate::program::Program;
use crate::reuse::{self, Judge, Verdicts};
use crate::rules::{self, HazardFinding, RESOURCE_RULES, RuleSettings};

/// A batch ends at so many lines or bytes, whichever comes first.
const BATCH_LINES: usize = 8_192;
const BATCH_BYTES: usize = 16 << 20;

/// What the pass needs and does not change.
pub(super) struct Stream<'a> {
    pub(super) ctx: StageContext<'a>,
    pub(super) program: &'a Program<'a>,
    pub(super) verdicts: Option<&'a Verdicts>,
    pub(super) settings: &'a Settings<'a>,
    pub(super) actions: &'a Actions<'a>,
    pub(super) ids: &'a Ids,
    pub(super) people: &'a People,
    /// Resources that a source counts.
    pub(super) wanted: &'a Wanted,
    /// Resources of which a source says what must be kept.
    pub(super) kept: &'a Wanted,
}

/// What the pass gives beside the issues that it writes.
pub(super) struct Streamed {
    pub(super) n_resources: BTreeMap<String, u64>,
    /// Resources to hold for a rule of their own: number and rule.
    pub(super) roots: BTreeMap<u32, String>,
    pub(super) ledger: HonestyLedger,
    pub(super) facts: Facts,
}

/// What one thread keeps from line to line.
struct Worker<'a> {
    judge: Judge<'a>,
    resource: Resource,
    hazards: Vec<HazardFinding>,
    /// How often each resource rule was applied, and how often it found something.
    rules: Vec<[u64; 2]>,
    /// References in the resources to ids such as this program makes.
    n_references: u64,
}

/// One line that was checked.
struct Checked {
    id: Option<ResourceId>,
    patient: Option<ResourceId>,
    findings: Vec<Found>,
    extracted: Extracted,
}

/// One finding, and what is to be done about it.
struct Found {
    finding: Finding,
    action: RuleAction,
}

/// Lines one after the other in one buffer.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Batch {
    fn line(&self, i: usize) -> &[u8] {
        let start = if i == 0 { 0 } else { self.ends[i - 1] };
        &self.bytes[start..self.ends[i]]
    }

    fn fill(&mut self, reader: &mut PartReader, line: &mut Vec<u8>) -> Result<(), RunError> {
        self.bytes.clear();
        self.ends.clear();
        while self.ends.len() < BATCH_LINES && self.bytes.len() < BATCH_BYTES && reader.next_into(line)? {
            self.bytes.extend_from_slice(line);
            self.ends.push(self.bytes.len());
        }
        Ok(())
    }
}

impl Stream<'_> {
    pub(super) fn run(
        &self,
        link: &FinishedStage,
        folder: &StageFolder,
        refs: &RefFindings,
        out: &mut Output,
    ) -> Result<Streamed, ValidateError> {
        let scratch = folder.path().join(".keys");
        let keys = KeysByPart::split(link, &scratch)?;
        let workers: Vec<_> = (0..rayon::current_num_threads()).map(|_| Mutex::new(self.worker())).collect();
        let mut streamed = Streamed {
            n_resources: BTreeMap::new(),
            roots: BTreeMap::new(),
            ledger: empty_ledger(),
            facts: Facts::default(),
        };
        for resource_type in parts::resource_types(link) {
            let total = link.manifest().resources.get(&resource_type).copied();
            self.ctx.progress.begin(&resource_type, total, "resources");
            for (part, path) in parts::part_paths(link, &resource_type).into_iter().enumerate() {
                let keys = keys.load(&resource_type, part as u32)?;
                let place = Place { resource_type: &resource_type, path: &path, keys: &keys };
                let n = self.part(&place, &workers, refs, out, &mut streamed)?;
                *streamed.n_resources.entry(resource_type.clone()).or_default() += n;
            }
            self.ctx.progress.end();
        }
        std::fs::remove_dir_all(&scratch).map_err(RunError::io("delete", &scratch))?;
        let workers: Vec<_> =
            workers.into_iter().map(|w| w.into_inner().unwrap_or_else(PoisonError::into_inner)).collect();
        streamed.ledger = self.ledger(workers, refs);
        Ok(streamed)
    }

    fn worker(&self) -> Worker<'_> {
        Worker {
            judge: Judge::new(self.program, self.verdicts),
            resource: Resource::default(),
            hazards: Vec::new(),
            rules: vec![[0; 2]; RESOURCE_RULES.len()],
            n_references: 0,
        }
    }

    /// The ledger of what all threads did.
    fn ledger(&self, workers: Vec<Worker<'_>>, refs: &RefFindings) -> HonestyLedger {
        let n_references: u64 = workers.iter().map(|w| w.n_references).sum();
        let (judges, counts): (Vec<Judge<'_>>, Vec<_>) = workers.into_iter().map(|w| (w.judge, w.rules)).unzip();
        let mut ledger = reuse::finish(self.program, self.verdicts, &judges);
        for (i, rule) in RESOURCE_RULES.iter().enumerate() {
            let [n, failed] = counts.iter().fold([0; 2], |sum, n| [sum[0] + n[i][0], sum[1] + n[i][1]]);
            if n > 0 {
                ledger.checked.push(crate::ledger::CheckedRule { rule: rule.doc().issue.code.to_owned(), n, failed });
            }
        }
        if refs.n_references > 0 {
            let failed = refs.orphans.values().map(|o| o.len() as u64).sum();
            let rule = rules::da_03::DOC.issue.code.to_owned();
            ledger.checked.push(crate::ledger::CheckedRule { rule, n: refs.n_references, failed });
        }
        // What an earlier stage did not list was not looked up; that must not pass for looked up.
        let n_unlisted = n_references.saturating_sub(refs.n_references);
        if n_unlisted > 0 {
            ledger.not_checked.push(crate::ledger::NotChecked {
                rule: "reference".to_owned(),
                element: "Reference.reference".to_owned(),
                value_set: None,
                reason: "the reference is not in refs.parquet, so its target was not looked for".to_owned(),
                n: n_unlisted,
            });
            ledger.not_checked.sort();
        }
        ledger.checked.sort_by(|a, b| a.rule.cmp(&b.rule));
        ledger
    }

    /// One part; the next batch is read while one is checked.
    fn part(
        &self,
        place: &Place<'_>,
        workers: &[Mutex<Worker<'_>>],
        refs: &RefFindings,
        out: &mut Output,
        streamed: &mut Streamed,
    ) -> Result<u64, ValidateError> {
        let mut reader = PartReader::open(place.path)?;
        let (mut line, mut n_lines) = (Vec::new(), 0);
        let mut is_there = vec![false; place.keys.len()];
        let (mut batch, mut next) = (Batch::default(), Batch::default());
        batch.fill(&mut reader, &mut line)?;
        while !batch.ends.is_empty() {
            self.ctx.stop.check()?;
            let check = || -> Vec<Checked> {
                let lines = (0..batch.ends.len()).into_par_iter().with_min_len(16);
                lines.map(|i| self.line(batch.line(i), place, workers)).collect()
            };
            let (read, checked) = rayon::join(|| next.fill(&mut reader, &mut line), check);
            read?;
            for one in checked {
                n_lines += 1;
                if let Some(id) = one.id {
                    place.mark(id, &mut is_there);
                }
                self.write(one, place, n_lines, refs, out, streamed)?;
            }
            self.ctx.progress.advance(batch.ends.len() as u64);
            std::mem::swap(&mut batch, &mut next);
        }
        place.check_nothing_is_lost(&is_there)?;
        Ok(n_lines)
    }

    fn line(&self, line: &[u8], place: &Place<'_>, workers: &[Mutex<Worker<'_>>]) -> Checked {
        let folder_type = place.resource_type;
        let index = rayon::current_thread_index().unwrap_or(0) % workers.len();
        let mut guard = workers[index].lock().unwrap_or_else(PoisonError::into_inner);
        let worker = &mut *guard;
        if let Err(fault) = worker.resource.parse_json_into(line) {
            worker.judge.count_unreadable();
            let identity = epr_run::line::identity(line).filter(|i| i.resource_type == folder_type);
            let id = identity.and_then(|i| i.id.parse().ok());
            let detail = format!("column {}: {}", fault.column, fault.what);
            let finding = Finding {
                code: issues::VAL_SYNTAX,
                severity: Severity::Fatal,
                path: folder_type.to_owned(),
                detail,
                definition: String::new(),
            };
            return Checked { id, patient: None, findings: vec![self.found(finding)], extracted: Extracted::default() };
        }
        let checked = worker.judge.check(reuse::Form::Json, line, &worker.resource);
        worker.n_references += checked.facts.n_references;
        let mut findings: Vec<Found> = checked.issues.into_iter().map(|f| self.found(f)).collect();
        if checked.facts.resource_type.as_deref() != Some(folder_type) {
            findings.push(self.found(Finding {
                code: issues::VAL_WRONG_FOLDER,
                severity: Severity::Error,
                path: "resourceType".to_owned(),
                detail: format!("expected a {folder_type}, found another type"),
                definition: String::new(),
            }));
        }
        let id = |text: Option<String>| text.and_then(|t| t.parse().ok());
        let own_id = id(checked.facts.id);
        // Of a composed person each record is looked at, as its source has it.
        if folder_type != "Patient" || !own_id.is_some_and(|id| self.people.is_composed(id)) {
            let table = own_id.and_then(|id| place.key(id)).map(|k| k.table.as_str());
            self.hazards(worker, folder_type, self.settings.of(table), &mut findings);
        }
        let number = own_id.filter(|_| !self.kept.is_empty()).and_then(|id| self.ids.number(folder_type, id));
        let is_kept = number.is_some_and(|n| self.kept.contains(n));
        let extracted =
            Extracted::read(folder_type, worker.resource.root(), self.settings.now(), &self.settings.other, is_kept);
        let patient = people::patient_of(id(checked.facts.patient_id), &extracted);
        Checked { id: own_id, patient, findings, extracted }
    }

    fn hazards(
        &self,
        worker: &mut Worker<'_>,
        resource_type: &str,
        settings: &RuleSettings<'_>,
        findings: &mut Vec<Found>,
    ) {
        for (rule, counts) in RESOURCE_RULES.iter().zip(&mut worker.rules) {
            if !rules::looks_at(*rule, resource_type) {
                continue;
            }
            let doc = rule.doc();
            counts[0] += 1;
            if self.actions.of_hazard(doc.issue.code, doc.hazard) == RuleAction::Off {
                continue;
            }
            worker.hazards.clear();
            rule.check(worker.resource.root(), settings, &mut worker.hazards);
            counts[1] += u64::from(!worker.hazards.is_empty());
            findings.extend(worker.hazards.drain(..).map(|h| Found {
                finding: Finding {
                    code: doc.issue.code,
                    severity: doc.issue.severity,
                    path: format!("{resource_type}.{}", h.path),
                    detail: h.detail,
                    definition: String::new(),
                },
                action: self.actions.of_hazard(doc.issue.code, doc.hazard),
            }));
        }
    }

    /// What a file's reference may leave open a run may not: it is linked, and all that it refers to is in it.
    fn found(&self, mut finding: Finding) -> Found {
        if matches!(finding.code, issues::VAL_REFERENCE_FORMAT | issues::VAL_REFERENCE_TYPE) {
            finding.severity = Severity::Error;
        }
        // A supplier's own extension does no harm to what stands beside it; a person must not be held back for it.
        if finding.code == issues::VAL_EXTENSION_UNKNOWN {
            finding.severity = Severity::Warning;
        }
        // A profile that only a code asks for is told; what holds is what the project assigned.
        let is_assigned = || self.program.assigned.values().any(|url| *url == finding.definition);
        if crate::check::is_implied(&finding.definition) && !is_assigned() {
            finding.severity = finding.severity.min(Severity::Warning);
        }
        let action = self.actions.of_profile(finding.code, finding.severity >= Severity::Error);
        Found { finding, action }
    }

    /// Writes what was found in one resource, with its lineage; notes it as a root where a rule holds it.
    fn write(
        &self,
        mut checked: Checked,
        place: &Place<'_>,
        line: u64,
        refs: &RefFindings,
        out: &mut Output,
        streamed: &mut Streamed,
    ) -> Result<(), ValidateError> {
        let number = checked.id.and_then(|id| self.ids.number(place.resource_type, id));
        let (Some(id), Some(number)) = (checked.id, number) else {
            return Err(ValidateError::NoIdentity { part: place.path.display().to_string(), line });
        };
        self.run_wide(number, place.resource_type, refs, &mut checked.findings);
        let key = place.key(id);
        let source = (place.resource_type, key.map(|k| k.table.as_str()));
        streamed.facts.push(self.ids, self.wanted, (number, checked.patient), source, checked.extracted);
        for Found { finding, action } in checked.findings {
            let held = action == RuleAction::Hold;
            if held {
                let rule = streamed.roots.entry(number).or_insert_with(|| finding.code.to_owned());
                if finding.code < rule.as_str() {
                    finding.code.clone_into(rule);
                }
            }
            let done = if held { Action::Held } else { Action::Kept };
            let mut issue = Issue::new(finding.code, finding.severity, done, Stage::Validate);
            issue.resource_type = Some(place.resource_type.to_owned());
            issue.resource_id = Some(id);
            issue.patient_key = checked.patient;
            issue.fhir_path = Some(finding.path);
            issue.shape = Some(finding.detail);
            if let Some(key) = key {
                set_lineage(&mut issue, key);
            }
            out.push(&issue)?;
        }
        Ok(())
    }

    /// What the keys and references said of a resource before it was read.
    fn run_wide(&self, number: u32, resource_type: &str, refs: &RefFindings, findings: &mut Vec<Found>) {
        if self.ids.copies(number) > 1 {
            findings.push(self.found(Finding {
                code: issues::VAL_DUPLICATE_ID,
                severity: Severity::Error,
                path: format!("{resource_type}.id"),
                detail: "expected an id of its own, found one that another resource has".to_owned(),
                definition: String::new(),
            }));
        }
        let doc = &rules::da_03::DOC;
        for (path, to_type) in refs.orphans.get(&number).into_iter().flatten() {
            findings.push(Found {
                finding: Finding {
                    code: doc.issue.code,
                    severity: doc.issue.severity,
                    path: path.clone(),
                    detail: rules::da_03::detail(to_type),
                    definition: String::new(),
                },
                action: self.actions.of_hazard(doc.issue.code, doc.hazard),
            });
        }
    }
}

/// Which part is at hand.
struct Place<'a> {
    resource_type: &'a str,
    path: &'a std::path::Path,
    /// Sorted by id.
    keys: &'a [KeyRecord],
}

impl Place<'_> {
    fn key(&self, id: ResourceId) -> Option<&KeyRecord> {
        Some(&self.keys[self.position(id)?])
    }

    fn position(&self, id: ResourceId) -> Option<usize> {
        let first = self.keys.partition_point(|k| k.id < id);
        self.keys.get(first).is_some_and(|k| k.id == id).then_some(first)
    }

    /// Marks the key of a resource that was read; of two keys of one id the next that is not marked yet.
    fn mark(&self, id: ResourceId, is_there: &mut [bool]) {
        let Some(first) = self.position(id) else { return };
        let same = self.keys[first..].iter().take_while(|key| key.id == id).count();
        if let Some(there) = is_there[first..first + same].iter_mut().find(|there| !**there) {
            *there = true;
        }
    }

    /// A resource that has a key was written; where its line is gone, no ledger could say which it was.
    fn check_nothing_is_lost(&self, is_there: &[bool]) -> Result<(), RunError> {
        let mut lost = self.keys.iter().zip(is_there).filter(|(_, there)| !**there).map(|(key, _)| key);
        let Some(first) = lost.next() else { return Ok(()) };
        Err(RunError::Lost {
            part: self.path.to_owned(),
            n: 1 + lost.count() as u64,
            resource_type: first.resource_type.clone(),
            id: first.id,
            table: first.table.clone(),
            row_no: first.row_no,
        })
    }
}

/// Says where a resource came from.
pub(super) fn set_lineage(issue: &mut Issue, key: &KeyRecord) {
    let mut names = key.table.splitn(3, '/');
    issue.organisation = names.next().map(ToOwned::to_owned);
    issue.system = names.next().map(ToOwned::to_owned);
    issue.table = names.next().map(ToOwned::to_owned);
    issue.row_no = Some(key.row_no);
    issue.map = Some(key.map.clone());
    issue.resource_type = Some(key.resource_type.clone());
    issue.resource_id = Some(key.id);
}

fn empty_ledger() -> HonestyLedger {
    HonestyLedger::empty()
}
