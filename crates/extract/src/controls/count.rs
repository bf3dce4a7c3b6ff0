//! Staged rows to `controls.parquet` and `keeps.parquet`: each batch is looked at once, on its way to its part.

use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use epr_model::Domain;
use epr_model::schema::{ColumnKind, TableSchema};
use epr_run::StageFolder;
use epr_run::ledger::ControlLedger;
use epr_run::records::{ControlRecord, KeepRecord, Record, RecordWriter};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::keep::Keep;
use super::time::{TimeReader, When};
use super::{ControlSpec, TimeColumn, check};
use crate::ExtractError;
use crate::source::Source;
use crate::spec::SpecFaults;

/// The controls of one source, and the file that they go to.
pub struct SourceCount {
    controls: Vec<ControlSpec>,
    as_of: Timestamp,
    writer: RecordWriter<ControlRecord>,
    /// Where the spec keeps anything.
    kept: Option<RecordWriter<KeepRecord>>,
    /// By table, in the order in which the spec first names it, and domain.
    rows: BTreeMap<(String, Domain), u64>,
    source: Source,
}

impl SourceCount {
    /// Begins the count of a source; `None` where its spec has no controls.
    pub fn begin(
        stage: &StageFolder,
        source: &Source,
        controls: &[ControlSpec],
        as_of: &str,
    ) -> Result<Option<Self>, ExtractError> {
        if controls.is_empty() {
            return Ok(None);
        }
        let as_of = as_of.parse().map_err(|_| ExtractError::Project {
            name: source.name.clone(),
            reason: format!("`as_of` is not an RFC 3339 instant: {as_of}"),
        })?;
        let counted = controls.iter().filter(|c| c.is_counted);
        let rows = counted.map(|c| ((c.table.name.clone(), c.domain), 0)).collect();
        let file = |name: &str| stage.file(&format!("{}/{name}", source.name));
        let writer = RecordWriter::at(&file(ControlRecord::FILE)?)?;
        let keeps_some = controls.iter().any(|c| !c.is_counted);
        let kept = if keeps_some { Some(RecordWriter::at(&file(KeepRecord::FILE)?)?) } else { None };
        Ok(Some(Self { controls: controls.to_vec(), as_of, writer, kept, rows, source: source.clone() }))
    }

    /// What is asked of a table's rows, its columns looked up once.
    pub fn plan(&self, schema: &TableSchema) -> Result<TablePlan, ExtractError> {
        let own: Vec<ControlSpec> = self.controls.iter().filter(|c| c.table.name == schema.name).cloned().collect();
        let faults = check(&own, std::slice::from_ref(schema));
        if !faults.is_empty() {
            return Err(ExtractError::Spec(SpecFaults { path: self.source.spec_path.clone(), faults }));
        }
        Ok(TablePlan {
            table: schema.name.clone(),
            controls: own.iter().map(|control| Plan::new(control, schema)).collect(),
        })
    }

    /// Looks at a batch whose first row is `first_row_no` of its table.
    pub fn batch(&mut self, plan: &TablePlan, first_row_no: u64, batch: &RecordBatch) -> Result<(), ExtractError> {
        let mut counted = vec![0_u64; plan.controls.len()];
        for row in 0..batch.num_rows() {
            for (control, n) in plan.controls.iter().zip(&mut counted) {
                let Some(Counted { at }) = control.counts(batch, row, self.as_of) else { continue };
                if let Some(kept) = self.kept.as_mut().filter(|_| !control.is_counted) {
                    kept.push(&KeepRecord {
                        organisation: self.source.organisation.clone(),
                        system: self.source.system.clone(),
                        table: plan.table.clone(),
                        row_no: first_row_no + row as u64,
                        domain: control.domain,
                        says: control.says(batch, row),
                        patient_hash: control.patient_hash(batch, row),
                    })?;
                    continue;
                }
                *n += 1;
                let text = |column: Option<usize>| column.and_then(|c| cell_text(batch, c, row)).filter(|t| !blank(t));
                self.writer.push(&ControlRecord {
                    organisation: self.source.organisation.clone(),
                    system: self.source.system.clone(),
                    table: plan.table.clone(),
                    row_no: first_row_no + row as u64,
                    domain: control.domain,
                    at: at.map(|w| w.text),
                    specialty: text(control.specialty),
                    place: text(control.place),
                    pathway_hash: text(control.pathway).map(|t| hex(&hash([Some(t.trim())].into_iter(), false))),
                    patient_hash: control.patient_hash(batch, row),
                })?;
            }
        }
        for (control, n) in plan.controls.iter().zip(counted).filter(|(c, _)| c.is_counted) {
            *self.rows.entry((plan.table.clone(), control.domain)).or_default() += n;
        }
        Ok(())
    }

    /// Ends the file; how many rows were counted, by table and domain.
    pub fn finish(self) -> Result<Vec<ControlLedger>, ExtractError> {
        self.writer.finish()?;
        if let Some(kept) = self.kept {
            kept.finish()?;
        }
        let Source { organisation, system, .. } = self.source;
        let line = |((table, domain), rows): ((String, Domain), u64)| ControlLedger {
            organisation: organisation.clone(),
            system: system.clone(),
            table,
            domain,
            rows,
            outcomes: None,
        };
        Ok(self.rows.into_iter().map(line).collect())
    }
}

/// The controls of one table, by the places of their columns.
pub struct TablePlan {
    table: String,
    controls: Vec<Plan>,
}

impl TablePlan {
    pub fn is_empty(&self) -> bool {
        self.controls.is_empty()
    }
}

struct Plan {
    domain: Domain,
    when: Vec<Condition>,
    open: Option<(usize, TimeReader)>,
    at: Option<(usize, TimeReader)>,
    future: bool,
    specialty: Option<usize>,
    place: Option<usize>,
    pathway: Option<usize>,
    patient: Vec<usize>,
    is_counted: bool,
    /// By name, with the places of their columns.
    keeps: Vec<(Keep, Vec<usize>)>,
}

/// A row that is counted.
struct Counted {
    /// None where nothing that can be read says when.
    at: Option<When>,
}

struct Condition {
    column: usize,
    values: Vec<String>,
    or_blank: bool,
    is_not: bool,
}

impl Plan {
    fn new(control: &ControlSpec, schema: &TableSchema) -> Self {
        let place = |name: &str| {
            schema.columns.iter().position(|c| c.name == name).expect("checked against this schema before")
        };
        let time = |t: &TimeColumn| (place(&t.column.name), t.reader.clone());
        let when = control.when.iter().map(|w| {
            let column = place(&w.column.name);
            let is_bool = schema.columns[column].kind == ColumnKind::Bool;
            let staged = |v: &String| match v.as_str() {
                "1" if is_bool => "true".to_owned(),
                "0" if is_bool => "false".to_owned(),
                other => other.to_owned(),
            };
            Condition {
                column,
                or_blank: w.values.iter().any(|v| blank(v)),
                values: w.values.iter().filter(|v| !blank(v)).map(staged).collect(),
                is_not: w.is_not,
            }
        });
        Self {
            domain: control.domain,
            when: when.collect(),
            open: control.open.as_ref().map(time),
            at: control.at.as_ref().map(time),
            future: control.future,
            specialty: control.specialty.as_ref().map(|n| place(&n.name)),
            place: control.place.as_ref().map(|n| place(&n.name)),
            pathway: control.pathway.as_ref().map(|n| place(&n.name)),
            patient: control.patient.iter().map(|n| place(&n.name)).collect(),
            is_counted: control.is_counted,
            keeps: control
                .keeps
                .iter()
                .map(|k| (k.clone(), k.columns.iter().map(|c| place(&c.name)).collect()))
                .collect(),
        }
    }

    /// What the row says of what must be kept: `name=value` lines.
    fn says(&self, batch: &RecordBatch, row: usize) -> String {
        let mut lines = String::new();
        for (keep, columns) in &self.keeps {
            let cells: Vec<String> = columns.iter().filter_map(|c| cell_text(batch, *c, row)).collect();
            if let Some(value) = keep.value(&cells) {
                lines.push_str(keep.name);
                lines.push('=');
                lines.extend(value.chars().filter(|c| *c != '\n'));
                lines.push('\n');
            }
        }
        lines
    }

    /// Whether a row is counted, and then when it is.
    fn counts(&self, batch: &RecordBatch, row: usize, as_of: Timestamp) -> Option<Counted> {
        if !self.when.iter().all(|condition| condition.holds(batch, row)) {
            return None;
        }
        if let Some((column, reader)) = &self.open
            && let Some(end) = cell_time(batch, *column, row, reader)
            && end.instant.is_some_and(|instant| instant <= as_of)
        {
            return None;
        }
        let at = self.at.as_ref().and_then(|(column, reader)| cell_time(batch, *column, row, reader));
        let is_past = at.as_ref().and_then(|w| w.instant).is_some_and(|instant| instant <= as_of);
        if self.future && is_past { None } else { Some(Counted { at }) }
    }

    /// The hash of the patient's key, as `keys.parquet` has it; none where a part of the key is null or blank.
    fn patient_hash(&self, batch: &RecordBatch, row: usize) -> Option<String> {
        if self.patient.is_empty() {
            return None;
        }
        let key: Vec<String> = self
            .patient
            .iter()
            .map(|column| cell_text(batch, *column, row).filter(|t| !blank(t)))
            .collect::<Option<_>>()?;
        let fields = key.iter().map(|text| Some(text.strip_prefix("Patient/").unwrap_or(text)));
        Some(hex(&hash(fields, true)))
    }
}

impl Condition {
    fn holds(&self, batch: &RecordBatch, row: usize) -> bool {
        let column = batch.column(self.column);
        // The usual case, without a copy of the text.
        if let Some(texts) = column.as_string_opt::<i32>() {
            let text = texts.is_valid(row).then(|| texts.value(row));
            return self.is_one_of(text) != self.is_not;
        }
        self.is_one_of(cell_text(batch, self.column, row).as_deref()) != self.is_not
    }

    fn is_one_of(&self, text: Option<&str>) -> bool {
        match text {
            None => self.or_blank,
            Some(text) if blank(text) => self.or_blank,
            Some(text) => self.values.iter().any(|v| v == text),
        }
    }
}

fn blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// A cell as text; none for null, bytes and floating point numbers that have no one text.
fn cell_text(batch: &RecordBatch, column: usize, row: usize) -> Option<String> {
    let array = batch.column(column);
    if array.is_null(row) {
        return None;
    }
    if let Some(texts) = array.as_string_opt::<i32>() {
        return Some(texts.value(row).to_owned());
    }
    if let Some(numbers) = array.as_primitive_opt::<Int64Type>() {
        return Some(numbers.value(row).to_string());
    }
    if let Some(numbers) = array.as_primitive_opt::<Float64Type>() {
        return Some(numbers.value(row).to_string());
    }
    if let Some(flags) = array.as_boolean_opt() {
        return Some(flags.value(row).to_string());
    }
    cell_time(batch, column, row, &TimeReader::default()).map(|w| w.text)
}

fn cell_time(batch: &RecordBatch, column: usize, row: usize, reader: &TimeReader) -> Option<When> {
    let array = batch.column(column);
    if array.is_null(row) {
        return None;
    }
    if let Some(texts) = array.as_string_opt::<i32>() {
        return reader.text(texts.value(row).trim());
    }
    if let Some(days) = array.as_primitive_opt::<Date32Type>() {
        return reader.days(days.value(row));
    }
    let micros = array.as_primitive_opt::<TimestampMicrosecondType>()?;
    let has_zone = micros.timezone().is_some();
    if has_zone { reader.instant_micros(micros.value(row)) } else { reader.local_micros(micros.value(row)) }
}

/// The first 16 bytes of a SHA-256; of a key each field has its length before it, as in `keys.parquet`.
fn hash<'t>(fields: impl Iterator<Item = Option<&'t str>>, with_lengths: bool) -> [u8; 16] {
    let mut hasher = Sha256::new();
    for field in fields {
        let field = field.unwrap_or_default().as_bytes();
        if with_lengths {
            hasher.update((field.len() as u32).to_le_bytes());
        }
        hasher.update(field);
    }
    let digest = hasher.finalize();
    digest[..16].try_into().expect("SHA-256 has 32 bytes")
}

fn hex(bytes: &[u8; 16]) -> String {
    bytes.iter().fold(String::with_capacity(32), |mut out, b| {
        use std::fmt::Write;
        let _ = write!(out, "{b:02x}");
        out
    })
}
