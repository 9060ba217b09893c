//! The consumer in Python reads what the server describes: its own tests run on the document and on a record of every
//! event, both made here from the types.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall say where")]

#[path = "../../shared/tests/samples/mod.rs"]
mod samples;
mod venv;

use serde_json::json;
use shared::{Recorded, event::Position};
use std::{fs, process::Command};

#[test]
fn the_python_consumer_understands_what_the_document_describes() {
    let folder = tempfile::tempdir().unwrap();
    let records: Vec<_> = samples::events()
        .into_iter()
        .map(|(_, event)| {
            let value = serde_json::to_value(&event).unwrap();
            let name = value.as_object().unwrap().values().next().unwrap()["type"].clone();
            let kind = event.kind();
            let record = Recorded {
                position: Position { context: kind.context(), partition: 0, seq: 1 },
                stream: samples::order_id().to_string(),
                version: 1,
                at_ms: samples::NOON_MS,
                by: Some(samples::owner_id()),
                cause: Some(Position { context: kind.context(), partition: 0, seq: 7 }),
                event,
            };
            json!({ "kind": kind.name(), "event": name, "record": record })
        })
        .collect();
    fs::write(folder.path().join("records.json"), json!(records).to_string()).unwrap();
    fs::write(folder.path().join("asyncapi.json"), server::http::asyncapi::document()).unwrap();
    let root = venv::here().join("python");
    let python = venv::python("python", &[root.join("requirements.txt"), root.join("tests/requirements.txt")]);
    let output = Command::new(python)
        .args(["-B", "-m", "unittest", "discover", "-v", "-s"])
        .arg(root.join("tests"))
        .env("BAEMIN_FIXTURES", folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("Ran 0 tests"), "{said}");
}
