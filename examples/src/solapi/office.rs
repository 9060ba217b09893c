//! The office behind the counter: which messages are accepted, what becomes of them, and the journal that says so.

use super::{Answer, auth, error};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{File, OpenOptions},
    io::Write,
    path::PathBuf,
};

/// What the stand-in must know.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where its journal is: a line of JSON for each message that was accepted, on disk before it is answered.
    pub journal: PathBuf,
    /// The customer's key.
    pub key: String,
    /// The customer's secret.
    pub secret: String,
    /// Approved templates, by id.
    pub templates: BTreeMap<String, String>,
    /// Messages per second; one more is answered with 429. Zero: as many as come.
    pub capacity: u32,
    /// How long a message is with the carrier, in milliseconds: nobody knows what becomes of it until then. A text message
    /// in place of one that has failed is listed as much later.
    pub pending_ms: i64,
}

/// What goes wrong on purpose: so many of the next sends each, in this order.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Accepted, and then the connection is cut.
    pub cut_after_accept: u32,
    /// The connection is cut, and nothing accepted.
    pub cut_before_accept: u32,
    /// Answered with 503 after it was accepted.
    pub unavailable_after_accept: u32,
    /// Answered with 503, and not accepted.
    pub unavailable: u32,
    /// Answered with 429.
    pub too_many: u32,
    /// Accepted, and never delivered: neither the 알림톡 nor the text message in its place.
    pub undelivered: u32,
}

/// A message of the journal.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Taken {
    /// Its name with us.
    pub message_id: String,
    /// Its name with the customer: `customFields.nid`.
    pub nid: String,
    /// To whom.
    pub to: String,
    /// ATA, or SMS in its place.
    pub kind: String,
    /// By which approved text.
    #[serde(default)]
    pub template: String,
    /// What became of it.
    pub status_code: String,
    /// True for a text message in place of an 알림톡.
    pub replacement: bool,
    /// When, in milliseconds.
    pub at_ms: i64,
}

/// Everything that is known here.
pub struct Office {
    options: Options,
    file: File,
    seen: auth::Seen,
    taken: Vec<Taken>,
    /// What goes wrong next.
    pub faults: Faults,
    second: (i64, u32),
}

impl Office {
    /// Opens the journal, and reads what is in it.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn open(options: Options) -> Result<Self, String> {
        let shown = options.journal.display().to_string();
        let named = |why: String| format!("{shown}: {why}");
        let text = std::fs::read_to_string(&options.journal).unwrap_or_default();
        let taken = text.lines().map(serde_json::from_str).collect::<Result<Vec<_>, _>>().map_err(|e| named(e.to_string()))?;
        let file = OpenOptions::new().create(true).append(true).open(&options.journal).map_err(|e| named(e.to_string()))?;
        Ok(Self { options, file, seen: auth::Seen::new(), taken, faults: Faults::default(), second: (0, 0) })
    }

    /// All that was accepted.
    pub fn taken(&self) -> &[Taken] {
        &self.taken
    }

    /// Checks who asks.
    ///
    /// # Errors
    /// What to answer.
    pub fn check(&mut self, header: Option<&str>, now_ms: i64) -> Result<(), Answer> {
        auth::check(header, &self.options.key, &self.options.secret, now_ms, &mut self.seen)
    }

    /// `POST /messages/v4/send`
    pub fn send(&mut self, body: &[u8], now_ms: i64) -> Answer {
        if fire(&mut self.faults.cut_before_accept) {
            return Answer::Cut;
        }
        if fire(&mut self.faults.unavailable) {
            return error(503, "ServiceUnavailable", "잠시 후 다시 시도해 주세요.");
        }
        if self.is_full(now_ms) || fire(&mut self.faults.too_many) {
            return error(429, "TooManyRequests", "요청이 너무 많습니다.");
        }
        let Ok(body) = serde_json::from_slice::<Value>(body) else { return error(400, "ValidationError", "JSON이 아닙니다.") };
        match self.accept(&body["message"], now_ms) {
            Err(answer) => answer,
            Ok(_) if fire(&mut self.faults.cut_after_accept) => Answer::Cut,
            Ok(_) if fire(&mut self.faults.unavailable_after_accept) => error(503, "ServiceUnavailable", "잠시 후 다시 시도해 주세요."),
            Ok(answer) => answer,
        }
    }

    fn is_full(&mut self, now_ms: i64) -> bool {
        let second = now_ms / 1_000;
        if self.second.0 != second {
            self.second = (second, 0);
        }
        self.second.1 += 1;
        self.options.capacity > 0 && self.second.1 > self.options.capacity
    }

    fn accept(&mut self, message: &Value, now_ms: i64) -> Result<Answer, Answer> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (to, from, kind) = (text(&message["to"]), text(&message["from"]), text(&message["type"]));
        let digits = |number: &str| (8..=11).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
        if !digits(&to) || !digits(&from) || kind != "ATA" {
            return Err(error(400, "ValidationError", "수신번호, 발신번호, 타입을 확인해 주세요."));
        }
        let fields: Map<String, Value> = message["customFields"].as_object().cloned().unwrap_or_default();
        if fields.iter().any(|(key, value)| key.chars().count() > 30 || value.as_str().is_none_or(|text| text.chars().count() > 100)) {
            return Err(error(400, "ValidationError", "customFields를 확인해 주세요."));
        }
        let status = match self.status(message, &to) {
            "3104" | "4000" if fire(&mut self.faults.undelivered) => "3107",
            status => status,
        };
        let [nid, template] = [fields.get("nid").unwrap_or(&Value::Null), &message["kakaoOptions"]["templateId"]].map(text);
        let (message_id, status_code) = (String::new(), status.to_owned());
        let taken = Taken { message_id, nid, to: to.clone(), kind: kind.clone(), template, status_code, replacement: false, at_ms: now_ms };
        let first = self.write(taken.clone())?;
        if status.starts_with('3') && message["kakaoOptions"]["disableSms"] != true {
            let status_code = if status == "3104" { "4000" } else { "3014" };
            self.write(Taken { kind: "SMS".into(), status_code: status_code.into(), replacement: true, ..taken })?;
        }
        // What becomes of it is known later: an answer says that it was accepted, or that it was refused.
        let code = if status.starts_with('1') { status } else { "2000" };
        Ok(Answer::Json(
            200,
            json!({ "groupId": format!("G4V{}", &first[3..]), "messageId": first, "accountId": "12925149", "statusCode": code,
                    "statusMessage": "정상 접수(이통사로 접수 예정) ", "to": to, "from": from, "type": kind, "country": "82" }),
        ))
    }

    /// What becomes of a message: its template must be approved, its text the template with the values in their places. A
    /// number that ends in 9 is not on KakaoTalk.
    fn status(&self, message: &Value, to: &str) -> &'static str {
        let options = &message["kakaoOptions"];
        let Some(template) = options["templateId"].as_str().and_then(|id| self.options.templates.get(id)) else { return "1042" };
        if options["pfId"].as_str().is_none_or(str::is_empty) {
            return "1042";
        }
        let Some(text) = filled(template, &options["variables"]) else { return "1043" };
        match () {
            () if message["text"] != text => "1043",
            () if to.ends_with('9') => "3104",
            () => "4000",
        }
    }

    /// Writes a message down, on disk, before anybody hears of it.
    fn write(&mut self, taken: Taken) -> Result<String, Answer> {
        let message_id = format!("M4V{:020}", self.taken.len());
        let taken = Taken { message_id: message_id.clone(), ..taken };
        let line = serde_json::to_string(&taken).map_err(|e| error(500, "InternalError", &e.to_string()))?;
        let written = writeln!(self.file, "{line}").and_then(|()| self.file.sync_data());
        written.map_err(|e| error(500, "InternalError", &e.to_string()))?;
        self.taken.push(taken);
        Ok(message_id)
    }

    /// `GET /messages/v4/list`, newest first.
    pub fn list(&self, query: &BTreeMap<String, String>, now_ms: i64) -> Answer {
        let limit = query.get("limit").and_then(|text| text.parse().ok()).unwrap_or(20usize).clamp(1, 500);
        let since_ms =
            query.get("startDate").and_then(|text| text.parse::<jiff::Timestamp>().ok()).map_or(i64::MIN, |at| at.as_millisecond());
        let start = query.get("startKey");
        let all = self.taken.iter().rev().filter(|taken| {
            query.get("to").is_none_or(|to| *to == taken.to)
                && query.get("messageId").is_none_or(|id| *id == taken.message_id)
                && taken.at_ms >= since_ms
                && !(taken.replacement && now_ms - taken.at_ms < 2 * self.options.pending_ms)
                && start.is_none_or(|start| taken.message_id <= *start)
        });
        let mut page: Vec<&Taken> = all.take(limit + 1).collect();
        let next = if page.len() > limit { page.pop() } else { None };
        let list: Map<String, Value> = page
            .into_iter()
            .map(|taken| (taken.message_id.clone(), shown(taken, now_ms - taken.at_ms < self.options.pending_ms)))
            .collect();
        Answer::Json(200, json!({ "startKey": start, "nextKey": next.map(|taken| &taken.message_id), "limit": limit, "messageList": list }))
    }
}

fn shown(taken: &Taken, is_pending: bool) -> Value {
    let code = if is_pending && !taken.status_code.starts_with('1') { "3000" } else { &taken.status_code };
    json!({ "messageId": taken.message_id, "to": taken.to, "type": taken.kind, "statusCode": code,
            "replacement": taken.replacement, "customFields": { "nid": taken.nid }, "country": "82" })
}

/// A template with its variables filled in, unless one is missing, unknown, or no text.
fn filled(template: &str, variables: &Value) -> Option<String> {
    let (variables, mut used) = (variables.as_object()?, BTreeSet::new());
    let (mut text, mut rest) = (String::new(), template);
    while let Some(start) = rest.find("#{") {
        let end = start + rest[start..].find('}')? + 1;
        let name = &rest[start..end];
        text += &rest[..start];
        text += variables.get(name).filter(|_| !name.contains('.'))?.as_str()?;
        used.insert(name);
        rest = &rest[end..];
    }
    (used.len() == variables.len()).then_some(text + rest)
}

/// True once for each that is left.
fn fire(left: &mut u32) -> bool {
    let fires = *left > 0;
    *left = left.saturating_sub(1);
    fires
}
