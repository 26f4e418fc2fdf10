//! Runs the nodes.

use std::borrow::Cow;

use super::{
    Context, MAX_OUTPUT_BYTES,
    funcs::{Call, Function},
    parse::{Command, Node, Operand, Pipe, Place},
    value::Value,
};

/// Actions that one rendering may take: ranges within ranges multiply.
const MAX_STEPS: usize = 1_000_000;

pub struct Failure {
    pub line: usize,
    pub col: usize,
    pub part: String,
    pub message: String,
}

impl Failure {
    fn at(place: &Place, message: String) -> Self {
        Self { line: place.line, col: place.col, part: place.part.clone(), message }
    }
}

#[derive(PartialEq)]
enum Flow {
    Next,
    Break,
    Continue,
}

type Result<T> = std::result::Result<T, Failure>;

pub struct Exec<'a, 'o> {
    cx: &'a Context<'a>,
    out: &'o mut String,
    limit: usize,
    steps: usize,
    variables: Vec<(&'a str, Value<'a>)>,
}

impl<'a, 'o> Exec<'a, 'o> {
    pub fn new(cx: &'a Context<'a>, out: &'o mut String) -> Self {
        let limit = out.len() + MAX_OUTPUT_BYTES;
        Self { cx, out, limit, steps: 0, variables: Vec::new() }
    }

    pub fn run(&mut self, nodes: &'a [Node]) -> Result<()> {
        self.list(nodes, &Value::Labels).map(|_| ())
    }

    fn list(&mut self, nodes: &'a [Node], dot: &Value<'a>) -> Result<Flow> {
        for node in nodes {
            let flow = self.node(node, dot)?;
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn node(&mut self, node: &'a Node, dot: &Value<'a>) -> Result<Flow> {
        let scope = self.variables.len();
        let flow = match node {
            Node::Text(text) => {
                self.out.push_str(text);
                Ok(Flow::Next)
            }
            Node::Action(pipe) => self.action(pipe, dot).map(|()| Flow::Next),
            Node::If { pipe, then, or } => {
                let value = self.pipe(pipe, dot)?;
                self.list(if value.truth() { then } else { or }, dot)
            }
            Node::With { pipe, then, or } => {
                let value = self.pipe(pipe, dot)?;
                if value.truth() { self.list(then, &value) } else { self.list(or, dot) }
            }
            Node::Range { pipe, then, or } => self.range(pipe, then, or, dot),
            Node::Break => Ok(Flow::Break),
            Node::Continue => Ok(Flow::Continue),
        };
        if !matches!(node, Node::Action(_)) {
            self.variables.truncate(scope);
        }
        flow
    }

    fn action(&mut self, pipe: &'a Pipe, dot: &Value<'a>) -> Result<()> {
        let place = place(pipe);
        let value = self.pipe(pipe, dot)?;
        if pipe.sets.is_empty() {
            value.print(self.out);
        }
        if self.out.len() > self.limit {
            return Err(Failure::at(place, format!("output is longer than {MAX_OUTPUT_BYTES} bytes")));
        }
        Ok(())
    }

    fn range(&mut self, pipe: &'a Pipe, then: &'a [Node], or: &'a [Node], dot: &Value<'a>) -> Result<Flow> {
        let scope = self.variables.len();
        let place = place(pipe);
        let items: Vec<(Value<'a>, Value<'a>)> = match self.commands(pipe, dot)? {
            Value::List(list) => {
                list.into_iter().enumerate().map(|(at, item)| (Value::Int(i64::try_from(at).unwrap_or(0)), item)).collect()
            }
            Value::Map(map) => map.into_iter().map(|(key, item)| (Value::text(key), item)).collect(),
            Value::Nil => Vec::new(),
            // `fromJson` gives this for what is no JSON.
            Value::Text(text) if text.is_empty() => Vec::new(),
            other => {
                let message = format!("range can't iterate over {}", other.to_text());
                return Err(Failure::at(place, message));
            }
        };
        if items.is_empty() {
            return self.list(or, dot);
        }
        for (key, item) in items {
            self.variables.truncate(scope);
            match pipe.sets.as_slice() {
                [one] => self.set(one, item.clone(), pipe.declares),
                [first, second] => {
                    self.set(first, key, pipe.declares);
                    self.set(second, item.clone(), pipe.declares);
                }
                _ => {}
            }
            if self.list(then, &item)? == Flow::Break {
                break;
            }
        }
        Ok(Flow::Next)
    }

    fn set(&mut self, name: &'a str, value: Value<'a>, declares: bool) {
        if !declares && let Some((_, old)) = self.variables.iter_mut().rev().find(|(other, _)| *other == name) {
            *old = value;
        } else {
            self.variables.push((name, value));
        }
    }

    fn pipe(&mut self, pipe: &'a Pipe, dot: &Value<'a>) -> Result<Value<'a>> {
        let value = self.commands(pipe, dot)?;
        for name in &pipe.sets {
            self.set(name, value.clone(), pipe.declares);
        }
        Ok(value)
    }

    fn commands(&mut self, pipe: &'a Pipe, dot: &Value<'a>) -> Result<Value<'a>> {
        let mut piped = None;
        for command in &pipe.commands {
            self.steps += 1;
            if self.steps > MAX_STEPS {
                return Err(Failure::at(&command.place, format!("template takes more than {MAX_STEPS} steps")));
            }
            piped = Some(self.command(command, dot, piped)?);
        }
        Ok(piped.unwrap_or(Value::Nil))
    }

    fn command(&mut self, command: &'a Command, dot: &Value<'a>, piped: Option<Value<'a>>) -> Result<Value<'a>> {
        let Operand::Call(function) = &command.first else {
            if piped.is_some() {
                return Err(Failure::at(&command.place, format!("can't give argument to non-function {}", command.place.part)));
            }
            return self.operand(&command.first, dot, &command.place);
        };
        if let Function::And | Function::Or = function {
            return self.shortcut(*function, command, dot, piped);
        }
        let mut args = Vec::with_capacity(command.rest.len() + 1);
        for operand in &command.rest {
            args.push(self.operand(operand, dot, &command.place)?);
        }
        args.extend(piped);
        self.call(*function, args, command)
    }

    /// `and` and `or` stop at the first value that decides.
    fn shortcut(&mut self, function: Function, command: &'a Command, dot: &Value<'a>, piped: Option<Value<'a>>) -> Result<Value<'a>> {
        let mut last = None;
        for operand in &command.rest {
            let value = self.operand(operand, dot, &command.place)?;
            if value.truth() == (function == Function::Or) {
                return Ok(value);
            }
            last = Some(value);
        }
        piped
            .or(last)
            .ok_or_else(|| Failure::at(&command.place, format!("wrong number of args for {}: want at least 1 got 0", function.name())))
    }

    fn call(&self, function: Function, mut args: Vec<Value<'a>>, command: &'a Command) -> Result<Value<'a>> {
        let name = function.name();
        let (least, most) = function.arity();
        if args.len() < least || args.len() > most {
            let want = if most == usize::MAX { format!("at least {least}") } else { least.to_string() };
            return Err(Failure::at(&command.place, format!("wrong number of args for {name}: want {want} got {}", args.len())));
        }
        let call = Call { cx: self.cx, regex: command.regex.as_ref() };
        function.run(&call, &mut args).map_err(|message| {
            // A value of the wrong type is found before the call.
            let typed = message.starts_with("wrong type for value");
            Failure::at(&command.place, if typed { message } else { format!("error calling {name}: {message}") })
        })
    }

    fn operand(&mut self, operand: &'a Operand, dot: &Value<'a>, place: &Place) -> Result<Value<'a>> {
        let (value, path) = match operand {
            Operand::Dot => return Ok(dot.clone()),
            Operand::Nil => return Ok(Value::Nil),
            Operand::Bool(value) => return Ok(Value::Bool(*value)),
            Operand::Int(value) => return Ok(Value::Int(*value)),
            Operand::Float(value) => return Ok(Value::Float(*value)),
            Operand::Text(text) => return Ok(Value::Text(Cow::Borrowed(text))),
            Operand::Field(path) => {
                if let (Value::Labels, [name]) = (dot, path.as_slice()) {
                    return Ok(Value::Text((self.cx.get)(name).unwrap_or_default()));
                }
                (dot.clone(), path)
            }
            Operand::Variable(name, path) if name == "$" => (Value::Labels, path),
            Operand::Variable(name, path) => {
                let found = self.variables.iter().rev().find(|(other, _)| other == name);
                (found.map_or(Value::Nil, |(_, value)| value.clone()), path)
            }
            Operand::Call(function) => {
                let (least, _) = function.arity();
                if least > 0 {
                    return Err(Failure::at(place, format!("wrong number of args for {}: want {least} got 0", function.name())));
                }
                let call = Call { cx: self.cx, regex: None };
                return function
                    .run(&call, &mut [])
                    .map_err(|message| Failure::at(place, format!("error calling {}: {message}", function.name())));
            }
            Operand::Pipe(pipe, path) => (self.pipe(pipe, dot)?, path),
        };
        path.iter().try_fold(value, |value, name| self.field(value, name, place))
    }

    fn field(&self, value: Value<'a>, name: &str, place: &Place) -> Result<Value<'a>> {
        match value {
            Value::Labels => Ok(Value::Text((self.cx.get)(name).unwrap_or_default())),
            Value::Map(mut map) => Ok(map.remove(name).unwrap_or(Value::Nil)),
            Value::Nil => Err(Failure::at(place, format!("nil pointer evaluating interface {{}}.{name}"))),
            other => Err(Failure::at(place, format!("can't evaluate field {name} in type {}", other.kind()))),
        }
    }
}

/// A pipe always has a command.
fn place(pipe: &Pipe) -> &Place {
    const NOWHERE: &Place = &Place { line: 1, col: 0, part: String::new() };
    pipe.commands.first().map_or(NOWHERE, |command| &command.place)
}
