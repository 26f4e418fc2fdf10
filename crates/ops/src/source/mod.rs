//! What the use-cases need from the world, as traits by ability. The server implements them over Docker, files and SQL.

pub mod engine;
#[cfg(any(test, feature = "testing"))]
pub mod ram;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use async_trait::async_trait;
use model::{
    Direction, EntryId, Labels, Level, Permission, Role, ScanStats, ServiceKind, ServiceStatus, StreamHash, TimeRange, Timestamp,
    searches::{SavedSearch, Searches},
    status::{Part, SystemInfo},
};

use crate::{
    access::{AuditEvent, AuditRecord, Scope},
    logs::{Filter, Selector},
};

/// What makes a service one: where it runs, what it belongs to, and its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceKey {
    pub host: String,
    pub project: Option<String>,
    pub name: String,
    pub kind_file: bool,
}

/// One stream of lines: all its lines share these labels.
#[derive(Debug, PartialEq, Eq)]
pub struct Stream {
    pub key: ServiceKey,
    pub labels: Arc<Labels>,
    /// `labels.hash64()`, kept.
    pub hash: StreamHash,
}

impl Stream {
    pub fn new(key: ServiceKey, labels: Labels) -> Self {
        let hash = labels.hash64();
        Self { key, labels: Arc::new(labels), hash }
    }
}

/// One physical line as it was collected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub id: EntryId,
    pub stream: Arc<Stream>,
    pub text: Arc<str>,
    pub level: Level,
    /// The head of its group; its own id where it stands alone.
    pub group: EntryId,
}

/// A service as its source knows it; counters and the id are added by the use-case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceService {
    pub key: ServiceKey,
    pub kind: ServiceKind,
    /// At least one: who sees none of them does not see the service.
    pub members: Vec<Member>,
}

/// A container or file of a service, or what came of it without saying whence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The container's name or the file's path, where it is known.
    pub name: Option<String>,
    /// Of its streams, at least those that a scope may name.
    pub labels: Arc<Labels>,
    pub status: ServiceStatus,
}

impl SourceService {
    /// Services out of their members, by key. What has the same name and labels is one member, in its liveliest state, as a
    /// container that was made anew.
    pub fn gather(members: impl IntoIterator<Item = (ServiceKey, ServiceKind, Member)>) -> Vec<Self> {
        let mut services: BTreeMap<ServiceKey, Self> = BTreeMap::new();
        let mut places: HashMap<(ServiceKey, Option<String>, StreamHash), usize> = HashMap::new();
        for (key, kind, member) in members {
            let service = services.entry(key.clone()).or_insert_with(|| Self { key: key.clone(), kind, members: Vec::new() });
            let place = *places.entry((key, member.name.clone(), member.labels.hash64())).or_insert(service.members.len());
            match service.members.get_mut(place) {
                Some(known) if liveliness(member.status) > liveliness(known.status) => known.status = member.status,
                Some(_) => {}
                None => service.members.push(member),
            }
        }
        services.into_values().collect()
    }

    /// That of its liveliest member.
    pub fn status(&self) -> ServiceStatus {
        let status = self.members.iter().map(|member| member.status).max_by_key(|status| liveliness(*status));
        status.unwrap_or(ServiceStatus::Removed)
    }

    /// Its members' names, each once.
    pub fn names(self) -> Vec<String> {
        let mut told = HashSet::new();
        self.members.into_iter().filter_map(|member| member.name).filter(|name| told.insert(name.clone())).collect()
    }
}

fn liveliness(status: ServiceStatus) -> u8 {
    match status {
        ServiceStatus::Unreachable => 5,
        ServiceStatus::Running => 4,
        ServiceStatus::Restarting => 3,
        ServiceStatus::Paused => 2,
        ServiceStatus::Exited => 1,
        ServiceStatus::Removed => 0,
    }
}

/// What to look for.
#[derive(Clone, Debug)]
pub struct LogPlan {
    pub selector: Selector,
    /// Only this stream, where set.
    pub stream: Option<StreamHash>,
    pub range: TimeRange,
    /// Exclusive: only lines behind this one in `direction`.
    pub cursor: Option<EntryId>,
    pub direction: Direction,
    /// Lines wanted at most; at least 1.
    pub limit: usize,
    pub filter: Arc<Filter>,
    /// Only streams within, where set.
    pub scope: Option<Arc<Scope>>,
}

impl LogPlan {
    /// Whether a line is inside range, cursor, stream and filter.
    pub fn takes(&self, line: &Line) -> bool {
        self.in_bounds(line.id)
            && self.scope.as_ref().is_none_or(|scope| scope.admits(&line.stream.labels))
            && self.stream.is_none_or(|stream| stream == line.id.stream)
            && self.filter.matches(line.level, &line.text)
    }

    pub fn in_bounds(&self, id: EntryId) -> bool {
        self.range.contains(id.at)
            && self.cursor.is_none_or(|cursor| match self.direction {
                Direction::Forward => id > cursor,
                Direction::Backward => id < cursor,
            })
    }
}

/// How far a batch reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frontier {
    /// There is nothing behind these lines.
    Exhausted,
    /// Everything that matches up to and including this id (in the plan's direction) is in the batch; behind it there
    /// may be more.
    Upto(EntryId),
}

/// Matching lines in the plan's direction.
#[derive(Debug)]
pub struct Batch {
    pub lines: Vec<Line>,
    pub frontier: Frontier,
    pub stats: ScanStats,
}

#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("does not answer")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("too slow")]
    TooSlow,
    #[error("{0}")]
    Failed(String),
}

/// Something that holds log lines.
#[async_trait]
pub trait LogSource: Send + Sync {
    /// For warnings: `docker local`, `files`.
    fn name(&self) -> String;

    /// What logs there now, and what is known to have logged since the start.
    fn services(&self) -> Vec<SourceService>;

    /// How it is doing.
    fn part(&self) -> Part;

    /// Whether it keeps what all the others have: where one does, only it is searched.
    fn is_history(&self) -> bool {
        false
    }

    /// The lines the plan asks for, sorted by id in its direction, no line twice.
    ///
    /// # Errors
    /// [`SourceError`]; the use-case turns it into a warning where other sources answered.
    async fn search(&self, plan: &LogPlan) -> Result<Batch, SourceError>;
}

/// The machine and the process, for the overview.
#[async_trait]
pub trait System: Send + Sync {
    async fn info(&self) -> SystemInfo;
    /// Parts that are no log source: database, disk, TLS.
    async fn parts(&self) -> Vec<Part>;
}

/// A stored account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub id: String,
    pub username: String,
    pub role: Role,
    pub disabled: bool,
    /// The selector of what they see; `None`: everything.
    pub scope: Option<String>,
    /// An Argon2id PHC string.
    pub password_hash: String,
    pub created: Timestamp,
    pub last_sign_in: Option<Timestamp>,
}

/// A stored session. `key` is SHA-256 of the cookie's id in hexadecimal; the id itself is never stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSession {
    pub key: String,
    pub user_id: String,
    pub username: String,
    pub created: Timestamp,
    pub last_seen: Timestamp,
    pub expires: Timestamp,
    pub address: String,
    pub user_agent: String,
}

/// A stored token. `key` is SHA-256 of its text in hexadecimal; the text itself is never stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredToken {
    pub key: String,
    pub user_id: String,
    pub username: String,
    /// Its own among the owner's.
    pub name: String,
    pub permissions: Vec<Permission>,
    /// The selector of what it sees of what its owner sees; `None`: all of that.
    pub scope: Option<String>,
    pub created: Timestamp,
    /// `None`: never.
    pub expires: Option<Timestamp>,
    pub last_used: Option<Timestamp>,
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the name `{0}` is taken")]
    Taken(String),
    #[error("the last enabled administrator must stay one")]
    LastAdmin,
    #[error("no space left")]
    Full,
    #[error("the database failed")]
    Other(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Users, sessions, searches, audit. Each change and its audit record are one transaction.
#[async_trait]
pub trait Store: Send + Sync {
    async fn user_count(&self) -> Result<u64, StoreError>;
    /// By name, without regard to case.
    async fn user_by_name(&self, username: &str) -> Result<Option<User>, StoreError>;
    async fn users(&self) -> Result<Vec<User>, StoreError>;
    /// # Errors
    /// [`StoreError::Taken`].
    async fn user_create(&self, user: &User, event: AuditEvent) -> Result<(), StoreError>;
    /// Creates the user only if there is none at all; `false` where somebody was first.
    async fn user_create_first(&self, user: &User, event: AuditEvent) -> Result<bool, StoreError>;
    async fn user_set_password(&self, id: &str, password_hash: &str, event: AuditEvent) -> Result<(), StoreError>;
    /// # Errors
    /// [`StoreError::LastAdmin`].
    /// `None`: everything.
    async fn user_set_scope(&self, id: &str, scope: Option<&str>, event: AuditEvent) -> Result<(), StoreError>;
    async fn user_set_role(&self, id: &str, role: Role, event: AuditEvent) -> Result<(), StoreError>;
    /// Disabling also deletes the user's sessions.
    ///
    /// # Errors
    /// [`StoreError::LastAdmin`].
    async fn user_set_disabled(&self, id: &str, disabled: bool, event: AuditEvent) -> Result<(), StoreError>;
    async fn user_signed_in(&self, id: &str, at: Timestamp, event: AuditEvent) -> Result<(), StoreError>;

    /// The enabled user of a session that has not expired.
    async fn session_user(&self, key: &str, now: Timestamp) -> Result<Option<User>, StoreError>;
    /// Sessions that have not expired, newest first; of everybody where `user_id` is `None`.
    async fn sessions(&self, user_id: Option<&str>, now: Timestamp) -> Result<Vec<StoredSession>, StoreError>;
    /// `false` where there was none.
    async fn session_delete(&self, key: &str, event: AuditEvent) -> Result<bool, StoreError>;
    /// All sessions of a user but `except`.
    async fn sessions_delete(&self, user_id: &str, except: Option<&str>, event: AuditEvent) -> Result<(), StoreError>;

    /// # Errors
    /// [`StoreError::Taken`] where the owner has a token of that name.
    async fn token_create(&self, token: &StoredToken, event: AuditEvent) -> Result<(), StoreError>;
    /// A token that has not expired, and its enabled owner.
    async fn token_user(&self, key: &str, now: Timestamp) -> Result<Option<(StoredToken, User)>, StoreError>;
    /// By owner and name; of everybody where `user_id` is `None`.
    async fn tokens(&self, user_id: Option<&str>) -> Result<Vec<StoredToken>, StoreError>;
    /// `false` where there was none.
    async fn token_delete(&self, key: &str, event: AuditEvent) -> Result<bool, StoreError>;
    async fn token_used(&self, key: &str, at: Timestamp) -> Result<(), StoreError>;

    /// The user's saved searches by name, and the searches made, newest first.
    async fn searches(&self, user_id: &str) -> Result<Searches, StoreError>;
    /// # Errors
    /// [`StoreError::Taken`] where the user has one of that name.
    async fn search_save(&self, user_id: &str, search: &SavedSearch, event: AuditEvent) -> Result<(), StoreError>;
    /// `false` where the user has none of that id.
    async fn search_delete(&self, user_id: &str, id: &str, event: AuditEvent) -> Result<bool, StoreError>;
    /// When it was opened; nothing where there is none of that id.
    async fn search_used(&self, user_id: &str, id: &str, at: Timestamp) -> Result<(), StoreError>;
    /// Puts a search first among those made; of these the newest `keep` stay.
    async fn search_made(&self, user_id: &str, query: &str, at: Timestamp, keep: usize) -> Result<(), StoreError>;

    async fn audit_append(&self, event: AuditEvent) -> Result<(), StoreError>;
    /// Records after `after`, oldest first.
    async fn audit_read(&self, after: i64, limit: i64) -> Result<Vec<AuditRecord>, StoreError>;
}
