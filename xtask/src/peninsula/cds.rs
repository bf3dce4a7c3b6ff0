//! REF's emergency department: Commissioning Data Set 6-2, type 011, in XML, as it was sent to the Secondary Uses Service.
//!
//! Originals go into interchanges of a fixed number of transactions. What was corrected or withdrawn comes in a later
//! interchange: an update of type 9 replaces the attendance with the same identifier, one of type 1 deletes it.
//!
//! Whom the department had found in the PAS goes without a name, under the PAS's own number. The others carry their
//! names and a number that the department gave them, and so are patient rows of their own.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use jiff::ToSpan;
use jiff::civil::{Date, DateTime, Time};

use super::clock::iso_date;
use super::markup::Markup;
use super::model::{Archive, EdAttendance, Exporter, Organisation, Person, Registration, Setting, Sex, System};
use super::truth::{At, Truth, rule_note};

const NAMESPACE: &str = "http://www.nhsia.nhs.uk/DataStandards/XMLschema/CDS/ns";

/// Transactions of one interchange, where the peninsula is large.
const MOST_TRANSACTIONS: u64 = 5_000;

/// Writes `ref-ed/cds-*.xml`.
pub(crate) struct Cds {
    originals: Interchanges,
    corrections: Interchanges,
}

/// Creates the export below `folder`.
pub(crate) fn create(folder: &Path, setting: &Setting) -> Result<Box<dyn Exporter>> {
    let folder = folder.join("ref-ed");
    std::fs::create_dir_all(&folder).with_context(|| format!("could not create {}", folder.display()))?;
    // A small peninsula has several interchanges too: which file a row stands in must not matter.
    let n_a_file = (setting.n_people / 20).clamp(20, MOST_TRANSACTIONS);
    Ok(Box::new(Cds {
        originals: Interchanges::new(folder.clone(), "cds-1-original", n_a_file),
        corrections: Interchanges::new(folder, "cds-2-correction", n_a_file),
    }))
}

impl Exporter for Cds {
    fn person(&mut self, person: &Person, truth: &mut Truth) -> Result<()> {
        let mut unknown: BTreeMap<usize, (DateTime, String)> = BTreeMap::new();
        for attendance in &person.attendances {
            let row = &attendance.row;
            let holder = &person.registrations[row.holder];
            if !person.is_at(row, Organisation::Ref) || holder.archive == Archive::Deleted {
                continue;
            }
            if row.archive != Archive::Live && !attendance.is_withdrawn {
                continue;
            }
            let identity = identity(person, attendance);
            let attendance_at = Transmission::first(attendance);
            let last = if attendance.is_withdrawn || attendance.is_replaced {
                let stay = attendance.departed.since(attendance.arrived)?;
                let before = if attendance.is_replaced { attendance.departed + stay } else { attendance.departed };
                self.originals.add(&attendance_at, attendance, before, &identity)?;
                let last = attendance_at.correction(if attendance.is_withdrawn {
                    UpdateType::Delete
                } else {
                    UpdateType::Original
                });
                self.corrections.add(&last, attendance, attendance.departed, &identity)?;
                last
            } else {
                self.originals.add(&attendance_at, attendance, attendance.departed, &identity)?;
                attendance_at
            };
            let key = last.key();
            truth.defect(person, row.defect.as_ref(), At { system: System::RefEd, table: "attendance", key: &key })?;
            if let Identity::Unknown(_) = identity {
                let latest = unknown.entry(row.holder).or_insert_with(|| (last.applicable, key.clone()));
                if last.applicable >= latest.0 {
                    *latest = (last.applicable, key);
                }
            }
        }
        for (holder, (_, key)) in unknown {
            let registration = &person.registrations[holder];
            let at = At { system: System::RefEd, table: "attendance", key: &key };
            truth.record(person, registration, at, rule_note(registration))?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.originals.finish()?;
        self.corrections.finish()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum UpdateType {
    /// An original or its replacement.
    Original,
    Delete,
}

impl UpdateType {
    fn code(self) -> &'static str {
        match self {
            Self::Original => "9",
            Self::Delete => "1",
        }
    }
}

/// One sending of one attendance.
struct Transmission {
    id: String,
    update: UpdateType,
    applicable: DateTime,
}

impl Transmission {
    /// Sent in the night after the patient left; the second of the night tells attendances apart.
    fn first(attendance: &EdAttendance) -> Self {
        let number = attendance.row.number;
        let second = i64::try_from(number % 14_400).expect("a remainder is small");
        let night = attendance.departed.date().tomorrow().expect("lives end long before the calendar").at(1, 0, 0, 0);
        Self { id: format!("REF00{number:012}"), update: UpdateType::Original, applicable: night + second.seconds() }
    }

    fn correction(&self, update: UpdateType) -> Self {
        Self { id: self.id.clone(), update, applicable: self.applicable + 2.days() }
    }

    /// As the staged table has it.
    fn key(&self) -> String {
        let Self { id, applicable, .. } = self;
        format!("{id}|{}|{}", iso_date(applicable.date()), time(applicable.time()))
    }
}

/// How a transaction says whose attendance it was.
enum Identity<'a> {
    /// Found in the PAS, whose number is given.
    Found(&'a Registration, u64),
    Unknown(&'a Registration),
}

/// The department did not find whose NHS number is not verified. Rows with something planted keep to the PAS: their
/// defect is the PAS's, and must be found there.
fn identity<'a>(person: &'a Person, attendance: &EdAttendance) -> Identity<'a> {
    let row = &attendance.row;
    let registration = &person.registrations[row.holder];
    let is_plain = registration.defect.is_none() && row.defect.is_none() && row.orphan.is_none();
    let is_whole = registration.family.is_some() && registration.given.is_some() && registration.birth.is_some();
    let was_found = registration.status == Some("01") || attendance.is_withdrawn;
    if is_plain && is_whole && !was_found {
        Identity::Unknown(registration)
    } else {
        Identity::Found(registration, person.patient_key(row))
    }
}

/// Files of one kind, one after the other.
struct Interchanges {
    folder: PathBuf,
    stem: &'static str,
    n_a_file: u64,
    n_files: u32,
    open: Option<Interchange>,
}

struct Interchange {
    markup: Markup<BufWriter<File>>,
    reference: String,
    n_transactions: u64,
}

impl Interchanges {
    fn new(folder: PathBuf, stem: &'static str, n_a_file: u64) -> Self {
        Self { folder, stem, n_a_file, n_files: 0, open: None }
    }

    fn add(
        &mut self,
        sent: &Transmission,
        attendance: &EdAttendance,
        departed: DateTime,
        identity: &Identity<'_>,
    ) -> Result<()> {
        if self.open.as_ref().is_some_and(|file| file.n_transactions == self.n_a_file) {
            self.close()?;
        }
        if self.open.is_none() {
            self.n_files += 1;
            let path = self.folder.join(format!("{}-{:04}.xml", self.stem, self.n_files));
            let file = File::create(&path).with_context(|| format!("could not create {}", path.display()))?;
            let reference =
                format!("{:07}", self.n_files + if self.stem.contains("correction") { 9_000_000 } else { 0 });
            self.open = Some(Interchange::start(BufWriter::new(file), reference)?);
        }
        let file = self.open.as_mut().expect("it was opened just now");
        file.n_transactions += 1;
        transaction(&mut file.markup, sent, attendance, departed, identity)
    }

    fn close(&mut self) -> Result<()> {
        self.open.take().map_or(Ok(()), Interchange::end)
    }

    fn finish(mut self) -> Result<()> {
        self.close()
    }
}

impl Interchange {
    fn start(out: BufWriter<File>, reference: String) -> Result<Self> {
        let mut markup = Markup::new(out)?;
        markup.open(
            "CDS-XMLInterchange",
            &[("xmlns", NAMESPACE), ("SchemaVersion", "6-2-3"), ("SchemaDate", "2012-05-11")],
        )?;
        markup.open("CDSInterchangeHeader", &[])?;
        markup.text("CDSInterchangeSenderIdentity", &[], "05G000REFNHS000")?;
        markup.text("CDSInterchangeReceiverIdentity", &[], "05G0000SUSNHS00")?;
        markup.text("CDSInterchangeControlReference", &[], &reference)?;
        markup.text("CDSInterchangeDateOfPreparation", &[], "2026-11-01")?;
        markup.text("CDSInterchangeTimeOfPreparation", &[], "05:30:00")?;
        markup.text("CDSInterchangeApplicationReference", &[], "NHSCDS")?;
        markup.close()?;
        Ok(Self { markup, reference, n_transactions: 0 })
    }

    fn end(mut self) -> Result<()> {
        self.markup.open("CDSInterchangeTrailer", &[])?;
        self.markup.text("CDSInterchangeControlReference", &[], &self.reference)?;
        self.markup.text("CDSInterchangeControlCount", &[], &self.n_transactions.to_string())?;
        self.markup.end()?;
        Ok(())
    }
}

type Out = Markup<BufWriter<File>>;

fn transaction(
    out: &mut Out,
    sent: &Transmission,
    attendance: &EdAttendance,
    departed: DateTime,
    identity: &Identity<'_>,
) -> Result<()> {
    let control = attendance.row.number.to_string();
    out.open("CDSNetChange-All-MessageTypes", &[])?;
    out.open("CDSMessageHeader", &[])?;
    out.text("CDSMessageType", &[], "NHSCDS")?;
    out.text("CDSMessageVersionNumber", &[], "CDS062")?;
    out.text("CDSMessageReference", &[], &control)?;
    out.text("CDSMessageRecordIdentifier", &[], &sent.id)?;
    out.close()?;
    out.open("CDSTransactionHeader", &[])?;
    out.text("CDSTypeCode", &[], "011")?;
    out.text("CDSProtocolIdentifierCode", &[], "010")?;
    out.text("CDSUniqueIdentifier", &[], &sent.id)?;
    out.text("CDSUpdateType", &[], sent.update.code())?;
    out.text("CDSApplicableDate", &[], &iso_date(sent.applicable.date()))?;
    out.text("CDSApplicableTime", &[], &time(sent.applicable.time()))?;
    out.text("CDSActivityDate", &[], &iso_date(attendance.arrived.date()))?;
    out.text("OrganisationIdentifier_CDSSender", &[], "REF")?;
    out.close()?;
    out.open("EmergencyCare", &[])?;
    patient(out, identity)?;
    out.open("AttendanceLocation", &[])?;
    out.text("SiteIdentifier_OfTreatment", &[], "REF12")?;
    out.close()?;
    out.open("AttendanceOccurrence", &[])?;
    out.text("EmergencyCareAttendanceIdentifier", &[], &format!("EC{:010}", attendance.row.number))?;
    out.text("ArrivalDate", &[], &iso_date(attendance.arrived.date()))?;
    out.text("ArrivalTime", &[], &time(attendance.arrived.time()))?;
    out.text("AttendanceCategory", &[], attendance.category)?;
    out.text("ChiefComplaint_SNOMEDCT", &[], attendance.complaint)?;
    for diagnosis in &attendance.diagnoses {
        out.text("Diagnosis_SNOMEDCT", &[], diagnosis)?;
    }
    out.text("DepartureDate", &[], &iso_date(departed.date()))?;
    out.text("DepartureTime", &[], &time(departed.time()))?;
    out.text("DischargeStatus_SNOMEDCT", &[], attendance.discharge_status)?;
    out.close()?;
    out.close()?;
    out.open("CDSMessageTrailer", &[])?;
    out.text("CDSMessageReference", &[], &control)?;
    out.close()?;
    out.close()
}

fn patient(out: &mut Out, identity: &Identity<'_>) -> Result<()> {
    let (structure, local, registration) = match identity {
        Identity::Found(registration, key) => ("VerifiedIdentityStructure", key.to_string(), registration),
        Identity::Unknown(registration) => {
            ("UnverifiedIdentityStructure", format!("ED{}", registration.row), registration)
        }
    };
    let number = registration.nhs_number.as_deref();
    out.open("PersonGroupPatient", &[])?;
    out.open(structure, &[])?;
    out.text("LocalPatientIdentifier", &[], &local)?;
    out.text("OrganisationIdentifier_LocalPatientIdentifier", &[], "REF")?;
    out.some_text("NHSNumber", number.unwrap_or_default())?;
    let untraced = if number.is_some() { "02" } else { "07" };
    out.text("NHSNumberStatusIndicatorCode", &[], registration.status.unwrap_or(untraced))?;
    if let Identity::Unknown(_) = identity {
        out.open("PatientName", &[])?;
        out.some_text("PersonGivenName", &registration.given.as_deref().unwrap_or_default().to_uppercase())?;
        out.some_text("PersonFamilyName", &registration.family.as_deref().unwrap_or_default().to_uppercase())?;
        out.close()?;
    }
    out.some_text("Postcode", &registration.address.postcode)?;
    out.some_text("PersonBirthDate", &registration.birth.map(|day: Date| iso_date(day)).unwrap_or_default())?;
    out.close()?;
    let sex = match registration.sex {
        Some(Sex::Male) => "1",
        Some(Sex::Female) => "2",
        Some(Sex::Other) => "9",
        None => "0",
    };
    out.text("PersonGenderCodeCurrent", &[], sex)?;
    out.close()
}

fn time(time: Time) -> String {
    format!("{:02}:{:02}:{:02}", time.hour(), time.minute(), time.second())
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn text_of(folder: &Path, name: &str) -> String {
        std::fs::read_to_string(folder.join("ref-ed").join(name)).unwrap()
    }

    fn texts<'a>(xml: &'a str, element: &str) -> Vec<&'a str> {
        let open = format!("<{element}>");
        xml.split(open.as_str()).skip(1).map(|rest| rest.split('<').next().unwrap()).collect()
    }

    #[test]
    fn corrections_come_later_under_the_same_identifier() {
        let folder = sample::exported(create, &[sample::person()]);
        let originals = text_of(folder.path(), "cds-1-original-0001.xml");
        let corrections = text_of(folder.path(), "cds-2-correction-0001.xml");
        for xml in [&originals, &corrections] {
            let mut reader = quick_xml::Reader::from_str(xml);
            while !matches!(reader.read_event().unwrap(), quick_xml::events::Event::Eof) {}
        }
        assert_eq!(texts(&originals, "CDSInterchangeControlCount"), ["3"]);
        assert_eq!(texts(&originals, "CDSUpdateType"), ["9", "9", "9"]);
        assert_eq!(texts(&originals, "DepartureTime"), ["14:30:00", "14:30:00", "17:00:00"]);
        assert_eq!(texts(&corrections, "CDSInterchangeControlCount"), ["2"]);
        assert_eq!(texts(&corrections, "CDSUpdateType"), ["1", "9"]);
        assert_eq!(texts(&corrections, "DepartureTime"), ["14:30:00", "14:30:00"]);
        assert_eq!(texts(&originals, "CDSUniqueIdentifier")[1..], texts(&corrections, "CDSUniqueIdentifier"));
        let (first, second) = (texts(&originals, "CDSApplicableDate")[2], texts(&corrections, "CDSApplicableDate")[1]);
        assert!(first < second);
    }

    #[test]
    fn whom_the_pas_knows_goes_by_its_number_and_is_no_patient_row() {
        let folder = sample::exported(create, &[sample::person()]);
        let xml = text_of(folder.path(), "cds-1-original-0001.xml");
        assert_eq!(texts(&xml, "LocalPatientIdentifier"), ["1903", "1903", "1903"]);
        assert!(!xml.contains("PatientName"));
        assert!(sample::truth_lines(folder.path(), "records.csv").is_empty());
    }

    #[test]
    fn who_was_not_found_has_a_name_and_is_one_patient_row_at_the_latest_sending() {
        let mut person = sample::person();
        person.registrations[3].status = Some("02");
        let folder = sample::exported(create, &[person]);
        let xml = text_of(folder.path(), "cds-1-original-0001.xml");
        assert_eq!(texts(&xml, "LocalPatientIdentifier"), ["ED1903", "1903", "ED1903"]);
        assert_eq!(texts(&xml, "PersonFamilyName"), ["O'NEILL", "O'NEILL"]);
        assert_eq!(
            sample::truth_lines(folder.path(), "records.csv"),
            ["P0000001,REF,ed,attendance,REF00000000001022|2026-06-04|01:17:02,true,false,number not verified"]
        );
        let later = text_of(folder.path(), "cds-2-correction-0001.xml");
        assert_eq!(texts(&later, "CDSApplicableDate")[1], "2026-06-04");
        assert_eq!(texts(&later, "CDSApplicableTime")[1], "01:17:02");
    }
}
