//! Look-ups, `let`, `where`, `require`, `group`, `latest`, `measure`, `ignore`.

use std::collections::BTreeSet;

use epr_model::schema::{ColumnKind, TableKey};

use crate::check::calls::is_hazard;
use crate::check::measures::MEASURES;
use crate::check::scope::{Binding, MapCompiler};
use crate::check::types::{self, Typed};
use crate::diagnostics::{Span, did_you_mean, nearest};
use crate::plan::{
    Expr as PlanExpr, GroupElse, GroupPlan, JoinPair, KeyPlan, LatestPlan, LetPlan, LetSlot, ListSlot, Literal,
    LookupPlan, MeasurePlan, Predicate, RequirePlan, RowSlot, TableSlot, Takes, Type,
};
use crate::syntax::ast::{Lookup, Name, Value, ValueKind};
use crate::syntax::expr::{BinaryOp, Expr, ExprKind};

impl MapCompiler<'_, '_, '_> {
    /// The key of the main table. Under `key: row` all columns take part, in the schema's order.
    pub(super) fn table_key(&mut self) -> KeyPlan {
        let Some(schema) = self.tables[0].schema else { return KeyPlan::Columns(Vec::new()) };
        let span = self.resolved.map.span;
        match &schema.key {
            TableKey::Row => {
                for column in &schema.columns {
                    self.column_of(TableSlot::MAIN, &column.name, span);
                }
                KeyPlan::Row
            }
            TableKey::Columns(columns) => {
                let found = columns.iter().filter_map(|c| self.column_of(TableSlot::MAIN, c, span));
                KeyPlan::Columns(found.map(|(at, _)| at).collect())
            }
        }
    }

    /// Under `group`, `$rows` is the list of the group's rows.
    pub(super) fn group_rows(&mut self) -> Option<ListSlot> {
        let group = self.resolved.map.group.as_ref()?;
        let row = self.row("rows", TableSlot::MAIN);
        let list = self.list("rows", TableSlot::MAIN, row, group.order.is_some());
        self.bind(&Name { text: "rows".to_owned(), span: group.span }, Binding::List(list));
        self.used_names.insert("rows".to_owned());
        Some(list)
    }

    /// All look-ups, in an order in which each uses only rows that stand before it.
    pub(super) fn lookups(&mut self) -> Vec<LookupPlan> {
        let map = &self.resolved.map;
        let mut waiting: Vec<&Lookup> = map.lookup.iter().chain(&map.join).collect();
        let aliases: BTreeSet<&str> = waiting.iter().map(|l| l.alias.text.as_str()).collect();
        let mut done: BTreeSet<&str> = BTreeSet::new();
        let mut plans = Vec::new();
        while !waiting.is_empty() {
            let ready = waiting.iter().position(|l| {
                let mut needs = BTreeSet::new();
                l.matching.walk(&mut |e| {
                    if let ExprKind::Dollar(d) = &e.kind {
                        needs.insert(d.first.as_str());
                    }
                });
                needs.iter().all(|n| *n == l.alias.text || !aliases.contains(n) || done.contains(n))
            });
            let Some(at) = ready else {
                let first = waiting[0];
                let message = format!("the look-up `{}` needs another that needs it", first.alias.text);
                self.sink().error("MAP0110", first.alias.span, message);
                return plans;
            };
            let lookup = waiting.remove(at);
            done.insert(&lookup.alias.text);
            plans.extend(self.lookup(lookup));
        }
        plans
    }

    fn lookup(&mut self, lookup: &Lookup) -> Option<LookupPlan> {
        let table = self.table(&lookup.table);
        let row = self.row(&lookup.alias.text, table);
        // While `match` and `order` are read, the alias is the candidate row; after that, what `takes` says.
        if !self.bind(&lookup.alias, Binding::Row(row)) {
            return None;
        }
        let (pairs, residual) = self.matching(lookup, row);
        let order = lookup.order.as_ref().map(|order| self.order(order)).unwrap_or_default();
        self.used_names.remove(&lookup.alias.text);
        let takes = match lookup.takes.text.as_str() {
            word @ ("one" | "optional") => {
                if let Some(order) = &lookup.order {
                    self.sink()
                        .error("MAP0110", order.span, format!("a look-up that takes {word} has no order"))
                        .help("several matches refuse the row; write `takes: many` to choose among them");
                }
                if word == "one" { Takes::One } else { Takes::Optional }
            }
            "many" => {
                let list = self.list(&lookup.alias.text, table, row, lookup.order.is_some());
                self.names.insert(lookup.alias.text.clone(), (Binding::List(list), Some(lookup.alias.span)));
                Takes::Many { list, order }
            }
            other => {
                let help = did_you_mean(other, ["one", "optional", "many"], || "one, optional or many".to_owned());
                self.sink()
                    .error("MAP0110", lookup.takes.span, format!("a look-up does not take `{other}`"))
                    .help(help);
                return None;
            }
        };
        let at = self.at(lookup.alias.span);
        if pairs.is_empty() {
            return None;
        }
        Some(LookupPlan {
            alias: lookup.alias.text.clone(),
            table,
            pairs,
            residual,
            row,
            takes,
            may_spill: lookup.spill,
            at,
        })
    }

    /// `match` cut into equalities of a column of theirs with ours, and the rest.
    fn matching(&mut self, lookup: &Lookup, row: RowSlot) -> (Vec<JoinPair>, Option<PlanExpr>) {
        let mut pairs = Vec::new();
        let mut rest: Vec<PlanExpr> = Vec::new();
        let n_errors = self.resolver.sink.n_errors();
        for part in conjuncts(&lookup.matching) {
            if let ExprKind::Binary { op: BinaryOp::Equal, left, right } = &part.kind
                && (is_column_of(left, &lookup.alias.text) ^ is_column_of(right, &lookup.alias.text))
            {
                let (theirs, ours) = if is_column_of(left, &lookup.alias.text) { (left, right) } else { (right, left) };
                if let (Some(theirs), Some(ours)) = (self.value(theirs), self.value(ours)) {
                    pairs.extend(self.pair(&theirs, ours, row, part.span));
                }
                continue;
            }
            rest.extend(self.condition(part));
        }
        if pairs.is_empty() && self.resolver.sink.n_errors() == n_errors {
            let alias = &lookup.alias.text;
            self.sink()
                .error(
                    "MAP0110",
                    lookup.matching.span,
                    format!("`match` compares no column of `{alias}` with this row"),
                )
                .help(format!("write `${alias}.KEY == $KEY`"));
        }
        let residual = if rest.len() > 1 { Some(PlanExpr::And(rest)) } else { rest.pop() };
        (pairs, residual)
    }

    fn pair(&mut self, theirs: &Typed, ours: Typed, row: RowSlot, span: Span) -> Option<JoinPair> {
        let by_text = |t: &Type| matches!(t, Type::Text | Type::Integer | Type::Code);
        if theirs.ty != ours.ty && !(by_text(&theirs.ty) && by_text(&ours.ty)) {
            let message = format!("{} cannot be joined with {}", types::name(&theirs.ty), types::name(&ours.ty));
            self.sink().error("MAP0110", span, message).help("convert our side, such as `text(x)`");
            return None;
        }
        match theirs.expr {
            PlanExpr::Column(column) if column.row == row => Some(JoinPair { theirs: column.column, ours: ours.expr }),
            _ => None,
        }
    }

    pub(super) fn let_one(&mut self, name: &Name, value: &Value) {
        let typed = match &value.kind {
            ValueKind::Literal(text) => Some(Typed { expr: PlanExpr::text(text), ty: Type::Text }),
            ValueKind::Expr(expr) => self.value(expr),
            ValueKind::Poison => None,
            _ => {
                self.sink().error("MAP0003", value.span, "`let` names a text or an expression");
                None
            }
        };
        let Some(Typed { expr, ty }) = typed else {
            // The name stays unknown, so that its uses would be said to be wrong; bind it to nothing instead.
            let at = self.at(value.span);
            self.lets.push(LetPlan {
                name: name.text.clone(),
                value: PlanExpr::Literal(Literal::Null),
                ty: Type::Text,
                at,
            });
            self.bind(name, Binding::Let(LetSlot(self.lets.len() as u16 - 1)));
            return;
        };
        let at = self.at(name.span);
        self.lets.push(LetPlan { name: name.text.clone(), value: expr, ty, at });
        self.bind(name, Binding::Let(LetSlot(self.lets.len() as u16 - 1)));
    }

    /// `where` sees the row and `let`s that need nothing else: it decides before look-ups are made.
    pub(super) fn filter(&mut self) -> Option<Predicate> {
        let filter = self.resolved.map.filter.as_ref()?;
        let that = self.condition(filter)?;
        let at = self.at(filter.span);
        if self.reads_more_than_the_row(&that) {
            self.sink()
                .error("MAP0110", filter.span, "`where` sees only the row itself")
                .help("use `require:`, or a `.when` on what is made");
            return None;
        }
        Some(Predicate { that, at })
    }

    fn reads_more_than_the_row(&self, expr: &PlanExpr) -> bool {
        let mut more = match expr {
            PlanExpr::Column(column) => column.row != RowSlot::MAIN,
            PlanExpr::Let(slot) => self.reads_more_than_the_row(&self.lets[usize::from(slot.0)].value),
            PlanExpr::Count(_)
            | PlanExpr::First { .. }
            | PlanExpr::Last { .. }
            | PlanExpr::ListMap { .. }
            | PlanExpr::ListExists(_) => true,
            _ => false,
        };
        expr.for_each_child(|child| more = more || self.reads_more_than_the_row(child));
        more
    }

    pub(super) fn require(&mut self) -> Vec<RequirePlan> {
        let mut plans = Vec::new();
        let conditions = &self.resolved.map.require;
        for require in conditions {
            let that = self.condition(&require.that);
            match &require.otherwise {
                Some(name) if name.text == "refuse-row" => {
                    if require.hazard.is_none() {
                        self.guard_by_target(name);
                    }
                }
                Some(name) => {
                    self.sink()
                        .error("MAP0009", name.span, format!("`require` refuses the row, and does not `{}`", name.text))
                        .help("write `else: refuse-row`");
                }
                None => {
                    let span = self.first_line(require.span);
                    self.sink().error("MAP0004", span, "the require has no `else:`").help("write `else: refuse-row`");
                }
            }
            if let Some(hazard) = &require.hazard
                && !is_hazard(&hazard.text)
            {
                self.sink()
                    .error("MAP0014", hazard.span, format!("`{}` is not a hazard id", hazard.text))
                    .help("hazard ids look like ID-03");
            }
            let at = self.at(require.span);
            if let Some(that) = that {
                plans.push(RequirePlan { that, hazard: require.hazard.as_ref().map(|h| h.text.clone()), at });
            }
        }
        plans
    }

    /// `require` stands before the resources, so their types come from the targets.
    fn guard_by_target(&mut self, name: &Name) {
        let targets: Vec<String> = self
            .resolved
            .map
            .target
            .iter()
            .chain(self.resolved.map.resources.iter().filter_map(|r| r.directives.target.as_ref()))
            .filter_map(|t| super::resource_type(self.definitions(), &t.text))
            .collect();
        for target in targets {
            self.resource_type = target;
            self.guard_refusal(name);
        }
    }

    pub(super) fn group(&mut self, rows: Option<ListSlot>) -> Option<GroupPlan> {
        let group = self.resolved.map.group.as_ref()?;
        let by = self.by(&group.by);
        let order = group.order.as_ref().map(|o| self.order(o)).unwrap_or_default();
        let mut agree = Vec::new();
        for column in &group.agree {
            agree.extend(self.column_of(TableSlot::MAIN, &column.text, column.span).map(|(at, _)| at));
        }
        let otherwise = match group.otherwise.as_ref().map(|n| (n.text.as_str(), n.span)) {
            Some(("refuse-row", _)) => GroupElse::RefuseRow,
            Some(("issue", _)) => GroupElse::Issue,
            None if group.agree.is_empty() => GroupElse::RefuseRow,
            Some((other, span)) => {
                self.sink()
                    .error("MAP0009", span, format!("`{other}` is not what a group can do"))
                    .help("refuse-row or issue");
                return None;
            }
            None => {
                self.sink()
                    .error("MAP0004", group.span, "the group has `agree:` and no `else:`")
                    .help("refuse-row or issue");
                return None;
            }
        };
        let at = self.at(group.span);
        Some(GroupPlan { by, order, rows: rows?, agree, otherwise, at })
    }

    pub(super) fn latest(&mut self) -> Option<LatestPlan> {
        let latest = self.resolved.map.latest.as_ref()?;
        if let Some(group) = &self.resolved.map.group {
            let note = self.resolver.sink.note_at("`group` at", group.span);
            self.sink()
                .error("MAP0019", latest.span, "`group` and `latest` do not go together")
                .note(note)
                .help("keep one of them: which rows `latest` would choose within a group has no meaning yet");
        }
        let by = self.by(&latest.by);
        let max = self.order(&latest.max).into_iter().map(|k| k.by).collect();
        let at = self.at(latest.span);
        Some(LatestPlan { by, max, at })
    }

    fn by(&mut self, exprs: &[Expr]) -> Vec<PlanExpr> {
        let mut by = Vec::new();
        for expr in exprs {
            let parts = match &expr.kind {
                ExprKind::List(items) => items.as_slice(),
                _ => std::slice::from_ref(expr),
            };
            for part in parts {
                let Some(value) = self.value(part) else { continue };
                if self.reads_more_than_the_row(&value.expr) {
                    self.sink().error("MAP0110", part.span, "`by` sees only the row itself");
                }
                by.push(value.expr);
            }
        }
        by
    }

    pub(super) fn measures(&mut self) -> Vec<MeasurePlan> {
        let mut plans = Vec::new();
        let measures = &self.resolved.map.measure;
        for (name, value) in measures {
            let Some(measure) = MEASURES.iter().find(|m| m.name == name.text) else {
                let help = did_you_mean(&name.text, MEASURES.iter().map(|m| m.name), || {
                    "the list is in docs/language.md".to_owned()
                });
                self.sink().error("MAP0014", name.span, format!("`{}` is not a measure", name.text)).help(help);
                continue;
            };
            let typed = match &value.kind {
                ValueKind::Expr(expr) => self.value(expr),
                ValueKind::Literal(text) => Some(Typed { expr: PlanExpr::text(text), ty: Type::Text }),
                ValueKind::Poison => None,
                _ => {
                    self.sink().error("MAP0003", value.span, "a measure is one value");
                    None
                }
            };
            let Some(Typed { expr, ty }) = typed else { continue };
            if !measure.takes.fits(&ty) {
                let message =
                    format!("`{}` is {}, and this is {}", measure.name, measure.takes.as_str(), types::name(&ty));
                self.sink().error("MAP0107", value.span, message);
                continue;
            }
            let at = self.at(name.span);
            plans.push(MeasurePlan { name: name.text.clone(), value: expr, ty, at });
        }
        plans
    }

    /// Columns listed with a reason must be there, and must not be read.
    pub(super) fn ignored(&mut self) {
        let is_row_key = matches!(self.tables[0].schema.map(|s| &s.key), Some(TableKey::Row));
        let ignore = &self.resolved.map.ignore;
        for (column, reason) in ignore {
            if reason.text.trim().is_empty() {
                self.sink().error("MAP0116", column.span, format!("`{}` is ignored without a reason", column.text));
            }
            let (slot, name) = match column.text.split_once('.') {
                Some((alias, name)) => {
                    let Some(row) = self.rows.iter().find(|r| r.alias == alias) else {
                        self.sink().error("MAP0102", column.span, format!("no row is named `{alias}`"));
                        continue;
                    };
                    (row.table, name)
                }
                None => (TableSlot::MAIN, column.text.as_str()),
            };
            let table = &self.tables[usize::from(slot.0)];
            let is_read = table.columns.iter().any(|c| c.name == name);
            let Some(schema) = table.schema else { continue };
            if schema.column(name).is_none() {
                let help = nearest(name, schema.columns.iter().map(|c| c.name.as_str())).map(|n| format!("`{n}` is"));
                let message = format!("column `{name}` is not in table {}", schema.name);
                self.sink().error("MAP0118", column.span, message).help_if(help);
            } else if is_read && !(is_row_key && slot == TableSlot::MAIN) {
                self.sink()
                    .error("MAP0116", column.span, format!("`{name}` is ignored and read"))
                    .help("take it out of `ignore:`");
            }
        }
    }

    /// Look-ups and `let`s that nothing uses.
    pub(super) fn unused_names(&mut self) {
        let unused: Vec<(String, Span)> = self
            .names
            .iter()
            .filter(|(name, (binding, _))| {
                !self.used_names.contains(*name) && !matches!(binding, Binding::Row(RowSlot::MAIN))
            })
            .filter_map(|(name, (_, span))| Some((name.clone(), (*span)?)))
            .collect();
        for (name, span) in unused {
            self.sink().warning("MAP0119", span, format!("nothing uses `{name}`"));
        }
    }

    /// What tells the rows of a list apart: the key of its table, beside what the look-up matched.
    pub(super) fn list_key(&mut self, list: ListSlot) -> Vec<u16> {
        let slot = self.lists[usize::from(list.0)].table;
        let Some(schema) = self.tables[usize::from(slot.0)].schema else { return Vec::new() };
        let span = self.resolved.map.span;
        match &schema.key {
            TableKey::Row => Vec::new(),
            TableKey::Columns(columns) => columns
                .iter()
                .filter_map(|c| self.column_of(slot, c, span))
                .map(|(at, _): (u16, ColumnKind)| at)
                .collect(),
        }
    }
}

fn conjuncts(expr: &Expr) -> Vec<&Expr> {
    match &expr.kind {
        ExprKind::Binary { op: BinaryOp::And, left, right } => {
            let mut all = conjuncts(left);
            all.extend(conjuncts(right));
            all
        }
        _ => vec![expr],
    }
}

/// `$alias.COLUMN` of this look-up.
fn is_column_of(expr: &Expr, alias: &str) -> bool {
    matches!(&expr.kind, ExprKind::Dollar(d) if d.first == alias && d.second.is_some())
}
