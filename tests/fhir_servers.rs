//! Real FHIR servers on loopback ports, for tests of the loader. `cargo xtask test` builds them under `target/servers`.
//!
//! HAPI FHIR JPA runs over a PostgreSQL cluster of its own, in a temporary folder; Medplum's router in memory, with
//! knobs for faults. Both end with the test that started them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::binary;

/// A server that answers.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    /// Its base, as the loader is told it.
    pub(crate) url: String,
    process: Child,
    database: Option<Cluster>,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        self.database = None;
    }
}

/// Where the set-up puts what servers need.
fn built() -> PathBuf {
    std::env::var_os("EPR_SERVERS").map_or_else(
        || Path::new(env!("CARGO_BIN_EXE_epr")).ancestors().nth(2).expect("target/debug/epr").join("servers"),
        PathBuf::from,
    )
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Medplum's router with its memory repository, or a notice that it is not there.
pub(crate) fn medplum() -> Option<Server> {
    let folder = built().join("medplum");
    let wrapper = folder.join("wrapper.mjs");
    if !binary::has("medplum", folder.join("node_modules/@medplum/fhir-router").is_dir() && wrapper.is_file()) {
        return None;
    }
    let port = free_port();
    let mut node = Command::new("node");
    // Node 20 has no WebSocket of its own unless asked.
    node.arg(wrapper).arg(port.to_string()).current_dir(folder);
    let process = started(&mut node, "medplum");
    Some(Server { name: "medplum", url: format!("http://127.0.0.1:{port}/fhir"), process, database: None })
}

/// HAPI FHIR JPA over PostgreSQL, or a notice that it is not there.
pub(crate) fn hapi() -> Option<Server> {
    let jar = built().join("hapi/hapi.jar");
    if !binary::has("hapi", jar.is_file() && Cluster::binaries().is_some()) {
        return None;
    }
    let database = Cluster::start();
    let port = free_port();
    let jdbc = format!("jdbc:postgresql://127.0.0.1:{}/hapi?user=hapi", database.port);
    let mut java = Command::new("java");
    java.args(["-Xmx1g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-jar"])
        .arg(jar)
        .arg(port.to_string())
        .arg(jdbc);
    let process = started(&mut java, "hapi");
    let url = format!("http://127.0.0.1:{port}/fhir");
    Some(Server { name: "hapi", url, process, database: Some(database) })
}

/// Starts a server and waits until it says `ready`.
fn started(command: &mut Command, name: &str) -> Child {
    let log = std::env::temp_dir().join(format!("epr-{name}-{}.log", std::process::id()));
    let errors = File::create(&log).unwrap();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors).spawn().unwrap();
    let begun = Instant::now();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    loop {
        match lines.next() {
            Some(Ok(line)) if line == "ready" => break,
            Some(Ok(_)) => assert!(begun.elapsed() < Duration::from_mins(4), "{name} does not start"),
            _ => panic!("{name} ended: {}", std::fs::read_to_string(&log).unwrap_or_default()),
        }
    }
    // Whatever it says later is read, so that it never waits for a reader.
    std::thread::spawn(move || lines.for_each(drop));
    println!("{name} answers after {:.1} s", begun.elapsed().as_secs_f64());
    child
}

impl Server {
    fn agent() -> ureq::Agent {
        ureq::Agent::config_builder().http_status_as_error(false).build().into()
    }

    pub(crate) fn get(&self, path: &str) -> (u16, Value) {
        let mut response = Self::agent().get(format!("{}/{path}", self.url)).call().unwrap();
        let text = response.body_mut().with_config().limit(1 << 28).read_to_string().unwrap();
        (response.status().as_u16(), serde_json::from_str(&text).unwrap())
    }

    pub(crate) fn put(&self, path: &str, resource: &Value) {
        let response = Self::agent()
            .put(format!("{}/{path}", self.url))
            .header("Content-Type", "application/fhir+json")
            .send(serde_json::to_vec(resource).unwrap().as_slice())
            .unwrap();
        assert!(response.status().is_success(), "{path}: HTTP {}", response.status());
    }

    /// Sets Medplum's knobs.
    pub(crate) fn knobs(&self, knobs: &Value) {
        let url = self.url.replace("/fhir", "/knobs");
        let response = Self::agent().post(url).send(knobs.to_string().as_bytes()).unwrap();
        assert!(response.status().is_success());
    }

    /// Forgets everything, where the server can.
    pub(crate) fn clear(&self) {
        self.knobs(&json!({ "clear": true }));
    }

    /// How many resources of each type there are, and how many versions of them ever were.
    pub(crate) fn counts(&self) -> BTreeMap<String, (u64, u64)> {
        if let Some(database) = &self.database {
            return database.counts();
        }
        let mut response = Self::agent().get(self.url.replace("/fhir", "/history")).call().unwrap();
        let counts: Value = serde_json::from_str(&response.body_mut().read_to_string().unwrap()).unwrap();
        let versions = counts["versions"].as_object().unwrap();
        versions
            .iter()
            .map(|(kind, n)| (kind.clone(), (counts["resources"][kind].as_u64().unwrap_or(0), n.as_u64().unwrap())))
            .collect()
    }
}

/// A PostgreSQL cluster of our own.
struct Cluster {
    folder: tempfile::TempDir,
    port: u16,
}

impl Cluster {
    fn binaries() -> Option<PathBuf> {
        let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
            .ok()?
            .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
            .filter(|bin| bin.join("initdb").is_file())
            .collect();
        versions.sort();
        versions.pop()
    }

    /// PostgreSQL refuses to run as root: there it runs as the user that Debian's package makes.
    fn command(line: &str) -> Command {
        let root = Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout.trim_ascii() == b"0");
        let mut command = Command::new(if root { "su" } else { "sh" });
        if root {
            command.arg("postgres");
        }
        command.arg("-c").arg(line).stdin(Stdio::null());
        command
    }

    fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("epr-pg").tempdir().unwrap();
        let path = folder.path().display();
        Command::new("chmod").arg("777").arg(folder.path()).status().unwrap();
        let (bin, port) = (Self::binaries().unwrap(), free_port());
        let bin = bin.display();
        let line = format!(
            "{bin}/initdb -D {path}/data -U hapi -A trust --no-sync -E UTF8 >/dev/null && \
             {bin}/pg_ctl -D {path}/data -w -l {path}/log \
               -o '-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={path}' start >/dev/null && \
             {bin}/createdb -h 127.0.0.1 -p {port} -U hapi hapi"
        );
        let output = Self::command(&line).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self { folder, port }
    }

    fn query(&self, sql: &str) -> String {
        let bin = Self::binaries().unwrap();
        let mut child = Command::new(bin.join("psql"))
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "hapi", "-d", "hapi", "-At"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(sql.as_bytes()).unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
    }

    fn counts(&self) -> BTreeMap<String, (u64, u64)> {
        let resources = "SELECT res_type, count(*) FROM hfj_resource WHERE res_deleted_at IS NULL GROUP BY 1;";
        let versions = "SELECT res_type, count(*) FROM hfj_res_ver GROUP BY 1;";
        let read = |sql: &str| -> BTreeMap<String, u64> {
            let text = self.query(sql);
            let line = |line: &str| {
                let (kind, n) = line.split_once('|').unwrap();
                (kind.to_owned(), n.parse().unwrap())
            };
            text.lines().map(line).collect()
        };
        let resources = read(resources);
        read(versions)
            .into_iter()
            .map(|(kind, n)| (kind.clone(), (resources.get(&kind).copied().unwrap_or(0), n)))
            .collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let Some(bin) = Self::binaries() else { return };
        let data = self.folder.path().join("data");
        let line = format!("{}/pg_ctl -D {} -m immediate stop >/dev/null", bin.display(), data.display());
        let _ = Self::command(&line).status();
    }
}
