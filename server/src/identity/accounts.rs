//! The rows of accounts.

use super::{IdentityError, database::Rows};
use rusqlite::{OptionalExtension, Row, params};
use shared::{
    AccountId, Millis, Role,
    api::{AccountShown, LoginName},
    id::Bits,
};

/// The roles that may be chosen; all of them make the longest list.
const CHOOSABLE: [Role; 3] = [Role::Customer, Role::Owner, Role::Rider];

/// An account with what proves it.
pub struct Account {
    /// What its person sees.
    pub shown: AccountShown,
    /// The password's, in PHC form.
    pub hash: String,
}

impl Rows {
    /// The account of a folded name.
    pub fn account_named(&self, name: &str) -> Result<Option<Account>, IdentityError> {
        let db = self.db();
        let mut found = db.prepare_cached("SELECT account, shown, roles, hash FROM accounts WHERE name = ?1")?;
        Ok(found.query_row([name], |row| Ok(Account { shown: shown(row)?, hash: row.get(3)? })).optional()?)
    }

    /// The account of an id.
    pub fn account(&self, id: AccountId) -> Result<Option<AccountShown>, IdentityError> {
        let db = self.db();
        let mut found = db.prepare_cached("SELECT account, shown, roles FROM accounts WHERE account = ?1")?;
        Ok(found.query_row([id.0.0], shown).optional()?)
    }

    /// Writes a new account; false when somebody else has its name.
    pub fn add_account(&self, account: &Account, now_ms: Millis) -> Result<bool, IdentityError> {
        let AccountShown { account: id, name, roles } = &account.shown;
        let roles = serde_json::to_string(roles).map_err(|_| IdentityError::Fault("roles"))?;
        let added = self.db().execute(
            "INSERT INTO accounts VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (name) DO NOTHING",
            params![id.0.0, folded(name), &**name, roles, account.hash, now_ms],
        )?;
        Ok(added == 1)
    }
}

/// The form in which names are compared, so that `Kim` is not somebody else than `kim`.
pub fn folded(name: &LoginName) -> String {
    name.trim().to_lowercase()
}

/// Roles as they are kept: in order, once each.
pub fn chosen(mut roles: Vec<Role>) -> Result<Vec<Role>, IdentityError> {
    if let Some(refused) = roles.iter().find(|role| !CHOOSABLE.contains(role)) {
        return Err(IdentityError::Invalid(format!("roles: {refused:?} cannot be chosen").to_lowercase()));
    }
    roles.sort_unstable();
    roles.dedup();
    if roles.is_empty() {
        return Err(IdentityError::Invalid("roles: at least one of customer, owner and rider is wanted".into()));
    }
    Ok(roles)
}

fn shown(row: &Row) -> Result<AccountShown, rusqlite::Error> {
    let (name, roles): (String, String) = (row.get(1)?, row.get(2)?);
    Ok(AccountShown {
        account: AccountId(Bits(row.get(0)?)),
        name: LoginName::new(&name).map_err(|_| rusqlite::Error::InvalidQuery)?,
        roles: serde_json::from_str(&roles).map_err(|_| rusqlite::Error::InvalidQuery)?,
    })
}
