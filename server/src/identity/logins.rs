//! Logins: by password and by refresh token, and how an account comes to be.

use super::{
    Identity, IdentityError, PASSWORD_MAX, SessionId,
    accounts::{Account, folded},
    sessions::{Refresh, Refreshed},
};
use shared::{
    Millis,
    api::{self, AccountShown, LoginName},
};

impl Identity {
    pub(super) async fn login_by_password(&self, name: &LoginName, password: String, now_ms: Millis) -> Result<api::Tokens, IdentityError> {
        let name = folded(name);
        let attempt = self.0.throttle.begin(&name, now_ms)?;
        // No account has such a password, so nothing is told by not hashing it.
        if password.chars().nth(PASSWORD_MAX).is_some() {
            attempt.failed();
            return Err(IdentityError::WrongPassword);
        }
        let (shown, hash) = self.named(&name).await?.map(|known| (known.shown, known.hash)).unzip();
        let good = self.0.passwords.verify(password, hash).await?;
        let Some(shown) = shown.filter(|_| good) else {
            attempt.failed();
            return Err(IdentityError::WrongPassword);
        };
        let (account, ends_ms, access_ms) = (shown.account, now_ms + self.0.config.refresh_ms, self.0.config.access_ms);
        let (session, refresh) = self.blocking(move |inner| inner.rows.begin_session(account, now_ms, ends_ms, access_ms)).await?;
        self.tokens(shown, session, &refresh, now_ms)
    }

    pub(super) async fn login_by_refresh(&self, refresh: &str, now_ms: Millis) -> Result<api::Tokens, IdentityError> {
        let refresh = Refresh::parse(refresh).ok_or(IdentityError::Ended)?;
        let ends_ms = now_ms + self.0.config.refresh_ms;
        match self.blocking(move |inner| inner.rows.refresh(&refresh, now_ms, ends_ms)).await? {
            Refreshed::Next { session, account, refresh } => {
                // Roles are read anew: this is when a change of them takes effect.
                let shown = self.blocking(move |inner| inner.rows.account(account)).await?.ok_or(IdentityError::Ended)?;
                self.tokens(shown, session, &refresh, now_ms)
            }
            Refreshed::Reused(session) => {
                tracing::warn!(%session, "a spent refresh token came back: its login was ended");
                self.0.signer.end(session, now_ms);
                Err(IdentityError::Ended)
            }
            Refreshed::Ended => Err(IdentityError::Ended),
        }
    }

    fn tokens(&self, shown: AccountShown, session: SessionId, refresh: &Refresh, now_ms: Millis) -> Result<api::Tokens, IdentityError> {
        let (access, expires_ms) = self.0.signer.sign(shown.account, &shown.roles, session, now_ms)?;
        Ok(api::Tokens { account: shown.account, roles: shown.roles, access, refresh: refresh.written(), expires_ms })
    }

    pub(super) async fn named(&self, name: &str) -> Result<Option<Account>, IdentityError> {
        let name = name.to_owned();
        self.blocking(move |inner| inner.rows.account_named(&name)).await
    }

    /// Writes a new account down, or gives the one that has its name already.
    pub(super) async fn add(&self, new: Account, now_ms: Millis) -> Result<Result<AccountShown, Account>, IdentityError> {
        self.blocking(move |inner| {
            if inner.rows.add_account(&new, now_ms)? {
                inner.vault.key_made(new.shown.account)?;
                return Ok(Ok(new.shown));
            }
            let known = inner.rows.account_named(&folded(&new.shown.name))?;
            known.map(Err).ok_or(IdentityError::Fault("a name that was just taken"))
        })
        .await
    }
}
