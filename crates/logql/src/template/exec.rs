//! Runs the nodes.

use std::borrow::Cow;

use regex::Regex;

use super::{
    Context, MAX_OUTPUT_BYTES, format,
    funcs::{self, BYTES_PER_STEP, Call, Function},
    parse::{Command, Node, Operand, Pipe, Place},
    value::{Labels, Value},
};

/// Work that the templates of one line may take: ranges within ranges multiply, and texts double. A step is a call, an item of a
/// range, or some bytes read or made; so no more than 16 MiB of texts are made. Measured, most steps take less than half a
/// microsecond, so that a line takes a tenth of a second or two. What people write takes tens of steps.
const MAX_STEPS: usize = 250_000;
/// What compiling a pattern counts that does not stand in the template: up to milliseconds.
const COMPILE_STEPS: usize = MAX_STEPS / 16;

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
    variables: Vec<(&'a str, Value<'a>)>,
    /// The last pattern that came as a value: it is mostly the same one again.
    compiled: Option<(String, Regex)>,
}

impl<'a, 'o> Exec<'a, 'o> {
    pub fn new(cx: &'a Context<'a>, out: &'o mut String) -> Self {
        let limit = out.len() + MAX_OUTPUT_BYTES;
        Self { cx, out, limit, variables: Vec::new(), compiled: None }
    }

    pub fn run(&mut self, nodes: &'a [Node]) -> Result<()> {
        self.list(nodes, &Value::Labels(Labels(self.cx))).map(|_| ())
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
                self.printed(text.len(), NOWHERE).map(|()| Flow::Next)
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
            let before = self.out.len();
            value.print(self.out);
            self.printed(self.out.len() - before, place)?;
        }
        Ok(())
    }

    fn printed(&self, bytes: usize, place: &Place) -> Result<()> {
        if self.out.len() > self.limit {
            return Err(Failure::at(place, format!("output is longer than {MAX_OUTPUT_BYTES} bytes")));
        }
        self.charge(bytes / BYTES_PER_STEP, place)
    }

    fn charge(&self, steps: usize, place: &Place) -> Result<()> {
        let steps = self.cx.steps.get().saturating_add(steps);
        self.cx.steps.set(steps);
        if steps > MAX_STEPS {
            return Err(Failure::at(place, format!("template takes more than {MAX_STEPS} steps")));
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
            Value::Labels(labels) => labels.all().iter().map(|(name, value)| (Value::text(*name), Value::text(*value))).collect(),
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
        // All were collected, even if the first of them breaks.
        self.charge(items.len() / 4, place)?;
        for (key, item) in items {
            self.charge(1 + item.weight() / BYTES_PER_STEP, place)?;
            self.variables.truncate(scope);
            match pipe.sets.as_slice() {
                [one] => self.set(one, item.clone(), pipe)?,
                [first, second] => {
                    self.set(first, key, pipe)?;
                    self.set(second, item.clone(), pipe)?;
                }
                _ => {}
            }
            if self.list(then, &item)? == Flow::Break {
                break;
            }
        }
        Ok(Flow::Next)
    }

    fn set(&mut self, name: &'a str, value: Value<'a>, pipe: &'a Pipe) -> Result<()> {
        let old = if pipe.declares { None } else { self.distance(name) };
        match old {
            Some(distance) => {
                self.charge(distance / BYTES_PER_STEP, place(pipe))?;
                let at = self.variables.len() - 1 - distance;
                self.variables[at].1 = value;
            }
            None => self.variables.push((name, value)),
        }
        Ok(())
    }

    /// How many variables came after the last of this name.
    fn distance(&self, name: &str) -> Option<usize> {
        self.variables.iter().rev().position(|(other, _)| *other == name)
    }

    fn pipe(&mut self, pipe: &'a Pipe, dot: &Value<'a>) -> Result<Value<'a>> {
        let value = self.commands(pipe, dot)?;
        for name in &pipe.sets {
            self.set(name, value.clone(), pipe)?;
        }
        Ok(value)
    }

    fn commands(&mut self, pipe: &'a Pipe, dot: &Value<'a>) -> Result<Value<'a>> {
        let mut piped = None;
        for command in &pipe.commands {
            self.charge(1, &command.place)?;
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

    fn call(&mut self, function: Function, mut args: Vec<Value<'a>>, command: &'a Command) -> Result<Value<'a>> {
        let name = function.name();
        let (least, most) = function.arity();
        if args.len() < least || args.len() > most {
            let want = if most == usize::MAX { format!("at least {least}") } else { least.to_string() };
            return Err(Failure::at(&command.place, format!("wrong number of args for {name}: want {want} got {}", args.len())));
        }
        let read: usize = args.iter().map(Value::weight).sum();
        self.charge(read / function.read_per_step(), &command.place)?;
        if function.takes_regex() && command.regex.is_none() {
            self.compile(args.first(), &command.place)?;
        }
        let regex = command.regex.as_ref().or(self.compiled.as_ref().map(|(_, regex)| regex));
        let made = function.run(&Call { cx: self.cx, regex }, &mut args).and_then(within_bounds).map_err(|message| {
            // A value of the wrong type is found before the call.
            let typed = message.starts_with("wrong type for value");
            Failure::at(&command.place, if typed { message } else { format!("error calling {name}: {message}") })
        })?;
        self.charge(made.weight() / function.made_per_step(), &command.place)?;
        Ok(made)
    }

    /// What does not compile is told by the call.
    fn compile(&mut self, pattern: Option<&Value<'a>>, place: &Place) -> Result<()> {
        let Some(Value::Text(pattern)) = pattern else { return Ok(()) };
        if self.compiled.as_ref().is_none_or(|(compiled, _)| compiled != pattern) {
            self.charge(COMPILE_STEPS, place)?;
            self.compiled = funcs::regex(pattern).ok().map(|regex| (pattern.to_string(), regex));
        }
        Ok(())
    }

    fn operand(&mut self, operand: &'a Operand, dot: &Value<'a>, place: &Place) -> Result<Value<'a>> {
        match operand {
            Operand::Dot => self.field(dot, &[], place),
            Operand::Nil => Ok(Value::Nil),
            Operand::Bool(value) => Ok(Value::Bool(*value)),
            Operand::Int(value) => Ok(Value::Int(*value)),
            Operand::Float(value) => Ok(Value::Float(*value)),
            Operand::Text(text) => Ok(Value::Text(Cow::Borrowed(text))),
            Operand::Field(path) => self.field(dot, path, place),
            Operand::Variable(name, path) if name == "$" => self.field(&Value::Labels(Labels(self.cx)), path, place),
            Operand::Variable(name, path) => match self.distance(name) {
                Some(distance) => {
                    self.charge(distance / BYTES_PER_STEP, place)?;
                    self.field(&self.variables[self.variables.len() - 1 - distance].1, path, place)
                }
                None => self.field(&Value::Nil, path, place),
            },
            Operand::Call(function) => {
                let (least, _) = function.arity();
                if least > 0 {
                    return Err(Failure::at(place, format!("wrong number of args for {}: want {least} got 0", function.name())));
                }
                let call = Call { cx: self.cx, regex: None };
                function.run(&call, &mut []).map_err(|message| Failure::at(place, format!("error calling {}: {message}", function.name())))
            }
            Operand::Pipe(pipe, path) => {
                let value = self.pipe(pipe, dot)?;
                if path.is_empty() { Ok(value) } else { self.field(&value, path, place) }
            }
        }
    }

    /// What lies at this path, copied.
    fn field(&self, value: &Value<'a>, path: &[String], place: &Place) -> Result<Value<'a>> {
        let Some((name, rest)) = path.split_first() else {
            self.charge(value.weight() / BYTES_PER_STEP, place)?;
            return Ok(value.clone());
        };
        match value {
            Value::Labels(labels) => self.field(&labels.get(name), rest, place),
            Value::Map(map) => self.field(map.get(name).unwrap_or(&Value::Nil), rest, place),
            Value::Nil => Err(Failure::at(place, format!("nil pointer evaluating interface {{}}.{name}"))),
            other => Err(Failure::at(place, format!("can't evaluate field {name} in type {}", other.kind()))),
        }
    }
}

/// Whatever a function makes of texts within bounds.
fn within_bounds(value: Value<'_>) -> std::result::Result<Value<'_>, String> {
    if let Value::Text(Cow::Owned(text)) = &value {
        format::check(text)?;
    }
    Ok(value)
}

const NOWHERE: &Place = &Place { line: 1, col: 0, part: String::new() };

/// A pipe always has a command.
fn place(pipe: &Pipe) -> &Place {
    pipe.commands.first().map_or(NOWHERE, |command| &command.place)
}
