//! Mapping and fragment files to a tree with places; nothing is resolved here.
//!
//! | what you want to find | module |
//! |---|---|
//! | the tree of a file | [`ast`] |
//! | the tree of an expression | [`expr`] |
//! | expression text to tokens, to a tree | [`lexer`], [`pratt`] |
//! | the scalar rule, directives, forms that YAML would cut | `reader` |
//! | a tree in one fixed spelling | [`print`] |
//! | head keys, fragment files | [`head`] |

pub mod ast;
pub mod expr;
pub mod head;
pub mod lexer;
pub mod pratt;
pub mod print;
mod reader;

pub use head::{HEAD_KEYS, fragment_file, map_file};
