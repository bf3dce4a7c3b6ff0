//! The parts directly inside the outermost `div`: their languages, and whether they say where they come from.

/// What a profile may ask of the parts of a narrative.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Sections<'a> {
    /// The `xml:lang` of each `div` that is a part.
    pub languages: Vec<&'a str>,
    /// How many parts say something and not where it comes from: by the classes `generated`, `boilerplate`, `original`.
    pub n_without_source: usize,
}

const SOURCES: &[&str] = &["generated", "boilerplate", "original"];

/// The parts of a narrative that is well-formed; of any other, as far as its tags can be told apart.
pub fn sections(text: &str) -> Sections<'_> {
    let mut found = Sections::default();
    let mut depth = 0_usize;
    // Of the part at hand: whether it says where it comes from, and anything at all.
    let (mut has_source, mut says) = (false, false);
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        let says_here = rest[..at].chars().any(|c| c > ' ');
        found.n_without_source += usize::from(depth == 1 && says_here);
        says |= says_here;
        rest = &rest[at..];
        let length = if rest.starts_with("<!--") { rest.find("-->").map(|end| end + 3) } else { tag_length(rest) };
        let Some(length) = length else { break };
        let tag = &rest[1..length - 1];
        rest = &rest[length..];
        if tag.starts_with(['!', '?']) {
            continue;
        }
        if tag.starts_with('/') {
            depth = depth.saturating_sub(1);
            found.n_without_source += usize::from(depth == 1 && says && !has_source);
            continue;
        }
        if depth == 1 {
            says = false;
            let classes = attribute(tag, "class").unwrap_or_default();
            has_source = classes.split_ascii_whitespace().any(|class| SOURCES.contains(&class));
            let name = tag.split(|c: char| c.is_ascii_whitespace() || c == '/').next();
            found.languages.extend(attribute(tag, "xml:lang").filter(|_| name == Some("div")));
        }
        depth += usize::from(!tag.ends_with('/'));
    }
    found
}

/// The bytes of a tag: a `>` in quotes does not end it.
fn tag_length(rest: &str) -> Option<usize> {
    let mut quote = None;
    rest.bytes()
        .position(|byte| {
            match (quote, byte) {
                (None, b'"' | b'\'') => quote = Some(byte),
                (Some(open), _) if open == byte => quote = None,
                _ => {}
            }
            byte == b'>' && quote.is_none()
        })
        .map(|at| at + 1)
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let start = tag.match_indices(name).map(|(at, _)| at).find(|at| {
        tag[..*at].ends_with(|c: char| c.is_ascii_whitespace())
            && tag[at + name.len()..].trim_ascii_start().starts_with('=')
    })?;
    let value = tag[start + name.len()..].trim_ascii_start()[1..].trim_ascii_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    value[1..].split(quote).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_told_by_language_and_source() {
        let text = "<div xmlns='http://www.w3.org/1999/xhtml'> <div lang='de' xml:lang='de' title='a>b'>x<div xml:lang='fr'/></div>\
                    <p xml:lang='en'>y</p><div class='a generated'>z</div><!-- c --><br/>t</div>";
        assert_eq!(sections(text), Sections { languages: vec!["de"], n_without_source: 3 });
        assert_eq!(sections("<div><"), Sections::default());
    }
}
