//! The compose file and the Kubernetes manifests: valid by their schemas, complete, and in agreement with the server.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall say where")]

mod venv;

use clap::CommandFactory;
use serde_json::Value;
use server::{config::Config, http::routes};
use shared::Context;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::{Command, Output},
};

/// The port of every service, by its name, as designed.
const PORTS: [(&str, u64); 8] = [
    ("gateway", 8088),
    ("order", 8081),
    ("rider", 8082),
    ("customer", 8083),
    ("store", 8084),
    ("payment", 8085),
    ("notification", 8086),
    ("identity", 8087),
];

/// Every variable of the server that is set in these files.
const VARIABLES: [&str; 5] = ["BAEMIN_CONFIG", "BAEMIN_LISTEN", "BAEMIN_PEERS", "BAEMIN_SERVICES", "BAEMIN_SERVICE_SECRET_FILE"];

fn checked(folder: &Path) -> Output {
    let tests = venv::here().join("deploy/tests");
    let python = venv::python("deploy", &[tests.join("requirements.txt"), tests.join("compose-data.txt")]);
    Command::new(python).arg("-B").arg(tests.join("check.py")).arg(folder).output().unwrap()
}

/// Both, as JSON, once they are known to be valid.
fn files() -> (Value, BTreeMap<String, Vec<Value>>) {
    let output = checked(&venv::here().join("deploy"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut read: Value = serde_json::from_slice(&output.stdout).unwrap();
    (read["compose"].take(), serde_json::from_value(read["k8s"].take()).unwrap())
}

/// All texts in a value, with the name of the field that holds each.
fn texts<'a>(name: &'a str, value: &'a Value, found: &mut Vec<(&'a str, &'a str)>) {
    match value {
        Value::Object(fields) => {
            // `name: X, value: Y` is a field X of value Y.
            if let (Some(Value::String(name)), Some(value)) = (fields.get("name"), fields.get("value")) {
                texts(name, value, found);
            }
            fields.iter().for_each(|(name, value)| texts(name, value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| texts(name, item, found)),
        Value::String(text) => found.push((name, text)),
        _ => {}
    }
}

fn one<'a>(all: &'a [Value], kind: &str) -> Option<&'a Value> {
    all.iter().find(|one| one["kind"] == kind)
}

#[test]
fn the_files_are_valid_and_an_invalid_one_is_found() {
    files();
    for (file, right, wrong) in [
        ("compose.yaml", "restart: unless-stopped", "restart: [sometimes]"),
        ("k8s/service/order.yaml", "readinessProbe:", "readynessProbe:"),
        ("k8s/postgres.yaml", "replicas: 1", "replicas: one"),
    ] {
        let copy = tempfile::tempdir().unwrap();
        let from = venv::here().join("deploy");
        assert!(
            Command::new("cp").arg("-R").arg(from.join("compose.yaml")).arg(from.join("k8s")).arg(copy.path()).status().unwrap().success()
        );
        let text = fs::read_to_string(copy.path().join(file)).unwrap();
        assert!(text.contains(right), "{file} has no {right}");
        fs::write(copy.path().join(file), text.replace(right, wrong)).unwrap();
        let output = checked(copy.path());
        let said = String::from_utf8_lossy(&output.stderr);
        let name = file.trim_start_matches("k8s/");
        assert!(output.status.code() == Some(1) && said.contains(name), "{file}: {said}");
    }
}

#[test]
fn every_context_has_a_service_on_its_port() {
    let (compose, k8s) = files();
    let wanted: BTreeSet<&str> = Context::ALL.iter().map(|c| c.name()).chain(["identity", "gateway"]).collect();
    assert_eq!(PORTS.iter().map(|(name, _)| *name).collect::<BTreeSet<_>>(), wanted);
    let peers: BTreeSet<String> =
        PORTS.iter().filter(|(name, _)| *name != "gateway").map(|(name, port)| format!("{name}=http://{name}:{port}")).collect();
    let split = |value: &Value| value.as_str().unwrap().split(',').map(str::to_owned).collect::<BTreeSet<_>>();
    assert_eq!(split(&k8s["config.yaml"][0]["data"]["BAEMIN_PEERS"]), peers);
    for (name, port) in PORTS {
        let said = &compose["services"][name];
        assert_eq!(said["environment"]["BAEMIN_SERVICES"], name);
        assert_eq!(said["environment"]["BAEMIN_LISTEN"], format!("0.0.0.0:{port}"));
        assert_eq!(split(&said["environment"]["BAEMIN_PEERS"]), peers);
        assert!(said["healthcheck"]["test"].to_string().contains(&format!(":{port}/health/ready")), "{name}");
        let outside = if name == "gateway" { Value::from(vec!["127.0.0.1:8088:8088"]) } else { Value::Null };
        assert_eq!(said["ports"], outside, "{name}");
        let all = &k8s[&format!("service/{name}.yaml")];
        let pods = one(all, if name == "identity" { "StatefulSet" } else { "Deployment" }).unwrap();
        let container = &pods["spec"]["template"]["spec"]["containers"][0];
        assert_eq!((&container["env"][0]["name"], &container["env"][0]["value"]), (&"BAEMIN_SERVICES".into(), &name.into()));
        assert_eq!(container["env"][1]["value"], format!("0.0.0.0:{port}"));
        assert_eq!(container["ports"][0]["containerPort"], port);
        assert_eq!(one(all, "Service").unwrap()["spec"]["ports"][0]["port"], port);
    }
}

/// Seven files are copies, and identity's is one with a volume: whoever changes one must change all.
#[test]
fn the_manifests_of_the_services_differ_in_name_and_port_only() {
    let read = |name: &str| fs::read_to_string(venv::here().join(format!("deploy/k8s/service/{name}.yaml"))).unwrap();
    let order = read("order");
    for (name, port) in PORTS.into_iter().filter(|(name, _)| *name != "identity") {
        assert_eq!(read(name), order.replace("order", name).replace("8081", &port.to_string()), "{name}");
    }
    let (_, k8s) = files();
    let pods = |name: &str, kind: &str| one(&k8s[&format!("service/{name}.yaml")], kind).unwrap()["spec"]["template"]["spec"].clone();
    let (usual, identity) = (pods("order", "Deployment"), pods("identity", "StatefulSet"));
    for field in ["readinessProbe", "livenessProbe", "startupProbe", "lifecycle", "resources", "securityContext", "envFrom", "image"] {
        assert_eq!(identity["containers"][0][field], usual["containers"][0][field], "{field}");
    }
}

#[test]
fn services_are_replaced_without_a_gap() {
    let (_, k8s) = files();
    for (name, _) in PORTS.into_iter().filter(|(name, _)| *name != "identity") {
        let all = &k8s[&format!("service/{name}.yaml")];
        let spec = &one(all, "Deployment").unwrap()["spec"];
        assert!(spec["replicas"].as_u64() >= Some(2) && spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0, "{name}");
        assert!(one(all, "HorizontalPodAutoscaler").is_some() && one(all, "PodDisruptionBudget").is_some(), "{name}");
        let pod = &spec["template"]["spec"];
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{name}");
        assert!(pod["terminationGracePeriodSeconds"].as_u64() > Some(30), "{name}");
    }
    // There is one of identity, so nothing scales it, and nothing keeps a node from being emptied.
    let identity = &k8s["service/identity.yaml"];
    assert!(one(identity, "HorizontalPodAutoscaler").is_none() && one(identity, "PodDisruptionBudget").is_none());
    let listed: BTreeSet<&str> = k8s["kustomization.yaml"][0]["resources"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let there: BTreeSet<&str> =
        k8s.keys().map(String::as_str).filter(|name| !["kustomization.yaml", "secret.template.yaml"].contains(name)).collect();
    assert_eq!(listed, there);
}

#[test]
fn every_probe_asks_a_route_that_exists() {
    let (compose, k8s) = files();
    let paths: BTreeSet<String> = routes::all().into_iter().map(|route| route.path).collect();
    let mut found = vec![];
    texts("", &compose, &mut found);
    k8s.values().flatten().for_each(|one| texts("", one, &mut found));
    let probed = found.iter().filter_map(|(name, text)| match *name {
        "path" if text.starts_with("/health") => Some(*text),
        _ => text.find("/health").map(|at| &text[at..]),
    });
    let probed: Vec<&str> = probed.collect();
    assert_eq!(probed.len(), PORTS.len() * 4, "three probes in Kubernetes and one in compose, of each");
    assert!(probed.iter().all(|path| paths.contains(*path)), "{probed:?}");
}

#[test]
fn every_variable_is_a_setting_of_the_server() {
    let (compose, k8s) = files();
    let mut used: BTreeSet<&str> = BTreeSet::new();
    let mut found = vec![];
    texts("", &compose, &mut found);
    k8s.values().flatten().for_each(|one| texts("", one, &mut found));
    used.extend(found.iter().map(|(name, _)| *name).filter(|name| name.starts_with("BAEMIN_")));
    assert_eq!(used, VARIABLES.into_iter().collect());
    let command = Config::command();
    let known: BTreeSet<&str> = command.get_arguments().filter_map(|arg| arg.get_env()?.to_str()).collect();
    let unknown: Vec<&&str> = used.iter().filter(|name| !known.contains(**name)).collect();
    assert!(unknown.is_empty(), "the server has no settings {unknown:?}");
}

/// What would be a secret if it stood here.
fn secret(name: &str, text: &str) -> bool {
    let name = name.to_lowercase();
    let named = ["password", "secret", "token", "_pass"].iter().any(|word| name.contains(word));
    let place = name.ends_with("_file") || ["secrets", "secretname"].contains(&name.as_str());
    let login = text.split_once("://").and_then(|(_, rest)| rest.split_once('@')).is_some_and(|(user, _)| user.contains(':'));
    login || (named && !place && !text.is_empty())
}

#[test]
fn no_secret_is_in_the_repository() {
    assert!(secret("POSTGRES_PASSWORD", "hunter2") && secret("x", "amqp://a:b@host") && !secret("x", "http://order:8081"));
    let (compose, k8s) = files();
    let mut found = vec![];
    for (name, value) in compose.as_object().unwrap() {
        // Checked below: here it is files that are named.
        if name != "secrets" {
            texts(name, value, &mut found);
        }
    }
    k8s.values().flatten().for_each(|one| texts("", one, &mut found));
    let kept: Vec<_> = found.iter().filter(|(name, text)| secret(name, text)).collect();
    assert!(kept.is_empty(), "{kept:?}");
    for (name, from) in compose["secrets"].as_object().unwrap() {
        assert_eq!(from, &serde_json::json!({ "file": format!("./secrets/{name}") }));
        assert_eq!(k8s["secret.template.yaml"][0]["stringData"][name], "", "{name}");
    }
    let ignored = fs::read_to_string(venv::here().join("../.gitignore")).unwrap();
    assert!(ignored.lines().any(|line| line == "examples/deploy/secrets/"));
}
