//! The schema that a spec gives: what mappings are checked against, and what is then staged.

use epr_model::schema::{ColumnKind, ColumnSchema, TableKey, TableSchema};

use super::{ChildSpec, FhirTable, FixedTable, KeySpec, PathColumn, PlaceColumn, SheetTable, TableSpec, XmlTable};

/// A column as the source has it, before the spec has its say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundColumn {
    pub name: String,
    pub kind: ColumnKind,
}

/// The schema of a table whose columns were found in the source. Optional columns that were not found come last.
pub fn of_found(spec: &TableSpec, found: &[FoundColumn]) -> TableSchema {
    let mut columns: Vec<ColumnSchema> = found.iter().map(|c| column(spec, &c.name, c.kind)).collect();
    for absent in spec.optional_columns.iter().filter(|o| !found.iter().any(|f| f.name == **o)) {
        columns.push(column(spec, absent, ColumnKind::Text));
    }
    TableSchema { name: spec.name.clone(), key: table_key(&spec.key), columns, optional: spec.optional, parent: None }
}

/// The schemas of an XML table and its child tables, in the order of the spec.
pub fn of_xml(spec: &TableSpec, xml: &XmlTable) -> Vec<TableSchema> {
    let columns = xml.columns.iter().map(|c| column(spec, &c.name, ColumnKind::Text)).collect();
    let mut tables = vec![TableSchema {
        name: spec.name.clone(),
        key: table_key(&spec.key),
        columns,
        optional: spec.optional,
        parent: None,
    }];
    for child in &xml.children {
        of_child(child, &spec.name, spec.optional, 1, &mut tables);
    }
    tables
}

/// The schema of a table on sheets: where a row stood, if that is wanted, then the columns.
pub fn of_sheet(spec: &TableSpec, sheet: &SheetTable) -> TableSchema {
    let place = sheet.place.iter().map(|place| {
        let kind = if *place == PlaceColumn::Row { ColumnKind::Int64 } else { ColumnKind::Text };
        ColumnSchema { name: place.name().to_owned(), kind, optional: false, class: None }
    });
    let columns = sheet.columns.iter().map(|c| column(spec, &c.name, ColumnKind::Text));
    of_columns(spec, place.chain(columns).collect())
}

/// The schema of a table of fixed-width lines.
pub fn of_fixed(spec: &TableSpec, fixed: &FixedTable) -> TableSchema {
    of_columns(spec, fixed.columns.iter().map(|c| column(spec, &c.name, ColumnKind::Text)).collect())
}

/// The schema of a table of resources: `id`, `resource`, then the columns that have a path.
pub fn of_fhir(spec: &TableSpec, fhir: &FhirTable) -> TableSchema {
    let own = ["id", "resource"].into_iter().chain(fhir.columns.iter().map(|c| c.name.as_str()));
    of_columns(spec, own.map(|name| column(spec, name, ColumnKind::Text)).collect())
}

fn of_columns(spec: &TableSpec, columns: Vec<ColumnSchema>) -> TableSchema {
    TableSchema { name: spec.name.clone(), key: table_key(&spec.key), columns, optional: spec.optional, parent: None }
}

/// The columns that stand before a child table's own: `_parent`, then the ordinals from the outermost inwards.
pub fn lineage_columns(depth: usize) -> Vec<String> {
    let outer = (1..depth).map(|n| format!("_ord_{n}"));
    ["_parent".to_owned()].into_iter().chain(outer).chain(["_ord".to_owned()]).collect()
}

fn of_child(child: &ChildSpec, parent: &str, optional: bool, depth: usize, tables: &mut Vec<TableSchema>) {
    let lineage = lineage_columns(depth);
    let mut columns: Vec<ColumnSchema> = lineage
        .iter()
        .map(|name| {
            let kind = if name == "_parent" { ColumnKind::Text } else { ColumnKind::Int64 };
            ColumnSchema { name: name.clone(), kind, optional: false, class: None }
        })
        .collect();
    columns.extend(child.columns.iter().map(|c: &PathColumn| {
        let class = child.classes.get(&c.name).cloned();
        let kind = child.kinds.get(&c.name).copied().unwrap_or(ColumnKind::Text);
        ColumnSchema { name: c.name.clone(), kind: kind_of(kind, class.as_deref()), optional: false, class }
    }));
    tables.push(TableSchema {
        name: child.name.clone(),
        key: TableKey::Columns(lineage),
        columns,
        optional,
        parent: Some(parent.to_owned()),
    });
    for grandchild in &child.children {
        of_child(grandchild, &child.name, optional, depth + 1, tables);
    }
}

fn column(spec: &TableSpec, name: &str, found: ColumnKind) -> ColumnSchema {
    let class = spec.classes.get(name).cloned();
    let kind = spec.kinds.get(name).copied().unwrap_or(found);
    ColumnSchema {
        name: name.to_owned(),
        kind: kind_of(kind, class.as_deref()),
        optional: spec.is_optional(name),
        class,
    }
}

/// Documents never stand in a table.
fn kind_of(kind: ColumnKind, class: Option<&str>) -> ColumnKind {
    if class == Some("document") { ColumnKind::Blob } else { kind }
}

fn table_key(key: &KeySpec) -> TableKey {
    match key {
        KeySpec::Row => TableKey::Row,
        KeySpec::Columns(columns) => TableKey::Columns(columns.clone()),
    }
}
