//! What repeats: lines grouped by their shape, with `<_>` where they differ. The algorithm is Drain (He, Zhu, Zheng, Lyu:
//! «Drain: An Online Log Parsing Approach with Fixed Depth Tree», ICWS 2017): a tree by length and leading words leads to a
//! few candidates, of which the most similar takes the line. Numbers and the like lead into one branch. Memory is bounded:
//! the least recently used groups go.

use std::collections::{HashMap, VecDeque};

mod series;
mod tokens;

pub use series::{PatternSeries, Patterns, merge};
use tokens::{Shape, Tokens};

/// Stands for whatever differs; LogQL's `|>` reads it.
pub const WILD: &str = "<_>";

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// Words that lead through the tree. Lines that differ in one of them never share a group.
    pub depth: usize,
    /// Share of equal words, of all, from which a line belongs to a group.
    pub similarity: f64,
    /// Branches of a node; further words share the wild one.
    pub max_children: usize,
    pub max_clusters: usize,
    /// Longer lines are left out.
    pub max_line_bytes: usize,
    /// Lines with more words are left out.
    pub max_tokens: usize,
    /// Lines are counted by steps of this length.
    pub step_ns: i64,
    /// Steps that a group remembers, the newest.
    pub max_steps: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            depth: 30,
            similarity: 0.3,
            max_children: 15,
            max_clusters: 300,
            max_line_bytes: 3_000,
            max_tokens: 128,
            step_ns: 10_000_000_000,
            max_steps: 2_160,
        }
    }
}

/// A pattern and its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    pub pattern: String,
    pub lines: u64,
    /// Starts of steps in nanoseconds, ascending, and the lines within.
    pub steps: Vec<(i64, u64)>,
}

/// Groups lines.
#[derive(Debug)]
pub struct Drain {
    config: Config,
    nodes: Vec<Node>,
    roots: HashMap<(Shape, usize), u32>,
    clusters: Vec<Cluster>,
    tick: u64,
    tokens: Tokens,
}

#[derive(Debug, Default)]
struct Node {
    children: HashMap<Box<str>, u32>,
    clusters: Vec<u32>,
}

#[derive(Debug)]
struct Cluster {
    shape: Shape,
    /// `None` is wild.
    template: Vec<Option<Box<str>>>,
    /// What stood before each word in the group's first line, and behind the last.
    gaps: Vec<Box<str>>,
    /// Keys through the tree.
    path: Vec<Box<str>>,
    lines: u64,
    steps: VecDeque<(i64, u64)>,
    used: u64,
}

impl Drain {
    pub fn new(config: Config) -> Self {
        Self { config, nodes: Vec::new(), roots: HashMap::new(), clusters: Vec::new(), tick: 0, tokens: Tokens::default() }
    }

    /// Takes a line in. `at` is in nanoseconds.
    pub fn train(&mut self, line: &str, at: i64) {
        if line.len() > self.config.max_line_bytes {
            return;
        }
        let mut tokens = std::mem::take(&mut self.tokens);
        if tokens.read(line, self.config.max_tokens) {
            self.tick += 1;
            let node = self.descend(line, &tokens);
            let cluster = match self.most_similar(node, line, &tokens) {
                Some(cluster) => cluster,
                None => self.add(line, &tokens),
            };
            let (tick, step_ns, max_steps) = (self.tick, self.config.step_ns.max(1), self.config.max_steps);
            let cluster = &mut self.clusters[cluster];
            cluster.used = tick;
            cluster.lines += 1;
            cluster.absorb(line, &tokens);
            cluster.count(at - at.rem_euclid(step_ns), max_steps);
        }
        self.tokens = tokens;
    }

    /// All groups, the largest first.
    pub fn patterns(&self) -> Vec<Pattern> {
        let mut patterns: Vec<_> = self.clusters.iter().map(Cluster::pattern).collect();
        patterns.sort_by(|left, right| right.lines.cmp(&left.lines).then_with(|| left.pattern.cmp(&right.pattern)));
        patterns
    }

    fn descend(&self, line: &str, tokens: &Tokens) -> Option<u32> {
        let mut node = *self.roots.get(&(tokens.shape, tokens.len()))?;
        for token in tokens.iter(line).take(self.config.depth) {
            let children = &self.nodes[node as usize].children;
            let child = if is_variable(token) { None } else { children.get(token) };
            node = *child.or_else(|| children.get(WILD))?;
        }
        Some(node)
    }

    fn most_similar(&self, node: Option<u32>, line: &str, tokens: &Tokens) -> Option<usize> {
        let candidates = self.nodes[node? as usize].clusters.iter().map(|&cluster| cluster as usize);
        let scored = candidates.map(|cluster| (self.clusters[cluster].equal_tokens(line, tokens), cluster));
        let (equal, cluster) = scored.max_by_key(|(equal, cluster)| (*equal, std::cmp::Reverse(*cluster)))?;
        (equal as f64 >= self.config.similarity * tokens.len() as f64).then_some(cluster)
    }

    fn add(&mut self, line: &str, tokens: &Tokens) -> usize {
        let mut cluster = Cluster::new(line, tokens);
        let place = if self.clusters.len() < self.config.max_clusters.max(1) {
            self.clusters.len()
        } else {
            let (oldest, _) = self.clusters.iter().enumerate().min_by_key(|(_, cluster)| cluster.used).expect("there is at least one");
            self.forget(oldest);
            oldest
        };
        self.link(&mut cluster, line, tokens, place);
        if place < self.clusters.len() {
            self.clusters[place] = cluster
        } else {
            self.clusters.push(cluster)
        }
        // Forgotten groups leave branches behind.
        if self.nodes.len() > 4 * self.config.max_clusters.max(1) * (self.config.depth + 1) {
            self.rebuild();
        }
        place
    }

    fn link(&mut self, cluster: &mut Cluster, line: &str, tokens: &Tokens, place: usize) {
        let mut node = self.root(cluster.shape, cluster.template.len());
        for token in tokens.iter(line).take(self.config.depth) {
            let known = &self.nodes[node as usize].children;
            let full = known.len() >= self.config.max_children && !known.contains_key(token);
            let key = if full || is_variable(token) { WILD } else { token };
            node = self.child(node, key);
            cluster.path.push(key.into());
        }
        self.nodes[node as usize].clusters.push(place as u32);
    }

    fn root(&mut self, shape: Shape, len: usize) -> u32 {
        let nodes = &mut self.nodes;
        *self.roots.entry((shape, len)).or_insert_with(|| {
            nodes.push(Node::default());
            nodes.len() as u32 - 1
        })
    }

    fn child(&mut self, node: u32, key: &str) -> u32 {
        if let Some(&child) = self.nodes[node as usize].children.get(key) {
            return child;
        }
        let child = self.nodes.len() as u32;
        self.nodes.push(Node::default());
        self.nodes[node as usize].children.insert(key.into(), child);
        child
    }

    fn forget(&mut self, place: usize) {
        let cluster = &self.clusters[place];
        let Some(mut node) = self.roots.get(&(cluster.shape, cluster.template.len())).copied() else { return };
        for key in &cluster.path {
            let Some(&child) = self.nodes[node as usize].children.get(key) else { return };
            node = child;
        }
        self.nodes[node as usize].clusters.retain(|&other| other as usize != place);
    }

    fn rebuild(&mut self) {
        self.nodes.clear();
        self.roots.clear();
        for place in 0..self.clusters.len() {
            let (shape, len) = (self.clusters[place].shape, self.clusters[place].template.len());
            let path = std::mem::take(&mut self.clusters[place].path);
            let mut node = self.root(shape, len);
            for key in &path {
                node = self.child(node, key);
            }
            self.nodes[node as usize].clusters.push(place as u32);
            self.clusters[place].path = path;
        }
    }
}

/// Words with digits change from line to line.
fn is_variable(token: &str) -> bool {
    token.bytes().any(|byte| byte.is_ascii_digit())
}

impl Cluster {
    fn new(line: &str, tokens: &Tokens) -> Self {
        Self {
            shape: tokens.shape,
            template: tokens.iter(line).map(|token| Some(token.into())).collect(),
            gaps: tokens.gaps(line).map(Into::into).collect(),
            path: Vec::new(),
            lines: 0,
            steps: VecDeque::new(),
            used: 0,
        }
    }

    fn equal_tokens(&self, line: &str, tokens: &Tokens) -> usize {
        self.template.iter().zip(tokens.iter(line)).filter(|(known, token)| known.as_deref() == Some(*token)).count()
    }

    fn absorb(&mut self, line: &str, tokens: &Tokens) {
        for (known, token) in self.template.iter_mut().zip(tokens.iter(line)) {
            if known.as_deref().is_some_and(|known| known != token) {
                *known = None;
            }
        }
    }

    fn count(&mut self, step: i64, max_steps: usize) {
        // Lines come about in order.
        let place = self.steps.iter().rposition(|(known, _)| *known <= step);
        match place {
            Some(at) if self.steps[at].0 == step => self.steps[at].1 += 1,
            Some(at) => self.steps.insert(at + 1, (step, 1)),
            None if self.steps.len() >= max_steps && max_steps > 0 => {}
            None => self.steps.push_front((step, 1)),
        }
        if self.steps.len() > max_steps {
            self.steps.pop_front();
        }
    }

    fn pattern(&self) -> Pattern {
        let json = self.shape == Shape::Json;
        let mut pattern = String::new();
        for (at, token) in self.template.iter().enumerate() {
            // The words of a JSON line are those of its message: there is something before and behind.
            if at > 0 || !json {
                pattern.push_str(&self.gaps[at]);
            }
            match token {
                Some(token) => pattern.push_str(token),
                None if pattern.ends_with(WILD) => {}
                None => pattern.push_str(WILD),
            }
        }
        if json {
            pattern = format!("{WILD}{pattern}{WILD}").replace("<_><_>", WILD);
        } else if let Some(tail) = self.gaps.last() {
            pattern.push_str(tail);
        }
        Pattern { pattern, lines: self.lines, steps: self.steps.iter().copied().collect() }
    }
}

#[cfg(test)]
mod tests;
