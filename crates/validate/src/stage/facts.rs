//! What run-wide rules must remember of resources that went by: numbers of fixed size, millions of them.

use std::collections::BTreeMap;

use epr_fhir::Node;
use epr_fhir::definitions::Standing;
use epr_model::ResourceId;
use sha2::{Digest, Sha256};

use super::ids::Ids;
use super::keeps;
use crate::moment::Moment;
use crate::rules::RuleSettings;
use crate::rules::al_03::{self, Statement};
use crate::rules::da_02;
use crate::rules::de_04::{self, Discharge};
use crate::rules::en_02::{self, Period};
use crate::rules::reading::reference_to;
use crate::rules::{ap_04, de_03, dose, en_01, id_05, id_07, id_12, me_01, or_01, rt_05};

/// No resource, or one that is not in the run.
pub(super) const NONE: u32 = u32::MAX;

/// What one resource says.
#[derive(Debug, Default)]
pub(super) struct Extracted {
    /// The patient of an Appointment, which R4 names among the participants.
    pub(super) participant: Option<ResourceId>,
    fact: Fact,
    more: More,
    /// Visits, specimens and results that an observation or a report names.
    attached: Vec<(&'static str, ResourceId)>,
    state: Option<State>,
    /// What is compared with the source's own words, where the resource was made of a row that has any.
    says: Option<Box<str>>,
    /// Hashes of the numbers by which staff are named, and where; without those on a list of the project's.
    named_staff: Vec<(u64, &'static str)>,
    /// Texts as long as a legacy column is wide, or longer: path, and whether it is longer.
    wide: Vec<(String, bool)>,
}

#[derive(Debug, Default, Clone, Copy)]
enum Fact {
    #[default]
    Nothing,
    Allergy(Statement),
    Booking(Option<Moment>),
    Waits,
    FollowUp,
    Spell(Period),
    Episode(ResourceId, Period),
    Pathway([u8; 16]),
}

/// What one resource says beside its [`Fact`].
#[derive(Debug, Default, Clone)]
enum More {
    #[default]
    Nothing,
    Person(Box<Person>),
    /// Of the slot that is booked.
    Slot(u64),
    Discharge(Discharge, Period),
    /// Product, start and dose.
    Medicine(u64),
    /// The mother's own number.
    Mother(u64),
    /// ODS codes of an organisation that is closed.
    Closed(Vec<u64>),
    /// Numbers of a person of staff.
    Staff(Vec<u64>),
    /// Somebody's, for those that refer to it.
    Subject,
}

#[derive(Debug, Clone)]
struct Person {
    death: Option<Death>,
    about: About,
    local_numbers: Vec<u64>,
    practices: Vec<u64>,
    is_active: bool,
    replaced_by: Option<ResourceId>,
    replaces: Vec<ResourceId>,
}

/// That somebody died, and when, where it is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Death(pub(super) Option<Moment>);

/// What is asked of mothers and children.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct About {
    /// Days since 1970.
    pub(super) born: Option<i32>,
    pub(super) is_male: bool,
    /// The place in a multiple birth; 0 where none is said.
    pub(super) order: u8,
}

/// What the source's own count is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    pub(super) at: Option<Moment>,
    /// Active, booked, open or in progress: as the source counts it.
    pub(super) is_live: bool,
    pub(super) has_place: bool,
}

/// Everything remembered; numbers are those of [`Ids`].
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// Patients who died.
    pub(super) dead: Vec<(u32, Death)>,
    /// Patient, Appointment, start.
    pub(super) bookings: Vec<(u32, u32, Option<Moment>)>,
    /// Hash of the slot, patient, Appointment.
    pub(super) slots: Vec<(u64, u32, u32)>,
    /// Patient, AllergyIntolerance.
    pub(super) allergies: Vec<(u32, u32, Statement)>,
    /// By the table of which they were made: patient and AllergyIntolerance of each statement that nothing is known.
    pub(super) denials: BTreeMap<String, Vec<(u32, u32)>>,
    /// Patients.
    pub(super) waits: Vec<u32>,
    /// Patient, Encounter.
    pub(super) follow_ups: Vec<(u32, u32)>,
    pub(super) spells: Vec<(u32, Period)>,
    pub(super) episodes: Vec<Episode>,
    /// Hash of the identifier, patient, EpisodeOfCare.
    pub(super) pathways: Vec<([u8; 16], u32, u32)>,
    /// Patient, Encounter, how it ended, when it was.
    pub(super) discharges: Vec<(u32, u32, Discharge, Period)>,
    /// Hash of source, product, start and dose; patient, medicine.
    pub(super) medicines: Vec<(u64, u32, u32)>,
    /// Hash of a local number, Patient.
    pub(super) local_numbers: Vec<(u64, u32)>,
    pub(super) persons: Vec<(u32, About)>,
    /// Hash of the mother's number, child, RelatedPerson.
    pub(super) mothers: Vec<(u64, u32, u32)>,
    /// Patient, and the one that takes its place.
    pub(super) replaced_by: Vec<(u32, u32)>,
    /// Patient, and the one whose place it takes.
    pub(super) replaces: Vec<(u32, u32)>,
    /// Patients that are not in use.
    pub(super) inactive: Vec<u32>,
    /// Hash of the code of a practice, Patient.
    pub(super) practices: Vec<(u64, u32)>,
    /// Hashes of the codes of closed organisations.
    pub(super) closed: Vec<u64>,
    /// Hashes of the numbers of Practitioners.
    pub(super) staff: Vec<u64>,
    /// Hash of a number by which somebody of staff is named; patient, resource, place in it.
    pub(super) named_staff: Vec<(u64, u32, u32, &'static str)>,
    /// Resource and patient, of what results refer to.
    pub(super) subjects: Vec<(u32, u32)>,
    /// What is referred to, the patient of what refers, and that.
    pub(super) attached: Vec<(u32, u32, u32)>,
    /// Resource, patient, state; of the resources that a source counts.
    pub(super) states: Vec<(u32, u32, State)>,
    /// Resource, patient, and what it says of what must be kept.
    pub(super) says: Vec<(u32, u32, Box<str>)>,
    pub(super) widths: BTreeMap<(String, String), Width>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Episode {
    pub(super) spell: u32,
    pub(super) number: u32,
    pub(super) patient: u32,
    pub(super) period: Period,
}

/// The texts of one element of one source table that are as long as a legacy column is wide.
#[derive(Debug, Default)]
pub(super) struct Width {
    has_longer: bool,
    /// Resource, its patient, path.
    pub(super) at: Vec<(u32, u32, String)>,
}

/// Resources whose state is to be remembered: one bit each.
#[derive(Debug, Default)]
pub(super) struct Wanted(Vec<u64>);

impl Wanted {
    pub(super) fn insert(&mut self, number: u32) {
        let word = number as usize / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (number % 64);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn contains(&self, number: u32) -> bool {
        self.0.get(number as usize / 64).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }
}

impl Extracted {
    /// Reads one resource.
    pub(super) fn read(
        resource_type: &str,
        resource: Node<'_>,
        now: Option<Moment>,
        settings: &RuleSettings<'_>,
        is_kept: bool,
    ) -> Self {
        let says = is_kept.then(|| keeps::says(resource_type, resource).into_boxed_str());
        let mut found =
            Self { says, wide: wide(resource, settings.thresholds.column_characters as usize), ..Self::default() };
        let state = |is_live, at| Some(State { at, is_live, has_place: false });
        or_01::each_named_staff(resource_type, resource, &mut |path, system, value| {
            if settings.on_list(system, value) != Some(Standing::Known) {
                found.named_staff.push((hash(&[system, value]), path));
            }
        });
        match resource_type {
            "Patient" => found.more = More::Person(Box::new(person(resource))),
            "AllergyIntolerance" => {
                let statement = al_03::statement(resource);
                found.fact = Fact::Allergy(statement);
                found.state = state(statement != Statement::Nothing, None);
            }
            "Flag" => found.state = state(resource.text("status") == Some("active"), None),
            "Appointment" => {
                let mut actors = resource.get("participant").into_iter().flat_map(Node::items);
                let patient = actors.find_map(|p| reference_to(p.get("actor")?, "Patient"));
                found.participant = patient.and_then(|id| id.parse().ok());
                let start = resource.text("start").and_then(Moment::parse);
                if de_03::is_to_come(resource, now) {
                    found.fact = Fact::Booking(start);
                    let slot = resource.get("slot").into_iter().flat_map(Node::items).find_map(|s| s.text("reference"));
                    if let Some(slot) = slot {
                        found.more = More::Slot(hash(&[slot]));
                    }
                }
                found.state = state(de_03::is_booked(resource), start);
            }
            "ServiceRequest" if ap_04::waits(resource) => found.fact = Fact::Waits,
            "EpisodeOfCare" => {
                let is_open = matches!(resource.text("status"), Some("active" | "planned" | "waitlist" | "onhold"));
                let pathway = rt_05::pathway_ids(resource).next().filter(|_| is_open);
                if let Some((_, id)) = pathway.filter(|(_, id)| rt_05::is_whole(id)) {
                    let digest = Sha256::digest(id.as_bytes());
                    found.fact = Fact::Pathway(digest[..16].try_into().expect("SHA-256 has 32 bytes"));
                }
                found.state = state(is_open, Period::of(resource).start);
            }
            "Encounter" => found.encounter(resource),
            "MedicationStatement" | "MedicationRequest" => {
                if let Some(same) = me_01::sameness(resource) {
                    found.more = More::Medicine(hash(&[&same]));
                }
                found.state = state(dose::is_current(resource), None);
            }
            "DocumentReference" => {
                found.state = state(resource.text("status") != Some("entered-in-error"), None);
            }
            "Observation" | "DiagnosticReport" | "Specimen" => {
                found.more = More::Subject;
                found.attached = attached(resource);
            }
            "RelatedPerson" if id_12::is_mother(resource) => {
                if let Some((system, value)) = id_07::local_numbers(resource).next() {
                    found.more = More::Mother(hash(&[system, value]));
                }
            }
            "Practitioner" => {
                found.more = More::Staff(or_01::numbers(resource).map(|(s, value)| hash(&[s, value])).collect());
            }
            "Organization" if resource.get("active").and_then(Node::as_bool) == Some(false) => {
                let codes = resource.get("identifier").into_iter().flat_map(Node::items).filter_map(or_01::ods_code);
                found.more = More::Closed(codes.map(|code| hash(&[code])).collect());
            }
            _ => {}
        }
        found
    }

    fn encounter(&mut self, encounter: Node<'_>) {
        let period = Period::of(encounter);
        let parent = encounter.get("partOf").and_then(|p| reference_to(p, "Encounter"));
        let is_inpatient = encounter.get("class").and_then(|c| c.text("code")) == Some("IMP");
        if let Some(spell) = parent.and_then(|id| id.parse().ok()).filter(|_| en_02::is_episode(encounter)) {
            self.fact = Fact::Episode(spell, period);
        } else if is_inpatient {
            self.fact = Fact::Spell(period);
        } else if ap_04::is_to_be_followed_up(encounter) {
            self.fact = Fact::FollowUp;
        }
        self.more = de_04::discharge(encounter).map_or(More::Subject, |how| More::Discharge(how, period));
        let is_live = matches!(encounter.text("status"), Some("in-progress" | "arrived" | "triaged" | "onleave"));
        self.state = Some(State { at: period.start, is_live, has_place: en_01::has_place(encounter) });
    }
}

fn person(patient: Node<'_>) -> Person {
    let id = |text: &str| text.parse().ok();
    let born = patient.text("birthDate").and_then(Moment::parse).and_then(Moment::day);
    let death = patient.text("deceasedDateTime").and_then(Moment::parse);
    Person {
        death: de_03::has_died(patient).then_some(Death(death)),
        about: About {
            born: born.and_then(|day| i32::try_from(day).ok()),
            is_male: patient.text("gender") == Some("male"),
            order: patient
                .get("multipleBirthInteger")
                .and_then(Node::number_text)
                .and_then(|n| n.parse().ok())
                .unwrap_or_default(),
        },
        local_numbers: id_07::local_numbers(patient).map(|(system, value)| hash(&[system, value])).collect(),
        practices: or_01::practices(patient).map(|(_, code)| hash(&[code])).collect(),
        is_active: patient.get("active").and_then(Node::as_bool) != Some(false),
        replaced_by: id_05::replaced_by(patient).and_then(id),
        replaces: id_05::replaces(patient).filter_map(id).collect(),
    }
}

/// What an observation or a report belongs to, and the results that it holds.
fn attached(resource: Node<'_>) -> Vec<(&'static str, ResourceId)> {
    let one = |node: Node<'_>| {
        ["Encounter", "Specimen", "Observation"]
            .into_iter()
            .find_map(|kind| Some((kind, reference_to(node, kind)?.parse().ok()?)))
    };
    let single = ["encounter", "specimen"].into_iter().filter_map(|name| resource.get(name));
    let listed = ["specimen", "result"].into_iter().filter_map(|name| resource.get(name)).flat_map(Node::items);
    single.chain(listed).filter_map(one).collect()
}

/// The first eight bytes of a SHA-256; each text has its length before it.
fn hash(texts: &[&str]) -> u64 {
    let mut hasher = Sha256::new();
    for text in texts {
        hasher.update((text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    let digest = hasher.finalize();
    u64::from_le_bytes(digest[..8].try_into().expect("SHA-256 has 32 bytes"))
}

/// Texts as long as a legacy column is wide, in characters, or longer.
fn wide(resource: Node<'_>, width: usize) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    // Most resources have no such text; then no path is made.
    if !da_02::has_word_of(resource, width) {
        return found;
    }
    da_02::each_word(resource, &mut |path, _, text| {
        if text.len() >= width {
            let length = text.chars().count();
            if length >= width {
                found.push((path.to_owned(), length > width));
            }
        }
    });
    found
}

impl Facts {
    /// Remembers what a resource says; `patient` is whom it is about, `table` the staged table that it came from.
    pub(super) fn push(
        &mut self,
        ids: &Ids,
        wanted: &Wanted,
        (number, patient): (u32, Option<ResourceId>),
        (resource_type, table): (&str, Option<&str>),
        extracted: Extracted,
    ) {
        let patient = patient.and_then(|id| ids.number("Patient", id)).unwrap_or(NONE);
        match extracted.fact {
            Fact::Nothing => {}
            Fact::Allergy(statement) => {
                self.allergies.push((patient, number, statement));
                if statement == Statement::NoneKnown
                    && let Some(table) = table
                {
                    self.denials.entry(table.to_owned()).or_default().push((patient, number));
                }
            }
            Fact::Booking(start) => self.bookings.push((patient, number, start)),
            Fact::Waits => self.waits.push(patient),
            Fact::FollowUp => self.follow_ups.push((patient, number)),
            Fact::Spell(period) => self.spells.push((number, period)),
            Fact::Episode(spell, period) => {
                let spell = ids.number("Encounter", spell).unwrap_or(NONE);
                self.episodes.push(Episode { spell, number, patient, period });
            }
            Fact::Pathway(hash) => self.pathways.push((hash, patient, number)),
        }
        match extracted.more {
            More::Nothing => {}
            More::Person(person) => self.person(ids, number, *person),
            More::Slot(hash) => self.slots.push((hash, patient, number)),
            More::Discharge(how, period) => {
                self.subjects.push((number, patient));
                self.discharges.push((patient, number, how, period));
            }
            More::Medicine(same) => {
                let source = table.and_then(|t| t.rsplit_once('/')).map_or("", |(source, _)| source);
                self.medicines.push((same ^ hash(&[source]), patient, number));
            }
            More::Mother(hash) => self.mothers.push((hash, patient, number)),
            More::Closed(codes) => self.closed.extend(codes),
            More::Staff(numbers) => self.staff.extend(numbers),
            More::Subject => self.subjects.push((number, patient)),
        }
        self.named_staff.extend(extracted.named_staff.iter().map(|(hash, path)| (*hash, patient, number, *path)));
        let attached = extracted.attached.iter().filter_map(|(kind, id)| ids.number(kind, *id));
        self.attached.extend(attached.map(|to| (to, patient, number)));
        if let Some(state) = extracted.state.filter(|_| wanted.contains(number)) {
            self.states.push((number, patient, state));
        }
        if let Some(says) = extracted.says {
            let person = if resource_type == "Patient" { number } else { patient };
            self.says.push((number, person, says));
        }
        let Some(table) = table else { return };
        for (path, is_longer) in extracted.wide {
            let width = self.widths.entry((table.to_owned(), format!("{resource_type}.{}", plain(&path)))).or_default();
            width.has_longer |= is_longer;
            if width.has_longer {
                // No column is that narrow, so nothing was cut there.
                width.at = Vec::new();
            } else {
                width.at.push((number, patient, format!("{resource_type}.{path}")));
            }
        }
    }

    fn person(&mut self, ids: &Ids, number: u32, person: Person) {
        if let Some(death) = person.death {
            self.dead.push((number, death));
        }
        self.persons.push((number, person.about));
        self.local_numbers.extend(person.local_numbers.iter().map(|hash| (*hash, number)));
        self.practices.extend(person.practices.iter().map(|hash| (*hash, number)));
        if !person.is_active {
            self.inactive.push(number);
        }
        let known = |id: ResourceId| ids.number("Patient", id);
        self.replaced_by.extend(person.replaced_by.and_then(known).map(|to| (number, to)));
        self.replaces.extend(person.replaces.into_iter().filter_map(known).map(|of| (number, of)));
    }

    /// Sorts what is looked up by number.
    pub(super) fn sort(&mut self) {
        self.dead.sort_unstable_by_key(|(number, _)| *number);
        self.bookings.sort_unstable_by_key(|(patient, number, _)| (*patient, *number));
        self.slots.sort_unstable();
        self.discharges.sort_unstable_by_key(|(patient, number, ..)| (*patient, *number));
        self.medicines.sort_unstable();
        self.local_numbers.sort_unstable();
        self.local_numbers.dedup();
        self.persons.sort_unstable_by_key(|(number, _)| *number);
        self.mothers.sort_unstable();
        self.replaced_by.sort_unstable();
        self.replaces.sort_unstable();
        self.inactive.sort_unstable();
        self.practices.sort_unstable();
        self.practices.dedup();
        self.closed.sort_unstable();
        self.staff.sort_unstable();
        self.subjects.sort_unstable();
        self.attached.sort_unstable();
        self.allergies.sort_unstable_by_key(|(patient, number, _)| (*patient, *number));
        self.waits.sort_unstable();
        self.follow_ups.sort_unstable();
        self.spells.sort_unstable_by_key(|(number, _)| *number);
        self.pathways.sort_unstable();
        self.states.sort_unstable_by_key(|(number, _, _)| *number);
        self.says.sort_unstable_by_key(|(number, ..)| *number);
    }

    /// The patient of a resource, and what it says of what must be kept.
    pub(super) fn says(&self, number: u32) -> Option<(u32, &str)> {
        let i = self.says.binary_search_by_key(&number, |(n, ..)| *n).ok()?;
        Some((self.says[i].1, &self.says[i].2))
    }

    pub(super) fn about(&self, patient: u32) -> Option<About> {
        let i = self.persons.binary_search_by_key(&patient, |(n, _)| *n).ok()?;
        Some(self.persons[i].1)
    }

    /// The death of a patient who died.
    pub(super) fn death(&self, patient: u32) -> Option<Death> {
        let i = self.dead.binary_search_by_key(&patient, |(n, _)| *n).ok()?;
        Some(self.dead[i].1)
    }

    pub(super) fn state(&self, number: u32) -> Option<(u32, State)> {
        let i = self.states.binary_search_by_key(&number, |(n, _, _)| *n).ok()?;
        Some((self.states[i].1, self.states[i].2))
    }
}

/// A path without indices.
fn plain(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut inside = false;
    for c in path.chars() {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            c if !inside => out.push(c),
            _ => {}
        }
    }
    out
}
