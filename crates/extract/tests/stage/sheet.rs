//! Workbooks. Those of Excel are written by rust_xlsxwriter; those of OpenDocument and of old Excel by hand.
//!
//! Long because it is a list of cases, one a fault of workbooks, and of the workbooks that show them.

use std::io::{Cursor, Write};

use epr_extract::sheet::workbook::Workbook as Opened;
use epr_extract::{ExtractError, Source, SourceKind};
use proptest::prelude::*;
use rust_xlsxwriter::{ExcelDateTime, Format, Formula, Workbook, Worksheet};
use zip::write::{SimpleFileOptions, ZipWriter};

use super::probe::{self, extract};

const REGISTER: &str = "tables:
  referral:
    sheet: Referrals*
    header: { row: 3 }
    columns:
      ref: { named: [ Our ref ] }
      surname: { named: [ Surname ] }
      nhs_no: { named: [ NHS No, NHS No., NHS Number ], pad: 10 }
      dob: { named: [ Date of birth, DOB ] }
      ethnicity: { named: [ Ethnicity ] }
    key: ref
    until: blank($surname)
    optional: [ ethnicity ]
";

fn source_of(spec: &str, files: &[(&str, Vec<u8>)]) -> (tempfile::TempDir, Source) {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let source = Source { path: Some(folder.path().to_owned()), ..probe::source(SourceKind::Sheet, spec) };
    (folder, source)
}

fn xlsx(write: impl FnOnce(&mut Workbook)) -> Vec<u8> {
    let mut book = Workbook::new();
    write(&mut book);
    book.save_to_buffer().unwrap()
}

fn texts(sheet: &mut Worksheet, row: u32, cells: &[&str]) {
    for (column, cell) in (0..).zip(cells) {
        if !cell.is_empty() {
            sheet.write(row, column, *cell).unwrap();
        }
    }
}

/// A sheet of one table without tricks: header in row 1, text cells.
fn plain_sheet(rows: &[&[&str]]) -> Vec<u8> {
    xlsx(|book| {
        let sheet = book.add_worksheet();
        for (row, cells) in (0..).zip(rows) {
            texts(sheet, row, cells);
        }
    })
}

fn zipped(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in parts {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn ods(styles: &str, tables: &str) -> Vec<u8> {
    let content = format!(
        "<?xml version='1.0' encoding='UTF-8'?><office:document-content \
         xmlns:office='urn:oasis:names:tc:opendocument:xmlns:office:1.0' \
         xmlns:table='urn:oasis:names:tc:opendocument:xmlns:table:1.0' \
         xmlns:style='urn:oasis:names:tc:opendocument:xmlns:style:1.0' \
         xmlns:text='urn:oasis:names:tc:opendocument:xmlns:text:1.0'><office:automatic-styles>{styles}\
         </office:automatic-styles><office:body><office:spreadsheet>{tables}</office:spreadsheet></office:body>\
         </office:document-content>"
    );
    zipped(&[("mimetype", b"application/vnd.oasis.opendocument.spreadsheet"), ("content.xml", content.as_bytes())])
}

fn ods_row(cells: &[&str]) -> String {
    let cells: String = cells
        .iter()
        .map(|cell| match cell.strip_prefix('=') {
            Some(attributes) => format!("<table:table-cell {attributes}/>"),
            None if cell.is_empty() => "<table:table-cell/>".to_owned(),
            None => format!("<table:table-cell office:value-type='string'><text:p>{cell}</text:p></table:table-cell>"),
        })
        .collect();
    format!("<table:table-row>{cells}</table:table-row>")
}

fn register() -> Vec<u8> {
    xlsx(|book| {
        let date = Format::new().set_num_format("dd/mm/yyyy");
        let bold = Format::new().set_bold();
        let first = book.add_worksheet().set_name("Referrals 2025").unwrap();
        first.merge_range(0, 0, 0, 4, "St Example's Hospice", &bold).unwrap();
        texts(first, 2, &[" our  REF", "Surname", "NHS No.", "DOB"]);
        texts(first, 3, &["R1", "ADAMS"]);
        first.write(3, 2, 9_990_000_107_f64).unwrap();
        first.write_with_format(3, 3, ExcelDateTime::from_ymd(1950, 3, 12).unwrap(), &date).unwrap();
        texts(first, 4, &["R2", "BROWN", "999 000 0115", "12/03/1950"]);
        texts(first, 6, &["R3", "CLARK", "", "approx 1950"]);
        first.write(6, 2, 90_000_123_f64).unwrap();
        texts(first, 8, &["Total"]);
        first.write(8, 2, 3).unwrap();
        let second = book.add_worksheet().set_name("REFERRALS 2026").unwrap();
        texts(second, 2, &["NHS Number", "Ethnicity", "Our ref", "Surname", "Date of\nbirth", "Notes"]);
        texts(second, 3, &["9990000123", "A", "R4", "DAVIES", "1950", "a note"]);
        book.add_worksheet().set_name("Lists").unwrap();
    })
}

#[test]
fn a_register_of_two_years_is_one_table() {
    let (_f, source) = source_of(REGISTER, &[("register.xlsx", register())]);
    let staged = extract(source).unwrap();
    assert_eq!(
        staged.rows("referral"),
        [
            ["R1", "ADAMS", "9990000107", "1950-03-12", "∅"],
            ["R2", "BROWN", "999 000 0115", "12/03/1950", "∅"],
            ["R3", "CLARK", "0090000123", "approx 1950", "∅"],
            ["R4", "DAVIES", "9990000123", "1950", "A"],
        ]
    );
    assert_eq!(
        staged.issues(),
        [
            "EXT0101 kept referral - ethnicity register.xlsx sheet 1",
            "EXT0511 excluded referral - - register.xlsx sheet 1: 1 at the end, the first row 9",
            "EXT0504 omitted referral - Notes register.xlsx sheet 2 column F",
        ]
    );
}

#[test]
fn the_same_files_give_the_same_bytes_and_a_file_may_be_named() {
    let (_f, source) = source_of(REGISTER, &[("a.xlsx", register()), ("~$a.xlsx", vec![1]), ("b.txt", vec![2])]);
    let first = extract(source.clone()).unwrap().fingerprint();
    assert_eq!(extract(source.clone()).unwrap().fingerprint(), first);
    let named = Source { path: source.path.as_ref().map(|p| p.join("a.xlsx")), ..source };
    assert_eq!(extract(named).unwrap().rows("referral").len(), 4);
}

#[test]
fn every_kind_of_cell_is_what_a_person_sees_or_is_told() {
    let spec = "tables: { t: { sheet: '*', key: row, place: [ file, sheet, row ], columns: {
        text: text, day: { kind: date }, at: { kind: timestamp }, flag: { kind: bool }, n: { kind: int64 }, time: { dates: iso-time } } } }";
    let book = xlsx(|book| {
        let date = Format::new().set_num_format("d mmm yyyy");
        let time = Format::new().set_num_format("dd/mm/yyyy hh:mm");
        let clock = Format::new().set_num_format("hh:mm");
        let nhs = Format::new().set_num_format("000\\ 000\\ 0000");
        let sheet = book.add_worksheet();
        texts(sheet, 0, &["Text", "Day", "At", "Flag", "N", "Time"]);
        let put = |sheet: &mut Worksheet, row: u32, serials: [f64; 3]| {
            sheet.write_with_format(row, 1, serials[0], &date).unwrap();
            sheet.write_with_format(row, 2, serials[1], &time).unwrap();
            sheet.write_with_format(row, 5, serials[2], &time).unwrap();
        };
        put(sheet, 1, [18334.0, 45_658.604_166_666_664, 45_658.0]);
        sheet.write(1, 0, 1.5).unwrap().write(1, 3, true).unwrap().write(1, 4, 7).unwrap();
        // A date with a time in a column of dates, a clock time in one of times, 29 February 1900.
        put(sheet, 2, [18334.5, 0.5, 60.0]);
        sheet
            .write_with_format(2, 0, 90_000_107_f64, &nhs)
            .unwrap()
            .write(2, 3, "yes")
            .unwrap()
            .write(2, 4, 7.5)
            .unwrap();
        // Text in typed columns; a number that a date was typed as; an id cut by Excel; an error; no computed value.
        texts(sheet, 3, &["", "12/03/1950", "1950-03-12T09:30:00"]);
        sheet.write(3, 0, 900_000_000_000_001_234_f64).unwrap().write(3, 4, 12_345).unwrap();
        sheet.write_formula(3, 3, Formula::new("=1/0").set_result("#DIV/0!")).unwrap();
        sheet.write_with_format(3, 5, 0.395_833_333_333_333, &clock).unwrap();
        sheet.write_formula(4, 0, Formula::new("=\"a\"&\"b\"").set_result("ab")).unwrap();
        sheet.write(4, 1, 18_334).unwrap();
        texts(sheet, 5, &["\u{feff}x\u{a0}", " ", "\u{a0}"]);
        sheet.write(5, 3, false).unwrap();
        sheet.write(6, 0, true).unwrap();
    });
    let (_f, source) = source_of(spec, &[("a.xlsx", book)]);
    let staged = extract(source).unwrap();
    insta::assert_debug_snapshot!((staged.columns("t"), staged.rows("t"), staged.issues(), staged.aside("t")));
}

#[test]
fn what_is_hidden_merged_repeated_or_below_the_end_is_told() {
    let spec = "tables: { t: { sheet: People, header: { find: [ ref, name ] }, key: ref, until: \"starts_with($ref, 'total')\",
        columns: { ref: Ref, name: Name, city: { named: [ Address Town ] } } } }";
    let book = xlsx(|book| {
        let plain = Format::new();
        let sheet = book.add_worksheet().set_name("People").unwrap();
        sheet.set_hidden(true);
        texts(sheet, 0, &["", "Printed for"]);
        texts(sheet, 4, &["Ref", "Name", "Address Town", "", "Other"]);
        texts(sheet, 5, &["1", "A", "Exeter", "unnamed", "x"]);
        texts(sheet, 6, &["2"]);
        sheet.merge_range(5, 1, 6, 1, "A", &plain).unwrap();
        sheet.set_row_hidden(6).unwrap();
        sheet.set_column_hidden(2).unwrap();
        texts(sheet, 7, &["Ref", "Name", "Address Town", "", "Other"]);
        texts(sheet, 8, &["", "", "", "", "only here"]);
        texts(sheet, 9, &["3", "C"]);
        texts(sheet, 10, &["TOTAL 3"]);
        texts(sheet, 12, &["4", "D", "Truro"]);
        texts(sheet, 13, &["total again"]);
        book.add_worksheet();
    });
    let (_f, source) = source_of(spec, &[("a.xlsx", book)]);
    let staged = extract(source).unwrap();
    insta::assert_debug_snapshot!((staged.rows("t"), staged.issues(), staged.aside("t")));
}

#[test]
fn a_header_of_two_rows_is_known_by_both_or_by_the_lower() {
    let spec = "tables: { t: { sheet: '*', header: { row: 2, rows: 2 }, key: ref, columns: { ref: Ref, town: Address Town, code: Post code, seen: Seen on } } }";
    let book = xlsx(|book| {
        let sheet = book.add_worksheet();
        sheet.merge_range(1, 1, 1, 2, "Address", &Format::new()).unwrap();
        texts(sheet, 2, &["Ref", "Town", "Post code"]);
        sheet.write(1, 3, "Seen on").unwrap();
        texts(sheet, 3, &["1", "Truro", "TR1", "2025"]);
    });
    let (_f, source) = source_of(spec, &[("a.xlsx", book)]);
    let staged = extract(source).unwrap();
    assert_eq!(staged.rows("t"), [["1", "Truro", "TR1", "2025"]]);
    assert_eq!(staged.issues(), [""; 0]);
}

#[test]
fn a_sheet_whose_header_does_not_fit_gives_no_row_and_the_others_do() {
    let spec = "tables: { t: { sheet: Sheet1, key: ref, columns: { ref: { named: [ Ref, Our ref ] }, name: Name } } }";
    for (header, told) in [
        (&["Ref"][..], "the header in row 1 has no column for name"),
        (&["Ref", "Name", "our REF"], "columns A and C are both `ref`"),
        (&["", ""], "row 1, where the header should be, is empty"),
    ] {
        let wrong = plain_sheet(&[header, &["1", "A"]]);
        let right = plain_sheet(&[&["Name", "Our ref"], &["B", "2"]]);
        let (_f, source) = source_of(spec, &[("a.xlsx", wrong), ("b.xlsx", right)]);
        let staged = extract(source).unwrap();
        assert_eq!(staged.rows("t"), [["2", "B"]]);
        assert_eq!(staged.issues(), [format!("EXT0503 refused t - - a.xlsx sheet 1: {told}")]);
    }
    let spec = "tables: { t: { sheet: Sheet1, header: { find: [ Ref ] }, key: ref, columns: { ref: Ref } } }";
    let (_f, source) = source_of(spec, &[("a.xlsx", plain_sheet(&[&["x"]]))]);
    let told = "EXT0503 refused t - - a.xlsx sheet 1: none of the first 30 rows has the headers Ref";
    assert_eq!(extract(source).unwrap().issues(), [told]);
}

#[test]
fn what_cannot_be_read_is_refused_and_the_others_are_staged() {
    let spec = "tables: { t: { sheet: Sheet1, files: [ '*.xls*', '*.ods' ], key: ref, columns: [ Ref ] } }"
        .replace("key: ref", "key: Ref");
    let good = plain_sheet(&[&["Ref"], &["1"]]);
    let cut = good[..good.len() - 200].to_vec();
    let mut altered = good.clone();
    let at = altered.windows(18).position(|w| w == b"xl/worksheets/shee").unwrap() + 40;
    altered[at] ^= 0x55;
    let mut locked = cfb::CompoundFile::create(Cursor::new(Vec::new())).unwrap();
    locked.create_stream("/EncryptedPackage").unwrap().write_all(b"x").unwrap();
    let locked = locked.into_inner().into_inner();
    let manifest = b"<m:manifest xmlns:m='x'><m:file-entry><m:encryption-data/></m:file-entry></m:manifest>";
    let locked_ods = zipped(&[("META-INF/manifest.xml", &manifest[..]), ("content.xml", b"?")]);
    let broken_ods = zipped(&[("content.xml", b"<a><table name='Sheet1'><table-row>")]);
    for (name, bytes, told) in [
        ("a.xlsx", cut, "the zip is damaged or breaks off"),
        ("a.xlsx", altered, "a part of the zip is damaged"),
        ("a.xlsx", locked, "protected by a password"),
        ("a.ods", locked_ods, "protected by a password"),
        ("a.ods", broken_ods, "an XML part breaks off"),
        ("a.xlsx", zipped(&[("hello.txt", b"x")]), "a zip that holds no workbook"),
        (
            "a.xls",
            b"<html><table>".to_vec(),
            "a web page under the name of a workbook: open it in a spreadsheet program and save it as a workbook",
        ),
    ] {
        let (_f, source) = source_of(&spec, &[(name, bytes), ("b.xlsx", good.clone())]);
        let staged = extract(source).unwrap();
        assert_eq!(staged.rows("t"), [["1"]]);
        assert_eq!(staged.issues(), [format!("EXT0501 refused t - - {name}: {told}")]);
    }
}

#[test]
fn a_workbook_without_the_sheet_is_told_and_no_file_at_all_stops() {
    let spec = "tables: { t: { sheet: Other, key: Ref, columns: [ Ref ] } }";
    let renamed = ("a.xlsx", plain_sheet(&[&["Ref"]]));
    let book = xlsx(|book| texts(book.add_worksheet().set_name("other").unwrap(), 0, &["Ref"]));
    let (_f, source) = source_of(spec, &[renamed.clone(), ("b.xlsx", book)]);
    assert_eq!(extract(source).unwrap().issues(), ["EXT0502 kept t - - a.xlsx: none of its 1 sheets"]);
    let (_f, source) = source_of(spec, &[renamed]);
    let error = extract(source).err().unwrap();
    let told = "1 workbooks with 1 sheets of other names";
    assert!(matches!(&error, ExtractError::TableMissing { there, .. } if there == told));
    let (_f, source) = source_of(spec, &[]);
    assert!(matches!(extract(source), Err(ExtractError::NoFiles { .. })));
    let (_f, source) = source_of("tables: { t: { sheet: Other, key: Ref, columns: [ Ref ], optional: true } }", &[]);
    assert_eq!(extract(source).unwrap().issues(), ["EXT0102 kept t - - -"]);
}

#[test]
fn a_sheet_without_a_header_has_its_columns_by_place() {
    let spec = "tables: { t: { sheet: Sheet1, header: false, key: a, columns: [ a, b ] } }";
    let (_f, source) = source_of(spec, &[("a.xlsx", plain_sheet(&[&["1", "x"], &["", "y"]]))]);
    assert_eq!(extract(source).unwrap().rows("t"), [["1", "x"], ["∅", "y"]]);
}

#[test]
fn a_workbook_of_the_1904_system_gives_the_same_days() {
    let sheet = "<worksheet xmlns='x'><sheetData><row><c t='inlineStr'><is><t>Day</t></is></c></row>\
                 <row><c s='1'><v>16872</v></c></row></sheetData></worksheet>";
    let book = "<workbook xmlns:r='r'><workbookPr date1904='1'/><sheets><sheet name='S' sheetId='1' r:id='i'/></sheets></workbook>";
    let styles = "<styleSheet><cellXfs><xf numFmtId='0'/><xf numFmtId='14'/></cellXfs></styleSheet>";
    let rels = "<Relationships><Relationship Id='i' Type='http://x/worksheet' Target='/xl/s.xml'/>\
                <Relationship Id='j' Type='http://x/styles' Target='styles.xml'/></Relationships>";
    let parts: [(&str, &[u8]); 4] = [
        ("xl/workbook.xml", book.as_bytes()),
        ("xl/_rels/workbook.xml.rels", rels.as_bytes()),
        ("xl/s.xml", sheet.as_bytes()),
        ("XL\\styles.xml", styles.as_bytes()),
    ];
    let (_f, source) =
        source_of("tables: { t: { sheet: S, key: Day, columns: [ Day ] } }", &[("a.xlsx", zipped(&parts))]);
    assert_eq!(extract(source).unwrap().rows("t"), [["1950-03-12"]]);
}

#[test]
fn a_few_bytes_that_say_a_far_cell_or_a_million_rows_take_no_memory() {
    let cells = "<row r='1'><c r='A1' t='inlineStr'><is><t>Ref</t></is></c></row>\
                 <row r='1048576'><c r='A1048576'><v>1</v></c><c r='XFD1048576'><v>2</v></c></row>";
    let sheet = format!("<worksheet><sheetData>{cells}</sheetData></worksheet>");
    let book = "<workbook xmlns:r='r'><sheets><sheet name='S' sheetId='1' r:id='i'/></sheets></workbook>";
    let rels = "<Relationships><Relationship Id='i' Type='x/worksheet' Target='s.xml'/></Relationships>";
    let sparse = zipped(&[
        ("xl/workbook.xml", book.as_bytes()),
        ("xl/_rels/workbook.xml.rels", rels.as_bytes()),
        ("xl/s.xml", sheet.as_bytes()),
    ]);
    let spec = "tables: { t: { sheet: S, key: Ref, columns: [ Ref ] } }";
    let (_f, source) = source_of(spec, &[("a.xlsx", sparse)]);
    let staged = extract(source).unwrap();
    assert_eq!(staged.rows("t"), [["1"]]);
    assert_eq!(staged.issues(), ["EXT0513 omitted t - - a.xlsx sheet 1 column XFD: 1 cells"]);

    let empty = "<table:table-row table:number-rows-repeated='1048000'><table:table-cell table:number-columns-repeated='16384'/></table:table-row>";
    let table = format!("<table:table table:name='S'>{}{empty}{}</table:table>", ods_row(&["Ref"]), ods_row(&["1"]));
    let (_f, source) = source_of(spec, &[("a.ods", ods("", &table))]);
    assert_eq!(extract(source).unwrap().rows("t"), [["1"]]);
}

#[test]
fn an_ods_ledger_with_an_offset_header_groups_and_a_hidden_sheet() {
    let spec = "tables: { t: { sheet: Patients, header: { row: 3 }, key: ref, until: blank($name), columns: {
        ref: Ref, name: Name, nhs: { named: [ NHS Number ] }, dob: { named: [ Date of birth ] }, seen: { named: [ Seen ], kind: timestamp } } } }";
    let styles = "<style:style style:name='ta2' style:family='table'><style:table-properties table:display='false'/></style:style>";
    let rows = [
        "<table:table-column table:number-columns-repeated='2'/><table:table-column table:visibility='collapse'/>"
            .to_owned(),
        "<table:table-row table:number-rows-repeated='2'><table:table-cell/></table:table-row>".to_owned(),
        format!(
            "<table:table-header-rows>{}</table:table-header-rows>",
            ods_row(&["Ref", "Name", "NHS Number", "Date of birth", "Seen"])
        ),
        ods_row(&[
            "1",
            "ADAMS, Ann",
            "=office:value-type='float' office:value='9990000107'",
            "=office:value-type='date' office:date-value='1950-03-12'",
            "=office:value-type='date' office:date-value='2025-01-01T14:30:00'",
        ]),
        format!(
            "<table:table-row-group>{}</table:table-row-group>",
            ods_row(&["2", "BROWN, Bob", "999 000 0115", "3 Mar 1950"])
        ),
        ods_row(&["2 patients"]),
    ];
    let table = format!("<table:table table:name='Patients' table:style-name='ta2'>{}</table:table>", rows.concat());
    let (_f, source) = source_of(spec, &[("a.ods", ods(styles, &table))]);
    let staged = extract(source).unwrap();
    assert_eq!(
        staged.rows("t"),
        [
            ["1", "ADAMS, Ann", "9990000107", "1950-03-12", "µs 1735741800000000"],
            ["2", "BROWN, Bob", "999 000 0115", "3 Mar 1950", "∅"],
        ]
    );
    assert_eq!(
        staged.issues(),
        [
            "EXT0505 kept t - - a.ods sheet 1: the sheet itself, 1 areas of columns",
            "EXT0511 excluded t - - a.ods sheet 1: 1 at the end, the first row 6",
        ]
    );
}

fn biff(kind: u16, data: &[u8]) -> Vec<u8> {
    [&kind.to_le_bytes()[..], &u16::try_from(data.len()).unwrap().to_le_bytes(), data].concat()
}

/// An xls of one sheet: texts as labels, numbers in the general format or, in column C, as dates.
fn xls(rows: &[&[&str]], is_1904: bool) -> Vec<u8> {
    let bof = |kind: u16| biff(0x0809, &[&0x0600_u16.to_le_bytes()[..], &kind.to_le_bytes(), &[0; 12]].concat());
    let xf = |format: u16| biff(0x00E0, &[&[0, 0][..], &format.to_le_bytes(), &[0; 16]].concat());
    let at = |row: usize, column: usize| {
        [
            u16::try_from(row).unwrap().to_le_bytes(),
            u16::try_from(column).unwrap().to_le_bytes(),
            u16::from(column == 2).to_le_bytes(),
        ]
        .concat()
    };
    let mut sheet = bof(0x0010);
    for (r, cells) in rows.iter().enumerate() {
        for (c, cell) in cells.iter().enumerate().filter(|(_, cell)| !cell.is_empty()) {
            sheet.extend(if let Ok(number) = cell.parse::<f64>() {
                biff(0x0203, &[at(r, c), number.to_le_bytes().to_vec()].concat())
            } else {
                let length = u16::try_from(cell.len()).unwrap().to_le_bytes();
                biff(0x0204, &[&at(r, c)[..], &length, &[0], cell.as_bytes()].concat())
            });
        }
    }
    sheet.extend(biff(0x0208, &[&1_u16.to_le_bytes()[..], &[0; 10], &[0x20, 0, 0, 0]].concat()));
    sheet.extend(biff(0x000A, &[]));
    let name = b"Sheet1";
    let globals = |position: u32| {
        let bound = [&position.to_le_bytes()[..], &[0, 0, 6, 0], name].concat();
        [
            bof(0x0005),
            biff(0x0022, &u16::from(is_1904).to_le_bytes()),
            xf(0),
            xf(14),
            biff(0x0085, &bound),
            biff(0x000A, &[]),
        ]
        .concat()
    };
    let position = u32::try_from(globals(0).len()).unwrap();
    let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).unwrap();
    file.create_stream("/Workbook").unwrap().write_all(&[globals(position), sheet].concat()).unwrap();
    file.into_inner().into_inner()
}

#[test]
fn an_xls_is_read_like_the_others_and_a_cut_one_is_refused() {
    let spec = "tables: { t: { sheet: Sheet1, key: Ref, columns: [ Ref, NHS, Day ] } }";
    let rows: [&[&str]; 3] =
        [&["Ref", "NHS", "Day"], &["a", "9990000107", "18334"], &["b", "1234567890123456", "about 1950"]];
    let (_f, source) = source_of(spec, &[("a.xls", xls(&rows, false))]);
    let staged = extract(source).unwrap();
    assert_eq!(staged.rows("t"), [["a", "9990000107", "1950-03-12"], ["b", "1234567890123460", "about 1950"]]);
    assert_eq!(
        staged.issues(),
        [
            "EXT0507 kept t 2 NHS a.xls sheet 1 row 3: 16 characters, dddddddddddddddd",
            "EXT0505 kept t - - a.xls sheet 1: 1 rows",
        ]
    );
    let (_f, source) = source_of(spec, &[("a.xls", xls(&[rows[0], &["a", "1", "16872"]], true))]);
    assert_eq!(extract(source).unwrap().rows("t"), [["a", "1", "1950-03-12"]]);
    let whole = xls(&rows, false);
    let (_f, source) = source_of(spec, &[("a.xls", whole[..whole.len() / 2].to_vec())]);
    assert_eq!(
        extract(source).unwrap().issues(),
        ["EXT0501 refused t - - a.xls: the workbook is damaged or breaks off"]
    );
}

fn xlsb_record(kind: u16, data: &[u8]) -> Vec<u8> {
    let mut out = if kind < 0x80 { vec![kind as u8] } else { vec![(kind & 0x7F) as u8 | 0x80, (kind >> 7) as u8] };
    assert!(data.len() < 128);
    out.push(data.len() as u8);
    [&out[..], data].concat()
}

fn wide(text: &str) -> Vec<u8> {
    let units: Vec<u16> = text.encode_utf16().collect();
    let bytes = units.iter().flat_map(|u| u.to_le_bytes());
    u32::try_from(units.len()).unwrap().to_le_bytes().into_iter().chain(bytes).collect()
}

#[test]
fn an_xlsb_is_read_like_the_others_and_its_failed_formulas_are_seen() {
    let bundle = [vec![0, 0, 0, 0, 1, 0, 0, 0], wide("rId1"), wide("Sheet1")].concat();
    let book = [
        xlsb_record(0x0083, &[]),
        xlsb_record(0x008F, &[]),
        xlsb_record(0x009C, &bundle),
        xlsb_record(0x0090, &[]),
        xlsb_record(0x0084, &[]),
    ]
    .concat();
    let row = |n: u32, hidden: bool| {
        let mut data = [&n.to_le_bytes()[..], &[0; 13]].concat();
        data[11] = if hidden { 0x10 } else { 0 };
        xlsb_record(0x0000, &data)
    };
    let at = |column: u32| [column.to_le_bytes(), [0; 4]].concat();
    let text = |column: u32, text: &str| xlsb_record(0x0006, &[at(column), wide(text)].concat());
    let number = |column: u32, n: f64| xlsb_record(0x0005, &[at(column), n.to_le_bytes().to_vec()].concat());
    let failed = |column: u32| xlsb_record(0x000B, &[at(column), vec![0x17, 0, 0]].concat());
    let sheet = [
        xlsb_record(0x0081, &[]),
        xlsb_record(0x0094, &[0; 16]),
        xlsb_record(0x0091, &[]),
        row(0, false),
        text(0, "Ref"),
        text(1, "N"),
        row(1, true),
        text(0, "a"),
        number(1, 9_990_000_107.0),
        row(2, false),
        text(0, "b"),
        failed(1),
        row(3, false),
        failed(0),
        xlsb_record(0x0092, &[]),
        xlsb_record(0x0082, &[]),
    ]
    .concat();
    let types = b"<Types/>";
    let root = b"<Relationships><Relationship Id='r' Type='http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument' Target='xl/workbook.bin'/></Relationships>";
    let rels = b"<Relationships><Relationship Id='rId1' Type='http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet' Target='worksheets/sheet1.bin'/></Relationships>";
    let parts: [(&str, &[u8]); 5] = [
        ("[Content_Types].xml", types),
        ("_rels/.rels", root),
        ("xl/workbook.bin", &book),
        ("xl/_rels/workbook.bin.rels", rels),
        ("xl/worksheets/sheet1.bin", &sheet),
    ];
    let spec = "tables: { t: { sheet: Sheet1, key: Ref, columns: [ Ref, N ] } }";
    let (_f, source) = source_of(spec, &[("a.xlsb", zipped(&parts))]);
    let staged = extract(source).unwrap();
    assert_eq!(
        staged.issues(),
        [
            "EXT0506 omitted t 2 N a.xlsb sheet 1 row 3: an error of 6 characters",
            "EXT0506 omitted t 3 Ref a.xlsb sheet 1 row 4: an error of 6 characters",
            "EXT0505 kept t - - a.xlsb sheet 1: 1 rows",
        ]
    );
    assert_eq!(staged.rows("t"), [["a", "9990000107"], ["b", "∅"], ["∅", "∅"]]);
}

/// Opens a workbook and reads all its sheets; whatever it is, that must end.
fn read_all(bytes: Vec<u8>) -> Option<usize> {
    let mut book = Opened::open(bytes).ok()?;
    let mut n_cells = 0;
    for sheet in book.sheets().to_vec() {
        let read = book.each_row(&sheet, &mut |row| {
            assert!(row.cells.is_sorted_by_key(|(column, _)| *column));
            n_cells += row.cells.len();
            Ok(())
        });
        read.ok()?;
    }
    Some(n_cells)
}

/// An xlsx of these parts, which need not fit together.
fn loose_xlsx(sheet: &str, texts: &str, styles: &str) -> Vec<u8> {
    let book = "<workbook xmlns:r='r'><sheets><sheet name='S' sheetId='1' r:id='i'/></sheets></workbook>";
    let rels = "<Relationships><Relationship Id='i' Type='x/worksheet' Target='s.xml'/>\
                <Relationship Id='t' Type='x/sharedStrings' Target='t.xml'/>\
                <Relationship Id='f' Type='x/styles' Target='f.xml'/></Relationships>";
    zipped(&[
        ("xl/workbook.xml", book.as_bytes()),
        ("xl/_rels/workbook.xml.rels", rels.as_bytes()),
        ("xl/s.xml", sheet.as_bytes()),
        ("xl/t.xml", texts.as_bytes()),
        ("xl/f.xml", styles.as_bytes()),
    ])
}

const SHEET_PIECES: [&str; 22] = [
    "<row r='2'>",
    "<row>",
    "<row r='9999999'>",
    "</row>",
    "<c r='B2' t='s'>",
    "<c t='inlineStr'>",
    "<c s='1'>",
    "<c t='b'>",
    "<c t='e'>",
    "<c t='d'>",
    "<c r='ZZZZ1'>",
    "</c>",
    "<v>1</v>",
    "<v>9</v>",
    "<v/>",
    "<v>1e400</v>",
    "<is><t>x_x000D_</t></is>",
    "<f>A1</f>",
    "<mergeCells>",
    "<mergeCell ref='A1:B9'/>",
    "<cols><col min='0' max='4294967295' hidden='1'/></cols>",
    "&amp;",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_xml_in_an_xlsx_is_read_or_refused(
        pieces in proptest::collection::vec(prop::sample::select(SHEET_PIECES.to_vec()), 0..16),
        texts in prop::sample::select(vec!["<sst><si><t>a</t></si><si><r><t>b</t></r><rPh><t>c</t></rPh></si></sst>", "<sst>", "", "<sst/>"]),
        styles in prop::sample::select(vec!["<styleSheet><cellXfs><xf/><xf numFmtId='14'/></cellXfs></styleSheet>", "<a", "<styleSheet/>"]),
    ) {
        let _ = read_all(loose_xlsx(&format!("<worksheet><sheetData>{}</sheetData></worksheet>", pieces.concat()), texts, styles));
    }

    #[test]
    fn an_altered_workbook_is_read_or_refused(
        which in 0..3_usize, changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let rows: [&[&str]; 2] = [&["Ref", "N"], &["a", "1"]];
        let mut bytes = match which {
            0 => xls(&rows, false),
            1 => plain_sheet(&rows),
            _ => ods("", &format!("<table:table table:name='S'>{}</table:table>", ods_row(&["Ref", "1"]))),
        };
        prop_assert!(read_all(bytes.clone()).is_some_and(|n| n > 0));
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = read_all(bytes);
    }
}
