//! A differential as a tree: what is asked of each element, below the element it belongs to.

use crate::definitions::DifferentialElement;
use crate::resource::Resource;

/// What a differential asks of one element or slice, and of what is below it.
#[derive(Debug, Default)]
pub(super) struct Change {
    /// The element's name: `identifier`, `value[x]`, or a type of a choice, `valueQuantity`.
    pub(super) name: String,
    /// The slice, with the slice that it divides: `nhs/verified`.
    pub(super) slice: Option<String>,
    /// The ElementDefinition, where there is one of just this element.
    pub(super) json: Option<Resource>,
    /// In the differential's order.
    pub(super) children: Vec<Change>,
}

/// One step of an element id.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    name: String,
    slice: Option<String>,
}

/// The tree of a differential; its root is the root element, which the differential need not have.
pub(super) fn tree(elements: &[DifferentialElement]) -> Change {
    let mut root = Change::default();
    let mut before: Vec<Step> = Vec::new();
    for element in elements {
        let steps = steps_of(element, &before);
        let mut at = &mut root;
        for step in steps.iter().skip(1) {
            at = at.child(step);
        }
        // A second definition of one element is laid over the first by the merge, which sees it as a later sibling.
        let json = Resource::parse_json(&element.json).ok();
        if at.json.is_none() {
            at.json = json;
        } else {
            at.children.push(Change { json, ..Change::default() });
        }
        before = steps;
    }
    root
}

impl Change {
    fn child(&mut self, step: &Step) -> &mut Change {
        let known = self.children.iter().position(|c| c.name == step.name && c.slice == step.slice);
        let at = known.unwrap_or_else(|| {
            self.children.push(Change { name: step.name.clone(), slice: step.slice.clone(), ..Change::default() });
            self.children.len() - 1
        });
        &mut self.children[at]
    }
}

/// The steps of an element: of its id where that fits its path, else of its path, inside the slice that was open before.
fn steps_of(element: &DifferentialElement, before: &[Step]) -> Vec<Step> {
    let names: Vec<&str> = element.path.split('.').collect();
    let steps: Vec<Step> = element.id.split('.').map(Step::of_id).collect();
    if steps.len() == names.len() && steps.iter().zip(&names).all(|(step, name)| step.fits(name)) {
        return steps;
    }
    let last = names.len() - 1;
    let mut is_inside = true;
    let steps = names.iter().enumerate().map(|(i, name)| {
        is_inside &= before.get(i).is_some_and(|step| step.name == *name);
        let slice = if i == last { element.slice_name.clone() } else { before.get(i).and_then(|s| s.slice.clone()) };
        Step { name: (*name).to_owned(), slice: slice.filter(|_| is_inside || i == last) }
    });
    steps.collect()
}

impl Step {
    fn of_id(step: &str) -> Self {
        match step.split_once(':') {
            Some((name, slice)) => Self { name: name.to_owned(), slice: Some(slice.to_owned()) },
            None => Self { name: step.to_owned(), slice: None },
        }
    }

    /// Whether it is the step of a path: the same name, or a type of the choice.
    fn fits(&self, name: &str) -> bool {
        self.name == name || self.name.strip_suffix("[x]").is_some_and(|stem| name.starts_with(stem))
    }
}
