//! Rules over two resources of one run: a spell and its patient, two medicines, two patients of one number, a mother
//! and her child, a patient and the practice, a result and its visit, a Patient and the one that took its place.

use super::across::Across;
use super::facts::{About, Death, Facts, NONE};
use crate::hash::FastMap;
use crate::moment::Moment;
use crate::rules::de_04::Discharge;
use crate::rules::thresholds::Thresholds;
use crate::rules::{HazardDoc, ap_03, de_04, id_05, id_07, id_12, me_01, or_01, re_02};

type Asked = (&'static HazardDoc, u64);

fn at(number: u32, patient: u32, doc: &'static HazardDoc, path: &str, detail: &'static str) -> Across {
    Across { number, patient, doc, path: path.to_owned(), detail }
}

pub(super) fn deaths_in_hospital(facts: &Facts, found: &mut Vec<Across>) -> Asked {
    const PATH: &str = "Encounter.hospitalization";
    for (patient, number, how, period) in facts.discharges.iter().filter(|d| d.0 != NONE) {
        let death = facts.death(*patient);
        let is_within = |death: Moment| {
            let after_start = period.start.and_then(|start| start.is_before(death)) == Some(true);
            after_start && period.end.and_then(|end| death.is_before(end)) == Some(true)
        };
        let detail = match (how, death) {
            (Discharge::Died, None) => {
                "expected a patient who has died beside a discharge by death, found one who has not"
            }
            (Discharge::Alive, Some(Death(Some(death)))) if is_within(death) => {
                "expected a discharge by death of a patient who died within the spell, found another"
            }
            _ => continue,
        };
        found.push(at(*number, *patient, &de_04::DOC, PATH, detail));
    }
    (&de_04::DOC, facts.discharges.len() as u64)
}

pub(super) fn doubled_medicines(facts: &Facts, found: &mut Vec<Across>) -> Asked {
    let same = |a: &(u64, u32, u32), b: &(u64, u32, u32)| (a.0, a.1) == (b.0, b.1);
    for of_one in facts.medicines.chunk_by(same).filter(|c| c.len() > 1 && c[0].1 != NONE) {
        for (_, patient, number) in of_one {
            let detail = "expected one current entry of a product, start and dose, found several of one source";
            // Both kinds of medicine have their dose there.
            found.push(at(*number, *patient, &me_01::DOC, "status", detail));
        }
    }
    (&me_01::DOC, facts.medicines.len() as u64)
}

pub(super) fn doubled_slots(facts: &Facts, found: &mut Vec<Across>) -> Asked {
    for of_one in facts.slots.chunk_by(|a, b| a.0 == b.0).filter(|c| c.len() > 1) {
        for (_, patient, number) in of_one {
            let detail = "expected one booking in a slot, found several";
            found.push(at(*number, *patient, &ap_03::DOC, "Appointment.slot", detail));
        }
    }
    for of_one in facts.bookings.chunk_by(|a, b| a.0 == b.0).filter(|c| c.len() > 1 && c[0].0 != NONE) {
        let mut by_start: Vec<(i64, u32)> =
            of_one.iter().filter_map(|(_, number, start)| Some((start.as_ref()?.order(), *number))).collect();
        by_start.sort_unstable();
        for at_once in by_start.chunk_by(|a, b| a.0 == b.0).filter(|c| c.len() > 1) {
            for (_, number) in at_once {
                let detail = "expected one booking of a patient at a time, found several";
                found.push(at(*number, of_one[0].0, &ap_03::DOC, "Appointment.start", detail));
            }
        }
    }
    // That each booking was looked at is counted where each resource is.
    (&ap_03::DOC, 0)
}

pub(super) fn shared_numbers(facts: &Facts, found: &mut Vec<Across>) -> Asked {
    for of_one in facts.local_numbers.chunk_by(|a, b| a.0 == b.0).filter(|c| c.len() > 1) {
        for (_, patient) in of_one {
            let detail = "expected a number of one patient of its assigner, found it on several";
            found.push(at(*patient, *patient, &id_07::DOC, "Patient.identifier", detail));
        }
    }
    (&id_07::DOC, 0)
}

pub(super) fn mothers(facts: &Facts, thresholds: &Thresholds, found: &mut Vec<Across>) -> Asked {
    let born = |about: Option<About>| about.and_then(|a| a.born).map(i64::from);
    for (hash, child, related) in &facts.mothers {
        let first = facts.local_numbers.partition_point(|(h, _)| h < hash);
        let mother = facts.local_numbers.get(first).filter(|(h, _)| h == hash).map(|(_, patient)| *patient);
        let detail = match mother {
            None => Some("expected a mother who is a patient of the run, found none of that number"),
            Some(mother) if mother == *child => Some("expected a mother, found the child"),
            Some(mother) => {
                let about = facts.about(mother);
                let is_male = about.is_some_and(|a| a.is_male);
                id_12::cannot_be(is_male, born(about), born(facts.about(*child)), thresholds)
            }
        };
        if let Some(detail) = detail {
            found.push(at(*related, *child, &id_12::DOC, "RelatedPerson.identifier", detail));
        }
    }
    for of_one in facts.mothers.chunk_by(|a, b| a.0 == b.0).filter(|c| c.len() > 1) {
        siblings(facts, of_one, found);
    }
    (&id_12::DOC, facts.mothers.len() as u64)
}

/// The children of one mother: those of one birth each have a place of their own in its order.
fn siblings(facts: &Facts, of_one: &[(u64, u32, u32)], found: &mut Vec<Across>) {
    let mut children: Vec<(i32, u32, u8)> = of_one
        .iter()
        .filter_map(|(_, child, _)| {
            let about = facts.about(*child)?;
            Some((about.born?, *child, about.order))
        })
        .collect();
    children.sort_unstable();
    children.dedup();
    // A birth may go on past midnight.
    for birth in children.chunk_by(|a, b| b.0 - a.0 <= 1).filter(|c| c.len() > 1) {
        for (_, child, order) in birth {
            let is_unique = birth.iter().filter(|(_, _, o)| o == order).count() == 1;
            if *order == 0 || !is_unique {
                let detail = "expected a place of its own in the order of a multiple birth, found none or another's";
                found.push(at(*child, *child, &id_12::DOC, "Patient.multipleBirth", detail));
            }
        }
    }
}

pub(super) fn closed_practices(facts: &Facts, found: &mut Vec<Across>) -> Asked {
    for (hash, patient) in &facts.practices {
        if facts.closed.binary_search(hash).is_ok() {
            let detail = "expected a practice that is open, found one that the run's organisations call closed";
            found.push(at(*patient, *patient, &or_01::DOC, "Patient.generalPractitioner", detail));
        }
    }
    (&or_01::DOC, 0)
}

/// Staff named by a number that no Practitioner of the run has.
pub(super) fn unmatched_staff(facts: &Facts, found: &mut Vec<Across>) -> Asked {
    for (hash, patient, number, path) in &facts.named_staff {
        if facts.staff.binary_search(hash).is_err() {
            let detail = "expected the number of a Practitioner of the run or of the project's own list, found another";
            found.push(at(*number, *patient, &or_01::DOC, path, detail));
        }
    }
    (&or_01::DOC, facts.named_staff.len() as u64)
}

pub(super) fn results_of_others(facts: &Facts, found: &mut Vec<Across>) -> Asked {
    for (to, patient, from) in facts.attached.iter().filter(|a| a.1 != NONE) {
        let Ok(i) = facts.subjects.binary_search_by_key(to, |(number, _)| *number) else { continue };
        let theirs = facts.subjects[i].1;
        if theirs != NONE && theirs != *patient {
            let detail = "expected result, report, specimen and visit of one patient, found two";
            found.push(at(*from, *patient, &re_02::DOC, "subject", detail));
        }
    }
    (&re_02::DOC, 0)
}

/// Merges that a source made, and where each leads.
pub(super) fn merges(facts: &Facts, is_linked: &dyn Fn(u32, u32) -> bool, found: &mut Vec<Across>) {
    const PATH: &str = "Patient.link";
    const UNSIGNED: &str = "expected a merge that link found or that somebody signed, found one of the source's own";
    let next: FastMap<u32, u32> = facts.replaced_by.iter().copied().collect();
    for (from, to) in &facts.replaced_by {
        if !is_linked(*from, *to) {
            found.push(at(*from, *from, &id_05::DOC, PATH, UNSIGNED));
        }
        match survivor(&next, *from) {
            None => {
                let detail = "expected merges that lead to one record, found a circle";
                found.push(at(*from, *from, &id_05::DOC, PATH, detail));
            }
            Some(last) if facts.inactive.binary_search(&last).is_ok() => {
                let detail = "expected a record in use at the end of a merge, found an inactive one";
                found.push(at(*from, *from, &id_05::DOC, PATH, detail));
            }
            Some(_) => {}
        }
    }
    for (survivor, of) in &facts.replaces {
        // Where the other record says it too, it was told there.
        if next.get(of) != Some(survivor) && !is_linked(*of, *survivor) {
            found.push(at(*survivor, *survivor, &id_05::DOC, PATH, UNSIGNED));
        }
    }
}

/// The last of a chain of merges; none where it is a circle. Two markers, one twice as quick, meet in a circle.
fn survivor(next: &FastMap<u32, u32>, from: u32) -> Option<u32> {
    let (mut slow, mut quick) = (from, from);
    loop {
        let Some(one) = next.get(&quick) else { return Some(quick) };
        let Some(two) = next.get(one) else { return Some(*one) };
        quick = *two;
        slow = next[&slow];
        if slow == quick {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::en_02::Period;
    use crate::stage::across::find;

    fn codes(facts: &mut Facts) -> Vec<(&'static str, u32)> {
        facts.sort();
        find(facts, &Thresholds::defaults(), &|from, _| from >= 100)
            .0
            .into_iter()
            .map(|a| (a.doc.issue.code, a.number))
            .collect()
    }

    #[test]
    fn de_04_compares_the_way_of_discharge_with_the_death() {
        let when = Moment::parse;
        let period = Period { start: when("2026-01-01"), end: when("2026-01-09") };
        let mut facts = Facts {
            dead: vec![(2, Death(when("2026-01-05"))), (3, Death(when("2026-03-05"))), (4, Death(None))],
            discharges: vec![
                (1, 10, Discharge::Died, period),
                (2, 11, Discharge::Died, period),
                (2, 12, Discharge::Alive, period),
                (3, 13, Discharge::Alive, period),
                (4, 14, Discharge::Alive, period),
                (NONE, 15, Discharge::Died, period),
            ],
            ..Facts::default()
        };
        assert_eq!(codes(&mut facts), [("DE-04", 10), ("DE-04", 12)]);
    }

    #[test]
    fn me_01_and_ap_03_are_raised_at_each_of_two_equal_entries() {
        let start = Moment::parse("2027-01-01T09:00:00Z");
        let mut facts = Facts {
            medicines: vec![(7, 1, 20), (7, 1, 21), (7, 2, 22), (8, 1, 23), (7, NONE, 24), (7, NONE, 25)],
            slots: vec![(5, 1, 30), (5, 2, 31), (6, 1, 32)],
            bookings: vec![(3, 40, start), (3, 41, start), (4, 42, start), (3, 43, None)],
            ..Facts::default()
        };
        let expected = [("AP-03", 30), ("AP-03", 31), ("AP-03", 40), ("AP-03", 41), ("ME-01", 20), ("ME-01", 21)];
        assert_eq!(codes(&mut facts), expected);
    }

    #[test]
    fn id_07_or_01_and_re_02_join_two_resources() {
        let mut facts = Facts {
            local_numbers: vec![(1, 10), (1, 11), (2, 10), (1, 10)],
            practices: vec![(3, 10), (4, 11)],
            closed: vec![4],
            staff: vec![7],
            named_staff: vec![(7, 10, 70, "participant"), (8, 10, 71, "participant")],
            subjects: vec![(50, 10), (51, 11), (52, NONE)],
            attached: vec![(50, 10, 60), (51, 10, 61), (52, 10, 62), (53, 10, 63), (51, NONE, 64)],
            ..Facts::default()
        };
        assert_eq!(codes(&mut facts), [("ID-07", 10), ("ID-07", 11), ("OR-01", 11), ("OR-01", 71), ("RE-02", 61)]);
    }

    #[test]
    fn id_12_looks_at_the_mother_and_at_the_order_of_birth() {
        let about = |born, is_male, order| About { born: Some(born), is_male, order };
        let mut facts = Facts {
            local_numbers: vec![(1, 10), (2, 11), (3, 12)],
            persons: vec![
                (10, about(10_000, false, 0)),
                (11, about(10_000, true, 0)),
                (12, about(20_000, false, 0)),
                (20, about(20_001, false, 1)),
                (21, about(20_002, false, 2)),
                (22, about(19_000, false, 0)),
                (23, about(19_000, false, 1)),
            ],
            mothers: vec![
                (1, 20, 30),
                (1, 21, 31),
                (1, 22, 32),
                (1, 23, 33),
                (2, 20, 34),
                (3, 21, 35),
                (9, 21, 36),
                (3, 12, 37),
            ],
            ..Facts::default()
        };
        assert_eq!(codes(&mut facts), [("ID-12", 22), ("ID-12", 34), ("ID-12", 35), ("ID-12", 36), ("ID-12", 37)]);
    }

    #[test]
    fn id_05_is_raised_for_merges_of_a_source_circles_and_inactive_survivors() {
        let mut facts = Facts {
            // 100 and above are link's own.
            replaced_by: vec![(1, 2), (100, 101), (102, 103), (103, 102), (104, 105), (105, 106)],
            replaces: vec![(2, 1), (4, 3), (101, 100)],
            inactive: vec![106],
            ..Facts::default()
        };
        assert_eq!(
            codes(&mut facts),
            [("ID-05", 1), ("ID-05", 4), ("ID-05", 102), ("ID-05", 103), ("ID-05", 104), ("ID-05", 105)]
        );
    }
}
