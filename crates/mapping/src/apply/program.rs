//! A map that is ready to run: its plan, the project's ids, and what follows from both.

use epr_model::id::{IdNamespace, IdRecipe};

use crate::functions::moment::Moment;
use crate::plan::{EmitKind, EmitNode, Expr, MapPlan, MappingPlan, Member, RefExpr, ResourcePlan};

/// One map with everything that does not change from row to row.
#[derive(Debug)]
pub struct MapProgram<'p> {
    pub(crate) plan: &'p MapPlan,
    pub(crate) organisation: &'p str,
    pub(crate) system: &'p str,
    /// `<organisation>/<system>/<table>`.
    pub(crate) table_path: String,
    /// By resource of the plan.
    pub(crate) recipes: Vec<IdRecipe>,
    /// By reference target of the plan.
    pub(crate) ref_recipes: Vec<IdRecipe>,
    /// By resource: where its `subject` or `patient` comes from, for issues raised before it is written.
    pub(crate) patient_refs: Vec<Option<&'p RefExpr>>,
    pub(crate) as_of: Option<Moment>,
}

impl<'p> MapProgram<'p> {
    /// `as_of` is now, for every rule.
    pub fn new(pack: &'p MappingPlan, plan: &'p MapPlan, namespace: IdNamespace, as_of: Option<Moment>) -> Self {
        let (organisation, system) = (pack.organisation.as_str(), pack.system.as_str());
        let table = plan.main_table().name.as_str();
        let recipe =
            |r: &ResourcePlan| IdRecipe::new(namespace, &r.resource_type, organisation, system, table, &r.id_part);
        let ref_recipes = plan
            .ref_targets
            .iter()
            .map(|t| IdRecipe::new(namespace, &t.resource_type, &t.organisation, &t.system, &t.table, &t.id_part));
        Self {
            plan,
            organisation,
            system,
            table_path: format!("{organisation}/{system}/{table}"),
            recipes: plan.resources.iter().map(recipe).collect(),
            ref_recipes: ref_recipes.collect(),
            patient_refs: plan.resources.iter().map(|r| patient_ref(plan, r)).collect(),
            as_of,
        }
    }

    pub fn plan(&self) -> &'p MapPlan {
        self.plan
    }

    /// `<organisation>/<system>/<table>` of the map's own table.
    pub fn table_path(&self) -> &str {
        &self.table_path
    }
}

/// Whether an element says whose resource this is.
pub(crate) fn is_patient_element(path: &str) -> bool {
    matches!(path.rsplit_once('.'), Some((head, "subject" | "patient")) if !head.contains('.'))
}

fn patient_ref<'p>(plan: &'p MapPlan, resource: &'p ResourcePlan) -> Option<&'p RefExpr> {
    fn in_node(node: &EmitNode) -> Option<&Expr> {
        match &node.kind {
            EmitKind::Value(value) if is_patient_element(&node.path) => Some(&value.from),
            EmitKind::Object { members, .. } if is_patient_element(&node.path) => {
                match members.iter().find(|m| &*m.name == "reference").map(|m| &m.node.kind) {
                    Some(EmitKind::Value(value)) => Some(&value.from),
                    _ => None,
                }
            }
            _ => None,
        }
    }
    let of_member = |member: &'p Member| match in_node(&member.node) {
        Some(Expr::Ref(reference)) => Some(reference.as_ref()),
        _ => None,
    };
    let reference = resource.emit.iter().find_map(of_member)?;
    let target = &plan.ref_targets[usize::from(reference.target.0)];
    (&*target.resource_type == "Patient").then_some(reference)
}
