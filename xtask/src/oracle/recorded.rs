//! The reference's judgement as numbers: what each base and each mutant came to, to be replayed where Java is absent.
//!
//! `fixtures/oracle/judged.txt`, written by `cargo xtask oracle --record`; its head says what the columns are. Files with
//! something that the reference cannot judge offline are not in it.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::Result;

use super::agreement::{Seen, has_new};
use super::{Judged, Set};

/// What was recorded: the seed, and mutants of each kind.
pub(crate) const SEED: u64 = 5;
pub(crate) const QUOTA: usize = 300;

/// Where it lies.
pub(crate) fn path() -> PathBuf {
    crate::root().join("fixtures/oracle/judged.txt")
}

/// Writes what the reference said of the built-in set.
pub(crate) fn write(set: &Set, theirs: &[Judged], seed: u64) -> Result<()> {
    let mut text = format!(
        "# Written by `cargo xtask oracle --record --seed {seed}`; reference validator 6.10.4, offline.\n\
         # kind (- an untouched base), base, round, fingerprint, errors, whether one of them is new (1) or not (0)\n"
    );
    let none = Judged::default();
    let seen: Vec<Seen> = theirs.iter().map(|their| Seen::of(&none, their)).collect();
    for (n, input) in set.files.iter().enumerate() {
        let base = input.mutant_of.map_or(n, |(_, base)| base);
        if seen[n].is_blind || seen[base].is_blind || theirs[n].failed.is_some() {
            continue;
        }
        let kind = input.mutant_of.map_or("-", |(kind, _)| kind.as_str());
        let is_faulty = input.mutant_of.is_some() && has_new(&seen[n].theirs, &seen[base].theirs);
        let (round, fingerprint, n_errors) = (input.round, input.fingerprint, seen[n].theirs.len());
        writeln!(text, "{kind} {base} {round} {fingerprint:016x} {n_errors} {}", u8::from(is_faulty))?;
    }
    std::fs::write(path(), text)?;
    println!("recorded: {}", path().display());
    Ok(())
}
