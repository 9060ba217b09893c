//! Flags before variables before the file; secrets stay where they are.

use super::*;
use crate::service::Service;
use shared::Context;

fn read(arguments: &[&str]) -> Result<Config, clap::Error> {
    Config::read(["baemin-server"].iter().chain(arguments).map(OsString::from))
}

fn file(text: &str) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("baemin.toml");
    std::fs::write(&path, text).expect("a file");
    let path = path.display().to_string();
    (dir, path)
}

#[test]
fn nothing_set_is_everything_in_one_process() {
    let config = read(&[]).expect("defaults");
    assert_eq!(config.running(), Service::all());
    assert_eq!(config.address(), "127.0.0.1:8088".parse().expect("an address"));
    assert!(config.elsewhere().is_empty());
}

#[test]
fn a_subset_listens_on_its_port_and_knows_where_the_others_are() {
    let config =
        read(&["--services", "order", "--peer", "identity=http://id-a:1", "--peer", "identity=http://id-b:2/x"]).expect("a subset");
    assert_eq!(config.running(), [Service::Context(Context::Order)]);
    assert_eq!(config.address().port(), 8081);
    let elsewhere = config.elsewhere();
    assert_eq!(elsewhere.len(), Service::all().len() - 1);
    let of = |service| elsewhere.iter().find(|(name, _)| *name == service).expect("known").1.iter().map(Url::to_string).collect::<Vec<_>>();
    assert_eq!(of(Service::Identity), ["http://id-a:1/", "http://id-b:2/"]);
    assert_eq!(of(Service::Context(Context::Payment)), ["http://127.0.0.1:8085/"]);
}

#[test]
fn the_file_says_what_flags_leave_open() {
    let (_dir, path) = file(
        "services = [\"order\", \"payment\"]\nlisten = \"127.0.0.1:1\"\ndeadline = [\"answer=5\", \"cook=6\"]\nmax-streams = 7\n[[routes]]\nprefix = \"/shop\"\nservice = \"store\"\n",
    );
    let config = read(&["--config", &path, "--listen", "127.0.0.1:2"]).expect("a file");
    assert_eq!(config.listen, Some("127.0.0.1:2".parse().expect("an address")));
    assert_eq!(config.running().len(), 2);
    assert_eq!(config.routing.routes[0].prefix, "/shop");
    assert_eq!((config.deadlines().answer_ms, config.deadlines().cook_ms, config.max_streams), (5, 6, 7));
}

#[test]
fn mistakes_in_the_file_are_named() {
    for (text, wanted) in [
        ("colour = \"red\"", "colour: no such setting"),
        ("listen = [[1]]", "invalid socket address"),
        ("listen = { a = 1 }", "listen: a text"),
        ("partitions = 900", "partitions"),
        ("a = ", "line 1"),
        ("config = \"x\"", "no such setting"),
        ("[[routes]]\nprefix = \"/orders\"\n", "routing table: missing field `service`"),
    ] {
        let (_dir, path) = file(text);
        let why = read(&["--config", &path]).expect_err(text).to_string();
        assert!(why.contains(wanted), "{text}: {why}");
    }
    assert!(read(&["--config", "/nowhere/at-all"]).is_err());
}

#[test]
fn secrets_are_refused_where_everybody_reads_them_and_never_shown() {
    for arguments in [
        ["--journal", "postgres://u:s3cret@h/d"],
        ["--bus", "amqp://u:s3cret@h"],
        ["--service-secret", "s3cret-s3cret-s3cret"],
        ["--toss-secret-key", "test_sk_s3cret"],
        ["--solapi-key", "s3cret"],
        ["--solapi-secret", "s3cret"],
        ["--webhook-secret", "s3cret"],
    ] {
        let why = read(&arguments).expect_err("a secret in the process list").to_string();
        assert!(why.contains("process list") && !why.contains("s3cret"), "{why}");
    }
    let (_dir, path) = file("journal = \"postgres://u:s3cret@h/d\"\nservice-secret = \"s3cret-s3cret-s3cret\"\npartitions = \"s3cret\"\n");
    let why = read(&["--config", &path]).expect_err("no number").to_string();
    assert!(!why.contains("s3cret"), "{why}");
    let (_dir, path) = file("journal = \"postgres://u:s3cret@h/d\"\n");
    assert_eq!(read(&["--config", &path]).expect("a secret in a file").journal.as_deref(), Some("postgres://u:s3cret@h/d"));
    let (_dir, path) = file("toss-secret-key = \"test_sk_s3cret\"\n");
    let config = read(&["--config", &path, "--provider", "toss:http://127.0.0.1:1"]).expect("a secret in a file");
    assert!(config.toss().secret_key.is_some() && !format!("{config:?}").contains("s3cret"), "{config:?}");
    let help = Config::command().render_long_help().to_string();
    assert!(!help.contains("s3cret") && help.contains("--journal"));
}

#[test]
fn traces_go_nowhere_unless_somebody_says_where() {
    let of = |arguments: &[&str]| read(arguments).map(|config| config.traces_endpoint.map(|url| url.to_string()));
    assert_eq!(of(&["--traces-endpoint", "http://127.0.0.1:4318"]).expect("an address").as_deref(), Some("http://127.0.0.1:4318/"));
    for wrong in ["", "4318", "ftp://host", "http://me:secret@host", "http://host/?token=secret"] {
        assert!(of(&["--traces-endpoint", wrong]).is_err(), "{wrong:?}");
    }
    assert_eq!(usual_collector(None), Ok(None));
    assert_eq!(usual_collector(Some("".into())), Ok(None));
    assert_eq!(usual_collector(Some("https://host/otlp".into())), Ok("https://host/otlp".parse().ok()));
    assert!(usual_collector(Some("nonsense".into())).is_err_and(|why| why.starts_with(USUAL_COLLECTOR)));
}
