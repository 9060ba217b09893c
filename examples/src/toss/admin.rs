//! The knobs, for tests: under `/admin`, without a key, on a machine's own interface.

use super::{
    answers::Answer,
    faults::Rule,
    server::{Sim, lock},
    webhooks::Setting,
};
use hyper::{Method, body::Bytes};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;

#[derive(Deserialize)]
struct Advance {
    advance_ms: u32,
}

#[derive(Deserialize)]
struct Rate {
    per_minute: Option<u32>,
}

/// The answer to a request about the simulator itself; `None` for one that a merchant may send.
pub fn answer(sim: &Sim, method: &Method, path: &str, body: &Bytes) -> Option<Answer> {
    let done = match (method.as_str(), path) {
        ("GET", "/health/ready") => Ok(()),
        ("POST", "/admin/faults") => read::<Vec<Rule>>(body).map(|rules| rules.into_iter().for_each(|rule| lock(&sim.faults).add(rule))),
        ("DELETE", "/admin/faults") => {
            lock(&sim.faults).clear();
            sim.released.send_modify(|released| *released += 1);
            Ok(())
        }
        ("POST", "/admin/clock") => read::<Advance>(body).map(|said| sim.clock.advance(said.advance_ms)),
        ("POST", "/admin/rate") => read::<Rate>(body).map(|said| lock(&sim.meter).per_minute = said.per_minute),
        ("POST", "/admin/webhooks") => read::<Setting>(body).map(|said| sim.hooks.set(said)),
        ("GET", "/admin/counts") => {
            let (captured, cancelled) = lock(&sim.bank).totals();
            let calls = json!(lock(&sim.meter).calls);
            let (faults, cuts) = {
                let all = lock(&sim.faults);
                (all.fired, all.cuts())
            };
            let counts = json!({ "calls": calls, "faults": faults, "cuts": cuts, "captured": captured, "cancelled": cancelled });
            return Some(Answer::json(200, &counts));
        }
        (_, path) if path.starts_with("/admin/") => Err("no such knob".into()),
        _ => return None,
    };
    Some(match done {
        Ok(()) => Answer::json(200, &json!({})),
        Err(why) => Answer::json(400, &json!({ "code": "INVALID_REQUEST", "message": why })),
    })
}

fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|e| e.to_string())
}
