//! The stage through its public interface: specs that are wrong, databases, XML, CSV, workbooks.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "in a test a panic is the message, and a skip is printed")]

mod stage {
    pub(crate) mod controls;
    pub(crate) mod csv;
    pub(crate) mod fhir;
    pub(crate) mod fixed;
    pub(crate) mod odbc;
    pub(crate) mod probe;
    pub(crate) mod sheet;
    pub(crate) mod spec;
    pub(crate) mod xml;
}
