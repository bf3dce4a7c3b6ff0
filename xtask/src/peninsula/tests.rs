//! What must hold of every person, of what is planted, and of the files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::clock::AS_OF;
use super::dice::add_days;
use super::lives::next_row;
use super::model::{Archive, Kind, Organisation, Person, Row, Setting};
use super::truth::Counts;
use super::*;

fn people(seed: u64, n_people: u64, is_clean: bool) -> Vec<Person> {
    let mut peninsula = Peninsula::new(Setting { seed, n_people }, is_clean);
    (1..=n_people).map(|number| peninsula.person(number)).collect()
}

fn written(seed: u64, n_people: u64, is_clean: bool) -> (tempfile::TempDir, Counts) {
    let folder = tempfile::tempdir().unwrap();
    let setting = Setting { seed, n_people };
    let counts = write(folder.path(), &crate::root(), setting, is_clean, |_| ()).unwrap();
    (folder, counts)
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(at) = waiting.pop() {
        for entry in std::fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
                found.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn rows(person: &Person) -> Vec<&Row> {
    let mut rows: Vec<&Row> = Vec::new();
    rows.extend(person.allergies.iter().map(|f| &f.row));
    rows.extend(person.alerts.iter().map(|f| &f.row));
    rows.extend(person.problems.iter().map(|f| &f.row));
    rows.extend(person.spells.iter().map(|f| &f.row));
    rows.extend(person.spells.iter().flat_map(|s| &s.episodes).map(|f| &f.row));
    rows.extend(person.attendances.iter().map(|f| &f.row));
    rows.extend(person.referrals.iter().map(|f| &f.row));
    rows.extend(person.pathways.iter().map(|f| &f.row));
    rows.extend(person.waiting.iter().map(|f| &f.row));
    rows.extend(person.appointments.iter().map(|f| &f.row));
    rows.extend(person.contacts.iter().map(|f| &f.row));
    rows.extend(person.medications.iter().map(|f| &f.row));
    rows.extend(person.observations.iter().map(|f| &f.row));
    rows.extend(person.letters.iter().map(|f| &f.row));
    rows.extend(person.calls.iter().map(|f| &f.row));
    rows.extend(person.hospice_referrals.iter().map(|f| &f.row));
    rows.extend(person.tracks.iter().map(|f| &f.row));
    rows
}

#[test]
fn a_clean_life_is_in_order() {
    for person in people(1, 2000, true) {
        let n = person.number;
        assert!(person.registrations.iter().all(|r| r.defect.is_none()), "{n}");
        assert!(rows(&person).iter().all(|row| row.defect.is_none() && row.orphan.is_none()), "{n}");
        let first = &person.registrations[0];
        let birth = first.birth.unwrap();
        assert!(birth < AS_OF, "{n}");
        for r in &person.registrations {
            assert_eq!((r.birth, r.death, r.sex), (first.birth, first.death, first.sex), "{n}");
            assert!(r.death.is_none_or(|death| death.date() > birth && death.date() < AS_OF), "{n}");
            assert!(r.death.is_none() || r.organisation != Organisation::Nhs111, "{n}");
            assert!(r.former.iter().all(|f| f.until > birth && f.until < AS_OF), "{n}");
            assert!(r.local_number.len() <= 10, "{n}");
        }
        let last = first.death.map_or(AS_OF, jiff::civil::DateTime::date);
        for spell in &person.spells {
            let end = spell.discharged.unwrap_or(AS_OF.at(0, 0, 0, 0));
            assert!(spell.admitted.date() >= birth && spell.admitted < end && end.date() <= last, "{n}");
            assert!(spell.ward.is_some(), "{n}");
            assert!(spell.episodes.iter().all(|e| e.consultant.is_some()), "{n}");
            assert_eq!(spell.episodes.last().unwrap().ended, spell.discharged, "{n}");
            for pair in spell.episodes.windows(2) {
                assert_eq!(pair[0].ended, Some(pair[1].started), "{n}");
            }
        }
        for pathway in &person.pathways {
            assert_eq!(pathway.id.len(), 20, "{n}");
            assert!(!pathway.id.ends_with("00000"), "{n}");
            assert!(pathway.stop.is_none_or(|stop| stop > pathway.start && stop <= last), "{n}");
            assert_eq!(pathway.stop.is_some(), pathway.status >= "30", "{n}");
        }
        for a in &person.appointments {
            assert_eq!(a.attendance == "0", a.start.date() > AS_OF, "{n}");
            assert!(a.attendance != "0" || first.death.is_none(), "{n}");
            let waits = person.waiting.iter().any(|w| w.row.holder == a.row.holder && w.removed.is_none());
            assert!(a.outcome != Some("3") || waits, "{n}");
        }
        let live: Vec<_> = person.allergies.iter().map(|a| a.substance.unwrap()).collect();
        let none = live.contains(&model::Substance::NoKnown);
        assert!(!none || live.iter().all(|s| *s == model::Substance::NoKnown), "{n}");
        let texts = person.allergies.iter().map(|f| &f.text).chain(person.alerts.iter().map(|f| &f.text));
        assert!(texts.chain(person.problems.iter().map(|f| &f.text)).all(|text| text.chars().count() < 35), "{n}");
    }
}

#[test]
fn no_clock_shows_the_hour_that_is_skipped_in_spring() {
    let london = jiff::tz::TimeZone::get("Europe/London").unwrap();
    for person in people(4, 4000, false) {
        let bookings = person.appointments.iter().map(|a| dice::add_minutes(a.start, i64::from(a.minutes)));
        let mut times: Vec<_> = bookings.chain(person.appointments.iter().map(|a| a.start)).collect();
        times.extend(person.attendances.iter().flat_map(|a| [a.arrived, a.departed]));
        times.extend(person.calls.iter().flat_map(|c| [c.started, c.ended]));
        let episodes = person.spells.iter().flat_map(|s| &s.episodes);
        times.extend(episodes.flat_map(|e| [Some(e.started), e.ended]).flatten());
        times.extend(person.spells.iter().flat_map(|s| [Some(s.admitted), s.discharged]).flatten());
        times.extend(person.observations.iter().map(|o| o.taken));
        for time in times {
            assert!(!matches!(london.to_ambiguous_timestamp(time).offset(), jiff::tz::AmbiguousOffset::Gap { .. }));
        }
    }
}

#[test]
fn verified_records_of_one_person_meet_the_automatic_rule() {
    for person in people(2, 2000, true) {
        let verified: Vec<_> = person.registrations.iter().filter(|r| r.is_verified()).collect();
        for one in &verified {
            for other in &verified {
                assert_eq!((&one.nhs_number, one.birth), (&other.nhs_number, other.birth));
                let names = |r: &model::Registration| -> BTreeSet<String> {
                    let former = r.former.iter().map(|f| f.family.clone());
                    former.chain(r.family.clone()).collect()
                };
                assert!(!names(one).is_disjoint(&names(other)), "{}", person.number);
            }
        }
    }
}

#[test]
fn all_kinds_are_planted_at_every_seed_and_none_in_the_twin() {
    for seed in 1..=3 {
        let (_folder, counts) = written(seed, 375, false);
        assert!(Kind::ALL.iter().all(|kind| counts.defects[kind] == 5), "{seed}: {:?}", counts.defects);
    }
    let (folder, counts) = written(1, 375, true);
    assert!(counts.defects.is_empty());
    let defects = std::fs::read_to_string(folder.path().join("truth/defects.csv")).unwrap();
    assert_eq!(defects.lines().count(), 1);
}

#[test]
fn the_twin_has_the_same_people_and_the_same_rows_of_everyone_else() {
    let (planted, clean) = (people(3, 500, false), people(3, 500, true));
    for (one, other) in planted.iter().zip(&clean) {
        let is_marked =
            one.registrations.iter().any(|r| r.defect.is_some()) || rows(one).iter().any(|row| row.defect.is_some());
        if is_marked {
            assert_eq!(one.registrations.len(), other.registrations.len());
            assert_eq!(one.note, other.note);
        } else {
            assert_eq!(format!("{one:?}"), format!("{other:?}"));
        }
    }
}

#[test]
fn nobody_carries_two_kinds() {
    for person in people(1, 1000, false) {
        let on_records = person.registrations.iter().filter_map(|r| r.defect.as_ref());
        let on_rows = rows(&person).into_iter().filter_map(|row| row.defect.as_ref());
        let kinds: BTreeSet<_> = on_records.chain(on_rows).map(|defect| defect.kind).collect();
        assert!(kinds.len() <= 1, "{}: {kinds:?}", person.number);
    }
}

#[test]
fn row_numbers_are_nobody_else_s() {
    let mut seen = BTreeSet::new();
    for person in people(1, 1000, false) {
        for row in rows(&person) {
            assert_eq!(row.number / 1000, person.number);
            assert!(seen.insert(row.number), "{}", row.number);
        }
        assert!(next_row(&person) / 1000 == person.number);
        for r in &person.registrations {
            assert_eq!(r.row / 10, person.number);
            assert!(seen.insert(10_000_000_000 + r.row), "{}", r.row);
        }
    }
}

#[test]
fn every_key_of_the_answer_key_is_one_row_s() {
    let (folder, _) = written(1, 500, false);
    for file in ["facts.csv", "records.csv"] {
        let mut reader = csv::Reader::from_path(folder.path().join("truth").join(file)).unwrap();
        let heads = reader.headers().unwrap().clone();
        let at = |name: &str| heads.iter().position(|head| head == name).unwrap();
        let (system, organisation, table, key) = (at("system"), at("organisation"), at("table"), at("key"));
        let mut seen = BTreeSet::new();
        for line in reader.records() {
            let line = line.unwrap();
            let place = [&line[organisation], &line[system], &line[table], &line[key]].join(" ");
            assert!(seen.insert(place.clone()), "{file}: {place}");
        }
        assert!(seen.len() > 500, "{file}");
    }
}

#[test]
fn five_hundred_people_hold_enough_of_every_domain() {
    let (_folder, counts) = written(1, 500, false);
    for (domain, least) in [("allergy", 200), ("alert", 60), ("rtt", 150), ("appointment", 250), ("spell", 30)] {
        assert!(counts.facts[domain] >= least, "{domain}: {}", counts.facts[domain]);
    }
    let people = people(1, 500, false);
    let future: Vec<_> = people.iter().flat_map(|p| &p.appointments).filter(|a| a.is_future()).collect();
    let clinics: BTreeSet<_> = future.iter().map(|a| a.clinic.code).collect();
    assert!(clinics.len() >= 20);
    let week = |day: jiff::civil::Date| AS_OF.until(day).unwrap().get_days() / 7;
    let weeks: BTreeSet<_> = future.iter().map(|a| week(a.start.date())).filter(|week| *week < 26).collect();
    assert_eq!(weeks.len(), 26);
    let pathways = people.iter().flat_map(|p| &p.pathways).filter(|p| p.is_open());
    let mut bands = [0; 4];
    for pathway in pathways {
        bands[match week(pathway.start).abs() {
            0..18 => 0,
            18..52 => 1,
            52..65 => 2,
            _ => 3,
        }] += 1;
    }
    assert!(bands.iter().all(|n| *n >= 8), "{bands:?}");
    let mut pairs = BTreeSet::new();
    for person in &people {
        let known: BTreeSet<_> = person.registrations.iter().map(|r| r.organisation).collect();
        assert!(known.len() <= 5);
        for one in &known {
            pairs.extend(known.iter().filter(|other| *other > one).map(|other| (*one, *other)));
        }
    }
    assert_eq!(pairs.len() as u64, plan::N_PAIRS);
    let twice = |p: &&Person| p.registrations.windows(2).any(|w| w[0].organisation == w[1].organisation);
    assert!(people.iter().filter(twice).count() >= 5);
    assert!(people.iter().flat_map(|p| &p.registrations).any(|r| r.archive == Archive::Deleted));
    let last = future.iter().map(|a| a.start.date()).max().unwrap();
    assert!(last > add_days(AS_OF, 300));
}

#[test]
fn one_seed_gives_the_same_bytes_of_every_file() {
    let ((one, _), (other, _)) = (written(7, 150, false), written(7, 150, false));
    let (one, other) = (files(one.path()), files(other.path()));
    assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>());
    for (name, bytes) in &one {
        assert!(bytes == &other[name], "{name} differs");
    }
    let (third, _) = written(8, 150, false);
    assert_ne!(one["truth/facts.csv"], files(third.path())["truth/facts.csv"]);
}

#[test]
fn the_committed_peninsula_is_what_the_generator_writes() {
    let committed = crate::root().join("fixtures/peninsula");
    let (folder, _) = written(1, 500, false);
    let (mut fresh, mut kept) = (files(folder.path()), files(&committed));
    // Written to another place, the project file names the repository by its full path.
    let (fresh_project, kept_project) = (fresh.remove("epr.toml").unwrap(), kept.remove("epr.toml").unwrap());
    let root = crate::root().canonicalize().unwrap().to_string_lossy().into_owned();
    let project = String::from_utf8(fresh_project).unwrap().replace(&root, "../..");
    assert_eq!(project, String::from_utf8(kept_project).unwrap());
    kept.retain(|name, _| !name.starts_with("runs/") && !name.starts_with("state/"));
    assert_eq!(fresh.keys().collect::<Vec<_>>(), kept.keys().collect::<Vec<_>>());
    let differ: Vec<_> = fresh.iter().filter(|(name, bytes)| kept[*name] != **bytes).map(|(name, _)| name).collect();
    assert!(differ.is_empty(), "written anew by `cargo xtask fixtures --out fixtures/peninsula`: {differ:?}");
}
