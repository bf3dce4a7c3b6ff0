//! The items of a questionnaire in written order, found by linkId without a search.

use std::collections::HashMap;

use epr_fhir::Node;

use super::list;

/// A questionnaire's items, each after its parent.
pub(super) struct Form<'q> {
    pub(super) items: Vec<Item<'q>>,
    tops: Vec<u32>,
    /// The items of each linkId, in written order.
    by_link: HashMap<&'q str, Vec<u32>>,
    /// The first item of a linkId below a parent.
    below: HashMap<(Option<u32>, &'q str), u32>,
}

/// One item.
pub(super) struct Item<'q> {
    pub(super) node: Node<'q>,
    pub(super) link_id: &'q str,
    pub(super) kind: Kind,
    pub(super) required: bool,
    pub(super) repeats: bool,
    pub(super) parent: Option<u32>,
    pub(super) children: Vec<u32>,
    /// Its place among its siblings.
    pub(super) place: u32,
    /// One past the last item below it.
    pub(super) end: u32,
}

/// What an item asks for. A `question`, which no questionnaire should have, counts as a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    None,
    Group,
    Display,
    Boolean,
    Decimal,
    Integer,
    Date,
    DateTime,
    Time,
    String,
    Text,
    Url,
    Choice,
    OpenChoice,
    Attachment,
    Reference,
    Quantity,
}

impl Kind {
    fn of(code: Option<&str>) -> Self {
        match code {
            Some("group" | "question") => Self::Group,
            Some("display") => Self::Display,
            Some("boolean") => Self::Boolean,
            Some("decimal") => Self::Decimal,
            Some("integer") => Self::Integer,
            Some("date") => Self::Date,
            Some("dateTime") => Self::DateTime,
            Some("time") => Self::Time,
            Some("string") => Self::String,
            Some("text") => Self::Text,
            Some("url") => Self::Url,
            Some("choice") => Self::Choice,
            Some("open-choice") => Self::OpenChoice,
            Some("attachment") => Self::Attachment,
            Some("reference") => Self::Reference,
            Some("quantity") => Self::Quantity,
            _ => Self::None,
        }
    }
}

impl<'q> Form<'q> {
    pub(super) fn of(root: Node<'q>) -> Self {
        let mut form = Self { items: Vec::new(), tops: Vec::new(), by_link: HashMap::new(), below: HashMap::new() };
        form.tops = form.read(root, None);
        form
    }

    /// The depth of a resource is limited where it is read, so this ends.
    fn read(&mut self, holder: Node<'q>, parent: Option<u32>) -> Vec<u32> {
        let mut places = Vec::new();
        for (place, node) in list(holder, "item").enumerate() {
            let at = self.items.len() as u32;
            let link_id = node.text("linkId").unwrap_or_default();
            let says = |name: &str| node.get(name).and_then(Node::as_bool) == Some(true);
            self.items.push(Item {
                node,
                link_id,
                kind: Kind::of(node.text("type")),
                required: says("required"),
                repeats: says("repeats"),
                parent,
                children: Vec::new(),
                place: place as u32,
                end: at + 1,
            });
            self.by_link.entry(link_id).or_default().push(at);
            self.below.entry((parent, link_id)).or_insert(at);
            let children = self.read(node, Some(at));
            let end = self.items.len() as u32;
            let item = &mut self.items[at as usize];
            (item.children, item.end) = (children, end);
            places.push(at);
        }
        places
    }

    pub(super) fn item(&self, at: u32) -> &Item<'q> {
        &self.items[at as usize]
    }

    /// The items right below one, or those at the top.
    pub(super) fn children(&self, parent: Option<u32>) -> &[u32] {
        parent.map_or(&self.tops, |at| &self.items[at as usize].children)
    }

    /// The first item of a linkId.
    pub(super) fn find(&self, link_id: &str) -> Option<u32> {
        self.by_link.get(link_id).and_then(|places| places.first().copied())
    }

    pub(super) fn child(&self, parent: Option<u32>, link_id: &'q str) -> Option<u32> {
        self.below.get(&(parent, link_id)).copied()
    }

    /// Whether an item of a linkId is somewhere below another.
    pub(super) fn has_below(&self, at: u32, link_id: &str) -> bool {
        let Some(places) = self.by_link.get(link_id) else { return false };
        let next = places.partition_point(|place| *place <= at);
        places.get(next).is_some_and(|place| *place < self.item(at).end)
    }

    /// The innermost item that is, or has below it, both of two.
    pub(super) fn common(&self, one: u32, other: u32) -> Option<u32> {
        let mut at = Some(one);
        while let Some(place) = at {
            if place <= other && other < self.item(place).end {
                return at;
            }
            at = self.item(place).parent;
        }
        None
    }

    /// Where an item stands: `Questionnaire.item[2].item[0]`.
    pub(super) fn path(&self, at: u32) -> String {
        let mut places = Vec::new();
        let mut next = Some(at);
        while let Some(place) = next {
            places.push(self.item(place).place);
            next = self.item(place).parent;
        }
        places.iter().rev().fold("Questionnaire".to_owned(), |path, place| format!("{path}.item[{place}]"))
    }
}
