//! Which command offers which format. A format that a command does not offer is a mistake, never a silent `text`.

use anyhow::anyhow;

use crate::args::{Command, Format, PackagesCommand};
use crate::exit::{Failure, Outcome};

/// The formats of a command, `text` first.
fn offered(command: &Command) -> (&'static str, &'static [Format]) {
    use Format::{Csv, Json, Junit, Ndjson, Sarif, Text};
    match command {
        Command::Check(_) => ("check", &[Text, Json, Ndjson, Csv, Sarif, Junit]),
        Command::Test(_) => ("test", &[Text, Json, Junit]),
        Command::Validate(args) if args.paths.is_empty() => ("validate (of a run)", &[Text]),
        Command::Validate(_) => ("validate", &[Text, Json, Ndjson, Csv, Sarif, Junit]),
        Command::Run(_) => ("run", &[Text, Json]),
        Command::Report(_) => ("report", &[Text, Json]),
        Command::Load(args) if args.dry_run => ("load --dry-run", &[Text]),
        Command::Load(_) => ("load", &[Text, Json]),
        Command::Packages(args) => match args.command {
            PackagesCommand::List => ("packages list", &[Text, Json]),
            PackagesCommand::Install { .. } => ("packages install", &[Text]),
        },
        Command::Doctor => ("doctor", &[Text, Json]),
        Command::Explain(_) => ("explain", &[Text, Json]),
        Command::Diff(_) => ("diff", &[Text, Json]),
        Command::Extract(_) => ("extract", &[Text]),
        Command::Map(_) => ("map", &[Text]),
        Command::Link(_) => ("link", &[Text]),
        Command::Sign(_) => ("sign", &[Text]),
        Command::Init(_) => ("init", &[Text]),
    }
}

/// Refuses a format that the command does not offer, before anything is done.
pub(crate) fn check(command: &Command, format: Format) -> Outcome<()> {
    let (name, formats) = offered(command);
    if formats.contains(&format) {
        return Ok(());
    }
    let names: Vec<&str> = formats.iter().map(|f| f.as_str()).collect();
    Err(Failure::usage(anyhow!("epr {name} has no format {}", format.as_str()))
        .state("nothing was done")
        .next(format!("--format {}", names.join("|"))))
}
