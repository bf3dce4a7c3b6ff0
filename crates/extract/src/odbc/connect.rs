//! Connection strings: whole ones from the environment, or made from `driver` and `database`.

use std::path::PathBuf;

use odbc_api::{Connection, ConnectionOptions, environment};

use super::{driver, fault};
use crate::ExtractError;
use crate::error::OdbcFault;
use crate::source::Source;

/// How long a database may take to answer.
const LOGIN_TIMEOUT_SECONDS: u32 = 30;

/// Opens the source's database.
pub(super) fn open(source: &Source) -> Result<Connection<'static>, ExtractError> {
    let text = connection_text(source)?;
    let unreachable = |e: OdbcFault| ExtractError::Unreachable { name: source.name.clone(), source: e };
    let options = ConnectionOptions { login_timeout_sec: Some(LOGIN_TIMEOUT_SECONDS), ..ConnectionOptions::default() };
    let environment = environment().map_err(|e| unreachable(fault(&e)))?;
    environment.connect_with_connection_string(&text, options).map_err(|e| unreachable(fault(&e)))
}

/// The attributes in their order, with the driver as a path and with what each driver needs to stream.
fn connection_text(source: &Source) -> Result<String, ExtractError> {
    let mut attributes = match &source.connection {
        Some(text) => attributes(text.expose()),
        None => from_project(source)?,
    };
    let project = |reason: &str| ExtractError::Project { name: source.name.clone(), reason: reason.to_owned() };
    let Some(driver) = attributes.iter_mut().find(|(key, _)| key.eq_ignore_ascii_case("driver")) else {
        return Err(project("the connection names no `Driver=`; give `driver` in the project file"));
    };
    let path =
        driver::resolve(&driver.1, &source.odbc_configurations).map_err(|missing| ExtractError::DriverMissing {
            name: source.name.clone(),
            driver: driver.1.clone(),
            looked_in: missing.looked_in,
            remedy: missing.remedy,
        })?;
    driver.1 = path.display().to_string();
    let library = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let mut needs = |key: &str, value: &str| {
        if !attributes.iter().any(|(k, _)| k.eq_ignore_ascii_case(key)) {
            attributes.push((key.to_owned(), value.to_owned()));
        }
    };
    if library.contains("sqlite") {
        // Without StepAPI the driver reads the whole result into memory; without NoCreat it makes a missing file.
        needs("StepAPI", "1");
        needs("NoCreat", "1");
        let database = attributes.iter().find(|(k, _)| k.eq_ignore_ascii_case("database"));
        let file = PathBuf::from(database.map(|(_, v)| v.as_str()).unwrap_or_default());
        if !file.is_file() {
            return Err(ExtractError::DatabaseMissing { name: source.name.clone(), path: file });
        }
    } else if library.contains("psqlodbc") {
        // Without it the driver reads the whole result into memory.
        needs("UseDeclareFetch", "1");
    }
    if attributes.iter().any(|(_, value)| value.contains([';', '{', '}'])) && library.contains("sqlite") {
        return Err(project("SQLite's driver takes no database path that holds `;`, `{` or `}`"));
    }
    Ok(together(&attributes))
}

fn from_project(source: &Source) -> Result<Vec<(String, String)>, ExtractError> {
    let project = |reason: &str| ExtractError::Project { name: source.name.clone(), reason: reason.to_owned() };
    let driver =
        source.driver.as_ref().ok_or_else(|| project("a source of kind odbc needs `driver` or `connection_env`"))?;
    let database = source
        .database
        .as_ref()
        .ok_or_else(|| project("a source of kind odbc needs `database` or `connection_env`"))?;
    Ok(vec![("Driver".to_owned(), driver.clone()), ("Database".to_owned(), database.display().to_string())])
}

/// `a=b;c={d;e}` in its parts; a `}}` inside braces is one brace.
fn attributes(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text.trim();
    while let Some((key, after)) = rest.split_once('=') {
        let mut value = String::new();
        let mut chars = after.char_indices().peekable();
        let braced = after.starts_with('{');
        if braced {
            chars.next();
        }
        let mut end = after.len();
        while let Some((i, c)) = chars.next() {
            match c {
                '}' if braced && chars.peek().is_some_and(|(_, c)| *c == '}') => {
                    chars.next();
                    value.push('}');
                }
                '}' if braced => {
                    end = after[i..].find(';').map_or(after.len(), |n| i + n);
                    break;
                }
                ';' if !braced => {
                    end = i;
                    break;
                }
                c => value.push(c),
            }
        }
        found.push((key.trim().trim_start_matches(';').trim().to_owned(), value));
        rest = after[end..].trim_start_matches(';').trim_start();
    }
    found
}

fn together(attributes: &[(String, String)]) -> String {
    attributes.iter().fold(String::new(), |text, (key, value)| text + key + "=" + &escaped(value) + ";")
}

fn escaped(value: &str) -> String {
    if value.contains([';', '{', '}']) || value.starts_with(' ') || value.ends_with(' ') {
        format!("{{{}}}", value.replace('}', "}}"))
    } else {
        value.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_string_comes_apart_and_together_again() {
        let text = "Driver={PostgreSQL Unicode};Server=h;PWD={a;b}}c};UID=u";
        let found = attributes(text);
        let values: Vec<&str> = found.iter().map(|(_, v)| v.as_str()).collect();
        assert_eq!(values, ["PostgreSQL Unicode", "h", "a;b}c", "u"]);
        let again = together(&found);
        assert_eq!(again, "Driver=PostgreSQL Unicode;Server=h;PWD={a;b}}c};UID=u;");
        assert_eq!(attributes(&again), found);
    }
}
