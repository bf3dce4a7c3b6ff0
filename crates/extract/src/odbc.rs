//! Databases over ODBC. The only module that knows `odbc-api`, which makes a breaking release about monthly.
//!
//! How each column is fetched is decided from the cursor's metadata before the first row. No column's declared
//! length sizes memory: cells are fetched one by one, each until it is whole. Block cursors need a bound on every
//! cell and cannot fetch a truncated one again; over SQLite they took 7.4 s where this took 8.3 s (a million rows of
//! 15 texts, of which 6.8 s are the driver's own stepping), which is not worth a second way of reading.
//!
//! | what you want to find | where |
//! |---|---|
//! | a driver's name to the path of its library | [`driver`] |
//! | connection strings | [`connect`] |
//! | what columns there are, and of what kind | [`describe`] |
//! | rows, for drivers with typed columns | [`typed`] |
//! | rows from SQLite, where each cell has a type of its own | [`sqlite`] |

pub mod connect;
pub mod describe;
pub mod driver;
pub mod sqlite;
pub mod typed;

use epr_model::Action;
use epr_model::schema::TableSchema;
use epr_run::StageContext;
use epr_run::staged::StagedTable;
use odbc_api::{Connection, Cursor};

use self::describe::SourceColumn;
use crate::error::OdbcFault;
use crate::source::Source;
use crate::spec::schema::{FoundColumn, of_found};
use crate::spec::{DatabaseTable, NamedColumn, Query, TableSpec};
use crate::staging::{Outlet, Sink};
use crate::{ExtractError, issues};

/// Rows between two looks at whether to stop, at most.
const ROWS_BETWEEN_CHECKS: usize = 8192;

/// An open database and what it has.
pub struct Database<'s> {
    source: &'s Source,
    connection: Connection<'static>,
    dialect: Dialect,
    /// Tables and views; `None` where the database does not tell.
    tables: Option<Vec<String>>,
    quote: char,
}

/// What is known of the product behind the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Sqlite,
    Other,
}

/// A table of the spec as it was found: the columns to stage, and what they are called in the source.
struct Found {
    columns: Vec<FoundColumn>,
    sources: Vec<SourceColumn>,
    /// SQL that gives all rows, before the columns are chosen.
    base: String,
}

impl<'s> Database<'s> {
    /// Connects and begins the one read transaction in which all tables are read, where that is known how: a database
    /// that is written to meanwhile is then staged as it stood at one moment. The database is never written to.
    ///
    /// SQLite holds a snapshot from the first read of a transaction (here: of its list of tables) to its end. In
    /// PostgreSQL that is so from the isolation level REPEATABLE READ on; the default is a snapshot a statement.
    /// For other products nothing is asked: under their default levels a transaction is no snapshot.
    pub fn open(source: &'s Source) -> Result<Self, ExtractError> {
        let connection = connect::open(source)?;
        let reach = |e: odbc_api::Error| ExtractError::Unreachable { name: source.name.clone(), source: fault(&e) };
        let product = connection.database_management_system_name().map_err(reach)?;
        let dialect = if product.eq_ignore_ascii_case("sqlite") { Dialect::Sqlite } else { Dialect::Other };
        if dialect == Dialect::Sqlite {
            connection.execute("PRAGMA query_only = ON", (), None).map_err(reach)?;
            // Not autocommit off: then sqliteodbc 0.9998 reads each whole result into memory, StepAPI or not.
            connection.execute("BEGIN", (), None).map_err(reach)?;
        }
        if product.eq_ignore_ascii_case("postgresql") {
            connection.set_autocommit(false).map_err(reach)?;
            connection
                .execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY", (), None)
                .map_err(reach)?;
        }
        let tables = match dialect {
            Dialect::Sqlite => {
                let sql = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY name";
                Some(describe::texts(&connection, sql).map_err(reach)?)
            }
            // Absent in some products; then a missing table is the query's own error.
            Dialect::Other => {
                let sql = "SELECT table_name FROM information_schema.tables ORDER BY table_name";
                describe::texts(&connection, sql).ok()
            }
        };
        let quote = match dialect {
            Dialect::Sqlite => '"',
            Dialect::Other => connection.identifier_quote_char().map_err(reach)?.unwrap_or(' '),
        };
        Ok(Self { source, connection, dialect, tables, quote })
    }

    /// The schema of a table; no row is read.
    pub fn table_schema(&self, spec: &TableSpec, table: &DatabaseTable) -> Result<TableSchema, ExtractError> {
        let found = self.find(spec, table)?;
        Ok(Self::schema_of(spec, table, found.as_ref()))
    }

    /// Stages a table.
    pub fn stage_table(
        &self,
        ctx: &StageContext<'_>,
        outlet: &Outlet<'_>,
        spec: &TableSpec,
        table: &DatabaseTable,
        batch_rows: usize,
    ) -> Result<StagedTable, ExtractError> {
        let found = self.find(spec, table)?;
        let schema = Self::schema_of(spec, table, found.as_ref());
        if let Some(found) = &found {
            for absent in spec.optional_columns.iter().filter(|o| !found.columns.iter().any(|c| c.name == **o)) {
                let what = (issues::COLUMN_ABSENT, Action::Kept);
                outlet.raise(self.source, &spec.name, what, None, Some(absent), None)?;
            }
        } else {
            outlet.raise(self.source, &spec.name, (issues::TABLE_ABSENT, Action::Kept), None, None, None)?;
        }
        let mut sink = Sink::new(outlet, self.source, schema.clone(), spec.trim)?;
        ctx.progress.begin(&format!("{} {}", self.source.name, spec.name), None, "rows");
        if let Some(found) = &found {
            let plan = RowPlan {
                places: schema.columns.iter().map(|c| found.columns.iter().position(|f| f.name == c.name)).collect(),
                check_rows: batch_rows.clamp(1, ROWS_BETWEEN_CHECKS),
            };
            self.read_rows(ctx, spec, found, &schema, &plan, &mut sink)?;
        }
        ctx.progress.end();
        sink.finish()
    }

    fn read_rows(
        &self,
        ctx: &StageContext<'_>,
        spec: &TableSpec,
        found: &Found,
        schema: &TableSchema,
        plan: &RowPlan,
        sink: &mut Sink<'_, '_>,
    ) -> Result<(), ExtractError> {
        let sql = match self.dialect {
            Dialect::Sqlite => sqlite::select(&found.sources, &found.base),
            Dialect::Other => {
                let names: Vec<String> = found.sources.iter().map(|c| self.quoted(&c.name)).collect();
                format!("SELECT {} FROM {}", names.join(", "), found.base)
            }
        };
        let failed = |action| move |e: odbc_api::Error| self.query_fault(spec, action, &e);
        let Some(mut cursor) = self.connection.execute(&sql, (), None).map_err(failed("run the query"))? else {
            return Err(ExtractError::Project {
                name: self.source.name.clone(),
                reason: format!("the SQL of table {} gives no rows: it is not a SELECT", spec.name),
            });
        };
        let takes = typed::strategies(&found.sources, schema, &plan.places);
        let mut buffers = typed::Buffers::default();
        let mut n_unchecked = 0;
        while let Some(mut row) = cursor.next_row().map_err(failed("read a row"))? {
            for (i, place) in plan.places.iter().enumerate() {
                let Some(place) = place else {
                    sink.cell(i, crate::staging::Cell::Null)?;
                    continue;
                };
                let at = *place as u16 + 1;
                let read = match self.dialect {
                    Dialect::Sqlite => sqlite::cell(&mut row, at, schema.columns[i].kind, &mut buffers),
                    Dialect::Other => takes[i].cell(&mut row, at, &mut buffers),
                };
                sink.cell(i, read.map_err(failed("read a cell"))?)?;
            }
            sink.end_row()?;
            n_unchecked += 1;
            if n_unchecked == plan.check_rows {
                ctx.stop.check()?;
                ctx.progress.advance(n_unchecked as u64);
                n_unchecked = 0;
            }
        }
        ctx.progress.advance(n_unchecked as u64);
        Ok(())
    }

    /// `None` where the table is absent and may be.
    fn find(&self, spec: &TableSpec, table: &DatabaseTable) -> Result<Option<Found>, ExtractError> {
        let base = match &table.query {
            Query::Sql(sql) => format!("(\n{sql}\n) t"),
            Query::Table(name) => match self.table_there(name) {
                Some(there) => self.quoted_table(&there),
                None if spec.optional => return Ok(None),
                None => {
                    return Err(ExtractError::TableMissing {
                        name: self.source.name.clone(),
                        table: name.clone(),
                        there: self.tables.clone().unwrap_or_default().join(", "),
                        spec: self.source.spec_path.display().to_string(),
                    });
                }
            },
        };
        let sql = format!("SELECT * FROM {base}");
        let mut all = describe::columns(&self.connection, &sql, self.dialect)
            .map_err(|e| self.query_fault(spec, "ask for the columns", &e))?;
        if let (Dialect::Sqlite, Query::Table(name)) = (self.dialect, &table.query) {
            self.declared_kinds(&self.table_there(name).unwrap_or_default(), &mut all)
                .map_err(|e| self.query_fault(spec, "ask for the declared types", &e))?;
        }
        let wanted: Vec<NamedColumn> = match &table.columns {
            Some(columns) => columns.clone(),
            None => all
                .iter()
                .map(|c| NamedColumn {
                    name: spec.spelling(&c.name).unwrap_or(&c.name).to_owned(),
                    source: c.name.clone(),
                })
                .collect(),
        };
        let mut found = Found { columns: Vec::new(), sources: Vec::new(), base };
        for column in wanted {
            let Some(there) = same_name(&all, &column.source) else {
                if spec.is_optional(&column.name) {
                    continue;
                }
                return Err(self.column_missing(spec, &column.source, &all));
            };
            if found.columns.iter().any(|c| c.name == column.name) {
                return Err(ExtractError::Project {
                    name: self.source.name.clone(),
                    reason: format!("table {} gives two columns called {}; name each with AS", spec.name, column.name),
                });
            }
            found.columns.push(FoundColumn { name: column.name, kind: there.kind });
            found.sources.push(there.clone());
        }
        let named = spec.named_columns();
        if let Some(missing) =
            named.into_iter().find(|n| !spec.is_optional(n) && !found.columns.iter().any(|c| c.name == *n))
        {
            return Err(self.column_missing(spec, missing, &all));
        }
        Ok(Some(found))
    }

    /// SQLite's driver says less of a column than its declaration does: a BLOB is a text to it, a DECIMAL a double.
    fn declared_kinds(&self, table: &str, columns: &mut [SourceColumn]) -> Result<(), odbc_api::Error> {
        let (names, types) = sqlite::declarations(table);
        let names = describe::texts(&self.connection, &names)?;
        let types = describe::texts(&self.connection, &types)?;
        for (name, declared) in names.iter().zip(&types) {
            if let Some(column) = columns.iter_mut().find(|c| c.name == *name) {
                column.kind = sqlite::kind_of(declared);
            }
        }
        Ok(())
    }

    /// The table's schema; listed optional columns keep their place whether or not they are there.
    fn schema_of(spec: &TableSpec, table: &DatabaseTable, found: Option<&Found>) -> TableSchema {
        let columns = found.map(|f| f.columns.as_slice()).unwrap_or_default();
        let mut schema = of_found(spec, columns);
        if let Some(listed) = &table.columns {
            if found.is_none() {
                // The whole table is absent: its listed columns are still there to be mapped.
                let text =
                    |c: &NamedColumn| FoundColumn { name: c.name.clone(), kind: epr_model::schema::ColumnKind::Text };
                schema = of_found(spec, &listed.iter().map(text).collect::<Vec<_>>());
            }
            schema.columns.sort_by_key(|c| listed.iter().position(|l| l.name == c.name));
        } else if found.is_none() {
            let text = |name: &str| FoundColumn { name: name.to_owned(), kind: epr_model::schema::ColumnKind::Text };
            schema = of_found(spec, &spec.named_columns().into_iter().map(text).collect::<Vec<_>>());
        }
        schema
    }

    fn table_there(&self, name: &str) -> Option<String> {
        let Some(tables) = &self.tables else { return Some(name.to_owned()) };
        let bare = match self.dialect {
            Dialect::Sqlite => name,
            Dialect::Other => name.rsplit('.').next().unwrap_or(name),
        };
        let exact = tables.iter().find(|t| *t == bare);
        let there = exact.or_else(|| tables.iter().find(|t| t.eq_ignore_ascii_case(bare)))?;
        Some(format!("{}{there}", &name[..name.len() - bare.len()]))
    }

    fn quoted_table(&self, name: &str) -> String {
        match self.dialect {
            Dialect::Sqlite => self.quoted(name),
            Dialect::Other => name.split('.').map(|part| self.quoted(part)).collect::<Vec<_>>().join("."),
        }
    }

    fn quoted(&self, name: &str) -> String {
        if self.quote == ' ' {
            return name.to_owned();
        }
        let q = self.quote;
        format!("{q}{}{q}", name.replace(q, &format!("{q}{q}")))
    }

    fn column_missing(&self, spec: &TableSpec, column: &str, all: &[SourceColumn]) -> ExtractError {
        let names: Vec<&str> = all.iter().map(|c| c.name.as_str()).collect();
        ExtractError::ColumnMissing {
            name: self.source.name.clone(),
            table: spec.name.clone(),
            column: column.to_owned(),
            there: names.join(", "),
            spec: self.source.spec_path.display().to_string(),
        }
    }

    fn query_fault(&self, spec: &TableSpec, action: &'static str, e: &odbc_api::Error) -> ExtractError {
        ExtractError::Query { name: self.source.name.clone(), table: spec.name.clone(), action, source: fault(e) }
    }
}

/// What the row loop needs, decided before it.
struct RowPlan {
    /// For each staged column the place of its cell in the result, from 0; `None`: the column is absent.
    places: Vec<Option<usize>>,
    check_rows: usize,
}

/// The column of that name; else the one column that differs in case only, as SQL names may.
fn same_name<'c>(all: &'c [SourceColumn], name: &str) -> Option<&'c SourceColumn> {
    all.iter().find(|c| c.name == name).or_else(|| {
        let mut alike = all.iter().filter(|c| c.name.eq_ignore_ascii_case(name));
        alike.next().filter(|_| alike.next().is_none())
    })
}

/// What the driver said, without what it quotes.
fn fault(error: &odbc_api::Error) -> OdbcFault {
    let record = match error {
        odbc_api::Error::Diagnostics { record, .. } => record,
        other => {
            let message = other.to_string().lines().next().unwrap_or_default().to_owned();
            return OdbcFault { state: "none".to_owned(), message: without_quoted(&message) };
        }
    };
    let message = String::from_utf8_lossy(&record.message).into_owned();
    OdbcFault { state: record.state.as_str().to_owned(), message: without_quoted(message.trim()) }
}

/// Drivers quote values of the data and passwords; what stands between quotes is left out.
fn without_quoted(message: &str) -> String {
    let mut kept = String::new();
    let mut quote = None;
    for c in message.chars() {
        match quote {
            None if matches!(c, '\'' | '"') => {
                quote = Some(c);
                kept.push_str("'…'");
            }
            None => kept.push(if c.is_control() { ' ' } else { c }),
            Some(q) if q == c => quote = None,
            Some(_) => {}
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use epr_model::schema::{ColumnSchema, TableKey};

    use super::*;
    use crate::convert::Typed;
    use crate::staging::Cell;

    /// SQLite's driver stands in for one whose columns have types: it converts by the declared type.
    #[test]
    fn each_strategy_fetches_its_kind_and_nothing_is_narrowed() {
        let Ok(driver) = driver::resolve("SQLite3", &driver::default_configurations(None)) else {
            println!("skipped: the SQLite ODBC driver is not on this machine");
            return;
        };
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("t.sqlite");
        rusqlite::Connection::open(&file)
            .unwrap()
            .execute_batch(
                "CREATE TABLE T (I INTEGER, D DOUBLE, S VARCHAR(20), A DATE, W TIMESTAMP, F BIT);
                 INSERT INTO T VALUES (99999999999, 0.1, 'é 😀', '1950-06-30', '1950-06-30 12:00:00.123', 1);
                 INSERT INTO T VALUES (NULL, NULL, NULL, NULL, NULL, NULL);
                 INSERT INTO T VALUES (-1, -2.5, '', '1970-01-01', '1970-01-01 00:00:01', 0);",
            )
            .unwrap();
        let text = format!("Driver={};Database={};StepAPI=1;BigInt=1;", driver.display(), file.display());
        let options = odbc_api::ConnectionOptions::default();
        let connection = odbc_api::environment().unwrap().connect_with_connection_string(&text, options).unwrap();
        let sql = "SELECT I, D, S, A, W, F FROM T";
        let sources = describe::columns(&connection, sql, Dialect::Other).unwrap();
        let kinds: Vec<&str> = sources.iter().map(|c| c.kind.as_str()).collect();
        let expected = ["int64", "double", "text", "date", "local-timestamp", "bool"];
        assert_eq!(kinds, expected);

        let columns = sources
            .iter()
            .map(|c| ColumnSchema { name: c.name.clone(), kind: c.kind, optional: false, class: None })
            .collect();
        let schema = TableSchema { name: "T".to_owned(), key: TableKey::Row, columns, optional: false, parent: None };
        let places: Vec<Option<usize>> = (0..6).map(Some).collect();
        let takes = typed::strategies(&sources, &schema, &places);
        let mut buffers = typed::Buffers::default();
        let mut cursor = connection.execute(sql, (), None).unwrap().unwrap();
        let mut rows = Vec::new();
        while let Some(mut row) = cursor.next_row().unwrap() {
            for (take, at) in takes.iter().zip(1..) {
                rows.push(match take.cell(&mut row, at, &mut buffers).unwrap() {
                    Cell::Null => "null".to_owned(),
                    Cell::Text(text) => text.to_owned(),
                    Cell::Typed(Typed::Double(value)) => format!("{value:?}"),
                    Cell::Typed(value) => format!("{value:?}"),
                    other => panic!("{other:?}"),
                });
            }
        }
        assert_eq!(
            rows,
            [
                ["Int64(99999999999)", "0.1", "é 😀", "Date(-7125)", "Micros(-615556799877000)", "Bool(true)"],
                ["null"; 6],
                ["Int64(-1)", "-2.5", "", "Date(0)", "Micros(1000000)", "Bool(false)"],
            ]
            .concat()
        );
    }

    #[test]
    fn what_a_driver_quotes_is_left_out() {
        assert_eq!(without_quoted("invalid input: \"O'NEILL\" for 'x'"), "invalid input: '…' for '…'");
        assert_eq!(without_quoted("[SQLite]no such column: A\n(1)"), "[SQLite]no such column: A (1)");
    }
}
