//! One person of the peninsula, and what each organisation holds of them.
//!
//! A [`Person`] is complete when an [`Exporter`] sees it: distorted views, planted defects and row numbers are in
//! it already. An exporter writes what stands here in its system's shape, and tells [`Truth`] the table and key of
//! each patient row, of each live fact and of each row that carries a [`Defect`].
//!
//! Long because every domain stands here once, in the shape that all exporters share.

use std::path::Path;

use anyhow::Result;
use jiff::civil::{Date, DateTime};

use super::estate::{Consultant, Place, Practice};
use super::truth::Truth;

/// What every exporter is told before the first person.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting {
    pub(crate) seed: u64,
    pub(crate) n_people: u64,
}

/// Writes one system's (or organisation's) export.
pub(crate) trait Exporter {
    /// Writes what the system holds of one person: nothing, where it holds nothing.
    fn person(&mut self, person: &Person, truth: &mut Truth) -> Result<()>;
    /// Closes the files.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// How an exporter is made: creates its files below `folder`.
pub(crate) type Create = fn(folder: &Path, setting: &Setting) -> Result<Box<dyn Exporter>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Organisation {
    Rk9,
    Ref,
    Ra9,
    Rbz,
    Rh8,
    Hosp1,
    Hosp2,
    Hosp3,
    Nhs111,
}

impl Organisation {
    pub(crate) const ALL: [Self; 9] =
        [Self::Rk9, Self::Ref, Self::Ra9, Self::Rbz, Self::Rh8, Self::Hosp1, Self::Hosp2, Self::Hosp3, Self::Nhs111];

    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Rk9 => "RK9",
            Self::Ref => "REF",
            Self::Ra9 => "RA9",
            Self::Rbz => "RBZ",
            Self::Rh8 => "RH8",
            Self::Hosp1 => "HOSP1",
            Self::Hosp2 => "HOSP2",
            Self::Hosp3 => "HOSP3",
            Self::Nhs111 => "NHS111",
        }
    }

    /// A trust with a PAS: it has columns for aliases, deaths and every domain of care.
    pub(crate) fn is_trust(self) -> bool {
        matches!(self, Self::Rk9 | Self::Ref | Self::Ra9 | Self::Rbz | Self::Rh8)
    }

    pub(crate) fn is_hospice(self) -> bool {
        matches!(self, Self::Hosp1 | Self::Hosp2 | Self::Hosp3)
    }

    /// An NHS number without a status counts as verified here (`nhs_number = "trusted"`).
    pub(crate) fn is_trusted(self) -> bool {
        self.is_hospice() || self == Self::Rh8
    }
}

/// The systems, as the project file names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum System {
    Rk9Ipm,
    RefIpm,
    RefEd,
    Ra9Pas,
    Ra9Cancer,
    RbzPas,
    Rh8Epic,
    Hosp1Register,
    Hosp2Ledger,
    Hosp3Daybook,
    Nhs111Itk,
}

impl System {
    pub(crate) fn organisation(self) -> Organisation {
        match self {
            Self::Rk9Ipm => Organisation::Rk9,
            Self::RefIpm | Self::RefEd => Organisation::Ref,
            Self::Ra9Pas | Self::Ra9Cancer => Organisation::Ra9,
            Self::RbzPas => Organisation::Rbz,
            Self::Rh8Epic => Organisation::Rh8,
            Self::Hosp1Register => Organisation::Hosp1,
            Self::Hosp2Ledger => Organisation::Hosp2,
            Self::Hosp3Daybook => Organisation::Hosp3,
            Self::Nhs111Itk => Organisation::Nhs111,
        }
    }

    /// `system` of the project file.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rk9Ipm | Self::RefIpm => "ipm",
            Self::RefEd => "ed",
            Self::Ra9Pas | Self::RbzPas => "pas",
            Self::Ra9Cancer => "cancer",
            Self::Rh8Epic => "epic",
            Self::Hosp1Register => "register",
            Self::Hosp2Ledger => "ledger",
            Self::Hosp3Daybook => "daybook",
            Self::Nhs111Itk => "itk",
        }
    }
}

/// A planted defect, marked at the row at which it must be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Defect {
    pub(crate) kind: Kind,
    pub(crate) note: &'static str,
    /// The second row of a defect that stands in two records: the person whose row is the first.
    pub(crate) of: Option<u64>,
}

/// The kinds that are planted, by the hazard that must find them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Id01,
    Id02,
    Id03,
    Id06,
    Id08,
    Id09,
    Id10,
    De01,
    De02,
    De03,
    Al02,
    Al03,
    Ap04,
    Rt01,
    Rt02,
    Rt05,
    En01,
    En02,
    Co01,
    Co04,
    Da02,
    Da03,
    Id04,
    Id05,
    Id07,
    Id12,
    De04,
    Ap03,
    Rt03,
    Rt04,
    En03,
    En04,
    Me01,
    Me02,
    Me03,
    Me04,
    Me05,
    Co02,
    Co03,
    Re01,
    Re02,
    Do01,
    Da01,
    Da04,
    Or01,
}

impl Kind {
    pub(crate) const ALL: [Self; 45] = [
        Self::Id01,
        Self::Id02,
        Self::Id03,
        Self::Id06,
        Self::Id08,
        Self::Id09,
        Self::Id10,
        Self::De01,
        Self::De02,
        Self::De03,
        Self::Al02,
        Self::Al03,
        Self::Ap04,
        Self::Rt01,
        Self::Rt02,
        Self::Rt05,
        Self::En01,
        Self::En02,
        Self::Co01,
        Self::Co04,
        Self::Da02,
        Self::Da03,
        Self::Id04,
        Self::Id05,
        Self::Id07,
        Self::Id12,
        Self::De04,
        Self::Ap03,
        Self::Rt03,
        Self::Rt04,
        Self::En03,
        Self::En04,
        Self::Me01,
        Self::Me02,
        Self::Me03,
        Self::Me04,
        Self::Me05,
        Self::Co02,
        Self::Co03,
        Self::Re01,
        Self::Re02,
        Self::Do01,
        Self::Da01,
        Self::Da04,
        Self::Or01,
    ];

    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Id01 => "ID-01",
            Self::Id02 => "ID-02",
            Self::Id03 => "ID-03",
            Self::Id06 => "ID-06",
            Self::Id08 => "ID-08",
            Self::Id09 => "ID-09",
            Self::Id10 => "ID-10",
            Self::De01 => "DE-01",
            Self::De02 => "DE-02",
            Self::De03 => "DE-03",
            Self::Al02 => "AL-02",
            Self::Al03 => "AL-03",
            Self::Ap04 => "AP-04",
            Self::Rt01 => "RT-01",
            Self::Rt02 => "RT-02",
            Self::Rt05 => "RT-05",
            Self::En01 => "EN-01",
            Self::En02 => "EN-02",
            Self::Co01 => "CO-01",
            Self::Co04 => "CO-04",
            Self::Da02 => "DA-02",
            Self::Da03 => "DA-03",
            Self::Id04 => "ID-04",
            Self::Id05 => "ID-05",
            Self::Id07 => "ID-07",
            Self::Id12 => "ID-12",
            Self::De04 => "DE-04",
            Self::Ap03 => "AP-03",
            Self::Rt03 => "RT-03",
            Self::Rt04 => "RT-04",
            Self::En03 => "EN-03",
            Self::En04 => "EN-04",
            Self::Me01 => "ME-01",
            Self::Me02 => "ME-02",
            Self::Me03 => "ME-03",
            Self::Me04 => "ME-04",
            Self::Me05 => "ME-05",
            Self::Co02 => "CO-02",
            Self::Co03 => "CO-03",
            Self::Re01 => "RE-01",
            Self::Re02 => "RE-02",
            Self::Do01 => "DO-01",
            Self::Da01 => "DA-01",
            Self::Da04 => "DA-04",
            Self::Or01 => "OR-01",
        }
    }
}

/// What became of a row where it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Archive {
    Live,
    /// Kept, inactive. Systems without such a flag leave the row out.
    Archived,
    /// Deleted in the source; the row is still in the table and must not come through.
    Deleted,
}

/// What every fact begins with.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// Index of the holding registration in [`Person::registrations`].
    pub(crate) holder: usize,
    /// Unique over the whole peninsula: person number × 1000 + a place within the person.
    pub(crate) number: u64,
    pub(crate) archive: Archive,
    /// The patient key that is written instead of the holder's: it exists nowhere.
    pub(crate) orphan: Option<u64>,
    pub(crate) defect: Option<Defect>,
}

/// One person with everything that all organisations hold of them.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    /// From 1.
    pub(crate) number: u64,
    /// Why this person is in the peninsula: `twin`, `son of a father of the same name`, `married`, …
    pub(crate) note: &'static str,
    /// Sorted by organisation; a person may stand twice in one.
    pub(crate) registrations: Vec<Registration>,
    pub(crate) allergies: Vec<Allergy>,
    pub(crate) alerts: Vec<Alert>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) spells: Vec<Spell>,
    pub(crate) attendances: Vec<EdAttendance>,
    pub(crate) referrals: Vec<Referral>,
    pub(crate) pathways: Vec<Pathway>,
    pub(crate) waiting: Vec<WaitingEntry>,
    pub(crate) appointments: Vec<Appointment>,
    pub(crate) contacts: Vec<Contact>,
    pub(crate) medications: Vec<Medication>,
    pub(crate) observations: Vec<Observation>,
    pub(crate) letters: Vec<Letter>,
    pub(crate) calls: Vec<UrgentCall>,
    pub(crate) hospice_referrals: Vec<HospiceReferral>,
    pub(crate) tracks: Vec<CancerTrack>,
}

impl Person {
    /// The person's registrations in one organisation, with their indices.
    pub(crate) fn held_by(&self, organisation: Organisation) -> impl Iterator<Item = (usize, &Registration)> {
        self.registrations.iter().enumerate().filter(move |(_, r)| r.organisation == organisation)
    }

    /// Whether the row is in this organisation's systems.
    pub(crate) fn is_at(&self, row: &Row, organisation: Organisation) -> bool {
        self.registrations[row.holder].organisation == organisation
    }

    /// The patient key to write in a row: the registration's row number, or one that exists nowhere.
    pub(crate) fn patient_key(&self, row: &Row) -> u64 {
        row.orphan.unwrap_or(self.registrations[row.holder].row)
    }
}

/// One organisation's view of the person, as recorded there: the exporter only gives it the system's shape.
#[derive(Debug, Clone)]
pub(crate) struct Registration {
    pub(crate) organisation: Organisation,
    /// The patient's row number, unique over the whole peninsula.
    pub(crate) row: u64,
    /// The local hospital number or reference, at most ten characters.
    pub(crate) local_number: String,
    /// As recorded: ten digits, or what was planted. Never with spaces.
    pub(crate) nhs_number: Option<String>,
    /// The system shows this number as 3-3-4.
    pub(crate) spaced: bool,
    /// `01` … `08`; none where it is missing (systems that have no status write none anyway).
    pub(crate) status: Option<&'static str>,
    /// In ordinary spelling (`O'Neill`, `Zoë`); upper-case systems shout it.
    pub(crate) family: Option<String>,
    pub(crate) given: Option<String>,
    pub(crate) second: Option<String>,
    /// Other family names this organisation knows, latest first. Only trusts have a place for them.
    pub(crate) former: Vec<FormerName>,
    pub(crate) sex: Option<Sex>,
    pub(crate) birth: Option<Date>,
    pub(crate) death: Option<DateTime>,
    pub(crate) address: Address,
    pub(crate) phone: Option<String>,
    pub(crate) email: Option<String>,
    /// National category: `A` … `S`, `Z`, `99`.
    pub(crate) ethnic: &'static str,
    /// National: S M D W P N.
    pub(crate) marital: char,
    pub(crate) practice: &'static Practice,
    pub(crate) archive: Archive,
    pub(crate) special: Special,
    pub(crate) defect: Option<Defect>,
}

/// What few registrations have; a system writes what it has a place for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Special {
    /// Access is restricted. iPM only.
    pub(crate) is_restricted: bool,
    /// Planted ID-04: a second verified NHS number. RH8 only.
    pub(crate) other_number: Option<String>,
    /// Planted ID-05: the row that the system says took this one's place. RH8 only.
    pub(crate) replaced_by: Option<u64>,
    /// Planted DA-04: this stands in the sex column. iPM only.
    pub(crate) sex_code: Option<&'static str>,
    /// Planted ID-12: the row that the system says is the mother's. iPM only.
    pub(crate) mother: Option<u64>,
}

impl Registration {
    /// Whether the record carries a verified NHS number by the rule of its system.
    pub(crate) fn is_verified(&self) -> bool {
        let by_status = self.status == Some("01");
        self.nhs_number.is_some() && (by_status || (self.status.is_none() && self.organisation.is_trusted()))
    }

    /// The number as the system shows it: `9990001472`, or `999 000 1472`.
    pub(crate) fn shown_number(&self) -> Option<String> {
        let number = self.nhs_number.as_deref()?;
        Some(match number.as_bytes() {
            digits if self.spaced && digits.len() == 10 => {
                format!("{} {} {}", &number[..3], &number[3..6], &number[6..])
            }
            _ => number.to_owned(),
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FormerName {
    pub(crate) family: String,
    pub(crate) until: Date,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sex {
    Male,
    Female,
    /// Indeterminate; only trusts can write it.
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) line1: String,
    pub(crate) line2: Option<String>,
    pub(crate) city: &'static str,
    pub(crate) postcode: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Substance {
    Penicillin,
    Peanut,
    Latex,
    Egg,
    Aspirin,
    Sulfonamide,
    Iodine,
    Shellfish,
    /// No known allergy.
    NoKnown,
}

impl Substance {
    pub(crate) const ALL: [Self; 9] = [
        Self::Penicillin,
        Self::Peanut,
        Self::Latex,
        Self::Egg,
        Self::Aspirin,
        Self::Sulfonamide,
        Self::Iodine,
        Self::Shellfish,
        Self::NoKnown,
    ];
}

#[derive(Debug, Clone)]
pub(crate) struct Allergy {
    pub(crate) row: Row,
    /// None: planted AL-02. Write a code that no map has (`ZZ…`), no code where the system allows that, or the
    /// free word, and the text.
    pub(crate) substance: Option<Substance>,
    pub(crate) text: String,
    /// 1 mild, 2 moderate, 3 severe.
    pub(crate) severity: u8,
    /// Planted CO-04: this stands in the severity column.
    pub(crate) planted_severity: Option<&'static str>,
    pub(crate) recorded: DateTime,
    /// The system's own status. iPM has none: rows that are not active are archived there.
    pub(crate) is_active: bool,
}

impl Allergy {
    pub(crate) fn is_live(&self) -> bool {
        self.is_active && self.row.archive == Archive::Live
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AlertKind {
    Mrsa,
    Violence,
    Safeguarding,
    Dnacpr,
    Interpreter,
    Deaf,
}

#[derive(Debug, Clone)]
pub(crate) struct Alert {
    pub(crate) row: Row,
    pub(crate) kind: AlertKind,
    /// Planted CO-04: this stands in the code column.
    pub(crate) planted_code: Option<&'static str>,
    pub(crate) text: String,
    pub(crate) from: DateTime,
    /// None, or past: an alert has ended before `as_of` where it has an end.
    pub(crate) to: Option<DateTime>,
}

impl Alert {
    pub(crate) fn is_live(&self) -> bool {
        self.to.is_none() && self.row.archive == Archive::Live
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub(crate) row: Row,
    /// As recorded: planted CO-01 has broken it.
    pub(crate) snomed: String,
    pub(crate) icd: &'static str,
    pub(crate) text: String,
    pub(crate) onset: Date,
    pub(crate) resolved: Option<Date>,
}

#[derive(Debug, Clone)]
pub(crate) struct Spell {
    pub(crate) row: Row,
    pub(crate) admitted: DateTime,
    /// None: a current inpatient.
    pub(crate) discharged: Option<DateTime>,
    /// None only where EN-01 is planted.
    pub(crate) ward: Option<&'static Place>,
    pub(crate) admission_method: &'static str,
    pub(crate) admission_source: &'static str,
    pub(crate) discharge_method: Option<&'static str>,
    pub(crate) discharge_destination: Option<&'static str>,
    /// In order; the last of a current inpatient is open.
    pub(crate) episodes: Vec<Episode>,
}

impl Spell {
    pub(crate) fn is_current(&self) -> bool {
        self.discharged.is_none() && self.row.archive == Archive::Live
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Episode {
    pub(crate) row: Row,
    pub(crate) sequence: u32,
    pub(crate) started: DateTime,
    pub(crate) ended: Option<DateTime>,
    pub(crate) specialty: &'static str,
    /// None only where EN-02 is planted.
    pub(crate) consultant: Option<&'static Consultant>,
}

/// An attendance at the emergency department of REF (CDS) or RH8 (Encounter EMER).
#[derive(Debug, Clone)]
pub(crate) struct EdAttendance {
    pub(crate) row: Row,
    pub(crate) arrived: DateTime,
    pub(crate) departed: DateTime,
    pub(crate) complaint: &'static str,
    pub(crate) diagnoses: Vec<&'static str>,
    /// `1` unplanned first, `2` unplanned follow-up.
    pub(crate) category: &'static str,
    pub(crate) discharge_status: &'static str,
    /// Sent once and then deleted (update type 1); `row.archive` is `Deleted`.
    pub(crate) is_withdrawn: bool,
    /// Sent twice: an earlier version with another departure is replaced by this one.
    pub(crate) is_replaced: bool,
    /// Unless EN-04 is planted. RH8 only.
    pub(crate) is_site_known: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Referral {
    pub(crate) row: Row,
    pub(crate) received: DateTime,
    pub(crate) specialty: &'static str,
    /// 1 routine, 2 urgent, 3 two-week wait.
    pub(crate) priority: u8,
    /// Planted RT-04: this stands in the priority column. iPM only.
    pub(crate) planted_priority: Option<&'static str>,
    /// National source of referral.
    pub(crate) source: &'static str,
    pub(crate) closed: Option<DateTime>,
    /// Twelve digits.
    pub(crate) ubrn: Option<String>,
    /// Index in [`Person::pathways`].
    pub(crate) pathway: Option<usize>,
}

/// One RTT pathway. RBZ writes it into its referral's row.
#[derive(Debug, Clone)]
pub(crate) struct Pathway {
    pub(crate) row: Row,
    /// Twenty characters, unless RT-05 is planted.
    pub(crate) id: String,
    /// Index in [`Person::referrals`]; the same holder.
    pub(crate) referral: usize,
    pub(crate) specialty: &'static str,
    pub(crate) start: Date,
    pub(crate) stop: Option<Date>,
    /// National RTT period status.
    pub(crate) status: &'static str,
}

impl Pathway {
    pub(crate) fn is_open(&self) -> bool {
        self.stop.is_none() && self.row.archive == Archive::Live
    }
}

#[derive(Debug, Clone)]
pub(crate) struct WaitingEntry {
    pub(crate) row: Row,
    /// Index in [`Person::referrals`]; the same holder.
    pub(crate) referral: Option<usize>,
    pub(crate) specialty: &'static str,
    pub(crate) added: DateTime,
    pub(crate) removed: Option<DateTime>,
    /// `OP` or `IP`.
    pub(crate) kind: &'static str,
    pub(crate) priority: u8,
}

#[derive(Debug, Clone)]
pub(crate) struct Appointment {
    pub(crate) row: Row,
    /// Local wall time.
    pub(crate) start: DateTime,
    pub(crate) minutes: u32,
    /// National: 0 future, 2 3 4 5 6 7.
    pub(crate) attendance: &'static str,
    pub(crate) specialty: &'static str,
    /// Planted CO-04: this stands in the specialty column.
    pub(crate) planted_specialty: Option<&'static str>,
    pub(crate) clinic: &'static Place,
    /// National: 1 discharged, 2 another appointment given, 3 to be made later.
    pub(crate) outcome: Option<&'static str>,
    pub(crate) consultant: &'static Consultant,
    /// Index in [`Person::referrals`]; the same holder.
    pub(crate) referral: Option<usize>,
}

impl Appointment {
    pub(crate) fn is_future(&self) -> bool {
        self.attendance == "0" && self.row.archive == Archive::Live
    }

    pub(crate) fn was_attended(&self) -> bool {
        matches!(self.attendance, "5" | "6")
    }
}

/// A community contact; RA9 only.
#[derive(Debug, Clone)]
pub(crate) struct Contact {
    pub(crate) row: Row,
    pub(crate) at: DateTime,
    pub(crate) team: &'static str,
    /// `F2F`, `TEL` or `VID`.
    pub(crate) kind: &'static str,
}

#[derive(Debug, Clone)]
pub(crate) struct Medication {
    pub(crate) row: Row,
    pub(crate) dmd: &'static str,
    pub(crate) name: &'static str,
    /// In words; empty only where ME-04 is planted.
    pub(crate) dose: &'static str,
    /// In numbers, and what it is counted in. iPM only.
    pub(crate) amount: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) started: Date,
    pub(crate) stopped: Option<Date>,
}

#[derive(Debug, Clone)]
pub(crate) struct Observation {
    pub(crate) row: Row,
    pub(crate) taken: DateTime,
    /// When it was written into the record. iPM only.
    pub(crate) reported: DateTime,
    /// Planted DA-01: the time has no offset. RH8 only.
    pub(crate) is_local: bool,
    /// HT WT SPO2 RESP PULSE TEMP.
    pub(crate) code: &'static str,
    /// Planted CO-04: this stands in the code column.
    pub(crate) planted_code: Option<&'static str>,
    pub(crate) value: String,
    pub(crate) unit: &'static str,
}

/// A letter; RK9 and REF only.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    pub(crate) row: Row,
    pub(crate) typed: DateTime,
    pub(crate) title: &'static str,
    pub(crate) mime: &'static str,
    pub(crate) content: Vec<u8>,
}

/// One call to NHS 111; several of one person within a day stand in one envelope.
#[derive(Debug, Clone)]
pub(crate) struct UrgentCall {
    pub(crate) row: Row,
    /// The document set, an upper-case UUID; each version has its own document id made from it.
    pub(crate) set: String,
    /// From 1; all are exported, the highest counts.
    pub(crate) n_versions: u32,
    /// Calls with the same number stand in one envelope.
    pub(crate) envelope: u64,
    pub(crate) started: DateTime,
    pub(crate) ended: DateTime,
    pub(crate) complaint: &'static str,
    /// `Dx…` code of the disposition and its text.
    pub(crate) disposition: (&'static str, &'static str),
}

/// One line of a hospice's book. Its allergy, where it has one, is the [`Allergy`] with the same holder.
#[derive(Debug, Clone)]
pub(crate) struct HospiceReferral {
    pub(crate) row: Row,
    pub(crate) referred: Date,
    pub(crate) reason: String,
}

/// One line of RA9's cancer-tracking workbook.
#[derive(Debug, Clone)]
pub(crate) struct CancerTrack {
    pub(crate) row: Row,
    pub(crate) received: Date,
    pub(crate) site: &'static str,
    /// `2WW`, `Screening` or `Upgrade`.
    pub(crate) priority: &'static str,
    pub(crate) first_seen: Option<Date>,
    /// Twenty characters; where RT-05 is planted it is written as a number cell.
    pub(crate) pathway_id: String,
    pub(crate) is_open: bool,
}
