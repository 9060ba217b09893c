//! What is kept can be had again from the journals alone, and the lists are those of the rows.

use super::{
    city::City,
    node::{Node, RowKey},
    watch::{Broken, hold},
};
use domain::Row;
use shared::Event;
use std::collections::{BTreeMap, BTreeSet};

/// Makes every row again and compares.
pub fn check(city: &City) -> Result<(), Broken> {
    for node in &city.nodes {
        let mut rows = aggregates(node);
        views(city, node, &mut rows);
        for (key, stored) in &node.disk.rows {
            let Some((row, version)) = rows.remove(key) else { return Err(format!("a row comes from events: {key:?} does not")) };
            hold!(row == *stored.row, "a row can be made again from its events: {key:?} would be {row:?}, not {:?}", stored.row);
            hold!(version == stored.version, "a row counts its events: {key:?} is version {}, not {version}", stored.version);
        }
        hold!(rows.is_empty(), "no row is missing: {:?}", rows.keys());
        lists(node)?;
    }
    Ok(())
}

fn aggregates(node: &Node) -> BTreeMap<RowKey, (Row, u64)> {
    let mut rows = BTreeMap::new();
    for recorded in node.disk.events() {
        let kind = recorded.event.kind();
        let key = (kind, recorded.stream.as_str().into());
        let (row, version) = rows.remove(&key).unwrap_or_else(|| (Row::empty(kind).expect("events are of aggregates"), 0));
        rows.insert(key, (domain::evolve(row, &recorded.event), version + 1));
    }
    rows
}

/// Views are made again source by source, which is another order than that in which they were made.
fn views(city: &City, node: &Node, rows: &mut BTreeMap<RowKey, (Row, u64)>) {
    let mut project = |event: &Event, version: u64| {
        for (kind, key) in domain::projections(node.context, event) {
            let key = (kind, key.into());
            let (row, changes) = rows.remove(&key).map_or((None, 0), |(row, changes)| (Some(row), changes));
            if let Some(row) = domain::project(kind, row, event, version) {
                rows.insert(key, (row, changes + 1));
            }
        }
    };
    for source in domain::sources(node.context).into_iter().chain([node.context]) {
        for recorded in city.nodes[source as usize].disk.events() {
            project(&recorded.event, recorded.version);
        }
    }
}

fn lists(node: &Node) -> Result<(), Broken> {
    let mut lists = BTreeMap::<_, BTreeSet<_>>::new();
    for ((kind, key), stored) in &node.disk.rows {
        for tag in stored.row.tags() {
            lists.entry((*kind, tag.name)).or_default().insert((tag.sort, key.clone()));
        }
    }
    for (name, kept) in node.disk.lists.iter().filter(|(_, kept)| !kept.is_empty()) {
        hold!(lists.remove(name).as_ref() == Some(kept), "a list holds what is labelled so: {name:?}");
    }
    hold!(lists.is_empty(), "no list is missing: {:?}", lists.keys());
    Ok(())
}
