//! Helm's `include` and `tpl`: templates that run others and give their output as a string.

use std::rc::Rc;

use super::{Fail, Frame, NO_VALUE, Render, Scope, Slot, erase_no_value, into_slot};
use crate::error::{Cause, Error, Failure};
use crate::limits::Exceeded;
use crate::syntax::ast::{NodeId, Tree};
use crate::value::{Str, Value};

/// What parsing a text costs beside its length.
const PARSE_STEPS: usize = 64;

/// Helm lets one name run inside itself so many times.
const RECURSION: usize = 1000;

impl Render<'_> {
    /// `include name data`
    pub(super) fn include(&mut self, frame: &Frame<'_>, node: NodeId, name: &Str, data: Value) -> Result<Slot, Fail> {
        if self.is_running_too_often(name) {
            self.at = node;
            let name = name.to_text();
            let message = format!("rendering template has a nested reference name: {name}: unable to execute template");
            return Err(self.call_failed(frame, "include", Failure::Message(message)));
        }
        self.enter(frame)?;
        self.running.push(name.clone());
        let result = self.template(&name.to_text()).and_then(|tree| self.capture(frame, &tree, data));
        self.running.pop();
        self.depth -= 1;
        result.map(|text| Some(Value::String(text))).map_err(|fail| {
            self.at = node;
            self.call_failed(frame, "include", Failure::Include(fail))
        })
    }

    fn is_running_too_often(&self, name: &Str) -> bool {
        self.running.len() > RECURSION && self.running.iter().filter(|running| *running == name).count() > RECURSION
    }

    /// `tpl text data`: its own definitions hold while it runs.
    pub(super) fn tpl(&mut self, frame: &Frame<'_>, node: NodeId, text: &Str, data: Value) -> Result<Slot, Fail> {
        if !contains(text.as_bytes(), b"{{") {
            return Ok(Some(Value::String(without_no_value(text, self.templates.options.erase_no_value))));
        }
        self.enter(frame)?;
        let result = self.run_text(frame, text, data);
        self.depth -= 1;
        result.map(|text| Some(Value::String(text))).map_err(|error| {
            self.at = node;
            let text = text.to_text().into_owned();
            self.call_failed(frame, "tpl", Failure::Tpl { text, error })
        })
    }

    fn run_text(&mut self, frame: &Frame<'_>, text: &Str, data: Value) -> Result<Str, Fail> {
        self.context.budget.spend(PARSE_STEPS + 4 * text.len()).map_err(|exceeded| self.exceeded(frame, exceeded))?;
        let parsed = self.templates.parse_text(text).map_err(|error| Box::new(Error::Parse(error)))?;
        let Some(tree) = parsed.named(&self.templates.options.name).cloned() else { return Ok(Str::default()) };
        let outer = self.scope.clone();
        self.scope = Some(Rc::new(Scope { outer: outer.clone(), parsed }));
        let output = self.capture(frame, &tree, data);
        self.scope = outer;
        output.map(|text| without_no_value(&text, self.templates.options.erase_no_value))
    }

    /// Runs a template and takes its output away as a string.
    fn capture(&mut self, frame: &Frame<'_>, tree: &Tree, data: Value) -> Result<Str, Fail> {
        let start = self.out.len();
        self.execute_tree(tree, into_slot(data))?;
        let length = self.out.len() - start;
        self.context.budget.allocate(length).map_err(|exceeded| self.exceeded(frame, exceeded))?;
        let text = Str::from(&self.out[start..]);
        if self.recorder.is_some() {
            self.note_capture(&text, start);
        }
        self.out.truncate(start);
        Ok(text)
    }

    /// One more template inside the others.
    pub(super) fn enter(&mut self, frame: &Frame<'_>) -> Result<(), Fail> {
        self.check_stack(frame)?;
        if self.depth >= self.context.budget.limits().depth {
            return Err(self.exceeded(frame, Exceeded::Depth));
        }
        self.depth += 1;
        Ok(())
    }

    fn call_failed(&self, frame: &Frame<'_>, function: &str, failure: Failure) -> Fail {
        self.fail(frame, Cause::Call { function: function.to_owned(), failure })
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find(haystack, needle).is_some()
}

fn without_no_value(text: &Str, erase: bool) -> Str {
    if !erase || !contains(text.as_bytes(), NO_VALUE) {
        return text.clone();
    }
    let mut bytes = text.as_bytes().to_vec();
    erase_no_value(&mut bytes);
    Str::from(bytes)
}
