//! The command line: what may be typed, and nothing of what it does. Values stay text here; `config` reads them, so that
//! a bad one is reported alike from flag, environment and file. A password is never an argument: it would show in `ps`.

use clap::{Args, Parser, Subcommand};
use model::{Permission, Role};

/// `docaiche`, as typed.
#[derive(Clone, Debug, Default, Parser)]
#[command(
    name = "docaiche",
    version,
    about = "DocAIche Console: watch and operate the containers of your Docker hosts",
    propagate_version = true
)]
pub struct Cli {
    #[command(flatten)]
    pub flags: Flags,
    /// Unset means [`Command::Serve`].
    #[command(subcommand)]
    pub command: Option<Command>,
}

impl Cli {
    pub fn command(&self) -> Command {
        self.command.clone().unwrap_or(Command::Serve)
    }
}

/// The flags of contract §1, accepted before or after the command. Each is unset where it was not typed: the next layer
/// decides then.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Settings (flag, then environment, then file)")]
pub struct Flags {
    /// Address of the one port; `[::]:4080` listens on IPv4 and IPv6 [env: DOCAICHE_LISTEN] [default: 127.0.0.1:4080]
    #[arg(long, global = true, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// Where the console keeps everything [env: DOCAICHE_DATA_DIR] [default: ./data]
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<String>,
    /// Folder whose *.log files are followed as services [env: DOCAICHE_LOG_DIR] [default: /var/log/docaiche]
    #[arg(long, global = true, value_name = "DIR")]
    pub log_dir: Option<String>,
    /// Docker Engine: unix:///path, tcp://host:port, http(s)://host:port, ssh://user@host:port
    /// [env: DOCAICHE_DOCKER_HOST, then DOCKER_HOST] [default: unix:///var/run/docker.sock]
    #[arg(long, global = true, value_name = "URL")]
    pub docker_host: Option<String>,
    /// A Loki that keeps the lines and answers instead of the embedded engine; tenant and credentials stand in the file's
    /// section `logs` [env: DOCAICHE_LOKI_URL] [default: none]
    #[arg(long, global = true, value_name = "URL")]
    pub loki_url: Option<String>,
    /// sqlite: or postgres: URL of users, sessions and audit [env: DOCAICHE_DATABASE_URL] [default: SQLite in the data directory]
    #[arg(long, global = true, value_name = "URL")]
    pub database_url: Option<String>,
    /// How people reach the console, such as `https://console.example` [env: DOCAICHE_PUBLIC_URL]
    #[arg(long, global = true, value_name = "URL")]
    pub public_url: Option<String>,
    /// Host headers that are answered, separated by commas [env: DOCAICHE_ALLOWED_HOSTS] [default: localhost, the listen
    /// address, the public URL's host]
    #[arg(long, global = true, value_name = "HOST,…")]
    pub allowed_hosts: Option<String>,
    /// Networks whose X-Forwarded-* headers count, separated by commas [env: DOCAICHE_TRUSTED_PROXIES] [default: none]
    #[arg(long, global = true, value_name = "CIDR,…")]
    pub trusted_proxies: Option<String>,
    /// Certificate chain (PEM) for HTTPS; needs --tls-key [env: DOCAICHE_TLS_CERT]
    #[arg(long, global = true, value_name = "FILE")]
    pub tls_cert: Option<String>,
    /// Private key (PEM) for HTTPS; needs --tls-cert [env: DOCAICHE_TLS_KEY]
    #[arg(long, global = true, value_name = "FILE")]
    pub tls_key: Option<String>,
    /// How long log lines are kept [env: DOCAICHE_RETENTION] [default: 7d]
    #[arg(long, global = true, value_name = "DURATION")]
    pub retention: Option<String>,
    /// What kept log lines may take of the disk; the oldest go first [env: DOCAICHE_RETENTION_BYTES] [default: 10GiB]
    #[arg(long, global = true, value_name = "SIZE")]
    pub retention_bytes: Option<String>,
    /// What the console logs of itself: off, error, warn, info, debug or trace, and TARGET=LEVEL, separated by commas
    /// [env: DOCAICHE_LOG] [default: info]
    #[arg(long, global = true, value_name = "FILTER")]
    pub log: Option<String>,
    /// Configuration file [default: docaiche.toml in the data directory, else /etc/docaiche/docaiche.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Run the console (the default)
    Serve,
    /// Accounts, straight in the data directory: the way back in for a locked-out admin
    #[command(subcommand)]
    User(UserCommand),
    /// Tokens of programs
    #[command(subcommand)]
    Token(TokenCommand),
    /// The audit log
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Exit 0 when the running console answers
    Healthcheck,
    /// Print the effective configuration, secrets masked
    CheckConfig,
}

/// `docaiche user …`. Passwords are read from standard input: one line, without its line end.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum UserCommand {
    /// Create an account; its password is the first line of standard input
    Add {
        username: String,
        /// viewer, developer, operator or admin
        #[arg(long, default_value = "viewer", value_parser = role)]
        role: Role,
        /// Do not ask on a terminal: read one line
        #[arg(long)]
        password_stdin: bool,
    },
    /// Set a password, the first line of standard input, and end the account's sessions
    Passwd {
        username: String,
        /// Do not ask on a terminal: read one line
        #[arg(long)]
        password_stdin: bool,
    },
    /// Change what an account may do
    Role {
        username: String,
        /// viewer, developer, operator or admin
        #[arg(value_parser = role)]
        role: Role,
    },
    /// Limit what an account sees to a selector such as {compose_project="shop"}; without one it sees everything
    Scope { username: String, selector: Option<String> },
    /// Forbid sign-in and end the account's sessions
    Disable { username: String },
    /// Allow sign-in again
    Enable { username: String },
    /// Every account, one a line
    List,
}

/// `docaiche token …`
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum TokenCommand {
    /// Create a token and print it, this once
    Create {
        /// The account it belongs to: it can never do more than that account; logs:write needs an admin's
        #[arg(long)]
        user: String,
        /// What the token is for; its own among the account's
        name: String,
        /// What it may do, such as logs:write,logs:read
        #[arg(long, value_delimiter = ',', required = true, value_parser = permission)]
        permissions: Vec<Permission>,
        /// What it sees of what the account sees, such as {service="web"}; unset: all of that
        #[arg(long)]
        scope: Option<String>,
        /// When it stops working: RFC 3339 or Unix seconds; unset: never
        #[arg(long)]
        expires: Option<String>,
    },
    /// Every token, one a line
    List,
    /// End a token; `list` shows the id
    Revoke { id: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub enum AuditCommand {
    /// Prove that no entry was changed or removed; exit 1 and the first wrong entry otherwise
    Verify,
}

fn permission(text: &str) -> Result<Permission, String> {
    Permission::ALL.into_iter().find(|one| one.as_str() == text).ok_or_else(|| {
        let all: Vec<_> = Permission::ALL.iter().map(|one| one.as_str()).collect();
        format!("`{text}` is not a permission: use {}", all.join(", "))
    })
}

fn role(text: &str) -> Result<Role, String> {
    text.parse()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expect: Result<Command, &str>) {
        let parsed = Cli::try_parse_from(line.split(' ').filter(|word| !word.is_empty()));
        match (parsed, expect) {
            (Ok(cli), Ok(command)) => assert_eq!(cli.command(), command, "{line}"),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{line}: {error}"),
            (parsed, expect) => panic!("{line}: got {parsed:?}, wanted {expect:?}"),
        }
    }

    #[test]
    fn commands_read_as_the_contract_writes_them() {
        let name = || "ada".to_owned();
        check("docaiche", Ok(Command::Serve));
        check("docaiche serve", Ok(Command::Serve));
        check("docaiche healthcheck", Ok(Command::Healthcheck));
        check("docaiche check-config", Ok(Command::CheckConfig));
        check("docaiche audit verify", Ok(Command::Audit(AuditCommand::Verify)));
        check("docaiche token list", Ok(Command::Token(TokenCommand::List)));
        let create = TokenCommand::Create {
            user: name(),
            name: "ship".to_owned(),
            permissions: vec![Permission::LogsWrite, Permission::LogsRead],
            scope: None,
            expires: None,
        };
        check(
            "docaiche user scope ada {service=\"x\"}",
            Ok(Command::User(UserCommand::Scope { username: name(), selector: Some("{service=\"x\"}".into()) })),
        );
        check("docaiche user scope ada", Ok(Command::User(UserCommand::Scope { username: name(), selector: None })));
        check("docaiche token create ship --user ada --permissions logs:write,logs:read", Ok(Command::Token(create)));
        check("docaiche user list", Ok(Command::User(UserCommand::List)));
        check("docaiche user add ada", Ok(Command::User(UserCommand::Add { username: name(), role: Role::Viewer, password_stdin: false })));
        check(
            "docaiche user add ada --role admin --password-stdin",
            Ok(Command::User(UserCommand::Add { username: name(), role: Role::Admin, password_stdin: true })),
        );
        check("docaiche user passwd ada", Ok(Command::User(UserCommand::Passwd { username: name(), password_stdin: false })));
        check("docaiche user role ada operator", Ok(Command::User(UserCommand::Role { username: name(), role: Role::Operator })));
        check("docaiche user disable ada", Ok(Command::User(UserCommand::Disable { username: name() })));
        check("docaiche user enable ada", Ok(Command::User(UserCommand::Enable { username: name() })));
    }

    #[test]
    fn what_is_not_built_or_not_safe_is_refused() {
        check("docaiche --grafana-url http://x", Err("--grafana-url"));
        check("docaiche token create ship --user ada --permissions logs:rite", Err("`logs:rite` is not a permission"));
        check("docaiche user add ada --password x", Err("--password"));
        check("docaiche user add ada hunter2", Err("hunter2"));
        check("docaiche user role ada king", Err("`king` is not a role"));
        check("docaiche --listen a --listen b", Err("--listen"));
    }

    #[test]
    fn flags_are_taken_before_and_after_the_command() {
        for line in
            ["docaiche --data-dir d serve", "docaiche serve --data-dir d", "docaiche user list --data-dir d", "docaiche --data-dir=d"]
        {
            assert_eq!(Cli::try_parse_from(line.split(' ')).unwrap().flags.data_dir.as_deref(), Some("d"), "{line}");
        }
    }

    #[test]
    fn the_command_line_has_no_contradiction() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }
}
