//! Two runs: rows by map and outcome, resources by type and outcome, and which resources came, went or changed.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use epr_model::{ResourceId, Stage};
use epr_run::ledger::MapLedger;
use epr_run::records::{self, KeyRecord};
use epr_run::{FinishedStage, RunError, RunFolder};
use serde::Serialize;
use serde_json::json;

use crate::args::{Common, DiffArgs, Format};
use crate::exit::Outcome;
use crate::output::{say, say_json};

/// So many resources are held in memory at a time; more are compared in several passes.
const RESOURCES_A_PASS: u64 = 4_000_000;
/// So many ids of a type are listed as text; `--format json` lists all.
const MOST_LISTED: usize = 20;

/// Counts of one map or type by outcome, in one order on both sides.
type Cells = Vec<(&'static str, u64)>;

/// One count that is another in the two runs.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct CountChange {
    /// A map of a table, or a resource type.
    of: String,
    outcome: &'static str,
    before: u64,
    after: u64,
}

/// The resources of one type.
#[derive(Debug, Default, Serialize)]
struct TypeChange {
    #[serde(serialize_with = "as_texts")]
    added: Vec<ResourceId>,
    #[serde(serialize_with = "as_texts")]
    removed: Vec<ResourceId>,
    #[serde(serialize_with = "as_texts")]
    changed: Vec<ResourceId>,
    unchanged: u64,
}

fn as_texts<S: serde::Serializer>(ids: &[ResourceId], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(ids.iter().map(ToString::to_string))
}

/// The stages of one run that are compared.
struct Compared {
    map: FinishedStage,
    validate: Option<FinishedStage>,
}

impl Compared {
    fn open(root: &str) -> Outcome<Self> {
        let run = RunFolder::open(Path::new(root))?;
        let missing = || RunError::StageMissing { path: run.root().to_owned(), stage: Stage::Map.as_str() };
        let map = run.finished(Stage::Map)?.ok_or_else(missing)?;
        Ok(Self { map, validate: run.finished(Stage::Validate)? })
    }
}

/// Says what differs; `true` where nothing does.
pub(super) fn compare(common: &Common, args: &DiffArgs) -> Outcome<bool> {
    let (before, after) = (Compared::open(&args.before)?, Compared::open(&args.after)?);
    let rows = row_counts(&before, &after);
    let resources = resource_counts(&before, &after);
    let types = ids(&before.map, &after.map)?;
    let is_changed = |t: &TypeChange| t.added.len() + t.removed.len() + t.changed.len() > 0;
    let is_same = rows.is_empty() && resources.is_empty() && !types.values().any(is_changed);
    if common.format == Format::Json {
        let of_type = |t: &TypeChange| {
            if args.stat {
                json!({ "added": t.added.len(), "removed": t.removed.len(), "changed": t.changed.len(), "unchanged": t.unchanged })
            } else {
                json!(t)
            }
        };
        let types: BTreeMap<&String, _> = types.iter().map(|(kind, t)| (kind, of_type(t))).collect();
        say_json(&json!({
            "before": args.before, "after": args.after, "rows": rows, "resources": resources, "types": types,
        }))?;
        return Ok(is_same);
    }
    if is_same {
        say("no difference: the same rows, outcomes and resources")?;
        return Ok(true);
    }
    for (title, counts) in [("rows", &rows), ("resources after validation", &resources)] {
        if !counts.is_empty() {
            say(format!("{title}:"))?;
        }
        for count in counts {
            say(format!("  {} {}: {} -> {}", count.of, count.outcome, count.before, count.after))?;
        }
    }
    say("resources as mapped:")?;
    for (kind, t) in &types {
        say(format!(
            "  {kind}: {} added, {} removed, {} changed, {} unchanged",
            t.added.len(),
            t.removed.len(),
            t.changed.len(),
            t.unchanged
        ))?;
        if args.stat {
            continue;
        }
        for (sign, ids) in [('+', &t.added), ('-', &t.removed), ('~', &t.changed)] {
            for id in ids.iter().take(MOST_LISTED) {
                say(format!("    {sign} {kind}/{id}"))?;
            }
            if ids.len() > MOST_LISTED {
                say(format!("    {sign} … and {} more (--format json lists all)", ids.len() - MOST_LISTED))?;
            }
        }
    }
    Ok(false)
}

/// Rows by map and outcome, where the counts differ.
fn row_counts(before: &Compared, after: &Compared) -> Vec<CountChange> {
    let of = |side: &Compared| -> BTreeMap<String, Cells> {
        let cells = |l: &MapLedger| {
            let outcomes = l.outcomes().map(|(outcome, n)| (outcome.as_str(), n));
            [("in scope", l.in_scope)].into_iter().chain(outcomes).collect()
        };
        let name = |l: &MapLedger| format!("{} ({}/{}/{})", l.map, l.organisation, l.system, l.table);
        side.map.manifest().ledgers.maps.iter().map(|l| (name(l), cells(l))).collect()
    };
    differing(&of(before), &of(after))
}

/// Resources by type and outcome, where the counts differ; nothing where a run was not validated.
fn resource_counts(before: &Compared, after: &Compared) -> Vec<CountChange> {
    let of = |side: &Compared| -> Option<BTreeMap<String, Cells>> {
        let ledgers = &side.validate.as_ref()?.manifest().ledgers.resources;
        let cells = |l: &epr_run::ledger::ResourceLedger| {
            vec![("delivered", l.delivered), ("merged", l.merged), ("held", l.held)]
        };
        Some(ledgers.iter().map(|(kind, l)| (kind.clone(), cells(l))).collect())
    };
    match (of(before), of(after)) {
        (Some(before), Some(after)) => differing(&before, &after),
        _ => Vec::new(),
    }
}

fn differing(before: &BTreeMap<String, Cells>, after: &BTreeMap<String, Cells>) -> Vec<CountChange> {
    let mut found = Vec::new();
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        let (a, b) = (before.get(name), after.get(name));
        let Some(outcomes) = a.or(b) else { continue };
        for (i, (outcome, _)) in outcomes.iter().enumerate() {
            let count = |side: Option<&Cells>| side.map_or(0, |cells| cells[i].1);
            if count(a) != count(b) {
                found.push(CountChange { of: name.clone(), outcome, before: count(a), after: count(b) });
            }
        }
    }
    found
}

/// Which resources came, went or changed, by the hash of their bytes.
fn ids(before: &FinishedStage, after: &FinishedStage) -> Outcome<BTreeMap<String, TypeChange>> {
    let total: u64 = before.manifest().resources.values().sum();
    let n_passes = u8::try_from(total / RESOURCES_A_PASS + 1).unwrap_or(u8::MAX);
    let mut found: BTreeMap<String, TypeChange> = BTreeMap::new();
    for pass in 0..n_passes {
        let is_of_pass = |key: &KeyRecord| key.id.as_bytes()[15] % n_passes == pass;
        let mut known: HashMap<(String, ResourceId), [u8; 32]> = HashMap::new();
        for key in records::read::<KeyRecord>(before)? {
            let key = key?;
            if is_of_pass(&key) {
                known.insert((key.resource_type, key.id), key.content_hash);
            }
        }
        for key in records::read::<KeyRecord>(after)? {
            let key = key?;
            if !is_of_pass(&key) {
                continue;
            }
            let hash = known.remove(&(key.resource_type.clone(), key.id));
            let of_type = found.entry(key.resource_type).or_default();
            match hash {
                None => of_type.added.push(key.id),
                Some(hash) if hash == key.content_hash => of_type.unchanged += 1,
                Some(_) => of_type.changed.push(key.id),
            }
        }
        for (kind, id) in known.into_keys() {
            found.entry(kind).or_default().removed.push(id);
        }
    }
    for of_type in found.values_mut() {
        for ids in [&mut of_type.added, &mut of_type.removed, &mut of_type.changed] {
            ids.sort_unstable();
        }
    }
    Ok(found)
}
