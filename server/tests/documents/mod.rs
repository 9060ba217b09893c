//! What the documents that the server gives away have in common.

use serde_json::Value;

/// How many references a document has. Each must lead to something within it.
pub fn references(document: &Value) -> usize {
    let (mut references, mut open) = (0, vec![document]);
    while let Some(value) = open.pop() {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(reference)) = fields.get("$ref") {
                    references += 1;
                    let target = document.pointer(reference.strip_prefix('#').unwrap_or("?"));
                    assert!(target.is_some(), "{reference} leads nowhere");
                }
                open.extend(fields.values());
            }
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    references
}
