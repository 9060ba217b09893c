//! The shape of the code, as tests: which way dependencies run, what the rules may use, and who may print. A shape that
//! is only described rots; these read the sources and say which line breaks it.

#![expect(clippy::unwrap_used, reason = "a test that cannot read the sources must fail")]

use std::{
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every Rust file below a folder, with its path from the root.
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut found = vec![];
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(root()).unwrap().display().to_string();
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "{folder} has no sources");
    found
}

/// Lines that break a rule, with their places. Comments and test modules do not count.
fn breaches(folder: &str, broken: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let mut all = vec![];
    for (name, text) in sources(folder) {
        if name.contains("/tests") {
            continue;
        }
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in code.lines().enumerate() {
            let line = line.split("//").next().unwrap_or_default();
            if broken(&name, line) {
                all.push(format!("{name}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    all
}

/// The dependencies of a package, from its manifest: the table `[dependencies]` alone.
fn dependencies(manifest: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(manifest)).unwrap();
    let table = text.split("\n[dependencies]\n").nth(1).unwrap_or_default();
    let table = table.split("\n[").next().unwrap_or_default();
    let names = table.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split(['.', ' ', '=']).next());
    let mut names: Vec<String> = names.filter(|name| !name.is_empty()).map(str::to_owned).collect();
    names.sort();
    names
}

const OURS: [&str; 5] = ["shared", "domain", "server", "baemin", "examples"];

#[test]
fn dependencies_run_one_way() {
    // Each package, and those of ours that it may use.
    let allowed: [(&str, &[&str]); 5] = [
        ("shared/Cargo.toml", &[]),
        ("server/domain/Cargo.toml", &["shared"]),
        ("server/Cargo.toml", &["domain", "shared"]),
        ("cli/Cargo.toml", &["shared"]),
        ("examples/Cargo.toml", &["baemin", "shared"]),
    ];
    for (manifest, allowed) in allowed {
        for used in dependencies(manifest).iter().filter(|name| OURS.contains(&name.as_str())) {
            assert!(allowed.contains(&used.as_str()), "{manifest} must not depend on {used}");
        }
    }
}

#[test]
fn the_rules_depend_on_nothing_that_can_do_input_or_output() {
    assert_eq!(dependencies("server/domain/Cargo.toml"), ["serde", "shared", "thiserror"]);
    // JSON as a value: what a newer version said is kept as it came.
    assert_eq!(dependencies("shared/Cargo.toml"), ["schemars", "serde", "serde_json"]);
    let outside = [
        "std::fs",
        "std::net",
        "std::env",
        "std::process",
        "std::thread",
        "std::io",
        "SystemTime",
        "Instant",
        "async fn",
        "async move",
        "tokio",
        "rand::",
    ];
    for folder in ["server/domain/src", "shared/src"] {
        let found = breaches(folder, |_, line| outside.iter().any(|word| line.contains(word)));
        assert!(found.is_empty(), "the rules reach for the outside:\n{}", found.join("\n"));
    }
}

#[test]
fn contexts_import_no_other_context() {
    let contexts = ["order", "payment", "store", "rider", "customer", "notification"];
    let found = breaches("server/domain/src", |name, line| {
        let Some(own) = contexts.iter().find(|context| name.contains(&format!("/src/{context}/"))) else { return false };
        let others = contexts.iter().filter(|context| *context != own);
        // `crate::store::..` is another context's rules; `shared::store::..` is everybody's words.
        others.into_iter().any(|other| line.contains(&format!("crate::{other}")) || line.contains(&format!("super::super::{other}")))
    });
    assert!(found.is_empty(), "a context knows another one:\n{}", found.join("\n"));
    // Imports in braces (`use crate::{store, ..}`) name the context as an item of its own.
    for (name, text) in sources("server/domain/src") {
        let Some(own) = contexts.iter().find(|context| name.contains(&format!("/src/{context}/"))) else { continue };
        for import in text.split("use crate::{").skip(1).filter_map(|rest| rest.split("};").next()) {
            let items = import.split([',', '{', '}']).map(|item| item.trim().split("::").next().unwrap_or_default());
            for item in items {
                assert!(!contexts.contains(&item) || item == *own, "{name} imports the context {item}");
            }
        }
    }
}

#[test]
fn the_engine_knows_no_business_word() {
    let words = ["order::", "ticket::", "delivery::", "payment::", "store::", "customer::", "rider::", "notice::", "review::"];
    for folder in ["server/src/engine", "server/src/journal", "server/src/bus"] {
        let found = breaches(folder, |_, line| {
            words.iter().any(|word| line.contains(&format!("shared::{word}")) || line.contains(&format!("domain::{word}")))
        });
        assert!(found.is_empty(), "the engine speaks of business:\n{}", found.join("\n"));
    }
}

#[test]
fn only_the_output_module_prints_and_only_main_exits() {
    let prints = ["println!", "print!(", "eprintln!", "eprint!(", "io::stdout()", "io::stderr()"];
    let found = breaches("cli/src", |name, line| {
        name != "cli/src/output.rs" && prints.iter().any(|word| line.contains(word)) && !line.contains(".is_terminal()")
    });
    assert!(found.is_empty(), "somebody else prints:\n{}", found.join("\n"));
    // The server's main says where it listens, for scripts, and why it did not start.
    let found = breaches("server/src", |name, line| name != "server/src/main.rs" && prints.iter().any(|word| line.contains(word)));
    assert!(found.is_empty(), "the server prints:\n{}", found.join("\n"));
    for folder in ["cli/src", "server/src", "server/domain/src", "shared/src"] {
        let found = breaches(folder, |name, line| !name.ends_with("main.rs") && line.contains("process::exit"));
        assert!(found.is_empty(), "somebody else exits:\n{}", found.join("\n"));
    }
}

#[test]
fn a_breach_is_found() {
    // The reader of sources must see what it is asked for, or the tests above would pass on anything.
    assert!(!breaches("server/src/engine", |_, line| line.contains("tokio")).is_empty());
    assert_eq!(dependencies("server/Cargo.toml").iter().filter(|name| OURS.contains(&name.as_str())).count(), 2);
}
