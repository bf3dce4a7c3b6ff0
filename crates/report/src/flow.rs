//! The picture of what became of the patients: three columns of bars, joined by bands, as plain numbers for SVG.
//!
//! The template draws what stands here; every text in it goes through the template's escaping.

use serde::Serialize;

use crate::figures::PatientFlow;
use crate::numbers::{grouped, percent};

const TOP: f64 = 34.0;
const HEIGHT: f64 = 250.0;
const GAP: f64 = 26.0;
const BAR: f64 = 12.0;
/// A rate below one drawn pixel is drawn with two, and its number says what it is.
const LEAST: f64 = 2.0;
const COLUMNS: [f64; 3] = [190.0, 490.0, 790.0];

/// What the template draws.
#[derive(Debug, Serialize)]
pub(crate) struct Flow {
    pub(crate) width: u32,
    pub(crate) height: String,
    pub(crate) bars: Vec<Bar>,
    pub(crate) bands: Vec<Band>,
    /// The sentence that holds the finding.
    pub(crate) sentence: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct Bar {
    class: String,
    x: String,
    y: String,
    width: String,
    height: String,
    label_x: String,
    label_y: String,
    second_y: String,
    /// `end` before the first column, else `start`.
    anchor: &'static str,
    name: String,
    number: String,
    share: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct Band {
    class: String,
    path: String,
}

struct Node {
    name: String,
    n: u64,
    of: u64,
    y: f64,
    h: f64,
}

/// Lays the picture out; `None` where no map is about patients.
pub(crate) fn lay_out(flow: &PatientFlow) -> Option<Flow> {
    let rows: u64 = flow.sources.iter().map(|s| s.count.n).sum();
    if rows == 0 {
        return None;
    }
    let scale = HEIGHT / rows as f64;
    let pick = |parts: &[crate::figures::NamedCount], always: &str| {
        let shown = parts.iter().filter(|p| p.count.n > 0 || p.name == always);
        shown.map(|p| (p.name.clone(), p.count.n, p.count.of)).collect::<Vec<_>>()
    };
    let sources = stack(pick(&flow.sources, ""), scale);
    let outcomes = stack(pick(&flow.outcomes, "mapped"), scale);
    let ends = stack(pick(&flow.ends, "delivered"), scale);
    let mut bands = Vec::new();
    join(&mut bands, &sources, &outcomes, 0, rows, scale);
    // Only what was mapped goes on; the first outcome is `mapped`.
    join(&mut bands, &outcomes[..1], &ends, 1, outcomes[0].n.max(1), scale);
    let height =
        [&sources, &outcomes, &ends].into_iter().flatten().map(|n| n.y + n.h.max(30.0)).fold(TOP + HEIGHT, f64::max);
    let mut bars = Vec::new();
    for (i, column) in [&sources, &outcomes, &ends].into_iter().enumerate() {
        bars.extend(column.iter().map(|node| bar(node, i)));
    }
    Some(Flow { width: 1000, height: format!("{:.0}", height + 14.0), bars, bands, sentence: sentence(flow, rows) })
}

fn sentence(flow: &PatientFlow, rows: u64) -> String {
    let list = |parts: &[crate::figures::NamedCount]| {
        let shown = parts.iter().filter(|p| p.count.n > 0);
        shown.map(|p| format!("{} {}", grouped(p.count.n), p.name)).collect::<Vec<_>>().join(", ")
    };
    format!(
        "Of {} patient rows: {}. Of the Patient records made: {}.",
        grouped(rows),
        list(&flow.outcomes),
        list(&flow.ends)
    )
}

/// Puts a column's bars below one another.
fn stack(parts: Vec<(String, u64, u64)>, scale: f64) -> Vec<Node> {
    let mut y = TOP;
    parts
        .into_iter()
        .map(|(name, n, of)| {
            let h = if n == 0 { 0.0 } else { (n as f64 * scale).max(LEAST) };
            let node = Node { name, n, of, y, h };
            // A label takes two lines, whatever the bar's height.
            y += h.max(14.0) + GAP;
            node
        })
        .collect()
}

/// Bands from each bar of one column to each of the next, in proportion: the run does not keep which went where.
fn join(bands: &mut Vec<Band>, from: &[Node], to: &[Node], column: usize, of: u64, scale: f64) {
    let (x1, x2) = (COLUMNS[column] + BAR, COLUMNS[column + 1]);
    let middle = f64::midpoint(x1, x2);
    let mut left: Vec<f64> = from.iter().map(|n| n.y).collect();
    for target in to.iter().filter(|t| t.n > 0) {
        let mut right = target.y;
        for (source, left) in from.iter().zip(&mut left) {
            let share = source.n as f64 * target.n as f64 / of as f64;
            let h = (share * scale).max(0.75);
            let (a, b) = (*left, right);
            bands.push(Band {
                class: format!("f-{}", target.name),
                path: format!(
                    "M{x1:.0} {a:.1}C{middle:.0} {a:.1} {middle:.0} {b:.1} {x2:.0} {b:.1}V{:.1}C{middle:.0} {:.1} {middle:.0} {:.1} {x1:.0} {:.1}Z",
                    b + h,
                    b + h,
                    a + h,
                    a + h
                ),
            });
            *left += share * scale;
            right += share * scale;
        }
    }
}

fn bar(node: &Node, column: usize) -> Bar {
    let x = COLUMNS[column];
    let first = column == 0;
    let middle = node.y + node.h / 2.0;
    let class = if first { "f-source".to_owned() } else { format!("f-{}", node.name) };
    // Beside a low bar the two lines stand around its middle.
    let label_y = middle.max(node.y + 4.0) - 2.0;
    Bar {
        class,
        x: format!("{x:.0}"),
        y: format!("{:.1}", node.y),
        width: format!("{BAR:.0}"),
        height: format!("{:.1}", node.h.max(LEAST)),
        label_x: format!("{:.0}", if first { x - 10.0 } else { x + BAR + 10.0 }),
        label_y: format!("{label_y:.1}"),
        second_y: format!("{:.1}", label_y + 17.0),
        anchor: if first { "end" } else { "start" },
        name: node.name.clone(),
        number: grouped(node.n),
        share: percent(node.n, node.of),
    }
}
