//! What is wrong with a mapping, said the way a person can act on it: the file, the line, a caret, and what to do.
//!
//! In: a place in a file and a sentence. Out: text in the look of a compiler, or a form that serialises to JSON.
//! Never here: a value of patient data. Mapping files and code maps are written by people and hold none.

use std::collections::BTreeMap;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use epr_model::Severity;
use serde::Serialize;

pub use crate::sarif::sarif;

/// A file of the pack, by its place in [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

/// A stretch of bytes of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    pub file: FileId,
    pub start: u32,
    pub end: u32,
}

impl Span {
    pub const fn new(file: FileId, start: usize, end: usize) -> Self {
        Self { file, start: start as u32, end: end as u32 }
    }

    /// The stretch from the start of this one to the end of `other`, which lies in the same file.
    pub const fn to(self, other: Self) -> Self {
        Self { file: self.file, start: self.start, end: if other.end > self.end { other.end } else { self.end } }
    }

    pub const fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// The texts that a compilation reads, in the order in which it met them.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// What messages put before a path: `mappings/`.
    prefix: String,
    files: Vec<(String, String)>,
    by_path: BTreeMap<String, FileId>,
}

impl Sources {
    /// No files yet; `prefix` is what messages put before their paths.
    pub fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), ..Self::default() }
    }

    /// Adds a file under the path that messages show; the same path twice gives the same id.
    pub fn add(&mut self, path: &str, text: &str) -> FileId {
        if let Some(found) = self.find(path) {
            return found;
        }
        let id = FileId(self.files.len() as u32);
        self.files.push((path.to_owned(), text.to_owned()));
        self.by_path.insert(path.to_owned(), id);
        id
    }

    pub fn find(&self, path: &str) -> Option<FileId> {
        self.by_path.get(path).copied()
    }

    /// A file by the path that messages show.
    pub fn find_shown(&self, shown: &str) -> Option<FileId> {
        self.find(shown.strip_prefix(self.prefix.as_str())?)
    }

    /// The paths of all files, sorted.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.by_path.keys().map(String::as_str)
    }

    /// The path as messages show it.
    pub fn shown(&self, file: FileId) -> String {
        format!("{}{}", self.prefix, self.path(file))
    }

    /// The path below the mappings folder.
    pub fn path(&self, file: FileId) -> &str {
        &self.files[file.0 as usize].0
    }

    pub fn text(&self, file: FileId) -> &str {
        &self.files[file.0 as usize].1
    }

    /// Line and column of a byte, both from 1, the column in characters.
    pub fn line_column(&self, file: FileId, offset: u32) -> (u32, u32) {
        let text = self.text(file);
        let mut offset = (offset as usize).min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = &text[..offset];
        let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |i| i + 1);
        (line as u32, before[start..].chars().count() as u32 + 1)
    }

    /// The line of a span's start, from 1.
    pub fn line(&self, span: Span) -> u32 {
        self.line_column(span.file, span.start).0
    }

    /// `path:line:column` of a span's start.
    pub fn place(&self, span: Span) -> String {
        let (line, column) = self.line_column(span.file, span.start);
        format!("{}:{line}:{column}", self.shown(span.file))
    }
}

/// Another place that belongs to a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    pub message: String,
    pub file: String,
    pub line: u32,
    pub column: u32,
}

/// One finding about a mapping file, a fragment or a code map.
///
/// `line` and `column` count from 1, the column in characters; `start` and `end` are bytes of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    pub code: &'static str,
    pub severity: Severity,
    pub message: String,
    pub file: String,
    pub line: u32,
    pub column: u32,
    pub start: u32,
    pub end: u32,
    /// What stands at the caret, in two or three words; may be empty.
    pub label: String,
    pub notes: Vec<Note>,
    pub help: Vec<String>,
}

/// Whether the rendered text carries terminal colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    Never,
    Always,
}

impl Diagnostic {
    /// The finding as text, with the source line and a caret. The last line has no newline.
    pub fn render(&self, sources: &Sources, colour: Colour) -> String {
        let level = match self.severity {
            Severity::Fatal | Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
            Severity::Information => Level::NOTE,
        };
        let mut group = Group::with_title(level.primary_title(self.message.as_str()).id(self.code));
        if let Some(file) = sources.find_shown(&self.file) {
            let (text, first_line, cut) = window(sources.text(file), self.start as usize, self.end as usize);
            let start = (self.start as usize).saturating_sub(cut).min(text.len());
            let end = (self.end as usize).saturating_sub(cut).clamp(start, text.len());
            let mut annotation = AnnotationKind::Primary.span(start..end);
            if !self.label.is_empty() {
                annotation = annotation.label(self.label.as_str());
            }
            let snippet = Snippet::source(text).line_start(first_line).path(self.file.as_str()).annotation(annotation);
            group = group.element(snippet);
        }
        for help in &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        let notes: Vec<String> = self.notes.iter().map(|n| format!("{} {}:{}", n.message, n.file, n.line)).collect();
        for note in &notes {
            group = group.element(Level::NOTE.message(note.as_str()));
        }
        let renderer = match colour {
            Colour::Never => Renderer::plain(),
            Colour::Always => Renderer::styled(),
        };
        renderer.render(&[group])
    }

    pub const fn is_error(&self) -> bool {
        matches!(self.severity, Severity::Error | Severity::Fatal)
    }
}

/// The lines of a file that hold `start..end` (at most the first of them), so that a long file is not scanned by
/// the renderer for every finding. Gives the text, its first line's number and the bytes cut off before it.
fn window(text: &str, start: usize, end: usize) -> (&str, usize, usize) {
    let start = start.min(text.len());
    let from = text[..start].rfind('\n').map_or(0, |i| i + 1);
    let to = text[end.clamp(start, text.len())..].find('\n').map_or(text.len(), |i| end.clamp(start, text.len()) + i);
    let line = text[..from].bytes().filter(|b| *b == b'\n').count() + 1;
    (&text[from..to], line, from)
}

/// All findings of one compilation, in the order: file, place, code.
pub fn sort(diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.sort_by(|a, b| (&a.file, a.start, a.code, &a.message).cmp(&(&b.file, b.start, b.code, &b.message)));
    diagnostics.dedup();
}

/// Where the parser and the checks put what they find.
#[derive(Debug)]
pub struct Sink<'s> {
    pub sources: &'s Sources,
    pub found: Vec<Diagnostic>,
}

impl<'s> Sink<'s> {
    pub fn new(sources: &'s Sources) -> Self {
        Self { sources, found: Vec::new() }
    }

    /// An error at a place; the returned finding takes label, notes and help.
    pub fn error(&mut self, code: &'static str, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.push(code, Severity::Error, span, message.into())
    }

    /// A warning at a place.
    pub fn warning(&mut self, code: &'static str, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.push(code, Severity::Warning, span, message.into())
    }

    /// Something that a reader should know but need not act on.
    pub fn information(&mut self, code: &'static str, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.push(code, Severity::Information, span, message.into())
    }

    /// A note that points at `span`.
    pub fn note_at(&self, message: &str, span: Span) -> Note {
        let (line, column) = self.sources.line_column(span.file, span.start);
        Note { message: message.to_owned(), file: self.sources.shown(span.file), line, column }
    }

    /// How many errors were found so far.
    pub fn n_errors(&self) -> usize {
        self.found.iter().filter(|d| d.is_error()).count()
    }

    fn push(&mut self, code: &'static str, severity: Severity, span: Span, message: String) -> &mut Diagnostic {
        let (line, column) = self.sources.line_column(span.file, span.start);
        self.found.push(Diagnostic {
            code,
            severity,
            message,
            file: self.sources.shown(span.file),
            line,
            column,
            start: span.start,
            end: span.end.max(span.start),
            label: String::new(),
            notes: Vec::new(),
            help: Vec::new(),
        });
        self.found.last_mut().expect("one was pushed just now")
    }
}

impl Diagnostic {
    /// Adds the words at the caret.
    pub fn label(&mut self, label: impl Into<String>) -> &mut Self {
        self.label = label.into();
        self
    }

    /// Adds what to do.
    pub fn help(&mut self, help: impl Into<String>) -> &mut Self {
        self.help.push(help.into());
        self
    }

    /// Adds what to do, where there is something to say.
    pub fn help_if(&mut self, help: Option<String>) -> &mut Self {
        self.help.extend(help);
        self
    }

    /// Adds another place.
    pub fn note(&mut self, note: Note) -> &mut Self {
        self.notes.push(note);
        self
    }
}

/// The candidate nearest to what was written, where one is near enough to be what was meant.
///
/// Distance is optimal string alignment over lower-case characters; a third of the written length is the limit.
pub fn nearest<'c>(written: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let wanted: Vec<char> = written.to_lowercase().chars().collect();
    // One letter changed in a name of two is another name.
    let limit = if wanted.len() < 3 { 0 } else { (wanted.len() / 3).max(1) };
    let mut best: Option<(usize, &'c str)> = None;
    for candidate in candidates {
        let other: Vec<char> = candidate.to_lowercase().chars().collect();
        let has_prefix = other.starts_with(&wanted) || wanted.starts_with(&other);
        let distance = if has_prefix && wanted.len().min(other.len()) >= 3 {
            wanted.len().abs_diff(other.len()).min(limit)
        } else {
            distance(&wanted, &other)
        };
        if distance <= limit && best.is_none_or(|(d, c)| (distance, candidate) < (d, c)) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, c)| c)
}

/// `did you mean …?` with the nearest candidate, else `otherwise`.
pub(crate) fn did_you_mean<'c>(
    written: &str,
    candidates: impl IntoIterator<Item = &'c str>,
    otherwise: impl FnOnce() -> String,
) -> String {
    nearest(written, candidates).map_or_else(otherwise, |n| format!("did you mean `{n}`?"))
}

fn distance(a: &[char], b: &[char]) -> usize {
    let width = b.len() + 1;
    let mut table = vec![0; (a.len() + 1) * width];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            table[i * width + j] = if i == 0 || j == 0 {
                i + j
            } else {
                let cost = usize::from(a[i - 1] != b[j - 1]);
                let mut least = (table[(i - 1) * width + j] + 1)
                    .min(table[i * width + j - 1] + 1)
                    .min(table[(i - 1) * width + j - 1] + cost);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    least = least.min(table[(i - 2) * width + j - 2] + 1);
                }
                least
            };
        }
    }
    table[a.len() * width + b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_is_found_and_a_far_one_is_not() {
        assert_eq!(nearest("birthDay", ["birthDate", "gender", "name"]), Some("birthDate"));
        assert_eq!(nearest("SEX_CODE", ["SEXXX_CODE", "ETHGR_CODE"]), Some("SEXXX_CODE"));
        assert_eq!(nearest("zzz", ["birthDate", "gender"]), None);
    }

    #[test]
    fn lines_and_columns_count_characters_from_one() {
        let mut sources = Sources::new("");
        let file = sources.add("a.yaml", "é: x\nname: y\n");
        assert_eq!(sources.line_column(file, 0), (1, 1));
        assert_eq!(sources.line_column(file, 4), (1, 4));
        assert_eq!(sources.line_column(file, 6), (2, 1));
    }
}
