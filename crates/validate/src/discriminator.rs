//! What tells slices apart, as tests of one item: by value or pattern, by what is there, by type, by profile, by place.
//!
//! A discriminator's path is walked twice: here through the slice's definition, to learn what is expected; at the check
//! through the item, to find it. Each discriminator is a test of its own. Where the path meets slices on its way, the
//! first that must be there is followed, or else the first; the reference validator does the same.
//! Source: FHIR R4, profiling, "Discriminator".

use epr_fhir::definitions::{
    BindingStrength, Definitions, Discriminator, DiscriminatorKind, Element, FixedValue, Max, Slicing, Structure,
    TypeRef,
};
use epr_fhir::{Node, Resource};

use crate::program::BindingProgram;

/// How it is told whether an item belongs to a slice.
pub(crate) enum Belongs {
    /// An item that passes all tests belongs to it.
    Tests(Vec<Test>),
    /// The items from one place on (from 0) and before another.
    At { from: u32, until: u32 },
    /// No item can: the definition does not say what tells its slices apart.
    Never,
    /// The definition contradicts itself or says too little: an error on every item, since none can be placed.
    Undecidable(String),
}

/// One test of an item.
pub(crate) enum Test {
    /// At the path stands what is expected.
    Value { path: Vec<PathStep>, expected: Expected },
    /// At the path stands something, or nothing.
    Exists { path: Vec<PathStep>, is_there: bool },
    /// At the path stands a value of one of these types.
    Type { path: Vec<PathStep>, codes: Vec<String> },
    /// At the path stands a value that meets one of these profiles.
    Profile { path: Vec<PathStep>, profiles: Vec<String> },
}

/// What a value is compared with.
pub(crate) enum Expected {
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

/// How it is told that an item belongs to a slice; `before` are the slices of the element that stand before it.
pub(crate) fn belongs(
    definitions: &Definitions,
    structure: &Structure,
    slicing: Option<&Slicing>,
    before: &[&Element],
    slice: &Element,
) -> Belongs {
    let discriminators = slicing.map_or(&[][..], |slicing| &slicing.discriminators);
    if discriminators.is_empty() {
        return Belongs::Never;
    }
    if discriminators.iter().any(|d| d.kind == DiscriminatorKind::Position) {
        return place(discriminators, before, slice);
    }
    let mut tests = Vec::new();
    let mut says_something = false;
    for discriminator in discriminators {
        match test(definitions, structure, slice, discriminator) {
            Ok(Said::Test(test)) => {
                says_something = true;
                tests.push(test);
            }
            Ok(Said::Anything) => says_something = true,
            Ok(Said::Nothing) => {}
            Err(why) => return Belongs::Undecidable(why),
        }
    }
    if says_something {
        Belongs::Tests(tests)
    } else {
        let paths: Vec<&str> = discriminators.iter().map(|d| d.path.as_str()).collect();
        Belongs::Undecidable(format!("the slice does not say what is expected at {}", paths.join(", ")))
    }
}

/// The places of a slice by position: each slice before it has a fixed number of items.
fn place(discriminators: &[Discriminator], before: &[&Element], slice: &Element) -> Belongs {
    if discriminators.len() > 1 {
        return Belongs::Undecidable("a discriminator by position allows no other beside it".to_owned());
    }
    let mut from = 0;
    for element in before {
        if element.max != Max::Count(element.min) {
            return Belongs::Undecidable("a slice before it has no fixed number of items".to_owned());
        }
        from += element.min;
    }
    let until = match slice.max {
        Max::Many => u32::MAX,
        Max::Count(n) => from.saturating_add(n),
    };
    Belongs::At { from, until }
}

/// What a slice says of one discriminator.
#[expect(clippy::large_enum_variant, reason = "one is looked at where it is made and kept nowhere")]
enum Said {
    Test(Test),
    /// Whatever stands there is right.
    Anything,
    Nothing,
}

fn test(
    definitions: &Definitions,
    structure: &Structure,
    slice: &Element,
    discriminator: &Discriminator,
) -> Result<Said, String> {
    let text = &discriminator.path;
    let path = steps(text).ok_or_else(|| format!("the discriminator path {text} is not understood"))?;
    let is_profile = discriminator.kind == DiscriminatorKind::Profile;
    // What a target must meet stands at the reference, not at the target.
    let is_target = is_profile && path.last() == Some(&PathStep::Resolve);
    let walked = if is_target { &path[..path.len() - 1] } else { &path[..] };
    for spot in spots(definitions, Spot { structure, element: slice }, walked)? {
        let said = says(discriminator.kind, &path, spot, is_target)?;
        if !matches!(said, Said::Nothing) {
            return Ok(said);
        }
    }
    Ok(Said::Nothing)
}

/// The elements that a path leads to: in the slice itself, and in the profiles of its types.
fn spots<'d>(definitions: &'d Definitions, slice: Spot<'d>, path: &[PathStep]) -> Result<Vec<Spot<'d>>, String> {
    let mut found = Vec::new();
    found.extend(walk(definitions, slice, path)?);
    for url in slice.element.types.iter().flat_map(|of| &of.profiles) {
        let spot = root_of(definitions, url).ok_or_else(|| not_loaded(url))?;
        found.extend(walk(definitions, spot, path)?);
    }
    Ok(found)
}

fn not_loaded(url: &str) -> String {
    format!("the profile {url} is in no loaded package")
}

fn walk<'d>(definitions: &'d Definitions, from: Spot<'d>, path: &[PathStep]) -> Result<Option<Spot<'d>>, String> {
    let mut spot = from;
    for step in path {
        match follow(definitions, spot, step)? {
            Some(next) => spot = next,
            None => return Ok(None),
        }
    }
    Ok(Some(spot))
}

fn follow<'d>(definitions: &'d Definitions, spot: Spot<'d>, step: &PathStep) -> Result<Option<Spot<'d>>, String> {
    let id = &spot.element.id;
    match step {
        PathStep::Child(name) => {
            let mut spot = spot;
            if spot.element.slicing.is_some() {
                let mut slices = spot.structure.slices(&spot.element.id);
                let element = slices.find(|slice| slice.min > 0);
                let none = || format!("{id} is divided into slices of which none must be there");
                spot = Spot { element: element.ok_or_else(none)?, ..spot };
            }
            let found = children(definitions, spot)?
                .into_iter()
                .find(|child| child.element.slicing.is_none() && is_named(child.element, name));
            found.map(Some).ok_or_else(|| format!("{id} has no element {name}"))
        }
        PathStep::Resolve => {
            let [of] = spot.element.types.as_slice() else {
                return Err(format!("{id} has not one type, so that it cannot be said what it refers to"));
            };
            let [target] = of.target_profiles.as_slice() else {
                return Err(format!("{id} has not one target, so that it cannot be said what it refers to"));
            };
            root_of(definitions, target).map(Some).ok_or_else(|| not_loaded(target))
        }
        PathStep::Extension(url) => {
            let slices = children(definitions, spot)?.into_iter().filter(|child| child.element.slice_name.is_some());
            let mut slices = slices.filter(|child| child.element.name == "extension");
            let found = slices.find(|child| child.element.profile().is_some_and(|p| is_extension(definitions, p, url)));
            let found = found.ok_or_else(|| format!("{id} has no slice for the extension {url}"))?;
            let is_bare = found.structure.children_of_id(&found.element.id).next().is_none();
            let own = || root_of(definitions, found.element.profile()?);
            Ok(if is_bare { own().or(Some(found)) } else { Some(found) })
        }
        PathStep::OfType(code) => Ok(spot.element.types.iter().any(|of| of.code == *code).then_some(spot)),
    }
}

/// Whether a profile is an extension's definition, or builds on it.
fn is_extension(definitions: &Definitions, profile: &str, url: &str) -> bool {
    let mut known = definitions.structure(profile);
    for _ in 0..20 {
        match known {
            Some(structure) if structure.url == url => return true,
            Some(structure) => known = structure.base.as_deref().and_then(|base| definitions.structure(base)),
            None => break,
        }
    }
    false
}

/// Whether an element is meant by a step: by its name, by the stem of a choice, by a choice whose only type it names.
fn is_named(element: &Element, name: &str) -> bool {
    let name = name.split('[').next().unwrap_or(name);
    element.name == name || element.is_choice() && (element.name.starts_with(name) || element.type_for(name).is_some())
}

/// The children of an element: in its structure, else in the profile of its only type, or in that type.
fn children<'d>(definitions: &'d Definitions, spot: Spot<'d>) -> Result<Vec<Spot<'d>>, String> {
    let below = |spot: Spot<'d>| -> Vec<Spot<'d>> {
        spot.structure.children_of_id(&spot.element.id).map(|element| Spot { element, ..spot }).collect()
    };
    let found = below(spot);
    if !found.is_empty() {
        return Ok(found);
    }
    let id = &spot.element.id;
    if let Some(path) = &spot.element.content_reference {
        let element = spot.structure.element(path);
        return Ok(element.map(|element| below(Spot { element, ..spot })).unwrap_or_default());
    }
    let [TypeRef { code, profiles, .. }] = spot.element.types.as_slice() else {
        return Err(format!("{id} has not one type, so that it cannot be said what is below it"));
    };
    let url = match profiles.as_slice() {
        [] => code,
        [only] => only,
        _ => return Err(format!("{id} has several profiles, so that it cannot be said what is below it")),
    };
    Ok(below(root_of(definitions, url).ok_or_else(|| not_loaded(url))?))
}

fn root_of<'d>(definitions: &'d Definitions, url: &str) -> Option<Spot<'d>> {
    let (structure, element) = definitions.profile_element(url)?;
    Some(Spot { structure, element })
}

/// What one element that a discriminator leads to says.
fn says(kind: DiscriminatorKind, path: &[PathStep], spot: Spot<'_>, is_target: bool) -> Result<Said, String> {
    let element = spot.element;
    let path = path.to_vec();
    if element.max == Max::Count(0) {
        return Ok(Said::Test(Test::Exists { path, is_there: false }));
    }
    let id = &element.id;
    match kind {
        DiscriminatorKind::Type => {
            let mut codes: Vec<String> = element.types.iter().map(|of| of.code.clone()).collect();
            if codes.is_empty() {
                // What a reference leads to is the structure itself, whose root names no type.
                codes.push(spot.structure.type_name.clone());
            }
            Ok(Said::Test(Test::Type { path, codes }))
        }
        DiscriminatorKind::Profile => {
            let of_type = |of: &TypeRef| if is_target { of.target_profiles.clone() } else { of.profiles.clone() };
            let mut profiles: Vec<String> = element.types.iter().flat_map(of_type).collect();
            if element.types.is_empty() && !is_target {
                profiles.push(spot.structure.url.clone());
            }
            Ok(if profiles.is_empty() { Said::Anything } else { Said::Test(Test::Profile { path, profiles }) })
        }
        DiscriminatorKind::Exists if element.min > 0 => Ok(Said::Test(Test::Exists { path, is_there: true })),
        DiscriminatorKind::Exists => Err(format!("{id} says neither that it must be there nor that it must not")),
        DiscriminatorKind::Value | DiscriminatorKind::Pattern | DiscriminatorKind::Position => {
            let given = element.fixed.as_ref().or(element.pattern.as_ref());
            let expected = match given {
                Some(given) => Some(expected(given).map_err(|why| format!("{id}: {why}"))?),
                None => required_code(element),
            };
            Ok(expected.map_or(Said::Nothing, |expected| Said::Test(Test::Value { path, expected })))
        }
    }
}

/// What tells slices apart of a fixed value or a pattern: of codes what identifies them.
fn expected(given: &FixedValue) -> Result<Expected, String> {
    let value = Resource::parse_json(&given.json).map_err(|_| "its value is not JSON".to_owned())?;
    let root = value.root();
    let reduced = match given.type_name.as_str() {
        "CodeableConcept" if root.get("text").is_some() => {
            return Err("a CodeableConcept with a text cannot tell slices apart".to_owned());
        }
        "CodeableConcept" => {
            let codings: Vec<String> = root.get("coding").into_iter().flat_map(Node::items).map(coding).collect();
            if codings.is_empty() {
                return Err("a CodeableConcept without a code cannot tell slices apart".to_owned());
            }
            format!("{{\"coding\":[{}]}}", codings.join(","))
        }
        "Coding" => coding(root),
        _ => return Ok(Expected::Pattern(value)),
    };
    Resource::parse_json(reduced.as_bytes()).map(Expected::Pattern).map_err(|_| "its value is not JSON".to_owned())
}

fn coding(node: Node<'_>) -> String {
    let members = ["system", "version", "code", "display"];
    let members = members.iter().filter_map(|name| Some((name, node.get(name)?)));
    let members: Vec<String> =
        members.map(|(name, value)| format!("\"{name}\":{}", String::from_utf8_lossy(value.raw()))).collect();
    format!("{{{}}}", members.join(","))
}

fn required_code(element: &Element) -> Option<Expected> {
    let binding = element.binding.as_ref().filter(|b| b.strength == BindingStrength::Required)?;
    let value_set = binding.value_set.clone()?;
    Some(Expected::Code(BindingProgram::new(element.id.clone(), binding.strength, value_set)))
}

/// The items of an array, or the one value.
pub(crate) fn items(node: Node<'_>) -> Vec<Node<'_>> {
    if node.kind() == epr_fhir::NodeKind::Array { node.items().collect() } else { vec![node] }
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
