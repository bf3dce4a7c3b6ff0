//! `epr test`: the tests inside the mapping files.

use anyhow::anyhow;
use epr_mapping::stage::read_as_of;
use epr_mapping::testing::run_pack;

use crate::args::{Common, TestArgs};
use crate::exit::{Exit, Failure, Outcome};
use crate::workspace::Workspace;

pub(crate) fn run(common: &Common, args: &TestArgs) -> Outcome<Exit> {
    let workspace = Workspace::read_whole(common)?;
    // Tests have a "now" only where the project gives one: the same in every run of them.
    let as_of = workspace.project.file.project.as_of.as_deref().map(read_as_of).transpose().map_err(Failure::usage)?;
    let (mut n_passed, mut n_failed) = (0, 0);
    for plan in workspace.plans() {
        for result in run_pack(&plan, workspace.namespace, as_of) {
            if args.filter.as_ref().is_some_and(|filter| !result.map.contains(filter.as_str())) {
                continue;
            }
            if result.passed() {
                n_passed += 1;
                continue;
            }
            n_failed += 1;
            println!("FAILED {}: {}\n  mappings/{}:{}", result.map, result.name, result.file, result.line);
            for failure in &result.failures {
                println!("  line {}: {}", failure.line, failure.message);
            }
        }
    }
    println!("{n_passed} passed, {n_failed} failed");
    if n_passed + n_failed == 0 {
        return Err(Failure::usage(anyhow!("the mappings have no tests (or none that the filter takes)")));
    }
    Ok(if n_failed > 0 { Exit::Issues } else { Exit::Done })
}
