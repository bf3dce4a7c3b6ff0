//! What a source's row says (`keeps:` of its spec) against what its resource says: a status, an urgency, a dose, a
//! unit, a restriction, how much of a date is known, and whose the row is.
//!
//! Extract wrote what the row says in the words of the output, apart from any mapping; here both are texts of
//! `name=value` lines. Only resources of such rows are read for it.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use epr_fhir::Node;
use epr_model::{Action, Domain, Issue, Stage};
use epr_run::records::{self, KeepRecord, KeyRecord};
use epr_run::{FinishedStage, RunError, StageContext};
use sha2::{Digest, Sha256};

use super::Output;
use super::facts::{Facts, NONE, Wanted};
use super::ids::Ids;
use super::people::People;
use super::run_wide::Hold;
use super::tables::{self, source_of, unhex};
use crate::rules::al_03::{self, Statement};
use crate::rules::reading::codings;
use crate::rules::{
    HazardDoc, al_04, al_05, da_05, do_01, dose, id_07, id_10, id_11, me_02, me_04, re_01, re_02, rt_04,
};

/// The resource that a row of a domain gives.
const TYPES: [(Domain, &str); 7] = [
    (Domain::Pmi, "Patient"),
    (Domain::Allergy, "AllergyIntolerance"),
    (Domain::Problem, "Condition"),
    (Domain::Referral, "ServiceRequest"),
    (Domain::Medication, "MedicationStatement"),
    (Domain::Observation, "Observation"),
    (Domain::Document, "DocumentReference"),
];

/// One row of which something must be kept.
struct Kept {
    /// Index into `tables`.
    table: u32,
    /// Index into [`TYPES`].
    domain: u8,
    row_no: u64,
    number: u32,
    says: Box<str>,
    patient_hash: [u8; 16],
}

#[derive(Default)]
pub(super) struct Keeps {
    /// `<organisation>/<system>/<table>`.
    tables: Vec<String>,
    /// Sorted by table and row.
    rows: Vec<Kept>,
    /// `<organisation>/<system>` of each table: a number.
    sources: Vec<u32>,
    /// By source and key hash: the Patients whose keys the rows name.
    patients: HashMap<(u32, [u8; 16]), u32>,
}

/// One thing that was not kept.
pub(super) struct Differs {
    row: usize,
    pub(super) number: u32,
    pub(super) doc: &'static HazardDoc,
    path: &'static str,
    detail: &'static str,
}

impl Keeps {
    /// Reads what extract wrote; nothing where no spec keeps anything.
    pub(super) fn read(ctx: StageContext<'_>) -> Result<Self, RunError> {
        let mut keeps = Self::default();
        let Some(extract) = ctx.run.finished(Stage::Extract)? else { return Ok(keeps) };
        let name = |r: &KeepRecord| format!("{}/{}/{}", r.organisation, r.system, r.table);
        let beside = tables::read::<KeepRecord>(&extract, name, |table, record| {
            let Some(domain) = TYPES.iter().position(|(d, _)| *d == record.domain) else { return };
            keeps.rows.push(Kept {
                table,
                domain: domain as u8,
                row_no: record.row_no,
                number: NONE,
                says: record.says.into_boxed_str(),
                patient_hash: record.patient_hash.as_deref().and_then(unhex).unwrap_or_default(),
            });
        })?;
        keeps.tables = beside.tables;
        keeps.rows.sort_by_key(|r| (r.table, r.row_no, r.domain));
        let mut sources: HashMap<&str, u32> = HashMap::new();
        for table in &keeps.tables {
            let next = sources.len() as u32;
            keeps.sources.push(*sources.entry(source_of(table)).or_insert(next));
        }
        Ok(keeps)
    }

    /// Finds the resource that came of each row.
    pub(super) fn join(
        &mut self,
        ctx: StageContext<'_>,
        link: &FinishedStage,
        ids: &Ids,
        people: &People,
    ) -> Result<Wanted, RunError> {
        let mut wanted = Wanted::default();
        if self.rows.is_empty() {
            return Ok(wanted);
        }
        let tables: HashMap<String, u32> = self.tables.iter().cloned().zip(0..).collect();
        let sources: HashMap<String, u32> =
            self.tables.iter().map(|t| source_of(t).to_owned()).zip(self.sources.iter().copied()).collect();
        let named = self.rows.iter().filter(|r| r.patient_hash != [0; 16]);
        self.patients = named.map(|r| ((self.sources[r.table as usize], r.patient_hash), NONE)).collect();
        // A record that link made part of a person has its key in what mapping wrote.
        let map = ctx.run.finished(Stage::Map)?;
        for (n, key) in records::read::<KeyRecord>(map.as_ref().unwrap_or(link))?.enumerate() {
            if n % 65_536 == 0 {
                ctx.stop.check()?;
            }
            let key = key?;
            let is_patient = key.resource_type == "Patient";
            let id = if is_patient { people.person(key.id) } else { key.id };
            let Some(number) = ids.number(&key.resource_type, id) else { continue };
            if is_patient
                && let Some(source) = sources.get(source_of(&key.table))
                && let Some(known) = self.patients.get_mut(&(*source, key.key_hash))
            {
                *known = number;
            }
            let Some(table) = tables.get(&key.table) else { continue };
            let Some(domain) = TYPES.iter().position(|(_, t)| *t == key.resource_type) else { continue };
            let at = (*table, key.row_no, domain as u8);
            let first = self.rows.partition_point(|r| (r.table, r.row_no, r.domain) < at);
            for row in self.rows[first..].iter_mut().take_while(|r| (r.table, r.row_no, r.domain) == at) {
                row.number = row.number.min(number);
                wanted.insert(row.number);
            }
        }
        Ok(wanted)
    }

    /// Compares every row with its resource.
    pub(super) fn find(&self, facts: &Facts) -> Vec<Differs> {
        let mut found = Vec::new();
        for (i, row) in self.rows.iter().enumerate().filter(|(_, r)| r.number != NONE) {
            let Some((patient, delivered)) = facts.says(row.number) else { continue };
            let mut push = |(doc, path, detail)| {
                found.push(Differs { row: i, number: row.number, doc, path, detail });
            };
            row.says
                .lines()
                .filter_map(|l| l.split_once('='))
                .filter_map(|(n, v)| compare(n, v, delivered))
                .for_each(&mut push);
            let (domain, _) = TYPES[usize::from(row.domain)];
            if let Some(doc) = patient_rule(domain)
                && self.patient(row).is_some_and(|own| own != patient)
            {
                push((doc, "subject", "expected the patient that the source's row names, found another or none"));
            }
        }
        found
    }

    /// The Patient whose key a row names.
    fn patient(&self, row: &Kept) -> Option<u32> {
        let source = self.sources[row.table as usize];
        self.patients.get(&(source, row.patient_hash)).copied().filter(|number| *number != NONE)
    }

    /// Writes an issue for each; gives how often each rule was asked and found something.
    pub(super) fn tell(
        &self,
        ids: &Ids,
        found: &[Differs],
        held: &BTreeMap<u32, Hold>,
        holds: &impl Fn(&HazardDoc) -> bool,
        out: &mut Output,
    ) -> Result<super::across::Counts, RunError> {
        let mut counts: BTreeMap<&'static str, (u64, u64)> = BTreeMap::new();
        for row in self.rows.iter().filter(|r| r.number != NONE) {
            let (domain, _) = TYPES[usize::from(row.domain)];
            for doc in row.says.lines().filter_map(|l| doc_of(l.split_once('=')?.0)).chain(patient_rule(domain)) {
                counts.entry(doc.issue.code).or_default().0 += 1;
            }
        }
        for differs in found {
            let row = &self.rows[differs.row];
            counts.entry(differs.doc.issue.code).or_default().1 += 1;
            let is_held = holds(differs.doc) && held.contains_key(&differs.number);
            let action = if is_held { Action::Held } else { Action::Kept };
            let (resource_type, id) = ids.at(differs.number);
            let mut issue = Issue::new(differs.doc.issue.code, differs.doc.issue.severity, action, Stage::Validate);
            let mut names = self.tables[row.table as usize].splitn(3, '/').map(str::to_owned);
            (issue.organisation, issue.system, issue.table) = (names.next(), names.next(), names.next());
            issue.row_no = Some(row.row_no);
            issue.resource_id = Some(id);
            issue.patient_key =
                if resource_type == "Patient" { Some(id) } else { self.patient(row).map(|number| ids.at(number).1) };
            let dot = if differs.path.is_empty() { "" } else { "." };
            issue.fhir_path = Some(format!("{resource_type}{dot}{}", differs.path));
            issue.resource_type = Some(resource_type.to_owned());
            issue.shape = Some(differs.detail.to_owned());
            out.push(&issue)?;
        }
        Ok(counts.into_iter().map(|(code, (n, failed))| (code, n, failed)).collect())
    }
}

/// The rule of a domain in which the patient is compared with the source's.
fn patient_rule(domain: Domain) -> Option<&'static HazardDoc> {
    match domain {
        Domain::Observation => Some(&re_02::DOC),
        Domain::Document => Some(&do_01::DOC),
        _ => None,
    }
}

fn doc_of(name: &str) -> Option<&'static HazardDoc> {
    Some(match name {
        "code" => &al_04::DOC,
        "date" => &da_05::DOC,
        "dose" => &me_02::DOC,
        "flag" | "range" | "unit" => &re_01::DOC,
        "frequency" | "route" => &me_04::DOC,
        "gender" => &id_10::DOC,
        "number" => &id_07::DOC,
        "priority" => &rt_04::DOC,
        "restricted" => &id_11::DOC,
        "status" => &al_05::DOC,
        _ => return None,
    })
}

type Found = (&'static HazardDoc, &'static str, &'static str);

/// Why what a resource says (`delivered`) is not what the row says, if it is not.
fn compare(name: &str, value: &str, delivered: &str) -> Option<Found> {
    let doc = doc_of(name)?;
    let said = |name: &'static str| values(delivered, name);
    let has = |name: &'static str| said(name).next().is_some();
    let is_said = |name: &'static str| said(name).any(|v| v == value);
    let (kept, path, detail) = match name {
        "code" => {
            (!value.is_empty() || !has("denies"), "code", "expected no denial of a row that names nothing, found one")
        }
        "date" => {
            let more = |a: &str, b: &str| precision(a) > precision(b);
            (
                !said("date").any(|v| more(v, value)),
                "date",
                "expected a date as exact as the source's, found one more exact",
            )
        }
        "dose" => (
            doses_agree(value, said("dose"), said("words")),
            "dosage",
            "expected the dose that the source says, found another or none",
        ),
        "flag" => (has("flag"), "interpretation", "expected the flag that the source says, found none"),
        "range" => (has("range"), "referenceRange", "expected the range that the source says, found none"),
        "unit" => (
            is_said("unit"),
            "value.ofType(Quantity).unit",
            "expected the unit that the source says, found another or none",
        ),
        "frequency" => (
            has("frequency") || has("words"),
            "dosage.timing",
            "expected the frequency that the source says, found none",
        ),
        "route" => {
            let in_words = said("words").any(|v| v.to_lowercase().contains(&value.to_lowercase()));
            (has("route") || in_words, "dosage.route", "expected the route that the source says, found none")
        }
        "gender" => (is_said("gender"), "gender", "expected the gender that the source says, found another"),
        "number" => (is_said("number"), "identifier", "expected the number that the source says, found it nowhere"),
        "priority" => {
            (is_said("priority"), "priority", "expected the urgency that the source says, found another or none")
        }
        "restricted" => {
            (has("restricted"), "meta.security", "expected the restriction that the source says, found none")
        }
        "status" => (is_said("status"), "clinicalStatus", "expected the status that the source says, found another"),
        _ => return None,
    };
    (!kept).then_some((doc, path, detail))
}

/// The values of one name.
fn values<'d>(lines: &'d str, name: &'static str) -> impl Iterator<Item = &'d str> {
    lines.lines().filter_map(|l| l.split_once('=')).filter(move |(n, _)| *n == name).map(|(_, v)| v)
}

/// Whether a dose of the source is among those of a resource, or in its words.
fn doses_agree<'a>(
    value: &str,
    doses: impl Iterator<Item = &'a str>,
    mut words: impl Iterator<Item = &'a str>,
) -> bool {
    let amounts = dose::of_text(value);
    let Some(own) = amounts.first() else { return doses.chain(words).any(|d| d.contains(value)) };
    let is_own = |text: &str| dose::of_text(text).iter().any(|a| a.kind == own.kind && dose::agree(a.value, own.value));
    let mut n = 0;
    let mut doses = doses.inspect(|_| n += 1);
    // Where there are structured doses they have the say.
    doses.any(is_own) || n == 0 && words.any(is_own)
}

fn precision(date: &str) -> u8 {
    match date {
        "year" => 1,
        "month" => 2,
        _ => 3,
    }
}

/// What a resource says of what can be kept: `name=value` lines.
pub(super) fn says(resource_type: &str, resource: Node<'_>) -> String {
    let mut lines = String::new();
    let mut push = |name: &str, value: &str| {
        let _ = writeln!(lines, "{name}={}", value.replace('\n', " "));
    };
    let date = |element: &str| {
        resource.text(element).map(|d| match d.len() {
            0..=4 => "year",
            5..=7 => "month",
            _ => "day",
        })
    };
    match resource_type {
        "Patient" => {
            if id_11::is_restricted(resource) {
                push("restricted", "");
            }
            if let Some(date) = date("birthDate") {
                push("date", date);
            }
            if let Some(gender) = resource.text("gender") {
                push("gender", gender);
            }
            for (_, value) in id_07::local_numbers(resource) {
                push("number", &hash(value));
            }
        }
        "Condition" => {
            if let Some(date) = date("onsetDateTime") {
                push("date", date);
            }
        }
        "AllergyIntolerance" => {
            for element in ["clinicalStatus", "verificationStatus"] {
                let codes = resource.get(element).into_iter().flat_map(codings).filter_map(|c| c.text("code"));
                codes.for_each(|code| push("status", code));
            }
            if matches!(al_03::statement(resource), Statement::NoneKnown | Statement::NoneKnownOf(_)) {
                push("denies", "");
            }
        }
        "ServiceRequest" => {
            if let Some(priority) = resource.text("priority") {
                push("priority", priority);
            }
        }
        "MedicationStatement" | "MedicationRequest" => medicine(resource, &mut push),
        "Observation" => {
            if let Some(quantity) = resource.get("valueQuantity") {
                // What machines read has the say.
                if let Some(unit) = quantity.text("code").or_else(|| quantity.text("unit")) {
                    push("unit", unit);
                }
            }
            for (name, element) in [("range", "referenceRange"), ("flag", "interpretation")] {
                if resource.get(element).is_some_and(|e| e.items().next().is_some()) {
                    push(name, "");
                }
            }
        }
        _ => {}
    }
    lines
}

fn medicine(resource: Node<'_>, push: &mut dyn FnMut(&str, &str)) {
    let (has_route, has_frequency) = crate::rules::me_04::says(resource);
    for (has, name) in [(has_route, "route"), (has_frequency, "frequency")] {
        if has {
            push(name, "");
        }
    }
    for (_, dosage) in dose::dosages(resource) {
        if let Some(words) = dosage.text("text").filter(|t| !t.trim().is_empty()) {
            push("words", words);
        }
        for (_, quantity) in dose::quantities(dosage) {
            let unit = quantity.text("code").or_else(|| quantity.text("unit")).unwrap_or_default();
            let value = quantity.get("value").and_then(Node::number_text).unwrap_or_default();
            push("dose", &format!("{value} {unit}"));
        }
    }
}

/// As extract writes the hash of a number.
fn hash(text: &str) -> String {
    Sha256::digest(text.trim().as_bytes())[..16].iter().fold(String::with_capacity(32), |mut out, b| {
        let _ = write!(out, "{b:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differs(name: &str, value: &str, kind: &str, json: &str) -> Option<&'static str> {
        let resource = epr_fhir::Resource::parse_json(json.as_bytes()).unwrap();
        compare(name, value, &says(kind, resource.root())).map(|(doc, ..)| doc.issue.code)
    }

    #[test]
    fn al_05_and_al_04_compare_status_and_denial() {
        let allergy = |rest: &str| format!("{{{rest}}}");
        let coded = |element: &str, code: &str| allergy(&format!(r#""{element}":{{"coding":[{{"code":"{code}"}}]}}"#));
        let kind = "AllergyIntolerance";
        assert_eq!(differs("status", "refuted", kind, &coded("verificationStatus", "refuted")), None);
        assert_eq!(differs("status", "refuted", kind, &coded("clinicalStatus", "active")), Some("AL-05"));
        let denial = r#"{"code":{"coding":[{"system":"http://snomed.info/sct","code":"716186003"}]}}"#;
        assert_eq!(differs("code", "", kind, denial), Some("AL-04"));
        assert_eq!(differs("code", "NKA", kind, denial), None);
        assert_eq!(differs("code", "", kind, r#"{"code":{"text":"x"}}"#), None);
    }

    #[test]
    fn me_02_and_me_04_compare_doses_routes_and_frequencies() {
        let kind = "MedicationStatement";
        let dose = |value: &str, unit: &str| {
            format!(
                r#"{{"dosage":[{{"text":"5 mg by mouth","doseAndRate":[{{"doseQuantity":{{"value":{value},"unit":"{unit}"}}}}]}}]}}"#
            )
        };
        assert_eq!(differs("dose", "5 mg", kind, &dose("5", "mg")), None);
        assert_eq!(differs("dose", "5 mg", kind, &dose("0.005", "g")), None);
        assert_eq!(differs("dose", "5 mg", kind, &dose("5", "g")), Some("ME-02"));
        assert_eq!(differs("dose", "5 mg", kind, &dose("50", "mg")), Some("ME-02"));
        assert_eq!(differs("dose", "5 mg", kind, r#"{"dosage":[{"text":"5 mg daily"}]}"#), None);
        assert_eq!(differs("dose", "5 mg", kind, r#"{"dosage":[{"text":"daily"}]}"#), Some("ME-02"));
        assert_eq!(differs("route", "by mouth", kind, &dose("5", "mg")), None);
        assert_eq!(differs("route", "IV", kind, &dose("5", "mg")), Some("ME-04"));
        assert_eq!(differs("route", "IV", kind, r#"{"dosage":[{"route":{}}]}"#), None);
        assert_eq!(differs("frequency", "BD", kind, r#"{"dosage":[{"route":{}}]}"#), Some("ME-04"));
    }

    #[test]
    fn re_01_and_rt_04_compare_unit_range_flag_and_urgency() {
        let number = r#"{"valueQuantity":{"value":5,"unit":"kg","code":"kg"},"referenceRange":[{}]}"#;
        assert_eq!(differs("unit", "kg", "Observation", number), None);
        assert_eq!(differs("unit", "g", "Observation", number), Some("RE-01"));
        assert_eq!(differs("range", "4-9", "Observation", number), None);
        assert_eq!(differs("flag", "H", "Observation", number), Some("RE-01"));
        assert_eq!(differs("priority", "urgent", "ServiceRequest", r#"{"priority":"routine"}"#), Some("RT-04"));
        assert_eq!(differs("priority", "urgent", "ServiceRequest", r#"{"priority":"urgent"}"#), None);
    }

    #[test]
    fn of_a_patient_restriction_number_gender_and_precision_are_compared() {
        let plain = r#"{"gender":"male","birthDate":"1950-01-01","identifier":[{"system":"urn:x","value":"D1"}]}"#;
        assert_eq!(differs("restricted", "R", "Patient", plain), Some("ID-11"));
        assert_eq!(differs("number", &hash("D1"), "Patient", plain), None);
        assert_eq!(differs("number", &hash("D2"), "Patient", plain), Some("ID-07"));
        assert_eq!(differs("gender", "female", "Patient", plain), Some("ID-10"));
        assert_eq!(differs("date", "year", "Patient", plain), Some("DA-05"));
        assert_eq!(differs("date", "day", "Patient", plain), None);
        assert_eq!(differs("date", "month", "Patient", r#"{"birthDate":"1950"}"#), None);
    }
}
