//! Verdicts of earlier calls: where they are kept, for which build, and what is told of them.

use std::collections::BTreeMap;

use epr_fhir::Definitions;
use epr_report::numbers::grouped;
use epr_run::Sha256Hex;
use epr_validate::Verdicts;

use crate::exit::{Failure, Outcome};
use crate::output::note;
use crate::workspace::package_cache;

/// A run of fewer resources is judged before a book of verdicts is read.
pub(crate) const PAYS_FROM: u64 = 10_000;

/// The book of this build of the program, these definitions and these profiles, in the cache of packages.
pub(crate) fn open(definitions: &Definitions, profiles: &BTreeMap<String, String>) -> Outcome<Verdicts> {
    let folder = package_cache()?.own_folder().join("verdicts");
    // The program's own code is what judges.
    let own = std::env::current_exe().map_err(Failure::environment)?;
    let (code, _) = Sha256Hex::of_file(&own).map_err(|error| {
        let error = anyhow::Error::new(error).context("the program could not read its own file");
        Failure::environment(error).next("--reuse never does without verdicts of earlier calls")
    })?;
    let verdicts = Verdicts::open(&folder, code.as_str(), definitions, profiles);
    if verdicts.was_damaged() {
        note("the verdicts of earlier calls are damaged; they are worked out again");
    }
    Ok(verdicts)
}

/// Says how many verdicts were used again, and whether those worked out could be kept.
pub(crate) fn tell(verdicts: &Verdicts) {
    let (n_asked, n_reused) = verdicts.counts();
    note(format!("{} of {} verdicts used again", grouped(n_reused), grouped(n_asked)));
    if let Some(kind) = verdicts.not_kept() {
        note(format!("the verdicts could not be kept for another time: {kind}"));
    }
}
