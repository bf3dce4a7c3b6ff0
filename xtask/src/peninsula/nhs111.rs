//! NHS 111: reports of calls as CDA documents, in an ITK distribution envelope, in a SOAP envelope.
//!
//! What real senders do differently is here too: prefixes or default namespaces, a bare document, several documents of
//! a repeat caller in one envelope, a later version of a report in a later message, offsets of two or four digits or
//! none, a disposition whose code stands where its system belongs.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use jiff::civil::{Date, DateTime};

use super::clock::Clock;
use super::markup::Markup;
use super::model::{Archive, Exporter, Organisation, Person, Registration, Setting, Sex, System, UrgentCall};
use super::truth::{At, Truth, rule_note};

const SERVICE: &str = "urn:nhs-itk:services:201005:SendNHS111Report-v2-0";
const TEMPLATE: &str = "2.16.840.1.113883.2.1.3.2.4.18.2";
const CONTENT: &str = "2.16.840.1.113883.2.1.3.2.4.18.16";
const SNOMED: &str = "2.16.840.1.113883.2.1.3.2.4.15";
const DISPOSITIONS: &str = "2.16.840.1.113883.2.1.3.2.4.17.325";

/// The sender: its ODS code and name.
const SENDER: (&str, &str) = ("NHS111", "Peninsula Urgent Care");

/// Calls whose times have no offset. Each is a finding in every run, so there are only as many as show it.
const MOST_WITHOUT_OFFSET: u32 = 3;

/// Writes `nhs111/*.xml`.
pub(crate) struct Nhs111 {
    folder: PathBuf,
    clock: Clock,
    n_without_offset: u32,
}

/// Creates the export below `folder`.
pub(crate) fn create(folder: &Path, _setting: &Setting) -> Result<Box<dyn Exporter>> {
    let folder = folder.join("nhs111");
    std::fs::create_dir_all(&folder).with_context(|| format!("could not create {}", folder.display()))?;
    Ok(Box::new(Nhs111 { folder, clock: Clock::new(), n_without_offset: 0 }))
}

impl Exporter for Nhs111 {
    fn person(&mut self, person: &Person, truth: &mut Truth) -> Result<()> {
        let is_here = |call: &&UrgentCall| {
            person.is_at(&call.row, Organisation::Nhs111)
                && call.row.archive == Archive::Live
                && person.registrations[call.row.holder].archive == Archive::Live
        };
        let mut calls: Vec<&UrgentCall> = person.calls.iter().filter(is_here).collect();
        calls.sort_by_key(|call| call.envelope);
        let mut told: Vec<usize> = Vec::new();
        for call in &calls {
            let registration = &person.registrations[call.row.holder];
            let key = document_id(call, call.n_versions);
            let at = At { system: System::Nhs111Itk, table: "document", key: &key };
            // Each set of documents is a patient row; what was planted in the record is told once.
            if told.contains(&call.row.holder) {
                let again = Registration { defect: None, ..registration.clone() };
                truth.record(person, &again, at, rule_note(registration))?;
            } else {
                told.push(call.row.holder);
                truth.record(person, registration, at, rule_note(registration))?;
            }
            truth.defect(person, call.row.defect.as_ref(), at)?;
        }
        let mut at = 0;
        while at < calls.len() {
            let n_together = calls[at..].iter().take_while(|call| call.envelope == calls[at].envelope).count();
            let together = &calls[at..at + n_together];
            let documents: Vec<Document<'_>> = together.iter().map(|call| self.document(person, call, 1)).collect();
            self.message(&format!("itk-{:010}", together[0].envelope), together[0].envelope, &documents)?;
            for call in together {
                for version in 2..=call.n_versions {
                    let name = format!("itk-{:010}-{}-v{version}", call.envelope, call.row.number);
                    let document = self.document(person, call, version);
                    self.message(&name, call.row.number, &[document])?;
                }
            }
            at += n_together;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

/// One version of the report of one call.
struct Document<'a> {
    id: String,
    version: u32,
    call: &'a UrgentCall,
    registration: &'a Registration,
    /// What the caller said of allergies, if anything was asked.
    allergies: Option<String>,
    times: Times,
}

/// Times as this sender writes them.
struct Times {
    written: String,
    started: String,
    ended: String,
}

/// The shapes of HL7 times that senders use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TimeShape {
    /// `yyyymmddHHMM+ZZ`
    MinutesAndHours,
    /// `yyyymmddHHMMSS+ZZ`
    SecondsAndHours,
    /// `yyyymmddHHMMSS+ZZZZ`
    SecondsAndMinutes,
    /// `yyyymmddHHMM`, in local time.
    MinutesAlone,
    /// `yyyymmddHHMMSS`, in local time.
    SecondsAlone,
}

impl Nhs111 {
    fn document<'a>(&mut self, person: &'a Person, call: &'a UrgentCall, version: u32) -> Document<'a> {
        let shape = match call.row.number % 3 {
            0 => TimeShape::MinutesAndHours,
            1 => TimeShape::SecondsAndHours,
            _ => TimeShape::SecondsAndMinutes,
        };
        let is_spare = self.n_without_offset < MOST_WITHOUT_OFFSET && version == 1 && call.n_versions == 1;
        let started_shape = match call.row.number % 8 {
            5 if is_spare => TimeShape::MinutesAlone,
            3 if is_spare => TimeShape::SecondsAlone,
            _ => shape,
        };
        self.n_without_offset += u32::from(started_shape != shape);
        // A later version is written later; the call is the same.
        let written = call.ended.saturating_add(jiff::Span::new().hours(i64::from(version) - 1));
        Document {
            id: document_id(call, version),
            version,
            call,
            registration: &person.registrations[call.row.holder],
            allergies: said_of_allergies(person, call),
            times: Times {
                written: self.time(written, shape),
                started: self.time(call.started, started_shape),
                ended: self.time(call.ended, shape),
            },
        }
    }

    fn time(&self, local: DateTime, shape: TimeShape) -> String {
        let digits: String = self.clock.instant(local).chars().filter(char::is_ascii_digit).collect();
        let (minutes, seconds) = (&digits[..12], &digits[..14]);
        // The peninsula's offset is +00:00 or +01:00.
        let (hours, both) = (&digits[14..16], &digits[14..18]);
        match shape {
            TimeShape::MinutesAndHours => format!("{minutes}+{hours}"),
            TimeShape::SecondsAndHours => format!("{seconds}+{hours}"),
            TimeShape::SecondsAndMinutes => format!("{seconds}+{both}"),
            TimeShape::MinutesAlone => minutes.to_owned(),
            TimeShape::SecondsAlone => seconds.to_owned(),
        }
    }

    /// One message, one file.
    fn message(&self, name: &str, number: u64, documents: &[Document<'_>]) -> Result<()> {
        let path = self.folder.join(format!("{name}.xml"));
        let file = File::create(&path).with_context(|| format!("could not create {}", path.display()))?;
        let mut out = Markup::new(BufWriter::new(file))?;
        if let ([document], 7) = (documents, number % 11) {
            write_document(&mut out, document)?;
        } else {
            write_envelope(&mut out, number, documents)?;
        }
        out.end()?;
        Ok(())
    }
}

/// A document's id: the set's, with the version in it.
fn document_id(call: &UrgentCall, version: u32) -> String {
    uuid(call.row.number, u64::from(version))
}

/// Thirty-two digits that follow from two numbers, written as a UUID of version 4.
fn uuid(number: u64, salt: u64) -> String {
    let first = mixed(number ^ salt.rotate_left(48));
    let second = mixed(first ^ number.rotate_left(17));
    format!(
        "{:08X}-{:04X}-4{:03X}-{:04X}-{:012X}",
        first >> 32,
        (first >> 16) & 0xFFFF,
        first & 0xFFF,
        0x8000 | ((second >> 48) & 0x3FFF),
        second & 0xFFFF_FFFF_FFFF
    )
}

/// The finaliser of SplitMix64: every number gives another one, and near ones give far ones.
pub(super) fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// On every second report the caller was asked; the answer is text, from whatever of the person's records there are.
fn said_of_allergies(person: &Person, call: &UrgentCall) -> Option<String> {
    if !call.row.number.is_multiple_of(2) {
        return None;
    }
    let known: Vec<&str> = person.allergies.iter().filter(|a| a.is_live()).map(|a| a.text.as_str()).take(2).collect();
    Some(if known.is_empty() { "The caller did not name any.".to_owned() } else { known.join("; ") })
}

type Out = Markup<BufWriter<File>>;

fn write_envelope(out: &mut Out, number: u64, documents: &[Document<'_>]) -> Result<()> {
    // Senders differ in prefixes; the namespaces are the same.
    let (soap, itk) = if number.is_multiple_of(2) { ("s:", "") } else { ("soap:", "itk:") };
    let soap_name = |name: &str| format!("{soap}{name}");
    let itk_name = |name: &str| format!("{itk}{name}");
    let soap_xmlns = format!("xmlns:{}", soap.trim_end_matches(':'));
    let itk_xmlns = if itk.is_empty() { "xmlns" } else { "xmlns:itk" };
    out.open(
        &soap_name("Envelope"),
        &[
            (&soap_xmlns, "http://schemas.xmlsoap.org/soap/envelope/"),
            ("xmlns:wsa", "http://www.w3.org/2005/08/addressing"),
        ],
    )?;
    out.open(&soap_name("Header"), &[])?;
    out.text("wsa:Action", &[], SERVICE)?;
    out.text("wsa:MessageID", &[], &uuid(number, 1_001))?;
    out.text("wsa:To", &[], "https://receiver.peninsula.example/report")?;
    out.close()?;
    out.open(&soap_name("Body"), &[])?;
    out.open(&itk_name("DistributionEnvelope"), &[(itk_xmlns, "urn:nhs-itk:ns:201005")])?;
    let n_documents = documents.len().to_string();
    let references: Vec<String> = documents.iter().map(|document| format!("uuid_{}", document.id)).collect();
    out.open(&itk_name("header"), &[("service", SERVICE), ("trackingid", &uuid(number, 1_002))])?;
    out.open(&itk_name("addresslist"), &[])?;
    out.empty(&itk_name("address"), &[("uri", "urn:nhs-uk:addressing:ods:RK9")])?;
    out.close()?;
    out.open(&itk_name("auditIdentity"), &[])?;
    out.empty(&itk_name("id"), &[("uri", "urn:nhs-uk:identity:ods:NHS111")])?;
    out.close()?;
    out.open(&itk_name("manifest"), &[("count", &n_documents)])?;
    for reference in &references {
        let profile = "urn:nhs-en:profile:nhs111CDADocument-v2-0";
        out.empty(&itk_name("manifestitem"), &[("id", reference), ("mimetype", "text/xml"), ("profileid", profile)])?;
    }
    out.close()?;
    out.empty(&itk_name("senderAddress"), &[("uri", "urn:nhs-uk:addressing:ods:NHS111")])?;
    out.open(&itk_name("handlingSpecification"), &[])?;
    let interaction = if documents.len() > 1 {
        "urn:nhs-itk:interaction:primaryNHS111RepeatCallerDocumentSet-v1-0"
    } else {
        "urn:nhs-itk:interaction:primaryOutofHourRecipientNHS111CDADocument-v2-0"
    };
    out.empty(&itk_name("spec"), &[("key", "urn:nhs-itk:ns:201005:interaction"), ("value", interaction)])?;
    out.close()?;
    out.close()?;
    out.open(&itk_name("payloads"), &[("count", &n_documents)])?;
    for (document, reference) in documents.iter().zip(&references) {
        out.open(&itk_name("payload"), &[("id", reference)])?;
        write_document(out, document)?;
        out.close()?;
    }
    for _ in 0..4 {
        out.close()?;
    }
    Ok(())
}

fn write_document(out: &mut Out, document: &Document<'_>) -> Result<()> {
    let call = document.call;
    out.open(
        "ClinicalDocument",
        &[
            ("xmlns", "urn:hl7-org:v3"),
            ("xmlns:npfitlc", "NPFIT:HL7:Localisation"),
            ("classCode", "DOCCLIN"),
            ("moodCode", "EVN"),
        ],
    )?;
    out.empty("typeId", &[("root", "2.16.840.1.113883.1.3"), ("extension", "POCD_HD000040")])?;
    out.empty(
        "npfitlc:messageType",
        &[("root", "2.16.840.1.113883.2.1.3.2.4.18.17"), ("extension", "POCD_MT200001GB02")],
    )?;
    out.empty("id", &[("root", &document.id)])?;
    out.empty("code", &[("code", "819551000000100"), ("codeSystem", SNOMED)])?;
    out.text("title", &[], "NHS 111 Report")?;
    out.empty("effectiveTime", &[("value", &document.times.written)])?;
    let (code, name) = confidentiality(call);
    out.empty(
        "confidentialityCode",
        &[("code", code), ("codeSystem", "2.16.840.1.113883.1.11.16926"), ("displayName", name)],
    )?;
    out.empty("setId", &[("root", &call.set)])?;
    out.empty("versionNumber", &[("value", &document.version.to_string())])?;
    write_patient(out, document)?;
    write_author(out, document)?;
    write_custodian(out)?;
    write_encounter(out, document)?;
    write_body(out, document)?;
    out.close()
}

/// Some reports may be seen by few, some by hardly anybody.
fn confidentiality(call: &UrgentCall) -> (&'static str, &'static str) {
    match mixed(call.row.number) % 100 {
        0 => ("V", "very restricted"),
        1..=4 => ("R", "restricted"),
        _ => ("N", "normal"),
    }
}

fn content_id(out: &mut Out, template: &str) -> Result<()> {
    out.empty("npfitlc:contentId", &[("root", CONTENT), ("extension", template)])
}

fn template_id(out: &mut Out, template: &str) -> Result<()> {
    out.empty("templateId", &[("root", TEMPLATE), ("extension", template)])
}

fn write_patient(out: &mut Out, document: &Document<'_>) -> Result<()> {
    let Document { registration, call, .. } = document;
    out.open("recordTarget", &[("typeCode", "RCT"), ("contextControlCode", "OP")])?;
    content_id(out, "COCD_TP145201GB01#PatientRole")?;
    out.open("patientRole", &[("classCode", "PAT")])?;
    template_id(out, "COCD_TP145201GB01#PatientRole")?;
    if let Some(number) = &registration.nhs_number {
        let root =
            if registration.is_verified() { "2.16.840.1.113883.2.1.4.1" } else { "2.16.840.1.113883.2.1.3.2.4.18.23" };
        out.empty("id", &[("root", root), ("extension", number)])?;
    }
    let authority = format!("{}:{}", SENDER.0, SENDER.1);
    out.empty(
        "id",
        &[
            ("root", "2.16.840.1.113883.2.1.3.2.4.18.24"),
            ("extension", &registration.local_number),
            ("assigningAuthorityName", &authority),
        ],
    )?;
    let address = &registration.address;
    let uses: &[&str] = if call.row.number.is_multiple_of(4) { &["H", "PHYS"] } else { &["H"] };
    for place in uses {
        out.open("addr", &[("use", place)])?;
        out.some_text("streetAddressLine", &address.line1)?;
        out.some_text("streetAddressLine", address.line2.as_deref().unwrap_or_default())?;
        // Some senders have an element for the town, others only lines.
        out.some_text(if call.row.number.is_multiple_of(3) { "city" } else { "streetAddressLine" }, address.city)?;
        out.some_text("postalCode", &address.postcode)?;
        out.close()?;
    }
    if let Some(phone) = &registration.phone {
        out.empty("telecom", &[("use", "H"), ("value", &format!("tel:{}", phone.replace(' ', "")))])?;
    }
    out.open("patient", &[("classCode", "PSN"), ("determinerCode", "INSTANCE")])?;
    template_id(out, "COCD_TP145201GB01#patientPatient")?;
    out.open("name", if call.row.number.is_multiple_of(5) { &[("use", "L")] } else { &[] })?;
    out.some_text("given", registration.given.as_deref().unwrap_or_default())?;
    out.some_text("given", registration.second.as_deref().unwrap_or_default())?;
    out.some_text("family", registration.family.as_deref().unwrap_or_default())?;
    out.close()?;
    let (sex, name) = match registration.sex {
        Some(Sex::Male) => ("1", "Male"),
        Some(Sex::Female) => ("2", "Female"),
        Some(Sex::Other) => ("9", "Not specified"),
        None => ("0", "Not known"),
    };
    out.empty(
        "administrativeGenderCode",
        &[("code", sex), ("codeSystem", "2.16.840.1.113883.2.1.3.2.4.16.25"), ("displayName", name)],
    )?;
    if let Some(birth) = registration.birth {
        out.empty("birthTime", &[("value", &compact(birth))])?;
    }
    if call.row.number.is_multiple_of(6) {
        out.open("languageCommunication", &[])?;
        template_id(out, "COCD_TP145201GB01#languageCommunication")?;
        out.empty("languageCode", &[("code", "en")])?;
        out.close()?;
    }
    out.close()?;
    out.open("providerOrganization", &[("classCode", "ORG"), ("determinerCode", "INSTANCE")])?;
    template_id(out, "COCD_TP145201GB01#providerOrganization")?;
    out.empty("id", &[("root", "2.16.840.1.113883.2.1.3.2.4.19.1"), ("extension", registration.practice.ods)])?;
    out.text("name", &[], registration.practice.name)?;
    out.close()?;
    out.close()?;
    out.close()
}

fn write_author(out: &mut Out, document: &Document<'_>) -> Result<()> {
    out.open("author", &[("typeCode", "AUT"), ("contextControlCode", "OP")])?;
    content_id(out, "COCD_TP145200GB01#AssignedAuthor")?;
    out.empty("time", &[("value", &document.times.written)])?;
    out.open("assignedAuthor", &[("classCode", "ASSIGNED")])?;
    template_id(out, "COCD_TP145200GB01#AssignedAuthor")?;
    let adviser = format!("HA{:03}", document.call.row.number % 97);
    out.empty("id", &[("root", "2.16.840.1.113883.2.1.3.2.4.18.24"), ("extension", &adviser)])?;
    out.open("representedOrganization", &[("classCode", "ORG"), ("determinerCode", "INSTANCE")])?;
    template_id(out, "COCD_TP145200GB01#representedOrganization")?;
    out.empty("id", &[("root", "2.16.840.1.113883.2.1.3.2.4.19.1"), ("extension", SENDER.0)])?;
    out.text("name", &[], SENDER.1)?;
    for _ in 0..3 {
        out.close()?;
    }
    Ok(())
}

fn write_custodian(out: &mut Out) -> Result<()> {
    out.open("custodian", &[("typeCode", "CST")])?;
    content_id(out, "COCD_TP145018UK03#AssignedCustodian")?;
    out.open("assignedCustodian", &[("classCode", "ASSIGNED")])?;
    template_id(out, "COCD_TP145018UK03#AssignedCustodian")?;
    out.open("representedCustodianOrganization", &[("classCode", "ORG"), ("determinerCode", "INSTANCE")])?;
    template_id(out, "COCD_TP145018UK03#representedCustodianOrganization")?;
    out.empty("id", &[("root", "2.16.840.1.113883.2.1.3.2.4.19.1"), ("extension", SENDER.0)])?;
    out.text("name", &[], SENDER.1)?;
    for _ in 0..3 {
        out.close()?;
    }
    Ok(())
}

fn write_encounter(out: &mut Out, document: &Document<'_>) -> Result<()> {
    let Document { call, times, .. } = document;
    out.open("componentOf", &[("typeCode", "COMP")])?;
    content_id(out, "COCD_TP146232GB01#EncompassingEncounter")?;
    out.open("encompassingEncounter", &[("classCode", "ENC"), ("moodCode", "EVN")])?;
    template_id(out, "COCD_TP146232GB01#EncompassingEncounter")?;
    let case = call.row.number.to_string();
    out.empty("id", &[("root", "2.16.840.1.113883.2.1.3.2.4.18.34"), ("extension", &uuid(call.row.number, 1_003))])?;
    out.empty("id", &[("root", "2.16.840.1.113883.2.1.3.2.4.18.35"), ("extension", &case)])?;
    out.empty(
        "code",
        &[
            ("code", "NHS111Encounter"),
            ("codeSystem", "2.16.840.1.113883.2.1.3.2.4.17.326"),
            ("displayName", "NHS111 Encounter"),
        ],
    )?;
    out.open("effectiveTime", &[])?;
    out.empty("low", &[("value", &times.started)])?;
    out.empty("high", &[("value", &times.ended)])?;
    out.close()?;
    let (code, name) = call.disposition;
    // One sender has the two the wrong way round.
    let is_swapped = mixed(call.row.number).is_multiple_of(29);
    let (code, system) = if is_swapped { (DISPOSITIONS, code) } else { (code, DISPOSITIONS) };
    out.empty("dischargeDispositionCode", &[("code", code), ("codeSystem", system), ("displayName", name)])?;
    out.close()?;
    out.close()
}

fn write_body(out: &mut Out, document: &Document<'_>) -> Result<()> {
    let call = document.call;
    out.open("component", &[("typeCode", "COMP"), ("contextConductionInd", "true")])?;
    out.open("structuredBody", &[("classCode", "DOCBODY"), ("moodCode", "EVN")])?;
    out.open("component", &[("typeCode", "COMP"), ("contextConductionInd", "true")])?;
    out.open("section", &[("classCode", "DOCSECT"), ("moodCode", "EVN")])?;
    out.empty("id", &[("root", &uuid(call.row.number, 1_004))])?;
    section(out, call, 1, Some("886891000000102"), "Patient's Reported Condition", call.complaint)?;
    section(out, call, 2, None, "Pathways Disposition", call.disposition.1)?;
    let correction = "Corrected after the call was reviewed.";
    if document.version > 1 {
        section(out, call, 3, None, "Consultation Summary", correction)?;
    }
    if let Some(allergies) = &document.allergies {
        // Some senders give the section's code, others only its title.
        let code = call.row.number.is_multiple_of(4).then_some("886921000000105");
        section(out, call, 4, code, "Recorded Allergies", allergies)?;
    }
    section(out, call, 5, Some("1052951000000105"), "Information And Advice Given", "Call again if anything changes.")?;
    for _ in 0..4 {
        out.close()?;
    }
    Ok(())
}

fn section(out: &mut Out, call: &UrgentCall, place: u64, code: Option<&str>, title: &str, text: &str) -> Result<()> {
    out.open("component", &[("typeCode", "COMP"), ("contextConductionInd", "true")])?;
    content_id(out, "COCD_TP146246GB01#Section1")?;
    out.open("section", &[("classCode", "DOCSECT"), ("moodCode", "EVN")])?;
    template_id(out, "COCD_TP146246GB01#Section1")?;
    out.empty("id", &[("root", &uuid(call.row.number, 1_010 + place))])?;
    if let Some(code) = code {
        out.empty("code", &[("code", code), ("codeSystem", SNOMED), ("displayName", title)])?;
    }
    out.text("title", &[], title)?;
    out.open("text", &[])?;
    out.text("content", &[], text)?;
    out.close()?;
    out.close()?;
    out.close()
}

fn compact(date: Date) -> String {
    format!("{:04}{:02}{:02}", date.year(), date.month(), date.day())
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn files(folder: &Path) -> Vec<(String, String)> {
        let mut files: Vec<(String, String)> = std::fs::read_dir(folder.join("nhs111"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| {
                (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(&path).unwrap())
            })
            .collect();
        files.sort();
        files
    }

    fn values<'a>(xml: &'a str, before: &str) -> Vec<&'a str> {
        xml.split(before).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
    }

    #[test]
    fn a_repeat_caller_s_reports_stand_in_one_envelope_and_a_later_version_in_another() {
        let folder = sample::exported(create, &[sample::person()]);
        let files = files(folder.path());
        let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["itk-0000000077-1030-v2.xml", "itk-0000000077.xml", "itk-0000000078.xml"]);
        for (_, xml) in &files {
            let mut reader = quick_xml::Reader::from_str(xml);
            while !matches!(reader.read_event().unwrap(), quick_xml::events::Event::Eof) {}
        }
        assert_eq!(values(&files[0].1, "<versionNumber value=\""), ["2"]);
        assert_eq!(values(&files[1].1, "<versionNumber value=\""), ["1", "1"]);
        assert_eq!(values(&files[0].1, "<setId root=\"")[0], values(&files[1].1, "<setId root=\"")[0]);
        // One envelope, without the addressing and the SOAP around it: senders do that too.
        assert!(files[1].1.contains("<soap:Envelope") || files[1].1.contains("<s:Envelope"));
    }

    #[test]
    fn a_number_says_by_its_root_whether_it_was_verified() {
        let mut person = sample::person();
        let verified = files(sample::exported(create, &[person.clone()]).path())[2].1.clone();
        assert!(verified.contains("root=\"2.16.840.1.113883.2.1.4.1\" extension=\"9990001472\""));
        person.registrations[2].status = Some("02");
        let unverified = files(sample::exported(create, &[person]).path())[2].1.clone();
        assert!(unverified.contains("root=\"2.16.840.1.113883.2.1.3.2.4.18.23\" extension=\"9990001472\""));
    }

    #[test]
    fn each_set_is_a_patient_row_under_the_id_of_its_last_version() {
        let folder = sample::exported(create, &[sample::person()]);
        let keys: Vec<String> = sample::truth_lines(folder.path(), "records.csv")
            .iter()
            .map(|line| line.split(',').nth(4).unwrap().to_owned())
            .collect();
        let files = files(folder.path());
        let ids: Vec<&str> = files.iter().flat_map(|(_, xml)| values(xml, "<id root=\"")).collect();
        assert_eq!(keys.len(), 3);
        assert_eq!(keys[0], values(&files[0].1, "<id root=\"")[0]);
        assert!(keys.iter().all(|key| ids.contains(&key.as_str()) && key.len() == 36));
    }

    #[test]
    fn times_have_the_shapes_of_real_ones() {
        let clock = Clock::new();
        let export = Nhs111 { folder: PathBuf::new(), clock, n_without_offset: 0 };
        let at = jiff::civil::date(2026, 7, 1).at(9, 5, 3, 0);
        let shapes = [
            (TimeShape::MinutesAndHours, "202607010905+01"),
            (TimeShape::SecondsAndHours, "20260701090503+01"),
            (TimeShape::SecondsAndMinutes, "20260701090503+0100"),
            (TimeShape::MinutesAlone, "202607010905"),
            (TimeShape::SecondsAlone, "20260701090503"),
        ];
        for (shape, expected) in shapes {
            assert_eq!(export.time(at, shape), expected);
        }
    }
}
