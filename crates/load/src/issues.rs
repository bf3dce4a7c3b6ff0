//! The codes of load's issues: what a target said of a resource when it did not simply take it.

use epr_model::{IssueDoc, Severity};

/// Every code that load can raise, sorted.
pub const ISSUES: &[IssueDoc] = &[
    IssueDoc {
        code: "LOD0101",
        severity: Severity::Error,
        title: "the target rejected the resource",
        explanation: "The target answered that it does not take this resource; nothing of it is stored there. \
                      It is counted as rejected. Correct the mapping or the target's set-up, then load again: \
                      what the target confirmed already is not sent twice.",
    },
    IssueDoc {
        code: "LOD0102",
        severity: Severity::Error,
        title: "it is not known whether the target took the resource",
        explanation: "The connection ended after the resource was sent and before the target answered. It is \
                      counted as in doubt, never as confirmed. Load again: a resource in doubt is asked for first.",
    },
    IssueDoc {
        code: "LOD0103",
        severity: Severity::Warning,
        title: "the resource was edited at the target and is not overwritten",
        explanation: "Somebody changed the resource at the target after the last load. What they wrote stays. \
                      Compare both versions by hand and decide.",
    },
    IssueDoc {
        code: "LOD0104",
        severity: Severity::Error,
        title: "the resource waits for one that the target rejected",
        explanation: "It refers to a resource that is not at the target. It was not sent and is counted as \
                      blocked. It goes when the resource that it waits for is taken.",
    },
];

#[cfg(test)]
mod tests {
    use super::ISSUES;

    #[test]
    fn codes_are_unique_and_sorted() {
        assert!(ISSUES.windows(2).all(|pair| pair[0].code < pair[1].code));
    }
}
