//! Whether a CSV file is whole, and its rows once that is proved.
//!
//! The check reads all of the file and keeps its first row only; the rows are then read in a second pass, at whose
//! end the file must have the length and hash of the first ([`crate::stream`]).

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use epr_run::StopFlag;

use crate::spec::{CsvTable, NamedColumn, TableSpec};
use crate::stream::{self, CHUNK_BYTES, Decoded, Proof};
use crate::{ExtractError, decode};

/// A row above this is refused: it has to fit in memory.
pub const MAX_ROW_BYTES: usize = 64 * 1024 * 1024;

/// A file that was read to its end: its rows and cells can be told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WholeFile {
    /// In the order of the cells, under their staged names. A column that the spec does not list keeps its place
    /// under its own name, behind a `#`, so that it is never taken for a listed one.
    pub columns: Vec<NamedColumn>,
    /// Of the cells that [`WholeFile::each_row`] gives.
    pub encoding: &'static Encoding,
    proof: Proof,
}

/// Why a file was not read to its end.
enum Broken {
    Refused(String),
    Io(io::Error),
    Stopped(ExtractError),
}

impl From<String> for Broken {
    fn from(reason: String) -> Self {
        Self::Refused(reason)
    }
}

impl WholeFile {
    /// Reads the file to its end. The inner error says why the file is refused; it holds no cell.
    pub fn check(
        path: &Path,
        spec: &TableSpec,
        csv: &CsvTable,
        stop: &StopFlag,
    ) -> Result<Result<Self, String>, ExtractError> {
        let mut file = stream::open(path)?;
        match check(&mut file, csv, stop)
            .and_then(|(head, encoding)| Ok((columns(&head, encoding, spec, csv)?, encoding)))
        {
            Ok((columns, encoding)) => Ok(Ok(Self { columns, encoding, proof: file.proof() })),
            Err(Broken::Refused(reason)) => Ok(Err(reason)),
            Err(Broken::Io(error)) => Err(ExtractError::io("read", path)(error)),
            Err(Broken::Stopped(error)) => Err(error),
        }
    }

    /// Gives each row after the header to `take`. An error where the file is not the one that was checked: what was
    /// taken until then may not be kept.
    pub fn each_row(
        &self,
        path: &Path,
        csv: &CsvTable,
        take: impl FnMut(&::csv::ByteRecord) -> Result<(), ExtractError>,
    ) -> Result<(), ExtractError> {
        let changed = || ExtractError::FileChanged { path: path.to_owned() };
        let mut file = stream::open(path)?;
        match each_row(&mut file, csv, take) {
            Ok(()) if file.proof() == self.proof => Ok(()),
            Ok(()) | Err(Broken::Refused(_)) => Err(changed()),
            Err(Broken::Io(error)) => Err(ExtractError::io("read", path)(error)),
            Err(Broken::Stopped(error)) => Err(error),
        }
    }
}

/// The text that rows are read from: in an encoding that contains ASCII, behind the byte order mark and the lines
/// before the header.
struct Text<'r> {
    reader: BufReader<Box<dyn Read + 'r>>,
    encoding: &'static Encoding,
    /// The encoding of the file itself.
    written_in: &'static Encoding,
}

impl<'r> Text<'r> {
    fn of(reader: impl Read + 'r, csv: &CsvTable) -> Result<Self, Broken> {
        let by_mark = |head: &[u8]| decode::by_mark(head).unwrap_or((csv.encoding.unwrap_or(UTF_8), 0));
        let (written_in, rest) = stream::after_head(reader, by_mark).map_err(Broken::Io)?;
        // The CSV reader works on bytes, of which half would be NUL.
        let (reader, encoding): (Box<dyn Read + 'r>, _) = if written_in == UTF_16LE || written_in == UTF_16BE {
            (Box::new(Decoded::new(rest, written_in)), UTF_8)
        } else {
            (Box::new(rest), written_in)
        };
        let mut text = Self { reader: BufReader::with_capacity(CHUNK_BYTES, reader), encoding, written_in };
        text.skip_lines(csv.header_row.unwrap_or(1).saturating_sub(1))?;
        Ok(text)
    }

    /// The next bytes; none at the end.
    fn chunk(&mut self) -> Result<&[u8], Broken> {
        let written_in = self.written_in;
        self.reader.fill_buf().map_err(|error| broken(error, written_in))
    }

    fn skip_lines(&mut self, mut n_lines: u64) -> Result<(), Broken> {
        while n_lines > 0 {
            let chunk = self.chunk()?;
            if chunk.is_empty() {
                break;
            }
            let end = chunk.iter().position(|b| *b == b'\n');
            n_lines -= u64::from(end.is_some());
            let n = end.map_or(chunk.len(), |i| i + 1);
            self.reader.consume(n);
        }
        Ok(())
    }
}

fn broken(error: io::Error, written_in: &'static Encoding) -> Broken {
    if stream::is_not_text(&error) {
        Broken::Refused(format!("a character is not {}", written_in.name()))
    } else {
        Broken::Io(error)
    }
}

/// Reads everything; gives the first row that is not empty, as it is written, and the encoding of the cells.
fn check(reader: impl Read, csv: &CsvTable, stop: &StopFlag) -> Result<(Vec<u8>, &'static Encoding), Broken> {
    let mut text = Text::of(reader, csv)?;
    let mut scan = Scan::new(csv);
    loop {
        let chunk = text.chunk()?;
        if chunk.is_empty() {
            break;
        }
        scan.bytes(chunk)?;
        let n = chunk.len();
        text.reader.consume(n);
        stop.check().map_err(|stopped| Broken::Stopped(stopped.into()))?;
    }
    scan.end()?;
    Ok((scan.head, text.encoding))
}

fn each_row(
    reader: impl Read,
    csv: &CsvTable,
    mut take: impl FnMut(&::csv::ByteRecord) -> Result<(), ExtractError>,
) -> Result<(), Broken> {
    let text = Text::of(reader, csv)?;
    let written_in = text.written_in;
    let mut rows = rows(text.reader, csv);
    let mut row = ::csv::ByteRecord::new();
    while rows.read_byte_record(&mut row).map_err(|error| match error.into_kind() {
        ::csv::ErrorKind::Io(error) => broken(error, written_in),
        _ => Broken::Refused("a row cannot be read".to_owned()),
    })? {
        take(&row).map_err(Broken::Stopped)?;
    }
    Ok(())
}

fn rows<R: Read>(text: R, csv: &CsvTable) -> ::csv::Reader<R> {
    ::csv::ReaderBuilder::new()
        .delimiter(csv.delimiter)
        .has_headers(csv.header_row.is_some())
        .flexible(true)
        .from_reader(text)
}

fn columns(
    head: &[u8],
    encoding: &'static Encoding,
    spec: &TableSpec,
    csv: &CsvTable,
) -> Result<Vec<NamedColumn>, String> {
    if csv.header_row.is_none() {
        return Ok(csv.columns.clone().expect("the spec's reader asks for columns where there is no header"));
    }
    let mut reader = rows(head, csv);
    let header = reader.byte_headers().map_err(|_| "the header cannot be read".to_owned())?;
    let mut seen = BTreeSet::new();
    let mut columns = Vec::new();
    for (i, cell) in header.iter().enumerate() {
        let text =
            decode::text(cell, encoding).map_err(|_| format!("header: cell {} is not {}", i + 1, encoding.name()))?;
        let source = text.trim().to_owned();
        if source.is_empty() {
            return Err(format!("header: cell {} is empty", i + 1));
        }
        if !seen.insert(source.clone()) {
            return Err(format!("header: cell {} names a column that was named before", i + 1));
        }
        columns.push(NamedColumn { name: staged_name(&source, spec, csv), source });
    }
    if columns.is_empty() {
        return Err("there is no header".to_owned());
    }
    Ok(columns)
}

fn staged_name(source: &str, spec: &TableSpec, csv: &CsvTable) -> String {
    match &csv.columns {
        None => spec.spelling(source).unwrap_or(source).to_owned(),
        Some(columns) => match columns.iter().find(|c| c.source == source) {
            Some(column) => column.name.clone(),
            None => format!("#{source}"),
        },
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    CellStart,
    Unquoted,
    Quoted,
    AfterQuote,
}

/// Refuses what the csv crate would read by guessing: an open quote at the end, text after a closing quote, NUL.
struct Scan {
    delimiter: u8,
    at: At,
    line: u64,
    quoted_since: u64,
    row_bytes: usize,
    /// The first row that is not empty, without its line end: the header where there is one.
    head: Vec<u8>,
    head_ended: bool,
}

impl Scan {
    fn new(csv: &CsvTable) -> Self {
        let line = csv.header_row.unwrap_or(1);
        Self {
            delimiter: csv.delimiter,
            at: At::CellStart,
            line,
            quoted_since: line,
            row_bytes: 0,
            head: Vec::new(),
            head_ended: csv.header_row.is_none(),
        }
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), String> {
        for &b in bytes {
            if b == 0 {
                return Err(format!("line {}: a NUL byte", self.line));
            }
            let is_line_end = b == b'\n' || b == b'\r';
            if is_line_end && self.at != At::Quoted {
                self.head_ended |= self.row_bytes > 0;
                self.row_bytes = 0;
            } else {
                self.row_bytes += 1;
                if self.row_bytes > MAX_ROW_BYTES {
                    return Err(format!("line {}: a row of more than {MAX_ROW_BYTES} bytes", self.line));
                }
                if !self.head_ended {
                    self.head.push(b);
                }
            }
            self.at = match self.at {
                At::Quoted if b == b'"' => At::AfterQuote,
                At::Quoted => At::Quoted,
                At::AfterQuote if b == b'"' => At::Quoted,
                At::CellStart if b == b'"' => {
                    self.quoted_since = self.line;
                    At::Quoted
                }
                _ if b == self.delimiter || is_line_end => At::CellStart,
                At::AfterQuote => return Err(format!("line {}: text after the closing quote of a cell", self.line)),
                At::CellStart | At::Unquoted => At::Unquoted,
            };
            if b == b'\n' {
                self.line += 1;
            }
        }
        Ok(())
    }

    fn end(&self) -> Result<(), String> {
        if self.at == At::Quoted {
            return Err(format!("line {}: a quoted cell that never ends", self.quoted_since));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use proptest::prelude::*;

    use super::*;
    use crate::spec::EmptyCell;

    fn plain() -> CsvTable {
        CsvTable {
            files: "*.csv".to_owned(),
            delimiter: b',',
            encoding: None,
            header_row: Some(1),
            columns: None,
            empty: EmptyCell::Text,
        }
    }

    /// The reason why bytes are refused.
    fn scanned(bytes: &[u8]) -> Result<(), String> {
        match check(bytes, &plain(), &StopFlag::new()) {
            Ok(_) => Ok(()),
            Err(Broken::Refused(reason)) => Err(reason),
            Err(Broken::Io(_) | Broken::Stopped(_)) => panic!("bytes in memory can be read"),
        }
    }

    fn read(bytes: &[u8]) -> Vec<Vec<String>> {
        let mut read = Vec::new();
        let taken = each_row(bytes, &plain(), |row| {
            read.push(row.iter().map(|c| String::from_utf8_lossy(c).into_owned()).collect());
            Ok(())
        });
        assert!(taken.is_ok());
        read
    }

    #[test]
    fn a_file_whose_rows_would_be_a_guess_is_refused_with_its_line() {
        for (text, expected) in [
            ("a,b\n1,\"2\n3,4\n", Err("line 2: a quoted cell that never ends".to_owned())),
            ("a,b\n1,\"2\"x\n", Err("line 2: text after the closing quote of a cell".to_owned())),
            ("a,b\n1,\0\n", Err("line 2: a NUL byte".to_owned())),
            ("a,b\n1,2\"3\n", Ok(())),
            ("a,b\r\n\"1\n\"\"x\"\"\",\r\n", Ok(())),
            ("", Ok(())),
        ] {
            assert_eq!(scanned(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn a_row_that_would_not_fit_in_memory_is_refused() {
        let row = |n: usize| b"a\n\"".iter().copied().chain(std::iter::repeat_n(b'x', n - 2)).chain(*b"\"\n").collect();
        let (longest, longer): (Vec<u8>, Vec<u8>) = (row(MAX_ROW_BYTES), row(MAX_ROW_BYTES + 1));
        assert_eq!(scanned(&longest), Ok(()));
        assert_eq!(scanned(&longer), Err("line 2: a row of more than 67108864 bytes".to_owned()));
    }

    #[test]
    fn a_file_that_is_altered_between_check_and_staging_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let mut spec =
            crate::spec::parse("tables: { t: { csv: '*.csv', key: row } }", crate::SourceKind::Csv, &path).unwrap();
        let spec = spec.tables.remove(0);
        for altered in ["a,b\n1,3\n", "a,b\n1,2\n3,4\n", "a,b\n", ""] {
            std::fs::write(&path, "a,b\n1,2\n").unwrap();
            let whole = WholeFile::check(&path, &spec, &plain(), &StopFlag::new()).unwrap().unwrap();
            assert!(whole.each_row(&path, &plain(), |_| Ok(())).is_ok());
            std::fs::write(&path, altered).unwrap();
            let error = whole.each_row(&path, &plain(), |_| Ok(())).unwrap_err();
            assert!(matches!(error, ExtractError::FileChanged { .. }) && error.is_environment(), "{altered:?}");
        }
    }

    /// Makes a file of 20 MB while it is read, and counts what it gave.
    struct Made {
        n_given: Rc<Cell<usize>>,
        largest_request: Rc<Cell<usize>>,
    }

    const ROW: &[u8] = b"0123456789,\"a cell, quoted\"\n";
    const N_ROWS: usize = 700_000;

    impl Read for Made {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.largest_request.set(self.largest_request.get().max(buffer.len()));
            let from = self.n_given.get();
            let n = buffer.len().min(ROW.len() * N_ROWS - from);
            for (i, b) in buffer[..n].iter_mut().enumerate() {
                *b = ROW[(from + i) % ROW.len()];
            }
            self.n_given.set(from + n);
            Ok(n)
        }
    }

    #[test]
    fn what_is_held_of_a_file_does_not_grow_with_the_file() {
        for encoding in [UTF_8, encoding_rs::WINDOWS_1252] {
            let csv = CsvTable { encoding: Some(encoding), ..plain() };
            let (n_given, largest_request) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
            let made = || Made { n_given: n_given.clone(), largest_request: largest_request.clone() };
            let (head, _) = check(made(), &csv, &StopFlag::new()).ok().unwrap();
            assert_eq!((head.len(), n_given.get()), (ROW.len() - 1, ROW.len() * N_ROWS));
            n_given.set(0);
            // The header is the first row.
            let (mut n_taken, mut most_held) = (ROW.len(), 0);
            let taken = each_row(made(), &csv, |_| {
                n_taken += ROW.len();
                most_held = most_held.max(n_given.get() - n_taken.min(n_given.get()));
                Ok(())
            });
            assert!(taken.is_ok());
            assert_eq!(n_taken, ROW.len() * N_ROWS);
            assert!(most_held <= 2 * CHUNK_BYTES, "{most_held} bytes were read and not yet given as rows");
            assert!(largest_request.get() <= CHUNK_BYTES, "{} bytes were asked for at once", largest_request.get());
        }
    }

    proptest! {
        #[test]
        fn what_a_csv_writer_wrote_is_whole_and_comes_back(
            rows in proptest::collection::vec(proptest::collection::vec("[ -~é\r\n\"]{0,8}", 3), 1..6),
        ) {
            let mut writer = ::csv::Writer::from_writer(Vec::new());
            writer.write_record(["a", "b", "c"]).unwrap();
            for row in &rows {
                writer.write_record(row).unwrap();
            }
            let bytes = writer.into_inner().unwrap();
            prop_assert_eq!(scanned(&bytes), Ok(()));
            prop_assert_eq!(read(&bytes), rows);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80), noise in "[a\",\r\n;\t]{0,40}") {
            for bytes in [&bytes[..], noise.as_bytes(), &[b"\xff\xfe", &bytes[..]].concat()] {
                for header_row in [None, Some(1), Some(3)] {
                    let csv = CsvTable { header_row, ..plain() };
                    let checked = check(bytes, &csv, &StopFlag::new());
                    let read = each_row(bytes, &csv, |_| Ok(()));
                    prop_assert!(checked.is_err() || read.is_ok(), "what is whole can be read");
                }
            }
        }

        #[test]
        fn a_file_cut_inside_a_quoted_cell_is_refused(
            cells in proptest::collection::vec("[a-z,\r\n]{1,6}", 1..6), cut in any::<prop::sample::Index>(),
        ) {
            let whole = cells.iter().fold(String::new(), |text, cell| text + "\"" + cell + "\"\n");
            let cut = cut.index(whole.len());
            let n_quotes = whole[..cut].matches('"').count();
            prop_assert_eq!(scanned(&whole.as_bytes()[..cut]).is_err(), n_quotes % 2 == 1);
        }
    }
}
