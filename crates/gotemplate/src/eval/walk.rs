//! Text, actions and control structures.

use super::{Fail, Frame, NO_VALUE, Render, Slot};
use crate::format;
use crate::syntax::ast::{Branches, Invocation, Loop, Node, Pipe};
use crate::value::{ElementType, List, Str, UintType, Value};

/// How a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    Done,
    Break,
    Continue,
}

impl Render<'_> {
    /// Runs the nodes of a body.
    pub(super) fn walk(&mut self, frame: &Frame<'_>, dot: &Slot, nodes: &[Node]) -> Result<Flow, Fail> {
        self.check_stack(frame)?;
        for node in nodes {
            let flow = self.node(frame, dot, node)?;
            if flow != Flow::Done {
                return Ok(flow);
            }
        }
        Ok(Flow::Done)
    }

    fn node(&mut self, frame: &Frame<'_>, dot: &Slot, node: &Node) -> Result<Flow, Fail> {
        self.step(frame)?;
        match node {
            Node::Text(start, end) => {
                let text = &frame.tree.source.text.as_bytes()[*start..*end];
                self.write(frame, text)?;
                if self.recorder.is_some() {
                    self.note_text(frame, *start, self.out.len() - text.len());
                }
            }
            Node::Action(pipe) => self.action(frame, dot, pipe)?,
            Node::If(branches) => return self.choose(frame, dot, branches, false),
            Node::With(branches) => return self.choose(frame, dot, branches, true),
            Node::Range(range) => return self.range(frame, dot, range),
            Node::Template(invocation) => self.invoke(frame, dot, invocation)?,
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::Done)
    }

    fn action(&mut self, frame: &Frame<'_>, dot: &Slot, pipe: &Pipe) -> Result<(), Fail> {
        if self.recorder.is_some() {
            return self.noted_action(frame, dot, pipe);
        }
        let value = self.pipe(frame, dot, pipe)?;
        if pipe.variables.is_empty() { self.print(frame, pipe, &value) } else { Ok(()) }
    }

    /// As [`Render::action`], with notes.
    #[cold]
    fn noted_action(&mut self, frame: &Frame<'_>, dot: &Slot, pipe: &Pipe) -> Result<(), Fail> {
        let (began, start) = (self.note_start(), self.out.len());
        let value = self.pipe(frame, dot, pipe)?;
        if pipe.variables.is_empty() {
            self.print(frame, pipe, &value)?;
            self.note_action(frame, pipe.at, start, began);
        }
        Ok(())
    }

    /// Prints what an action gave.
    fn print(&mut self, frame: &Frame<'_>, pipe: &Pipe, value: &Slot) -> Result<(), Fail> {
        match value {
            None => self.write(frame, NO_VALUE),
            Some(Value::String(text)) => self.write(frame, text.as_bytes()),
            Some(Value::Closure(_)) => Err(self.error(frame, format!("can't print {{{{{pipe}}}}} of type func"))),
            Some(Value::Object(object)) if object.display_field().is_some() => {
                let text = object.display_field().unwrap_or_default();
                self.write(frame, text.as_bytes())
            }
            Some(value) => {
                let start = self.out.len();
                let printed = format::print_value(&mut self.out, value, self.context.budget.room());
                let length = self.out.len() - start;
                let budget = &mut self.context.budget;
                let counted = printed.and_then(|()| budget.spend_on_text(length)).and_then(|()| budget.write(length));
                counted.map_err(|exceeded| self.exceeded(frame, exceeded))
            }
        }
    }

    /// `if` and `with`, with all their `else` parts.
    fn choose(&mut self, frame: &Frame<'_>, dot: &Slot, branches: &Branches, with: bool) -> Result<Flow, Fail> {
        for branch in &branches.branches {
            let value = self.pipe(frame, dot, &branch.condition)?;
            if value.as_ref().is_some_and(Value::is_true) {
                return self.walk(frame, if with { &value } else { dot }, &branch.body);
            }
        }
        match &branches.otherwise {
            Some(body) => self.walk(frame, dot, body),
            None => Ok(Flow::Done),
        }
    }

    fn range(&mut self, frame: &Frame<'_>, dot: &Slot, range: &Loop) -> Result<Flow, Fail> {
        let over = self.pipe(frame, dot, &range.over)?;
        let some = match over {
            None | Some(Value::Nil) => false,
            Some(value) => self.range_over(frame, range, value)?,
        };
        match &range.otherwise {
            Some(body) if !some => self.walk(frame, dot, body),
            _ => Ok(Flow::Done),
        }
    }

    /// Runs the body for each item; whether there was any.
    fn range_over(&mut self, frame: &Frame<'_>, range: &Loop, value: Value) -> Result<bool, Fail> {
        match value {
            Value::List(list) => self.range_list(frame, range, &list),
            Value::Map(map) => {
                self.context.budget.spend(map.len()).map_err(|exceeded| self.exceeded(frame, exceeded))?;
                let entries: Vec<(Str, Value)> =
                    map.entries().iter().map(|(key, item)| (key.clone(), item.clone())).collect();
                self.range_entries(frame, range, entries)
            }
            Value::Int(of, count) => self.range_count(frame, range, count, |turn| Value::Int(of, turn)),
            Value::Uint(of, count) => {
                let count = i64::try_from(count).unwrap_or(i64::MAX);
                self.range_count(frame, range, count, |turn| Value::Uint(of, turn as u64))
            }
            Value::Duration(count) => self.range_count(frame, range, count, Value::Duration),
            Value::Bytes(bytes) => {
                let byte = |byte: &u8| Value::Uint(UintType::Uint8, u64::from(*byte));
                let list = List::typed(ElementType::Named("uint8"), bytes.iter().map(byte).collect());
                self.range_list(frame, range, &list)
            }
            Value::Object(ref object) => match object.plain() {
                Some(plain) => self.range_over(frame, range, plain),
                None => Err(self.cannot_iterate(frame, &value)),
            },
            other => Err(self.cannot_iterate(frame, &other)),
        }
    }

    fn cannot_iterate(&self, frame: &Frame<'_>, value: &Value) -> Fail {
        self.error(frame, format!("range can't iterate over {}", shown(value)))
    }

    fn range_list(&mut self, frame: &Frame<'_>, range: &Loop, list: &List) -> Result<bool, Fail> {
        let length = list.len();
        for index in 0..length {
            let Some(item) = list.get(index) else { break };
            if self.turn(frame, range, Some(Value::int(index as i64)), Some(item))? == Flow::Break {
                break;
            }
        }
        Ok(length > 0)
    }

    fn range_entries(&mut self, frame: &Frame<'_>, range: &Loop, entries: Vec<(Str, Value)>) -> Result<bool, Fail> {
        let some = !entries.is_empty();
        for (key, item) in entries {
            if self.turn(frame, range, Some(Value::String(key)), Some(item))? == Flow::Break {
                break;
            }
        }
        Ok(some)
    }

    fn range_count(
        &mut self,
        frame: &Frame<'_>,
        range: &Loop,
        count: i64,
        item: impl Fn(i64) -> Value,
    ) -> Result<bool, Fail> {
        if range.over.variables.len() > 1 {
            let shown = shown(&item(count));
            return Err(self.error(frame, format!("can't use {shown} to iterate over more than one variable")));
        }
        for turn in 0..count {
            if self.turn(frame, range, None, Some(item(turn)))? == Flow::Break {
                break;
            }
        }
        Ok(count > 0)
    }

    /// One turn of a loop.
    fn turn(&mut self, frame: &Frame<'_>, range: &Loop, index: Slot, item: Slot) -> Result<Flow, Fail> {
        self.step(frame)?;
        match range.over.variables.as_slice() {
            [] => {}
            [only] => self.set(frame, only, item.clone())?,
            [first, second, ..] => {
                self.set(frame, first, index)?;
                self.set(frame, second, item.clone())?;
            }
        }
        self.walk(frame, &item, &range.body)
    }

    /// `{{ template "name" data }}`
    fn invoke(&mut self, frame: &Frame<'_>, dot: &Slot, invocation: &Invocation) -> Result<(), Fail> {
        self.at = invocation.id;
        let name = invocation.name.to_text();
        let Ok(tree) = self.template(&name) else {
            let name = crate::strconv::quote(name.as_bytes());
            return Err(self.error(frame, format!("template {name} not defined")));
        };
        self.enter(frame)?;
        let data = match &invocation.data {
            Some(data) => self.pipe(frame, dot, data)?,
            None => None,
        };
        self.execute_tree(&tree, data)?;
        self.depth -= 1;
        Ok(())
    }
}

/// A value in an error message.
fn shown(value: &Value) -> String {
    let shown = format::sprint(std::slice::from_ref(value), 1 << 10).unwrap_or_default();
    String::from_utf8_lossy(&shown).into_owned()
}
