//! What tells slices apart, as tests of one item: by value or pattern, by what is there, by type, by profile.
//!
//! A discriminator's path is walked twice: here through the slice's definition, to learn what is expected; at the check
//! through the item, to find it. Source: FHIR R4, profiling, "Discriminator".

use epr_fhir::definitions::{BindingStrength, Definitions, Discriminator, DiscriminatorKind, Element, Max, Structure};
use epr_fhir::{Node, Resource};

use crate::program::BindingProgram;

/// One test of an item.
pub(crate) enum Test {
    /// At the path stands what is expected; of several the whole, or one.
    Value { path: Vec<PathStep>, expected: Vec<Expected>, needs_all: bool },
    /// At the path stands something, or nothing.
    Exists { path: Vec<PathStep>, is_there: bool },
    /// At the path stands a value of one of these types.
    Type { path: Vec<PathStep>, codes: Vec<String> },
    /// At the path stands a value that meets one of these profiles.
    Profile { path: Vec<PathStep>, profiles: Vec<String> },
}

/// What a value is compared with.
pub(crate) enum Expected {
    Exact(Resource),
    Pattern(Resource),
    Code(BindingProgram),
}

/// One step from an item to what a discriminator looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PathStep {
    /// The member of a name, or of any type of a choice of this name.
    Child(String),
    /// The extensions of a URL.
    Extension(String),
    /// What a reference leads to.
    Resolve,
    /// Only values of a type.
    OfType(String),
}

/// An element of a structure on the way.
#[derive(Clone, Copy)]
struct Spot<'d> {
    structure: &'d Structure,
    element: &'d Element,
}

/// The tests of a slice; an error says why there can be none.
pub(crate) fn tests(
    definitions: &Definitions,
    structure: &Structure,
    sliced: &Element,
    slice: &Element,
) -> Result<Vec<Test>, String> {
    let discriminators = sliced.slicing.as_ref().map_or(&[][..], |slicing| &slicing.discriminators);
    if discriminators.is_empty() {
        return Err("the profile does not say what tells its slices apart".to_owned());
    }
    discriminators.iter().map(|discriminator| test(definitions, structure, slice, discriminator)).collect()
}

fn test(
    definitions: &Definitions,
    structure: &Structure,
    slice: &Element,
    discriminator: &Discriminator,
) -> Result<Test, String> {
    let text = &discriminator.path;
    let path = steps(text).ok_or_else(|| format!("the discriminator path {text} is not understood"))?;
    let nothing = || format!("the slice does not say what is expected at {text}");
    let mut spots = vec![Spot { structure, element: slice }];
    let mut found = Vec::new();
    for (i, step) in path.iter().enumerate() {
        if matches!(discriminator.kind, DiscriminatorKind::Value | DiscriminatorKind::Pattern) {
            found.extend(spots.iter().flat_map(|spot| inside(spot.element, &path[i..])));
        }
        let next: Vec<_> = spots.iter().flat_map(|spot| step.follow(definitions, *spot)).collect();
        // An extension is known by its URL even where its definition is not loaded.
        if next.is_empty() && *step == PathStep::Child("url".to_owned()) {
            found.extend(spots.iter().filter_map(|spot| spot.element.profile()).map(as_text));
        }
        spots = next;
    }
    let types = || spots.iter().flat_map(|spot| &spot.element.types);
    match discriminator.kind {
        DiscriminatorKind::Value | DiscriminatorKind::Pattern => value_test(path, &spots, found).ok_or_else(nothing),
        DiscriminatorKind::Exists => exists_test(path, &spots).ok_or_else(nothing),
        DiscriminatorKind::Type => {
            let mut codes: Vec<String> = types().map(|of| of.code.clone()).collect();
            // What a reference leads to is the structure itself, whose root names no type.
            codes.extend(spots.iter().filter(|s| s.element.types.is_empty()).map(|s| s.structure.type_name.clone()));
            if codes.is_empty() { Err(nothing()) } else { Ok(Test::Type { path, codes }) }
        }
        DiscriminatorKind::Profile => {
            let mut profiles: Vec<String> = types().flat_map(|of| of.profiles.clone()).collect();
            let roots =
                spots.iter().filter(|s| !s.element.path.contains('.') && path.last() == Some(&PathStep::Resolve));
            profiles.extend(roots.map(|spot| spot.structure.url.clone()));
            if profiles.is_empty() { Err(nothing()) } else { Ok(Test::Profile { path, profiles }) }
        }
    }
}

fn value_test(path: Vec<PathStep>, spots: &[Spot<'_>], mut expected: Vec<Expected>) -> Option<Test> {
    let of = |spots: &[&Spot<'_>]| spots.iter().filter_map(|spot| own(spot.element)).collect::<Vec<_>>();
    let in_slice = |spot: &&Spot<'_>| spot.element.slice_name.is_some() || last_but_one_is_slice(&spot.element.id);
    let (sliced, plain): (Vec<&Spot<'_>>, Vec<&Spot<'_>>) = spots.iter().partition(in_slice);
    let mut needs_all = true;
    if expected.is_empty() {
        expected = of(&plain);
    }
    if expected.is_empty() {
        expected = of(&sliced);
        // Of slices inside the slice, those that need not be there are alternatives.
        needs_all = expected.len() < 2 || sliced.iter().all(|spot| spot.element.min > 0);
    }
    if expected.is_empty() {
        expected = spots.iter().filter_map(|spot| required_code(spot.element)).take(1).collect();
    }
    if expected.is_empty() {
        return exists_test(path, spots);
    }
    Some(Test::Value { path, expected, needs_all })
}

/// Whether an element stands directly below a slice: `code.coding:SBPCode.code`.
fn last_but_one_is_slice(id: &str) -> bool {
    id.rsplit('.').nth(1).is_some_and(|step| step.contains(':'))
}

fn exists_test(path: Vec<PathStep>, spots: &[Spot<'_>]) -> Option<Test> {
    let mut elements = spots.iter().map(|spot| spot.element);
    let first = elements.find(|e| e.min > 0 || e.max == Max::Count(0))?;
    Some(Test::Exists { path, is_there: first.min > 0 })
}

fn own(element: &Element) -> Option<Expected> {
    let read = |value: &epr_fhir::definitions::FixedValue| Resource::parse_json(&value.json).ok();
    if let Some(fixed) = &element.fixed {
        return read(fixed).map(Expected::Exact);
    }
    element.pattern.as_ref().and_then(read).map(Expected::Pattern)
}

fn required_code(element: &Element) -> Option<Expected> {
    let binding = element.binding.as_ref().filter(|b| b.strength == BindingStrength::Required)?;
    let value_set = binding.value_set.clone()?;
    Some(Expected::Code(BindingProgram::new(element.id.clone(), binding.strength, value_set)))
}

/// What an element's own fixed value or pattern says at the rest of a path.
fn inside(element: &Element, rest: &[PathStep]) -> Vec<Expected> {
    let Some(Expected::Exact(value) | Expected::Pattern(value)) = own(element) else { return Vec::new() };
    let mut nodes = vec![value.root()];
    for step in rest {
        let PathStep::Child(name) = step else { return Vec::new() };
        nodes = nodes.into_iter().filter_map(|node| node.get(name)).flat_map(items).collect();
    }
    nodes.into_iter().filter_map(|node| Resource::parse_json(node.raw()).ok()).map(Expected::Pattern).collect()
}

/// The items of an array, or the one value.
pub(crate) fn items(node: Node<'_>) -> Vec<Node<'_>> {
    if node.kind() == epr_fhir::NodeKind::Array { node.items().collect() } else { vec![node] }
}

fn as_text(url: &str) -> Expected {
    let url = url.split('|').next().unwrap_or(url);
    let quoted = format!("\"{}\"", url.replace(['"', '\\'], ""));
    Expected::Exact(
        Resource::parse_json(quoted.as_bytes()).expect("a text without quotes and escapes, quoted, is JSON"),
    )
}

/// The steps of a discriminator's path.
fn steps(path: &str) -> Option<Vec<PathStep>> {
    let mut steps = Vec::new();
    let mut rest = path.trim();
    while !rest.is_empty() {
        let end = end_of_step(rest);
        let (step, after) = rest.split_at(end);
        rest = after.strip_prefix('.').unwrap_or(after);
        steps.push(match step.split_once('(') {
            None if step == "$this" => continue,
            None => PathStep::Child(step.to_owned()),
            Some(("resolve", ")")) => PathStep::Resolve,
            Some(("ofType" | "as", of)) => PathStep::OfType(of.strip_suffix(')')?.trim().to_owned()),
            Some(("extension", url)) => {
                PathStep::Extension(url.strip_suffix(')')?.trim().trim_matches(['\'', '"']).to_owned())
            }
            Some(_) => return None,
        });
    }
    Some(steps)
}

fn end_of_step(path: &str) -> usize {
    let mut depth = 0;
    for (at, c) in path.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            '.' if depth == 0 => return at,
            _ => {}
        }
    }
    path.len()
}

impl PathStep {
    fn follow<'d>(&self, definitions: &'d Definitions, spot: Spot<'d>) -> Vec<Spot<'d>> {
        match self {
            Self::OfType(_) => vec![spot],
            Self::Child(name) => children(definitions, spot, |element| {
                element.name == *name
                    || element.name.strip_suffix("[x]") == Some(name)
                    || element.is_choice() && element.type_for(name).is_some()
            }),
            Self::Extension(url) => {
                let is_it = |e: &Element| e.name == "extension" && e.profile().is_some_and(|p| p == url);
                let found = children(definitions, spot, is_it);
                if found.is_empty() { root_of(definitions, url).into_iter().collect() } else { found }
            }
            Self::Resolve => {
                let targets = spot.element.types.iter().flat_map(|of| &of.target_profiles);
                targets.filter_map(|url| root_of(definitions, url)).collect()
            }
        }
    }
}

/// The children of an element that are asked for: in its structure, else in its type or the type's profiles.
fn children<'d>(definitions: &'d Definitions, spot: Spot<'d>, is_it: impl Fn(&Element) -> bool) -> Vec<Spot<'d>> {
    let below = |spot: Spot<'d>| -> Vec<Spot<'d>> {
        spot.structure.children_of_id(&spot.element.id).map(|element| Spot { element, ..spot }).collect()
    };
    let mut found = below(spot);
    if found.is_empty() {
        for of in &spot.element.types {
            let profiles: Vec<_> = of.profiles.iter().filter_map(|url| root_of(definitions, url)).collect();
            let roots =
                if profiles.is_empty() { root_of(definitions, &of.code).into_iter().collect() } else { profiles };
            found.extend(roots.into_iter().flat_map(below));
        }
    }
    found.retain(|spot| is_it(spot.element));
    found
}

fn root_of<'d>(definitions: &'d Definitions, url: &str) -> Option<Spot<'d>> {
    let structure = definitions.structure(url)?;
    Some(Spot { structure, element: structure.root()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_step_by_step() {
        let child = |name: &str| PathStep::Child(name.to_owned());
        assert_eq!(steps("$this"), Some(Vec::new()));
        assert_eq!(steps("coding.code"), Some(vec![child("coding"), child("code")]));
        assert_eq!(
            steps("extension('http://a.b/c').value.ofType(Coding)"),
            Some(vec![
                PathStep::Extension("http://a.b/c".to_owned()),
                child("value"),
                PathStep::OfType("Coding".to_owned())
            ])
        );
        assert_eq!(steps("$this.resolve()"), Some(vec![PathStep::Resolve]));
        assert_eq!(steps("where(x = 1)"), None);
    }
}
