//! The grammar's outer part: text, control structures and definitions.

use std::sync::Arc;

use super::ast::{Branch, Branches, Invocation, Loop, Node, NodeId, Pipe, Source, Tree};
use super::lex::{Keyword, Token, TokenKind};
use super::tokens::Tokens;
use crate::error::ParseError;
use crate::functions::Functions;
use crate::stack::StackGuard;
use crate::strconv;
use crate::value::Str;

/// Stack that parsing one text may use: enough for some hundred nested blocks.
const STACK: usize = 1 << 20;

/// Expressions that one template may have.
const MOST_NODES: NodeId = 500_000;

/// Parses a text into its own tree and those of its definitions, in the order in which they end.
pub(crate) fn parse(name: &Arc<str>, text: Str, functions: &Functions) -> Result<Vec<Tree>, ParseError> {
    let source = Arc::new(Source { name: name.clone(), text });
    let mut parser = Parser {
        tokens: Tokens::new(source.text.as_bytes()),
        source: &source,
        functions,
        stack: StackGuard::new(STACK),
        scope: Scope::new(name.clone()),
        trees: Vec::new(),
    };
    let root = parser.file()?;
    let scope = Scope::new(name.clone());
    parser.finish(root, scope)?;
    Ok(parser.trees)
}

pub(super) struct Parser<'t> {
    pub(super) tokens: Tokens<'t>,
    source: &'t Arc<Source>,
    pub(super) functions: &'t Functions,
    stack: StackGuard,
    pub(super) scope: Scope,
    trees: Vec<Tree>,
}

/// What belongs to the one template being parsed.
pub(super) struct Scope {
    name: Arc<str>,
    variables: Vec<Known>,
    /// slots in use, and the most that were
    live: usize,
    most: usize,
    next_id: NodeId,
    ranges: usize,
    action_line: usize,
}

struct Known {
    name: Arc<str>,
    /// an assignment makes a name known to the parser without declaring it
    slot: Option<usize>,
}

impl Scope {
    fn new(name: Arc<str>) -> Self {
        let dollar = Known { name: Arc::from("$"), slot: Some(0) };
        Self { name, variables: vec![dollar], live: 1, most: 1, next_id: 0, ranges: 0, action_line: 0 }
    }

    pub(super) fn id(&mut self) -> NodeId {
        self.next_id += 1;
        self.next_id
    }

    /// Gives a new variable its slot.
    pub(super) fn declare(&mut self, name: Arc<str>) -> usize {
        let slot = self.live;
        self.live += 1;
        self.most = self.most.max(self.live);
        self.variables.push(Known { name, slot: Some(slot) });
        slot
    }

    /// Makes a name known without a variable behind it.
    pub(super) fn announce(&mut self, name: Arc<str>) {
        self.variables.push(Known { name, slot: None });
    }

    pub(super) fn knows(&self, name: &str) -> bool {
        self.variables.iter().any(|known| &*known.name == name)
    }

    /// The slot of the variable declared last under a name.
    pub(super) fn slot(&self, name: &str) -> Option<usize> {
        self.variables.iter().rev().filter(|known| &*known.name == name).find_map(|known| known.slot)
    }

    /// Ends the life of variables at the end of a body. Go's parser still knows their names in the parts that follow.
    fn end_from(&mut self, count: usize) {
        for known in &mut self.variables[count..] {
            self.live -= usize::from(known.slot.take().is_some());
        }
    }

    fn forget_from(&mut self, count: usize) {
        let gone = self.variables.drain(count..).filter(|known| known.slot.is_some()).count();
        self.live -= gone;
    }
}

/// A piece of a body, or what ends it.
enum Item {
    Node(Node),
    End,
    Else,
}

/// What ended a body.
#[derive(Clone, Copy, PartialEq, Eq)]
enum BodyEnd {
    End,
    Else,
}

impl BodyEnd {
    fn text(self) -> &'static str {
        match self {
            Self::End => "{{end}}",
            Self::Else => "{{else}}",
        }
    }
}

type Parsed<T> = Result<T, ParseError>;

impl Parser<'_> {
    pub(super) fn error<T>(&self, message: impl Into<String>) -> Parsed<T> {
        let (template, line) = (self.source.name.clone(), self.tokens.line());
        Err(ParseError { template, line, message: message.into() })
    }

    pub(super) fn unexpected<T>(&self, token: &Token, context: &str) -> Parsed<T> {
        let shown = self.tokens.describe(token);
        if token.kind != TokenKind::Error {
            return self.error(format!("unexpected {shown} in {context}"));
        }
        let (name, started) = (&self.source.name, self.scope.action_line);
        if started == 0 || started == token.line {
            return self.error(shown);
        }
        let action = if shown.ends_with(" action") { "" } else { " in action" };
        self.error(format!("{shown}{action} started at {name}:{started}"))
    }

    fn expect(&mut self, kind: TokenKind, context: &str) -> Parsed<Token> {
        let token = self.tokens.next_non_space();
        if token.kind == kind { Ok(token) } else { self.unexpected(&token, context) }
    }

    /// Ends what is nested too deeply for the stack or too large for the memory.
    pub(super) fn guard(&self) -> Parsed<()> {
        if !self.stack.has_room() {
            return self.error("blocks or parentheses are nested too deeply");
        }
        if self.scope.next_id > MOST_NODES {
            return self.error(format!("the template has more than {MOST_NODES} expressions"));
        }
        Ok(())
    }

    /// The whole text.
    fn file(&mut self) -> Parsed<Vec<Node>> {
        let mut root = Vec::new();
        while self.tokens.peek() != TokenKind::Eof {
            if self.definition()? {
                continue;
            }
            match self.text_or_action()? {
                Item::Node(node) => root.push(node),
                Item::End => return self.error("unexpected {{end}}"),
                Item::Else => return self.error("unexpected {{else}}"),
            }
        }
        Ok(root)
    }

    /// A `define`, where one comes next.
    fn definition(&mut self) -> Parsed<bool> {
        if self.tokens.peek() != TokenKind::LeftDelim {
            return Ok(false);
        }
        let delim = self.tokens.next();
        let word = self.tokens.next_non_space();
        if word.kind != TokenKind::Keyword(Keyword::Define) {
            self.tokens.back(word);
            self.tokens.back(delim);
            return Ok(false);
        }
        const CONTEXT: &str = "define clause";
        let token = self.tokens.next_non_space();
        let name = self.template_name(&token, CONTEXT)?;
        self.expect(TokenKind::RightDelim, CONTEXT)?;
        self.define(&name, CONTEXT)?;
        Ok(true)
    }

    /// The body of a `define` or `block`, which is a template of its own.
    fn define(&mut self, name: &Str, context: &str) -> Parsed<()> {
        let outer = std::mem::replace(&mut self.scope, Scope::new(Arc::from(name.to_text())));
        let (root, end) = self.body()?;
        if end != BodyEnd::End {
            return self.error(format!("unexpected {} in {context}", end.text()));
        }
        self.finish(root, outer)
    }

    /// Files the tree of the current scope away and goes back to the outer one.
    fn finish(&mut self, root: Vec<Node>, outer: Scope) -> Parsed<()> {
        let scope = std::mem::replace(&mut self.scope, outer);
        let tree = Tree { name: scope.name, source: self.source.clone(), root, slots: scope.most };
        match self.trees.iter().position(|other| other.name == tree.name) {
            None => self.trees.push(tree),
            Some(at) if self.trees[at].is_blank() => self.trees[at] = tree,
            Some(_) if tree.is_blank() => {}
            Some(_) => {
                let name = strconv::quote(tree.name.as_bytes());
                return self.error(format!("template: multiple definition of template {name}"));
            }
        }
        Ok(())
    }

    /// Pieces up to `end` or `else`.
    fn body(&mut self) -> Parsed<(Vec<Node>, BodyEnd)> {
        let mut nodes = Vec::new();
        while self.tokens.peek_non_space().kind != TokenKind::Eof {
            match self.text_or_action()? {
                Item::Node(node) => nodes.push(node),
                Item::End => return Ok((nodes, BodyEnd::End)),
                Item::Else => return Ok((nodes, BodyEnd::Else)),
            }
        }
        self.error("unexpected EOF")
    }

    fn text_or_action(&mut self) -> Parsed<Item> {
        self.guard()?;
        let token = self.tokens.next_non_space();
        match token.kind {
            TokenKind::Text => Ok(Item::Node(Node::Text(token.start, token.end))),
            TokenKind::LeftDelim => {
                self.scope.action_line = token.line;
                let item = self.action()?;
                self.scope.action_line = 0;
                Ok(item)
            }
            _ => self.unexpected(&token, "input"),
        }
    }

    fn action(&mut self) -> Parsed<Item> {
        let token = self.tokens.next_non_space();
        let node = match token.kind {
            TokenKind::Keyword(Keyword::Block) => self.block(),
            TokenKind::Keyword(Keyword::Break) => self.jump(Node::Break, "{{break}}"),
            TokenKind::Keyword(Keyword::Continue) => self.jump(Node::Continue, "{{continue}}"),
            TokenKind::Keyword(Keyword::Else) => return self.otherwise(),
            TokenKind::Keyword(Keyword::End) => {
                self.expect(TokenKind::RightDelim, "end")?;
                return Ok(Item::End);
            }
            TokenKind::Keyword(Keyword::If) => Ok(Node::If(self.branches(Keyword::If, "if")?)),
            TokenKind::Keyword(Keyword::With) => Ok(Node::With(self.branches(Keyword::With, "with")?)),
            TokenKind::Keyword(Keyword::Range) => self.range(),
            TokenKind::Keyword(Keyword::Template) => self.template(),
            _ => {
                self.tokens.back(token);
                Ok(Node::Action(self.pipeline("command", TokenKind::RightDelim)?))
            }
        };
        node.map(Item::Node)
    }

    /// `else`; the `if` or `with` of `else if` is left for the caller.
    fn otherwise(&mut self) -> Parsed<Item> {
        let next = self.tokens.peek_non_space();
        if !matches!(next.kind, TokenKind::Keyword(Keyword::If | Keyword::With)) {
            self.expect(TokenKind::RightDelim, "else")?;
        }
        Ok(Item::Else)
    }

    fn jump(&mut self, node: Node, name: &str) -> Parsed<Node> {
        self.expect(TokenKind::RightDelim, name)?;
        if self.scope.ranges == 0 {
            return self.error(format!("{name} outside {{{{range}}}}"));
        }
        Ok(node)
    }

    /// `if` or `with`, with all its `else` parts.
    fn branches(&mut self, word: Keyword, context: &str) -> Parsed<Branches> {
        let known = self.scope.variables.len();
        let mut branches = Vec::new();
        let otherwise = loop {
            let condition = self.pipeline(context, TokenKind::RightDelim)?;
            let (body, end) = self.scoped_body()?;
            branches.push(Branch { condition, body });
            if end == BodyEnd::End {
                break None;
            }
            if self.tokens.peek() != TokenKind::Keyword(word) {
                break Some(self.last_body()?);
            }
            self.tokens.next();
        };
        self.scope.forget_from(known);
        Ok(Branches { branches, otherwise })
    }

    /// A body whose variables end with it.
    fn scoped_body(&mut self) -> Parsed<(Vec<Node>, BodyEnd)> {
        let known = self.scope.variables.len();
        let body = self.body()?;
        self.scope.end_from(known);
        Ok(body)
    }

    /// The body after `else`, which only `end` may end.
    fn last_body(&mut self) -> Parsed<Vec<Node>> {
        let (body, end) = self.body()?;
        if end != BodyEnd::End {
            return self.error(format!("expected end; found {}", end.text()));
        }
        Ok(body)
    }

    fn range(&mut self) -> Parsed<Node> {
        let known = self.scope.variables.len();
        let over = self.pipeline("range", TokenKind::RightDelim)?;
        self.scope.ranges += 1;
        let (body, end) = self.scoped_body()?;
        self.scope.ranges -= 1;
        let otherwise = if end == BodyEnd::Else { Some(self.last_body()?) } else { None };
        self.scope.forget_from(known);
        Ok(Node::Range(Box::new(Loop { over, body, otherwise })))
    }

    fn block(&mut self) -> Parsed<Node> {
        const CONTEXT: &str = "block clause";
        let token = self.tokens.next_non_space();
        let name = self.template_name(&token, CONTEXT)?;
        let data = self.pipeline(CONTEXT, TokenKind::RightDelim)?;
        self.define(&name, CONTEXT)?;
        Ok(self.invocation(&token, name, Some(data)))
    }

    fn template(&mut self) -> Parsed<Node> {
        const CONTEXT: &str = "template clause";
        let token = self.tokens.next_non_space();
        let name = self.template_name(&token, CONTEXT)?;
        let after = self.tokens.next_non_space();
        let mut data = None;
        if after.kind != TokenKind::RightDelim {
            self.tokens.back(after);
            data = Some(self.pipeline(CONTEXT, TokenKind::RightDelim)?);
        }
        Ok(self.invocation(&token, name, data))
    }

    fn invocation(&mut self, token: &Token, name: Str, data: Option<Pipe>) -> Node {
        Node::Template(Box::new(Invocation { id: self.scope.id(), at: token.start, name, data }))
    }

    fn template_name(&mut self, token: &Token, context: &str) -> Parsed<Str> {
        match token.kind {
            TokenKind::String | TokenKind::RawString => self.unquoted(token),
            _ => self.unexpected(token, context),
        }
    }

    pub(super) fn unquoted(&self, token: &Token) -> Parsed<Str> {
        match strconv::unquote(self.tokens.bytes(token)) {
            Some(text) => Ok(Str::from(text)),
            None => self.error("invalid syntax"),
        }
    }
}
