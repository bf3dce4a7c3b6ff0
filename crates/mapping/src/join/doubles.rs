//! Rows that share a key: found over the whole table before the first row is mapped.
//!
//! Each row leaves a 128-bit hash and its number; sorted, equal hashes stand together. Only these rows, which a sound
//! table does not have, are then read again and compared.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use crate::apply::{Double, TableData};

/// The hash of a row's key, and the row's number.
#[derive(Debug, Default)]
pub struct KeyHashes {
    rows: Vec<([u8; 16], u64)>,
}

impl KeyHashes {
    /// Takes up the rows of a batch that holds the key's columns only; rows with a blank among them have no key
    /// (under `key: row` nulls are allowed).
    pub fn add(&mut self, key_columns: &TableData, n_columns: u16, nulls_allowed: bool) {
        let mut bytes = Vec::new();
        for row in 0..key_columns.n_rows() as u32 {
            if !nulls_allowed && (0..n_columns).any(|c| key_columns.cell(c, row).is_blank()) {
                continue;
            }
            bytes.clear();
            key_columns.push_row(row, &mut bytes);
            self.rows.push((short_hash(&bytes), key_columns.row_no(row)));
        }
    }

    /// The rows of each key that stands more than once, in row order; keys in the order of their first rows.
    pub fn shared(mut self) -> Vec<Vec<u64>> {
        self.rows.sort_unstable();
        let mut shared: Vec<Vec<u64>> = self
            .rows
            .chunk_by(|a, b| a.0 == b.0)
            .filter(|rows| rows.len() > 1)
            .map(|rows| rows.iter().map(|(_, row_no)| *row_no).collect())
            .collect();
        shared.sort_unstable();
        shared
    }
}

/// `key: row`: equal rows are told apart by their position among themselves.
pub(crate) fn ordinals(shared: &[Vec<u64>]) -> HashMap<u64, Double> {
    let numbered = shared.iter().flat_map(|rows| rows.iter().zip(1_u32..));
    numbered.map(|(row_no, n)| (*row_no, Double::Ordinal(n))).collect()
}

/// Judges rows of one key by their content: all equal, and the later ones are repeats; else all are in conflict.
///
/// `content` has the hash of the whole row for every row that is in scope.
pub(crate) fn judge(shared: &[Vec<u64>], content: &HashMap<u64, [u8; 16]>) -> HashMap<u64, Double> {
    let mut doubles = HashMap::new();
    for rows in shared {
        let in_scope: Vec<_> = rows.iter().filter_map(|row| content.get(row).map(|hash| (*row, hash))).collect();
        let are_equal = in_scope.windows(2).all(|pair| pair[0].1 == pair[1].1);
        for (i, (row_no, _)) in in_scope.iter().enumerate() {
            match (are_equal, i) {
                (true, 0) => {}
                (true, _) => drop(doubles.insert(*row_no, Double::Repeated)),
                (false, _) => drop(doubles.insert(*row_no, Double::Conflict)),
            }
        }
    }
    doubles
}

/// The first 16 bytes of a SHA-256.
pub(crate) fn short_hash(bytes: &[u8]) -> [u8; 16] {
    let digest: [u8; 32] = Sha256::digest(bytes).into();
    let mut short = [0; 16];
    short.copy_from_slice(&digest[..16]);
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_rows_repeat_and_different_rows_conflict() {
        let shared = vec![vec![1, 4], vec![2, 3, 9], vec![5, 6]];
        let hash = |n: u8| [n; 16];
        let content =
            HashMap::from([(1, hash(1)), (4, hash(1)), (2, hash(2)), (3, hash(2)), (9, hash(7)), (6, hash(6))]);
        let doubles = judge(&shared, &content);
        assert_eq!(doubles.get(&1), None);
        assert_eq!(doubles.get(&4), Some(&Double::Repeated));
        for row in [2, 3, 9] {
            assert_eq!(doubles.get(&row), Some(&Double::Conflict));
        }
        // Row 5 is out of scope, so row 6 is alone.
        assert_eq!(doubles.get(&6), None);
    }

    #[test]
    fn ordinals_count_equal_rows_from_one() {
        let ordinals = ordinals(&[vec![3, 8, 9]]);
        assert_eq!(ordinals.get(&8), Some(&Double::Ordinal(2)));
        assert_eq!(ordinals.len(), 3);
    }
}
