//! What is told of a run: nothing, every line to a reader, or a fingerprint of every line to compare two runs.

use std::fmt::Display;

/// Who listens to the story.
pub enum Story {
    Silent,
    Aloud,
    Fingerprint(u64),
}

impl Story {
    /// Tells a line. It is only put into words when somebody listens.
    pub fn tell<D: Display>(&mut self, line: impl FnOnce() -> D) {
        match self {
            Story::Silent => {}
            Story::Aloud => println!("{}", line()),
            Story::Fingerprint(hash) => {
                // FNV-1a: two runs that differ anywhere will not agree on 64 bits by chance.
                let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
                *hash = line().to_string().bytes().chain([b'\n']).fold(*hash, mix);
            }
        }
    }

    /// What only a machine wants to know.
    pub fn tell_in_full<D: Display>(&mut self, line: impl FnOnce() -> D) {
        if matches!(self, Story::Fingerprint(_)) {
            self.tell(line);
        }
    }

    pub fn fingerprint() -> Self {
        Story::Fingerprint(0xcbf2_9ce4_8422_2325)
    }
}

/// An event's or a command's name and figures on one line, short enough to follow a run by eye.
pub fn words(of: &impl serde::Serialize) -> String {
    const DULL: [&str; 15] = [
        "type", "about", "basket", "drop", "note", "thanks", "at_ms", "order", "customer", "eta_ms", "profile", "notice", "store",
        "contact", "ready_ms",
    ];
    let json = serde_json::to_value(of).expect("what is told can be written");
    let Some((kind, inner)) = json.as_object().and_then(|sum| sum.iter().next()) else { return json.to_string() };
    let mut line = format!("{kind}.{}", inner["type"].as_str().unwrap_or("?"));
    for (name, value) in inner.as_object().into_iter().flatten() {
        if name == "basket" {
            line += &format!(" total={}", value["total"]);
        } else if !DULL.contains(&name.as_str()) && !value.is_null() {
            line += &format!(" {name}={value}");
        }
    }
    line
}
