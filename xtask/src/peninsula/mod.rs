//! A synthetic peninsula: people with lives, and what each organisation's systems export of them.
//!
//! In: a seed and a number of people. Out: a folder with every system's export, a project file and the answer key.
//! Each person follows from seed and number alone, so that a million people need no more memory than one. Nothing
//! here knows of mappings or rules: what is planted stands in the answer key.
//!
//! | what you want to find | module |
//! |---|---|
//! | what is known of one person; what an exporter implements | [`model`] |
//! | who plays which part | [`plan`] |
//! | who a person is, and how each organisation recorded them | [`people`] |
//! | what happened to them; referrals, waits and bookings | [`lives`]; [`bookings`] |
//! | what goes wrong on purpose | [`defects`] |
//! | wards, clinics, consultants, practices, towns; names | [`estate`], [`names`] |
//! | NHS numbers; chance; time | [`numbers`], [`dice`], [`clock`] |
//! | the answer key | [`truth`] |
//! | RK9 and REF; RA9; RBZ | [`ipm`], [`ra9`], [`rbz`], all by [`database`] |
//! | RH8; the emergency department of REF; NHS 111 | [`rh8`], [`rh8_shapes`]; [`cds`]; [`nhs111`], by [`json`] and [`markup`] |
//! | RA9's cancer tracking; the hospices | [`cancer`]; [`hospices`], by [`sheets`] |
//! | the project file; lists of the codes in use | [`project`]; [`codes`] |

#![allow(clippy::cast_possible_wrap, clippy::cast_sign_loss, reason = "the numbers of a life are small")]

pub(crate) mod bookings;
pub(crate) mod cancer;
pub(crate) mod cds;
pub(crate) mod clock;
pub(crate) mod codes;
pub(crate) mod database;
pub(crate) mod defects;
mod defects_of_care;
pub(crate) mod dice;
pub(crate) mod estate;
#[cfg(test)]
mod export_tests;
pub(crate) mod hospices;
pub(crate) mod ipm;
pub(crate) mod json;
pub(crate) mod lives;
pub(crate) mod markup;
pub(crate) mod model;
pub(crate) mod names;
pub(crate) mod nhs111;
pub(crate) mod numbers;
pub(crate) mod people;
pub(crate) mod plan;
pub(crate) mod project;
pub(crate) mod ra9;
pub(crate) mod rbz;
pub(crate) mod rh8;
pub(crate) mod rh8_shapes;
#[cfg(test)]
mod sample;
pub(crate) mod sheets;
pub(crate) mod truth;

use std::path::Path;

use anyhow::{Context, Result};

use self::model::{Create, Exporter, Kind, Person, Setting};
use self::numbers::NhsNumbers;
use self::people::Identity;
use self::plan::{Part, Plan};
use self::truth::{Counts, Truth};

/// Every exporter, in the order in which a person is written.
const EXPORTERS: &[Create] = &[
    ipm::rk9,
    ipm::ref_,
    cds::create,
    ra9::create,
    cancer::create,
    rbz::create,
    rh8::create,
    hospices::create_register,
    hospices::create_ledger,
    hospices::create_daybook,
    nhs111::create,
];

/// Gives the people one by one.
pub(crate) struct Peninsula {
    setting: Setting,
    is_clean: bool,
    plan: Plan,
    numbers: NhsNumbers,
}

impl Peninsula {
    pub(crate) fn new(setting: Setting, is_clean: bool) -> Self {
        let plan = Plan::new(setting.seed, setting.n_people);
        Self { setting, is_clean, plan, numbers: NhsNumbers::new(setting.n_people) }
    }

    /// The person with a number from 1 to the number of people.
    pub(crate) fn person(&mut self, number: u64) -> Person {
        let seed = self.setting.seed;
        let identity = people::identity(seed, &mut self.plan, number);
        let registrations = people::registrations(seed, &identity, &self.numbers);
        let mut person = Person {
            number,
            note: identity.note,
            registrations,
            allergies: Vec::new(),
            alerts: Vec::new(),
            problems: Vec::new(),
            spells: Vec::new(),
            attendances: Vec::new(),
            referrals: Vec::new(),
            pathways: Vec::new(),
            waiting: Vec::new(),
            appointments: Vec::new(),
            contacts: Vec::new(),
            medications: Vec::new(),
            observations: Vec::new(),
            letters: Vec::new(),
            calls: Vec::new(),
            hospice_referrals: Vec::new(),
            tracks: Vec::new(),
        };
        lives::live(seed, &identity, &mut person);
        if !self.is_clean {
            self.plant(&identity, &mut person);
        }
        person
    }

    fn plant(&mut self, identity: &Identity, person: &mut Person) {
        if let Part::NumberTaken { owner } = identity.part {
            defects::mark_number_taken(owner, identity.main(), person);
            return;
        }
        let taken = (identity.kind() == Some(Kind::Id03)).then(|| {
            let giver = self.plan.number_taken_from(identity.number);
            self.numbers.of(giver)
        });
        defects::plant(identity, person, taken);
    }
}

/// Writes everything into `folder`, which must not hold a peninsula of before. Tells `progress` how many people
/// are written.
pub(crate) fn write(
    folder: &Path,
    repository: &Path,
    setting: Setting,
    is_clean: bool,
    mut progress: impl FnMut(u64),
) -> Result<Counts> {
    std::fs::create_dir_all(folder).with_context(|| format!("could not create {}", folder.display()))?;
    let mut truth = Truth::create(&folder.join("truth"))?;
    let mut exporters: Vec<Box<dyn Exporter>> =
        EXPORTERS.iter().map(|create| create(folder, &setting)).collect::<Result<_>>()?;
    let mut peninsula = Peninsula::new(setting, is_clean);
    for number in 1..=setting.n_people {
        let person = peninsula.person(number);
        for exporter in &mut exporters {
            exporter.person(&person, &mut truth)?;
        }
        truth.person(&person)?;
        progress(number);
    }
    for exporter in exporters {
        exporter.finish()?;
    }
    codes::write(folder)?;
    project::write(folder, repository, setting.seed, setting.n_people)?;
    truth.finish()
}

#[cfg(test)]
mod tests;
