//! Who plays which part: people stand in blocks, and each whole block has one of every part.
//!
//! A part fits the life to what may be planted on it, in the clean twin too; only planting itself is left out there.

use super::dice::{Dice, Purpose};
use super::model::Kind;

/// A block's usual length, and the least in which every part has a place.
const BLOCK: u64 = 100;
const SMALLEST_BLOCK: u64 = 75;

/// Every two of the nine organisations.
pub(crate) const N_PAIRS: u64 = 36;

/// People in a block whom two organisations given by the plan know.
const OVERLAPS: u64 = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Plain,
    /// Will carry a planted defect.
    Defect(Kind),
    /// Their number is on the record of `owner`, who plays `Defect(Id03)`.
    NumberTaken {
        owner: u64,
    },
    Twin,
    /// The other twin is the person before.
    SecondTwin,
    Father,
    /// The father, of the same name at the same address, is the person before.
    Son,
    /// Too young for a verified number.
    Newborn,
    /// From abroad, without a number.
    Visitor,
    /// Has a number that nobody verified.
    Unverified,
    /// Registered twice in one organisation.
    Twice,
    /// Known to two organisations, by the number of the pair.
    Overlap(u64),
    /// Seen or booked within the hour that comes twice.
    ClockChange,
    /// Of indeterminate sex.
    Indeterminate,
    /// Without a home.
    Homeless,
}

/// One block's parts.
#[derive(Debug)]
struct Block {
    index: u64,
    parts: Vec<Part>,
}

/// The parts of everyone, a block at a time.
pub(crate) struct Plan {
    seed: u64,
    n_people: u64,
    length: u64,
    block: Option<Block>,
}

impl Plan {
    pub(crate) fn new(seed: u64, n_people: u64) -> Self {
        // At least five of each kind, as soon as five blocks fit.
        let length = (n_people / 5).clamp(SMALLEST_BLOCK, BLOCK);
        Self { seed, n_people, length, block: None }
    }

    /// The part of a person, and the index of their block, from which variants follow.
    pub(crate) fn part(&mut self, person: u64) -> (Part, u64) {
        let index = (person - 1) / self.length;
        if self.block.as_ref().is_none_or(|block| block.index != index) {
            self.block = Some(self.cast(index));
        }
        let block = self.block.as_ref().expect("it was cast just before");
        (block.parts[((person - 1) % self.length) as usize], index)
    }

    /// The person whose number this one's record carries. Only for `Defect(Id03)`.
    pub(crate) fn number_taken_from(&mut self, owner: u64) -> u64 {
        let (_, index) = self.part(owner);
        let parts = &self.block.as_ref().expect("it was cast just before").parts;
        let place = parts.iter().position(|part| matches!(part, Part::NumberTaken { .. }));
        index * self.length + place.expect("every block with a taker has a giver") as u64 + 1
    }

    fn cast(&self, index: u64) -> Block {
        let length = self.length as usize;
        let mut parts = vec![Part::Plain; length];
        let first = index * self.length + 1;
        if first + self.length - 1 > self.n_people {
            return Block { index, parts };
        }
        let mut dice = Dice::new(self.seed, index, Purpose::Block);
        let mut free: Vec<usize> = (0..length / 2).map(|i| i * 2).collect();
        dice.shuffle(&mut free);
        let n_pairs = if self.length == BLOCK { 2 } else { 1 };
        for (i, place) in free.drain(..2 * n_pairs).enumerate() {
            let (one, other) = if i < n_pairs { (Part::Twin, Part::SecondTwin) } else { (Part::Father, Part::Son) };
            (parts[place], parts[place + 1]) = (one, other);
        }
        let mut single: Vec<usize> = (0..length).filter(|place| parts[*place] == Part::Plain).collect();
        dice.shuffle(&mut single);
        let mut places = single.into_iter();
        let mut give = |part: Part| -> u64 {
            let place = places.next().expect("the smallest block has a place for every part");
            parts[place] = part;
            first + place as u64
        };
        for kind in Kind::ALL {
            let person = give(Part::Defect(kind));
            if kind == Kind::Id03 {
                give(Part::NumberTaken { owner: person });
            }
        }
        for part in [
            Part::Newborn,
            Part::Visitor,
            Part::Unverified,
            Part::Twice,
            Part::ClockChange,
            Part::Indeterminate,
            Part::Homeless,
        ] {
            give(part);
        }
        for i in 0..OVERLAPS {
            give(Part::Overlap((index * OVERLAPS + i) % N_PAIRS));
        }
        if self.length == BLOCK {
            for part in [Part::Newborn, Part::Visitor, Part::Unverified, Part::Twice] {
                give(part);
            }
        }
        Block { index, parts }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn kinds(seed: u64, n_people: u64) -> BTreeMap<Kind, u64> {
        let mut plan = Plan::new(seed, n_people);
        let mut counts = BTreeMap::new();
        for person in 1..=n_people {
            if let (Part::Defect(kind), _) = plan.part(person) {
                *counts.entry(kind).or_default() += 1;
            }
        }
        counts
    }

    #[test]
    fn every_kind_has_five_people_or_one_in_a_hundred() {
        for (n_people, expected) in [(375, 5), (400, 5), (500, 5), (999, 9), (5000, 50)] {
            let counts = kinds(1, n_people);
            assert!(Kind::ALL.iter().all(|kind| counts[kind] >= expected), "{n_people}: {counts:?}");
        }
    }

    #[test]
    fn the_giver_of_a_number_is_in_the_taker_s_block() {
        let mut plan = Plan::new(3, 1000);
        for person in 1..=1000 {
            if plan.part(person).0 == Part::Defect(Kind::Id03) {
                let giver = plan.number_taken_from(person);
                assert_eq!(plan.part(giver).0, Part::NumberTaken { owner: person });
            }
        }
    }
}
