//! What run-wide rules must remember of resources that went by: numbers of fixed size, millions of them.

use std::collections::BTreeMap;

use epr_fhir::Node;
use epr_model::ResourceId;
use sha2::{Digest, Sha256};

use super::ids::Ids;
use crate::moment::Moment;
use crate::rules::al_03::{self, Statement};
use crate::rules::da_02::{self, WIDTH};
use crate::rules::en_02::{self, Period};
use crate::rules::reading::reference_to;
use crate::rules::{ap_04, de_03, en_01, rt_05};

/// No resource, or one that is not in the run.
pub(super) const NONE: u32 = u32::MAX;

/// What one resource says.
#[derive(Debug, Default)]
pub(super) struct Extracted {
    /// The patient of an Appointment, which R4 names among the participants.
    pub(super) participant: Option<ResourceId>,
    fact: Fact,
    state: Option<State>,
    /// Texts as long as a legacy column is wide, or longer: path, and whether it is longer.
    wide: Vec<(String, bool)>,
}

#[derive(Debug, Default, Clone, Copy)]
enum Fact {
    #[default]
    Nothing,
    Dead,
    Allergy(Statement),
    Booking,
    Waits,
    FollowUp,
    Spell(Period),
    Episode(ResourceId, Period),
    Pathway([u8; 16]),
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
    pub(super) dead: Vec<u32>,
    /// Patient, Appointment.
    pub(super) bookings: Vec<(u32, u32)>,
    /// Patient, AllergyIntolerance.
    pub(super) allergies: Vec<(u32, u32, Statement)>,
    /// Patients.
    pub(super) waits: Vec<u32>,
    /// Patient, Encounter.
    pub(super) follow_ups: Vec<(u32, u32)>,
    pub(super) spells: Vec<(u32, Period)>,
    pub(super) episodes: Vec<Episode>,
    /// Hash of the identifier, patient, EpisodeOfCare.
    pub(super) pathways: Vec<([u8; 16], u32, u32)>,
    /// Resource, patient, state; of the resources that a source counts.
    pub(super) states: Vec<(u32, u32, State)>,
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

    fn contains(&self, number: u32) -> bool {
        self.0.get(number as usize / 64).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }
}

impl Extracted {
    /// Reads one resource.
    pub(super) fn read(resource_type: &str, resource: Node<'_>, now: Option<Moment>) -> Self {
        let mut found = Self { wide: wide(resource), ..Self::default() };
        let state = |is_live, at| Some(State { at, is_live, has_place: false });
        match resource_type {
            "Patient" if de_03::has_died(resource) => found.fact = Fact::Dead,
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
                if de_03::is_to_come(resource, now) {
                    found.fact = Fact::Booking;
                }
                found.state = state(de_03::is_booked(resource), resource.text("start").and_then(Moment::parse));
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
        let is_live = matches!(encounter.text("status"), Some("in-progress" | "arrived" | "triaged" | "onleave"));
        self.state = Some(State { at: period.start, is_live, has_place: en_01::has_place(encounter) });
    }
}

fn wide(resource: Node<'_>) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    // Most resources have no such text; then no path is made.
    if !da_02::has_word_of(resource, WIDTH) {
        return found;
    }
    da_02::each_word(resource, &mut |path, _, text| {
        if text.len() >= WIDTH {
            let length = text.chars().count();
            if length >= WIDTH {
                found.push((path.to_owned(), length > WIDTH));
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
            Fact::Dead => self.dead.push(number),
            Fact::Allergy(statement) => self.allergies.push((patient, number, statement)),
            Fact::Booking => self.bookings.push((patient, number)),
            Fact::Waits => self.waits.push(patient),
            Fact::FollowUp => self.follow_ups.push((patient, number)),
            Fact::Spell(period) => self.spells.push((number, period)),
            Fact::Episode(spell, period) => {
                let spell = ids.number("Encounter", spell).unwrap_or(NONE);
                self.episodes.push(Episode { spell, number, patient, period });
            }
            Fact::Pathway(hash) => self.pathways.push((hash, patient, number)),
        }
        if let Some(state) = extracted.state.filter(|_| wanted.contains(number)) {
            self.states.push((number, patient, state));
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

    /// Sorts what is looked up by number.
    pub(super) fn sort(&mut self) {
        self.dead.sort_unstable();
        self.bookings.sort_unstable();
        self.allergies.sort_unstable_by_key(|(patient, number, _)| (*patient, *number));
        self.waits.sort_unstable();
        self.follow_ups.sort_unstable();
        self.spells.sort_unstable_by_key(|(number, _)| *number);
        self.pathways.sort_unstable();
        self.states.sort_unstable_by_key(|(number, _, _)| *number);
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
