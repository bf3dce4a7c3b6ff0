//! What a machine needs beyond Rust and a C compiler, and how it gets it.
//!
//! As root on Debian the packages are installed; anyone else is told what to type.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Something that a command needs from the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// SQLite over ODBC: the demo's sources.
    SqliteOdbc,
    /// An XPath reader that is not ours, for tests.
    Lxml,
    /// A browser without a window, for tests of the report.
    Chromium,
    /// Java, Maven and PostgreSQL: HAPI FHIR JPA as a target, for tests of the load.
    Hapi,
    /// Node: Medplum's FHIR router as a target, for tests of the load.
    Medplum,
}

impl Need {
    const fn debian_packages(self) -> &'static [&'static str] {
        match self {
            Self::SqliteOdbc => &["libsqliteodbc"],
            Self::Lxml => &["python3-lxml"],
            Self::Chromium => &["chromium", "chromium-driver", "fonts-liberation"],
            Self::Hapi => &["default-jdk-headless", "maven", "postgresql"],
            Self::Medplum => &["nodejs", "npm"],
        }
    }

    /// The word in `EPR_REQUIRE` that turns a skip for want of it into a failure.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::SqliteOdbc => "odbc",
            Self::Lxml => "lxml",
            Self::Chromium => "chromium",
            Self::Hapi => "hapi",
            Self::Medplum => "medplum",
        }
    }

    fn is_there(self) -> bool {
        match self {
            Self::SqliteOdbc => ["x86_64-linux-gnu", "aarch64-linux-gnu"]
                .iter()
                .any(|machine| Path::new(&format!("/usr/lib/{machine}/odbc/libsqlite3odbc.so")).is_file()),
            Self::Lxml => Path::new("/usr/bin/python3").is_file() && runs("/usr/bin/python3", &["-c", "import lxml"]),
            Self::Chromium => Path::new("/usr/bin/chromium").is_file() && Path::new("/usr/bin/chromedriver").is_file(),
            Self::Hapi => {
                runs("javac", &["-version"]) && runs("mvn", &["--version"]) && Path::new("/usr/lib/postgresql").is_dir()
            }
            Self::Medplum => runs("node", &["--version"]) && runs("npm", &["--version"]),
        }
    }
}

/// Installs what of `needs` is missing. An error says what to type.
pub(crate) fn ensure(needs: &[Need]) -> Result<()> {
    let packages: Vec<&str> =
        needs.iter().filter(|n| !n.is_there()).flat_map(|n| n.debian_packages()).copied().collect();
    if packages.is_empty() {
        return Ok(());
    }
    let by_hand = format!("apt-get update && apt-get install -y --no-install-recommends {}", packages.join(" "));
    if !runs("id", &["-u"]) || !is_root() || !runs("apt-get", &["--version"]) {
        bail!("{} missing; as root on Debian, type\n  {by_hand}", packages.join(", "));
    }
    println!("installing {}", packages.join(", "));
    apt(&["update", "-qq"])?;
    let mut install = vec!["install", "-y", "-qq", "--no-install-recommends"];
    install.extend(&packages);
    apt(&install).with_context(|| format!("could not install; try by hand\n  {by_hand}"))?;
    for need in needs {
        anyhow::ensure!(need.is_there(), "{} is still missing after its install", need.debian_packages().join(", "));
    }
    Ok(())
}

/// Installs the FHIR R4 definitions where they are missing, and UK Core where its archive is at hand.
pub(crate) fn ensure_r4(epr: &Path) -> Result<()> {
    if !package_folder("hl7.fhir.r4.core#4.0.1").is_dir() {
        println!("installing the FHIR R4 definitions");
        let status = Command::new(epr).args(["packages", "install", "hl7.fhir.r4.core@4.0.1"]).status()?;
        anyhow::ensure!(status.success(), "could not install the FHIR R4 definitions");
    }
    ensure_uk_core(epr)
}

/// SHA-256 of the archive of UK Core 2.0.1 that the profiles were tested with.
const UK_CORE_SHA256: &str = "b5499cfb830a0e6fff53b57eb0c46eecc7d3a007adc104ae7a5a1574774c754e";

/// No registry has UK Core: without its archive the project's own profiles stand in.
fn ensure_uk_core(epr: &Path) -> Result<()> {
    if package_folder("fhir.r4.ukcore.stu2#2.0.1").is_dir() {
        return Ok(());
    }
    let archive = crate::shared_data().map(|data| data.join("fhir-packages/fhir.r4.ukcore.stu2-2.0.1.tgz"));
    let Some(archive) = archive.filter(|archive| archive.is_file()) else {
        println!("UK Core 2.0.1 is not at hand: the project's own profiles (mappings/profiles) stand in for it");
        return Ok(());
    };
    let output = Command::new("sha256sum").arg(&archive).output().context("could not run sha256sum")?;
    let found = String::from_utf8_lossy(&output.stdout);
    anyhow::ensure!(
        found.starts_with(UK_CORE_SHA256),
        "{} is not the archive of UK Core 2.0.1 that is known; nothing was installed",
        archive.display()
    );
    println!("installing UK Core 2.0.1");
    let status = Command::new(epr).args(["packages", "install"]).arg(&archive).status()?;
    anyhow::ensure!(status.success(), "could not install UK Core");
    Ok(())
}

fn package_folder(name: &str) -> PathBuf {
    let home = std::env::var_os("HOME").map_or_else(|| PathBuf::from("/root"), PathBuf::from);
    home.join(".fhir/packages").join(name).join("package")
}

/// Builds the FHIR servers of the tests under `target/servers`, through Maven and npm, where they are not there yet.
pub(crate) fn ensure_servers() -> Result<()> {
    let (sources, built) = (crate::root().join("tests/servers"), crate::target().join("servers"));
    std::fs::create_dir_all(built.join("medplum"))?;
    let launcher = "src/main/java/Launcher.java";
    if is_older(&built.join("hapi/hapi.jar"), &[sources.join("hapi/pom.xml"), sources.join("hapi").join(launcher)]) {
        println!("building HAPI FHIR (some 300 MB of jars the first time)");
        let status = Command::new("mvn")
            .current_dir(sources.join("hapi"))
            .args(["-q", "-B", "package", "-DskipTests"])
            .arg(format!("-Depr.target={}", built.join("hapi").display()))
            .status()?;
        anyhow::ensure!(status.success(), "HAPI FHIR does not build: mvn package in tests/servers/hapi");
    }
    for file in ["package.json", "wrapper.mjs"] {
        std::fs::copy(sources.join("medplum").join(file), built.join("medplum").join(file))?;
    }
    if !built.join("medplum/node_modules/@medplum/fhir-router").is_dir() {
        println!("installing Medplum's FHIR router");
        let status = Command::new("npm")
            .current_dir(built.join("medplum"))
            .args(["install", "--no-save", "--no-package-lock", "--silent"])
            .status()?;
        anyhow::ensure!(status.success(), "Medplum's router does not install: npm install in tests/servers/medplum");
    }
    Ok(())
}

/// Whether a file is not there, or one of those it is made of is newer.
fn is_older(file: &Path, sources: &[PathBuf]) -> bool {
    let time = |path: &Path| path.metadata().and_then(|m| m.modified()).ok();
    let made = time(file);
    made.is_none() || sources.iter().any(|source| time(source) > made)
}

fn apt(args: &[&str]) -> Result<()> {
    let status = Command::new("apt-get").args(args).env("DEBIAN_FRONTEND", "noninteractive").status()?;
    anyhow::ensure!(status.success(), "apt-get {} failed", args.join(" "));
    Ok(())
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout.trim_ascii() == b"0")
}

fn runs(program: &str, args: &[&str]) -> bool {
    Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success())
}
