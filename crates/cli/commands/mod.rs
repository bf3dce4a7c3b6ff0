//! One file a command.

pub(crate) mod check;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod explain;
pub(crate) mod extract;
pub(crate) mod init;
pub(crate) mod load;
pub(crate) mod packages;
pub(crate) mod run;
pub(crate) mod sign;
pub(crate) mod single;
pub(crate) mod test;
pub(crate) mod validate;

use crate::args::{Cli, Command};
use crate::exit::{Exit, Outcome};
use crate::output::{offer, say};

/// Does what was typed.
pub(crate) fn run(cli: Cli) -> Outcome<Exit> {
    let common = cli.common;
    let Some(command) = cli.command else {
        welcome()?;
        return Ok(Exit::Usage);
    };
    offer::check(&command, common.format)?;
    match command {
        Command::Run(args) => run::run(&common, &args),
        Command::Extract(args) => extract::run(&common, &args),
        Command::Check(args) => check::run(&common, &args),
        Command::Test(args) => test::run(&common, &args),
        Command::Map(args) => single::map(&common, &args),
        Command::Link(args) => single::link(&common, &args),
        Command::Validate(args) => validate::run(&common, &args),
        Command::Report(args) => single::report(&common, &args),
        Command::Sign(args) => sign::run(&common, &args),
        Command::Load(args) => load::run(&common, &args),
        Command::Explain(args) => explain::run(&common, &args),
        Command::Diff(args) => diff::run(&common, &args),
        Command::Packages(args) => packages::run(&common, &args),
        Command::Doctor => doctor::run(&common),
        Command::Init(args) => init::run(&args),
    }
}

/// `epr` alone explains itself.
fn welcome() -> Outcome<()> {
    say("epr moves what legacy systems hold into one electronic patient record, and proves that nothing was lost.\n")?;
    if std::path::Path::new("epr.toml").is_file() {
        say("This folder has a project. What people type most:")?;
        say("  epr check            prove the project and its mappings before any data moves")?;
        say("  epr run              the whole way, from the sources to the report and the delivered files")?;
        say("  epr explain CODE     what an issue means")?;
    } else {
        say("There is no epr.toml here. To begin:")?;
        say("  epr init             write a project that runs")?;
        say("  epr doctor           what this machine has and lacks")?;
        say("  epr validate FILE    judge FHIR files; no project needed")?;
    }
    say("\nepr --help lists every command.")
}
