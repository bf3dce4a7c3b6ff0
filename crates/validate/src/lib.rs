//! Resources to issues, holds and the honesty ledger.
