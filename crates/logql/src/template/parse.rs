//! Words to nodes.

use std::collections::BTreeSet;

use regex::Regex;

use super::{
    funcs::{self, Function},
    lex::{Item, Word, lex},
};

/// Blocks within blocks and brackets within brackets.
const MAX_DEPTH: usize = 64;
/// Patterns that stand in one template: each is compiled with it.
const MAX_REGEXES: usize = 128;

#[derive(Clone, Debug)]
pub enum Node {
    Text(String),
    Action(Pipe),
    If { pipe: Pipe, then: Vec<Node>, or: Vec<Node> },
    With { pipe: Pipe, then: Vec<Node>, or: Vec<Node> },
    Range { pipe: Pipe, then: Vec<Node>, or: Vec<Node> },
    Break,
    Continue,
}

#[derive(Clone, Debug)]
pub struct Pipe {
    /// Variables it sets, their dollars included.
    pub sets: Vec<String>,
    /// `:=` where true, `=` where false.
    pub declares: bool,
    pub commands: Vec<Command>,
}

#[derive(Clone, Debug)]
pub struct Command {
    pub first: Operand,
    pub rest: Vec<Operand>,
    /// The pattern, where it is written in the template.
    pub regex: Option<Regex>,
    pub place: Place,
}

/// For errors.
#[derive(Clone, Debug)]
pub struct Place {
    pub line: usize,
    pub col: usize,
    pub part: String,
}

#[derive(Clone, Debug)]
pub enum Operand {
    Dot,
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Field(Vec<String>),
    Variable(String, Vec<String>),
    Call(Function),
    Pipe(Box<Pipe>, Vec<String>),
}

pub struct Parsed {
    pub nodes: Vec<Node>,
    pub labels: Option<BTreeSet<String>>,
    pub uses_line: bool,
    pub regexes: usize,
}

type Result<T> = std::result::Result<T, (usize, String)>;

/// # Errors
/// The line, from 1, and what is wrong there.
pub fn parse(text: &str) -> Result<Parsed> {
    let items = lex(text);
    let mut parser = Parser {
        text,
        items,
        at: 0,
        depth: 0,
        loops: 0,
        variables: vec!["$".into()],
        labels: Some(BTreeSet::new()),
        uses_line: false,
        regexes: 0,
    };
    let (nodes, end) = parser.list()?;
    if end != Ended::Text {
        return parser.fail(format!("unexpected {{{{{}}}}}", if end == Ended::Else { "else" } else { "end" }));
    }
    Ok(Parsed { nodes, labels: parser.labels, uses_line: parser.uses_line, regexes: parser.regexes })
}

#[derive(Clone, Copy, PartialEq)]
enum Ended {
    Text,
    End,
    Else,
}

struct Parser<'a> {
    text: &'a str,
    items: Vec<Item>,
    at: usize,
    depth: usize,
    loops: usize,
    variables: Vec<String>,
    labels: Option<BTreeSet<String>>,
    uses_line: bool,
    regexes: usize,
}

impl Parser<'_> {
    fn item(&self) -> &Item {
        &self.items[self.at.min(self.items.len() - 1)]
    }

    fn word(&self) -> &Word {
        &self.item().word
    }

    fn next(&mut self) -> Word {
        let word = self.word().clone();
        self.at = (self.at + 1).min(self.items.len());
        word
    }

    fn skip_space(&mut self) {
        while self.word() == &Word::Space {
            self.at += 1;
        }
    }

    fn line(&self) -> usize {
        1 + self.text[..self.item().at.min(self.text.len())].matches('\n').count()
    }

    fn fail<T>(&self, message: impl Into<String>) -> Result<T> {
        Err((self.line(), message.into()))
    }

    /// The word here does not belong here.
    fn unexpected<T>(&self, context: &str) -> Result<T> {
        match self.word() {
            Word::Wrong(message) => self.fail(message.clone()),
            Word::End => self.fail("unexpected EOF"),
            Word::Close => self.fail(format!("unexpected \"}}}}\" in {context}")),
            _ => {
                let item = self.item();
                let text = self.text.get(item.at..item.at + item.len).unwrap_or_default();
                self.fail(format!("unexpected {} in {context}", crate::syntax::quote(text)))
            }
        }
    }

    /// Nodes up to `{{end}}`, `{{else` or the end of the text.
    fn list(&mut self) -> Result<(Vec<Node>, Ended)> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self.fail(format!("blocks nest deeper than {MAX_DEPTH} levels"));
        }
        let mut nodes = Vec::new();
        let ended = loop {
            match self.next() {
                Word::Text(text) => nodes.push(Node::Text(text)),
                Word::End => break Ended::Text,
                Word::Open => {
                    self.skip_space();
                    let keyword = if let Word::Name(name) = self.word() { name.clone() } else { String::new() };
                    match keyword.as_str() {
                        "end" => {
                            self.at += 1;
                            self.close("end")?;
                            break Ended::End;
                        }
                        "else" => {
                            self.at += 1;
                            break Ended::Else;
                        }
                        "if" | "with" | "range" => {
                            self.at += 1;
                            nodes.push(self.block(&keyword)?);
                        }
                        "break" | "continue" => {
                            if self.loops == 0 {
                                return self.fail(format!("{{{{{keyword}}}}} outside {{{{range}}}}"));
                            }
                            self.at += 1;
                            self.close(&keyword)?;
                            nodes.push(if keyword == "break" { Node::Break } else { Node::Continue });
                        }
                        "define" | "template" | "block" => return self.fail(format!("{keyword} is not supported")),
                        _ => {
                            let pipe = self.pipe("command", false)?;
                            self.close("command")?;
                            nodes.push(Node::Action(pipe));
                        }
                    }
                }
                _ => {
                    self.at = self.at.saturating_sub(1);
                    return self.unexpected("input");
                }
            }
        };
        self.depth -= 1;
        Ok((nodes, ended))
    }

    fn close(&mut self, context: &str) -> Result<()> {
        self.skip_space();
        if self.word() == &Word::Close {
            self.at += 1;
            return Ok(());
        }
        self.unexpected(context)
    }

    /// Behind `if`, `with` or `range`.
    fn block(&mut self, keyword: &str) -> Result<Node> {
        let scope = self.variables.len();
        let pipe = self.pipe(keyword, keyword == "range")?;
        self.close(keyword)?;
        self.loops += usize::from(keyword == "range");
        let (then, ended) = self.list()?;
        self.loops -= usize::from(keyword == "range");
        let mut or = Vec::new();
        match ended {
            Ended::Text => return self.fail("unexpected EOF"),
            Ended::End => {}
            Ended::Else => {
                self.skip_space();
                let chained = matches!(self.word(), Word::Name(name) if name == keyword && keyword != "range");
                if chained {
                    self.at += 1;
                    self.depth += 1;
                    if self.depth > MAX_DEPTH {
                        return self.fail(format!("blocks nest deeper than {MAX_DEPTH} levels"));
                    }
                    or.push(self.block(keyword)?);
                    self.depth -= 1;
                } else {
                    self.close("else")?;
                    let (nodes, ended) = self.list()?;
                    match ended {
                        Ended::End => or = nodes,
                        Ended::Text => return self.fail("unexpected EOF"),
                        Ended::Else => return self.fail("expected end; found {{else}}"),
                    }
                }
            }
        }
        self.variables.truncate(scope);
        Ok(match keyword {
            "if" => Node::If { pipe, then, or },
            "with" => Node::With { pipe, then, or },
            _ => Node::Range { pipe, then, or },
        })
    }

    fn pipe(&mut self, context: &str, ranges: bool) -> Result<Pipe> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self.fail(format!("pipelines nest deeper than {MAX_DEPTH} levels"));
        }
        let (sets, declares) = self.declaration(ranges)?;
        let mut commands = Vec::new();
        loop {
            self.skip_space();
            match self.word() {
                Word::Close | Word::Sign(")") => break,
                _ => {}
            }
            let command = self.command(context)?;
            if !commands.is_empty()
                && !matches!(command.first, Operand::Call(_))
                && !matches!(command.first, Operand::Field(_) | Operand::Variable(..) | Operand::Pipe(..))
            {
                return self.fail(format!("non executable command in pipeline stage {}", commands.len() + 1));
            }
            commands.push(command);
            self.skip_space();
            if self.word() == &Word::Sign("|") {
                self.at += 1;
                self.skip_space();
                if matches!(self.word(), Word::Close | Word::Sign(")")) {
                    return self.fail(format!("missing value for {context}"));
                }
            } else {
                break;
            }
        }
        if commands.is_empty() {
            return self.fail(format!("missing value for {context}"));
        }
        for name in &sets {
            if declares {
                self.variables.push(name.clone());
            }
        }
        self.depth -= 1;
        Ok(Pipe { sets, declares, commands })
    }

    /// `$x :=`, `$x =`, `$k, $v :=`
    fn declaration(&mut self, ranges: bool) -> Result<(Vec<String>, bool)> {
        self.skip_space();
        let start = self.at;
        let mut sets = Vec::new();
        while let Word::Variable(name) = self.word() {
            sets.push(name.clone());
            self.at += 1;
            self.skip_space();
            match self.word() {
                Word::Sign(",") if ranges && sets.len() == 1 => {
                    self.at += 1;
                    self.skip_space();
                }
                Word::Sign(sign @ (":=" | "=")) => {
                    let declares = *sign == ":=";
                    if !declares && let Some(name) = sets.iter().find(|name| !self.variables.contains(name)) {
                        return self.fail(format!("undefined variable {}", crate::syntax::quote(name)));
                    }
                    self.at += 1;
                    return Ok((sets, declares));
                }
                _ => break,
            }
        }
        self.at = start;
        Ok((Vec::new(), false))
    }

    fn command(&mut self, context: &str) -> Result<Command> {
        let (start, at) = (self.at, self.item().at);
        let mut operands = Vec::new();
        loop {
            self.skip_space();
            match self.word() {
                Word::Close | Word::Sign("|" | ")") => break,
                _ => operands.push(self.operand(if start == self.at { context } else { "operand" })?),
            }
            if !matches!(self.word(), Word::Space | Word::Close | Word::Sign("|" | ")")) {
                return self.unexpected("operand");
            }
        }
        let end = self.item().at;
        let mut operands = operands.into_iter();
        let Some(first) = operands.next() else { return self.fail("empty command") };
        let rest: Vec<Operand> = operands.collect();
        let part = self.text.get(at..end).unwrap_or_default().trim();
        let col = at - self.text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let line = 1 + self.text[..at].matches('\n').count();
        if !rest.is_empty() && !matches!(first, Operand::Call(_)) {
            return self.fail(format!("can't give argument to non-function {part}"));
        }
        let regex = match (&first, rest.first()) {
            (Operand::Call(function), Some(Operand::Text(pattern))) if function.takes_regex() => {
                self.regexes += 1;
                if self.regexes > MAX_REGEXES {
                    return self.fail(format!("template has more than {MAX_REGEXES} regular expressions"));
                }
                funcs::regex(pattern).ok()
            }
            _ => None,
        };
        // As Go cuts them.
        let part = if part.chars().count() > 20 { part.chars().take(20).chain("...".chars()).collect() } else { part.to_owned() };
        Ok(Command { first, rest, regex, place: Place { line, col, part } })
    }

    fn operand(&mut self, context: &str) -> Result<Operand> {
        let operand = match self.word().clone() {
            Word::Field(name) if name.is_empty() => {
                self.labels = None;
                self.at += 1;
                Operand::Dot
            }
            Word::Field(_) => {
                let path = self.fields();
                if let (Some(labels), Some(first)) = (&mut self.labels, path.first()) {
                    labels.insert(first.clone());
                }
                return Ok(Operand::Field(path));
            }
            Word::Variable(name) => {
                if !self.variables.contains(&name) {
                    return self.fail(format!("undefined variable {}", crate::syntax::quote(&name)));
                }
                self.at += 1;
                let path = self.fields();
                if name == "$" {
                    match (&mut self.labels, path.first()) {
                        (Some(labels), Some(first)) => {
                            labels.insert(first.clone());
                        }
                        _ => self.labels = None,
                    }
                }
                return Ok(Operand::Variable(name, path));
            }
            Word::Quoted(text) => {
                self.at += 1;
                Operand::Text(text)
            }
            Word::Char(c) => {
                self.at += 1;
                Operand::Int(i64::from(u32::from(c)))
            }
            Word::Number(text) => {
                let Some(number) = number(&text) else { return self.fail(format!("bad number syntax: {}", crate::syntax::quote(&text))) };
                self.at += 1;
                number
            }
            Word::Sign("(") => {
                self.at += 1;
                let pipe = self.pipe("parenthesized pipeline", false)?;
                self.skip_space();
                if self.word() != &Word::Sign(")") {
                    return self.unexpected("parenthesized pipeline");
                }
                self.at += 1;
                return Ok(Operand::Pipe(Box::new(pipe), self.fields()));
            }
            Word::Name(name) => match name.as_str() {
                "true" | "false" => {
                    self.at += 1;
                    Operand::Bool(name == "true")
                }
                "nil" => {
                    self.at += 1;
                    Operand::Nil
                }
                _ => {
                    let Some(function) = Function::named(&name) else {
                        return self.fail(format!("function {} not defined", crate::syntax::quote(&name)));
                    };
                    self.uses_line |= name == "__line__";
                    self.at += 1;
                    Operand::Call(function)
                }
            },
            _ => return self.unexpected(context),
        };
        Ok(operand)
    }

    fn fields(&mut self) -> Vec<String> {
        let mut path = Vec::new();
        while let Word::Field(name) = self.word()
            && !name.is_empty()
        {
            path.push(name.clone());
            self.at += 1;
        }
        path
    }
}

fn number(text: &str) -> Option<Operand> {
    let plain = text.replace('_', "");
    let (negative, digits) = plain.strip_prefix('-').map_or((false, plain.strip_prefix('+').unwrap_or(&plain)), |digits| (true, digits));
    let radix = |prefix: [&str; 2], radix| {
        let digits = prefix.iter().find_map(|prefix| digits.strip_prefix(prefix))?;
        i64::from_str_radix(digits, radix).ok()
    };
    let whole = radix(["0x", "0X"], 16).or_else(|| radix(["0b", "0B"], 2)).or_else(|| radix(["0o", "0O"], 8));
    if let Some(whole) = whole {
        return Some(Operand::Int(if negative { -whole } else { whole }));
    }
    if let Ok(whole) = plain.trim_start_matches('+').parse::<i64>() {
        return Some(Operand::Int(whole));
    }
    let float = plain.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+')) && !plain.contains(['n', 'N']);
    plain.parse::<f64>().ok().filter(|value| float && value.is_finite()).map(Operand::Float)
}
