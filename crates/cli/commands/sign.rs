//! `epr sign`: a named person accepts or refuses the load of a run.

use anyhow::{Context, anyhow};
use epr_report::{Role, SignError, waivers};
use epr_run::RunFolder;

use crate::args::{Common, Decision, SignArgs};
use crate::clock;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::say;

pub(crate) fn run(common: &Common, args: &SignArgs) -> Outcome<Exit> {
    let Some(root) = &common.run_dir else {
        return Err(Failure::usage(anyhow!("which run? --run-dir DIR names it")).state("nothing was signed"));
    };
    let role: Role = args.role.parse().map_err(Failure::usage)?;
    let decision = match args.decision {
        Decision::Accept => epr_report::Decision::Accept,
        Decision::Refuse => epr_report::Decision::Refuse,
    };
    let waivers = match &args.waivers {
        None => Vec::new(),
        Some(path) => {
            let file = std::fs::File::open(path)
                .with_context(|| format!("could not open {}", path.display()))
                .map_err(Failure::usage)?;
            waivers::read(path, file).map_err(Failure::usage)?
        }
    };
    let run = RunFolder::open(root)?;
    let at = clock::now();
    let signature = epr_report::sign(&run, &args.by, role, decision, waivers, &at).map_err(|error| match error {
        SignError::Run(error) => Failure::from(error),
        other => {
            Failure { exit: Exit::Usage, error: other.into(), state: Some("nothing was signed".to_owned()), next: None }
        }
    })?;
    let word = match args.decision {
        Decision::Accept => "accepted",
        Decision::Refuse => "refused",
    };
    say(format!("{word} by {} ({})", signature.by, args.role))?;
    Ok(Exit::Done)
}
