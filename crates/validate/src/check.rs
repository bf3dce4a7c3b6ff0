//! One resource against a [`Program`]: findings and facts, and nothing else.
//!
//! Pure: the same program and resource give the same findings. A [`Checker`] keeps what one thread may keep between
//! resources (answers of value sets, buffers, its part of the ledger); none of it changes a finding.

mod bundle;
mod coded;
mod conformance;
mod conforms;
mod contained;
mod extension;
mod given;
mod implied;
mod narrative;
mod profile;
mod quantity;
mod questionnaire;
mod reference;
mod slices;
mod source_form;
mod target;
mod type_rules;
mod value;
mod walk;

use std::fmt;
use std::sync::Arc;

use epr_fhir::{Definitions, Resource};

use crate::finding::Findings;
use crate::hash::FastMap;
use crate::ledger::{HonestyLedger, Sums};
use crate::profile::ProfileProgram;
use crate::program::Program;
use crate::reach::Names;
use crate::tally::Tally;

pub(crate) use coded::{Terms, coded_as};
pub(crate) use implied::is_implied;
pub(crate) use walk::facts_of;

/// Checks one resource; for many, keep a [`Checker`].
pub fn check(program: &Program<'_>, resource: &Resource) -> Findings {
    Checker::new(program).check(resource)
}

/// Why nothing can be held against a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoProfile {
    /// It is loaded, with a differential only, and no snapshot could be made of it.
    WithoutSnapshot,
    NotLoaded,
}

impl fmt::Display for NoProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WithoutSnapshot => "has no snapshot",
            Self::NotLoaded => "is in no loaded package",
        })
    }
}

/// Checks resource after resource on one thread.
pub struct Checker<'p> {
    pub(crate) program: &'p Program<'p>,
    pub(crate) tally: Tally,
    pub(crate) terms: Terms,
    /// One cell an element of each open object: how often it was seen, and as which of its types.
    pub(crate) seen: Vec<(u32, u16)>,
    /// The profiles that were asked for, by canonical URL.
    profiles: FastMap<Box<str>, Result<Arc<ProfileProgram<'p>>, NoProfile>>,
    /// The questionnaires that were asked for, by canonical URL.
    questionnaires: FastMap<Box<str>, Option<Arc<Resource>>>,
    /// The checker of walks that invariants ask for (`conformsTo()`), and how many this one is inside of.
    nested: Option<Box<Checker<'p>>>,
    nesting: u32,
}

impl<'p> Checker<'p> {
    pub fn new(program: &'p Program<'_>) -> Self {
        Self {
            program,
            tally: Tally::new(program.n_rules(), program.n_values),
            terms: Terms::new(),
            seen: Vec::new(),
            profiles: FastMap::default(),
            questionnaires: FastMap::default(),
            nested: None,
            nesting: 0,
        }
    }

    /// The program of a profile, by its canonical URL; or why there is none.
    pub(crate) fn profile(&mut self, url: &str) -> Result<Arc<ProfileProgram<'p>>, NoProfile> {
        if let Some(known) = self.profiles.get(url) {
            return known.clone();
        }
        let definitions: &'p Definitions = self.program.definitions;
        let place = self.profiles.len() as u32;
        let made = match definitions.profile_element(url) {
            Some((structure, element)) => {
                let made = ProfileProgram::compile(definitions, structure, element, place);
                Ok(Arc::new(self.numbered(made)))
            }
            None if definitions.structure(url).is_some() => Err(NoProfile::WithoutSnapshot),
            None => Err(NoProfile::NotLoaded),
        };
        self.profiles.insert(url.into(), made.clone());
        made
    }

    /// Gives the bindings of a profile the numbers by which their answers are kept.
    fn numbered(&self, mut profile: ProfileProgram<'p>) -> ProfileProgram<'p> {
        for binding in profile.rules.iter_mut().flat_map(|rule| &mut rule.bindings) {
            binding.id = self.program.number_binding();
        }
        profile
    }

    /// Checks one resource that was read.
    pub fn check(&mut self, resource: &Resource) -> Findings {
        walk::run(self, resource)
    }

    /// Notes that bytes could not be read at all.
    pub(crate) fn count_unreadable(&mut self) {
        self.tally.count_unreadable();
    }

    /// Names for what this checker counted.
    pub(crate) fn names<'a>(&'a self, program: &'a Program<'a>) -> Names<'a, 'p> {
        Names::new(program, &self.tally, self.profiles.values().filter_map(|p| p.as_ref().ok()))
    }
}

/// The honesty ledger of what some checkers of one program did.
pub fn ledger<'a, 'p: 'a>(program: &Program<'_>, checkers: impl IntoIterator<Item = &'a Checker<'p>>) -> HonestyLedger {
    let mut sums = Sums::default();
    for checker in checkers {
        checker.names(program).add_up(&checker.tally, &mut sums);
    }
    sums.ledger()
}

/// The elements in which R4 says which Patient a resource is about, in the order in which they are asked.
pub(crate) const PATIENT_ELEMENTS: &[&str] = &["subject", "patient", "beneficiary", "for", "individual"];
