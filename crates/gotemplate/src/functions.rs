//! The functions a set of templates may call, by name.

use std::collections::HashMap;

use crate::function::Function;
use crate::syntax::ast::{Callee, Form};
use crate::{builtins, chart_functions, helm_functions, sprig};

/// Room for all that charts may call, so that the table never grows.
const FUNCTIONS: usize = 300;

/// The functions known when templates are parsed.
#[derive(Clone, Debug)]
pub struct Functions {
    by_name: HashMap<&'static str, Callee>,
}

impl Functions {
    /// Go's own functions: `and call eq ge gt html index js le len lt ne not or print printf println slice urlquery`.
    pub fn builtin() -> Self {
        let forms = [Form::And, Form::Or, Form::Call];
        let mut by_name = HashMap::with_capacity(FUNCTIONS);
        by_name.extend(forms.map(|form| (form.name(), Callee::Form(form))));
        Self { by_name }.with(builtins::FUNCTIONS)
    }

    /// What charts may call: Go's, sprig's and Helm's functions.
    pub fn helm() -> Self {
        let tables = helm_functions::TABLES.iter().copied().chain([chart_functions::FUNCTIONS]);
        tables.fold(Self::sprig().with_include(), Self::with)
    }

    /// Go's and sprig's functions.
    pub fn sprig() -> Self {
        sprig::TABLES.iter().fold(Self::builtin(), |functions, table| functions.with(table))
    }

    /// Adds functions; one of the same name is replaced.
    #[must_use]
    pub fn with(mut self, functions: &'static [Function]) -> Self {
        self.by_name.extend(functions.iter().map(|function| (function.name, Callee::Plain(function))));
        self
    }

    /// Adds Helm's `include` and `tpl`, which run other templates of the set.
    #[must_use]
    pub fn with_include(mut self) -> Self {
        self.by_name.extend([Form::Include, Form::Tpl].map(|form| (form.name(), Callee::Form(form))));
        self
    }

    /// Takes a function away.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.by_name.remove(name);
        self
    }

    /// The names, in no order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.by_name.keys().copied()
    }

    pub(crate) fn get(&self, name: &str) -> Option<Callee> {
        self.by_name.get(name).copied()
    }
}
