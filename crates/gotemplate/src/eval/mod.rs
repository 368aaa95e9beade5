//! Executes templates: Go's `exec.go`, with limits.

mod argument;
mod call;
mod field;
mod include;
mod pipe;
mod record;
mod walk;

use std::rc::Rc;
use std::sync::Arc;

pub use self::record::{Read, Recording, Write};

use crate::error::{Cause, Error, ExecuteError};
use crate::function::{Context, Effects, Host};
use crate::limits::{Budget, Exceeded, Limits};
use crate::stack::StackGuard;
use crate::syntax::ast::{NodeId, Tree};
use crate::templates::{Parsed, Templates};
use crate::value::{Str, Value};

/// A value, or Go's invalid `reflect.Value`: what a pipeline gives for nil.
type Slot = Option<Value>;

/// The reason why an execution ended.
type Fail = Box<Error>;

/// One render: executes templates of a set, within limits that all of them share.
///
/// It recurses up to `Limits::stack` bytes deep; run it on a thread with at least 2 MB more stack than that.
#[expect(missing_debug_implementations, reason = "the context holds a trait object")]
pub struct Render<'a> {
    templates: &'a Templates,
    context: Context<'a>,
    out: Vec<u8>,
    /// variables of all running templates, `$` first in each
    variables: Vec<Slot>,
    /// evaluated arguments of all running calls
    arguments: Vec<Value>,
    /// the node that an error would name
    at: NodeId,
    stack: StackGuard,
    /// the names that `include` is running, from the outside in
    running: Vec<Str>,
    depth: usize,
    /// what the running `tpl` texts define
    scope: Option<Rc<Scope>>,
    /// where the output comes from, if anybody wants to know
    recorder: Option<Box<record::Recorder>>,
}

/// The templates of a running `tpl` text; they hide those of the outer ones.
#[derive(Debug)]
struct Scope {
    outer: Option<Rc<Scope>>,
    parsed: Parsed,
}

/// The template that is running.
#[derive(Clone, Copy)]
struct Frame<'t> {
    tree: &'t Tree,
    /// where its variables begin
    base: usize,
}

impl<'a> Render<'a> {
    /// A render with all its limits still to spend.
    pub fn new(templates: &'a Templates, limits: Limits, host: &'a mut dyn Host) -> Self {
        Self {
            templates,
            context: Context::new(Budget::new(limits), host),
            out: Vec::new(),
            variables: Vec::new(),
            arguments: Vec::new(),
            at: 0,
            stack: StackGuard::new(limits.stack),
            running: Vec::new(),
            depth: 0,
            scope: None,
            recorder: None,
        }
    }

    /// Executes a template of the set and gives its output.
    pub fn execute(&mut self, name: &str, data: &Value) -> Result<Vec<u8>, Error> {
        self.reset();
        let tree = self.template(name).map_err(|fail| *fail)?;
        self.execute_tree(&tree, into_slot(data.clone())).map_err(|fail| *fail)?;
        let mut out = std::mem::take(&mut self.out);
        if self.templates.options.erase_no_value {
            if self.recorder.is_some() {
                let erased = memchr::memmem::find_iter(&out, NO_VALUE).map(|at| at..at + NO_VALUE.len());
                self.note_erased(&erased.collect::<Vec<_>>());
            }
            erase_no_value(&mut out);
        }
        Ok(out)
    }

    /// What the templates executed so far asked of the world.
    pub fn effects(&self) -> Effects {
        self.context.effects
    }

    /// What is left of the limits.
    pub fn budget(&self) -> Budget {
        self.context.budget
    }

    /// An execution that failed leaves things behind.
    fn reset(&mut self) {
        self.out.clear();
        self.variables.clear();
        self.arguments.clear();
        self.running.clear();
        self.depth = 0;
        self.scope = None;
        if self.recorder.is_some() {
            self.record();
        }
        self.stack = StackGuard::new(self.context.budget.limits().stack);
    }

    /// The template of a name: of the running `tpl` texts from the inside out, else of the set.
    fn template(&self, name: &str) -> Result<Arc<Tree>, Fail> {
        let mut scope = self.scope.as_ref();
        while let Some(inner) = scope {
            if let Some(tree) = inner.parsed.named(name) {
                return Ok(tree.clone());
            }
            scope = inner.outer.as_ref();
        }
        self.templates.get(name).cloned().ok_or_else(|| {
            Box::new(Error::NoTemplate { name: name.to_owned(), of: self.templates.options.name.clone() })
        })
    }

    /// Runs a template with its own variables; the output is appended.
    fn execute_tree(&mut self, tree: &Tree, dot: Slot) -> Result<(), Fail> {
        let base = self.variables.len();
        let outer_node = std::mem::replace(&mut self.at, 0);
        self.variables.resize(base + tree.slots, None);
        if let Some(dollar) = self.variables.get_mut(base) {
            dollar.clone_from(&dot);
        }
        self.walk(&Frame { tree, base }, &dot, &tree.root)?;
        self.variables.truncate(base);
        self.at = outer_node;
        Ok(())
    }

    #[cold]
    fn fail(&self, frame: &Frame<'_>, cause: Cause) -> Fail {
        let place = frame.tree.place(self.at);
        Box::new(Error::Execute(Box::new(ExecuteError {
            template: frame.tree.source.name.clone(),
            line: place.line,
            column: place.column,
            executing: frame.tree.name.clone(),
            expression: place.expression,
            cause,
        })))
    }

    #[cold]
    fn error(&self, frame: &Frame<'_>, message: impl Into<String>) -> Fail {
        self.fail(frame, Cause::Message(message.into()))
    }

    #[cold]
    fn exceeded(&self, frame: &Frame<'_>, exceeded: Exceeded) -> Fail {
        self.fail(frame, Cause::Exceeded(exceeded))
    }

    fn step(&mut self, frame: &Frame<'_>) -> Result<(), Fail> {
        self.context.budget.spend(1).map_err(|exceeded| self.exceeded(frame, exceeded))
    }

    fn check_stack(&self, frame: &Frame<'_>) -> Result<(), Fail> {
        if self.stack.has_room() { Ok(()) } else { Err(self.exceeded(frame, Exceeded::Depth)) }
    }

    fn write(&mut self, frame: &Frame<'_>, bytes: &[u8]) -> Result<(), Fail> {
        self.context.budget.write(bytes.len()).map_err(|exceeded| self.exceeded(frame, exceeded))?;
        self.out.extend_from_slice(bytes);
        Ok(())
    }
}

/// nil as data of a template is an invalid value, as in Go.
fn into_slot(value: Value) -> Slot {
    match value {
        Value::Nil => None,
        other => Some(other),
    }
}

const NO_VALUE: &[u8] = b"<no value>";

/// Removes each `<no value>`.
fn erase_no_value(out: &mut Vec<u8>) {
    let mut kept: Option<Vec<u8>> = None;
    let mut from = 0;
    for at in memchr::memmem::find_iter(out, NO_VALUE) {
        kept.get_or_insert_with(|| Vec::with_capacity(out.len())).extend_from_slice(&out[from..at]);
        from = at + NO_VALUE.len();
    }
    if let Some(mut kept) = kept {
        kept.extend_from_slice(&out[from..]);
        *out = kept;
    }
}

#[cfg(test)]
mod tests;
