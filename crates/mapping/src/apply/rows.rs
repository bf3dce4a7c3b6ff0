//! One row, or one group of rows: screened, mapped, and given its outcome.

use std::borrow::Cow;
use std::collections::BTreeMap;

use epr_model::{Action, ResourceId, RowOutcome};
use sha2::{Digest, Sha256};

use super::emit::Stop;
use super::eval::Place;
use super::findings::{Finding, Standing};
use super::json::push_text;
use super::value::Value;
use super::{Applied, Double, Emitter, Eval, JoinedBatch, MapProgram, ResourceOut, RowOut};
use crate::plan::{AssertElse, At, ColumnRef, Expr, GroupElse, KeyPlan, ResourceEach, ResourcePlan, RowSlot, Takes};

/// Goes through the rows of one batch.
pub(crate) struct RowRun<'a> {
    program: &'a MapProgram<'a>,
    batch: &'a JoinedBatch<'a>,
    pub(crate) emitter: Emitter<'a>,
    applied: Applied,
    key: KeyFields,
    /// The row number that the unit's resources and issues stand under.
    row_no: u64,
    row: u32,
}

/// Why a row is not mapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotTaken {
    pub(crate) outcome: RowOutcome,
    pub(crate) issue: Option<String>,
}

impl<'a> RowRun<'a> {
    pub(crate) fn new(program: &'a MapProgram<'a>, batch: &'a JoinedBatch<'a>) -> Self {
        let nowhere = Standing { row_no: 0, resource: None };
        let emitter = Emitter {
            eval: Eval::new(program, batch.main, batch.lookups),
            out: Vec::new(),
            issues: Vec::new(),
            refs: Vec::new(),
            unmapped: BTreeMap::new(),
            standing: nowhere,
            next_resource: 0,
            patient: None,
        };
        Self { program, batch, emitter, applied: Applied::default(), key: KeyFields::default(), row_no: 0, row: 0 }
    }

    /// Screens and maps one row.
    pub(crate) fn row(&mut self, row: u32) {
        let first_issue = self.emitter.issues.len();
        match self.screen(row) {
            Ok(()) => {
                let (outcome, n_resources, issue) = self.build();
                self.record(row, outcome, n_resources, issue);
            }
            Err(not_taken) => {
                if not_taken.outcome != RowOutcome::Excluded {
                    self.name_patient(first_issue, 0);
                }
                self.record(row, not_taken.outcome, 0, not_taken.issue);
            }
        }
    }

    /// Maps a group of rows that were screened; the first stands for all.
    pub(crate) fn group(&mut self, rows: &'a [u32]) {
        let Some(first) = rows.first() else { return };
        let plan = self.program.plan;
        self.turn_to(*first);
        // They were found when the rows were screened.
        let _ = self.emitter.eval.resolve_lookups();
        let _ = self.read_key();
        let mut built = None;
        if let Some(group) = &plan.group {
            self.emitter.eval.bind_list(group.rows, Cow::Borrowed(rows));
            if let Some(column) = group.agree.iter().copied().find(|column| !self.agrees(rows, *column)) {
                let refuses = group.otherwise == GroupElse::RefuseRow;
                let action = if refuses { Action::Refused } else { Action::Kept };
                let column = ColumnRef { row: RowSlot::MAIN, column };
                let place = Some(self.emitter.eval.place(column));
                let first_issue = self.emitter.issues.len();
                self.raise("MAP0437", action, group.at, place);
                if refuses {
                    self.name_patient(first_issue, 0);
                    built = Some((RowOutcome::Refused, 0, Some("MAP0437".to_owned())));
                }
            }
        }
        let (outcome, n_resources, issue) = built.unwrap_or_else(|| self.build());
        self.record(*first, outcome, n_resources, issue.clone());
        for row in &rows[1..] {
            self.turn_to(*row);
            self.record(*row, outcome, 0, issue.clone());
        }
    }

    /// Asks whether a row is to be mapped, in the order in which a reader would: `where`, key, doubles, look-ups,
    /// `require`. Its look-ups are bound afterwards.
    pub(crate) fn screen(&mut self, row: u32) -> Result<(), NotTaken> {
        let plan = self.program.plan;
        self.turn_to(row);
        if let Some(predicate) = &plan.where_ {
            let holds = self.emitter.eval.eval(&predicate.that).truth();
            self.emitter.raise_marks(predicate.at, None);
            match holds {
                Some(true) => {}
                Some(false) => return Err(NotTaken { outcome: RowOutcome::Excluded, issue: None }),
                None => return Err(self.refuse("MAP0433", predicate.at, Some(&predicate.that))),
            }
        }
        if let Err(blank) = self.read_key() {
            let place = blank;
            self.raise("MAP0430", Action::Refused, plan.at, place);
            return Err(NotTaken { outcome: RowOutcome::Refused, issue: Some("MAP0430".to_owned()) });
        }
        match self.batch.doubles.get(&self.row_no) {
            Some(Double::Conflict) => return Err(self.refuse("MAP0431", plan.at, None)),
            Some(Double::Repeated) => {
                self.raise("MAP0432", Action::Kept, plan.at, None);
                return Err(NotTaken { outcome: RowOutcome::Repeated, issue: Some("MAP0432".to_owned()) });
            }
            Some(Double::Ordinal(_)) | None => {}
        }
        if let Err(wrong) = self.emitter.eval.resolve_lookups() {
            let lookup = &plan.lookups[wrong.lookup];
            let code = if wrong.n_rows == 0 { "MAP0441" } else { "MAP0440" };
            debug_assert!(!matches!(lookup.takes, Takes::Many { .. }));
            return Err(self.refuse(code, lookup.at, lookup.pairs.first().map(|pair| &pair.ours)));
        }
        self.emitter.raise_marks(plan.at, None);
        for require in &plan.require {
            let holds = self.emitter.eval.eval(&require.that).truth();
            self.emitter.raise_marks(require.at, None);
            let code = match holds {
                Some(true) => continue,
                Some(false) => require.hazard.as_deref().unwrap_or("MAP0434"),
                None => "MAP0435",
            };
            return Err(self.refuse(code, require.at, Some(&require.that)));
        }
        Ok(())
    }

    /// The values of expressions for the row that was screened last, and their issues thrown away.
    pub(crate) fn values(&mut self, expressions: &'a [Expr]) -> Vec<Value<'a>> {
        let values = expressions.iter().map(|e| self.emitter.eval.eval(e)).collect();
        self.emitter.eval.marks.clear();
        values
    }

    /// The key of the row that was screened last, as length-prefixed fields.
    pub(crate) fn key_bytes(&self, out: &mut Vec<u8>) {
        self.key.push_to(out);
    }

    /// Gives a row its outcome without mapping it.
    pub(crate) fn set_aside(&mut self, row: u32, outcome: RowOutcome, issue: Option<&str>, at: At) {
        self.turn_to(row);
        let first_issue = self.emitter.issues.len();
        if let Some(code) = issue {
            let action = if outcome == RowOutcome::Refused { Action::Refused } else { Action::Kept };
            self.raise(code, action, at, None);
            self.name_patient(first_issue, 0);
        }
        self.record(row, outcome, 0, issue.map(str::to_owned));
    }

    pub(crate) fn record_not_taken(&mut self, row: u32, not_taken: NotTaken) {
        self.record(row, not_taken.outcome, 0, not_taken.issue);
    }

    pub(crate) fn finish(self) -> Applied {
        let Emitter { out, issues, refs, unmapped, .. } = self.emitter;
        Applied { bytes: out, refs, issues, unmapped, ..self.applied }
    }

    fn turn_to(&mut self, row: u32) {
        self.row = row;
        self.row_no = self.batch.main.row_no(row);
        self.emitter.standing = Standing { row_no: self.row_no, resource: None };
        self.emitter.patient = None;
        self.emitter.eval.turn_to(row);
    }

    fn record(&mut self, row: u32, outcome: RowOutcome, n_resources: u32, issue: Option<String>) {
        let measures = if outcome == RowOutcome::Excluded { None } else { self.measures() };
        let row_no = self.batch.main.row_no(row);
        self.applied.rows.push(RowOut { row_no, outcome, n_resources, measures, issue });
    }

    /// Makes the resources of the row that the evaluator stands at.
    fn build(&mut self) -> (RowOutcome, u32, Option<String>) {
        let plan = self.program.plan;
        let start = (self.emitter.out.len(), self.applied.resources.len(), self.emitter.refs.len());
        let mut refused = None;
        for (i, resource) in plan.resources.iter().enumerate() {
            let first_issue = self.emitter.issues.len();
            match self.resources_of(i, resource, start.1) {
                Ok(issue) => refused = refused.or(issue),
                Err(code) => {
                    self.name_patient(first_issue, i);
                    self.emitter.out.truncate(start.0);
                    self.applied.resources.truncate(start.1);
                    self.emitter.refs.truncate(start.2);
                    self.emitter.standing.resource = None;
                    return (RowOutcome::Refused, 0, Some(code));
                }
            }
        }
        self.emitter.standing.resource = None;
        let n_resources = (self.applied.resources.len() - start.1) as u32;
        let outcome = match (n_resources, &refused) {
            (0, Some(_)) => RowOutcome::Refused,
            (0, None) => RowOutcome::Empty,
            _ => RowOutcome::Mapped,
        };
        (outcome, n_resources, refused)
    }

    /// One resource of the plan: once, or for each row of its list. `Err` refuses the whole row; `Ok(Some)` is the
    /// issue that refused a resource.
    fn resources_of(&mut self, i: usize, resource: &'a ResourcePlan, first: usize) -> Result<Option<String>, String> {
        let Some(each) = &resource.each else { return self.one_resource(i, resource, first) };
        let mut refused = None;
        let n_key_fields = self.key.n_fields();
        let rows = self.emitter.eval.list(each.each.list);
        for (position, row) in rows.iter().enumerate() {
            let position = position as u32 + 1;
            self.emitter.eval.bind_row(each.each.row, Some(*row), position);
            self.push_each_key(each, position);
            let made = self.one_resource(i, resource, first);
            self.key.truncate(n_key_fields);
            refused = refused.or(made?);
        }
        self.emitter.eval.bind_row(each.each.row, None, 0);
        Ok(refused)
    }

    fn push_each_key(&mut self, each: &ResourceEach, position: u32) {
        if each.key.is_empty() {
            self.key.push(Some(&position.to_string()));
        }
        for column in &each.key {
            let place = self.emitter.eval.place(ColumnRef { row: each.each.row, column: *column });
            let text = self.emitter.eval.text_at(place);
            self.key.push(text.as_deref());
        }
    }

    fn one_resource(&mut self, i: usize, resource: &'a ResourcePlan, first: usize) -> Result<Option<String>, String> {
        if let Some(when) = &resource.when {
            let holds = self.emitter.eval.eval(when).truth() == Some(true);
            self.emitter.raise_marks(resource.at, None);
            if !holds {
                return Ok(None);
            }
        }
        let id = self.program.recipes[i].id(self.key.iter(), &mut self.key_buffer());
        let (start, n_refs, first_issue) = (self.emitter.out.len(), self.emitter.refs.len(), self.emitter.issues.len());
        self.emitter.standing.resource = Some((i, id));
        self.emitter.next_resource = self.applied.resources.len() as u32;
        self.emitter.patient = (resource.resource_type == "Patient").then_some(id);
        self.emitter.eval.captures.clear();
        self.emitter.eval.captures.resize(usize::from(resource.n_captures), Value::Null);

        let is_double = self.applied.resources[first..].iter().any(|r| r.id == id && usize::from(r.resource) == i);
        let made = if is_double {
            self.raise("MAP0460", Action::Refused, resource.at, None);
            Err(Stop::Resource("MAP0460".to_owned()))
        } else {
            self.emitter.resource(resource, id).and_then(|()| self.assert(resource))
        };
        match made {
            Ok(()) => {
                self.name_patient(first_issue, i);
                self.keep(i, id, start);
                Ok(None)
            }
            Err(Stop::Row(code)) => Err(code),
            Err(Stop::Resource(code)) => {
                self.name_patient(first_issue, i);
                self.emitter.out.truncate(start);
                self.emitter.refs.truncate(n_refs);
                Ok(Some(code))
            }
        }
    }

    fn keep(&mut self, i: usize, id: ResourceId, start: usize) {
        let range = start..self.emitter.out.len();
        self.applied.resources.push(ResourceOut {
            resource: i as u16,
            id,
            key_hash: self.key.hash(),
            content_hash: Sha256::digest(&self.emitter.out[range.clone()]).into(),
            range,
            row_no: self.row_no,
        });
    }

    fn assert(&mut self, resource: &'a ResourcePlan) -> Result<(), Stop> {
        for assert in &resource.asserts {
            let holds = self.emitter.eval.eval(&assert.that).truth();
            self.emitter.eval.marks.clear();
            let code = match holds {
                Some(true) => continue,
                None => {
                    self.raise("MAP0451", Action::Kept, assert.at, None);
                    continue;
                }
                Some(false) => assert.hazard.as_deref().unwrap_or("MAP0450"),
            };
            match assert.otherwise {
                AssertElse::Issue => self.raise(code, Action::Kept, assert.at, None),
                AssertElse::RefuseResource => {
                    self.raise(code, Action::Refused, assert.at, None);
                    return Err(Stop::Resource(code.to_owned()));
                }
                AssertElse::RefuseRow => {
                    self.raise(code, Action::Refused, assert.at, None);
                    return Err(Stop::Row(code.to_owned()));
                }
            }
        }
        Ok(())
    }

    /// Reads the key; `Err` holds the place of the part that is blank.
    fn read_key(&mut self) -> Result<(), Option<Place>> {
        let plan = self.program.plan;
        self.key.clear();
        match &plan.key {
            KeyPlan::Columns(columns) => {
                for column in columns {
                    let cell = self.batch.main.cell(*column, self.row);
                    if cell.is_blank() {
                        let column = ColumnRef { row: RowSlot::MAIN, column: *column };
                        return Err(Some(self.emitter.eval.place(column)));
                    }
                    self.key.push(cell.to_text().as_deref());
                }
            }
            KeyPlan::Row => {
                for column in 0..plan.main_table().columns.len() {
                    self.key.push(self.batch.main.cell(column as u16, self.row).to_text().as_deref());
                }
                let ordinal = match self.batch.doubles.get(&self.row_no) {
                    Some(Double::Ordinal(n)) => *n,
                    _ => 1,
                };
                self.key.push(Some(&ordinal.to_string()));
            }
            KeyPlan::By(by) => {
                for expression in by {
                    let value = self.emitter.eval.eval(expression);
                    if value.is_blank() {
                        self.emitter.raise_marks(plan.at, None);
                        return Err(self.emitter.eval.place_of(expression));
                    }
                    self.key.push(value.to_text().as_deref());
                }
                self.emitter.raise_marks(plan.at, None);
            }
        }
        Ok(())
    }

    fn agrees(&self, rows: &[u32], column: u16) -> bool {
        let text = |row: u32| self.batch.main.cell(column, row);
        rows.windows(2).all(|pair| text(pair[0]).equals(&text(pair[1])))
    }

    fn measures(&mut self) -> Option<String> {
        let plan = self.program.plan;
        if plan.measures.is_empty() {
            return None;
        }
        let mut out = vec![b'{'];
        for measure in &plan.measures {
            let value = self.emitter.eval.eval(&measure.value);
            let text = match &value {
                Value::Ref(target, id) => {
                    Some(Cow::Owned(format!("{}/{id}", plan.ref_targets[usize::from(target.0)].resource_type)))
                }
                value => value.to_text(),
            };
            let Some(text) = text else { continue };
            if out.len() > 1 {
                out.push(b',');
            }
            push_text(&mut out, &measure.name);
            out.push(b':');
            push_text(&mut out, &text);
        }
        // A date that a measure cannot read is an issue of the element that shows it.
        self.emitter.eval.marks.clear();
        out.push(b'}');
        String::from_utf8(out).ok()
    }

    fn refuse(&mut self, code: &str, at: At, about: Option<&Expr>) -> NotTaken {
        let place = about.and_then(|expression| self.emitter.eval.place_of(expression));
        self.raise(code, Action::Refused, at, place);
        NotTaken { outcome: RowOutcome::Refused, issue: Some(code.to_owned()) }
    }

    fn raise(&mut self, code: &str, action: Action, at: At, place: Option<Place>) {
        self.emitter.raise(Finding { code: code.to_owned(), action, at, path: None, place, shape: None });
    }

    /// Says whose row the issues since `first` are about: the Patient itself, or what `subject` or `patient` names.
    fn name_patient(&mut self, first: usize, resource: usize) {
        if self.emitter.issues.len() == first {
            return;
        }
        let plan = self.program.plan;
        let is_patient = plan.resources.get(resource).is_some_and(|r| r.resource_type == "Patient");
        let patient = match (self.emitter.patient, self.program.patient_refs.get(resource)) {
            (Some(id), _) => Some(id),
            (None, Some(Some(reference))) => {
                let id = self.emitter.eval.reference(reference);
                self.emitter.eval.marks.clear();
                id
            }
            _ if is_patient && self.key.n_fields() > 0 => {
                Some(self.program.recipes[resource].id(self.key.iter(), &mut self.key_buffer()))
            }
            _ => None,
        };
        for placed in &mut self.emitter.issues[first..] {
            if placed.issue.patient_key.is_none() {
                placed.issue.patient_key = patient;
            }
        }
    }

    #[expect(clippy::unused_self, reason = "the buffer belongs to the run; an id is made once a resource")]
    fn key_buffer(&self) -> Vec<u8> {
        Vec::with_capacity(192)
    }
}

/// The fields of a key, one after the other.
#[derive(Debug, Default)]
struct KeyFields {
    bytes: Vec<u8>,
    /// End of each field; `None` is a null.
    ends: Vec<Option<usize>>,
}

impl KeyFields {
    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    fn push(&mut self, field: Option<&str>) {
        self.bytes.extend_from_slice(field.unwrap_or_default().as_bytes());
        self.ends.push(field.map(|_| self.bytes.len()));
    }

    const fn n_fields(&self) -> usize {
        self.ends.len()
    }

    fn truncate(&mut self, n_fields: usize) {
        self.ends.truncate(n_fields);
        self.bytes.truncate(self.ends.iter().rev().find_map(|end| *end).unwrap_or(0));
    }

    fn iter(&self) -> impl Iterator<Item = Option<&[u8]>> {
        let mut from = 0;
        self.ends.iter().map(move |end| {
            end.map(|end| {
                let field = &self.bytes[from..end];
                from = end;
                field
            })
        })
    }

    fn push_to(&self, out: &mut Vec<u8>) {
        for field in self.iter() {
            let length = field.map_or(u32::MAX, |f| f.len() as u32);
            out.extend_from_slice(&length.to_le_bytes());
            out.extend_from_slice(field.unwrap_or_default());
        }
    }

    fn hash(&self) -> [u8; 16] {
        let mut hasher = Sha256::new();
        for field in self.iter() {
            let length = field.map_or(u32::MAX, |f| f.len() as u32);
            hasher.update(length.to_le_bytes());
            hasher.update(field.unwrap_or_default());
        }
        let digest: [u8; 32] = hasher.finalize().into();
        let mut short = [0; 16];
        short.copy_from_slice(&digest[..16]);
        short
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_fields_are_told_apart_and_taken_off_again() {
        let mut key = KeyFields::default();
        key.push(Some("ab"));
        key.push(None);
        key.push(Some(""));
        key.push(Some("c"));
        let fields: Vec<_> = key.iter().map(|f| f.map(<[u8]>::to_vec)).collect();
        assert_eq!(fields, [Some(b"ab".to_vec()), None, Some(Vec::new()), Some(b"c".to_vec())]);
        key.truncate(2);
        key.push(Some("d"));
        assert_eq!(key.iter().last(), Some(Some(&b"d"[..])));
    }
}
