//! ConceptMap: the codes of both sides are in their systems, and in the value sets that the map is between.

use epr_fhir::Node;
use epr_fhir::definitions::{Content, Membership};

use super::Way;
use crate::check::walk::Walk;

/// One side of a group: its code system, where the whole of it is loaded, and the value set of the map.
struct Side<'a> {
    system: &'a str,
    value_set: Option<&'a str>,
}

impl<'p: 'r, 'r> Walk<'_, 'p, 'r> {
    pub(super) fn concept_map(&mut self, node: Node<'r>) {
        let scope = |uri, canonical| node.text(uri).or_else(|| node.text(canonical));
        let (from, to) = (scope("sourceUri", "sourceCanonical"), scope("targetUri", "targetCanonical"));
        for (end, url) in [("source", from), ("target", to)] {
            let Some(url) = url else { continue };
            let definitions = self.checker.program.definitions;
            let is_other = definitions.value_set(url).is_none()
                && (definitions.structure(url).is_some() || definitions.code_system(url).is_some());
            self.demand(&[(end, None)], !is_other, || "expected a value set, found another definition".to_owned());
        }
        for (at, group) in node.get("group").into_iter().flat_map(Node::items).enumerate() {
            let source = self.side(group.text("source"), group.text("sourceVersion"), from);
            let target = self.side(group.text("target"), group.text("targetVersion"), to);
            for (i, element) in group.get("element").into_iter().flat_map(Node::items).enumerate() {
                let way = [("group", Some(at)), ("element", Some(i))];
                self.mapped_code(&way, element, source.as_ref());
                for (j, mapped) in element.get("target").into_iter().flat_map(Node::items).enumerate() {
                    let way = [way[0], way[1], ("target", Some(j))];
                    self.mapped_code(&way, mapped, target.as_ref());
                }
            }
        }
    }

    /// `None` where the system is not loaded as a whole, in the version that is asked for: nothing can be said of its codes.
    fn side(&self, system: Option<&'r str>, version: Option<&'r str>, value_set: Option<&'r str>) -> Option<Side<'r>> {
        let definitions = self.checker.program.definitions;
        let system = system?;
        let is_whole = definitions.code_system(system).is_some_and(|known| {
            known.content == Content::Complete
                && version.is_none_or(|version| known.version.as_deref() == Some(version))
        });
        let value_set = value_set.filter(|url| definitions.value_set(url).is_some());
        is_whole.then_some(Side { system, value_set })
    }

    fn mapped_code(&mut self, way: &[Way<'static>], node: Node<'r>, side: Option<&Side<'r>>) {
        let (Some(code), Some(side)) = (node.text("code"), side) else { return };
        let definitions = self.checker.program.definitions;
        let mut way = way.to_vec();
        way.push(("code", None));
        let is_known = definitions.code_system(side.system).is_some_and(|system| system.concept(code).is_some());
        let system = side.system;
        if !self.demand(&way, is_known, || format!("expected a code of {system}, found a code outside it")) {
            return;
        }
        if let Some(value_set) = side.value_set {
            let is_out = matches!(definitions.member(value_set, Some(system), code), Membership::NotIn);
            self.demand(&way, !is_out, || {
                format!("expected a code of the value set {value_set} that the map is about, found a code outside it")
            });
        }
    }
}
