//! From the path of a finding to its place in the text: `Patient.name[0].family` to the byte where the value begins.
//!
//! Only what is wrong is looked for, so it is done after the check, by names.

use epr_fhir::{Node, NodeKind, Resource};

use crate::finding::Finding;

/// So many findings of one resource are looked for: each costs a way through the resource.
const LIMIT: usize = 1_000;

/// The line and column of the first findings of a resource whose text begins at the start of `line`.
pub(crate) fn places(resource: &Resource, issues: &[Finding], line: u64) -> Vec<(u64, u64)> {
    let mut offsets: Vec<(usize, usize)> =
        issues.iter().take(LIMIT).enumerate().map(|(at, issue)| (offset_of(resource, &issue.path), at)).collect();
    for (offset, _) in &mut offsets {
        *offset = resource.written_offset(*offset);
    }
    offsets.sort_unstable();
    let mut places = vec![(line, 1); offsets.len()];
    let text = resource.written();
    // One way through the text for all of them.
    let (mut from, mut line, mut column) = (0, line, 1);
    for (offset, at) in offsets {
        for byte in &text[from..offset] {
            if *byte == b'\n' {
                (line, column) = (line + 1, 1);
            } else if *byte & 0xC0 != 0x80 {
                column += 1;
            }
        }
        from = offset;
        places[at] = (line, column);
    }
    places
}

/// The byte at which the element of a path begins; that of the last element on the way which is there.
pub(crate) fn offset_of(resource: &Resource, path: &str) -> usize {
    let mut node = resource.root();
    // The first step is the resource itself.
    for step in steps(path).skip(1) {
        let Some(found) = member(node, step) else { break };
        node = found;
    }
    node.offset()
}

/// One step: `name`, its place in a list, the type of a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Step<'a> {
    name: &'a str,
    index: Option<usize>,
    of_type: Option<&'a str>,
}

fn steps(path: &str) -> impl Iterator<Item = Step<'_>> {
    let mut parts = path.split('.').peekable();
    std::iter::from_fn(move || {
        let part = parts.next()?;
        let (name, index) = match part.split_once('[') {
            Some((name, index)) => (name, index.trim_end_matches(']').parse().ok()),
            None => (part, None),
        };
        let of_type = parts.peek().and_then(|next| next.strip_prefix("ofType(")?.strip_suffix(')'));
        if of_type.is_some() {
            parts.next();
        }
        Some(Step { name, index, of_type })
    })
}

fn member<'r>(node: Node<'r>, step: Step<'_>) -> Option<Node<'r>> {
    let found = match step.of_type {
        Some(of_type) => {
            let mut chars = of_type.chars();
            let first = chars.next()?.to_ascii_uppercase();
            let name = format!("{}{first}{}", step.name, chars.as_str());
            node.get(&name).or_else(|| node.get(&format!("_{name}")))
        }
        None => node.get(step.name).or_else(|| node.get(&format!("_{}", step.name))),
    }?;
    match step.index {
        Some(index) if found.kind() == NodeKind::Array => found.items().nth(index).or(Some(found)),
        _ => Some(found),
    }
}

#[cfg(test)]
mod tests {
    use epr_fhir::Resource;

    use super::offset_of;

    #[test]
    fn a_path_leads_to_the_value_or_to_what_is_nearest_to_it() {
        let text = r#"{"resourceType":"Observation","_status":{"id":"s"},"valueQuantity":{"value":1},"note":[{"text":"a"},{"text":"b"}]}"#;
        let resource = Resource::parse_json(text.as_bytes()).unwrap();
        let at = |path: &str| text[offset_of(&resource, path)..].chars().take(6).collect::<String>();
        assert_eq!(at("Observation"), r#"{"reso"#);
        assert_eq!(at("Observation.status"), r#"{"id":"#);
        assert_eq!(at("Observation.value.ofType(Quantity).value"), r#"1},"no"#);
        assert_eq!(at("Observation.note[1].text"), r#""b"}]}"#);
        assert_eq!(at("Observation.note[7].text"), r#"[{"tex"#);
        assert_eq!(at("Observation.subject.reference"), r#"{"reso"#);
    }
}
