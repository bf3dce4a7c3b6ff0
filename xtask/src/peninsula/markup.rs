//! XML as it is streamed to a file: elements, attributes, text; nothing is kept but the names that are open.

use std::io::Write;

use anyhow::Result;

/// Writes XML, indented by depth, to `W`.
pub(super) struct Markup<W> {
    out: W,
    open: Vec<String>,
}

impl<W: Write> Markup<W> {
    /// Begins a document in UTF-8.
    pub(super) fn new(mut out: W) -> Result<Self> {
        out.write_all(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n")?;
        Ok(Self { out, open: Vec::new() })
    }

    /// Opens an element.
    pub(super) fn open(&mut self, name: &str, attributes: &[(&str, &str)]) -> Result<()> {
        self.tag(name, attributes, ">\n")?;
        self.open.push(name.to_owned());
        Ok(())
    }

    /// Closes the element that was opened last.
    pub(super) fn close(&mut self) -> Result<()> {
        let name = self.open.pop().expect("every close has its open");
        self.indent()?;
        Ok(writeln!(self.out, "</{name}>")?)
    }

    /// An element with attributes only.
    pub(super) fn empty(&mut self, name: &str, attributes: &[(&str, &str)]) -> Result<()> {
        self.tag(name, attributes, "/>\n")
    }

    /// An element with text.
    pub(super) fn text(&mut self, name: &str, attributes: &[(&str, &str)], text: &str) -> Result<()> {
        self.tag(name, attributes, ">")?;
        escape(&mut self.out, text)?;
        Ok(writeln!(self.out, "</{name}>")?)
    }

    /// An element with text, where there is text.
    pub(super) fn some_text(&mut self, name: &str, text: &str) -> Result<()> {
        if text.is_empty() { Ok(()) } else { self.text(name, &[], text) }
    }

    /// Ends the document and returns where it went.
    pub(super) fn end(mut self) -> Result<W> {
        while !self.open.is_empty() {
            self.close()?;
        }
        self.out.flush()?;
        Ok(self.out)
    }

    fn tag(&mut self, name: &str, attributes: &[(&str, &str)], end: &str) -> Result<()> {
        self.indent()?;
        write!(self.out, "<{name}")?;
        for (attribute, value) in attributes {
            write!(self.out, " {attribute}=\"")?;
            escape(&mut self.out, value)?;
            self.out.write_all(b"\"")?;
        }
        Ok(self.out.write_all(end.as_bytes())?)
    }

    fn indent(&mut self) -> Result<()> {
        for _ in 0..self.open.len() {
            self.out.write_all(b" ")?;
        }
        Ok(())
    }
}

fn escape(out: &mut impl Write, text: &str) -> Result<()> {
    let mut rest = text;
    while let Some(at) = rest.find(['&', '<', '>', '"']) {
        out.write_all(&rest.as_bytes()[..at])?;
        out.write_all(match rest.as_bytes()[at] {
            b'&' => b"&amp;",
            b'<' => b"&lt;",
            b'>' => b"&gt;",
            _ => b"&quot;",
        })?;
        rest = &rest[at + 1..];
    }
    Ok(out.write_all(rest.as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let mut markup = Markup::new(Vec::new()).unwrap();
        markup.open("a", &[("x", "1 < 2 & \"3\"")]).unwrap();
        markup.text("b", &[], "<O'Brien> & \"Sons\"").unwrap();
        markup.empty("c", &[]).unwrap();
        markup.some_text("d", "").unwrap();
        let bytes = markup.end().unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(
            text.lines().skip(1).collect::<Vec<_>>(),
            [
                "<a x=\"1 &lt; 2 &amp; &quot;3&quot;\">",
                " <b>&lt;O'Brien&gt; &amp; &quot;Sons&quot;</b>",
                " <c/>",
                "</a>"
            ]
        );
        let mut reader = quick_xml::Reader::from_str(&text);
        let mut names = Vec::new();
        loop {
            match reader.read_event().unwrap() {
                quick_xml::events::Event::Start(tag) | quick_xml::events::Event::Empty(tag) => {
                    names.push(tag.name().as_ref().to_owned());
                }
                quick_xml::events::Event::Eof => break,
                _ => {}
            }
        }
        assert_eq!(names, ["a", "b", "c"]);
    }
}
