//! Rules over facts of several resources: a person's allergies, bookings and lists, a spell's episodes, pathways that
//! are there twice, texts that fill their column.

use crate::moment::Moment;
use crate::rules::en_02::{self, Period};
use crate::rules::thresholds::Thresholds;
use crate::rules::{HazardDoc, al_03, ap_04, da_02, de_03, rt_01};

use super::facts::{Episode, Facts, NONE};
use super::pairs;

/// One thing that was found, at a resource.
#[derive(Debug, Clone)]
pub(super) struct Across {
    pub(super) number: u32,
    pub(super) patient: u32,
    pub(super) doc: &'static HazardDoc,
    /// With the resource type, or below a type that the rule does not know.
    pub(super) path: String,
    pub(super) detail: &'static str,
}

/// How often a rule was asked, and how often it found something.
pub(super) type Counts = Vec<(&'static str, u64, u64)>;

/// Gives its page, and how many facts it looked at.
type Rule<'a> = &'a dyn Fn(&Facts, &mut Vec<Across>) -> (&'static HazardDoc, u64);

/// Asks every rule; `facts` are sorted, `is_linked` says whether link made the first Patient part of the second.
pub(super) fn find(
    facts: &Facts,
    thresholds: &Thresholds,
    is_linked: &dyn Fn(u32, u32) -> bool,
) -> (Vec<Across>, Counts) {
    let mut found = Vec::new();
    let mut counts = Counts::new();
    let rules: [Rule<'_>; 14] = [
        &denied_allergies,
        &bookings_of_the_dead,
        &lost_follow_ups,
        &|facts, found| episodes(facts, thresholds.max_overlap_minutes, found),
        &doubled_pathways,
        &cut_texts,
        &pairs::deaths_in_hospital,
        &pairs::doubled_medicines,
        &pairs::doubled_slots,
        &pairs::shared_numbers,
        &|facts, found| pairs::mothers(facts, thresholds, found),
        &pairs::closed_practices,
        &pairs::unmatched_staff,
        &pairs::results_of_others,
    ];
    for rule in rules {
        let before = found.len();
        let (doc, n) = rule(facts, &mut found);
        if n > 0 {
            counts.push((doc.issue.code, n, (found.len() - before) as u64));
        }
    }
    let before = found.len();
    pairs::merges(facts, is_linked, &mut found);
    let n = (facts.replaced_by.len() + facts.replaces.len()) as u64;
    if n > 0 {
        counts.push((crate::rules::id_05::DOC.issue.code, n, (found.len() - before) as u64));
    }
    found.sort_by(|a, b| (a.doc.issue.code, a.number, &a.path).cmp(&(b.doc.issue.code, b.number, &b.path)));
    (found, counts)
}

fn denied_allergies(facts: &Facts, found: &mut Vec<Across>) -> (&'static HazardDoc, u64) {
    for of_one in facts.allergies.chunk_by(|a, b| a.0 == b.0).filter(|c| c[0].0 != NONE) {
        for (patient, number, denial) in of_one {
            if of_one.iter().any(|(_, _, other)| al_03::contradicts(*denial, *other)) {
                found.push(Across {
                    number: *number,
                    patient: *patient,
                    doc: &al_03::DOC,
                    path: "AllergyIntolerance.code".to_owned(),
                    detail: "expected no active allergy of the person beside a statement that there is none, found one",
                });
            }
        }
    }
    (&al_03::DOC, facts.allergies.len() as u64)
}

fn bookings_of_the_dead(facts: &Facts, found: &mut Vec<Across>) -> (&'static HazardDoc, u64) {
    for (patient, number, _) in &facts.bookings {
        if facts.death(*patient).is_some() {
            found.push(Across {
                number: *number,
                patient: *patient,
                doc: &de_03::DOC,
                path: "Appointment.start".to_owned(),
                detail: "expected no booking to come for a person who has died, found one",
            });
        }
    }
    (&de_03::DOC, facts.bookings.len() as u64)
}

fn lost_follow_ups(facts: &Facts, found: &mut Vec<Across>) -> (&'static HazardDoc, u64) {
    for (patient, number) in &facts.follow_ups {
        if facts.waits.binary_search(patient).is_err() || *patient == NONE {
            found.push(Across {
                number: *number,
                patient: *patient,
                doc: &ap_04::DOC,
                path: "Encounter.extension".to_owned(),
                detail: "expected an open waiting-list entry of the patient beside outcome 3, found none",
            });
        }
    }
    (&ap_04::DOC, facts.follow_ups.len() as u64)
}

fn episodes(facts: &Facts, most_minutes: u32, found: &mut Vec<Across>) -> (&'static HazardDoc, u64) {
    let mut sorted: Vec<&Episode> = facts.episodes.iter().filter(|e| e.spell != NONE).collect();
    let order = |p: Period| p.start.map(Moment::order);
    sorted.sort_by_key(|e| (e.spell, order(e.period), e.number));
    let mut push = |e: &Episode, detail: &'static str| {
        found.push(Across {
            number: e.number,
            patient: e.patient,
            doc: &en_02::DOC,
            path: "Encounter.period".to_owned(),
            detail,
        });
    };
    for of_one in sorted.chunk_by(|a, b| a.spell == b.spell) {
        let spell = facts.spells.binary_search_by_key(&of_one[0].spell, |(n, _)| *n).ok().map(|i| facts.spells[i].1);
        for (i, episode) in of_one.iter().enumerate() {
            if let Some(detail) = spell.and_then(|spell| en_02::outside(episode.period, spell)) {
                push(episode, detail);
            }
            if of_one.get(i + 1).is_some_and(|next| en_02::overlaps(episode.period, next.period, most_minutes)) {
                push(
                    episode,
                    "expected an episode that ends before the next of its spell begins, found one that goes on",
                );
            }
        }
    }
    (&en_02::DOC, facts.episodes.len() as u64)
}

fn doubled_pathways(facts: &Facts, found: &mut Vec<Across>) -> (&'static HazardDoc, u64) {
    for of_one in facts.pathways.chunk_by(|a, b| a.0 == b.0).filter(|c| c.len() > 1) {
        let is_one_patient = of_one.iter().all(|p| p.1 == of_one[0].1);
        for (_, patient, number) in of_one {
            found.push(Across {
                number: *number,
                patient: *patient,
                doc: &rt_01::DOC,
                path: "EpisodeOfCare.identifier".to_owned(),
                detail: if is_one_patient {
                    "expected one open pathway of this identifier, found several of one patient"
                } else {
                    "expected one open pathway of this identifier, found several of different patients"
                },
            });
        }
    }
    (&rt_01::DOC, facts.pathways.len() as u64)
}

fn cut_texts(facts: &Facts, found: &mut Vec<Across>) -> (&'static HazardDoc, u64) {
    for width in facts.widths.values() {
        for (number, patient, path) in &width.at {
            found.push(Across {
                number: *number,
                patient: *patient,
                doc: &da_02::DOC,
                path: path.clone(),
                detail: "expected a whole text, found one of exactly the width of a legacy column, the longest of its own",
            });
        }
    }
    // That the texts were looked at is counted where each resource is.
    (&da_02::DOC, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::al_03::Statement;
    use crate::stage::facts::Death;

    fn codes(facts: &mut Facts) -> Vec<(&'static str, u32)> {
        facts.sort();
        find(facts, &Thresholds::defaults(), &|_, _| false)
            .0
            .into_iter()
            .map(|a| (a.doc.issue.code, a.number))
            .collect()
    }

    fn period(start: &str, end: &str) -> Period {
        Period { start: Moment::parse(start), end: Moment::parse(end) }
    }

    #[test]
    fn al_03_looks_at_all_allergies_of_one_person_and_at_nobody_elses() {
        let present = Statement::Present(None);
        let mut facts = Facts {
            allergies: vec![
                (1, 10, Statement::NoneKnown),
                (1, 11, present),
                (2, 12, Statement::NoneKnown),
                (3, 13, present),
                (NONE, 14, Statement::NoneKnown),
                (NONE, 15, present),
            ],
            ..Facts::default()
        };
        assert_eq!(codes(&mut facts), [("AL-03", 10)]);
    }

    #[test]
    fn de_03_and_ap_04_join_by_the_person() {
        let mut facts = Facts {
            dead: vec![(2, Death(None))],
            bookings: vec![(1, 10, None), (2, 11, None)],
            waits: vec![1],
            follow_ups: vec![(1, 12), (2, 13), (NONE, 14)],
            ..Facts::default()
        };
        assert_eq!(codes(&mut facts), [("AP-04", 13), ("AP-04", 14), ("DE-03", 11)]);
    }

    #[test]
    fn en_02_compares_an_episode_with_its_spell_and_with_the_next() {
        let episode =
            |spell, number, start: &str, end: &str| Episode { spell, number, patient: 1, period: period(start, end) };
        let mut facts = Facts {
            spells: vec![(5, period("2026-01-01", "2026-01-09")), (4, period("2026-01-01", ""))],
            episodes: vec![
                episode(5, 22, "2026-01-04", "2026-01-09"),
                episode(5, 21, "2026-01-02", "2026-01-05"),
                episode(5, 20, "2026-01-01", "2026-01-02"),
                episode(4, 23, "2025-12-31", ""),
                episode(NONE, 24, "2020-01-01", ""),
            ],
            ..Facts::default()
        };
        assert_eq!(codes(&mut facts), [("EN-02", 21), ("EN-02", 23)]);
    }

    #[test]
    fn rt_01_is_raised_at_each_of_two_open_pathways_of_one_identifier() {
        let mut facts =
            Facts { pathways: vec![([1; 16], 1, 30), ([2; 16], 1, 31), ([1; 16], 1, 32)], ..Facts::default() };
        assert_eq!(codes(&mut facts), [("RT-01", 30), ("RT-01", 32)]);
    }
}
