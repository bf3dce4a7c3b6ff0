//! The references in a resource's bytes, found without parsing it.

use epr_model::ResourceId;

const MEMBER: &[u8] = b"\"reference\"";

/// Type and id of each relative reference, in written order. A text that only looks like one may be among them:
/// who asks compares with what is known.
pub(crate) fn references(resource: &[u8]) -> impl Iterator<Item = (&str, ResourceId)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            at += find(resource.get(at..)?, MEMBER)? + MEMBER.len();
            let rest = resource[at..].trim_ascii_start();
            let Some(rest) = rest.strip_prefix(b":") else { continue };
            let Some(rest) = rest.trim_ascii_start().strip_prefix(b"\"") else { continue };
            let Some(end) = rest.iter().position(|b| *b == b'"') else { continue };
            let Ok(text) = std::str::from_utf8(&rest[..end]) else { continue };
            if let Some((kind, id)) = text.split_once('/')
                && let Ok(id) = id.parse()
            {
                return Some((kind, id));
            }
        }
    })
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_relative_references_with_an_id_of_ours_are_found() {
        let id = "10101010-1010-5010-9010-101010101010";
        let text = format!(
            r##"{{"subject":{{"reference":"Patient/{id}"}},"a":{{"reference" : "Group/{id}"}},"b":{{"reference":"#x"}},"c":{{"reference":"Patient/7"}},"d":{{"reference":"http://h/Patient/{id}"}},"e":"\"reference\"","reference":null}}"##
        );
        let found: Vec<_> = references(text.as_bytes()).map(|(kind, id)| format!("{kind}/{id}")).collect();
        assert_eq!(found, [format!("Patient/{id}"), format!("Group/{id}")]);
    }
}
