//! Parsed files and the sets that are executed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::ParseError;
use crate::functions::Functions;
use crate::syntax::ast::Tree;
use crate::syntax::parse;
use crate::value::Str;

/// A parsed text: its own template and the ones it defines. Threads and sets share it.
#[derive(Clone, Debug)]
pub struct Parsed {
    trees: Arc<[Arc<Tree>]>,
}

impl Parsed {
    /// Parses a text. The name stands in errors and is the template's own name.
    pub fn new(name: &str, text: impl Into<Str>, functions: &Functions) -> Result<Self, ParseError> {
        let trees = parse(&Arc::from(name), text.into(), functions)?;
        Ok(Self { trees: trees.into_iter().map(Arc::new).collect() })
    }

    /// The names of the templates it defines, its own one last.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.trees.iter().map(|tree| &*tree.name)
    }

    pub(crate) fn trees(&self) -> &[Arc<Tree>] {
        &self.trees
    }

    pub(crate) fn named(&self, name: &str) -> Option<&Arc<Tree>> {
        self.trees.iter().find(|tree| &*tree.name == name)
    }
}

/// What a key that a map does not have gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingKey {
    /// `missingkey=default`: prints `<no value>`
    #[default]
    Invalid,
    /// `missingkey=zero`: the zero value of the map's element, nil for `interface {}`
    Zero,
    /// `missingkey=error`
    Error,
}

/// How a set of templates behaves.
#[derive(Clone, Debug)]
pub struct Options {
    pub missing_key: MissingKey,
    /// removes each `<no value>` from what is rendered, and from what `tpl` gives
    pub erase_no_value: bool,
    /// the name of the set itself: what `tpl` calls its text
    pub name: Arc<str>,
}

impl Options {
    /// As Helm's engine sets them.
    pub fn helm() -> Self {
        Self { missing_key: MissingKey::Zero, erase_no_value: true, name: Arc::from("gotpl") }
    }

    /// As Go's text/template has them.
    pub fn go(name: &str) -> Self {
        Self { missing_key: MissingKey::Invalid, erase_no_value: false, name: Arc::from(name) }
    }
}

/// Templates that can call each other by name. Build it once, execute it in many renders and threads.
#[derive(Debug)]
pub struct Templates {
    pub(crate) functions: Arc<Functions>,
    pub(crate) options: Options,
    by_name: HashMap<Arc<str>, Arc<Tree>>,
    /// texts given to `tpl`, from render to render
    texts: Mutex<Texts>,
}

/// Parsed texts of `tpl`, remembered up to a total length.
#[derive(Debug, Default)]
struct Texts {
    parsed: HashMap<Str, Parsed>,
    bytes: usize,
}

/// How much text is remembered: its parsed form can be a hundred times as large.
const TEXT_BYTES: usize = 512 << 10;

impl Texts {
    fn remember(&mut self, text: &Str, parsed: &Parsed) {
        if text.len() > TEXT_BYTES / 8 {
            return;
        }
        if self.bytes + text.len() > TEXT_BYTES {
            *self = Self::default();
        }
        if self.parsed.insert(text.clone(), parsed.clone()).is_none() {
            self.bytes += text.len();
        }
    }
}

impl Templates {
    /// An empty set.
    pub fn new(functions: Arc<Functions>, options: Options) -> Self {
        Self { functions, options, by_name: HashMap::new(), texts: Mutex::default() }
    }

    /// Adds a parsed text. Of templates with the same name the one added last holds, but a blank one replaces none.
    pub fn add(&mut self, file: &Parsed) {
        for tree in file.trees() {
            if !(tree.is_blank() && self.by_name.contains_key(&tree.name)) {
                self.by_name.insert(tree.name.clone(), tree.clone());
            }
        }
    }

    /// Whether a template of this name exists.
    pub fn contains(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Tree>> {
        self.by_name.get(name)
    }

    /// The parsed form of a text given to `tpl`.
    pub(crate) fn parse_text(&self, text: &Str) -> Result<Parsed, ParseError> {
        let texts = || self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(parsed) = texts().parsed.get(text) {
            return Ok(parsed.clone());
        }
        let parsed = Parsed::new(&self.options.name, text.clone(), &self.functions)?;
        texts().remember(text, &parsed);
        Ok(parsed)
    }
}
