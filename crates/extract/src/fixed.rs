//! Fixed-width files: lines to rows, each column at its place.
//!
//! A file is first read to its end: where the spec names a trailer it must be there, last, and count what is there.
//! Then it is read again and staged. Places are characters after decoding. A line of another length than the record's
//! is not staged, since every column behind the fault would be wrong; it is kept aside whole.

use std::borrow::Cow;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use epr_model::Action;
use epr_run::staged::StagedTable;
use epr_run::{StageContext, StopFlag};

use crate::source::Source;
use crate::spec::{Counted, EmptyCell, FixedTable, Place, TableSpec, schema};
use crate::staging::{Cell, Outlet, Sink};
use crate::stream::{self, CHUNK_BYTES, Decoded, Proof, Rationed};
use crate::{ExtractError, decode, files, issues};

/// A line above this is refused: it has to fit in memory.
pub const MAX_LINE_BYTES: usize = 64 * 1024 * 1024;
/// Lines between two looks at whether to stop.
const LINES_BETWEEN_CHECKS: u64 = 8192;

/// Stages a table from all its files, in the order of their names.
pub fn stage_table(
    ctx: &StageContext<'_>,
    outlet: &Outlet<'_>,
    source: &Source,
    spec: &TableSpec,
    fixed: &FixedTable,
) -> Result<Vec<StagedTable>, ExtractError> {
    let found = files::matching(source, &fixed.files)?;
    if found.is_empty() {
        if !spec.optional {
            return Err(ExtractError::NoFiles {
                name: source.name.clone(),
                table: spec.name.clone(),
                pattern: fixed.files.clone(),
                path: source.path.clone().unwrap_or_default(),
            });
        }
        outlet.raise(source, &spec.name, (issues::TABLE_ABSENT, Action::Kept), None, None, None)?;
    }
    let mut sink = Sink::new(outlet, source, schema::of_fixed(spec, fixed), spec.trim)?;
    ctx.progress.begin(&format!("{} {}", source.name, spec.name), None, "lines");
    for file in &found {
        match check(file, fixed, ctx.stop)? {
            Ok(proof) => stage_file(ctx, &mut sink, file, fixed, &proof)?,
            Err(reason) => {
                let shape = Some(format!("{}: {reason}", files::name(file)));
                outlet.raise(source, &spec.name, (issues::FIXED_REFUSED, Action::Refused), None, None, shape)?;
            }
        }
    }
    ctx.progress.end();
    Ok(vec![sink.finish()?])
}

/// Reads a file to its end; the inner error says why it is refused.
fn check(path: &Path, fixed: &FixedTable, stop: &StopFlag) -> Result<Result<Proof, String>, ExtractError> {
    let mut file = stream::open(path)?;
    let mut whole = Whole::default();
    let read = each_line(&mut file, fixed.encoding, |n, line| {
        if n % LINES_BETWEEN_CHECKS == 0 {
            stop.check().map_err(|stopped| Broken::Taken(stopped.into()))?;
        }
        whole.line(n, line, fixed).map_err(Broken::Refused)
    });
    match read.and_then(|()| whole.end(fixed).map_err(Broken::Refused)) {
        Ok(()) => Ok(Ok(file.proof())),
        Err(Broken::Refused(reason)) => Ok(Err(reason)),
        Err(Broken::Io(error)) => Err(ExtractError::io("read", path)(error)),
        Err(Broken::Taken(error)) => Err(error),
    }
}

fn stage_file(
    ctx: &StageContext<'_>,
    sink: &mut Sink<'_, '_>,
    path: &Path,
    fixed: &FixedTable,
    proof: &Proof,
) -> Result<(), ExtractError> {
    let name = files::name(path);
    let mut file = stream::open(path)?;
    let read = each_line(&mut file, fixed.encoding, |n, line| {
        if n % LINES_BETWEEN_CHECKS == 0 {
            ctx.stop.check().map_err(|stopped| Broken::Taken(stopped.into()))?;
            ctx.progress.advance(LINES_BETWEEN_CHECKS);
        }
        put_line(sink, &name, n, line, fixed).map_err(Broken::Taken)
    });
    match read {
        Ok(()) if file.proof() == *proof => Ok(()),
        Ok(()) | Err(Broken::Refused(_)) => Err(ExtractError::FileChanged { path: path.to_owned() }),
        Err(Broken::Io(error)) => Err(ExtractError::io("read", path)(error)),
        Err(Broken::Taken(error)) => Err(error),
    }
}

fn put_line(
    sink: &mut Sink<'_, '_>,
    name: &str,
    n: u64,
    line: &Line<'_>,
    fixed: &FixedTable,
) -> Result<(), ExtractError> {
    let place = || format!("{name} line {n}");
    let text = match &line.text {
        Some(text) => text,
        None if fixed.tells_unknown => {
            let shape = format!("{} bytes", line.bytes.len());
            return sink.outside(issues::FIXED_UNDECODABLE, &place(), line.bytes, &shape);
        }
        None => return Ok(()),
    };
    match what_is(text, fixed) {
        LineKind::Own => {}
        LineKind::Unknown if fixed.tells_unknown => {
            let shape = format!("{} characters", text.chars().count());
            return sink.outside(issues::FIXED_UNKNOWN, &place(), line.bytes, &shape);
        }
        _ => return Ok(()),
    }
    let n_characters = text.chars().count();
    if let Some(length) = fixed.length.filter(|length| *length != n_characters) {
        let shape = format!("{n_characters} characters where the record has {length}");
        return sink.outside(issues::FIXED_LENGTH, &place(), line.bytes, &shape);
    }
    sink.at(place());
    for (i, column) in fixed.columns.iter().enumerate() {
        let cell = characters(text, column.place);
        if fixed.empty == EmptyCell::Null && cell.trim_matches(' ').is_empty() {
            sink.cell(i, Cell::Null)?;
        } else {
            sink.cell(i, Cell::Text(cell))?;
        }
    }
    sink.end_row()
}

/// What a line is to a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineKind {
    Own,
    /// Of another table of the same files.
    Other,
    Skipped,
    Trailer,
    Unknown,
}

fn what_is(text: &str, fixed: &FixedTable) -> LineKind {
    if fixed.trailer.as_ref().is_some_and(|t| text.starts_with(&t.starts_with)) {
        return LineKind::Trailer;
    }
    if text.is_empty() || text == "\u{1a}" || fixed.skip.iter().any(|prefix| text.starts_with(prefix)) {
        return LineKind::Skipped;
    }
    // `2` and `20` may both be records: the longer one decides.
    let other = fixed.others.iter().filter(|prefix| text.starts_with(*prefix)).map(String::len).max();
    match (&fixed.record, other) {
        (None, None) => LineKind::Own,
        (Some(own), None) if text.starts_with(own) => LineKind::Own,
        (Some(own), Some(n)) if text.starts_with(own) && own.len() > n => LineKind::Own,
        (_, Some(_)) => LineKind::Other,
        (Some(_), None) => LineKind::Unknown,
    }
}

/// Characters of a line; what is behind its end is empty.
fn characters(text: &str, place: Place) -> &str {
    let at = |n: usize| {
        if text.is_ascii() { n.min(text.len()) } else { text.char_indices().nth(n).map_or(text.len(), |(i, _)| i) }
    };
    &text[at(place.start)..at(place.start.saturating_add(place.width))]
}

/// Counts what a trailer counts.
#[derive(Debug, Default)]
struct Whole {
    records: u64,
    lines: u64,
    trailers: u64,
}

impl Whole {
    fn line(&mut self, n: u64, line: &Line<'_>, fixed: &FixedTable) -> Result<(), String> {
        if line.bytes.contains(&0) {
            return Err(format!("line {n}: a NUL byte"));
        }
        let kind = line.text.as_ref().map_or(LineKind::Unknown, |text| what_is(text, fixed));
        self.lines += u64::from(!matches!(&line.text, Some(text) if text.is_empty() || text == "\u{1a}"));
        match (kind, &fixed.trailer) {
            (LineKind::Skipped, _) => Ok(()),
            (LineKind::Trailer, Some(trailer)) => {
                let is = if trailer.counts == Counted::Records { self.records } else { self.lines };
                if let Some(place) = trailer.count {
                    let text = line.text.as_deref().unwrap_or_default();
                    let said: Option<u64> = characters(text, place).trim().parse().ok();
                    let said = said.ok_or(format!("line {n}: the trailer has no number where its count should be"))?;
                    if said != is {
                        return Err(format!("line {n}: the trailer counts {said}, and there are {is}"));
                    }
                }
                *self = Self { records: 0, lines: 0, trailers: self.trailers + 1 };
                Ok(())
            }
            _ => {
                self.records += 1;
                Ok(())
            }
        }
    }

    fn end(&self, fixed: &FixedTable) -> Result<(), String> {
        if fixed.trailer.is_some() && (self.trailers == 0 || self.records > 0) {
            return Err("the trailer is missing: the file breaks off".to_owned());
        }
        Ok(())
    }
}

/// A line without its end.
struct Line<'l> {
    bytes: &'l [u8],
    /// `None`: the bytes are not text in the encoding.
    text: Option<Cow<'l, str>>,
}

enum Broken {
    Refused(String),
    Io(io::Error),
    Taken(ExtractError),
}

/// Gives each line, numbered from 1.
fn each_line(
    reader: impl Read,
    declared: Option<&'static Encoding>,
    mut take: impl FnMut(u64, &Line<'_>) -> Result<(), Broken>,
) -> Result<(), Broken> {
    let by_mark = |head: &[u8]| decode::by_mark(head).unwrap_or((declared.unwrap_or(UTF_8), 0));
    let (written_in, rest) = stream::after_head(reader, by_mark).map_err(Broken::Io)?;
    // A line end of two bytes is not found byte by byte.
    let is_wide = written_in == UTF_16LE || written_in == UTF_16BE;
    let (bytes, encoding): (Box<dyn Read + '_>, _) =
        if is_wide { (Box::new(Decoded::new(rest, written_in)), UTF_8) } else { (Box::new(rest), written_in) };
    let mut bytes = Rationed::new(BufReader::with_capacity(CHUNK_BYTES, bytes), MAX_LINE_BYTES);
    let (mut line, mut n) = (Vec::new(), 0);
    loop {
        if line.capacity() > CHUNK_BYTES {
            line = Vec::new();
        }
        line.clear();
        bytes.renew();
        n += 1;
        let n_bytes = bytes.read_until(b'\n', &mut line).map_err(|error| {
            if stream::is_too_long(&error) {
                Broken::Refused(format!("line {n}: more than {MAX_LINE_BYTES} bytes"))
            } else if stream::is_not_text(&error) {
                Broken::Refused(format!("line {n}: a character is not {}", written_in.name()))
            } else {
                Broken::Io(error)
            }
        })?;
        if n_bytes == 0 {
            return Ok(());
        }
        let bytes = line.strip_suffix(b"\n").unwrap_or(&line);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        take(n, &Line { bytes, text: decode::text(bytes, encoding).ok() })?;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::spec::Trailer;

    fn table() -> FixedTable {
        FixedTable {
            files: "*".to_owned(),
            encoding: None,
            length: None,
            record: None,
            others: Vec::new(),
            tells_unknown: true,
            skip: vec!["HDR".to_owned()],
            trailer: Some(Trailer {
                starts_with: "TRL".to_owned(),
                count: Some(Place { start: 3, width: 3 }),
                counts: Counted::Records,
            }),
            columns: Vec::new(),
            empty: EmptyCell::Null,
        }
    }

    fn whole(text: &[u8], fixed: &FixedTable) -> Result<(), String> {
        let mut whole = Whole::default();
        let read = each_line(text, fixed.encoding, |n, line| whole.line(n, line, fixed).map_err(Broken::Refused));
        match read.and_then(|()| whole.end(fixed).map_err(Broken::Refused)) {
            Ok(()) => Ok(()),
            Err(Broken::Refused(reason)) => Err(reason),
            Err(Broken::Io(_) | Broken::Taken(_)) => panic!("bytes in memory can be read"),
        }
    }

    #[test]
    fn a_trailer_proves_that_a_file_is_whole() {
        let mut fixed = table();
        for (text, told) in [
            (&b"HDR\r\na\r\nb\r\nTRL002\r\n\x1a"[..], ""),
            (b"HDR\na\nTRL  1\nHDR\nb\nc\nTRL  2", ""),
            (b"HDR\na\nb\nTRL003\n", "line 4: the trailer counts 3, and there are 2"),
            (b"HDR\na\nTRLxyz\n", "line 3: the trailer has no number where its count should be"),
            (b"HDR\na\nb\n", "the trailer is missing: the file breaks off"),
            (b"a\nTRL001\nb\n", "the trailer is missing: the file breaks off"),
            (b"", "the trailer is missing: the file breaks off"),
            (b"a\0\nTRL001\n", "line 1: a NUL byte"),
        ] {
            assert_eq!(whole(text, &fixed).err().unwrap_or_default(), told);
        }
        if let Some(trailer) = &mut fixed.trailer {
            trailer.counts = Counted::Lines;
        }
        assert_eq!(whole(b"HDR\na\nTRL003\n", &fixed), Ok(()));
    }

    #[test]
    fn the_longer_of_two_beginnings_tells_the_record() {
        let fixed = FixedTable { record: Some("2".to_owned()), others: vec!["20".to_owned()], ..table() };
        assert_eq!(what_is("21x", &fixed), LineKind::Own);
        assert_eq!(what_is("20x", &fixed), LineKind::Other);
        assert_eq!(what_is("30x", &fixed), LineKind::Unknown);
        assert_eq!(what_is("HDR", &fixed), LineKind::Skipped);
        assert_eq!(what_is("TRL", &fixed), LineKind::Trailer);
    }

    proptest! {
        #[test]
        fn places_are_characters(text in "[a-zé€]{0,12}", start in 0..14_usize, width in 1..6_usize) {
            let expected: String = text.chars().skip(start).take(width).collect();
            prop_assert_eq!(characters(&text, Place { start, width }), expected);
        }

        #[test]
        fn any_bytes_are_whole_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            for encoding in [None, Some(UTF_16LE), Some(encoding_rs::WINDOWS_1252)] {
                let _ = whole(&bytes, &FixedTable { encoding, ..table() });
            }
        }

        #[test]
        fn columns_side_by_side_give_the_line_again(line in "[a-zé ]{1,30}", width in 1..7_usize) {
            let n = line.chars().count();
            let again: String = (0..n).step_by(width).map(|start| characters(&line, Place { start, width })).collect();
            prop_assert_eq!(again, line);
        }
    }
}
