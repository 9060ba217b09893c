//! Everything that can be wrong with a body, made from a body with which nothing is wrong.

use serde_json::{Map, Value, json};

/// A body with something wrong in it, or something odd.
pub struct Mutant {
    /// Where, and what.
    pub what: String,
    /// The bytes, since some of these are no JSON that a library would write.
    pub body: String,
    /// True when nothing but a refusal as unreadable is right.
    pub is_wrong: bool,
}

/// Stands for bytes that no JSON value of this library can be.
const RAW: &str = "@raw@";

/// Every mutant of a body.
pub fn mutants(valid: &Value) -> Vec<Mutant> {
    let mut all = vec![];
    for (path, value) in places(valid) {
        for (what, instead, is_wrong) in instead_of(value) {
            let mut body = valid.clone();
            *body.pointer_mut(&path).unwrap() = instead.as_ref().map_or(RAW.into(), |(value, _)| value.clone());
            let text = match &instead {
                Some((_, Some(raw))) => {
                    *body.pointer_mut(&path).unwrap() = RAW.into();
                    body.to_string().replace(&format!("\"{RAW}\""), raw)
                }
                _ => body.to_string(),
            };
            // No body at all is that of a verb without fields, and a list without its only item is an empty one.
            let is_wrong = is_wrong && !(what == "nothing" && (path.is_empty() || path.ends_with(char::is_numeric)));
            all.push(Mutant { what: format!("{path} {what}"), body: text, is_wrong });
        }
        if let Value::Object(fields) = value {
            all.extend(of_object(valid, &path, fields));
        }
    }
    all
}

/// Pointers to the value itself and all within.
fn places(value: &Value) -> Vec<(String, &Value)> {
    let mut all = vec![(String::new(), value)];
    let mut i = 0;
    while i < all.len() {
        let (path, value) = all[i].clone();
        match value {
            Value::Object(fields) => all.extend(fields.iter().map(|(name, value)| (format!("{path}/{name}"), value))),
            Value::Array(items) => all.extend(items.iter().enumerate().map(|(i, value)| (format!("{path}/{i}"), value))),
            _ => {}
        }
        i += 1;
    }
    all
}

/// A value, and its bytes where the value cannot say them.
type Instead = Option<(Value, Option<String>)>;

fn instead_of(value: &Value) -> Vec<(&'static str, Instead, bool)> {
    let plain = |value: Value| Some((value, None));
    let raw = |text: String| Some((Value::Null, Some(text)));
    let deep = || raw(format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000)));
    let mut all = vec![
        ("null", plain(Value::Null), false),
        ("deep", deep(), true),
        ("deep object", raw(format!("{}1{}", r#"{"a":"#.repeat(5_000), "}".repeat(5_000))), true),
        ("NaN", raw("NaN".into()), true),
        ("1e999", raw("1e999".into()), true),
        ("nothing", raw(String::new()), true),
    ];
    match value {
        Value::String(text) => {
            for bad in [json!(1), json!(true), json!([]), json!({}), json!([text]), json!({ "a": text })] {
                all.push(("of another type", plain(bad), true));
            }
            for odd in ODD_TEXTS {
                all.push(("odd text", plain(json!(odd)), false));
            }
            all.push(("huge", plain(json!("가".repeat(10_000))), true));
            all.push(("half a surrogate", raw(r#""\ud800""#.into()), true));
            all.push(("not escaped", raw("\"a\u{1}b\"".into()), true));
        }
        Value::Number(_) => {
            for bad in [json!("1"), json!(true), json!([1]), json!({}), json!(1e300), json!(-1e300)] {
                all.push(("of another type, or out of all limits", plain(bad), true));
            }
            for big in ["9223372036854775808", "-9223372036854775809", "99999999999999999999999999", "18446744073709551616", "4294967297"] {
                all.push(("overflow", raw(big.into()), true));
            }
            for odd in ["-1", "0", "-0", "0.5", "1e2", "4294967296", "2147483648", "1000001", "-0.0"] {
                all.push(("odd number", raw(odd.into()), false));
            }
        }
        Value::Bool(_) => {
            for bad in [json!(1), json!("true"), json!([true])] {
                all.push(("of another type", plain(bad), true));
            }
        }
        Value::Array(items) => {
            for bad in [json!({}), json!("x"), json!(1)] {
                all.push(("of another type", plain(bad), true));
            }
            all.push(("empty", plain(json!([])), false));
            all.push(("ten thousand nulls", plain(json!(vec![Value::Null; 10_000])), true));
            let many = json!(vec![items.first().cloned().unwrap_or(json!("x")); 600]);
            all.push(("many", plain(many), false));
        }
        Value::Object(fields) => {
            for bad in [json!("x"), json!(1), json!(true)] {
                all.push(("of another type", plain(bad), true));
            }
            // A point may be said as a list, since that is how lists and structs are read; it is a point all the same.
            all.push(("as a list", plain(json!(fields.values().cloned().collect::<Vec<_>>())), false));
        }
        Value::Null => {}
    }
    all
}

/// Text that is refused, or kept literally; nothing in between.
pub const ODD_TEXTS: [&str; 20] = [
    "",
    "   ",
    "\u{0}",
    "a\u{1b}[2J\u{1b}]0;x\u{7}b",
    "a\r\nSet-Cookie: x=1",
    "\u{202e}gnp.exe",
    "\u{feff}bom",
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "'; DROP TABLE events; --",
    "${jndi:ldap://127.0.0.1/x} {{7*7}} #{고객명}",
    "%s%n%x%00",
    "=cmd|' /C calc'!A0",
    "../../../etc/passwd",
    "ord_0000000000000000",
    "👨‍👩‍👧‍👦🏳️‍🌈 e\u{301} ﷽",
    "\u{fff0}\u{10ffff}",
    "null",
    "-1",
    "\\\"}],\"total\":0,\"x\":[{\"y\":\"",
];

/// Fields too many, too few, and twice.
fn of_object(valid: &Value, path: &str, fields: &Map<String, Value>) -> Vec<Mutant> {
    let with = |change: &dyn Fn(&mut Map<String, Value>)| {
        let mut body = valid.clone();
        change(body.pointer_mut(path).unwrap().as_object_mut().unwrap());
        body.to_string()
    };
    let mut all = vec![];
    // Fields with which a client could want to say what is the server's to say.
    for name in ["", "x", "type", "__proto__", "price", "total", "status", "role", "roles", "paid", "id", "customer", "owner", "at_ms"] {
        if !fields.contains_key(name) {
            let body = with(&|fields| drop(fields.insert(name.into(), json!(0))));
            all.push(Mutant { what: format!("{path} with an unknown field {name:?}"), body, is_wrong: true });
        }
    }
    for name in fields.keys() {
        let body = with(&|fields| drop(fields.remove(name)));
        all.push(Mutant { what: format!("{path} without {name}"), body, is_wrong: false });
        let upper = with(&|fields| {
            let value = fields.remove(name).unwrap_or_default();
            fields.insert(name.to_uppercase(), value);
        });
        all.push(Mutant { what: format!("{path} with {name} in capitals"), body: upper, is_wrong: true });
    }
    let body = with(&|fields| fields.extend((0..3_000).map(|i| (format!("x{i}"), json!(i)))));
    all.push(Mutant { what: format!("{path} with three thousand fields"), body, is_wrong: true });
    all
}
