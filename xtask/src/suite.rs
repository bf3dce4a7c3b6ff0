//! `cargo xtask test`: all set-up, then the whole suite; skips are counted and printed last.
//!
//! A test that cannot run prints a line `skipped: <what>: <why>`. `EPR_REQUIRE` names what must be there: a test
//! that would skip for want of it fails instead.

use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};

use anyhow::Result;

use crate::setup::{self, Need};

pub(crate) fn run(args: &[&str]) -> Result<ExitCode> {
    let needs = [Need::SqliteOdbc, Need::Lxml, Need::Chromium, Need::Hapi, Need::Medplum];
    setup::ensure(&needs)?;
    setup::ensure_servers()?;
    let epr = crate::build_epr("dev")?;
    setup::ensure_r4(&epr)?;

    let mut require: Vec<&str> = needs.iter().map(|n| n.word()).collect();
    require.push("r4");
    if crate::shared_data().is_some() {
        require.push("shared");
    }
    let require = std::env::var("EPR_REQUIRE").unwrap_or_else(|_| require.join(","));

    let mut child = Command::new(env!("CARGO"))
        .current_dir(crate::root())
        .args(["test", "--workspace", "--no-fail-fast"])
        .args(args)
        .args(["--", "--show-output"])
        .env("EPR_REQUIRE", &require)
        // Tests that want a synthetic peninsula ask this very program for it.
        .env("EPR_XTASK", std::env::current_exe()?)
        .env("INSTA_UPDATE", std::env::var("INSTA_UPDATE").unwrap_or_else(|_| "no".to_owned()))
        .stdout(Stdio::piped())
        .spawn()?;
    let mut skipped = Vec::new();
    let stdout = child.stdout.take().expect("asked for above");
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        println!("{line}");
        if let Some(notice) = line.strip_prefix("skipped: ") {
            skipped.push(notice.to_owned());
        }
    }
    let status = child.wait()?;
    println!("\n{} skipped (EPR_REQUIRE={require})", skipped.len());
    for notice in &skipped {
        println!("  {notice}");
    }
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
