//! The three ledgers, counted again from the evidence, and the picture of what became of the patients.
//!
//! A ledger's own sum is proved by the stage that wrote it. Here it is held against what was really written: rows
//! against `rows.parquet`, tables against extract's manifest, resources against map's manifest.

use std::collections::BTreeMap;

use epr_model::{Domain, RowOutcome};
use epr_run::ledger::{MapLedger, ResourceLedger};

use crate::evidence::Evidence;
use crate::figures::{MapLine, NamedCount, PatientFlow, Reconciliation, ResourceLine, TableLine, Target, TargetLine};
use crate::numbers::Count;

pub(crate) fn reconcile(evidence: &Evidence) -> Reconciliation {
    let maps = map_lines(evidence);
    let tables = table_lines(evidence);
    let resources = resource_lines(evidence);
    let residuals: Vec<u64> = maps
        .iter()
        .map(|l| l.residual)
        .chain(tables.iter().map(|l| l.residual))
        .chain(resources.iter().map(|l| l.residual))
        .collect();
    let n_broken = residuals.iter().filter(|r| **r != 0).count() as u64;
    let staged: u64 = tables.iter().map(|t| t.rows).sum();
    let rows_residual = maps.iter().map(|l| l.residual).sum::<u64>() + tables.iter().map(|l| l.residual).sum::<u64>();
    Reconciliation {
        domains: domain_lines(evidence, &maps),
        patients: patient_flow(evidence),
        maps_total: total(&maps),
        tables_total: tables_total(&tables),
        resources_total: resources_total(&resources),
        unbalanced: Count::new(n_broken, residuals.len() as u64, "ledger lines"),
        unaccounted: Count::new(rows_residual, staged.max(rows_residual), "rows"),
        maps,
        tables,
        resources,
    }
}

/// By domain, then map, as a report shows domains.
fn map_lines(evidence: &Evidence) -> Vec<MapLine> {
    let mut ledgers: Vec<&MapLedger> = evidence.maps.iter().collect();
    ledgers.sort_by(|a, b| (a.domain, &a.map).cmp(&(b.domain, &b.map)));
    ledgers
        .into_iter()
        .map(|l| {
            let counted = evidence.rows.get(&l.map);
            let found = |o: RowOutcome| counted.and_then(|c| c.get(&o)).copied().unwrap_or_default();
            let told = l.outcomes();
            let sum: u64 = told.iter().map(|(_, n)| n).sum();
            // What ledger and rows disagree on is as little accounted for as what has no outcome at all.
            let disagree: u64 = told.iter().map(|(o, n)| n.abs_diff(found(*o))).sum();
            MapLine {
                domain: l.domain.title().to_owned(),
                map: l.map.clone(),
                table: format!("{}/{} {}", l.organisation, l.system, l.table),
                in_scope: l.in_scope,
                mapped: l.mapped,
                refused: l.refused,
                excluded: l.excluded,
                superseded: l.superseded,
                repeated: l.repeated,
                empty: l.empty,
                residual: l.in_scope.abs_diff(sum).max(disagree),
                of: l.in_scope,
            }
        })
        .collect()
}

/// Ledger 1 by domain, then organisation. `lines` are those of [`map_lines`], whose residuals are carried over.
fn domain_lines(evidence: &Evidence, lines: &[MapLine]) -> Vec<MapLine> {
    let mut sums: BTreeMap<(Domain, &str), MapLine> = BTreeMap::new();
    for ledger in &evidence.maps {
        // A map of a base may be compiled for several organisations, so its table is part of what it goes by.
        let table = format!("{}/{} {}", ledger.organisation, ledger.system, ledger.table);
        let Some(line) = lines.iter().find(|l| l.map == ledger.map && l.table == table) else { continue };
        let sum = sums.entry((ledger.domain, &ledger.organisation)).or_insert_with(|| MapLine {
            domain: line.domain.clone(),
            table: ledger.organisation.clone(),
            ..MapLine::default()
        });
        let MapLine { in_scope, mapped, refused, excluded, superseded, repeated, empty, residual, of, .. } = line;
        for (total, n) in [
            (&mut sum.in_scope, in_scope),
            (&mut sum.mapped, mapped),
            (&mut sum.refused, refused),
            (&mut sum.excluded, excluded),
            (&mut sum.superseded, superseded),
            (&mut sum.repeated, repeated),
            (&mut sum.empty, empty),
            (&mut sum.residual, residual),
            (&mut sum.of, of),
        ] {
            *total += n;
        }
    }
    sums.into_values().collect()
}

fn total(lines: &[MapLine]) -> MapLine {
    let sum = |part: fn(&MapLine) -> u64| lines.iter().map(part).sum();
    MapLine {
        domain: "All maps".to_owned(),
        map: String::new(),
        table: String::new(),
        in_scope: sum(|l| l.in_scope),
        mapped: sum(|l| l.mapped),
        refused: sum(|l| l.refused),
        excluded: sum(|l| l.excluded),
        superseded: sum(|l| l.superseded),
        repeated: sum(|l| l.repeated),
        empty: sum(|l| l.empty),
        residual: sum(|l| l.residual),
        of: sum(|l| l.in_scope),
    }
}

/// One line a staged table; a table that the ledger does not name is wholly unaccounted for.
fn table_lines(evidence: &Evidence) -> Vec<TableLine> {
    let mut lines: BTreeMap<(String, String, String), TableLine> = BTreeMap::new();
    for t in &evidence.staged {
        let line = lines.entry((t.organisation.clone(), t.system.clone(), t.schema.name.clone())).or_default();
        line.rows += t.n_rows;
    }
    for l in &evidence.tables {
        let line = lines.entry((l.organisation.clone(), l.system.clone(), l.table.clone())).or_default();
        line.in_scope += l.in_scope;
        line.lookup_only += l.lookup_only;
        line.not_used += l.not_used;
        line.reason.clone_from(&l.reason);
    }
    lines
        .into_iter()
        .map(|((organisation, system, table), line)| TableLine {
            source: format!("{organisation}/{system}"),
            table,
            residual: line.rows.abs_diff(line.in_scope + line.lookup_only + line.not_used),
            of: line.rows,
            ..line
        })
        .collect()
}

fn tables_total(lines: &[TableLine]) -> TableLine {
    let sum = |part: fn(&TableLine) -> u64| lines.iter().map(part).sum();
    TableLine {
        source: "All tables".to_owned(),
        table: String::new(),
        rows: sum(|l| l.rows),
        in_scope: sum(|l| l.in_scope),
        lookup_only: sum(|l| l.lookup_only),
        not_used: sum(|l| l.not_used),
        reason: None,
        residual: sum(|l| l.residual),
        of: sum(|l| l.rows),
    }
}

fn resource_lines(evidence: &Evidence) -> Vec<ResourceLine> {
    let mut ledgers: BTreeMap<&str, ResourceLedger> =
        evidence.resources.iter().map(|(k, v)| (k.as_str(), v.clone())).collect();
    for kind in evidence.resources_made.keys() {
        ledgers.entry(kind).or_default();
    }
    ledgers
        .into_iter()
        .map(|(kind, l)| {
            let mapped = evidence.resources_made.get(kind).copied().unwrap_or(l.mapped);
            ResourceLine {
                resource_type: kind.to_owned(),
                mapped,
                delivered: l.delivered,
                merged: l.merged,
                held: l.held,
                residual: mapped.abs_diff(l.delivered + l.merged + l.held),
                of: mapped,
            }
        })
        .collect()
}

fn resources_total(lines: &[ResourceLine]) -> ResourceLine {
    let sum = |part: fn(&ResourceLine) -> u64| lines.iter().map(part).sum();
    ResourceLine {
        resource_type: "All types".to_owned(),
        mapped: sum(|l| l.mapped),
        delivered: sum(|l| l.delivered),
        merged: sum(|l| l.merged),
        held: sum(|l| l.held),
        residual: sum(|l| l.residual),
        of: sum(|l| l.mapped),
    }
}

/// What each target said of what it was given.
pub(crate) fn targets(evidence: &Evidence) -> Vec<Target> {
    let target = |(name, ledgers): (&String, &BTreeMap<String, ResourceLedger>)| Target {
        name: name.clone(),
        lines: ledgers.iter().map(|(kind, ledger)| target_line(kind, ledger)).collect(),
    };
    evidence.targets.iter().map(target).collect()
}

fn target_line(kind: &str, ledger: &ResourceLedger) -> TargetLine {
    let t = ledger.at_target.clone().unwrap_or_default();
    let sum = t.confirmed + t.unchanged + t.rejected + t.in_doubt + t.edited + t.blocked;
    TargetLine {
        resource_type: kind.to_owned(),
        delivered: ledger.delivered,
        confirmed: t.confirmed,
        unchanged: t.unchanged,
        rejected: t.rejected,
        in_doubt: t.in_doubt,
        edited: t.edited,
        blocked: t.blocked,
        residual: ledger.delivered.abs_diff(sum),
        of: ledger.delivered,
    }
}

/// Rows of the maps that are about patients, by source; what became of them; what became of the Patients.
///
/// Where maps of other domains make Patients too (an NHS 111 report brings its own), they come in as one source.
fn patient_flow(evidence: &Evidence) -> PatientFlow {
    let mut sources: BTreeMap<String, u64> = BTreeMap::new();
    let mut outcomes = [0_u64; RowOutcome::ALL.len()];
    let mut made = 0;
    for l in evidence.maps.iter().filter(|l| l.domain == Domain::Pmi) {
        *sources.entry(format!("{} · {}", l.organisation, l.system)).or_default() += l.in_scope;
        outcomes.iter_mut().zip(l.outcomes()).for_each(|(sum, (_, part))| *sum += part);
        made += l.n_resources;
    }
    let patients = evidence.resources.get("Patient").cloned().unwrap_or_default();
    let elsewhere = patients.mapped.saturating_sub(made);
    if elsewhere > 0 {
        sources.insert("from other domains".to_owned(), elsewhere);
        outcomes[RowOutcome::Mapped as usize] += elsewhere;
    }
    let rows: u64 = sources.values().sum();
    let named =
        |name: &str, n: u64, of: u64, unit: &str| NamedCount { name: name.to_owned(), count: Count::new(n, of, unit) };
    let ends = [("delivered", patients.delivered), ("merged", patients.merged), ("held", patients.held)];
    PatientFlow {
        sources: sources.into_iter().map(|(name, n)| named(&name, n, rows, "rows")).collect(),
        outcomes: RowOutcome::ALL.into_iter().zip(outcomes).map(|(o, n)| named(o.as_str(), n, rows, "rows")).collect(),
        ends: ends.into_iter().map(|(name, n)| named(name, n, patients.mapped, "Patients")).collect(),
    }
}
