//! CapabilityStatement: a search parameter is of the type that its definition says.

use epr_fhir::Node;

use crate::check::walk::Walk;

impl<'p: 'r, 'r> Walk<'_, 'p, 'r> {
    pub(super) fn capability_statement(&mut self, node: Node<'r>) {
        for (i, rest) in node.get("rest").into_iter().flat_map(Node::items).enumerate() {
            for (j, resource) in rest.get("resource").into_iter().flat_map(Node::items).enumerate() {
                for (k, parameter) in resource.get("searchParam").into_iter().flat_map(Node::items).enumerate() {
                    let Some(url) = parameter.text("definition") else { continue };
                    let Some(named) = self.named("CapabilityStatement.rest.resource.searchParam.definition", url)
                    else {
                        continue;
                    };
                    let Some(of_definition) = named.root().text("type") else { continue };
                    let way = [("rest", Some(i)), ("resource", Some(j)), ("searchParam", Some(k))];
                    self.demand(&way, parameter.text("type") == Some(of_definition), || {
                        "expected the type that the definition of the search parameter has, found another".to_owned()
                    });
                }
            }
        }
    }
}
