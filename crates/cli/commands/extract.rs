//! `epr extract`: sources to staged tables; `--schema` writes the schema files beside the source specs.

use crate::args::{Common, ExtractArgs};
use crate::exit::{Exit, Outcome, of_stage};
use crate::output::say;
use crate::stages::{Open, Session};
use crate::workspace;

pub(crate) fn run(common: &Common, args: &ExtractArgs) -> Outcome<Exit> {
    if args.schema {
        return schema(common);
    }
    let session = Session::open(common, Open::OrCreate, args.stage.discard_signature)?;
    session.extract()?;
    say(session.run.root().display().to_string())?;
    Ok(Exit::Done)
}

fn schema(common: &Common) -> Outcome<Exit> {
    let project = workspace::project(common)?;
    for source in workspace::sources(&project)? {
        let failed = |error: epr_extract::ExtractError| {
            let otherwise = if error.is_environment() { Exit::Environment } else { Exit::Usage };
            of_stage(error, otherwise)
        };
        let schema = epr_extract::schema(&source).map_err(failed)?;
        let path = workspace::schema_path(&source);
        epr_extract::write_schema(&path, &schema).map_err(failed)?;
        say(path.display().to_string())?;
    }
    Ok(Exit::Done)
}
