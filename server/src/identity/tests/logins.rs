//! Joining, logging in, refreshing and logging out.

use super::*;
use futures_util::future::join_all;
use shared::problem::Code;

#[tokio::test]
async fn joining_again_is_the_same_account_and_anything_else_is_taken() {
    let f = fixture();
    let join = |name: &str, password: &str, roles: &[Role]| f.identity.join(new(name, password, roles), f.now_ms);
    let kim = join("Kim", "passw0rd!", &[Role::Owner, Role::Customer]).await.unwrap();
    assert_eq!(join(" kim ", "passw0rd!", &[Role::Customer, Role::Owner, Role::Owner]).await.unwrap(), kim);
    assert_eq!(f.identity.account(kim.account).unwrap(), Some(kim.clone()));
    for (password, roles) in [("passw0rd?", &[Role::Owner, Role::Customer][..]), ("passw0rd!", &[Role::Customer])] {
        assert_eq!(join("KIM", password, roles).await.unwrap_err().code(), Code::NameTaken);
    }
    assert_eq!(join("operator", "passw0rd!", &[Role::Customer]).await.unwrap_err().code(), Code::NameTaken);

    let at_once = join_all((0..4).map(|_| join("lee", "passw0rd!", &[Role::Rider]))).await;
    assert!(at_once.iter().all(|lee| lee.as_ref().unwrap() == at_once[0].as_ref().unwrap()));
}

#[tokio::test]
async fn a_join_beyond_the_limits_says_which() {
    let f = fixture();
    let long = "가".repeat(201);
    for (password, roles, wanted) in [
        ("short", &[Role::Customer][..], "password"),
        (&long, &[Role::Customer], "password"),
        ("passw0rd!", &[], "roles"),
        ("passw0rd!", &[Role::Customer, Role::Operator], "operator cannot be chosen"),
    ] {
        let no = f.identity.join(new("kim", password, roles), f.now_ms).await.unwrap_err();
        assert_eq!(no.code(), Code::InvalidBody);
        assert!(no.detail().unwrap().contains(wanted), "{no}");
        assert!(!no.to_string().contains(password), "the password is repeated");
    }
    f.identity.join(new("kim", &"가".repeat(200), &[Role::Customer]), f.now_ms).await.unwrap();
}

#[tokio::test]
async fn nobody_and_a_wrong_password_are_answered_alike() {
    let f = fixture();
    f.joined("kim").await;
    let mut spent = [std::time::Duration::ZERO; 2];
    for _ in 0..5 {
        for (name, spent) in ["kim", "nobody"].into_iter().zip(&mut spent) {
            let begun = std::time::Instant::now();
            let no = f.identity.login(by_password(name, "wrong-password"), f.now_ms).await.err().unwrap();
            *spent += begun.elapsed();
            assert_eq!((no.code(), no.detail()), (Code::WrongPassword, None));
        }
    }
    let ratio = spent[0].as_secs_f64() / spent[1].as_secs_f64();
    assert!((0.4..2.5).contains(&ratio), "known and unknown names differ: {spent:?}");
}

#[tokio::test]
async fn a_refresh_token_is_good_once_and_a_second_use_ends_the_login() {
    let f = fixture();
    let first = f.joined("kim").await;
    let second = f.identity.login(by_refresh(&first.refresh), f.now_ms).await.unwrap();
    assert_ne!(first.refresh, second.refresh);
    let (a, b) = (f.identity.verify(&first.access, f.now_ms).unwrap(), f.identity.verify(&second.access, f.now_ms).unwrap());
    assert_eq!(a.session, b.session);

    let other = f.identity.login(by_password("kim", "passw0rd!"), f.now_ms).await.unwrap();
    let stolen = f.identity.login(by_refresh(&first.refresh), f.now_ms).await;
    assert_eq!(stolen.err().unwrap().code(), Code::TokenExpired);
    for dead in [&first, &second] {
        assert_eq!(f.identity.verify(&dead.access, f.now_ms), Err(TokenError::Expired));
        assert!(f.identity.login(by_refresh(&dead.refresh), f.now_ms).await.is_err());
    }
    assert!(f.identity.verify(&other.access, f.now_ms).is_ok(), "another login of the same person goes on");
}

#[tokio::test]
async fn what_is_no_refresh_token_ends_nothing() {
    let f = fixture();
    let tokens = f.joined("kim").await;
    let (long, other) = (tokens.refresh.clone() + "A", "A".repeat(64));
    for text in ["", "A", &long, &other, &tokens.access, "' OR 1=1 --"] {
        assert!(f.identity.login(by_refresh(text), f.now_ms).await.is_err());
        f.identity.logout(text).await.unwrap();
    }
    assert!(f.identity.login(by_refresh(&tokens.refresh), f.now_ms).await.is_ok());
}

#[tokio::test]
async fn of_many_refreshes_at_once_one_wins() {
    let f = fixture();
    let tokens = f.joined("kim").await;
    let at_once = join_all((0..8).map(|_| f.identity.login(by_refresh(&tokens.refresh), f.now_ms))).await;
    assert_eq!(at_once.iter().filter(|answer| answer.is_ok()).count(), 1);
}

#[tokio::test]
async fn a_logout_works_at_once_and_after_a_restart() {
    let f = fixture();
    let tokens = f.joined("kim").await;
    assert!(f.identity.verify(&tokens.access, f.now_ms).is_ok());
    f.identity.logout(&tokens.refresh).await.unwrap();
    f.identity.logout(&tokens.refresh).await.unwrap();
    for identity in [&f.identity, &f.reopened()] {
        assert_eq!(identity.verify(&tokens.access, f.now_ms), Err(TokenError::Expired));
        assert!(identity.login(by_refresh(&tokens.refresh), f.now_ms).await.is_err());
    }
}

#[tokio::test]
async fn tokens_end_and_logins_end() {
    let dir = tempfile::tempdir().unwrap();
    let config = IdentityConfig { access_ms: 2000, refresh_ms: 10_000, ..IdentityConfig::default() };
    let identity = Identity::open_with(dir.path(), config).unwrap();
    let now_ms = 1_000_000;
    identity.join(new("kim", "passw0rd!", &[Role::Rider]), now_ms).await.unwrap();
    let tokens = identity.login(by_password("kim", "passw0rd!"), now_ms).await.unwrap();
    assert_eq!(tokens.expires_ms, 1_002_000);
    assert!(identity.verify(&tokens.access, 1_001_999).is_ok());
    assert_eq!(identity.verify(&tokens.access, 1_002_000), Err(TokenError::Expired));
    let tokens = identity.login(by_refresh(&tokens.refresh), 1_009_999).await.unwrap();
    assert!(identity.login(by_refresh(&tokens.refresh), 1_020_000).await.is_err());
}

#[tokio::test]
async fn ten_wrong_passwords_in_a_minute_are_enough() {
    let f = fixture();
    f.joined("kim").await;
    for _ in 0..10 {
        assert_eq!(f.identity.login(by_password("kim", "wrong-password"), f.now_ms).await.err().unwrap().code(), Code::WrongPassword);
    }
    let no = f.identity.login(by_password(" KIM", "passw0rd!"), f.now_ms + 1).await.err().unwrap();
    assert_eq!((no.code(), no.retry_after_s()), (Code::TooManyRequests, Some(60)));
    let no = f.identity.join(new("kim", "passw0rd!", &[Role::Customer]), f.now_ms + 1).await.err().unwrap();
    assert_eq!(no.code(), Code::TooManyRequests);
    f.joined("lee").await;
    assert!(f.identity.login(by_password("kim", "passw0rd!"), f.now_ms + MINUTE).await.is_ok());
}

#[tokio::test]
async fn many_at_once_are_not_more_tries_than_many_in_a_row() {
    let f = fixture();
    let tries = join_all((0..200).map(|_| f.identity.login(by_password("nobody", "wrong-password"), f.now_ms))).await;
    let heard = tries.iter().filter(|no| no.as_ref().err().unwrap().code() == Code::WrongPassword).count();
    assert_eq!(heard, 10);
}

#[tokio::test]
async fn a_flood_of_logins_is_refused_in_part_and_not_queued_without_end() {
    let f = fixture();
    let names: Vec<_> = (0..120).map(|n| format!("bot{n}")).collect();
    let tries = join_all(names.iter().map(|name| f.identity.login(by_password(name, "wrong-password"), f.now_ms))).await;
    let of = |code| tries.iter().filter(|no| no.as_ref().err().unwrap().code() == code).count();
    assert!(of(Code::Unavailable) > 0, "nobody was told to come later");
    assert!(of(Code::WrongPassword) >= 64);
    assert_eq!(of(Code::Unavailable) + of(Code::WrongPassword), 120);
}
