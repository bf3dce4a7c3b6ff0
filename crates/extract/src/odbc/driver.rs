//! A driver's name to the path of its library.
//!
//! The driver manager is linked into the program, and looks for its configuration in folders that do not exist on the
//! machine that it runs on; so names are resolved here, and it is only ever given a path.

use std::path::{Path, PathBuf};

/// Where distributions put drivers.
const FOLDERS: [&str; 8] = [
    "/usr/lib/x86_64-linux-gnu/odbc",
    "/usr/lib/aarch64-linux-gnu/odbc",
    "/usr/lib64/odbc",
    "/usr/lib64",
    "/usr/lib/odbc",
    "/usr/lib",
    "/usr/local/lib",
    "/opt/homebrew/lib",
];

/// Libraries of drivers by their usual names, where no configuration names them.
const LIBRARIES: [(&str, &str); 5] = [
    ("sqlite3", "libsqlite3odbc.so"),
    ("postgresql unicode", "psqlodbcw.so"),
    ("postgresql", "psqlodbcw.so"),
    ("freetds", "libtdsodbc.so"),
    ("mariadb", "libmaodbc.so"),
];

/// A driver that is not on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotFound {
    pub looked_in: String,
    /// What to type.
    pub remedy: String,
}

/// Resolves a driver: a path that is there, a name in one of the configuration files (`odbcinst.ini`), or a well-known
/// library.
pub fn resolve(name: &str, configurations: &[PathBuf]) -> Result<PathBuf, NotFound> {
    resolve_in(name, configurations, &FOLDERS.map(Path::new))
}

/// The configuration files of this machine: the folder that the environment variable `ODBCSYSINI` names comes first,
/// as for any driver manager. The caller gives it, for nothing is read from the environment here.
pub fn default_configurations(odbcsysini: Option<PathBuf>) -> Vec<PathBuf> {
    let named = odbcsysini.map(|folder| folder.join("odbcinst.ini"));
    named.into_iter().chain([PathBuf::from("/etc/odbcinst.ini"), PathBuf::from("/etc/unixODBC/odbcinst.ini")]).collect()
}

fn resolve_in(name: &str, configurations: &[PathBuf], folders: &[&Path]) -> Result<PathBuf, NotFound> {
    let in_folders = |library: &str| folders.iter().map(|f| f.join(library)).find(|p| p.is_file());
    if name.contains('/') {
        let path = PathBuf::from(name);
        return if path.is_file() { Ok(path) } else { Err(not_found(name, "that path only")) };
    }
    for configuration in configurations {
        let Ok(text) = std::fs::read_to_string(configuration) else { continue };
        let Some(library) = library_of(&text, name) else { continue };
        let path = if library.contains('/') { Some(PathBuf::from(&library)) } else { in_folders(&library) };
        if let Some(path) = path.filter(|p| p.is_file()) {
            return Ok(path);
        }
    }
    let known = LIBRARIES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    known.and_then(|(_, library)| in_folders(library)).ok_or_else(|| {
        let places: Vec<String> = configurations.iter().map(|c| c.display().to_string()).collect();
        not_found(name, &format!("{}, /usr/lib/*/odbc and the like", places.join(", ")))
    })
}

fn not_found(name: &str, looked_in: &str) -> NotFound {
    let lower = name.to_lowercase();
    let remedy = if lower.contains("sqlite") {
        "install it (Debian, Ubuntu: `apt-get install libsqliteodbc`)"
    } else if lower.contains("postgres") || lower.contains("psql") {
        "install it (Debian, Ubuntu: `apt-get install odbc-postgresql`)"
    } else {
        "install it, or give `driver` the path of its library"
    };
    NotFound { looked_in: looked_in.to_owned(), remedy: remedy.to_owned() }
}

/// `Driver64` or `Driver` of the section `[name]` of an `odbcinst.ini`.
fn library_of(configuration: &str, name: &str) -> Option<String> {
    let mut in_section = false;
    let mut library = None;
    for line in configuration.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            in_section = section.trim().eq_ignore_ascii_case(name);
        } else if let (true, Some((key, value))) = (in_section, line.split_once('=')) {
            match key.trim().to_lowercase().as_str() {
                "driver64" => return Some(value.trim().to_owned()),
                "driver" => library = Some(value.trim().to_owned()),
                _ => {}
            }
        }
    }
    library
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_looked_up_in_the_configuration_and_then_in_the_usual_folders() {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("libsqlite3odbc.so");
        std::fs::write(&library, "").unwrap();
        let ini = folder.path().join("odbcinst.ini");
        std::fs::write(&ini, format!("[Mine]\nDriver = {}\n[Bare]\nDriver=libsqlite3odbc.so\n", library.display()))
            .unwrap();
        let resolve = |name: &str| resolve_in(name, std::slice::from_ref(&ini), &[folder.path()]);
        for name in ["mine", "Bare", "SQLite3", library.to_str().unwrap()] {
            assert_eq!(resolve(name), Ok(library.clone()), "{name}");
        }
    }

    #[test]
    fn a_missing_driver_says_what_to_type() {
        let missing = resolve_in("SQLite3", &[PathBuf::from("/nowhere/odbcinst.ini")], &[]).unwrap_err();
        assert!(missing.remedy.contains("apt-get install libsqliteodbc"));
        assert!(missing.looked_in.contains("/nowhere/odbcinst.ini"));
        assert!(resolve_in("/nowhere/libsqlite3odbc.so", &[], &[]).is_err());
    }
}
