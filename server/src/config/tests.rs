use std::{io, path::Path};

use clap::Parser;

use super::*;

/// A process that never was: its command line, environment and files.
struct Given<'a> {
    flags: &'a str,
    env: &'a [(&'a str, &'a str)],
    files: &'a [(&'a str, &'a str)],
}

impl Given<'_> {
    fn load(&self) -> Result<Config, Error> {
        let cli = Cli::try_parse_from(["docaiche"].into_iter().chain(self.flags.split_whitespace())).unwrap();
        let env = self.env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let read = |path: &Path| {
            let file = self.files.iter().find(|(name, _)| Path::new(name) == path);
            file.map(|(_, text)| (*text).to_owned()).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
        };
        Config::load(&cli.flags, &env, &read)
    }
}

fn load(flags: &str, env: &[(&str, &str)], files: &[(&str, &str)]) -> Config {
    Given { flags, env, files }.load().unwrap()
}

/// The error of a configuration, which must name each of `expect`.
fn check(flags: &str, env: &[(&str, &str)], file: &str, expect: &[&str]) {
    let error = match (Given { flags, env, files: &[("/etc/docaiche/docaiche.toml", file)] }).load() {
        Ok(config) => panic!("accepted: {}", config.print()),
        Err(error) => error.to_string(),
    };
    for part in expect {
        assert!(error.contains(part), "`{part}` is missing: {error}");
    }
}

#[test]
fn nothing_said_means_the_defaults_of_the_contract() {
    let config = load("", &[], &[]);
    assert_eq!(config.http.listen, "127.0.0.1:4080".parse().unwrap());
    assert_eq!((&config.http.public_url, &config.http.tls, &config.http.site_root), (&None, &None, &None));
    assert!(
        config.http.allowed_hosts.permits("localhost:4080", None)
            && !config.http.allowed_hosts.permits("10.0.0.1", "10.0.0.1".parse().ok())
    );
    assert!(config.http.trusted_proxies.is_empty());
    assert_eq!(config.store.data_dir, Path::new("./data"));
    assert_eq!((config.store.database.kind, config.store.database.url.expose()), (DatabaseKind::Sqlite, "sqlite:./data/docaiche.db"));
    assert_eq!(config.store.admin_password, None);
    assert_eq!(config.docker.hosts, BTreeMap::from([("local".to_owned(), LOCAL_SOCKET.parse().unwrap())]));
    assert_eq!(config.collect.log_dir, Path::new("/var/log/docaiche"));
    assert!(config.collect.follow && config.collect.exclude.is_empty());
    assert_eq!((config.engine.retention_ns, config.engine.retention_bytes), (7 * 86_400 * 1_000_000_000, 10 << 30));
    assert_eq!(config.engine.fsync, Fsync::Group);
    assert_eq!((config.loki, config.collect.ship), (None, None));
    assert_eq!(config.telemetry.filter, "info".parse().unwrap());
}

#[test]
fn flag_beats_environment_beats_file_beats_default() {
    let files = &[("/etc/docaiche/docaiche.toml", "log_dir = '/file'\n")][..];
    let env = &[("DOCAICHE_LOG_DIR", "/env")][..];
    for (flags, env, files, expect, origin) in [
        ("--log-dir /flag", env, files, "/flag", "flag --log-dir"),
        ("", env, files, "/env", "environment DOCAICHE_LOG_DIR"),
        ("", &[][..], files, "/file", "file /etc/docaiche/docaiche.toml:1"),
        ("", &[][..], &[][..], "/var/log/docaiche", "default"),
    ] {
        let config = load(flags, env, files);
        assert_eq!(config.collect.log_dir, Path::new(expect));
        assert!(config.print().contains(&format!("log_dir = \"{expect}\" # {origin}\n")), "{}", config.print());
    }
}

#[test]
fn docker_host_is_ours_then_dockers_then_the_file() {
    let files = &[("/etc/docaiche/docaiche.toml", "docker_host = 'tcp://file:1'\n")][..];
    for (env, expect) in [
        (&[("DOCAICHE_DOCKER_HOST", "tcp://ours:1"), ("DOCKER_HOST", "tcp://docker:1")][..], "tcp://ours:1"),
        (&[("DOCKER_HOST", "tcp://docker:1")], "tcp://docker:1"),
        (&[("DOCKER_HOST", "")], "tcp://file:1"),
        (&[("DOCKER_HOST", "tcp://docker"), ("DOCKER_TLS_VERIFY", "1"), ("HOME", "/root")], "https://docker:2376"),
        (&[("DOCKER_HOST", "tcp://docker:9"), ("DOCKER_CERT_PATH", "/certs")], "https://docker:9"),
        (&[("DOCKER_HOST", "ssh://docker"), ("DOCKER_CERT_PATH", "/certs")], "ssh://docker"),
    ] {
        assert_eq!(load("", env, files).docker.hosts["local"].to_string(), expect, "{env:?}");
    }
    let config = load("", &[("DOCKER_HOST", "tcp://docker"), ("DOCKER_CERT_PATH", "/certs")], &[]);
    let tls = Some(DockerTls { ca: Some("/certs/ca.pem".into()), identity: Some(("/certs/cert.pem".into(), "/certs/key.pem".into())) });
    assert_eq!(config.docker.hosts["local"], DockerHost::Tcp { host: "docker".to_owned(), port: 2376, tls });
}

const FULL: &str = r#"
listen = "[::]:4080"
log_dir = "/logs"
docker_host = "ssh://ada@engine"
loki_url = "https://loki.example/prefix"
database_url = "postgres://console:pw@db/console"
public_url = "https://console.example"
allowed_hosts = ["console.example", "localhost"]
trusted_proxies = ["10.0.0.0/8"]
tls_cert = "/tls/cert.pem"
tls_key = "/tls/key.pem"
retention = "4w"
retention_bytes = "500MB"
log = "info,sqlx=warn"

[collect]
follow = false
exclude = ["noisy-*"]
files_poll_ms = 500
ship_to = "loki"
ship_queue = "2GiB"

[scope]
labels = ["com.example.team", "tier"]

[logs]
fsync = "interval"
loki_tenant = "team-a"
loki_timeout = "30s"

[ingest]
max_age = "1h"

[docker.hosts.build]
url = "tcp://10.0.0.2"
tls_ca = "/tls/ca.pem"

[docker.hosts.edge]
url = "ssh://edge:2222"
"#;

#[test]
fn a_file_may_say_everything() {
    let config = load("", &[], &[("./data/docaiche.toml", FULL), ("/etc/docaiche/docaiche.toml", "never read")]);
    assert_eq!(
        config.docker.hosts.iter().map(|(name, host)| format!("{name} {host}")).collect::<Vec<_>>(),
        ["build https://10.0.0.2:2376", "edge ssh://edge:2222", "local ssh://ada@engine"]
    );
    assert!(!config.collect.follow && config.collect.exclude[0].matches("noisy-box"));
    assert_eq!(config.collect.files_poll_ms, 500);
    let copied: Vec<_> = config.scope.copied.iter().map(|one| (one.docker.as_str(), one.stream.as_str())).collect();
    assert_eq!(copied, [("com.example.team", "com_example_team"), ("tier", "tier")]);
    assert_eq!((config.engine.retention_bytes, config.engine.fsync), (500_000_000, Fsync::Interval));
    assert_eq!((config.engine.retention_ns / 86_400, config.engine.max_age_ns), (28_000_000_000, 3_600_000_000_000));
    assert_eq!(config.store.database.kind, DatabaseKind::Postgres);
    let loki = config.loki.as_ref().unwrap();
    assert_eq!(
        (loki.url.expose(), loki.tenant.as_deref(), loki.timeout_ns),
        ("https://loki.example/prefix", Some("team-a"), 30_000_000_000)
    );
    assert_eq!((&loki.auth, &config.collect.ship), (&LokiAuth::Url, &Some(ShipConfig { queue_bytes: 2 << 30 })));
    assert_eq!(config.http.tls, Some(TlsFiles { cert: "/tls/cert.pem".into(), key: "/tls/key.pem".into() }));
    assert!(!config.http.allowed_hosts.permits("10.0.0.9", "10.0.0.9".parse().ok()), "a list replaces the arrival address");
    assert_eq!(config.http.own_address(), ("127.0.0.1:4080".parse().unwrap(), "localhost".to_owned(), true));
}

#[test]
fn what_is_printed_is_a_file_that_says_the_same() {
    for text in ["", &FULL.replace("postgres://console:pw@", "postgres://")] {
        let before = load("", &[], &[("/etc/docaiche/docaiche.toml", text)]);
        let printed = before.print();
        let after = load("--config printed.toml", &[], &[("printed.toml", &printed)]);
        assert_eq!((&before.http, &before.store, &before.docker), (&after.http, &after.store, &after.docker), "{printed}");
        assert_eq!((&before.collect, &before.telemetry), (&after.collect, &after.telemetry), "{printed}");
        assert_eq!((&before.engine, &before.loki, &before.scope), (&after.engine, &after.loki, &after.scope), "{printed}");
    }
}

#[test]
fn secrets_are_masked_wherever_a_configuration_is_shown() {
    let config = load("", &[("DOCAICHE_ADMIN_PASSWORD", "hunter2"), ("DOCAICHE_DATABASE_URL", "postgres://ada:hunter2@db/c")], &[]);
    assert_eq!(config.store.admin_password.as_ref().map(Secret::expose), Some("hunter2"));
    assert_eq!(config.store.database.url.expose(), "postgres://ada:hunter2@db/c");
    for shown in [config.print(), format!("{config:?}")] {
        assert!(!shown.contains("hunter2") && shown.contains("***"), "{shown}");
    }
    let file = "[logs]\nloki_user = 'ada'\nloki_password = 'hunter2'\n";
    let config = load("--loki-url http://loki:3100", &[], &[("/etc/docaiche/docaiche.toml", file)]);
    let basic = LokiAuth::Basic { user: "ada".to_owned(), password: Secret::new("hunter2") };
    assert_eq!(config.loki.as_ref().unwrap().auth, basic);
    let token = load("--loki-url http://ada:hunter2@loki", &[], &[("/etc/docaiche/docaiche.toml", "")]);
    for shown in [config.print(), format!("{config:?}"), token.print(), format!("{token:?}")] {
        assert!(!shown.contains("hunter2") && shown.contains("***"), "{shown}");
    }
    check("--loki-url http://loki", &[], "[logs]\nloki_token = 'hunter2'\nloki_user = 'ada'", &["logs.loki_token", "`***`", "either"]);
    check("--database-url mysql://ada:hunter2@db/c", &[], "", &["mysql://ada:***@db/c", "postgres://"]);
}

#[test]
fn a_bad_value_names_key_value_source_and_what_is_allowed() {
    check("--listen banana", &[], "", &["listen", "`banana`", "flag --listen", "127.0.0.1:4080"]);
    check("", &[("DOCAICHE_LISTEN", "localhost:4080")], "", &["listen", "`localhost:4080`", "environment DOCAICHE_LISTEN"]);
    check("", &[("DOCAICHE_LISTEN", "")], "", &["listen", "environment DOCAICHE_LISTEN", "leave the setting out"]);
    check("", &[], "\nlisten = 4080", &["listen", "`4080`", "docaiche.toml:2", "a string"]);
    check("", &[], "[collect]\nfollow = 'yes'", &["collect.follow", "`yes`", "docaiche.toml:2", "true or false"]);
    check("", &[], "[collect]\nfiles_poll_ms = 1", &["collect.files_poll_ms", "`1`", "from 10 to 60000"]);
    check("", &[], "[collect]\nexclude = [1]", &["collect.exclude", "list"]);
    check("", &[], "[logs]\nfsync = 1.5", &["logs.fsync", "float", "docaiche.toml:2"]);
    check("", &[], "[logs]\nfsync = 'always'", &["logs.fsync", "`always`", "group, interval or off"]);
    check("--loki-url loki:3100", &[], "", &["loki_url", "`loki:3100`", "http(s)://host:port"]);
    check("--loki-url http://loki?x=1", &[], "", &["loki_url"]);
    check("", &[], "[logs]\nloki_tenant = 'a'", &["logs.loki_tenant", "`a`", "docaiche.toml:2", "loki_url is not set"]);
    check("--loki-url http://loki", &[], "[logs]\nloki_user = 'a'", &["logs.loki_user", "loki_password"]);
    check("--loki-url http://loki", &[], "[logs]\nloki_tenant = \"a\\nb\"", &["logs.loki_tenant", "printable"]);
    check("", &[], "[collect]\nship_to = 'loki'", &["collect.ship_to", "`loki`", "loki_url is set"]);
    check("--loki-url http://loki", &[], "[collect]\nship_to = 'kafka'", &["collect.ship_to", "`kafka`"]);
    check("--retention 7", &[], "", &["retention", "`7`", "7d"]);
    check("", &[("DOCAICHE_RETENTION_BYTES", "1MiB")], "", &["retention_bytes", "`1MiB`", "64MiB"]);
    check("", &[], "collect = 1", &["collect", "a table"]);
    check("", &[("DOCKER_HOST", "nowhere")], "", &["docker_host", "`nowhere`", "environment DOCKER_HOST", "unix:///path"]);
    for url in ["sqlite:", "sqlite::memory:", "sqlite:a.db?mode=ro", "postgres:db", "docaiche.db"] {
        check("", &[("DOCAICHE_DATABASE_URL", url)], "", &[url, "sqlite:PATH"]);
    }
    check("--allowed-hosts *", &[], "", &["allowed_hosts", "`*`", "without wildcards"]);
    check("--trusted-proxies 10.0.0.1/8", &[], "", &["trusted_proxies", "10.0.0.0/8"]);
    check("--public-url console.example", &[], "", &["public_url", "https://console.example"]);
    check("--tls-cert c.pem", &[], "", &["tls_cert", "`c.pem`", "flag --tls-cert", "tls_key is not set"]);
    check("", &[("DOCAICHE_LOG", "wran")], "", &["log", "`wran`", "warn"]);
    check("", &[], "[docker.hosts.local]\nurl = 'tcp://x'", &["docker.hosts", "`local`", "docaiche.toml:1"]);
    check("", &[], "[docker.hosts.a]\ntls_ca = 'x'", &["docker.hosts.a.url", "docaiche.toml:1"]);
    check("", &[], "[docker.hosts.a]\nurl = 'ssh://x'\ntls_ca = 'x'", &["docker.hosts.a.url", "docaiche.toml:2", "tcp://"]);
    check("", &[("DOCAICHE_ADMIN_PASSWORD", "")], "", &["DOCAICHE_ADMIN_PASSWORD"]);
}

#[test]
fn docker_labels_become_labels_of_streams_that_are_not_there_already_nor_twice() {
    for (name, expect) in [
        ("com.docker.compose.project", "com_docker_compose_project"),
        ("org.opencontainers.image.ref-name", "org_opencontainers_image_ref_name"),
        ("Team", "Team"),
        ("1st", "_1st"),
        ("größe/x", "gr__e_x"),
    ] {
        let config = load("", &[], &[("/etc/docaiche/docaiche.toml", &format!("[scope]\nlabels = ['{name}']"))]);
        assert_eq!(config.scope.copied, [CopiedLabel { docker: name.to_owned(), stream: expect.to_owned() }]);
    }
    let names = |count| (0..count).map(|n| format!("'label-{n}'")).collect::<Vec<_>>().join(", ");
    let config = load("", &[], &[("/etc/docaiche/docaiche.toml", &format!("[scope]\nlabels = [{}]", names(16)))]);
    assert_eq!(config.scope.copied.len(), 16);
    let too_long = format!("'{}'", "x".repeat(1_025));
    for (labels, expect) in [
        ("'service'", &["`service` becomes `service`", "service, service_name, container_name,"][..]),
        ("'service-name'", &["`service-name` becomes `service_name`"]),
        ("'container.name'", &["`container.name` becomes `container_name`"]),
        ("'com.example.team', 'compose.project'", &["`com.example.team, compose.project`", "`compose.project` becomes `compose_project`"]),
        ("'stream'", &["becomes `stream`"]),
        ("'job'", &["becomes `job`"]),
        ("'host'", &["becomes `host`"]),
        ("'detected.level'", &["becomes `detected_level`"]),
        ("'__error__'", &["`__error__` becomes `__error__`", "`__`"]),
        ("'..meta'", &["`..meta` becomes `__meta`"]),
        ("'a.b', 'c', 'a-b'", &["`a.b` and `a-b` both become `a_b`"]),
        ("'a.b', 'a.b'", &["`a.b` and `a.b` both become `a_b`"]),
        ("''", &["`` is none", "com.example.team"]),
        ("'a', ' '", &["` ` is none"]),
        ("'com.example.team '", &["`com.example.team ` is none"]),
        ("\"a\\nb\"", &["is none"]),
        (too_long.as_str(), &["of 1 to 1024 bytes"]),
        (&names(17), &["at most 16", "these are 17"]),
        ("1", &["scope.labels", "list"]),
    ] {
        check("", &[], &format!("[scope]\nlabels = [{labels}]"), &[&["scope.labels", "docaiche.toml:2", "not accepted"], expect].concat());
    }
    check("", &[], "[scope]\nlabels = true", &["scope.labels", "`true`", "a list of strings"]);
    check("", &[], "[scope]\nlabel = ['a']", &["scope.label", "docaiche.toml:2", "scope.labels"]);
}

#[test]
fn an_unknown_key_is_named_with_those_that_exist() {
    check("", &[], "\n\nlisten_on = 'x'", &["listen_on", "docaiche.toml:3", "listen,"]);
    check("", &[], "retain = '7d'", &["retain", "not a setting"]);
    check("", &[], "[collect]\nfolow = true", &["collect.folow", "docaiche.toml:2", "collect.follow"]);
    check("", &[], "[docker]\nhost = 'x'", &["docker.host", "[docker.hosts.<name>]"]);
    check("", &[], "[docker.hosts.a]\nuri = 'x'", &["docker.hosts.a.uri", "docker.hosts.a.url"]);
    check("", &[("DOCAICHE_LISTN", "x")], "", &["DOCAICHE_LISTN", "DOCAICHE_LISTEN"]);
    check("", &[("DOCAICHE_GRAFANA_URL", "http://x")], "", &["DOCAICHE_GRAFANA_URL", "not a setting"]);
    check("", &[], "listen = ", &["docaiche.toml:1", "not TOML"]);
    check("", &[], "a = 1\na = 2", &["docaiche.toml:2", "not TOML"]);
}

#[test]
fn variables_that_kubernetes_sets_for_a_service_of_our_name_are_not_ours() {
    load(
        "",
        &[("DOCAICHE_PORT", "tcp://10.0.0.1:4080"), ("DOCAICHE_PORT_4080_TCP_ADDR", "10.0.0.1"), ("DOCAICHE_SERVICE_HOST", "10.0.0.1")],
        &[],
    );
}

#[test]
fn a_file_that_was_asked_for_must_be_there_and_cannot_move_itself() {
    let given = |flags, files| Given { flags, env: &[], files }.load();
    assert!(matches!(given("--config gone.toml", &[]), Err(Error::Unreadable { path, .. }) if path == Path::new("gone.toml")));
    assert!(given("", &[("./data/docaiche.toml", "data_dir = '/elsewhere'")]).unwrap_err().to_string().contains("data_dir"));
    let config = given("--data-dir /d", &[("/d/docaiche.toml", "log_dir = '/logs'")]).unwrap();
    assert_eq!(config.collect.log_dir, Path::new("/logs"));
    let config = given("", &[("/etc/docaiche/docaiche.toml", "data_dir = '/var/lib/do?ai#che'")]).unwrap();
    assert_eq!(config.store.database.url.expose(), "sqlite:/var/lib/do%3Fai%23che/docaiche.db");
}

#[test]
fn patterns_match_names() {
    for (pattern, name, expect) in [
        ("web", "web", true),
        ("web", "web2", false),
        ("*", "", true),
        ("web-*", "web-1", true),
        ("*-db", "shop-db", true),
        ("*a*b*", "xaxbx", true),
        ("ab*ba", "aba", false),
        ("a*b", "ab", true),
        ("a*b", "abc", false),
    ] {
        assert_eq!(Pattern::new(pattern).matches(name), expect, "{pattern} {name}");
    }
}
