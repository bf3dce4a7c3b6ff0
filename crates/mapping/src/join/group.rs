//! `group:` and `latest:` over a whole table: rows are screened, gathered by key and put in order.

use std::collections::HashMap;

use epr_model::RowOutcome;

use super::LookupIndex;
use super::doubles::short_hash;
use crate::apply::{Applied, JoinedBatch, MapProgram, RowRun, TableData, Units, Value, order_nulls_last};
use crate::plan::{At, OrderKey};

/// Rows gathered by key, and what became of the rows that take no part.
#[derive(Debug)]
pub struct Gathered {
    /// Each group in its order; groups in the order of their first rows in the table.
    pub groups: Vec<Vec<u32>>,
    /// Excluded, refused, superseded and repeated rows, with their issues.
    pub set_aside: Applied,
}

/// A row that passed `where` and `require`, with the values that decide its place.
struct Candidate<'a> {
    key: [u8; 16],
    row: u32,
    order: Vec<Value<'a>>,
}

/// Gathers the rows of a map that has `group` or `latest`.
pub fn gather(program: &MapProgram<'_>, main: &TableData, lookups: &[LookupIndex]) -> Gathered {
    let plan = program.plan();
    let no_doubles = HashMap::new();
    let batch = JoinedBatch { main, units: Units::EachRow, lookups, doubles: &no_doubles };
    let mut run = RowRun::new(program, &batch);
    let (order, at): (Vec<_>, At) = match (&plan.latest, &plan.group) {
        (Some(latest), _) => (latest.max.iter().collect(), latest.at),
        (None, Some(group)) => (group.order.iter().map(|key| &key.by).collect(), group.at),
        (None, None) => (Vec::new(), plan.at),
    };
    let mut candidates = Vec::new();
    let mut key = Vec::new();
    for row in 0..main.n_rows() as u32 {
        match run.screen(row) {
            Ok(()) => {
                key.clear();
                run.key_bytes(&mut key);
                let order = order.iter().flat_map(|e| run.values(std::slice::from_ref(*e))).collect();
                candidates.push(Candidate { key: short_hash(&key), row, order });
            }
            Err(not_taken) => run.record_not_taken(row, not_taken),
        }
    }
    candidates.sort_by(|a, b| a.key.cmp(&b.key).then_with(|| a.row.cmp(&b.row)));
    let mut groups = Vec::new();
    for rows in candidates.chunk_by_mut(|a, b| a.key == b.key) {
        if plan.latest.is_some() {
            if let Some(row) = latest_of(rows, main, &mut run, at) {
                groups.push(vec![row]);
            }
        } else {
            let keys = plan.group.as_ref().map_or(&[][..], |group| &group.order);
            rows.sort_by(|a, b| by_order(a, b, keys));
            groups.push(rows.iter().map(|c| c.row).collect());
        }
    }
    groups.sort_by_key(|rows| rows.iter().min().copied());
    drop(candidates);
    Gathered { groups, set_aside: run.finish() }
}

fn by_order(a: &Candidate<'_>, b: &Candidate<'_>, keys: &[OrderKey]) -> std::cmp::Ordering {
    let pairs = a.order.iter().zip(&b.order).zip(keys);
    pairs
        .map(|((a, b), key)| order_nulls_last(a, b, key.descending))
        .find(|order| order.is_ne())
        .unwrap_or_else(|| a.row.cmp(&b.row))
}

/// The row with the greatest `max`; the others are superseded. Equal rows that are both the latest are repeats;
/// different ones are all refused.
fn latest_of(rows: &mut [Candidate<'_>], main: &TableData, run: &mut RowRun<'_>, at: At) -> Option<u32> {
    let newest_first = |a: &Candidate<'_>, b: &Candidate<'_>| {
        let pairs = a.order.iter().zip(&b.order);
        pairs
            .map(|(a, b)| order_nulls_last(a, b, true))
            .find(|order| order.is_ne())
            .unwrap_or(std::cmp::Ordering::Equal)
    };
    rows.sort_by(|a, b| newest_first(a, b).then_with(|| a.row.cmp(&b.row)));
    let n_best = rows.iter().take_while(|row| newest_first(&rows[0], row).is_eq()).count();
    for row in &rows[n_best..] {
        run.set_aside(row.row, RowOutcome::Superseded, None, at);
    }
    let content = |row: u32| {
        let mut bytes = Vec::new();
        main.push_row(row, &mut bytes);
        bytes
    };
    let first = content(rows[0].row);
    if rows[1..n_best].iter().all(|row| content(row.row) == first) {
        for row in &rows[1..n_best] {
            run.set_aside(row.row, RowOutcome::Repeated, Some("MAP0432"), at);
        }
        return Some(rows[0].row);
    }
    for row in &rows[..n_best] {
        run.set_aside(row.row, RowOutcome::Refused, Some("MAP0436"), at);
    }
    None
}
