//! A webhook: the notice as JSON to somebody else's server, signed as standardwebhooks.com says: `webhook-signature` is
//! `v1,` and the base64 HMAC-SHA256 of `{webhook-id}.{webhook-timestamp}.{body}`. The id is the notice's name, so that
//! whoever receives it twice can tell; phones and addresses are not in it.

use super::{Fault, Hidden, Message, Notifier, Way, http};
use crate::engine::now_ms;
use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::{FutureExt, future::BoxFuture};
use reqwest::{Client, Url, header};
use serde_json::json;
use std::time::Duration;

/// How long a receiver may take, as the standard advises at the least.
const DEADLINE: Duration = Duration::from_secs(15);
/// What a receiver answers does not matter, only its status.
const MAX_BYTES: usize = 64 * 1024;

/// The way over a webhook.
pub struct Webhook {
    url: Url,
    key: hmac::Key,
    client: Client,
}

impl Webhook {
    /// A way to this address. A secret that begins with `whsec_` is base64 after that, as the standard has it.
    ///
    /// # Errors
    /// When the secret is none, or no client can be built.
    pub fn new(url: Url, secret: &Hidden) -> Result<Self, String> {
        let bytes = match secret.reveal().strip_prefix("whsec_") {
            Some(text) => STANDARD.decode(text).map_err(|_| "BAEMIN_WEBHOOK_SECRET: base64 is wanted after whsec_".to_owned())?,
            None => secret.reveal().as_bytes().to_vec(),
        };
        Ok(Self { url, key: hmac::Key::new(hmac::HMAC_SHA256, &bytes), client: http::client(DEADLINE)? })
    }

    async fn deliver(&self, message: &Message) -> Result<(), Fault> {
        let body = json!({
            "type": "notice", "timestamp": jiff::Timestamp::from_millisecond(message.at_ms).ok().map(|at| at.to_string()),
            "data": { "key": message.key, "order": message.order, "to": message.to, "lang": message.lang, "text": message.text },
        })
        .to_string();
        let at_s = now_ms() / 1_000;
        let signed = hmac::sign(&self.key, format!("{}.{at_s}.{body}", message.key).as_bytes());
        let request = self
            .client
            .post(self.url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header("webhook-id", &message.key)
            .header("webhook-timestamp", at_s.to_string())
            .header("webhook-signature", format!("v1,{}", STANDARD.encode(signed.as_ref())))
            .body(body);
        let heard = http::ask(request, MAX_BYTES).await.map_err(http::broken)?;
        match heard.status.as_u16() {
            200..300 => Ok(()),
            _ if http::is_full(heard.status) => Err(Fault::Full),
            // The receiver wants no more of them.
            400 | 410 | 413 | 422 => Err(Fault::Refused),
            _ => Err(Fault::Broken),
        }
    }
}

impl Notifier for Webhook {
    fn way(&self) -> Way {
        Way::Webhook
    }

    fn send(&self, message: Message) -> BoxFuture<'_, Result<(), Fault>> {
        async move { self.deliver(&message).await }.boxed()
    }
}
