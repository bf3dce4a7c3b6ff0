//! What each of the twelve kinds does to a resource: knows names and shapes of R4, not its rules.

use super::tree::{Tree, Way};
use super::{Dice, Kind};

/// Plants a fault of `kind`; false where the resource has no place for one.
pub(crate) fn plant(kind: Kind, tree: &mut Tree, dice: &mut Dice) -> bool {
    let planted = match kind {
        Kind::Dropped => dropped(tree, dice),
        Kind::Unknown => unknown(tree, dice),
        Kind::Date => date(tree, dice),
        Kind::Code => code(tree, dice),
        Kind::JsonType => json_type(tree, dice),
        Kind::Cardinality => cardinality(tree, dice),
        Kind::Empty => empty(tree, dice),
        Kind::TwoChoices => two_choices(tree, dice),
        Kind::Extension => extension(tree, dice),
        Kind::Reference => reference(tree, dice),
        Kind::Contained => contained(tree, dice),
        Kind::IdOrUri => id_or_uri(tree, dice),
    };
    planted.is_some()
}

/// One of the places for which `wanted` holds.
fn place(tree: &Tree, dice: &mut Dice, wanted: &dyn Fn(&str, &Tree) -> bool) -> Option<Way> {
    dice.pick(&tree.ways(wanted)).cloned()
}

fn is_object(_: &str, value: &Tree) -> bool {
    matches!(value, Tree::Object(_))
}

fn members(tree: &mut Tree) -> Option<&mut Vec<(String, Tree)>> {
    if let Tree::Object(members) = tree { Some(members) } else { None }
}

fn add(object: &mut Tree, name: &str, value: Tree) -> Option<()> {
    members(object)?.push((name.to_owned(), value));
    Some(())
}

fn set(object: &mut Tree, name: &str, value: Tree) -> Option<()> {
    let members = members(object)?;
    match members.iter_mut().find(|(n, _)| n == name) {
        Some((_, old)) => *old = value,
        None => members.push((name.to_owned(), value)),
    }
    Some(())
}

/// An element taken away, top-level ones as often as all below them together.
fn dropped(tree: &mut Tree, dice: &mut Dice) -> Option<()> {
    let way = if dice.below(2) == 0 { Way::new() } else { place(tree, dice, &is_object)? };
    let members = members(tree.at_mut(&way))?;
    if members.is_empty() {
        return None;
    }
    let n = dice.below(members.len());
    // Without its type nothing is a resource: seldom, or every fourth mutant says only that.
    if members[n].0 == "resourceType" && dice.below(8) != 0 {
        return None;
    }
    members.remove(n);
    Some(())
}

/// An element that R4 does not know, or not there.
fn unknown(tree: &mut Tree, dice: &mut Dice) -> Option<()> {
    let way = place(tree, dice, &is_object)?;
    let object = tree.at_mut(&way);
    match dice.below(6) {
        0 => add(object, "favouriteColour", Tree::text("green")),
        1 => add(object, "nickname", Tree::object(&[("text", Tree::text("x"))])),
        2 => add(object, "notes", Tree::Array(vec![Tree::object(&[("text", Tree::text("x"))])])),
        3 => add(object, "_favouriteColour", Tree::object(&[("id", Tree::text("x"))])),
        4 => add(object, "valueColour", Tree::Bool(true)),
        _ => {
            let members = members(object)?;
            let n = dice.below(members.len().max(1));
            let (name, _) = members.get_mut(n)?;
            if name == "resourceType" {
                return None;
            }
            let last = name.pop()?;
            // A name misspelt: the last letter twice, gone, or of the other case.
            match dice.below(3) {
                0 => name.extend([last, last]),
                1 => {}
                _ => name.push(if last.is_lowercase() { last.to_ascii_uppercase() } else { 'x' }),
            }
            Some(())
        }
    }
}

/// Whether a text looks like a FHIR date, dateTime or instant.
fn is_date(_: &str, value: &Tree) -> bool {
    let Some(text) = value.as_text() else { return false };
    let bytes = text.as_bytes();
    bytes.len() >= 7
        && bytes[..4].iter().all(u8::is_ascii_digit)
        && bytes[4] == b'-'
        && bytes[5..7].iter().all(u8::is_ascii_digit)
        && bytes[7..].iter().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b':' | b'T' | b'Z' | b'+' | b'.'))
}

fn date(tree: &mut Tree, dice: &mut Dice) -> Option<()> {
    let way = place(tree, dice, &is_date)?;
    let Tree::Text(text) = tree.at_mut(&way) else { return None };
    let year = text[..4].to_owned();
    *text = match dice.below(16) {
        0 => format!("{year}-02-30"),
        1 => format!("{year}-13-01"),
        2 => format!("01/12/{year}"),
        3 => format!("{year}-1-5"),
        4 => format!("{year}-01-01T25:00:00Z"),
        5 => format!("{year}-01-01T10:00:00"),
        6 => format!("{year}0101"),
        7 => format!("{year}-01-01 10:00:00"),
        8 => format!("0000-01-01{}", if text.len() > 10 { &text[10..] } else { "" }),
        9 => format!(" {text}"),
        10 => format!("{year}-00-10"),
        11 => "unknown".to_owned(),
        12 => format!("{year}-01-01T10:61:00+01:00"),
        13 => format!("{year}-06-31"),
        14 => format!("{year}-01-01T10:00Z"),
        _ => format!("{year}-01-01T10:00:00+15:00"),
    };
    Some(())
}

/// Members whose text is a code more often than not.
const CODED: &[&str] = &[
    "status",
    "gender",
    "use",
    "code",
    "intent",
    "priority",
    "mode",
    "type",
    "criticality",
    "category",
    "kind",
    "severity",
    "docStatus",
    "contentType",
    "language",
    "comparator",
    "unit",
    "rank",
    "lifecycle",
    "outcome",
    "currency",
    "relationship",
    "experimental",
    "valueCode",
    "daysOfWeek",
];

fn code(tree: &mut Tree, dice: &mut Dice) -> Option<()> {
    if dice.below(3) == 0 {
        // A coding: its system, its display.
        let way = place(tree, dice, &|_, value| value.get("code").is_some() && value.get("system").is_some())?;
        let coding = tree.at_mut(&way);
        return match dice.below(7) {
            0 => set(coding, "display", Tree::text("something else")),
            1 => set(coding, "system", Tree::text("http://terminology.hl7.org/CodeSystem/not-there")),
            2 => set(coding, "system", Tree::text("observation-category")),
            3 => set(coding, "system", Tree::text("http://hl7.org/fhir/ValueSet/administrative-gender")),
            4 => members(coding).map(|m| m.retain(|(name, _)| name != "code")),
            5 => members(coding).map(|m| m.retain(|(name, _)| name != "system")),
            _ => set(coding, "code", Tree::text("not-a-code")),
        };
    }
    let way = place(tree, dice, &|name, value| {
        CODED.contains(&name) && value.as_text().is_some_and(|text| !text.contains(' ') && !text.starts_with("http"))
    })?;
    let Tree::Text(text) = tree.at_mut(&way) else { return None };
    *text = match dice.below(7) {
        0 => "not-a-code".to_owned(),
        1 => text.to_uppercase(),
        2 => format!("{text} "),
        3 => format!(" {text}"),
        4 => format!("{text}x"),
        5 => "a  b".to_owned(),
        _ => "unknown".to_owned(),
    };
    Some(())
}

/// A value as another type of JSON.
fn json_type(tree: &mut Tree, dice: &mut Dice) -> Option<()> {
    let way = place(tree, dice, &|name, _| !name.is_empty() && name != "resourceType")?;
    let value = tree.at_mut(&way);
    let chance = dice.below(4);
    *value = match (std::mem::replace(value, Tree::Null), chance) {
        (_, 3) if dice.below(3) == 0 => Tree::Null,
        (Tree::Bool(yes), 0 | 1) => Tree::Text(yes.to_string()),
        (Tree::Bool(yes), _) => Tree::Number(u8::from(yes).to_string()),
        (Tree::Number(digits), 0 | 1) => Tree::Text(digits),
        (Tree::Number(digits), 2) => Tree::object(&[("value", Tree::Number(digits))]),
        (Tree::Number(_), _) | (Tree::Text(_), 1) => Tree::Bool(true),
        (Tree::Text(_), 0) => Tree::Number("42".to_owned()),
        (Tree::Text(text), 2) => Tree::object(&[("value", Tree::Text(text))]),
        (Tree::Text(text), _) => Tree::Array(vec![Tree::Text(text)]),
        (Tree::Array(mut items), 0 | 1) if !items.is_empty() => items.swap_remove(0),
        (Tree::Array(_), 2) => Tree::text("several"),
        (Tree::Array(items), _) => Tree::Array(vec![Tree::Array(items)]),
        (Tree::Object(members), 0 | 1) => Tree::Array(vec![Tree::Object(members)]),
        (Tree::Object(_), 2) => Tree::text("something"),
        (Tree::Object(_), _) => Tree::Bool(false),
        (Tree::Null, _) => Tree::text(""),
    };
    Some(())
}

/// More than may be, or less.
fn cardinality(tree: &mut Tree, dice: &mut Dice) -> Option<()> {
    match dice.below(4) {
        // An item twice: at most one may be there where a profile or a slice says so.
        0 => {
            let way = place(tree, dice, &|_, value| matches!(value, Tree::Array(items) if !items.is_empty()))?;
            let Tree::Array(items) = tree.at_mut(&way) else { return None };
            let n = dice.below(items.len());
            for _ in 0..=dice.below(2) {
                items.insert(n, items[n].clone());
            }
            Some(())
        }
        // A single value as two.
        1 => {
            let way = place(tree, dice, &|name, value| {
                !name.is_empty() && name != "resourceType" && !matches!(value, Tree::Array(_) | Tree::Null)
            })?;
            let value = tree.at_mut(&way);
            *value = Tree::Array(vec![value.clone(), value.clone()]);
            Some(())
        }
        // A member of the resource twice, as JSON allows and FHIR does not.
        2 => {
            let way = place(tree, dice, &is_object)?;
            let members = members(tree.at_mut(&way))?;
            let member = dice.pick(members)?.clone();
            members.push(member);
            Some(())
        }
        // A part with what it is about taken out.
        _ => {
            let way = place(tree, dice, &|name, value| {
                !name.is_empty() && matches!(value, Tree::Object(members) if members.len() > 1)
            })?;
            let members = members(tree.at_mut(&way))?;
            let n = dice.below(members.len());
            if members[n].0 == "resourceType" {
                return None;
            }
            members.remove(n);
            Some(())
        }
    }
}

/// A value with nothing in it.
fn empty(tree: &mut Tree, dice: &mut Dice) -> Option<()> {
    if dice.below(4) == 0 {
        let way = place(tree, dice, &is_object)?;
        let (name, value) = [
            ("extension", Tree::Array(Vec::new())),
            ("id", Tree::text("")),
            ("text", Tree::Object(Vec::new())),
            ("note", Tree::Array(vec![Tree::Object(Vec::new())])),
            ("modifierExtension", Tree::Null),
        ]
        .into_iter()
        .nth(dice.below(5))?;
        return set(tree.at_mut(&way), name, value);
    }
    let way = place(tree, dice, &|name, _| !name.is_empty() && name != "resourceType")?;
    let value = tree.at_mut(&way);
    let chance = dice.below(3);
    *value = match (&*value, chance) {
        (_, 2) if dice.below(3) == 0 => Tree::Null,
        (Tree::Object(_), _) => Tree::Object(Vec::new()),
        (Tree::Array(_), 0) => Tree::Array(vec![Tree::Object(Vec::new())]),
        (Tree::Array(_), 1) => Tree::Array(vec![Tree::Null]),
        (Tree::Array(_), _) => Tree::Array(Vec::new()),
        (_, 0) => Tree::text(" "),
        (_, _) => Tree::text(""),
    };
    Some(())
}

/// Stems of R4's elements of several types, and two types that many of them allow.
const CHOICES: &[&str] = &[
    "value",
    "deceased",
    "multipleBirth",
    "onset",
    "abatement",
    "effective",
    "medication",
    "performed",
    "occurrence",
    "timing",
    "asNeeded",
    "product",
    "allowed",
    "serviced",
    "item",
    "location",
    "content",
    "module",
    "author",
    "reported",
    "rate",
    "dose",
    "scheduled",
    "collected",
    "due",
    "start",
    "subject",
    "definition",
    "amount",
    "entity",
];

fn choice_stem(name: &str) -> Option<&'static str> {
    CHOICES
        .iter()
        .copied()
        .find(|stem| name.strip_prefix(stem).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase())))
}

fn two_choices(tree: &mut Tree, dice: &mut Dice) -> Option<()> {
    let spots = tree.ways(&|_, value| {
        matches!(value, Tree::Object(members) if members.iter().any(|(name, _)| choice_stem(name).is_some()))
    });
    let Some(way) = dice.pick(&spots) else {
        // None there: two are added at the root, where some types allow them and others know neither.
        let stem = dice.pick(&["onset", "effective", "occurrence", "deceased", "value"])?;
        add(tree, &format!("{stem}DateTime"), Tree::text("2020-01-01"))?;
        return add(tree, &format!("{stem}String"), Tree::text("long ago"));
    };
    let object = tree.at_mut(way);
    let stem = members(object)?.iter().find_map(|(name, _)| choice_stem(name))?;
    let (suffix, value) = [
        ("String", Tree::text("something")),
        ("DateTime", Tree::text("2020-01-01")),
        ("Boolean", Tree::Bool(true)),
        ("Period", Tree::object(&[("start", Tree::text("2020-01-01"))])),
        ("CodeableConcept", Tree::object(&[("text", Tree::text("something"))])),
        ("Quantity", Tree::object(&[("value", Tree::Number("1".to_owned()))])),
        ("Reference", Tree::object(&[("display", Tree::text("something"))])),
        ("Integer", Tree::Number("1".to_owned())),
        ("Banana", Tree::text("yellow")),
    ]
    .into_iter()
    .nth(dice.below(9))?;
    let name = format!("{stem}{suffix}");
    if object.get(&name).is_some() {
        return None;
    }
    add(object, &name, value)
}

fn extension(tree: &mut Tree, dice: &mut Dice) -> Option<()> {
    let known =
        tree.ways(&|name, value| matches!(name, "extension" | "modifierExtension") && value.get("url").is_some());
    if !known.is_empty() && dice.below(2) == 0 {
        let way = dice.pick(&known)?;
        let extension = tree.at_mut(way);
        return match dice.below(7) {
            0 => members(extension).map(|m| m.retain(|(name, _)| name != "url")),
            1 => members(extension).map(|m| m.retain(|(name, _)| name == "url")),
            2 => set(extension, "url", Tree::text("no-such-extension")),
            3 => add(extension, "valueString", Tree::text("something")),
            4 => add(extension, "extension", Tree::Array(vec![simple_extension("http://example.org/e")])),
            5 => {
                let members = members(extension)?;
                let n = members.iter().position(|(name, _)| name.starts_with("value"))?;
                members[n] = ("valueInteger".to_owned(), Tree::Number("3".to_owned()));
                Some(())
            }
            _ => {
                let url = extension.get("url")?.as_text()?.to_owned();
                set(extension, "url", Tree::Text(format!("{url}x")))
            }
        };
    }
    let way = place(tree, dice, &is_object)?;
    let object = tree.at_mut(&way);
    let one = match dice.below(8) {
        0 => simple_extension("https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-BirthSex"),
        1 => simple_extension("http://hl7.org/fhir/StructureDefinition/patient-birthPlace"),
        2 => simple_extension("https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NotThere"),
        3 => simple_extension("http://hl7.org/fhir/StructureDefinition/not-there"),
        4 => Tree::object(&[("valueString", Tree::text("something"))]),
        5 => Tree::object(&[("url", Tree::text("http://example.org/e"))]),
        6 => simple_extension("not a url"),
        _ => simple_extension("http://example.com/fhir/StructureDefinition/e"),
    };
    let name = if dice.below(4) == 0 { "modifierExtension" } else { "extension" };
    if let Some(Tree::Array(items)) = members(object)?.iter_mut().find(|(n, _)| n == name).map(|(_, value)| value) {
        items.push(one);
        return Some(());
    }
    add(object, name, Tree::Array(vec![one]))
}

fn simple_extension(url: &str) -> Tree {
    Tree::object(&[("url", Tree::text(url)), ("valueString", Tree::text("something"))])
}

fn reference(tree: &mut Tree, dice: &mut Dice) -> Option<()> {
    let way = place(tree, dice, &|_, value| value.get("reference").is_some_and(|r| r.as_text().is_some()))?;
    let reference = tree.at_mut(&way);
    if dice.below(6) == 0 {
        return match dice.below(3) {
            0 => set(reference, "type", Tree::text("Banana")),
            1 => set(reference, "type", Tree::text("Medication")),
            _ => set(reference, "identifier", Tree::text("12")),
        };
    }
    let old = reference.get("reference")?.as_text()?.to_owned();
    let new = match dice.below(14) {
        0 => "Banana/1".to_owned(),
        1 => "#not-there".to_owned(),
        2 => "Patient/a b".to_owned(),
        3 => "Medication/1".to_owned(),
        4 => "Patient".to_owned(),
        5 => "/Patient/1".to_owned(),
        6 => "urn:uuid:1234".to_owned(),
        7 => "http://example.org/fhir/Medication/1".to_owned(),
        8 => old.to_lowercase(),
        9 => format!("{old}/_history/1"),
        10 => "#".to_owned(),
        11 => format!("{old} "),
        12 => "Patient/this-id-is-longer-than-the-sixty-four-characters-that-an-id-may-have".to_owned(),
        _ => "urn:oid:abc".to_owned(),
    };
    set(reference, "reference", Tree::Text(new))
}

fn contained(tree: &mut Tree, dice: &mut Dice) -> Option<()> {
    let organization = |id: Option<&str>| {
        let mut members = vec![("resourceType", Tree::text("Organization"))];
        members.extend(id.map(|id| ("id", Tree::text(id))));
        members.push(("name", Tree::text("A name")));
        Tree::object(&members)
    };
    let with = |name: &str, value: Tree| {
        let mut one = organization(Some("c1"));
        add(&mut one, name, value).map(|()| one)
    };
    if tree.get("contained").is_some() && dice.below(2) == 0 {
        let way = place(tree, dice, &|name, value| name == "contained" && value.get("resourceType").is_some())?;
        let one = tree.at_mut(&way);
        return match dice.below(5) {
            0 => members(one).map(|m| m.retain(|(name, _)| name != "id")),
            1 => set(one, "id", Tree::text("another")),
            2 => members(one).map(|m| m.retain(|(name, _)| name != "resourceType")),
            3 => add(one, "contained", Tree::Array(vec![organization(Some("c2"))])),
            _ => set(one, "resourceType", Tree::text("Banana")),
        };
    }
    let added = match dice.below(9) {
        0 => organization(None),
        1 => organization(Some("nobody-refers-to-it")),
        2 => with("contained", Tree::Array(vec![organization(Some("c2"))]))?,
        3 => with("meta", Tree::object(&[("versionId", Tree::text("1"))]))?,
        4 => with("text", Tree::object(&[("status", Tree::text("generated"))]))?,
        5 => Tree::object(&[("resourceType", Tree::text("Banana")), ("id", Tree::text("c1"))]),
        6 => Tree::object(&[("id", Tree::text("c1"))]),
        7 => with("favouriteColour", Tree::text("green"))?,
        _ => with("active", Tree::text("yes"))?,
    };
    let is_referred_to = dice.below(2) == 0;
    if is_referred_to && let Some(way) = place(tree, dice, &|_, value| value.get("reference").is_some()) {
        set(tree.at_mut(&way), "reference", Tree::text("#c1"))?;
    }
    match members(tree)?.iter_mut().find(|(name, _)| name == "contained").map(|(_, value)| value) {
        Some(Tree::Array(items)) => {
            items.push(added);
            Some(())
        }
        _ => add(tree, "contained", Tree::Array(vec![added])),
    }
}

fn is_uri(name: &str, value: &Tree) -> bool {
    matches!(name, "system" | "url" | "profile" | "instantiatesCanonical" | "fullUrl" | "valueUri")
        && value.as_text().is_some()
}

fn id_or_uri(tree: &mut Tree, dice: &mut Dice) -> Option<()> {
    if dice.below(2) == 0 {
        let value = [
            "with blank",
            "under_score",
            "this-id-is-longer-than-the-sixty-four-characters-that-an-id-may-have",
            "umlaut-ü",
            "slash/inside",
            "hash#inside",
            "trailing ",
            "",
        ][dice.below(8)];
        // The resource's own id, or that of an element, to which other rules apply.
        let way = if dice.below(3) == 0 { place(tree, dice, &is_object)? } else { Way::new() };
        return set(tree.at_mut(&way), "id", Tree::text(value));
    }
    let way = place(tree, dice, &is_uri)?;
    let Tree::Text(text) = tree.at_mut(&way) else { return None };
    *text = match dice.below(10) {
        0 => "not a uri".to_owned(),
        1 => "urn:oid:1.2.03.x".to_owned(),
        2 => "urn:uuid:not-a-uuid".to_owned(),
        3 => format!("{text} "),
        4 => "relative/path".to_owned(),
        5 => "urn:uuid:C757873D-EC9A-4326-A141-556F43239520".to_owned(),
        6 => "http://".to_owned(),
        7 => text.to_uppercase(),
        8 => "1.2.840.113619".to_owned(),
        _ => "http://x.example/a|b|c".to_owned(),
    };
    Some(())
}
