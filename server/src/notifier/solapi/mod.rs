//! SOLAPI: a notice as 알림톡 on KakaoTalk; SOLAPI itself sends a text message instead to whoever does not use it.
//!
//! SOLAPI has no idempotency key. Each message carries the notice's name as `customFields.nid`, and whatever may have been
//! handed over before is looked up under that name first; it is sent again only when it is not there, and not before what
//! is on its way has had the time to arrive. Source: docs.solapi.com, messages v4; the facts of `sendSimpleMessage`,
//! `getMessageList` and `message-status-codes`.

mod answer;
mod auth;
mod settings;
mod templates;

pub use auth::signature;
pub use settings::Settings;

use super::{
    Fault, Hidden, Message, Notifier, Outcome, Way,
    http::{self, Lost},
};
use crate::{engine::now_ms, traces::span::hex};
use answer::{Found, Listed, Sent, Stored, Verdict};
use domain::notification::text::Variables;
use futures_util::{FutureExt, future::BoxFuture};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use shared::{Lang, Millis, sealed::Phone};
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use templates::Templates;

/// Answers to a single message have about 500 bytes; a page of a hundred messages, about 200 kilobytes.
const MAX_BYTES: usize = 1024 * 1024;
/// The longest name that a custom field takes, in characters.
const MAX_NAME: usize = 100;
/// The longest 알림톡, in characters.
const MAX_TEXT: usize = 1_000;
/// Messages per page of a look-up, and how many pages are read: one phone does not get more texts than that in the time
/// that a notice is tried.
const PAGE: usize = 100;
const PAGES: usize = 10;
/// Notices whose failure is remembered until it is believed: more than are asked about at the same time. What is forgotten
/// is asked about for longer.
const MAX_FAILING: usize = 8_192;
/// Notices remembered that were not taken: more than are tried at the same time. One that is forgotten counts as lost on its
/// way, and is looked up before it is sent again; those that went another way meanwhile are forgotten so as well.
const MAX_PAST: usize = 16_384;
/// How much SOLAPI's clock and ours may differ, and more: it accepts requests that are 15 minutes off.
const SKEW_MS: Millis = 60 * 60 * 1000;

/// The way over SOLAPI.
pub struct Solapi {
    settings: Settings,
    templates: Templates,
    key: Hidden,
    secret: Hidden,
    client: Client,
    /// What became of earlier attempts.
    past: Mutex<HashMap<String, Past>>,
    /// Since when each notice, as far as is known, has not arrived.
    failing: Mutex<HashMap<String, Instant>>,
}

/// What is known of the last attempt to send a notice.
#[derive(Debug, Clone, Copy)]
enum Past {
    /// It was not taken.
    Clean,
    /// It was answered, and so is not on its way any more; only a look-up tells whether it was taken.
    Answered,
    /// It was not answered, and may be on its way since then.
    Lost(Instant),
}

impl Solapi {
    /// A way with these settings.
    ///
    /// # Errors
    /// When the file of templates cannot be used, or no client can be built.
    pub fn new(settings: Settings, key: Hidden, secret: Hidden) -> Result<Self, String> {
        let client = http::client(Duration::from_millis(settings.deadline_ms))?;
        let templates = settings.templates.as_deref().map(Templates::read).transpose()?.unwrap_or_default();
        Ok(Self { settings, templates, key, secret, client, past: Mutex::default(), failing: Mutex::default() })
    }

    fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, Fault> {
        let mut salt = [0; 16];
        aws_lc_rs::rand::fill(&mut salt).map_err(|_| Fault::Broken)?;
        let authorization = auth::header(self.key.reveal(), self.secret.reveal(), now_ms(), &hex(&salt)).ok_or(Fault::Broken)?;
        let mut url = self.settings.url.clone();
        url.set_path(&format!("{}{path}", url.path().trim_end_matches('/')));
        Ok(self.client.request(method, url).header("authorization", authorization))
    }

    async fn deliver(&self, message: &Message) -> Result<(), Fault> {
        let to = message.phone.as_ref().and_then(mobile).ok_or(Fault::Refused)?;
        if message.key.chars().count() > MAX_NAME {
            return Err(Fault::Refused);
        }
        if message.again {
            // After a restart nobody knows when it was handed over, and so that time begins with the first look.
            let known = self.past().get(&message.key).copied();
            let past = known.unwrap_or_else(|| self.remember(message, Past::Lost(Instant::now())));
            let settle = Duration::from_millis(self.settings.settle_ms);
            // Whether it can no longer be on its way is asked before the look-up, or else it could arrive in between.
            let has_settled = !matches!(past, Past::Lost(since) if since.elapsed() < settle);
            if !matches!(past, Past::Clean) && self.look_up(message, &to).await? {
                return Ok(());
            }
            if !has_settled {
                return Err(Fault::Broken);
            }
        }
        self.post(message, &to).await
    }

    /// Whether SOLAPI has accepted this notice; nothing is sent.
    ///
    /// # Errors
    /// When that cannot be known, or SOLAPI has refused it.
    pub async fn knows(&self, message: &Message) -> Result<bool, Fault> {
        let to = message.phone.as_ref().and_then(mobile).ok_or(Fault::Refused)?;
        self.look_up(message, &to).await
    }

    /// An outcome, unless it may yet be another one: a text message in place of an 알림톡 is written after that has failed.
    fn believed(&self, key: &str, outcome: Option<Outcome>) -> Option<Outcome> {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(outcome, Some(Outcome::Failed | Outcome::Unknown)) {
            failing.remove(key);
            return outcome;
        }
        if failing.len() >= MAX_FAILING {
            failing.clear();
        }
        let since = *failing.entry(key.to_owned()).or_insert_with(Instant::now);
        if since.elapsed() < Duration::from_millis(self.settings.report_ms) {
            return None;
        }
        failing.remove(key);
        outcome
    }

    fn past(&self) -> MutexGuard<'_, HashMap<String, Past>> {
        self.past.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a message of this name has been accepted.
    async fn look_up(&self, message: &Message, to: &str) -> Result<bool, Fault> {
        let is_known = |named: &[Stored]| answer::found(named) == Found::Accepted;
        match answer::found(&self.stored(message, to, is_known).await?) {
            Found::Accepted => Ok(true),
            // It is there, and nobody knows what became of it: it must not be sent again.
            Found::Unknown => Err(Fault::Broken),
            Found::Refused => Err(Fault::Refused),
            Found::Nothing => Ok(false),
        }
    }

    /// The messages of this name, the latest first, until they are enough.
    async fn stored(&self, message: &Message, to: &str, is_enough: impl Fn(&[Stored]) -> bool) -> Result<Vec<Stored>, Fault> {
        let since = jiff::Timestamp::from_millisecond(message.at_ms.min(now_ms()) - SKEW_MS).map_err(|_| Fault::Broken)?;
        let mut next: Option<String> = None;
        let mut named = vec![];
        for _ in 0..PAGES {
            let mut query = vec![("to", to.to_owned()), ("startDate", since.to_string()), ("limit", PAGE.to_string())];
            query.extend(next.take().map(|key| ("startKey", key)));
            let heard = http::ask(self.request(Method::GET, "/messages/v4/list")?.query(&query), MAX_BYTES).await.map_err(http::broken)?;
            if http::is_full(heard.status) {
                return Err(Fault::Full);
            }
            let listed: Listed = heard.json().filter(|_| heard.status.as_u16() == 200).ok_or(Fault::Broken)?;
            named.extend(listed.named(&message.key).ok_or(Fault::Broken)?);
            match listed.next() {
                Some(key) if !is_enough(&named) => next = Some(key),
                _ => return Ok(named),
            }
        }
        Err(Fault::Broken)
    }

    async fn post(&self, message: &Message, to: &str) -> Result<(), Fault> {
        let body = self.body(message, to).ok_or(Fault::Refused)?;
        let sent = http::ask(self.request(Method::POST, "/messages/v4/send")?.json(&body), MAX_BYTES).await;
        let (fault, past) = match &sent {
            Ok(heard) => match answer::judge(heard.status.as_u16(), heard.json::<Sent>().as_ref(), heard.json().as_ref()) {
                Verdict::Accepted => return Ok(()),
                Verdict::Refused => return Err(Fault::Refused),
                Verdict::Full => (Fault::Full, Past::Clean),
                Verdict::Broken => (Fault::Broken, Past::Clean),
                // Unavailable, perhaps only after it was taken.
                Verdict::Unknown if http::is_full(heard.status) => (Fault::Full, Past::Answered),
                Verdict::Unknown => (Fault::Broken, Past::Answered),
            },
            Err(Lost::Unsent) => (Fault::Broken, Past::Clean),
            Err(Lost::Maybe) => (Fault::Broken, Past::Lost(Instant::now())),
        };
        self.remember(message, past);
        Err(fault)
    }

    fn remember(&self, message: &Message, past: Past) -> Past {
        let mut all = self.past();
        if all.len() >= MAX_PAST {
            all.clear();
        }
        all.insert(message.key.clone(), past);
        past
    }

    /// A notice as one of the approved texts: its topic's own, or the general one.
    fn approved<'a>(&'a self, message: &'a Message) -> (&'a str, String, Variables) {
        let own = message.alimtalk.as_ref().and_then(|own| Some((self.templates.id(own.template, message.lang)?, own)));
        if let Some((id, own)) = own {
            return (id, own.text.clone(), own.variables.clone());
        }
        let id = match (message.lang, &self.settings.template_en) {
            (Lang::En, Some(english)) => english,
            _ => &self.settings.template,
        };
        let order = message.order.to_string();
        // The notice's words come last: what they hold is no place for the order.
        let text = settings::TEMPLATE.replace(settings::ORDER, &order).replace(settings::WORDS, &message.text);
        (id, text, vec![(settings::WORDS, message.text.clone()), (settings::ORDER, order)])
    }

    fn body(&self, message: &Message, to: &str) -> Option<Value> {
        let (template, text, variables) = self.approved(message);
        let body = json!({
            "message": {
                "to": to, "from": self.settings.from, "type": "ATA", "text": text,
                "kakaoOptions": {
                    "pfId": self.settings.pf, "templateId": template,
                    "variables": variables.into_iter().collect::<HashMap<_, _>>(),
                    "disableSms": false,
                },
                "customFields": { "nid": message.key },
            },
            "allowDuplicates": false,
            "agent": { "sdkVersion": concat!("baemin/", env!("CARGO_PKG_VERSION")), "osPlatform": std::env::consts::OS },
        });
        (text.chars().count() <= MAX_TEXT).then_some(body)
    }
}

impl Notifier for Solapi {
    fn way(&self) -> Way {
        Way::Solapi
    }

    fn wants_phone(&self) -> bool {
        true
    }

    fn send(&self, message: Message) -> BoxFuture<'_, Result<(), Fault>> {
        async move {
            let sent = self.deliver(&message).await;
            if matches!(sent, Ok(()) | Err(Fault::Refused)) {
                self.past().remove(&message.key);
            }
            sent
        }
        .boxed()
    }

    fn outcome(&self, message: Message) -> BoxFuture<'_, Result<Option<Outcome>, Fault>> {
        async move {
            let to = message.phone.as_ref().and_then(mobile).ok_or(Fault::Refused)?;
            let has_arrived = |named: &[Stored]| matches!(answer::outcome(named), Some(Outcome::Delivered | Outcome::Replaced));
            let named = self.stored(&message, &to, has_arrived).await?;
            Ok(self.believed(&message.key, answer::outcome(&named)))
        }
        .boxed()
    }
}

/// The digits of a Korean mobile number, 010, 011 or 016 to 019: nothing else has KakaoTalk, or takes text messages.
fn mobile(phone: &Phone) -> Option<String> {
    let digits: String = phone.as_str().chars().filter(char::is_ascii_digit).collect();
    let is_mobile = matches!(digits.get(..3), Some("010" | "011" | "016" | "017" | "018" | "019"));
    (is_mobile && matches!(digits.len(), 10 | 11)).then_some(digits)
}

#[cfg(test)]
mod tests;
