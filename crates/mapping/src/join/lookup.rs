//! A look-up's table, whole in memory, its rows found by key and standing in the declared order.

use std::collections::HashMap;

use crate::apply::{Eval, MapProgram, TableData, Value, order_nulls_last, push_field};
use crate::plan::{LookupPlan, Takes};

/// The rows of one look-up by key.
#[derive(Debug)]
pub struct LookupIndex {
    data: TableData,
    /// Row numbers of the data, grouped by key.
    rows: Vec<u32>,
    /// Start and length in `rows`. Never iterated: its order is not fixed.
    by_key: HashMap<Box<[u8]>, (u32, u32)>,
}

impl LookupIndex {
    /// Indexes a table by the columns of the look-up's `match`; rows with a null among them match nothing.
    pub fn new(program: &MapProgram<'_>, lookup: &LookupPlan, data: TableData) -> Self {
        let mut keyed: Vec<(Box<[u8]>, u32)> = Vec::with_capacity(data.n_rows());
        let mut key = Vec::new();
        for row in 0..data.n_rows() as u32 {
            key.clear();
            let is_whole = lookup.pairs.iter().all(|pair| {
                let cell = data.cell(pair.theirs, row);
                push_field(&cell, &mut key);
                !cell.is_blank()
            });
            if is_whole {
                keyed.push((key.as_slice().into(), row));
            }
        }
        let ranks = ranks(program, lookup, &data);
        let rank = |row: u32| ranks.as_ref().map_or(row, |ranks| ranks[row as usize]);
        keyed.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| rank(a.1).cmp(&rank(b.1))));
        let rows: Vec<u32> = keyed.iter().map(|(_, row)| *row).collect();
        let mut by_key: HashMap<Box<[u8]>, (u32, u32)> = HashMap::new();
        for (at, (key, _)) in keyed.into_iter().enumerate() {
            by_key.entry(key).or_insert((at as u32, 0)).1 += 1;
        }
        Self { data, rows, by_key }
    }

    pub fn data(&self) -> &TableData {
        &self.data
    }

    /// The rows of a key in order; none where the key is unknown.
    pub(crate) fn find(&self, key: &[u8]) -> &[u32] {
        let Some((start, length)) = self.by_key.get(key) else { return &[] };
        &self.rows[*start as usize..(*start + *length) as usize]
    }
}

/// The place of each row in the declared order; `None` where the order is the table's.
fn ranks(program: &MapProgram<'_>, lookup: &LookupPlan, data: &TableData) -> Option<Vec<u32>> {
    let Takes::Many { order, .. } = &lookup.takes else { return None };
    if order.is_empty() {
        return None;
    }
    let mut eval = Eval::over_table(program, lookup.table, data);
    let mut keyed: Vec<(Vec<Value<'_>>, u32)> = (0..data.n_rows() as u32)
        .map(|row| {
            eval.bind_row(lookup.row, Some(row), 0);
            let keys = order.iter().map(|key| eval.eval(&key.by)).collect();
            eval.marks.clear();
            (keys, row)
        })
        .collect();
    keyed.sort_by(|a, b| {
        let keys = a.0.iter().zip(&b.0).zip(order);
        keys.map(|((a, b), key)| order_nulls_last(a, b, key.descending))
            .find(|order| order.is_ne())
            .unwrap_or_else(|| a.1.cmp(&b.1))
    });
    let mut ranks = vec![0; keyed.len()];
    for (rank, (_, row)) in keyed.into_iter().enumerate() {
        ranks[row as usize] = rank as u32;
    }
    Some(ranks)
}
