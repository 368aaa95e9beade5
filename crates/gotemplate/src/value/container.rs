//! Go's slices and maps: shared by every holder, maps changed in place.

use std::cell::{Ref, RefCell, RefMut};
use std::collections::BTreeMap;
use std::rc::Rc;

use super::{ElementType, MapType, Str, Value};

/// A Go slice. A clone is the same slice; only sorting changes one in place, as sprig's `sortAlpha` does.
#[derive(Clone, Debug)]
pub struct List(Rc<ListData>);

#[derive(Debug)]
struct ListData {
    element: ElementType,
    nil: bool,
    items: RefCell<Vec<Value>>,
}

impl List {
    /// A `[]interface {}`.
    pub fn new(items: Vec<Value>) -> Self {
        Self::typed(ElementType::Any, items)
    }

    /// A slice of another type. The caller gives items of that type only.
    pub fn typed(element: ElementType, items: Vec<Value>) -> Self {
        Self(Rc::new(ListData { element, nil: false, items: RefCell::new(items) }))
    }

    /// A nil slice: empty, and `null` in JSON.
    pub fn nil(element: ElementType) -> Self {
        Self(Rc::new(ListData { element, nil: true, items: RefCell::default() }))
    }

    /// A `[]string`.
    pub fn strings<S: Into<Str>>(items: impl IntoIterator<Item = S>) -> Self {
        Self::typed(ElementType::String, items.into_iter().map(|item| Value::String(item.into())).collect())
    }

    /// What the slice holds.
    pub fn element(&self) -> ElementType {
        self.0.element
    }

    /// Whether it is Go's nil slice.
    pub fn is_nil(&self) -> bool {
        self.0.nil
    }

    /// The items. Do not hold them while other template code runs.
    pub fn items(&self) -> Ref<'_, Vec<Value>> {
        self.0.items.borrow()
    }

    /// The items, to change in place: every holder sees it.
    pub fn items_mut(&self) -> RefMut<'_, Vec<Value>> {
        self.0.items.borrow_mut()
    }

    /// The item at a position.
    pub fn get(&self, index: usize) -> Option<Value> {
        self.0.items.borrow().get(index).cloned()
    }

    /// Number of items.
    pub fn len(&self) -> usize {
        self.0.items.borrow().len()
    }

    /// Whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that a list of so many items takes, what the items hold left out.
    pub fn footprint(length: usize) -> usize {
        128_usize.saturating_add(length.saturating_mul(size_of::<Value>() + 8))
    }

    /// Whether both are one and the same slice.
    pub fn is_same(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

/// A Go map with string keys, in the order of its keys' bytes. A clone is the same map.
#[derive(Clone, Debug)]
pub struct Map {
    data: Rc<MapData>,
    of: MapType,
}

#[derive(Debug)]
struct MapData {
    nil: bool,
    entries: RefCell<BTreeMap<Str, Value>>,
}

impl Map {
    /// A `map[string]interface {}`.
    pub fn new(entries: BTreeMap<Str, Value>) -> Self {
        Self::typed(MapType::Any, entries)
    }

    /// A map of another type. For `map[string]string` the caller gives strings only.
    pub fn typed(of: MapType, entries: BTreeMap<Str, Value>) -> Self {
        Self { of, data: Rc::new(MapData { nil: false, entries: RefCell::new(entries) }) }
    }

    /// A nil map: empty, cannot be written, and `null` in JSON.
    pub fn nil(of: MapType) -> Self {
        Self { of, data: Rc::new(MapData { nil: true, entries: RefCell::default() }) }
    }

    /// The same map seen as another type, as a Go conversion gives it.
    #[must_use]
    pub fn convert(&self, of: MapType) -> Self {
        Self { data: Rc::clone(&self.data), of }
    }

    /// The map's type.
    pub fn of(&self) -> MapType {
        self.of
    }

    /// Whether it is Go's nil map. Writing to one is an error in Go: ask before.
    pub fn is_nil(&self) -> bool {
        self.data.nil
    }

    /// The entries. Do not hold them while other template code runs.
    pub fn entries(&self) -> Ref<'_, BTreeMap<Str, Value>> {
        self.data.entries.borrow()
    }

    /// The entries, to change in place: every holder sees it.
    pub fn entries_mut(&self) -> RefMut<'_, BTreeMap<Str, Value>> {
        self.data.entries.borrow_mut()
    }

    /// The value of a key.
    pub fn get(&self, key: &[u8]) -> Option<Value> {
        self.data.entries.borrow().get(key).cloned()
    }

    /// What a missing key gives: `""` of a `map[string]string`, else nil.
    pub fn zero(&self) -> Value {
        match self.of {
            MapType::String => Value::String(Str::default()),
            MapType::Any | MapType::Named(_) => Value::Nil,
        }
    }

    /// Sets a key; every holder of the map sees it.
    pub fn insert(&self, key: impl Into<Str>, value: Value) {
        self.data.entries.borrow_mut().insert(key.into(), value);
    }

    /// Removes a key; every holder of the map sees it.
    pub fn remove(&self, key: &[u8]) -> Option<Value> {
        self.data.entries.borrow_mut().remove(key)
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.data.entries.borrow().len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that a map of so many entries takes, what the keys and values hold left out.
    pub fn footprint(length: usize) -> usize {
        let entry = size_of::<Str>() + size_of::<Value>() + 16;
        (12 * entry).saturating_add(length.saturating_mul(2 * entry))
    }

    /// Tells this map from every other that exists at the same time.
    pub fn identity(&self) -> usize {
        Rc::as_ptr(&self.data).addr()
    }

    /// Whether both are one and the same map.
    pub fn is_same(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.data, &other.data)
    }
}

impl Default for Map {
    fn default() -> Self {
        Self::new(BTreeMap::new())
    }
}

impl Default for List {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl FromIterator<(Str, Value)> for Map {
    fn from_iter<I: IntoIterator<Item = (Str, Value)>>(entries: I) -> Self {
        Self::new(entries.into_iter().collect())
    }
}

impl FromIterator<Value> for List {
    fn from_iter<I: IntoIterator<Item = Value>>(items: I) -> Self {
        Self::new(items.into_iter().collect())
    }
}

impl Drop for ListData {
    fn drop(&mut self) {
        drop_flat(std::mem::take(self.items.get_mut()));
    }
}

impl Drop for MapData {
    fn drop(&mut self) {
        let entries = std::mem::take(self.entries.get_mut());
        if entries.values().any(is_container) {
            drop_flat(entries.into_values().collect());
        }
    }
}

fn is_container(value: &Value) -> bool {
    matches!(value, Value::List(_) | Value::Map(_))
}

/// Drops values without recursion, so that deep nesting cannot exhaust the stack.
fn drop_flat(mut pending: Vec<Value>) {
    if !pending.iter().any(is_container) {
        return;
    }
    while let Some(value) = pending.pop() {
        match value {
            Value::List(list) => {
                if let Some(data) = Rc::into_inner(list.0) {
                    pending.append(&mut data.items.borrow_mut());
                }
            }
            Value::Map(map) => {
                if let Some(data) = Rc::into_inner(map.data) {
                    pending.extend(std::mem::take(&mut *data.entries.borrow_mut()).into_values());
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_nesting_is_dropped_without_recursion() {
        let mut value = Value::Nil;
        for _ in 0..100_000 {
            value = Value::List(List::new(vec![value]));
            value = Value::Map(Map::from_iter([(Str::from("k"), value)]));
        }
        drop(value);
    }

    #[test]
    fn a_clone_of_a_map_is_the_same_map() {
        let map = Map::default();
        let alias = map.clone();
        alias.insert("a", Value::Bool(true));
        assert!(matches!(map.get(b"a"), Some(Value::Bool(true))));
    }
}
