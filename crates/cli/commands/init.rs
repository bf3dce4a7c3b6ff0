//! `epr init`: writes a project that runs, and overwrites nothing.

use std::path::Path;

use anyhow::{Context, anyhow};

use crate::args::InitArgs;
use crate::clock;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::say;

/// Where each file goes.
const FILES: [(&str, &str); 5] = [
    ("epr.toml", include_str!("../init/epr.toml")),
    ("sources/example/people.yaml", include_str!("../init/people.yaml")),
    ("mappings/example/people/patient.yaml", include_str!("../init/patient.yaml")),
    ("mappings/example/people/codes/sex.csv", include_str!("../init/sex.csv")),
    ("data/people.csv", include_str!("../init/people.csv")),
];

pub(crate) fn run(args: &InitArgs) -> Outcome<Exit> {
    let folder = &args.folder;
    if let Some((name, _)) = FILES.iter().find(|(name, _)| folder.join(name).exists()) {
        let error = anyhow!("{} is there already", folder.join(name).display());
        return Err(Failure::usage(error).state("nothing was written").next("name another folder: epr init FOLDER"));
    }
    let namespace = clock::fresh_uuid().context("could not make a namespace").map_err(Failure::environment)?;
    for (name, text) in FILES {
        write(&folder.join(name), &text.replace("{namespace}", &namespace)).map_err(Failure::environment)?;
    }
    for (name, _) in FILES {
        let path = if folder == Path::new(".") { name.into() } else { folder.join(name) };
        say(format!("wrote {}", path.display()))?;
    }
    let go = if folder == Path::new(".") { String::new() } else { format!("cd {} && ", folder.display()) };
    say(format!("\nnext    {go}epr check && epr test && epr run"))?;
    Ok(Exit::Done)
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let folder = path.parent().expect("every file of the project lies in a folder");
    std::fs::create_dir_all(folder).with_context(|| format!("could not create {}", folder.display()))?;
    std::fs::write(path, text).with_context(|| format!("could not write {}", path.display()))
}
