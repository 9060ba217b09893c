//! Where SOLAPI is, and what we are there.

use crate::notifier::http;
use reqwest::Url;
use std::{collections::BTreeMap, path::PathBuf, str::FromStr};

/// The text of the general template, as it must be approved: 알림톡 takes texts of approved templates only.
pub const TEMPLATE: &str = "#{내용}\n주문번호 #{주문번호}";
/// What a notice says.
pub const WORDS: &str = "#{내용}";
/// About which order.
pub const ORDER: &str = "#{주문번호}";

/// How long a request may take: SOLAPI answers within a second, and a notice can wait.
const DEADLINE_MS: u64 = 5_000;
/// How long what was handed over without an answer may be on its way, until an empty look-up means that it never arrived.
const SETTLE_MS: u64 = 10_000;
/// How long a message must have failed until that is final: SOLAPI writes a text message in place of an 알림톡 within
/// seconds.
const REPORT_MS: u64 = 60_000;

/// The settings of the way.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Where SOLAPI is: `https://api.solapi.com`.
    pub url: Url,
    /// The registered number that text messages come from.
    pub from: String,
    /// Our channel on KakaoTalk.
    pub pf: String,
    /// The general template, for whatever has none of its own.
    pub template: String,
    /// Another one for readers of English, if there is one.
    pub template_en: Option<String>,
    /// The file with the templates of each topic.
    pub templates: Option<PathBuf>,
    /// How long a request may take, in milliseconds.
    pub deadline_ms: u64,
    /// How long a message may be on its way, in milliseconds.
    pub settle_ms: u64,
    /// How long a message that has failed may go out as another one, in milliseconds.
    pub report_ms: u64,
}

impl FromStr for Settings {
    type Err = String;

    /// Reads `https://api.solapi.com?from=0212345678&pf=KA01PF…&template=KA01TP…`.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut url = http::address(text)?;
        let mut said: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        url.set_query(None);
        url.set_fragment(None);
        let optional = |value: Option<String>, name: &str, usual: u64| match value.map(|text| text.parse()) {
            None => Ok(usual),
            Some(Ok(ms)) => Ok(ms),
            Some(Err(_)) => Err(format!("{name}: milliseconds are wanted")),
        };
        let deadline_ms = optional(said.remove("deadline-ms"), "deadline-ms", DEADLINE_MS)?;
        let settle_ms = optional(said.remove("settle-ms"), "settle-ms", SETTLE_MS)?;
        let report_ms = optional(said.remove("report-ms"), "report-ms", REPORT_MS)?;
        let template_en = said.remove("template-en");
        let templates = said.remove("templates").map(PathBuf::from);
        let mut wanted = |name: &str| {
            said.remove(name).filter(|value| !value.is_empty()).ok_or_else(|| format!("{name} is wanted: URL?from=..&pf=..&template=.."))
        };
        let (from, pf, template) = (wanted("from")?, wanted("pf")?, wanted("template")?);
        if !from.bytes().all(|b| b.is_ascii_digit()) {
            return Err("from: digits are wanted".into());
        }
        match said.keys().next() {
            Some(unknown) => Err(format!("{unknown}: no such setting")),
            None => Ok(Self { url, from, pf, template, template_en, templates, deadline_ms, settle_ms, report_ms }),
        }
    }
}
