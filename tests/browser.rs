//! The report in a real browser, opened from `file://`: its filters work, nothing is asked of a network, no page
//! scrolls sideways at desktop or phone width.
//!
//! The browser is driven through chromedriver's WebDriver protocol, which is plain HTTP and JSON on the loopback.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{binary, first};

#[test]
fn the_report_opens_from_disk_and_its_filters_work() {
    let there = Path::new("/usr/bin/chromium").is_file() && Path::new("/usr/bin/chromedriver").is_file();
    if !binary::can_run() || !binary::has("chromium", there) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let pas = folder.path().join("pas.sqlite");
    first::database(&pas, first::Order::AsWritten);
    let run = folder.path().join("run");
    binary::expect(&mut first::run(&pas, &run), &[1]);

    let browser = Browser::start(folder.path());
    browser.open(&run.join("7-report/report.html"));
    let n_all = browser.number("return document.querySelectorAll('.finding').length");
    assert!(n_all > 5, "the fixture has several kinds of findings");
    let shown = "return [...document.querySelectorAll('.finding')].filter(f => !f.hidden).length";
    assert_eq!(browser.number(shown), n_all);

    browser.run("document.querySelector('[data-filter=error]').click()");
    let n_errors = browser.number(shown);
    assert!(n_errors > 0 && n_errors < n_all, "{n_errors} of {n_all} shown as errors");
    browser.run("document.querySelector('[data-filter=\"\"]').click()");
    assert_eq!(browser.number(shown), n_all);
    browser.run(
        "const find = document.getElementById('find'); find.value = 'ID-03'; find.dispatchEvent(new Event('input'))",
    );
    let n_found = browser.number(shown);
    assert!(n_found >= 1 && n_found < n_all, "{n_found} of {n_all} found");

    let requests = browser.number("return performance.getEntriesByType('resource').length");
    assert_eq!(requests, 0, "the page asks for something outside itself");
    for width in [1440, 768, 390, 320] {
        browser.resize(width);
        let over = browser
            .number("return Math.max(0, document.documentElement.scrollWidth - document.documentElement.clientWidth)");
        assert_eq!(over, 0, "the page scrolls sideways at {width} px");
    }
    if let Some(folder) = std::env::var_os("EPR_SCREENSHOTS") {
        for (name, width) in [("desktop", 1440), ("phone", 390)] {
            browser.resize(width);
            browser.screenshot(&Path::new(&folder).join(format!("{name}.png")));
        }
    }
}

/// A browser without a window; it ends with the value.
struct Browser {
    driver: Child,
    session: String,
}

impl Browser {
    fn start(folder: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let driver = Command::new("/usr/bin/chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let base = format!("http://127.0.0.1:{port}");
        let begun = Instant::now();
        while ureq::get(format!("{base}/status")).call().is_err() {
            assert!(begun.elapsed() < Duration::from_secs(30), "chromedriver does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        let profile = folder.join("profile");
        let args = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            &format!("--user-data-dir={}", profile.display()),
        ];
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {"binary": "/usr/bin/chromium", "args": args},
        }}});
        let answer = post(&format!("{base}/session"), &wanted);
        let id = answer["value"]["sessionId"].as_str().expect("a session begins").to_owned();
        Self { driver, session: format!("{base}/session/{id}") }
    }

    fn open(&self, page: &Path) {
        post(&format!("{}/url", self.session), &json!({"url": format!("file://{}", page.display())}));
    }

    fn run(&self, script: &str) -> Value {
        post(&format!("{}/execute/sync", self.session), &json!({"script": script, "args": []}))["value"].clone()
    }

    fn number(&self, script: &str) -> u64 {
        self.run(script).as_u64().expect("the script returns a number")
    }

    fn resize(&self, width: u32) {
        // A window has a least width of its own; the page is made as narrow as asked for by its metrics instead.
        let metrics = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
        let command = json!({"cmd": "Emulation.setDeviceMetricsOverride", "params": metrics});
        post(&format!("{}/goog/cdp/execute", self.session), &command);
    }

    fn screenshot(&self, file: &Path) {
        let params = json!({"captureBeyondViewport": true, "format": "png"});
        let command = json!({"cmd": "Page.captureScreenshot", "params": params});
        let answer = post(&format!("{}/goog/cdp/execute", self.session), &command);
        std::fs::write(file, base64(answer["value"]["data"].as_str().unwrap())).unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = ureq::delete(&self.session).call();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn post(url: &str, body: &Value) -> Value {
    let mut answer =
        ureq::post(url).header("content-type", "application/json").send(body.to_string()).expect("the browser answers");
    serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap()
}

fn base64(text: &str) -> Vec<u8> {
    let value = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u8> = text.bytes().filter(|c| *c != b'=').map(value).collect();
    digits
        .chunks(4)
        .flat_map(|four| {
            let bits = four.iter().enumerate().fold(0u32, |bits, (i, d)| bits | u32::from(*d) << (18 - 6 * i));
            bits.to_be_bytes()[1..four.len()].to_vec()
        })
        .collect()
}
