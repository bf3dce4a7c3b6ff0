//! `ref(map, key …)`: the map is there, its key has so many columns, and the organisation may be left.

use std::sync::Arc;

use super::scope::MapCompiler;
use super::types::Typed;
use crate::diagnostics::{Span, nearest};
use crate::plan::{Expr as PlanExpr, RefExpr, RefTarget, RefTargetSlot, Type};
use crate::syntax::expr::{Argument, Call, ExprKind};

impl MapCompiler<'_, '_, '_> {
    /// `ref(patient, $X)`, `ref('ed/encounter', $X)`, `ref(vitals.bp, $X)` for one of several resources of a map.
    pub(crate) fn reference(&mut self, call: &Call, span: Span) -> Option<Typed> {
        let Some((Argument { value: map, .. }, keys)) = call.arguments.split_first() else {
            self.wrong_arguments(call, span, "a map and the key of its row");
            return None;
        };
        let (ExprKind::Name(written) | ExprKind::Text(written)) = &map.kind else {
            self.wrong_arguments(call, map.span, "a map and the key of its row");
            return None;
        };
        let (name, part) = written.split_once('.').map_or((written.as_str(), None), |(n, p)| (n, Some(p)));
        let full = self.full_map_name(name);
        let keys: Vec<Option<Typed>> = keys.iter().map(|k| self.value(&k.value)).collect();
        let Some(summary) = self.summaries.get(&full).cloned() else {
            self.unknown_map(name, &full, map.span);
            return None;
        };
        self.foreign(&full, map.span)?;
        let resource = match part {
            None if summary.resources.len() == 1 => Some(&summary.resources[0]),
            None => None,
            Some(part) => summary.resources.iter().find(|(_, id_part, _)| id_part == part),
        };
        let Some((resource_type, id_part, is_each)) = resource else {
            let parts: Vec<String> = summary.resources.iter().map(|(_, p, _)| format!("{name}.{p}")).collect();
            self.sink()
                .error("MAP0113", map.span, format!("`{written}` does not name one resource"))
                .help(format!("write one of: {}", parts.join(", ")));
            return None;
        };
        if *is_each {
            self.sink().error(
                "MAP0113",
                map.span,
                format!("`{written}` makes one resource for each row of a list: it has no single id"),
            );
            return None;
        }
        let Some(key_names) = &summary.key else {
            self.sink()
                .error(
                    "MAP0113",
                    map.span,
                    format!("the table of `{name}` has no key, so nothing can refer to its rows"),
                )
                .help("give the table a key in its source spec");
            return None;
        };
        if key_names.len() != keys.len() {
            let message = format!(
                "`{name}` has a key of {} ({}), and {} given",
                key_names.len(),
                key_names.join(", "),
                count_are(keys.len())
            );
            self.sink().error("MAP0106", span, message);
            return None;
        }
        let target = RefTarget {
            resource_type: Arc::from(resource_type.as_str()),
            organisation: summary.organisation.clone(),
            system: summary.system.clone(),
            table: summary.table.clone(),
            id_part: id_part.clone(),
        };
        let ty = Type::Ref(Arc::clone(&target.resource_type));
        let slot = self.ref_targets.iter().position(|t| *t == target).unwrap_or_else(|| {
            self.ref_targets.push(target);
            self.ref_targets.len() - 1
        });
        let keys: Option<Vec<PlanExpr>> = keys.into_iter().map(|k| k.map(|k| k.expr)).collect();
        let at = self.at(span);
        let expr = PlanExpr::Ref(Box::new(RefExpr { target: RefTargetSlot(slot as u16), keys: keys?, at }));
        Some(Typed { expr, ty })
    }

    /// `patient` is of this pack, `ed/encounter` of this organisation, `rk9/ipm/patient` of any.
    fn full_map_name(&self, name: &str) -> String {
        match name.matches('/').count() {
            0 => format!("{}/{name}", self.input.pack),
            1 => format!("{}/{name}", self.input.pack.split('/').next().unwrap_or_default()),
            _ => name.to_owned(),
        }
    }

    fn unknown_map(&mut self, name: &str, full: &str, span: Span) {
        if self.input.sources.find(&format!("{full}.yaml")).is_some()
            && full.starts_with(&format!("{}/", self.input.pack))
        {
            // The map is there and has mistakes of its own, which were said.
            return;
        }
        let prefix = format!("{}/", self.input.pack);
        let names: Vec<String> =
            self.summaries.keys().map(|k| k.strip_prefix(&prefix).unwrap_or(k).to_owned()).collect();
        let help = nearest(name, names.iter().map(String::as_str)).map(|n| format!("did you mean `{n}`?"));
        self.sink().error("MAP0113", span, format!("there is no map `{name}` to refer to")).help_if(help);
    }

    /// A reference into another organisation needs a reason.
    fn foreign(&mut self, full: &str, span: Span) -> Option<()> {
        let ours = self.input.pack.split('/').next();
        if full.split('/').next() == ours || self.resolved.map.cross_organisation.is_some() {
            return Some(());
        }
        self.sink()
            .error("MAP0114", span, format!("`{full}` belongs to another organisation"))
            .help("say why: `cross_organisation: <reason>`");
        None
    }
}

fn count_are(count: usize) -> String {
    match count {
        0 => "none is".to_owned(),
        1 => "1 is".to_owned(),
        n => format!("{n} are"),
    }
}
