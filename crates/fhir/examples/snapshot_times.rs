//! `snapshot_times PACKAGE_CACHE PACKAGE`: how long it takes from a package of differentials to snapshots, R4 being loaded.
//!
//! One line: how many snapshots were made, how many could not be, and the median of 21 times in microseconds. Each time
//! reads every definition of the package, and what R4 has below them, anew. `cargo xtask bench start` runs it.

#![allow(clippy::print_stdout)]

use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use epr_fhir::Definitions;
use epr_fhir::package::{PackageCache, PackageSource};

const TIMES: usize = 21;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let usage = "snapshot_times PACKAGE_CACHE PACKAGE";
    let cache = PackageCache::at(arguments.next().ok_or(usage)?);
    let source = PackageSource::open(&arguments.next().ok_or(usage)?)?;
    let base = Definitions::load(&cache, &["hl7.fhir.r4.core@4.0.1".parse()?])?;
    let mut times = Vec::with_capacity(TIMES);
    let mut made = base.clone();
    for _ in 0..TIMES {
        let begun = Instant::now();
        made = base.with(std::slice::from_ref(&source))?;
        times.push(begun.elapsed());
    }
    times.sort();
    let median: Duration = times[TIMES / 2];
    let in_base = base.structures().filter(|structure| !structure.elements.is_empty()).count();
    let in_both = made.structures().filter(|structure| !structure.elements.is_empty()).count();
    println!("{}\t{}\t{}", in_both - in_base, made.snapshot_faults().len(), median.as_micros());
    Ok(())
}
