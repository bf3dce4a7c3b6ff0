//! FHIRPath invariants: compiled once, evaluated on an element; and the list of those that the check does by itself.

use std::sync::OnceLock;

use epr_fhirpath::{Expression, Focus, Host, Verdict};

/// Invariants that [`crate::check`] decides without FHIRPath, because they stand on every element or every resource.
const NATIVE: &[&str] = &["dom-2", "dom-3", "dom-4", "dom-5", "ele-1", "ext-1", "ref-1", "txt-1", "txt-2"];

/// Whether the check decides an invariant by itself.
pub(crate) fn is_native(key: &str) -> bool {
    NATIVE.binary_search(&key).is_ok()
}

/// An invariant; its expression is read when it is first asked, since a run meets few of R4's.
pub(crate) struct Compiled {
    text: Option<Box<str>>,
    read: OnceLock<Result<Box<Expression>, String>>,
}

/// What an evaluation says.
pub(crate) enum Outcome {
    Holds,
    Fails,
    /// Empty: dates of different precision, or an element that the rule forgets may be absent. An invariant must be
    /// true, so this breaks it, as the reference validator says too; the finding says which of the two it is.
    NoAnswer,
    NotChecked(String),
}

impl Compiled {
    pub(crate) fn new(expression: Option<&str>) -> Self {
        Self { text: expression.map(Into::into), read: OnceLock::new() }
    }

    fn expression(&self) -> Result<&Expression, &String> {
        let read = self.read.get_or_init(|| {
            let Some(text) = &self.text else { return Err("the rule has no FHIRPath expression".to_owned()) };
            match epr_fhirpath::compile_constraint(text) {
                Ok(expression) => Ok(Box::new(expression)),
                Err(error) => Err(format!("its FHIRPath cannot be read: {error}")),
            }
        });
        read.as_deref()
    }

    /// Asks whether the invariant holds at the focus.
    pub(crate) fn test<'a>(&'a self, host: &Host<'a>, focus: &Focus<'a>) -> Outcome {
        let expression = match self.expression() {
            Ok(expression) => expression,
            Err(reason) => return Outcome::NotChecked(reason.clone()),
        };
        match expression.check(host, focus) {
            Verdict::True => Outcome::Holds,
            Verdict::False => Outcome::Fails,
            Verdict::Empty => Outcome::NoAnswer,
            Verdict::NotChecked(why) => Outcome::NotChecked(why.to_string()),
        }
    }
}
