//! Resources to the target, exactly once.
