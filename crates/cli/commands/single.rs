//! `epr map`, `epr link`, `epr report`: one stage of a run, done again; the later folders are deleted.

use epr_report::When;

use crate::args::{Common, MapArgs, StageArgs};
use crate::commands::run::{finish, read_limit};
use crate::exit::{Exit, Outcome};
use crate::stages::{Open, Session};

pub(crate) fn map(common: &Common, args: &MapArgs) -> Outcome<Exit> {
    let max_refused = args.max_refused.as_deref().map(read_limit).transpose()?;
    let session = Session::open(common, Open::Existing, args.stage.discard_signature)?;
    session.map(max_refused)?;
    Ok(Exit::Done)
}

pub(crate) fn link(common: &Common, args: &StageArgs) -> Outcome<Exit> {
    Session::open(common, Open::Existing, args.discard_signature)?.link()?;
    Ok(Exit::Done)
}

pub(crate) fn report(common: &Common, args: &StageArgs) -> Outcome<Exit> {
    let session = Session::open(common, Open::Existing, args.discard_signature)?;
    session.report(When::BeforeLoad)?;
    finish(&session, common)
}
