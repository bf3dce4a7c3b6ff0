//! MeasureReport: groups and populations against the Measure that it reports on.

use epr_fhir::Node;

use super::Way;
use crate::check::walk::Walk;

impl<'p: 'r, 'r> Walk<'_, 'p, 'r> {
    pub(super) fn measure_report(&mut self, node: Node<'r>) {
        let Some(canonical) = node.text("measure") else { return };
        let Some(measure) = self.named("MeasureReport.measure", canonical) else { return };
        let (asked, given) = (items(measure.root(), "group"), items(node, "group"));
        if asked.is_empty() {
            return;
        }
        if let ([asked], [given]) = (asked.as_slice(), given.as_slice()) {
            // The only group may go without a code; where both have one they must agree.
            if let (Some(a), Some(g)) = (asked.get("code"), given.get("code")) {
                self.demand(&[("group", Some(0))], codes_match(a, g), || {
                    "expected the code of the measure's group, found another".to_owned()
                });
            }
            self.populations(&[("group", Some(0))], *asked, *given);
            return;
        }
        let mut seen = vec![false; asked.len()];
        for (at, group) in given.iter().enumerate() {
            let way = [("group", Some(at))];
            let code = group.get("code");
            if !self.demand(&way, code.is_some(), || "expected a code of the measure's group, found none".to_owned()) {
                continue;
            }
            let found = partner(&asked, *group);
            let is_known = self
                .demand(&way, found.is_some(), || "expected a group that the measure has, found another".to_owned());
            let Some(found) = found.filter(|_| is_known) else { continue };
            let is_first = !std::mem::replace(&mut seen[found], true);
            if self.demand(&way, is_first, || "expected each group of the measure once, found one twice".to_owned()) {
                self.populations(&way, asked[found], *group);
            }
        }
        let is_data_collection = node.text("type") == Some("data-collection");
        for _ in seen.iter().filter(|seen| !**seen) {
            self.demand(&[], is_data_collection, || {
                "expected a group for each group of the measure, found one missing".to_owned()
            });
        }
    }

    fn populations(&mut self, way: &[Way<'static>], asked: Node<'_>, given: Node<'r>) {
        let asked = items(asked, "population");
        let mut seen = vec![false; asked.len()];
        for (at, population) in items(given, "population").into_iter().enumerate() {
            let mut way = way.to_vec();
            way.push(("population", Some(at)));
            let has_name = population.get("code").is_some() || population.get("id").is_some();
            if !self.demand(&way, has_name, || "expected a code of the population, found none".to_owned()) {
                continue;
            }
            let found = partner(&asked, population);
            self.demand(&way, found.is_some(), || {
                "expected a population that the measure has in this group, found another".to_owned()
            });
            if let Some(found) = found {
                let is_first = !std::mem::replace(&mut seen[found], true);
                self.demand(&way, is_first, || "expected each population once, found one twice".to_owned());
            }
        }
        for (population, seen) in asked.iter().zip(seen) {
            let is_observation = items_of_code(*population).any(|c| c.text("code") == Some("measure-observation"));
            self.demand(way, seen || is_observation, || {
                "expected each population of the measure's group, found one missing".to_owned()
            });
        }
    }
}

fn items<'a>(node: Node<'a>, name: &str) -> Vec<Node<'a>> {
    node.get(name).into_iter().flat_map(Node::items).collect()
}

/// The place of what a report's part is about: by its id, else by its code.
fn partner(asked: &[Node<'_>], given: Node<'_>) -> Option<usize> {
    if let Some(id) = given.text("id") {
        return asked.iter().position(|a| a.text("id") == Some(id));
    }
    let code = given.get("code")?;
    asked.iter().position(|a| a.get("code").is_some_and(|a| codes_match(a, code)))
}

fn items_of_code(node: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    node.get("code").and_then(|code| code.get("coding")).into_iter().flat_map(Node::items)
}

/// Whether two concepts are one: by a coding that both have, or by their text where neither has codings.
fn codes_match(a: Node<'_>, b: Node<'_>) -> bool {
    let codings = |node: Node<'_>| -> Vec<(Option<String>, Option<String>)> {
        let codings = node.get("coding").into_iter().flat_map(Node::items);
        codings.map(|c| (c.text("system").map(str::to_owned), c.text("code").map(str::to_owned))).collect()
    };
    let (left, right) = (codings(a), codings(b));
    if left.is_empty() && right.is_empty() {
        return a.text("text").is_some() && a.text("text") == b.text("text");
    }
    left.iter().any(|coding| right.contains(coding))
}

#[cfg(test)]
mod tests {
    use epr_fhir::Resource;

    use super::codes_match;

    #[test]
    fn concepts_are_one_by_a_coding_or_by_their_text() {
        let read = |text: &str| Resource::parse_json(text.as_bytes()).unwrap();
        let a = read(r#"{"coding":[{"system":"s","code":"a"}]}"#);
        let b = read(r#"{"coding":[{"system":"s","code":"b"},{"system":"s","code":"a"}]}"#);
        let (t, u) = (read(r#"{"text":"x"}"#), read(r#"{"text":"y"}"#));
        assert!(codes_match(a.root(), b.root()));
        assert!(codes_match(t.root(), t.root()));
        assert!(!codes_match(t.root(), u.root()) && !codes_match(a.root(), t.root()));
    }
}
