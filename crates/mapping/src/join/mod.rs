//! What stands before `apply`: look-ups in memory, doubles of a key, groups and latest versions.
//!
//! In: staged tables. Out: what a [`crate::apply::JoinedBatch`] needs. A look-up is held whole in memory, as is the
//! main table of a map with `group` or `latest`; both are bounded ([`MAX_TABLE_BYTES`]) and say so clearly.
//!
//! | what you want to find | module |
//! |---|---|
//! | rows of a look-up by their key, in the declared order | [`lookup`] |
//! | rows that share a key | [`doubles`] |
//! | `group:` and `latest:` | [`group`] |

pub mod doubles;
pub mod group;
pub mod lookup;

pub use lookup::LookupIndex;

/// The Arrow memory that one table may take here; a larger one is an error, not a slow machine.
pub const MAX_TABLE_BYTES: usize = 4 << 30;
