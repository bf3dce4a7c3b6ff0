//! The `tests:` of a mapping file, run over its plan: no file, no database, thousands a second.
//!
//! What a test gives and expects stands in a committed file and is nobody's data, so findings show it.

use std::collections::HashMap;

use epr_fhir::resource::{Node, Resource};
use epr_model::RowOutcome;
use epr_model::id::IdNamespace;

use crate::apply::{Applied, JoinedBatch, MapProgram, PlacedIssue, TableData, Units, apply};
use crate::functions::moment::Moment;
use crate::join::LookupIndex;
use crate::join::group::gather;
use crate::plan::{At, MapPlan, MappingPlan, TableSlot, TestPlan};

/// What came of one test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestResult {
    /// `<ods>/<system>/<map>`.
    pub map: String,
    pub name: String,
    pub file: String,
    pub line: u32,
    /// Empty: it passed.
    pub failures: Vec<TestFailure>,
}

/// One expectation that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestFailure {
    pub line: u32,
    pub message: String,
}

impl TestResult {
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

/// Runs every test of a pack, in the order of maps and files.
pub fn run_pack(pack: &MappingPlan, namespace: IdNamespace, as_of: Option<Moment>) -> Vec<TestResult> {
    pack.maps.iter().flat_map(|map| run_map(pack, map, namespace, as_of)).collect()
}

/// Runs every test of a map.
pub fn run_map(pack: &MappingPlan, plan: &MapPlan, namespace: IdNamespace, as_of: Option<Moment>) -> Vec<TestResult> {
    let program = MapProgram::new(pack, plan, namespace, as_of);
    let result = |test: &TestPlan| TestResult {
        map: plan.name.clone(),
        name: test.name.clone(),
        file: plan.file(test.at).to_owned(),
        line: test.at.line,
        failures: run_test(&program, test),
    };
    plan.tests.iter().map(result).collect()
}

fn run_test(program: &MapProgram<'_>, test: &TestPlan) -> Vec<TestFailure> {
    match map_given(program, test) {
        Err(failure) => vec![failure],
        Ok(applied) => {
            let mut checker = Checker { plan: program.plan(), applied: &applied, failures: Vec::new() };
            checker.check(test);
            checker.failures
        }
    }
}

fn map_given(program: &MapProgram<'_>, test: &TestPlan) -> Result<Applied, TestFailure> {
    let plan = program.plan();
    let data = |slot: TableSlot| -> Result<TableData, TestFailure> {
        let given: Vec<_> = test.given.iter().filter(|row| row.table == slot).map(|row| row.cells.as_slice()).collect();
        let columns = &plan.tables[usize::from(slot.0)].columns;
        TableData::of_texts(columns, &given).map_err(|column| TestFailure {
            line: test.at.line,
            message: format!("the text given for column `{column}` is not of the column's kind"),
        })
    };
    let main = data(TableSlot::MAIN)?;
    let lookups: Vec<LookupIndex> = plan
        .lookups
        .iter()
        .map(|lookup| Ok(LookupIndex::new(program, lookup, data(lookup.table)?)))
        .collect::<Result<_, TestFailure>>()?;
    let doubles = HashMap::new();
    let batch = |units| apply(program, &JoinedBatch { main: &main, units, lookups: &lookups, doubles: &doubles });
    if plan.group.is_none() && plan.latest.is_none() {
        return Ok(batch(Units::EachRow));
    }
    let gathered = gather(program, &main, &lookups);
    let mut applied = batch(Units::Groups(&gathered.groups));
    applied.rows.extend(gathered.set_aside.rows);
    applied.issues.extend(gathered.set_aside.issues);
    applied.rows.sort_by_key(|row| row.row_no);
    Ok(applied)
}

struct Checker<'t> {
    plan: &'t MapPlan,
    applied: &'t Applied,
    failures: Vec<TestFailure>,
}

impl Checker<'_> {
    fn check(&mut self, test: &TestPlan) {
        self.check_outcome(test);
        if let Some(expected) = &test.expect_issue {
            self.check_issues(expected, test.at);
        }
        if test.expect.is_empty() && test.expect_absent.is_empty() {
            return;
        }
        let Some(resource) = self.resource(test) else {
            let issues = self.issue_list().join(", ");
            let why = if issues.is_empty() { String::new() } else { format!(" (issues: {issues})") };
            let what = test.of.as_deref().map_or(String::new(), |of| format!(" `{of}`"));
            self.fail(test.at, format!("no resource{what} was made{why}"));
            return;
        };
        for (path, expected, at) in &test.expect {
            match text_at(resource.root(), path) {
                Some(found) if found == *expected => {}
                Some(found) => self.fail(*at, format!("`{path}` is `{found}`, expected `{expected}`")),
                None => self.fail(*at, format!("`{path}` is absent, expected `{expected}`")),
            }
        }
        for (path, at) in &test.expect_absent {
            if let Some(found) = text_at(resource.root(), path) {
                self.fail(*at, format!("`{path}` is `{found}`, expected to be absent"));
            }
        }
    }

    fn check_outcome(&mut self, test: &TestPlan) {
        let first = self.applied.rows.first().map(|row| row.outcome);
        if test.expect_refused && first != Some(RowOutcome::Refused) {
            let found = first.map_or("given no row", RowOutcome::as_str);
            self.fail(test.at, format!("the row is {found}, expected to be refused"));
        }
        let is_none = matches!(first, Some(RowOutcome::Excluded | RowOutcome::Empty));
        if test.expect_none && !is_none {
            let found = first.map_or("given no row", RowOutcome::as_str);
            self.fail(test.at, format!("the row is {found}, expected to give nothing"));
        }
    }

    fn check_issues(&mut self, expected: &[crate::plan::ExpectedIssue], at: At) {
        let mut found: Vec<&PlacedIssue> = self.applied.issues.iter().collect();
        for issue in expected {
            if let Some(i) = found.iter().position(|placed| self.is_expected(placed, issue)) {
                found.remove(i);
                continue;
            }
            let column = issue.column.as_ref().map_or(String::new(), |c| format!("@{c}"));
            self.fail(issue.at, format!("the issue {}{column} was not raised", issue.code));
        }
        let unexpected: Vec<String> = found.into_iter().map(|placed| self.issue_name(placed)).collect();
        for name in unexpected {
            self.fail(at, format!("the issue {name} was raised and is not expected"));
        }
    }

    fn is_expected(&self, placed: &PlacedIssue, expected: &crate::plan::ExpectedIssue) -> bool {
        placed.issue.code == expected.code
            && expected.column.as_ref().is_none_or(|wanted| {
                let Some(column) = placed.column else { return false };
                let (alias, name) = self.plan.cell_name(column);
                wanted.split_once('.').map_or(wanted == name, |(a, n)| a == alias && n == name)
            })
    }

    fn issue_list(&self) -> Vec<String> {
        self.applied.issues.iter().map(|placed| self.issue_name(placed)).collect()
    }

    fn issue_name(&self, placed: &PlacedIssue) -> String {
        match placed.column.map(|column| self.plan.cell_name(column)) {
            Some((alias, name)) => format!("{}@{alias}.{name}", placed.issue.code),
            None => placed.issue.code.clone(),
        }
    }

    fn resource(&self, test: &TestPlan) -> Option<Resource> {
        let is_it = |i: u16| {
            let resource = &self.plan.resources[usize::from(i)];
            test.of.as_ref().is_none_or(|of| *of == resource.id_part || *of == resource.resource_type)
        };
        let found = self.applied.resources.iter().find(|r| is_it(r.resource))?;
        Resource::parse_json(&self.applied.bytes[found.range.clone()]).ok()
    }

    fn fail(&mut self, at: At, message: String) {
        self.failures.push(TestFailure { line: at.line, message });
    }
}

/// The text at a path: a string as it is, numbers and booleans as written, anything else as JSON. A list without an
/// index stands for its first item.
fn text_at(root: Node<'_>, path: &str) -> Option<String> {
    let mut node = root;
    for step in path.split('.') {
        let (name, indices) = step.find('[').map_or((step, ""), |at| step.split_at(at));
        if !name.is_empty() {
            node = first_of(node)?.get(name)?;
        }
        for index in indices.split_terminator(']') {
            node = node.items().nth(index.trim_start_matches('[').parse().ok()?)?;
        }
    }
    let node = first_of(node)?;
    let text = node.as_str().or_else(|| node.number_text()).map(str::to_owned);
    text.or_else(|| node.as_bool().map(|b| b.to_string()))
        .or_else(|| Some(String::from_utf8_lossy(node.raw()).into_owned()))
}

fn first_of(node: Node<'_>) -> Option<Node<'_>> {
    if node.kind() == epr_fhir::resource::NodeKind::Array { node.items().next() } else { Some(node) }
}
