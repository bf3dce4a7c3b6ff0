//! The recorded judgement against ours, on the inputs at hand: agreement where there is no Java.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};
use epr_fhir::Definitions;
use epr_fhir::package::{PackageCache, PackageId, PackageSource};
use epr_validate::Program;

use super::Fault;
use super::agreement::has_new;
use super::inputs::{self, Against};
use super::recorded::{SEED, path};
use crate::mutants::{self, Base, Kind, fingerprint};

/// What the reference said of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    /// Its kind and round; `None` for an untouched base.
    mutant: Option<(Kind, u64)>,
    base: usize,
    fingerprint: u64,
    n_errors: usize,
    /// Whether it has an error that its base has not.
    is_faulty: bool,
}

/// Reads what was recorded.
fn read() -> Result<Vec<Line>> {
    let text = std::fs::read_to_string(path())?;
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| self::line(line).with_context(|| line.to_owned()))
        .collect()
}

fn line(line: &str) -> Result<Line> {
    let words: Vec<&str> = line.split(' ').collect();
    let &[kind, base, round, fingerprint, n_errors, is_faulty] = words.as_slice() else {
        anyhow::bail!("not six columns");
    };
    let kind_of = |kind: &str| Kind::ALL.into_iter().find(|k| k.as_str() == kind).context("an unknown kind");
    let mutant = if kind == "-" { None } else { Some((kind_of(kind)?, round.parse()?)) };
    Ok(Line {
        mutant,
        base: base.parse()?,
        fingerprint: u64::from_str_radix(fingerprint, 16)?,
        n_errors: n_errors.parse()?,
        is_faulty: is_faulty == "1",
    })
}

/// A ratchet, in per mille: what was reached is not given back.
const VERDICT: usize = 970;
const EXACT: usize = 920;
const FOUND: usize = 985;

/// Errors on untouched files that were read and found right; the list may not grow beyond this.
const REVIEWED: usize = 20;

/// The definitions of a group of the built-in set; `None`, with a printed notice, where they are absent.
fn definitions(against: Against) -> Option<Definitions> {
    let cache = PackageCache::at(std::env::home_dir().unwrap_or_default().join(".fhir/packages"));
    let names = ["hl7.fhir.r4.core@4.0.1", "hl7.terminology.r4@7.0.1", "hl7.fhir.uv.extensions.r4@5.3.0-ballot-tc1"];
    let ids: Vec<PackageId> = names.iter().map(|name| name.parse().unwrap()).collect();
    if let Some(absent) = ids.iter().find(|id| !cache.has(id)) {
        println!("skipped: {absent} is not in ~/.fhir/packages");
        return None;
    }
    let mut sources = Vec::new();
    if against == Against::UkCore {
        let Some(data) = crate::shared_data() else {
            println!("skipped: ../shared/data is absent");
            return None;
        };
        sources.push(PackageSource::open(&data.join(inputs::UK_CORE)).unwrap());
    }
    Some(Definitions::load_with(&cache, &ids, &sources).unwrap())
}

/// Our errors in each of some texts, through files, as the command reads them.
fn ours(program: &Program<'_>, texts: &[String]) -> Vec<Vec<Fault>> {
    let folder = tempfile::tempdir().unwrap();
    let path = |n: usize| folder.path().join(format!("{n:05}.json"));
    texts.iter().enumerate().for_each(|(n, text)| std::fs::write(path(n), text).unwrap());
    let mut found = vec![Vec::new(); texts.len()];
    let stop = epr_run::StopFlag::new();
    let paths: Vec<_> = (0..texts.len()).map(path).collect();
    epr_validate::check_files(program, None, &paths, &mut std::io::empty(), &stop, &mut |result| {
        let n: usize = Path::new(&result.file).file_stem().unwrap().to_string_lossy().parse().unwrap();
        let errors = result.issues.into_iter().filter(|i| i.severity >= epr_model::Severity::Error);
        found[n] = errors.map(|i| Fault { code: i.code.to_owned(), at: i.path, text: i.detail }).collect();
        Ok(())
    })
    .unwrap();
    found
}

/// Counts of the replay.
#[derive(Debug, Default)]
struct Replay {
    n: usize,
    n_verdict: usize,
    n_exact: usize,
    n_faulty: usize,
    n_found: usize,
}

#[test]
fn mutants_are_judged_as_the_reference_judged_them() {
    let bases = inputs::bases().unwrap();
    let lines = read().unwrap();
    let mut replay = Replay::default();
    let mut untouched: BTreeSet<String> = BTreeSet::new();
    for against in [Against::Base, Against::UkCore] {
        let Some(definitions) = definitions(against) else { continue };
        let profiles = inputs::groups().unwrap().swap_remove(against.group()).profiles;
        let profiles: BTreeMap<String, String> =
            profiles.into_iter().filter(|(_, url)| definitions.structure(url).is_some()).collect();
        let program = Program::compile(&definitions, &profiles).unwrap();
        let of_group: Vec<usize> = (0..bases.len()).filter(|&n| bases[n].1 == against).collect();
        let texts: Vec<String> = of_group.iter().map(|&n| bases[n].0.tree.write()).collect();
        let before: BTreeMap<usize, Vec<Fault>> = of_group.into_iter().zip(ours(&program, &texts)).collect();
        for (n, faults) in &before {
            untouched.extend(faults.iter().map(|f| format!("{} {} {}", bases[*n].0.name, f.code, f.at)));
        }
        let here: Vec<&Line> = lines.iter().filter(|line| before.contains_key(&line.base)).collect();
        let texts: Vec<String> = here.iter().map(|line| text_of(line, &bases[line.base].0)).collect();
        for (line, faults) in here.into_iter().zip(ours(&program, &texts)) {
            let base = &bases[line.base].0.name;
            assert!(
                line.mutant.is_some() || faults.len() <= line.n_errors,
                "{base}: more errors than the reference has"
            );
            replay.n += 1;
            replay.n_verdict += usize::from(faults.is_empty() == (line.n_errors == 0));
            replay.n_exact += usize::from(faults.len() == line.n_errors);
            if line.is_faulty {
                replay.n_faulty += 1;
                replay.n_found += usize::from(has_new(&faults, &before[&line.base]));
            }
        }
    }
    println!("{replay:?}");
    assert!(replay.n_verdict * 1000 >= VERDICT * replay.n, "{replay:?}");
    assert!(replay.n_exact * 1000 >= EXACT * replay.n, "{replay:?}");
    assert!(replay.n_found * 1000 >= FOUND * replay.n_faulty, "{replay:?}");
    let reviewed = std::fs::read_to_string(crate::root().join("fixtures/oracle/untouched.txt")).unwrap();
    let reviewed: BTreeSet<&str> = reviewed.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(reviewed.len() <= REVIEWED, "{} reviewed errors on untouched files", reviewed.len());
    let is_reviewed = |error: &str| {
        let starred =
            |line: &&str| line.split_once('*').is_some_and(|(a, b)| error.starts_with(a) && error.contains(b));
        reviewed.contains(error) || reviewed.iter().any(starred)
    };
    let new: Vec<&String> = untouched.iter().filter(|error| !is_reviewed(error)).collect();
    assert!(new.is_empty(), "errors on untouched files that nobody reviewed: {new:#?}");
}

/// The text that was judged, made again; what differs is no longer what the record is about.
fn text_of(line: &Line, base: &Base) -> String {
    let text = match line.mutant {
        None => base.tree.write(),
        Some((kind, round)) => mutants::one(base, kind, SEED, line.base, round).unwrap_or_default(),
    };
    assert_eq!(fingerprint(&text), line.fingerprint, "{} has changed: cargo xtask oracle --record", base.name);
    text
}
