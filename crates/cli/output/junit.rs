//! JUnit XML, as CI servers show it: a suite for each file or map, a case for what was proved in it.

use std::fmt::Write;

/// All suites of one command.
#[derive(Debug, Default)]
pub(crate) struct Report {
    suites: Vec<Suite>,
}

/// The cases that belong together.
#[derive(Debug)]
pub(crate) struct Suite {
    name: String,
    cases: Vec<Case>,
}

/// One thing that held or did not.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) file: String,
    pub(crate) line: Option<u64>,
    /// What failed, one line each; none: it held.
    pub(crate) failures: Vec<String>,
    /// What a reader should know all the same.
    pub(crate) remarks: Vec<String>,
}

impl Report {
    /// Adds a case to the suite of that name, which is the last one or a new one: cases come suite by suite.
    pub(crate) fn add(&mut self, suite: &str, case: Case) {
        match self.suites.last_mut() {
            Some(last) if last.name == suite => last.cases.push(case),
            _ => self.suites.push(Suite { name: suite.to_owned(), cases: vec![case] }),
        }
    }

    /// The document. `name` is the command.
    pub(crate) fn write(&self, name: &str) -> String {
        let n_cases: usize = self.suites.iter().map(|s| s.cases.len()).sum();
        let n_failures: usize = self.suites.iter().map(Suite::n_failures).sum();
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        let _ = writeln!(
            xml,
            "<testsuites name=\"{}\" tests=\"{n_cases}\" failures=\"{n_failures}\" errors=\"0\">",
            escape(name)
        );
        for suite in &self.suites {
            suite.write(&mut xml);
        }
        xml.push_str("</testsuites>");
        xml
    }
}

impl Suite {
    fn n_failures(&self) -> usize {
        self.cases.iter().filter(|c| !c.failures.is_empty()).count()
    }

    fn write(&self, xml: &mut String) {
        let _ = writeln!(
            xml,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"0\">",
            escape(&self.name),
            self.cases.len(),
            self.n_failures()
        );
        for case in &self.cases {
            case.write(&self.name, xml);
        }
        xml.push_str("  </testsuite>\n");
    }
}

impl Case {
    fn write(&self, suite: &str, xml: &mut String) {
        let _ = write!(
            xml,
            "    <testcase classname=\"{}\" name=\"{}\" file=\"{}\"",
            escape(suite),
            escape(&self.name),
            escape(&self.file)
        );
        if let Some(line) = self.line {
            let _ = write!(xml, " line=\"{line}\"");
        }
        if self.failures.is_empty() && self.remarks.is_empty() {
            xml.push_str("/>\n");
            return;
        }
        xml.push_str(">\n");
        if let Some(first) = self.failures.first() {
            let text = self.failures.join("\n");
            let _ = writeln!(xml, "      <failure message=\"{}\">{}</failure>", escape(first), escape(&text));
        }
        if !self.remarks.is_empty() {
            let _ = writeln!(xml, "      <system-out>{}</system-out>", escape(&self.remarks.join("\n")));
        }
        xml.push_str("    </testcase>\n");
    }
}

/// Text as it may stand in XML 1.0, in an attribute too. What XML cannot hold at all becomes U+FFFD.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            // A bare line end in an attribute would be read as a blank.
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            '\r' => out.push_str("&#13;"),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn text_that_would_end_an_attribute_or_is_no_xml_is_escaped() {
        assert_eq!(escape("a < b & \"c\""), "a &lt; b &amp; &quot;c&quot;");
        assert_eq!(escape("x\ny\u{1}"), "x&#10;y\u{fffd}");
        assert_eq!(escape("naïve 🏥"), "naïve 🏥");
    }
}
