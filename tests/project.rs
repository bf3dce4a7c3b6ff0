//! The written fixture's project in a folder of its own, where a test can spoil its parts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::{binary, first};

/// The fixture's project with its parts where a test can spoil them.
pub(crate) struct Project {
    pub(crate) folder: tempfile::TempDir,
}

impl Project {
    pub(crate) fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for part in ["sources", "mappings", "fixtures/first"] {
            copy(&binary::root().join(part), &folder.path().join(part));
        }
        first::database(&folder.path().join("pas.sqlite"), first::Order::AsWritten);
        Self { folder }
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }

    pub(crate) fn change(&self, file: &str, from: &str, to: &str) {
        let path = self.path(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} holds {from}");
        fs::write(path, text.replace(from, to)).unwrap();
    }

    /// `epr run` into the folder `run`.
    pub(crate) fn command(&self) -> Command {
        binary::run(
            &self.path("fixtures/first/epr.toml"),
            &self.path("run"),
            &[("source.pas.database", &self.path("pas.sqlite"))],
        )
    }

    /// Another command on the same run: the same project and settings, as far as they make its hash.
    pub(crate) fn command_named(&self, name: &str) -> Command {
        let mut command = binary::epr();
        command.arg(name).arg("--project").arg(self.path("fixtures/first/epr.toml"));
        command.arg("--run-dir").arg(self.path("run"));
        command.arg("--set").arg(format!("project.state={}", self.path("run.state").display()));
        command.arg("--set").arg(format!("source.pas.database={}", self.path("pas.sqlite").display()));
        command
    }

    /// `epr COMMAND …` on this project.
    pub(crate) fn epr(&self, args: &[&str]) -> Command {
        let mut command = binary::epr();
        command.args(args).current_dir(self.folder.path()).args(["--project", "fixtures/first/epr.toml"]);
        command.arg("--set").arg(format!("source.pas.database={}", self.path("pas.sqlite").display()));
        command
    }

    /// Exit code and stderr, with this test's folder taken out.
    pub(crate) fn told(&self, output: &Output) -> String {
        let text =
            String::from_utf8_lossy(&output.stderr).replace(&self.folder.path().display().to_string(), "[folder]");
        let timed: Vec<&str> =
            text.lines().filter(|line| !line.starts_with("  extract ") && !line.starts_with("run ")).collect();
        format!("exit {}\n{}", output.status.code().unwrap_or(-1), timed.join("\n"))
    }

    /// What the run folder holds besides what every run has: no stage, unless one was whole.
    pub(crate) fn stages(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.path("run"))
            .map(|entries| entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect())
            .unwrap_or_default();
        names.retain(|name| name.as_bytes()[0].is_ascii_digit());
        names.sort();
        names
    }
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
