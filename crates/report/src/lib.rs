//! The run folder to the safety officer's report.
