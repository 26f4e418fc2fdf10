//! The tree of a query. Every node knows where it stands in the text; two nodes are equal whatever their place.

/// A place in the query's text, in bytes: `[start, end)`. Always equal to another, so that trees compare by meaning.
#[derive(Clone, Copy, Debug, Default)]
pub struct Span {
    pub start: u32,
    pub end: u32,
}

impl PartialEq for Span {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Span {}

#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    Log(LogExpr),
    Metric(MetricExpr),
}

/// `{app="x"} |= "y" | json`
#[derive(Clone, Debug, PartialEq)]
pub struct LogExpr {
    pub span: Span,
    pub selector: Selector,
    pub stages: Vec<Stage>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Selector {
    pub span: Span,
    pub matchers: Vec<Matcher>,
}

/// `name="value"` and its three sisters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matcher {
    pub span: Span,
    pub name: String,
    pub op: MatchOp,
    pub value: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MatchOp {
    Equal,
    NotEqual,
    Regex,
    NotRegex,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    pub span: Span,
    pub kind: StageKind,
}

#[derive(Clone, Debug, PartialEq)]
pub enum StageKind {
    Line(LineFilter),
    /// Without extractions: every field.
    Json(Vec<Extraction>),
    Logfmt {
        strict: bool,
        keep_empty: bool,
        extractions: Vec<Extraction>,
    },
    Pattern(String),
    Regexp(String),
    Unpack,
    Decolorize,
    Label(LabelFilter),
    /// A template.
    LineFormat(String),
    LabelFormat(Vec<LabelFormat>),
    Drop(Vec<LabelPick>),
    Keep(Vec<LabelPick>),
    Distinct(Vec<String>),
}

/// `label="expression"` of `json` and `logfmt`; `json status` is short for `json status="status"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extraction {
    pub span: Span,
    pub label: String,
    pub expression: String,
}

/// `|= "a" or "b"`: takes a line that has one of the needles; with a negative operator, one that has none of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineFilter {
    pub op: LineOp,
    /// Never empty.
    pub needles: Vec<Needle>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LineOp {
    /// `|=`
    Contains,
    /// `!=`
    NotContains,
    /// `|~`
    Regex,
    /// `!~`
    NotRegex,
    /// `|>`
    Pattern,
    /// `!>`
    NotPattern,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Needle {
    Text(String),
    /// `ip("…")`: an address, a range `a-b` or a CIDR prefix. Only with `|=` and `!=`.
    Ip(String),
}

#[derive(Clone, Debug, PartialEq)]
pub enum LabelFilter {
    /// Also written `,` or by two filters side by side.
    And(Box<LabelFilter>, Box<LabelFilter>),
    Or(Box<LabelFilter>, Box<LabelFilter>),
    Match(Matcher),
    Number {
        span: Span,
        name: String,
        op: CompareOp,
        value: f64,
    },
    Duration {
        span: Span,
        name: String,
        op: CompareOp,
        nanos: i64,
    },
    Bytes {
        span: Span,
        name: String,
        op: CompareOp,
        bytes: u64,
    },
    /// `name = ip("…")`; `equal` is false for `!=`.
    Ip {
        span: Span,
        name: String,
        equal: bool,
        pattern: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CompareOp {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelFormat {
    pub span: Span,
    pub target: String,
    pub value: FormatValue,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormatValue {
    /// `target=source`: the source label is renamed.
    Rename(String),
    Template(String),
}

/// What `drop` and `keep` name: a label, or a label only where it matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelPick {
    Name { span: Span, name: String },
    Match(Matcher),
}

#[derive(Clone, Debug, PartialEq)]
pub enum MetricExpr {
    Range(RangeAggregation),
    Vector(VectorAggregation),
    Binary(Binary),
    LabelReplace(LabelReplace),
    /// A number; a scalar.
    Literal {
        span: Span,
        value: f64,
    },
    /// `vector(n)`
    VectorOf {
        span: Span,
        value: f64,
    },
}

/// `rate({…} | … | unwrap x [5m] offset 1h) by (y)`
#[derive(Clone, Debug, PartialEq)]
pub struct RangeAggregation {
    pub span: Span,
    pub op: RangeOp,
    /// The quantile of `quantile_over_time`.
    pub param: Option<f64>,
    pub log: LogExpr,
    pub unwrap: Option<Unwrap>,
    pub range_ns: i64,
    /// Positive looks back.
    pub offset_ns: i64,
    pub grouping: Option<Grouping>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RangeOp {
    Count,
    Rate,
    RateCounter,
    Bytes,
    BytesRate,
    Avg,
    Sum,
    Min,
    Max,
    Stdvar,
    Stddev,
    Quantile,
    First,
    Last,
    Absent,
}

/// `| unwrap duration(took) | __error__=""`
#[derive(Clone, Debug, PartialEq)]
pub struct Unwrap {
    pub span: Span,
    pub label: String,
    pub convert: Option<Convert>,
    /// Filters behind `unwrap`.
    pub filters: Vec<LabelFilter>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Convert {
    Duration,
    DurationSeconds,
    Bytes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grouping {
    /// `without` where true, `by` where false.
    pub without: bool,
    pub labels: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct VectorAggregation {
    pub span: Span,
    pub op: VectorOp,
    /// The `k` of `topk`, `bottomk` and `approx_topk`.
    pub param: Option<u64>,
    pub grouping: Option<Grouping>,
    pub inner: Box<MetricExpr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VectorOp {
    Sum,
    Avg,
    Min,
    Max,
    Count,
    Stddev,
    Stdvar,
    Topk,
    Bottomk,
    ApproxTopk,
    Sort,
    SortDesc,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Binary {
    pub span: Span,
    pub op: BinaryOp,
    /// `bool` behind a comparison: 0 or 1 in place of a filter.
    pub return_bool: bool,
    pub matching: Option<Matching>,
    pub left: Box<MetricExpr>,
    pub right: Box<MetricExpr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    Or,
    And,
    Unless,
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

/// `on (a) group_left (b)`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matching {
    /// `on` where true, `ignoring` where false.
    pub on: bool,
    pub labels: Vec<String>,
    pub group: Option<Group>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// `group_left` where true: the left side has many.
    pub left: bool,
    /// Labels taken over from the side that has one.
    pub include: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct LabelReplace {
    pub span: Span,
    pub inner: Box<MetricExpr>,
    pub dst: String,
    pub replacement: String,
    pub src: String,
    pub regex: String,
}
