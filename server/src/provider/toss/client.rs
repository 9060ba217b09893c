//! The way to Toss Payments: who we are, how long we wait, how much we read.

use super::{
    Settings,
    wire::{self, Cancel, Checkout, Confirm, Opened, Payment, Reply, Transaction, is_payment_key},
};
use crate::outside::{self, Heard};
use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{
    Client, RequestBuilder, Url,
    header::{ACCEPT, AUTHORIZATION, HeaderName, HeaderValue},
    redirect,
};
use serde::de::DeserializeOwned;
use std::time::Duration;

/// The longest answer that is read. A payment has some two thousand bytes; its cancels add three hundred each.
const MAX_BYTES: usize = 256 * 1024;
/// Transactions asked for at once: of some four hundred bytes each, so that a page is within what is read.
pub const PAGE: usize = 400;
/// How long a connection may take to be made, encryption included.
const CONNECT: Duration = Duration::from_secs(3);
/// Idle connections that are kept.
const IDLE: usize = 32;
const IDEMPOTENCY: HeaderName = HeaderName::from_static("idempotency-key");
/// With a test key, makes the provider answer with an error of one's choice.
const TEST_CODE: HeaderName = HeaderName::from_static("tosspayments-test-code");

/// Calls the provider.
pub struct Caller {
    base: Url,
    checkout: Option<Url>,
    client: Client,
    authorization: HeaderValue,
    test_code: Option<HeaderValue>,
}

impl Caller {
    pub fn new(settings: &Settings) -> Result<Self, String> {
        let builder = Client::builder()
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT)
            .timeout(settings.deadline)
            .pool_max_idle_per_host(IDLE)
            .tcp_nodelay(true);
        // A proxy is for the world outside.
        let builder = if settings.is_loopback() { builder.no_proxy() } else { builder };
        let client = builder.build().map_err(|e| e.to_string())?;
        // The colon ends an empty password, and must be there.
        let login = STANDARD.encode(format!("{}:", settings.secret_key.reveal()));
        let mut authorization = HeaderValue::try_from(format!("Basic {login}")).map_err(|e| e.to_string())?;
        authorization.set_sensitive(true);
        let test_code = settings.test_code.as_deref().map(HeaderValue::try_from).transpose().map_err(|e| e.to_string())?;
        Ok(Self { base: settings.base.clone(), checkout: settings.checkout.clone(), client, authorization, test_code })
    }

    /// What the customer does in the payment window: leads to the key of an authenticated payment. `None` when there is no
    /// window, or it answers badly.
    pub async fn checkout(&self, checkout: &Checkout<'_>) -> Option<String> {
        let url = self.checkout.clone()?;
        // The window is the customer's: our key is not shown there.
        match answer::<Opened>(self.client.post(url).json(checkout)).await {
            Reply::Good(Opened { payment_key }) if is_payment_key(&payment_key) => Some(payment_key),
            _ => None,
        }
    }

    /// The payment of an order.
    pub async fn by_order(&self, order_id: &str) -> Reply<Payment> {
        self.get(&["orders", order_id]).await
    }

    /// The payment of this key.
    pub async fn by_key(&self, payment_key: &str) -> Reply<Payment> {
        self.get(&[payment_key]).await
    }

    /// Captures, under the key of this number.
    pub async fn confirm(&self, confirm: &Confirm<'_>, number: u32) -> Reply<Payment> {
        let Some(url) = self.url(&["confirm"]) else { return Reply::Unclear("the address cannot be built") };
        let mut request = self.post(url, &format!("confirm:{}:{number}", confirm.order_id)).json(confirm);
        if let Some(code) = &self.test_code {
            request = request.header(TEST_CODE, code);
        }
        answer(request).await
    }

    /// Gives back.
    pub async fn cancel(&self, payment_key: &str, key: &str, cancel: &Cancel<'_>) -> Reply<Payment> {
        let Some(url) = self.url(&[payment_key, "cancel"]) else { return Reply::Unclear("the address cannot be built") };
        answer(self.post(url, &format!("cancel:{key}")).json(cancel)).await
    }

    /// Movements of this time, as the provider writes it, after the one with this key.
    pub async fn transactions(&self, from: &str, until: &str, after: Option<&str>) -> Reply<Vec<Transaction>> {
        let Some(mut url) = self.address(&["transactions"]) else { return Reply::Unclear("the address cannot be built") };
        let limit = PAGE.to_string();
        url.query_pairs_mut().extend_pairs([("startDate", from), ("endDate", until), ("limit", &limit)]);
        if let Some(after) = after {
            url.query_pairs_mut().append_pair("startingAfter", after);
        }
        self.ask(url).await
    }

    async fn get(&self, path: &[&str]) -> Reply<Payment> {
        let Some(url) = self.url(path) else { return Reply::Unclear("the address cannot be built") };
        self.ask(url).await
    }

    async fn ask<T: DeserializeOwned>(&self, url: Url) -> Reply<T> {
        answer(self.client.get(url).header(AUTHORIZATION, &self.authorization).header(ACCEPT, "application/json")).await
    }

    fn post(&self, url: Url, key: &str) -> RequestBuilder {
        self.client.post(url).header(AUTHORIZATION, &self.authorization).header(IDEMPOTENCY, key).header(ACCEPT, "application/json")
    }

    fn url(&self, path: &[&str]) -> Option<Url> {
        let mut url = self.address(&["payments"])?;
        url.path_segments_mut().ok()?.extend(path);
        Some(url)
    }

    fn address(&self, path: &[&str]) -> Option<Url> {
        let mut url = self.base.clone();
        url.path_segments_mut().ok()?.pop_if_empty().push("v1").extend(path);
        Some(url)
    }
}

async fn answer<T: DeserializeOwned>(request: RequestBuilder) -> Reply<T> {
    match outside::ask(request, MAX_BYTES).await {
        Ok(Heard { status, is_json, body: Some(body) }) => wire::read(status.as_u16(), is_json, &body),
        Ok(Heard { body: None, .. }) => Reply::Unclear("it broke off, or is too long"),
        Err(_) => Reply::Unclear("no answer came"),
    }
}
