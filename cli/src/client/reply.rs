//! What a server answers, read.

use crate::{Exit, Failure};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;

/// An answer that is a success.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// As the server wrote it.
    pub text: String,
    /// The same, read; null for an empty answer.
    pub body: Value,
    /// When to look again.
    pub retry_after: Option<Duration>,
}

impl Reply {
    /// The answer as a type of `shared`.
    ///
    /// # Errors
    /// When it is something else.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        read(self.body.clone())
    }

    /// The elements of a collection.
    pub fn items(&self) -> Vec<Value> {
        let embedded = self.body.get("_embedded").and_then(Value::as_object);
        embedded.and_then(|map| map.values().find_map(Value::as_array)).cloned().unwrap_or_default()
    }

    /// The elements of a collection as a type of `shared`.
    ///
    /// # Errors
    /// When they are something else.
    pub fn list<T: DeserializeOwned>(&self) -> Result<Vec<T>, Failure> {
        self.items().into_iter().map(read).collect()
    }

    /// How many pages there are; 1 when the answer does not say.
    pub fn pages(&self) -> u64 {
        self.body.pointer("/page/totalPages").and_then(Value::as_u64).unwrap_or(1)
    }
}

/// Reads a value of the server.
pub(super) fn read<T: DeserializeOwned>(value: Value) -> Result<T, Failure> {
    serde_json::from_value(value).map_err(|e| {
        Failure::new(Exit::Failed, "the server's answer cannot be read / 서버의 답을 읽을 수 없어요")
            .why(e.to_string())
            .hint("baemin --version")
    })
}
