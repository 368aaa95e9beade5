//! Which tables there are, and which of them may still be defined.

use std::collections::HashSet;

use crate::value::{ElementType, List, Map, Str, Value};

/// The document as far as it is read.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) root: Map,
    /// The table at hand.
    context: Vec<Str>,
    key: Option<Str>,
    /// Tables that are only mentioned on the way to others.
    implicit: HashSet<Vec<Str>>,
    /// Keys with plain lists.
    lists: HashSet<Vec<Str>>,
}

impl Tables {
    /// The key at hand, for messages.
    pub(super) fn current(&self) -> String {
        match &self.key {
            Some(key) if self.context.is_empty() => key.to_text().into_owned(),
            Some(key) => format!("{}.{}", shown(&self.context), key.to_text()),
            None => shown(&self.context),
        }
    }

    /// Leaves the table at hand, because a header follows.
    pub(super) fn leave(&mut self) {
        self.key = None;
    }

    /// Goes to the table of a header, which must be new; `[[…]]` adds one to its list.
    pub(super) fn enter(&mut self, path: &[Str], is_list: bool) -> Result<(), String> {
        let Some((last, parents)) = path.split_last() else { return Ok(()) };
        let mut table = self.root.clone();
        for (i, part) in parents.iter().enumerate() {
            if table.get(part.as_bytes()).is_none() {
                self.implicit.insert(path[..=i].to_vec());
                table.insert(part.clone(), Value::Map(Map::default()));
            }
            table = inner(&table, part)
                .ok_or_else(|| format!("Key '{}' was already created as a hash.", shown(&path[..=i])))?;
        }
        self.context = parents.to_vec();
        if is_list {
            add_table(&table, last)
                .map_err(|()| format!("Key '{}' was already created and cannot be used as an array.", shown(path)))?;
        } else {
            self.set(&table, last, Value::Map(Map::default()))?;
        }
        self.context.push(last.clone());
        Ok(())
    }

    /// Goes to a key of the table at hand, by way of the tables that a dotted key names; gives the way back.
    pub(super) fn enter_key(&mut self, key: &[Str]) -> Result<Vec<Str>, String> {
        let outer = self.context.clone();
        let Some((last, parents)) = key.split_last() else { return Ok(outer) };
        self.key = Some(last.clone());
        for part in parents {
            let mut path = self.context.clone();
            path.push(part.clone());
            self.implicit.insert(path.clone());
            self.enter(&path, false)?;
        }
        Ok(outer)
    }

    /// Sets the key at hand.
    pub(super) fn set_current(&mut self, value: Value, is_list: bool) -> Result<(), String> {
        let Some(key) = self.key.clone() else { return Ok(()) };
        let table = self.table()?;
        if matches!(value, Value::Map(_)) && table.get(key.as_bytes()).is_some() {
            let path = [self.context.as_slice(), std::slice::from_ref(&key)].concat();
            return Err(format!("Key '{}' has already been defined.", shown(&path)));
        }
        self.set(&table, &key, value)?;
        if is_list {
            let mut path = self.context.clone();
            path.push(key);
            self.lists.insert(path);
        }
        Ok(())
    }

    pub(super) fn restore(&mut self, context: Vec<Str>) {
        self.context = context;
        self.key = None;
    }

    /// The table at hand.
    fn table(&self) -> Result<Map, String> {
        let mut table = self.root.clone();
        for (i, part) in self.context.iter().enumerate() {
            table = inner(&table, part)
                .ok_or_else(|| format!("Key '{}' has already been defined.", shown(&self.context[..=i])))?;
        }
        Ok(table)
    }

    /// Sets a key that must be new, or a table that was only mentioned so far.
    fn set(&mut self, table: &Map, key: &Str, value: Value) -> Result<(), String> {
        let mut path = self.context.clone();
        path.push(key.clone());
        if table.get(key.as_bytes()).is_none() {
            table.insert(key.clone(), value);
            return Ok(());
        }
        if !self.implicit.remove(&path) {
            return Err(format!("Key '{}' has already been defined.", shown(&path)));
        }
        if self.lists.contains(&path) {
            table.insert(key.clone(), value);
        }
        Ok(())
    }
}

/// The table under a key; of a list of tables the last one.
fn inner(table: &Map, key: &Str) -> Option<Map> {
    match table.get(key.as_bytes())? {
        Value::Map(map) => Some(map),
        Value::List(list) if is_tables(&list) => list.items().last().and_then(Value::as_map).cloned(),
        _ => None,
    }
}

const TABLES: ElementType = ElementType::Named("map[string]interface {}");

fn is_tables(list: &List) -> bool {
    list.element() == TABLES
}

fn add_table(table: &Map, key: &Str) -> Result<(), ()> {
    let list = match table.get(key.as_bytes()) {
        None => List::typed(TABLES, Vec::new()),
        Some(Value::List(list)) if is_tables(&list) => list,
        Some(_) => return Err(()),
    };
    list.items_mut().push(Value::Map(Map::default()));
    table.insert(key.clone(), Value::List(list));
    Ok(())
}

/// The path with dots, quoted where it must be.
fn shown(path: &[Str]) -> String {
    path.iter().map(super::super::encode::quoted_key).collect::<Vec<_>>().join(".")
}
