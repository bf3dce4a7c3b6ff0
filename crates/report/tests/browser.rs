//! The page in a real browser: it opens from disk, asks for nothing, and its filters work.

use std::fs;
use std::path::Path;
use std::process::Command;

use epr_report::When;

use crate::fixture_run::{self as fixture, Kind};

/// The browser, or a skip that is told; `EPR_REQUIRE=chromium` makes the skip a failure.
fn browser() -> Option<&'static str> {
    let found = ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(|name| Command::new(name).arg("--version").output().is_ok_and(|o| o.status.success()));
    if found.is_none() {
        let required = std::env::var("EPR_REQUIRE").unwrap_or_default();
        assert!(!required.split(',').any(|r| r == "chromium"), "chromium is required and not there");
        println!("skipped: chromium is not installed");
    }
    found
}

/// The page's elements after its scripts have run.
fn dom(browser: &str, page: &Path) -> String {
    let profile = tempfile::tempdir().unwrap();
    let out = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"])
        .args([
            "--allow-file-access-from-files",
            "--disable-background-networking",
            "--disable-component-update",
            "--enable-logging=stderr",
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(["--dump-dom", &format!("file://{}", page.display())])
        .output()
        .unwrap();
    let console = String::from_utf8_lossy(&out.stderr);
    assert!(!console.contains("CONSOLE"), "{console}");
    String::from_utf8(out.stdout).unwrap()
}

fn page(kind: Kind) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let run = fixture::write(&folder.path().join("run"), kind);
    let report = fixture::report(&run, &fixture::input(When::BeforeLoad));
    let html = fs::read_to_string(report.path().join("report.html")).unwrap();
    (folder, html)
}

/// The page with a reader's clicks at its end. The page's own policy allows no further script, so it is taken off.
fn clicked(html: &str, clicks: &str) -> String {
    let (before, rest) = html.split_once("<meta http-equiv=").unwrap();
    let rest = rest.split_once('>').unwrap().1;
    format!("{before}{}", rest.replace("</body>", &format!("<script>{clicks}</script></body>")))
}

fn hidden_findings(dom: &str) -> Vec<String> {
    let details = dom.split("<details class=\"finding\" id=\"f-").skip(1);
    let tag = |d: &str| d.split('>').next().unwrap().to_owned();
    details.map(tag).filter(|t| t.contains(" hidden")).map(|t| t.split('"').next().unwrap().to_owned()).collect()
}

#[test]
fn the_page_opens_from_disk_and_its_policy_lets_its_own_script_run() {
    let Some(browser) = browser() else { return };
    let (folder, html) = page(Kind::Flawed);
    let file = folder.path().join("page.html");
    fs::write(&file, &html).unwrap();
    let dom = dom(browser, &file);
    assert!(dom.contains("<div class=\"tools\">"), "the script takes the `hidden` off");
    assert!(hidden_findings(&dom).is_empty());
}

#[test]
fn a2_no_page_is_wider_than_its_window() {
    let Some(browser) = browser() else { return };
    let (folder, html) = page(Kind::Flawed);
    let measure = "document.querySelectorAll('details').forEach(function (d) { d.open = true; });\
         parent.document.body.append(' ' + document.documentElement.scrollWidth + ' of ' + innerWidth);";
    fs::write(folder.path().join("inner.html"), clicked(&html, measure)).unwrap();
    for width in [320, 390, 768, 1024, 1440] {
        // A window has a least width of its own; a frame in it has none.
        let frame =
            format!("<body><iframe src=inner.html style='width:{width}px;height:900px;border:0'></iframe></body>");
        let file = folder.path().join("outer.html");
        fs::write(&file, frame).unwrap();
        let dom = dom(browser, &file);
        let (content, window) = dom.rsplit_once(" of ").unwrap();
        let content: u32 = content.rsplit(' ').next().unwrap().parse().unwrap();
        let window: u32 = window.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap();
        assert!(window == width && content <= window, "{content} of {window}");
    }
}

#[test]
fn filters_words_and_grid_cells_hide_the_other_findings() {
    let Some(browser) = browser() else { return };
    let (folder, html) = page(Kind::Flawed);
    let after = |clicks: &str| {
        let file = folder.path().join("page.html");
        fs::write(&file, clicked(&html, clicks)).unwrap();
        dom(browser, &file)
    };
    let warnings = after("document.querySelector('[data-filter=warning]').click()");
    assert_eq!(hidden_findings(&warnings), ["ID-03", "VAL0101", "MAP0501", "EXT0201"]);
    assert!(warnings.contains("2 of 6 shown"));
    let stops = after("document.querySelector('[data-filter=stop]').click()");
    assert_eq!(hidden_findings(&stops).len(), 5);
    let words = "var f = document.getElementById('find'); f.value = 'placeholder birthDate'; f.dispatchEvent(new Event('input'))";
    assert_eq!(hidden_findings(&after(words)), ["ID-03", "VAL0101", "MAP0501", "MAP0401", "EXT0201"]);
    let cell = "document.querySelector('.grid a[data-cell=warning-omitted]').click()";
    assert_eq!(hidden_findings(&after(cell)), ["ID-03", "VAL0101", "MAP0501", "EXT0201"]);
    let sorted = after("document.querySelectorAll('#h-res ~ .scroll .sort, [aria-labelledby=h-res] .sort')[2].click()");
    assert!(sorted.contains("aria-sort=\"descending\""));
}
