//! Identity keeps its secrets, and lets nobody in who is not proven.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod forged;
mod logins;
mod vault;

use super::*;
use std::fs;
use tempfile::TempDir;

const MINUTE: Millis = 60_000;

struct Fixture {
    dir: TempDir,
    identity: Identity,
    now_ms: Millis,
}

fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let identity = Identity::open(dir.path()).unwrap();
    Fixture { dir, identity, now_ms: wall_ms() }
}

fn by_password(name: &str, password: &str) -> api::Login {
    api::Login::Password { name: LoginName::new(name).unwrap(), password: password.into() }
}

fn by_refresh(refresh: &str) -> api::Login {
    api::Login::Refresh { refresh: refresh.into() }
}

fn new(name: &str, password: &str, roles: &[Role]) -> api::Join {
    api::Join { name: LoginName::new(name).unwrap(), password: password.into(), roles: roles.into() }
}

impl Fixture {
    async fn joined(&self, name: &str) -> api::Tokens {
        let roles = [Role::Customer];
        self.identity.join(new(name, "passw0rd!", &roles), self.now_ms).await.unwrap();
        self.identity.login(by_password(name, "passw0rd!"), self.now_ms).await.unwrap()
    }

    fn reopened(&self) -> Identity {
        Identity::open(self.dir.path()).unwrap()
    }
}

#[test]
fn files_are_for_their_owner_alone_and_are_kept() {
    use std::os::unix::fs::PermissionsExt;
    let f = fixture();
    let mode = |name: &str| fs::metadata(f.dir.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("keys"), 0o700);
    let files = ["keys/signing.pk8", "keys/vault.key", "operator-password", "identity.db", "identity.db-wal"];
    files.iter().for_each(|name| assert_eq!(mode(name), 0o600, "{name}"));
    assert_eq!(fs::read_dir(f.dir.path().join("keys")).unwrap().count(), 2, "a draft was left behind");

    let read = || files[..3].iter().map(|name| fs::read(f.dir.path().join(name)).unwrap()).collect::<Vec<_>>();
    let before = read();
    fs::set_permissions(f.dir.path().join("keys/vault.key"), fs::Permissions::from_mode(0o644)).unwrap();
    drop(f.reopened());
    assert_eq!(read(), before);
    assert_eq!(mode("keys/vault.key"), 0o600);
}

#[tokio::test]
async fn the_operator_logs_in_with_the_password_of_the_file() {
    let f = fixture();
    for identity in [f.identity.clone(), f.reopened()] {
        let password = fs::read_to_string(f.dir.path().join("operator-password")).unwrap();
        let tokens = identity.login(by_password("operator", password.trim()), f.now_ms).await.unwrap();
        assert_eq!(identity.verify(&tokens.access, f.now_ms).unwrap().roles, [Role::Operator]);
    }
}

#[test]
fn a_newer_schema_and_a_missing_key_are_refused() {
    let f = fixture();
    let db = rusqlite::Connection::open(f.dir.path().join("identity.db")).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(Identity::open(f.dir.path()), Err(OpenError::Newer(99))));
    db.pragma_update(None, "user_version", 1).unwrap();
    fs::remove_file(f.dir.path().join("keys/vault.key")).unwrap();
    assert!(matches!(Identity::open(f.dir.path()), Err(OpenError::KeyMissing(_))));
}

#[test]
fn replicas_that_start_together_agree() {
    let dir = tempfile::tempdir().unwrap();
    let start = std::sync::Barrier::new(8);
    let open = || {
        start.wait();
        Identity::open(dir.path()).unwrap()
    };
    let all = thread::scope(|scope| {
        let starts: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect::<Vec<_>>()
    });
    for one in &all {
        let (token, _) = one.0.signer.sign(new_account().unwrap(), &[], SessionId::new().unwrap(), 0).unwrap();
        assert!(all.iter().all(|other| other.verify(&token, 1).is_ok()));
    }
}
