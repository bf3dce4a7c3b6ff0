//! DO-01: a letter that nobody can read, or that is another patient's.
//!
//! That the document is missing, empty or damaged is seen in the resource, below; that the source's letter is not in
//! the output, or under another patient, is seen by comparing with the source (`crate::stage`).

use epr_fhir::{Node, NodeKind};

use super::{HazardDoc, HazardFinding, HazardSeverity, ResourceRule, RuleSettings};

pub const DOC: HazardDoc = HazardDoc::new(
    "DO-01",
    HazardSeverity::Major,
    "a letter is missing, empty, damaged, or another patient's",
    "What was promised to the general practitioner or the patient cannot be read. A document has its bytes or a link \
     to them, is as long as it says, has the hash that it says, and begins and ends as its type does. Find the \
     document in the source; what is damaged there already is not mended by a migration.",
);

pub struct Do01;

impl ResourceRule for Do01 {
    fn doc(&self) -> &'static HazardDoc {
        &DOC
    }

    fn types(&self) -> &'static [&'static str] {
        &["DocumentReference"]
    }

    fn check(&self, resource: Node<'_>, _: &RuleSettings<'_>, out: &mut Vec<HazardFinding>) {
        if resource.text("status") == Some("entered-in-error") {
            return;
        }
        let mut push = |path: String, detail: &str| out.push(HazardFinding { path, detail: detail.to_owned() });
        let contents = resource.get("content").filter(|c| c.kind() == NodeKind::Array);
        let mut n = 0;
        for (i, content) in contents.into_iter().flat_map(Node::items).enumerate() {
            n += 1;
            if let Some((element, fault)) = content.get("attachment").map_or(Some(("", NO_BYTES)), fault) {
                let dot = if element.is_empty() { "" } else { "." };
                push(format!("content[{i}].attachment{dot}{element}"), fault);
            }
        }
        if n == 0 {
            push("content".to_owned(), NO_BYTES);
        }
        if resource.get("subject").is_none() {
            push("subject".to_owned(), "expected the patient of a letter, found none");
        }
    }
}

const NO_BYTES: &str = "expected the bytes of a document or a link to them, found none";
const DAMAGED: &str = "expected bytes that begin and end as those of the content type do, found others";

/// What is wrong with an attachment: the element, and why.
fn fault(attachment: Node<'_>) -> Option<(&'static str, &'static str)> {
    let Some(data) = attachment.text("data").filter(|d| !d.trim().is_empty()) else {
        return attachment.text("url").is_none().then_some(("", NO_BYTES));
    };
    let Some(bytes) = decode(data) else { return Some(("data", "expected base64, found another text")) };
    if bytes.is_empty() {
        return Some(("data", NO_BYTES));
    }
    let size = attachment.get("size").and_then(Node::number_text).and_then(|s| s.parse::<usize>().ok());
    if size.is_some_and(|size| size != bytes.len()) {
        return Some(("size", "expected the length of the document, found another number"));
    }
    if let Some(hash) = attachment.text("hash").and_then(decode)
        && hash[..] != sha1_smol::Sha1::from(&bytes).digest().bytes()
    {
        return Some(("hash", "expected the SHA-1 of the document, found another hash"));
    }
    let kind = attachment.text("contentType").unwrap_or_default().split(';').next().unwrap_or_default().trim();
    (!is_whole(kind, &bytes)).then_some(("data", DAMAGED))
}

/// Whether bytes look like what their type says; of a type that is not known here anything does.
fn is_whole(kind: &str, bytes: &[u8]) -> bool {
    match kind {
        "application/pdf" => {
            let tail = &bytes[bytes.len().saturating_sub(1024)..];
            bytes.starts_with(b"%PDF-") && tail.windows(5).any(|w| w == b"%%EOF")
        }
        "application/rtf" | "text/rtf" => bytes.starts_with(b"{\\rtf") && bytes.trim_ascii_end().ends_with(b"}"),
        "image/png" => bytes.starts_with(b"\x89PNG\r\n\x1a\n"),
        "image/jpeg" => bytes.starts_with(b"\xff\xd8\xff"),
        "image/tiff" => bytes.starts_with(b"II*\0") || bytes.starts_with(b"MM\0*"),
        "text/plain" => !bytes.contains(&0) && !bytes.trim_ascii().is_empty(),
        _ => true,
    }
}

/// Base64 with white space between, as FHIR allows.
fn decode(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut held, mut bits, mut padding) = (0_u32, 0, 0);
    for b in text.bytes().filter(|b| !b.is_ascii_whitespace()) {
        let six = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                padding += 1;
                continue;
            }
            _ => return None,
        };
        if padding > 0 {
            return None;
        }
        held = held << 6 | u32::from(six);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((held >> bits) as u8);
            held &= (1 << bits) - 1;
        }
    }
    (bits < 6 && padding <= 2).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::found;

    fn of(attachment: &str) -> Vec<String> {
        let json = format!(
            r#"{{"status":"current","subject":{{"reference":"Patient/1"}},"content":[{{"attachment":{{{attachment}}}}}]}}"#
        );
        found(&Do01, &json)
    }

    #[test]
    fn do_01_is_raised_for_a_letter_without_bytes() {
        for attachment in ["", r#""data":"""#, r#""data":"====""#, r#""contentType":"text/plain","data":"IAo=""#] {
            assert_eq!(of(attachment).len(), 1, "{attachment}");
        }
        assert_eq!(found(&Do01, r#"{"status":"current","subject":{"display":"x"}}"#).len(), 1);
        assert_eq!(found(&Do01, r#"{"content":[{"attachment":{"url":"https://x.example/1"}}]}"#).len(), 1);
    }

    #[test]
    fn do_01_is_raised_for_damaged_bytes_and_never_shows_them() {
        // `%PDF-1.4`, and no end.
        assert_eq!(
            of(r#""contentType":"application/pdf","data":"JVBERi0xLjQ=""#),
            [format!("content[0].attachment.data: {DAMAGED}")]
        );
        assert_eq!(of(r#""contentType":"text/plain","data":"SGVsbG8=","size":6"#).len(), 1);
        assert_eq!(of(r#""data":"SGVsbG8=","hash":"AAAA""#).len(), 1);
        assert_eq!(of(r#""data":"SGV*bG8=""#).len(), 1);
    }

    #[test]
    fn do_01_is_silent_for_a_whole_letter_a_link_and_a_mistake_that_was_withdrawn() {
        let hello = r#""contentType":"text/plain","data":"SGVsbG8=","size":5,"hash":"9/+ei3uy4Jtwk1pdeF4MxdnQq/A=""#;
        assert!(of(hello).is_empty());
        assert!(of(r#""contentType":"application/pdf","data":"JVBERi0xLjQKJSVFT0YK""#).is_empty());
        assert!(of(r#""url":"https://x.example/1""#).is_empty());
        assert!(found(&Do01, r#"{"status":"entered-in-error"}"#).is_empty());
    }
}
