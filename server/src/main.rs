//! `docaiche`: arguments, runtime, signals.

use std::{
    io::{BufRead, IsTerminal, Read, Write},
    net::{IpAddr, Ipv4Addr},
    process::ExitCode,
    sync::Arc,
};

use anyhow::{Context, bail};
use clap::Parser;
use ops::{Accounts, Actor, OpCtx, access::AuditSink};
use server::{
    Server,
    cli::{AuditCommand, Cli, Command, TokenCommand, UserCommand},
    clock,
    config::Config,
    store::SqlStore,
    telemetry,
};

/// musl's own allocator is slow under many threads and returns little; mimalloc is neither.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if cli.command() == Command::Serve && !server::config::allocator_is_set() {
        restart_with_thrifty_allocator();
    }
    let config = match Config::from_process(&cli) {
        Ok(config) => config,
        Err(error) => {
            complain(&anyhow::Error::new(error));
            return ExitCode::from(2);
        }
    };
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    // A thread that is left over from a rush has its own share of free memory until it ends: it must not last from one second's upkeep to the next.
    runtime.enable_all().thread_name("docaiche").thread_keep_alive(std::time::Duration::from_millis(200));
    let runtime = match runtime.build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&anyhow::Error::new(error).context("cannot start"));
            return ExitCode::FAILURE;
        }
    };
    let done = match cli.command() {
        Command::Serve => runtime.block_on(serve(config)),
        Command::User(command) => runtime.block_on(user(config, command)),
        Command::Token(command) => runtime.block_on(token(config, command)),
        Command::Audit(AuditCommand::Verify) => runtime.block_on(audit_verify(&config)),
        Command::Healthcheck => runtime.block_on(healthcheck(&config)),
        Command::CheckConfig => say(&config.print()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// Becomes the same program anew with mimalloc told to be thrifty: left alone it keeps freed memory for a second and more, which after
/// each sign-in's hash or a rush of lines is half of the console's memory. It reads the setting from the environment before
/// `main`, so there is no later way to tell it. Where that fails, the console runs with more memory.
fn restart_with_thrifty_allocator() {
    use std::os::unix::process::CommandExt;
    let mut arguments = std::env::args_os();
    let mut command = std::process::Command::new("/proc/self/exe");
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    drop(command.args(arguments).envs(server::config::ALLOCATOR).exec());
}

fn complain(error: &anyhow::Error) {
    drop(writeln!(std::io::stderr(), "docaiche: {error:#}"));
}

fn say(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("cannot write to standard output")
}

async fn serve(config: Config) -> anyhow::Result<()> {
    // One provider for every TLS client and server in the process.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        bail!("the TLS library was set up twice");
    }
    let file = telemetry::console_log(&config.collect.log_dir, &config.store.data_dir);
    let _log = telemetry::init(telemetry::Options { file: Some(file), filter: config.telemetry.filter.clone() })
        .context("cannot start logging")?;
    let listen = config.http.listen;
    let public = config.http.public_url.as_ref().map(|url| url.origin());
    let scheme = if config.http.tls.is_some() { "https" } else { "http" };
    // Bound first: a second console on this port ends here, before it touches the data.
    let listener = std::net::TcpListener::bind(listen).with_context(|| format!("cannot listen on {listen}"))?;
    let address = listener.local_addr().context("cannot learn the listener's address")?;
    let server = Server::new(config).await?;
    let shutdown = server.shutdown();
    tokio::spawn(async move {
        signalled().await;
        tracing::info!(kind = "lifecycle", "shutting down");
        shutdown();
    });
    let host = if address.ip().is_unspecified() || address.ip().is_loopback() {
        format!("localhost:{}", address.port())
    } else {
        address.to_string()
    };
    let origin = public.unwrap_or_else(|| format!("{scheme}://{host}"));
    tracing::info!(kind = "lifecycle", version = server::machine::VERSION, commit = server::machine::COMMIT, %address, "the console answers on {origin}");
    let mut notice = format!("\n  DocAIche Console is at {origin}\n");
    if let Some(link) = &server.setup_link {
        notice.push_str(&format!("\n  No account exists yet. Create the administrator here (one use, one hour; a restart prints a new link):\n\n  {origin}{link}\n"));
    }
    say(&format!("{notice}\n"))?;
    server.serve(listener).await
}

/// SIGINT or SIGTERM.
async fn signalled() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

async fn open_store(config: &Config) -> anyhow::Result<Arc<SqlStore>> {
    Ok(Arc::new(SqlStore::open(config.store.database.url.expose()).await.context("cannot open the database")?))
}

/// As the running console has them: their scopes may name what it copies.
fn accounts(config: &Config, store: &Arc<SqlStore>) -> Accounts {
    Accounts::new(store.clone(), Arc::default()).with_scope_labels(config.scope.labels())
}

/// The command line's own context: it may do everything, and the audit log says it was the command line.
fn system_cx() -> OpCtx {
    let (audit, _unread) = AuditSink::channel();
    OpCtx { actor: Actor::System, request_id: "cli".to_owned(), address: IpAddr::V4(Ipv4Addr::LOCALHOST), now: clock::now(), audit }
}

async fn user(config: Config, command: UserCommand) -> anyhow::Result<()> {
    let store = open_store(&config).await?;
    let (cx, accounts) = (system_cx(), accounts(&config, &store));
    let reported = |error: ops::Error| anyhow::anyhow!("{}", error.problem());
    match command {
        UserCommand::Add { username, role, password_stdin } => {
            accounts.user_add(&cx, &username, read_password(password_stdin)?, role).await.map_err(reported)?;
            say(&format!("created {username} as {role}\n"))?;
        }
        UserCommand::Passwd { username, password_stdin } => {
            accounts.user_set_password(&cx, &username, read_password(password_stdin)?).await.map_err(reported)?;
            say(&format!("changed the password of {username}; its sessions ended\n"))?;
        }
        UserCommand::Role { username, role } => {
            accounts.user_set_role(&cx, &username, role).await.map_err(reported)?;
            say(&format!("{username} is {role} now\n"))?;
        }
        UserCommand::Scope { username, selector } => {
            accounts.user_set_scope(&cx, &username, selector.as_deref()).await.map_err(reported)?;
            say(&format!("{username} sees {} now\n", selector.as_deref().unwrap_or("everything")))?;
        }
        UserCommand::Disable { username } => {
            accounts.user_set_disabled(&cx, &username, true).await.map_err(reported)?;
            say(&format!("disabled {username}; its sessions ended\n"))?;
        }
        UserCommand::Enable { username } => {
            accounts.user_set_disabled(&cx, &username, false).await.map_err(reported)?;
            say(&format!("enabled {username}\n"))?;
        }
        UserCommand::List => {
            for user in accounts.users(&cx).await.map_err(reported)? {
                let state = if user.disabled { "disabled" } else { "enabled" };
                let last = user.last_sign_in.map_or_else(|| "never".to_owned(), |at| at.to_string());
                let scope = user.scope.as_deref().unwrap_or("everything");
                say(&format!("{}\t{}\t{state}\t{last}\t{scope}\n", user.username, user.role))?;
            }
        }
    }
    store.close().await;
    Ok(())
}

async fn token(config: Config, command: TokenCommand) -> anyhow::Result<()> {
    let store = open_store(&config).await?;
    let (cx, accounts) = (system_cx(), accounts(&config, &store));
    let reported = |error: ops::Error| anyhow::anyhow!("{}", error.problem());
    match command {
        TokenCommand::Create { user, name, permissions, scope, expires } => {
            let expires = expires.map(|text| model::Timestamp::parse_param(&text, cx.now)).transpose();
            let expires = expires.map_err(|detail| anyhow::anyhow!("--expires: {detail}"))?;
            let new = ops::tokens::NewToken { name, permissions, scope, expires };
            let (text, _) = accounts.token_create(&cx, Some(&user), new).await.map_err(reported)?;
            say(&format!("{text}\n"))?;
        }
        TokenCommand::List => {
            let time = |at: Option<model::Timestamp>| at.map_or_else(|| "never".to_owned(), |at| at.to_string());
            for token in accounts.tokens(&cx, true).await.map_err(reported)? {
                let may = token.permissions.iter().map(|one| one.as_str()).collect::<Vec<_>>().join(",");
                let (expires, used) = (time(token.expires), time(token.last_used));
                say(&format!("{}\t{}\t{}\t{may}\texpires {expires}\tused {used}\n", token.id, token.username, token.name))?;
            }
        }
        TokenCommand::Revoke { id } => {
            accounts.token_revoke(&cx, &id).await.map_err(reported)?;
            say(&format!("revoked {id}\n"))?;
        }
    }
    store.close().await;
    Ok(())
}

/// One line of standard input; on a terminal a prompt says so. It is echoed there: use `--password-stdin` in scripts.
fn read_password(quiet: bool) -> anyhow::Result<String> {
    if !quiet && std::io::stdin().is_terminal() {
        drop(write!(std::io::stderr(), "Password (shown as you type): "));
    }
    let mut line = String::new();
    std::io::stdin().lock().take(4_096).read_line(&mut line).context("cannot read standard input")?;
    let password = line.trim_end_matches(['\r', '\n']).to_owned();
    if password.is_empty() {
        bail!("no password on standard input");
    }
    Ok(password)
}

async fn audit_verify(config: &Config) -> anyhow::Result<()> {
    let store = open_store(config).await?;
    let check = store.audit_verify().await.context("cannot read the audit log")?;
    store.close().await;
    match check.broken_at {
        None => say(&format!("the audit chain is whole: {} records\n", check.records)),
        Some(seq) => bail!("the audit chain is broken at record {seq}"),
    }
}

async fn healthcheck(config: &Config) -> anyhow::Result<()> {
    let (address, host, tls) = config.http.own_address();
    drop(rustls::crypto::ring::default_provider().install_default());
    // Our own certificate names the public host, not this address; what is asked is whether the process answers.
    let client = reqwest::Client::builder()
        .danger_accept_invalid_certs(true)
        .no_proxy()
        .timeout(std::time::Duration::from_secs(4))
        .build()
        .context("cannot make a client")?;
    let scheme = if tls { "https" } else { "http" };
    let answer =
        client.get(format!("{scheme}://{address}/healthz")).header("host", host).send().await.context("the console does not answer")?;
    if !answer.status().is_success() {
        bail!("the console answers {}", answer.status());
    }
    Ok(())
}
