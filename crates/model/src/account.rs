//! People: roles, permissions, and what the console tells about an account or a session.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// The four roles of contract §5, each holding all permissions of the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Viewer,
    Developer,
    Operator,
    Admin,
}

impl Role {
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Developer, Self::Operator, Self::Admin];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Developer => "developer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    pub fn permissions(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.into_iter().filter(move |permission| permission.least_role().is_some_and(|least| least <= self))
    }

    pub fn may(self, permission: Permission) -> bool {
        permission.least_role().is_some_and(|least| least <= self)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| format!("`{text}` is not a role: use viewer, developer, operator or admin"))
    }
}

macro_rules! permissions {
    ($($name:ident = $text:literal, $least:expr;)*) => {
        /// What may be done (contract §5).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Permission { $(#[serde(rename = $text)] $name,)* }

        impl Permission {
            pub const ALL: [Self; [$($text),*].len()] = [$(Self::$name),*];

            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The lowest role that holds it; `None` where only a token can.
            pub fn least_role(self) -> Option<Role> {
                match self { $(Self::$name => $least,)* }
            }
        }
    };
}

permissions! {
    DashboardsRead = "dashboards:read", Some(Role::Viewer);
    MetricsRead = "metrics:read", Some(Role::Viewer);
    ContainersRead = "containers:read", Some(Role::Viewer);
    AlertsRead = "alerts:read", Some(Role::Viewer);
    LogsRead = "logs:read", Some(Role::Developer);
    LogsExport = "logs:export", Some(Role::Developer);
    ContainersOperate = "containers:operate", Some(Role::Operator);
    AlertsWrite = "alerts:write", Some(Role::Operator);
    ContainersManage = "containers:manage", Some(Role::Admin);
    FilesRead = "files:read", Some(Role::Admin);
    FilesWrite = "files:write", Some(Role::Admin);
    EnvReveal = "env:reveal", Some(Role::Admin);
    TerminalExec = "terminal:exec", Some(Role::Admin);
    TerminalSsh = "terminal:ssh", Some(Role::Admin);
    AuditRead = "audit:read", Some(Role::Admin);
    UsersManage = "users:manage", Some(Role::Admin);
    SettingsWrite = "settings:write", Some(Role::Admin);
    LogsWrite = "logs:write", None;
    MetricsWrite = "metrics:write", None;
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `GET /api/v1/auth/me`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Me {
    pub username: String,
    pub role: Role,
    pub permissions: Vec<Permission>,
    /// The selector that limits what this person sees; `null` where nothing does.
    pub scope: Option<String>,
}

/// An account as an administrator sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserSummary {
    pub username: String,
    pub role: Role,
    pub disabled: bool,
    /// The selector of what this person sees; `null`: everything.
    pub scope: Option<String>,
    pub created: Timestamp,
    pub last_sign_in: Option<Timestamp>,
}

/// A signed-in browser. `id` is a handle for ending it, not the cookie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionSummary {
    pub id: String,
    pub username: String,
    pub created: Timestamp,
    pub last_seen: Timestamp,
    pub expires: Timestamp,
    pub address: String,
    pub user_agent: String,
    /// Whether it is the session that asks.
    pub current: bool,
}

/// A program's token. `id` is a handle for ending it, not the token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenSummary {
    pub id: String,
    /// Whose it is.
    pub username: String,
    pub name: String,
    pub permissions: Vec<Permission>,
    /// The selector of what it sees of what its owner sees; `null`: all of that.
    pub scope: Option<String>,
    pub created: Timestamp,
    /// `null`: never.
    pub expires: Option<Timestamp>,
    pub last_used: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_holds_what_the_contract_lists() {
        let names = |role: Role| role.permissions().map(Permission::as_str).collect::<Vec<_>>().join(" ");
        assert_eq!(names(Role::Viewer), "dashboards:read metrics:read containers:read alerts:read");
        assert_eq!(names(Role::Developer), names(Role::Viewer) + " logs:read logs:export");
        assert_eq!(names(Role::Operator), names(Role::Developer) + " containers:operate alerts:write");
        assert_eq!(
            names(Role::Admin),
            names(Role::Operator)
                + " containers:manage files:read files:write env:reveal terminal:exec terminal:ssh audit:read users:manage settings:write"
        );
    }
}
