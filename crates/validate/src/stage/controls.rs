//! The source's own count against the output: every row that a source counts is delivered as it says, or named.
//!
//! One mechanism for all domains: what differs between them stands in [`DOMAINS`].

use std::collections::{BTreeMap, HashMap};

use epr_model::{Action, ControlOutcome, Domain, Issue, ResourceId, RowOutcome, Stage};
use epr_run::ledger::ControlLedger;
use epr_run::records::{
    self, ControlOutcomeRecord, ControlRecord, KeyRecord, Record, RecordReader, RecordWriter, RowRecord,
};
use epr_run::{FinishedStage, RunError, StageContext, StageFolder};

use super::Output;
use super::across::Across;
use super::facts::{Facts, NONE, State, Wanted};
use super::ids::Ids;
use super::people::People;
use super::run_wide::Hold;
use super::tables::{self, source_of, unhex};
use crate::moment::Moment;
use crate::rules::{HazardDoc, al_01, al_04, al_06, ap_01, ap_02, do_01, en_01, me_01, rt_01, rt_02};

/// What is asked of one domain.
struct DomainRule {
    domain: Domain,
    resource_type: &'static str,
    /// The row is not in the output, or not as a live one.
    lost: &'static HazardDoc,
    /// It is there, at another time; none where the time is not compared.
    moved: Option<&'static HazardDoc>,
    /// The element that says when.
    at: &'static str,
    /// Whether the resource must say where, if the source does.
    needs_place: bool,
}

const DOMAINS: [DomainRule; 7] = [
    rule(Domain::Allergy, "AllergyIntolerance", &al_01::DOC, None, ""),
    rule(Domain::Alert, "Flag", &al_06::DOC, None, ""),
    rule(Domain::Appointment, "Appointment", &ap_01::DOC, Some(&ap_02::DOC), "start"),
    rule(Domain::Rtt, "EpisodeOfCare", &rt_01::DOC, Some(&rt_02::DOC), "period.start"),
    DomainRule { needs_place: true, ..rule(Domain::Spell, "Encounter", &en_01::DOC, None, "") },
    rule(Domain::Medication, "MedicationStatement", &me_01::DOC, None, ""),
    rule(Domain::Document, "DocumentReference", &do_01::DOC, None, ""),
];

const fn rule(
    domain: Domain,
    resource_type: &'static str,
    lost: &'static HazardDoc,
    moved: Option<&'static HazardDoc>,
    at: &'static str,
) -> DomainRule {
    DomainRule { domain, resource_type, lost, moved, at, needs_place: false }
}

/// One row that a source counts.
struct Slot {
    /// Index into `tables`.
    table: u32,
    /// Index into [`DOMAINS`].
    domain: u8,
    row_no: u64,
    /// The resource that came of it.
    number: u32,
    at: Option<Moment>,
    has_place: bool,
    /// The hash of the patient's key; zeros where the control says none.
    patient_hash: [u8; 16],
    /// What became of a row from which no resource came.
    not_made: Option<(ControlOutcome, Option<String>)>,
}

/// All rows that sources count, in the order of their files.
#[derive(Default)]
pub(super) struct Controls {
    files: Vec<std::path::PathBuf>,
    /// `<organisation>/<system>/<table>`.
    tables: Vec<String>,
    slots: Vec<Slot>,
    /// Places in `slots`, by table and row.
    by_row: Vec<u32>,
    ledgers: Vec<ControlLedger>,
    /// Whose row it is, where no resource says it: organisation and system, key hash.
    patients: HashMap<(String, [u8; 16]), ResourceId>,
}

/// What the comparison of one row gave.
struct Verdict {
    outcome: ControlOutcome,
    doc: Option<&'static HazardDoc>,
    detail: &'static str,
    path: &'static str,
}

impl Controls {
    /// Reads what extract counted; nothing where the run folder has no extract stage or no spec has controls.
    pub(super) fn read(ctx: StageContext<'_>) -> Result<Self, RunError> {
        let mut controls = Self::default();
        let Some(extract) = ctx.run.finished(Stage::Extract)? else { return Ok(controls) };
        controls.ledgers.clone_from(&extract.manifest().ledgers.controls);
        let name = |r: &ControlRecord| format!("{}/{}/{}", r.organisation, r.system, r.table);
        let beside = tables::read::<ControlRecord>(&extract, name, |table, record| {
            let Some(domain) = DOMAINS.iter().position(|d| d.domain == record.domain) else { return };
            controls.slots.push(Slot {
                table,
                domain: domain as u8,
                row_no: record.row_no,
                number: NONE,
                at: record.at.as_deref().and_then(Moment::parse),
                has_place: record.place.is_some(),
                patient_hash: record.patient_hash.as_deref().and_then(unhex).unwrap_or_default(),
                not_made: None,
            });
        })?;
        (controls.tables, controls.files) = (beside.tables, beside.files);
        controls.by_row = (0..controls.slots.len() as u32).collect();
        let slots = &controls.slots;
        controls.by_row.sort_by_key(|i| (slots[*i as usize].table, slots[*i as usize].row_no));
        Ok(controls)
    }

    /// Statements that nothing is known, made of a row of a table in which the source counts no allergies.
    pub(super) fn foreign_denials(&self, facts: &Facts) -> Vec<Across> {
        let is_allergies = |l: &&ControlLedger| l.domain == Domain::Allergy;
        let counted: Vec<(String, String)> = self
            .ledgers
            .iter()
            .filter(is_allergies)
            .map(|l| {
                (format!("{}/{}", l.organisation, l.system), format!("{}/{}/{}", l.organisation, l.system, l.table))
            })
            .collect();
        let is_foreign = |table: &str| {
            let source = source_of(table);
            counted.iter().any(|(s, _)| s == source) && counted.iter().all(|(_, t)| t != table)
        };
        let of_table = facts.denials.iter().filter(|(table, _)| is_foreign(table)).flat_map(|(_, made)| made);
        let denial = |(patient, number): &(u32, u32)| Across {
            number: *number,
            patient: *patient,
            doc: &al_04::DOC,
            path: "AllergyIntolerance.code".to_owned(),
            detail: "expected a denial of a row of the source's allergies, found one made of another table",
        };
        of_table.map(denial).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Finds the resource that came of each row; its state is then wanted.
    pub(super) fn join(
        &mut self,
        ctx: StageContext<'_>,
        link: &FinishedStage,
        ids: &Ids,
        people: &People,
    ) -> Result<Wanted, RunError> {
        let mut wanted = Wanted::default();
        if self.is_empty() {
            return Ok(wanted);
        }
        let tables: HashMap<String, u32> = self.tables.iter().cloned().zip(0..).collect();
        for (n, key) in records::read::<KeyRecord>(link)?.enumerate() {
            if n % 65_536 == 0 {
                ctx.stop.check()?;
            }
            let key = key?;
            let Some(domain) = DOMAINS.iter().position(|d| d.resource_type == key.resource_type) else { continue };
            let Some(table) = tables.get(&key.table) else { continue };
            for i in self.of_row(*table, key.row_no) {
                let slot = &mut self.slots[i];
                if usize::from(slot.domain) == domain
                    && let Some(number) = ids.number(&key.resource_type, key.id)
                {
                    slot.number = slot.number.min(number);
                    wanted.insert(number);
                }
            }
        }
        if self.slots.iter().any(|s| s.number == NONE) {
            self.read_why_not(ctx, &tables, people)?;
        }
        Ok(wanted)
    }

    /// Why no resource came of a row: what mapping says of the row and of its resource.
    fn read_why_not(
        &mut self,
        ctx: StageContext<'_>,
        tables: &HashMap<String, u32>,
        people: &People,
    ) -> Result<(), RunError> {
        let Some(map) = ctx.run.finished(Stage::Map)? else { return Ok(()) };
        for stage in [Stage::Map, Stage::Link] {
            let Some(finished) = ctx.run.finished(stage)? else { continue };
            for issue in records::read::<Issue>(&finished)? {
                self.note_refusal(&issue?, tables);
            }
        }
        map.verify_file(RowRecord::FILE)?;
        let mut seen: BTreeMap<usize, (bool, RowRecord)> = BTreeMap::new();
        for row in records::read::<RowRecord>(&map)? {
            let row = row?;
            let Some(table) = tables.get(&row.table) else { continue };
            for i in self.of_row(*table, row.row_no) {
                let slot = &self.slots[i];
                if slot.number != NONE || slot.not_made.is_some() {
                    continue;
                }
                // The map of the domain itself has the say, then any other.
                let is_own = row.domain == DOMAINS[usize::from(slot.domain)].domain;
                let best = seen.get(&i).map(|(own, best)| (*own, weight(best)));
                if best.is_none_or(|best| (is_own, weight(&row)) > best) {
                    seen.insert(i, (is_own, row.clone()));
                }
            }
        }
        for (i, (_, row)) in seen {
            self.slots[i].not_made = match row.outcome {
                RowOutcome::Refused => Some((ControlOutcome::Refused, row.issue)),
                RowOutcome::Superseded => Some((ControlOutcome::Superseded, row.issue)),
                RowOutcome::Repeated => Some((ControlOutcome::Repeated, row.issue)),
                // A row of a group: the first stands for all.
                RowOutcome::Mapped if row.n_resources == 0 => Some((ControlOutcome::Repeated, None)),
                RowOutcome::Mapped | RowOutcome::Excluded | RowOutcome::Empty => None,
            };
        }
        self.read_patients(&map, people)
    }

    fn note_refusal(&mut self, issue: &Issue, tables: &HashMap<String, u32>) {
        if issue.action != Action::Refused {
            return;
        }
        let (Some(organisation), Some(system), Some(table), Some(row_no)) =
            (&issue.organisation, &issue.system, &issue.table, issue.row_no)
        else {
            return;
        };
        let Some(table) = tables.get(&format!("{organisation}/{system}/{table}")) else { return };
        for i in self.of_row(*table, row_no) {
            let slot = &mut self.slots[i];
            let is_its = issue.resource_type.as_deref() == Some(DOMAINS[usize::from(slot.domain)].resource_type);
            if is_its && slot.number == NONE && slot.not_made.is_none() {
                slot.not_made = Some((ControlOutcome::Refused, Some(issue.code.clone())));
            }
        }
    }

    /// The Patients whose keys the controls name, for rows that no resource tells them of.
    fn read_patients(&mut self, map: &FinishedStage, people: &People) -> Result<(), RunError> {
        for slot in self.slots.iter().filter(|s| s.number == NONE && s.patient_hash != [0; 16]) {
            let place = source_of(&self.tables[slot.table as usize]).to_owned();
            self.patients.insert((place, slot.patient_hash), ResourceId::from_bytes([0; 16]));
        }
        if self.patients.is_empty() {
            return Ok(());
        }
        for key in records::read::<KeyRecord>(map)? {
            let key = key?;
            if key.resource_type == "Patient"
                && let Some(id) = self.patients.get_mut(&(source_of(&key.table).to_owned(), key.key_hash))
            {
                *id = people.person(key.id);
            }
        }
        self.patients.retain(|_, id| *id != ResourceId::from_bytes([0; 16]));
        Ok(())
    }

    fn of_row(&self, table: u32, row_no: u64) -> Vec<usize> {
        let at = |i: &u32| (self.slots[*i as usize].table, self.slots[*i as usize].row_no);
        let first = self.by_row.partition_point(|i| at(i) < (table, row_no));
        self.by_row[first..].iter().take_while(|i| at(i) == (table, row_no)).map(|i| *i as usize).collect()
    }

    /// Resources that say something else than the source, under rules that the project says hold.
    pub(super) fn roots(&self, facts: &Facts, holds: impl Fn(&HazardDoc) -> bool) -> Vec<(u32, &'static str)> {
        let changed = self.slots.iter().filter(|s| s.number != NONE).filter_map(|slot| {
            let doc = compare(slot, facts.state(slot.number).map(|s| s.1)).doc?;
            holds(doc).then_some((slot.number, doc.issue.code))
        });
        changed.collect()
    }

    /// Writes `controls.parquet` and an issue for each row that is lost or changed; gives the ledgers, and how often
    /// each rule was asked and found something.
    pub(super) fn tell(
        &self,
        ctx: StageContext<'_>,
        folder: &StageFolder,
        ids: &Ids,
        facts: &Facts,
        held: &BTreeMap<u32, Hold>,
        out: &mut Output,
    ) -> Result<(Vec<ControlLedger>, super::across::Counts), RunError> {
        let mut counts: BTreeMap<&'static str, (u64, u64)> = BTreeMap::new();
        let mut outcomes: BTreeMap<(u32, u8), BTreeMap<ControlOutcome, u64>> = BTreeMap::new();
        if self.files.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let mut writer = RecordWriter::<ControlOutcomeRecord>::new(folder)?;
        let mut slots = self.slots.iter();
        for path in &self.files {
            for record in RecordReader::<ControlRecord>::at(path)? {
                let record = record?;
                let Some(slot) = slots.next() else { break };
                let domain = &DOMAINS[usize::from(slot.domain)];
                let (verdict, rule) = verdict(slot, facts, held);
                for doc in [Some(domain.lost), domain.moved].into_iter().flatten() {
                    let count = counts.entry(doc.issue.code).or_default();
                    count.0 += 1;
                    count.1 += u64::from(verdict.doc.is_some_and(|found| found.issue.code == doc.issue.code));
                }
                *outcomes.entry((slot.table, slot.domain)).or_default().entry(verdict.outcome).or_default() += 1;
                let told = self.record(record, slot, ids, facts, verdict.outcome, rule);
                if let Some(doc) = verdict.doc {
                    out.push(&issue(&told, &verdict, doc))?;
                }
                writer.push(&told)?;
            }
            ctx.stop.check()?;
        }
        writer.finish()?;
        let ledgers = self.ledgers.iter().map(|ledger| {
            let name = format!("{}/{}/{}", ledger.organisation, ledger.system, ledger.table);
            let table = self.tables.iter().position(|t| *t == name).unwrap_or(usize::MAX) as u32;
            let domain = DOMAINS.iter().position(|d| d.domain == ledger.domain).unwrap_or(usize::MAX) as u8;
            let outcomes = outcomes.get(&(table, domain)).cloned().unwrap_or_default();
            ControlLedger { outcomes: Some(outcomes), ..ledger.clone() }
        });
        Ok((ledgers.collect(), counts.into_iter().map(|(code, (n, failed))| (code, n, failed)).collect()))
    }

    fn record(
        &self,
        control: ControlRecord,
        slot: &Slot,
        ids: &Ids,
        facts: &Facts,
        outcome: ControlOutcome,
        rule: Option<String>,
    ) -> ControlOutcomeRecord {
        let is_made = slot.number != NONE;
        let state = is_made.then(|| facts.state(slot.number)).flatten();
        let of_resource = state.map(|(patient, _)| patient).filter(|p| *p != NONE).map(|p| ids.at(p).1);
        let of_key = || {
            let place = source_of(&self.tables[slot.table as usize]).to_owned();
            self.patients.get(&(place, slot.patient_hash)).copied()
        };
        ControlOutcomeRecord {
            organisation: control.organisation,
            system: control.system,
            table: control.table,
            row_no: control.row_no,
            domain: control.domain,
            at: control.at,
            specialty: control.specialty,
            place: control.place,
            pathway_hash: control.pathway_hash,
            outcome,
            rule,
            resource_type: Some(DOMAINS[usize::from(slot.domain)].resource_type.to_owned()),
            resource_id: is_made.then(|| ids.at(slot.number).1),
            patient_key: of_resource.or_else(of_key),
            delivered_at: state.and_then(|(_, s)| s.at).map(|at| at.to_string()),
        }
    }
}

/// What became of a row, and the code to name beside it.
fn verdict(slot: &Slot, facts: &Facts, held: &BTreeMap<u32, Hold>) -> (Verdict, Option<String>) {
    let named = |outcome| Verdict { outcome, doc: None, detail: "", path: "" };
    if let Some(hold) = held.get(&slot.number).filter(|_| slot.number != NONE) {
        return (named(ControlOutcome::Held), Some(hold.rule.clone()));
    }
    if let Some((outcome, code)) = &slot.not_made {
        return (named(*outcome), code.clone());
    }
    let verdict = if slot.number == NONE { lost(slot) } else { compare(slot, facts.state(slot.number).map(|s| s.1)) };
    let rule = verdict.doc.map(|doc| doc.issue.code.to_owned());
    (verdict, rule)
}

fn issue(told: &ControlOutcomeRecord, verdict: &Verdict, doc: &HazardDoc) -> Issue {
    let action = if verdict.outcome == ControlOutcome::Lost { Action::Excluded } else { Action::Kept };
    let mut issue = Issue::new(doc.issue.code, doc.issue.severity, action, Stage::Validate);
    issue.organisation = Some(told.organisation.clone());
    issue.system = Some(told.system.clone());
    issue.table = Some(told.table.clone());
    issue.row_no = Some(told.row_no);
    issue.resource_type.clone_from(&told.resource_type);
    issue.resource_id = told.resource_id;
    issue.patient_key = told.patient_key;
    let kind = told.resource_type.as_deref().unwrap_or_default();
    let dot = if verdict.path.is_empty() { "" } else { "." };
    issue.fhir_path = Some(format!("{kind}{dot}{}", verdict.path));
    issue.shape = Some(verdict.detail.to_owned());
    issue
}

fn lost(slot: &Slot) -> Verdict {
    let domain = &DOMAINS[usize::from(slot.domain)];
    Verdict {
        outcome: ControlOutcome::Lost,
        doc: Some(domain.lost),
        detail: "expected a resource of the row that the source counts, found none",
        path: "",
    }
}

/// Compares what a delivered resource says with what the source says.
fn compare(slot: &Slot, state: Option<State>) -> Verdict {
    let domain = &DOMAINS[usize::from(slot.domain)];
    let changed = |doc, detail, path| Verdict { outcome: ControlOutcome::Changed, doc: Some(doc), detail, path };
    let Some(state) = state else {
        return Verdict { outcome: ControlOutcome::Delivered, doc: None, detail: "", path: "" };
    };
    if !state.is_live {
        let detail = "expected the status of something that is live, as the source counts it, found another";
        let path = if domain.resource_type == "AllergyIntolerance" { "clinicalStatus" } else { "status" };
        return changed(domain.lost, detail, path);
    }
    if let Some(moved) = domain.moved
        && let Some(source) = slot.at.filter(|at| at.day().is_some())
        && state.at.and_then(|delivered| source.agrees_with(delivered)) != Some(true)
    {
        return changed(moved, "expected the time that the source says, found another or none", domain.at);
    }
    if domain.needs_place && slot.has_place && !state.has_place {
        return changed(domain.lost, "expected the ward that the source says, found none", "location");
    }
    Verdict { outcome: ControlOutcome::Delivered, doc: None, detail: "", path: "" }
}

/// A row that was refused says more than one that was left out.
fn weight(row: &RowRecord) -> u8 {
    match row.outcome {
        RowOutcome::Refused => 5,
        RowOutcome::Superseded => 4,
        RowOutcome::Repeated => 3,
        RowOutcome::Mapped if row.n_resources == 0 => 2,
        RowOutcome::Mapped | RowOutcome::Excluded | RowOutcome::Empty => 1,
    }
}
