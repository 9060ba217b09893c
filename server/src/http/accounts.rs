//! Accounts and tokens.

use super::{App, caller::Caller, hal, problem::Trouble, resources::identity_trouble, verbs::json};
use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use shared::{AccountId, Refusal, api};

/// `POST /accounts`
///
/// # Errors
/// A body that cannot be read, or a name that is taken.
pub async fn join(app: &App, caller: &Caller, body: &[u8]) -> Result<Response, Trouble> {
    let wanted: api::Join = json(body)?;
    let account = app.identity.home().map_err(identity_trouble)?.join(wanted, caller.at_ms).await.map_err(identity_trouble)?;
    let (id, body) = (account.account, shown(caller, &account));
    let mut response = hal::answer(caller, StatusCode::CREATED, body);
    if let Ok(location) = format!("{}/accounts/{id}", caller.base).parse() {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// `GET /accounts/{id}`
///
/// # Errors
/// Not logged in, or not theirs.
pub async fn get(app: &App, caller: &Caller, id: &str) -> Result<Response, Trouble> {
    let own = caller.account()?;
    if AccountId::parse(id) != Some(own) {
        return Err(Refusal::NotFound {}.into());
    }
    let account = app.identity.home().map_err(identity_trouble)?.account(own).map_err(identity_trouble)?.ok_or(Refusal::NotFound {})?;
    Ok(hal::answer(caller, StatusCode::OK, shown(caller, &account)))
}

/// `POST /tokens`
///
/// # Errors
/// A body that cannot be read, or a name, password or refresh token that is not good.
pub async fn login(app: &App, caller: &Caller, body: &[u8]) -> Result<Response, Trouble> {
    let wanted: api::Login = json(body)?;
    let tokens = app.identity.home().map_err(identity_trouble)?.login(wanted, caller.at_ms).await.map_err(identity_trouble)?;
    let body = serde_json::to_string(&tokens).unwrap_or_default();
    let mut response = hal::answer(caller, StatusCode::CREATED, body);
    response.headers_mut().insert(header::CACHE_CONTROL, axum::http::HeaderValue::from_static("no-store"));
    Ok(response)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Logout {
    refresh: String,
}

/// `DELETE /tokens`
///
/// # Errors
/// A body that cannot be read.
pub async fn logout(app: &App, body: &[u8]) -> Result<Response, Trouble> {
    let Logout { refresh } = json(body)?;
    // A token that is no longer known is logged out already.
    app.identity.home().map_err(identity_trouble)?.logout(&refresh).await.map_err(identity_trouble)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn shown(caller: &Caller, account: &api::AccountShown) -> String {
    let mut json = serde_json::to_value(account).unwrap_or_default();
    let href = format!("{}/accounts/{}", caller.base, account.account);
    json["_links"] = serde_json::json!({ "self": { "href": href }, "account": { "href": href } });
    json.to_string()
}
