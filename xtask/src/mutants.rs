//! Faulty copies of sound resources, in equal quotas of twelve kinds: what a validator should find, and does it?
//!
//! Pure: the same bases, seed and quota give the same mutants, on any machine. A mutant need not be faulty (an element
//! that may be absent may be dropped): which ones are, the reference says.
//!
//! | what you want to find | module |
//! |---|---|
//! | what is done to a resource, kind by kind | [`faults`] |
//! | a document in which anything can be changed | [`tree`] |

pub(crate) mod faults;
pub(crate) mod tree;

use std::collections::HashSet;

use tree::Tree;

/// What is done to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Dropped,
    Unknown,
    Date,
    Code,
    JsonType,
    Cardinality,
    Empty,
    TwoChoices,
    Extension,
    Reference,
    Contained,
    IdOrUri,
}

impl Kind {
    pub(crate) const ALL: [Self; 12] = [
        Self::Dropped,
        Self::Unknown,
        Self::Date,
        Self::Code,
        Self::JsonType,
        Self::Cardinality,
        Self::Empty,
        Self::TwoChoices,
        Self::Extension,
        Self::Reference,
        Self::Contained,
        Self::IdOrUri,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Dropped => "dropped",
            Self::Unknown => "unknown",
            Self::Date => "date",
            Self::Code => "code",
            Self::JsonType => "json-type",
            Self::Cardinality => "cardinality",
            Self::Empty => "empty",
            Self::TwoChoices => "two-choices",
            Self::Extension => "extension",
            Self::Reference => "reference",
            Self::Contained => "contained",
            Self::IdOrUri => "id-or-uri",
        }
    }
}

/// A sound resource to make faulty copies of.
#[derive(Debug, Clone)]
pub(crate) struct Base {
    /// Where it comes from, for people: `ukcore/Patient-Example.json`.
    pub(crate) name: String,
    pub(crate) tree: Tree,
}

/// One faulty copy.
#[derive(Debug, Clone)]
pub(crate) struct Mutant {
    pub(crate) kind: Kind,
    /// Which of the bases.
    pub(crate) base: usize,
    /// How often this base was tried for this kind before.
    pub(crate) round: u64,
    pub(crate) text: String,
}

/// `quota` mutants of each kind, spread evenly over the bases; fewer where the bases offer no more.
pub(crate) fn make(bases: &[Base], seed: u64, quota: usize) -> Vec<Mutant> {
    /// A base that has nothing new to offer so often is left alone.
    const ROUNDS: u64 = 40;
    let mut mutants = Vec::new();
    for kind in Kind::ALL {
        let mut seen: HashSet<(usize, String)> = HashSet::new();
        let enough = mutants.len() + quota;
        'kind: for round in 0..ROUNDS {
            for (n_base, base) in bases.iter().enumerate() {
                if mutants.len() == enough {
                    break 'kind;
                }
                let Some(text) = one(base, kind, seed, n_base, round) else { continue };
                if seen.insert((n_base, text.clone())) {
                    mutants.push(Mutant { kind, base: n_base, round, text });
                }
            }
        }
    }
    mutants
}

/// The mutant of one base, the `n_base`-th, in one round; `None` where it offers none.
pub(crate) fn one(base: &Base, kind: Kind, seed: u64, n_base: usize, round: u64) -> Option<String> {
    let mut dice = Dice::new(&[seed, kind as u64, n_base as u64, round]);
    let mut tree = base.tree.clone();
    let is_planted = faults::plant(kind, &mut tree, &mut dice);
    (is_planted && tree != base.tree).then(|| tree.write())
}

/// Chance by the book (SplitMix64): recorded outcomes live as long as this gives the same numbers.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seeds: &[u64]) -> Self {
        let mut dice = Self(0x0065_7072);
        for &seed in seeds {
            dice.0 ^= seed;
            dice.0 = dice.roll();
        }
        dice
    }

    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`, which is not 0.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.roll() % n as u64).expect("a remainder is below its divisor")
    }

    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        if items.is_empty() { None } else { Some(&items[self.below(items.len())]) }
    }
}

/// A number for a text, the same on every machine (FNV-1a): tells whether inputs are those that were judged.
pub(crate) fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bases() -> Vec<Base> {
        let patient = r##"{"resourceType":"Patient","id":"p","meta":{"lastUpdated":"2024-01-01T00:00:00Z"},
            "extension":[{"url":"http://x.example/e","valueCode":"a"}],
            "identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"}],"active":true,
            "name":[{"use":"official","given":["A","B"]}],"gender":"female","birthDate":"1970-01-01",
            "deceasedBoolean":false,"managingOrganization":{"reference":"#o"},
            "contained":[{"resourceType":"Organization","id":"o","name":"X"}]}"##;
        vec![Base { name: "patient".to_owned(), tree: Tree::parse(patient).unwrap() }]
    }

    #[test]
    fn every_kind_fills_its_quota_and_differs_from_its_base() {
        let bases = bases();
        let mutants = make(&bases, 1, 8);
        let untouched = bases[0].tree.write();
        for kind in Kind::ALL {
            let of_kind: Vec<_> = mutants.iter().filter(|m| m.kind == kind).collect();
            assert_eq!(of_kind.len(), 8, "{}", kind.as_str());
            assert!(of_kind.iter().all(|m| m.text != untouched), "{}", kind.as_str());
        }
    }

    #[test]
    fn the_same_seed_makes_the_same_mutants_and_another_makes_others() {
        let texts = |seed| make(&bases(), seed, 5).into_iter().map(|m| m.text).collect::<Vec<_>>();
        assert_eq!(texts(7), texts(7));
        assert_ne!(texts(7), texts(8));
    }
}
