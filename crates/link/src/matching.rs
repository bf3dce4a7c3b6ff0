//! Which records are one person, which may be, and which must not be.
//!
//! The rule: one NHS number, valid and verified in both records; one full birth date; a shared current or former
//! family name. Anything less is a candidate; a contradiction under one number is a hazard and never merged.
//! Source: ARCHITECTURE.md, "Follow one row"; hazards ID-03 and ID-04 of the catalogue.

use std::collections::BTreeMap;

use epr_model::NhsNumber;

use crate::facts::{Birth, Facts, Hash, Standing};

/// What agreed where records were merged.
pub(crate) const MERGED_ON: &str = "nhs-number+birth-date+family";

/// Up to so many groups under one number are compared each with each; beyond, each with the first and the one
/// before it. A number on more records than this is a placeholder that nobody listed yet, and all of its records
/// are told of all the same.
const COMPARED_PAIRWISE: usize = 24;

/// What matching found. Records are named by their place in the ranked list of facts.
pub(crate) struct Matches {
    /// For each record, the first record of its person.
    pub(crate) root: Vec<u32>,
    /// Pairs of persons, by their first records, that were not merged.
    pub(crate) pairs: BTreeMap<(u32, u32), Pair>,
}

/// Why two persons with something in common were not merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) evidence: String,
    pub(crate) reason: &'static str,
}

impl Pair {
    pub(crate) fn is_hazard(&self) -> bool {
        self.reason == "ID-03"
    }
}

/// Matches ranked facts: sorted by organisation, system and id, so that the result has one order.
pub(crate) fn match_all(facts: &[Facts]) -> Matches {
    let mut numbers: Vec<(NhsNumber, u32)> = Vec::new();
    for (i, record) in facts.iter().enumerate() {
        numbers.extend(record.numbers.iter().map(|(number, _)| (*number, i as u32)));
    }
    numbers.sort_unstable();
    let mut persons = Persons((0..facts.len() as u32).collect());
    for run in numbers.chunk_by(|a, b| a.0 == b.0) {
        join(facts, run, &mut persons);
    }
    let mut matches = Matches { root: persons.flatten(), pairs: BTreeMap::new() };
    for run in numbers.chunk_by(|a, b| a.0 == b.0) {
        compare_under_one_number(facts, run, &mut matches);
    }
    compare_without_number(facts, &mut matches);
    matches
}

/// Merges the records under one number that the rule allows to be merged.
fn join(facts: &[Facts], run: &[(NhsNumber, u32)], persons: &mut Persons) {
    if run.len() < 2 {
        return;
    }
    let mut first_with: BTreeMap<([u8; 10], Hash), u32> = BTreeMap::new();
    for (number, i) in run {
        let record = &facts[*i as usize];
        let Birth::Full(birth) = record.birth else { continue };
        if record.identity() != Some(*number) || record.contains {
            continue;
        }
        for family in &record.families {
            let first = *first_with.entry((birth, *family)).or_insert(*i);
            persons.join(first, *i);
        }
    }
}

/// One person, or part of one, under one number.
struct Group<'a> {
    root: u32,
    birth: &'a Birth,
    families: Vec<Hash>,
    standing: Standing,
    two_numbers: bool,
    contains: bool,
}

fn compare_under_one_number(facts: &[Facts], run: &[(NhsNumber, u32)], matches: &mut Matches) {
    let mut groups: BTreeMap<u32, Group<'_>> = BTreeMap::new();
    for (number, i) in run {
        let record = &facts[*i as usize];
        let root = matches.root[*i as usize];
        let standing = record.numbers.iter().find(|(n, _)| n == number).map_or(Standing::Unverified, |(_, s)| *s);
        let group = groups.entry(root).or_insert_with(|| Group {
            root,
            birth: &record.birth,
            families: Vec::new(),
            standing,
            two_numbers: false,
            contains: false,
        });
        group.families.extend(&record.families);
        group.two_numbers |= record.verified().count() > 1;
        group.contains |= record.contains;
    }
    let groups: Vec<Group<'_>> = groups.into_values().collect();
    for (i, j) in pairs_of(groups.len()) {
        let (left, right) = (&groups[i], &groups[j]);
        let pair = compare(left, right);
        let known = matches.pairs.entry((left.root, right.root));
        let kept = known.or_insert_with(|| pair.clone());
        if pair.is_hazard() {
            *kept = pair;
        }
    }
}

fn compare(left: &Group<'_>, right: &Group<'_>) -> Pair {
    let share_family = left.families.iter().any(|family| right.families.contains(family));
    let lacks_family = left.families.is_empty() || right.families.is_empty();
    let both_full = matches!((left.birth, right.birth), (Birth::Full(_), Birth::Full(_)));
    let mut evidence = "nhs-number".to_owned();
    if both_full && left.birth == right.birth {
        evidence.push_str("+birth-date");
    }
    if share_family {
        evidence.push_str("+family");
    }
    let reason = if !left.birth.compatible(right.birth) || !(share_family || lacks_family) {
        "ID-03"
    } else if left.two_numbers || right.two_numbers {
        "ID-04"
    } else if left.standing.min(right.standing) == Standing::Unverified {
        "nhs-number-not-verified"
    } else if !both_full {
        "birth-date-incomplete"
    } else if left.contains || right.contains {
        "contained-resources"
    } else {
        "no-family-name"
    };
    Pair { evidence, reason }
}

/// Records with equal birth date, family, first given name and postcode, of which at most one has a number that
/// says otherwise.
fn compare_without_number(facts: &[Facts], matches: &mut Matches) {
    let mut blocks: Vec<(Hash, u32)> = Vec::new();
    for (i, record) in facts.iter().enumerate() {
        blocks.extend(record.blocks.iter().map(|block| (*block, i as u32)));
    }
    blocks.sort_unstable();
    for run in blocks.chunk_by(|a, b| a.0 == b.0) {
        for (i, j) in pairs_of(run.len()) {
            let (left, right) = (&facts[run[i].1 as usize], &facts[run[j].1 as usize]);
            let roots = (matches.root[run[i].1 as usize], matches.root[run[j].1 as usize]);
            let roots = (roots.0.min(roots.1), roots.0.max(roots.1));
            let both_verified = left.verified().next().is_some() && right.verified().next().is_some();
            if roots.0 == roots.1 || both_verified {
                continue;
            }
            let one_has_none = left.numbers.is_empty() || right.numbers.is_empty();
            let reason = if one_has_none { "no-nhs-number" } else { "nhs-numbers-differ" };
            let evidence = "birth-date+family+given+postcode".to_owned();
            matches.pairs.entry(roots).or_insert(Pair { evidence, reason });
        }
    }
}

/// Which of `n` are compared; the lower comes first.
fn pairs_of(n: usize) -> Vec<(usize, usize)> {
    if n <= COMPARED_PAIRWISE {
        return (0..n).flat_map(|i| (i + 1..n).map(move |j| (i, j))).collect();
    }
    (1..n).map(|j| (0, j)).chain((2..n).map(|j| (j - 1, j))).collect()
}

/// Union-find in which the lowest record is always the root.
struct Persons(Vec<u32>);

impl Persons {
    fn root(&mut self, mut i: u32) -> u32 {
        while self.0[i as usize] != i {
            self.0[i as usize] = self.0[self.0[i as usize] as usize];
            i = self.0[i as usize];
        }
        i
    }

    fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b) as usize] = a.min(b);
    }

    fn flatten(mut self) -> Vec<u32> {
        for i in 0..self.0.len() as u32 {
            self.0[i as usize] = self.root(i);
        }
        self.0
    }
}
