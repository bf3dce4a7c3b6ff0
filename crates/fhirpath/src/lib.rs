//! FHIRPath (N1, as FHIR R4 uses it): parse, compile, evaluate.

pub mod ast;
mod lexer;
pub mod parser;
pub mod temporal;

pub use ast::Ast;
pub use parser::{ParseError, ParseFault, parse};
