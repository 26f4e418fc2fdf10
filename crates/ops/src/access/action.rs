//! Every action a use-case may ask permission for. The access table test walks [`Action::ALL`].

use model::Permission;

macro_rules! actions {
    ($($name:ident = $text:literal, $permission:expr;)*) => {
        /// One thing a person can ask for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Action { $($name,)* }

        impl Action {
            pub const ALL: [Self; [$($text),*].len()] = [$(Self::$name),*];

            /// Its name in the audit log.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The permission it needs; `None` where any session will do.
            pub fn permission(self) -> Option<Permission> {
                match self { $(Self::$name => $permission,)* }
            }
        }
    };
}

impl Action {
    /// What a token cannot do whatever it grants: change who its owner is to the console, or make itself a better token.
    pub fn is_personal(self) -> bool {
        matches!(self, Self::SessionsOwn | Self::TokensOwn | Self::PasswordChange)
    }
}

actions! {
    MeRead = "me.read", None;
    SessionsOwn = "sessions.own", None;
    PasswordChange = "password.change", None;
    TokensOwn = "tokens.own", None;
    SystemRead = "system.read", None;
    ServicesList = "services.list", Some(Permission::LogsRead);
    LogsRead = "logs.read", Some(Permission::LogsRead);
    StorageRead = "storage.read", Some(Permission::LogsRead);
    SearchesOwn = "searches.own", Some(Permission::LogsRead);
    LogsTail = "logs.tail", Some(Permission::LogsRead);
    LogsExport = "logs.export", Some(Permission::LogsExport);
    LogsWrite = "logs.write", Some(Permission::LogsWrite);
    UsersManage = "users.manage", Some(Permission::UsersManage);
    AuditRead = "audit.read", Some(Permission::AuditRead);
    MetricsRead = "metrics.read", Some(Permission::MetricsRead);
}
