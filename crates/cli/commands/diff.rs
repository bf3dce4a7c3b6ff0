//! `epr diff`: two versions of the mappings, or two runs.
//!
//! What is typed decides: two run folders are compared as runs; else each side is a mappings folder, a pack's folder, or
//! a pack of the project's mappings (`rk9/ipm`).

mod runs;

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use epr_mapping::diagnostics::{Colour, Sources};
use epr_mapping::difference::{Difference, Version, difference};
use epr_mapping::load_pack;
use epr_run::RunFolder;
use serde_json::json;

use crate::args::{Common, DiffArgs, Format};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{note, say, say_json};
use crate::summary::counted;
use crate::workspace;

pub(crate) fn run(common: &Common, args: &DiffArgs) -> Outcome<Exit> {
    let are_runs = [&args.before, &args.after].map(|side| RunFolder::exists(Path::new(side)));
    let is_same = match are_runs {
        [true, true] => runs::compare(common, args)?,
        [false, false] => mappings(common, args)?,
        _ => {
            let error = anyhow!("one of {} and {} is a run folder and the other is not", args.before, args.after);
            return Err(Failure::usage(error).next("name two run folders, or two versions of the mappings"));
        }
    };
    Ok(if is_same { Exit::Done } else { Exit::Issues })
}

/// One side: its mappings folder, and the pack where one is named.
struct Side {
    root: PathBuf,
    pack: Option<String>,
    sources: Sources,
}

impl Side {
    fn read(common: &Common, named: &str) -> Outcome<Self> {
        let (root, pack) = find(common, named)?;
        // Messages show the path from the working folder, so that both sides can be told apart.
        let shown = format!("{}/", root.display());
        let sources = load_pack(&root, pack.as_deref().unwrap_or(""), &shown).map_err(Failure::usage)?;
        Ok(Self { root, pack, sources })
    }

    fn version(&self) -> Version<'_> {
        Version { sources: &self.sources, pack: self.pack.as_deref() }
    }
}

/// The mappings folder and the pack that a text names.
fn find(common: &Common, named: &str) -> Outcome<(PathBuf, Option<String>)> {
    let folder = Path::new(named);
    if folder.is_dir() {
        if !holds_maps(folder) {
            return Ok((folder.to_owned(), None));
        }
        let folder = folder.canonicalize().map_err(Failure::environment)?;
        let parts: Vec<&str> = folder.iter().filter_map(|p| p.to_str()).collect();
        let (Some(root), [.., ods, system]) = (folder.parent().and_then(Path::parent), parts.as_slice()) else {
            return Err(Failure::usage(anyhow!("{named} is no folder <ods>/<system> of a mappings folder")));
        };
        return Ok((root.to_owned(), Some(format!("{ods}/{system}"))));
    }
    if !common.project.is_file() {
        let error = anyhow!("there is no folder {named}, and no project file {}", common.project.display());
        return Err(Failure::usage(error).next("name two folders; or give --project FILE, and packs such as rk9/ipm"));
    }
    let root = workspace::project(common)?.mappings();
    if root.join(named).is_dir() {
        return Ok((root, Some(named.to_owned())));
    }
    let error = anyhow!("there is neither a folder {named} nor a pack {named} in {}", root.display());
    Err(Failure::usage(error).next("a pack is named by its folder: rk9/ipm"))
}

/// Whether maps stand in the folder itself, so that it is a pack.
fn holds_maps(folder: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    entries.flatten().any(|e| e.path().extension().is_some_and(|e| e == "yaml"))
}

/// Says what differs; `true` where nothing does.
fn mappings(common: &Common, args: &DiffArgs) -> Outcome<bool> {
    let (before, after) = (Side::read(common, &args.before)?, Side::read(common, &args.after)?);
    if before.pack.is_some() != after.pack.is_some() {
        let error = anyhow!("one side is a pack and the other a whole mappings folder");
        return Err(Failure::usage(error).next("name two packs, or two mappings folders"));
    }
    let found = difference(before.version(), after.version()).map_err(|errors| {
        for side in [&before, &after] {
            for error in errors.iter().filter(|e| side.sources.find_shown(&e.file).is_some()) {
                note(error.render(&side.sources, Colour::Never));
            }
            if before.root == after.root {
                break;
            }
        }
        Failure::usage(anyhow!("the mappings cannot be read: {}", counted(errors.len() as u64, "error")))
            .next("correct them; epr check shows more of them")
    })?;
    if common.format == Format::Json {
        say_json(&document(&found, args))?;
    } else if found.is_empty() {
        say(format!("no difference in {}", counted(found.n_maps as u64, "map")))?;
    } else {
        text(&found, args)?;
    }
    Ok(found.is_empty())
}

fn document(found: &Difference, args: &DiffArgs) -> serde_json::Value {
    let maps: Vec<_> = found.maps.iter().map(|m| json!({ "map": m.map, "changed_leaves": m.leaves.len() })).collect();
    let mut document = json!({
        "before": args.before,
        "after": args.after,
        "maps_compared": found.n_maps,
        "changed_leaves": found.n_leaves(),
        "changed_code_map_rows": found.n_rows(),
        "maps": maps,
        "code_maps": found.code_maps,
    });
    if !args.stat {
        document["maps"] = json!(found.maps);
    }
    document
}

fn text(found: &Difference, args: &DiffArgs) -> Outcome<()> {
    if args.stat {
        let width = found.maps.iter().map(|m| m.map.len()).max().unwrap_or_default().max("total".len());
        for map in &found.maps {
            let n = |kind: &str| map.leaves.iter().filter(|l| l.kind() == kind).count();
            say(format!(
                "{:width$}  {:>5}  ({} changed, {} added, {} removed)",
                map.map,
                map.leaves.len(),
                n("changed"),
                n("added"),
                n("removed")
            ))?;
        }
        say(format!("{:width$}  {:>5}  changed leaves in {}", "total", found.n_leaves(), of_maps(found)))?;
    } else {
        for map in &found.maps {
            say(&map.map)?;
            for leaf in &map.leaves {
                say(format!("  {}", leaf.path))?;
                for (sign, text) in [('-', &leaf.before), ('+', &leaf.after)] {
                    if let Some(text) = text {
                        say(format!("    {sign} {text}"))?;
                    }
                }
            }
        }
        say(format!(
            "{} in {}",
            counted(found.n_leaves() as u64, "changed leaf").replace("leafs", "leaves"),
            of_maps(found)
        ))?;
    }
    for map in &found.code_maps {
        say(format!(
            "code-map rows, apart: {} against {}: {} changed, {} added, {} removed",
            map.after, map.before, map.changed, map.added, map.removed
        ))?;
    }
    Ok(())
}

fn of_maps(found: &Difference) -> String {
    format!("{} of {}", found.maps.len(), counted(found.n_maps as u64, "map"))
}
