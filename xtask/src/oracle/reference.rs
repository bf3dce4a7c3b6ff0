//! The reference validator behind its launcher: built by Maven, started once, its answers kept by what was asked.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{Fault, Judged, Set, Speed};
use crate::mutants::fingerprint;

/// Packages that the launcher asks for, and what of them it would miss: dependencies that are not there.
const PACKAGES: &[&str] = &[
    "hl7.fhir.r4.core#4.0.1",
    "hl7.terminology.r4#7.0.1",
    "hl7.fhir.uv.extensions.r4#5.3.0-ballot-tc1",
    "fhir.r4.ukcore.stu2#2.0.1",
];

/// One warm process, started when the first answer is not yet known.
pub(crate) struct Reference {
    command: Vec<String>,
    process: Option<Process>,
    answers: PathBuf,
    known: HashMap<String, Value>,
}

struct Process {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Reference {
    /// Ready to ask; `None` where there is no Java or Maven.
    pub(crate) fn start(launcher: Option<&str>, out: &Path) -> Result<Option<Self>> {
        fs::create_dir_all(out)?;
        let command = match launcher {
            Some(command) => command.split_whitespace().map(str::to_owned).collect(),
            None => match build()? {
                Some(command) => command,
                None => return Ok(None),
            },
        };
        let answers = out.join("answers.jsonl");
        let mut known = HashMap::new();
        for line in fs::read_to_string(&answers).unwrap_or_default().lines() {
            let answer: Value = serde_json::from_str(line).context("answers.jsonl")?;
            known.insert(answer["id"].as_str().unwrap_or_default().to_owned(), answer);
        }
        Ok(Some(Self { command, process: None, answers, known }))
    }

    /// Judges the whole set; what was asked before is not asked again.
    pub(crate) fn judge(&mut self, set: &Set) -> Result<(Vec<Judged>, Speed)> {
        let mut judged = vec![Judged::default(); set.files.len()];
        let mut cpu_ms = 0.0;
        let mut file = fs::OpenOptions::new().create(true).append(true).open(&self.answers)?;
        // Group by group: what it learnt of a package's codes it would use for files that are judged without the package.
        let mut in_order: Vec<usize> = (0..set.files.len()).collect();
        in_order.sort_by_key(|&n| set.files[n].group);
        for n in in_order {
            let input = &set.files[n];
            let group = &set.groups[input.group];
            let profile = group.profile(input.resource_type.as_deref());
            let text = String::from_utf8_lossy(&fs::read(&input.path)?).into_owned();
            let asked = format!("{} {profile:?} {text}", group.packages.join(" "));
            let id = format!("{:016x}{:08x}", fingerprint(&asked), text.len());
            if !self.known.contains_key(&id) {
                let request = json!({"id": id, "file": input.path, "profile": profile, "packages": group.packages, "supporting": []});
                let answer = self.ask(&request)?;
                writeln!(file, "{answer}")?;
                self.known.insert(id.clone(), answer);
                if n % 200 == 0 {
                    eprintln!("reference: {n} of {}", set.files.len());
                }
            }
            let answer = &self.known[&id];
            cpu_ms += answer["cpu_ms"].as_f64().unwrap_or_default();
            judged[n] = of_answer(answer);
        }
        let note = "warm; its start of 17 to 30 s is not in it";
        Ok((judged, Speed { n_files: set.files.len(), cpu_ms, note }))
    }

    fn ask(&mut self, request: &Value) -> Result<Value> {
        if self.process.is_none() {
            self.process = Some(Process::start(&self.command)?);
        }
        let process = self.process.as_mut().expect("it was started");
        writeln!(process.requests, "{request}")?;
        process.requests.flush()?;
        let mut line = String::new();
        process.answers.read_line(&mut line)?;
        serde_json::from_str(&line).context("the reference validator gave no answer")
    }
}

impl Process {
    fn start(command: &[String]) -> Result<Self> {
        let (program, arguments) = command.split_first().context("the launcher's command is empty")?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("{program} does not start"))?;
        let requests = child.stdin.take().expect("it was piped");
        let mut answers = BufReader::new(child.stdout.take().expect("it was piped"));
        let mut ready = String::new();
        answers.read_line(&mut ready)?;
        anyhow::ensure!(ready.contains("ready"), "the reference validator does not start: see xtask/oracle");
        Ok(Self { child, requests, answers })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It would end with its input; nobody waits for that.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn of_answer(answer: &Value) -> Judged {
    if let Some(reason) = answer["failed"].as_str() {
        return Judged { failed: Some(reason.to_owned()), errors: Vec::new() };
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let issues = answer["issues"].as_array().map_or(&[][..], Vec::as_slice);
    let errors = issues.iter().filter(|i| matches!(i["severity"].as_str(), Some("error" | "fatal"))).map(|issue| {
        let text_of = text(&issue["text"]);
        let code = issue["message_id"].as_str().map_or_else(|| without_values(&text_of), str::to_owned);
        Fault { code, at: text(&issue["expression"]), text: text_of }
    });
    Judged { errors: errors.collect(), failed: None }
}

/// A message without its id, as a kind: what stands in quotes or holds a digit is left out.
fn without_values(text: &str) -> String {
    let mut quoted = false;
    let mut words = Vec::new();
    for word in text.split_whitespace() {
        let starts = word.starts_with(['\'', '"']);
        quoted |= starts;
        if !quoted && !word.contains(|c: char| c.is_ascii_digit() || matches!(c, '.' | '(' | '/')) {
            words.push(word);
        }
        if word.ends_with(['\'', '"']) && (!starts || word.len() > 1) {
            quoted = false;
        }
    }
    words.truncate(9);
    words.join("_")
}

/// The command that starts the launcher, built where it is not; `None` without Java or Maven.
fn build() -> Result<Option<Vec<String>>> {
    let is_there = |name: &str| Command::new(name).arg("-version").output().is_ok_and(|o| o.status.success());
    if !is_there("java") || !is_there("mvn") {
        return Ok(None);
    }
    let target = crate::target().join("oracle/java");
    let classpath = target.join("classpath.txt");
    let jar = target.join("oracle-1.jar");
    let source = crate::root().join("xtask/oracle");
    let is_newer = |a: &Path, b: &Path| {
        let time = |p: &Path| fs::metadata(p).and_then(|m| m.modified()).ok();
        time(a) > time(b)
    };
    if !jar.is_file() || !classpath.is_file() || is_newer(&source.join("src/main/java/Launcher.java"), &jar) {
        let status = Command::new("mvn")
            .current_dir(&source)
            .args(["-q", "-B", &format!("-Doracle.target={}", target.display()), "package"])
            .status()?;
        anyhow::ensure!(status.success(), "the launcher does not build: xtask/oracle, with Maven");
    }
    let home = crate::target().join("oracle/home");
    packages(&home)?;
    let classpath = format!("{}:{}", jar.display(), fs::read_to_string(&classpath)?.trim());
    let home = format!("-Duser.home={}", home.display());
    let words = [
        "java",
        "-Xmx2500m",
        "-XX:+UseSerialGC",
        &home,
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        "-cp",
        &classpath,
        "Launcher",
    ];
    Ok(Some(words.iter().map(|w| (*w).to_owned()).collect()))
}

/// A package cache of the launcher's own, so that what it writes beside packages disturbs nobody.
fn packages(home: &Path) -> Result<()> {
    let cache = std::env::home_dir().unwrap_or_default().join(".fhir/packages");
    let own = home.join(".fhir/packages");
    for package in PACKAGES {
        let (from, to) = (cache.join(package).join("package"), own.join(package).join("package"));
        if to.is_dir() {
            continue;
        }
        if !from.is_dir() && package.starts_with("fhir.r4.ukcore") {
            continue;
        }
        let (name, version) = package.split_once('#').expect("a package has a version");
        anyhow::ensure!(from.is_dir(), "{package} is not cached: epr packages install {name}@{version}");
        let unfinished = to.with_extension("new");
        fs::create_dir_all(&unfinished)?;
        for entry in fs::read_dir(&from)? {
            let entry = entry?;
            let name = entry.file_name();
            if entry.path().extension().is_some_and(|e| e == "json") && name != ".index.json" && name != "package.json"
            {
                fs::hard_link(entry.path(), unfinished.join(&name))
                    .or_else(|_| fs::copy(entry.path(), unfinished.join(&name)).map(|_| ()))?;
            }
        }
        let mut manifest: Value = serde_json::from_slice(&fs::read(from.join("package.json"))?)?;
        manifest["dependencies"] = json!({"hl7.fhir.r4.core": "4.0.1"});
        fs::write(unfinished.join("package.json"), manifest.to_string())?;
        fs::rename(&unfinished, &to)?;
    }
    // It insists on this one, and asks nothing of it here.
    let empty = own.join("hl7.fhir.xver-extensions#0.1.0/package");
    fs::create_dir_all(&empty)?;
    let manifest = json!({"name": "hl7.fhir.xver-extensions", "version": "0.1.0", "fhirVersions": ["4.0.1"],
        "type": "IG", "canonical": "http://hl7.org/fhir/xver", "dependencies": {}});
    fs::write(empty.join("package.json"), manifest.to_string())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_without_an_id_is_a_kind_without_its_values() {
        assert_eq!(without_values("Unrecognized property 'favourite colour' here"), "Unrecognized_property_here");
        assert_eq!(
            without_values("The property name must be an Array, not a String (at Patient.name)"),
            "The_property_name_must_be_an_Array,_not_a"
        );
    }
}
