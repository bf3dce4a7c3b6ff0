//! One person, one record.
