//! Counting people once: patient keys followed through the merges, and sets of them that stay small.

use std::collections::HashMap;

use epr_model::ResourceId;

/// Gives each person a small number, whichever of his or her source records a finding names.
///
/// Takes about 30 bytes a person with a finding, and as much a retired id.
#[derive(Debug, Default)]
pub(crate) struct People {
    person_of: HashMap<ResourceId, ResourceId>,
    number_of: HashMap<ResourceId, u32>,
}

impl People {
    /// `retired` became `person` when link made one person of several records.
    pub(crate) fn merged(&mut self, retired: ResourceId, person: ResourceId) {
        self.person_of.insert(retired, person);
    }

    /// The id under which a Patient is delivered.
    pub(crate) fn person(&self, patient: ResourceId) -> ResourceId {
        self.person_of.get(&patient).copied().unwrap_or(patient)
    }

    pub(crate) fn number(&mut self, patient: ResourceId) -> u32 {
        let next = u32::try_from(self.number_of.len()).expect("fewer than four thousand million people");
        let person = self.person(patient);
        *self.number_of.entry(person).or_insert(next)
    }
}

/// A set of people, one bit each: a true distinct count, however many findings name them.
#[derive(Debug, Default, Clone)]
pub(crate) struct PeopleSet {
    bits: Vec<u64>,
    n: u64,
}

impl PeopleSet {
    pub(crate) fn insert(&mut self, number: u32) {
        let (word, bit) = (number as usize / 64, 1_u64 << (number % 64));
        if word >= self.bits.len() {
            self.bits.resize(word + 1, 0);
        }
        if self.bits[word] & bit == 0 {
            self.bits[word] |= bit;
            self.n += 1;
        }
    }

    pub(crate) fn add_all(&mut self, other: &Self) {
        if self.bits.len() < other.bits.len() {
            self.bits.resize(other.bits.len(), 0);
        }
        for (mine, theirs) in self.bits.iter_mut().zip(&other.bits) {
            *mine |= theirs;
        }
        self.n = self.bits.iter().map(|w| u64::from(w.count_ones())).sum();
    }

    pub(crate) fn len(&self) -> u64 {
        self.n
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn two_records_of_one_person_count_once() {
        let [first, second, other] = [1, 2, 3].map(|b| ResourceId::from_bytes([b; 16]));
        let mut people = People::default();
        people.merged(second, first);
        let mut set = PeopleSet::default();
        for patient in [first, second, other, second] {
            set.insert(people.number(patient));
        }
        assert_eq!(set.len(), 2);
    }

    proptest! {
        #[test]
        fn a_set_counts_as_a_hash_set_does(
            a in proptest::collection::vec(0_u32..500, 0..200),
            b in proptest::collection::vec(0_u32..500, 0..200),
        ) {
            let (mut one, mut two) = (PeopleSet::default(), PeopleSet::default());
            for n in &a {
                one.insert(*n);
            }
            for n in &b {
                two.insert(*n);
            }
            prop_assert_eq!(one.len(), a.iter().collect::<HashSet<_>>().len() as u64);
            one.add_all(&two);
            prop_assert_eq!(one.len(), a.iter().chain(&b).collect::<HashSet<_>>().len() as u64);
        }
    }
}
