//! The `tests:` of a file, with their rows and columns resolved.

use crate::check::scope::MapCompiler;
use crate::diagnostics::nearest;
use crate::plan::{ExpectedIssue, GivenRow, TableSlot, TestPlan};
use crate::syntax::ast::{Name, TestCase};

impl MapCompiler<'_, '_, '_> {
    pub(super) fn tests(&mut self) -> Vec<TestPlan> {
        let mut plans = Vec::new();
        let tests = &self.resolved.map.tests;
        for test in tests {
            plans.extend(self.test(test));
        }
        plans
    }

    fn test(&mut self, test: &TestCase) -> Option<TestPlan> {
        let mut given = Vec::new();
        for (alias, rows) in &test.given {
            let Some(slot) = self.given_table(alias) else { continue };
            for row in rows {
                let cells = self.cells(slot, row);
                given.push(GivenRow { table: slot, cells });
            }
        }
        if !given.iter().any(|g| g.table == TableSlot::MAIN) {
            let alias = self.rows[0].alias.clone();
            self.sink()
                .error("MAP0120", test.name.span, "the test gives no row of the map's own table")
                .help(format!("write `given: {{ {alias}: {{ COLUMN: text }} }}`"));
            return None;
        }
        let at = self.at(test.name.span);
        let expect = test.expect.iter().map(|(p, v)| (p.text.clone(), v.text.clone(), self.at(p.span))).collect();
        let expect_absent = test.expect_absent.iter().map(|p| (p.text.clone(), self.at(p.span))).collect();
        let expect_issue = test.expect_issue.as_ref().map(|issues| issues.iter().map(|i| self.issue(i)).collect());
        let is_true = |word: &Option<Name>| word.as_ref().is_some_and(|w| w.text == "true");
        Some(TestPlan {
            name: test.name.text.clone(),
            given,
            of: test.of.as_ref().map(|n| n.text.clone()),
            expect,
            expect_absent,
            expect_issue,
            expect_refused: is_true(&test.expect_refused),
            expect_none: is_true(&test.expect_none),
            at,
        })
    }

    fn issue(&mut self, written: &Name) -> ExpectedIssue {
        let (code, column) = match written.text.split_once('@') {
            Some((code, place)) => (code, Some(place.to_owned())),
            None => (written.text.as_str(), None),
        };
        ExpectedIssue { code: code.to_owned(), column, at: self.at(written.span) }
    }

    fn given_table(&mut self, alias: &Name) -> Option<TableSlot> {
        if let Some(row) = self.rows.iter().find(|r| r.alias == alias.text) {
            return Some(row.table);
        }
        let names: Vec<String> = self.rows.iter().map(|r| r.alias.clone()).collect();
        let help = nearest(&alias.text, names.iter().map(String::as_str)).map(|n| format!("did you mean `{n}`?"));
        self.sink().error("MAP0102", alias.span, format!("no row is named `{}`", alias.text)).help_if(help);
        None
    }

    /// A column that no rule reads changes nothing, so it has no number; that it exists is checked.
    fn cells(&mut self, slot: TableSlot, row: &[(Name, Name)]) -> Vec<(u16, String)> {
        let mut cells = Vec::new();
        for (column, text) in row {
            let table = &self.tables[usize::from(slot.0)];
            let is_read = table.columns.iter().any(|c| c.name == column.text);
            if !is_read && table.schema.is_some_and(|s| s.column(&column.text).is_some()) {
                continue;
            }
            if let Some((at, _)) = self.column_of(slot, &column.text, column.span) {
                cells.push((at, text.text.clone()));
            }
        }
        cells
    }
}
