//! What a server refuses to start on, and what is still there after a restart.

use crate::harness::{House, config};
use crate::{cast::Cast, cast::Stage};
use rusqlite::Connection;
use server::start;

/// Why a server does not start.
async fn refusal(config: &server::config::Config) -> String {
    start::open(config).await.err().expect("the server started")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_do_not_share_a_folder() {
    let house = House::open().await;
    let why = refusal(&config(house.data.path())).await;
    assert!(why.contains("another server is using") && why.contains("--data"), "{why}");
    assert!(house.call("GET", "/health/ready", None, None).await.is_good());
    // Once the first has stopped, the folder is free.
    let data = house.close().await;
    let again = config(data.path());
    House::open_on(data, &again).await.call("GET", "/health/ready", None, None).await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_schema_is_refused() {
    for file in ["order.db", "payment.db", "store.db", "rider.db", "customer.db", "notification.db", "identity.db", "provider.db"] {
        let data = House::open().await.close().await;
        let path = data.path().join(file);
        assert!(path.exists(), "{file}");
        Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
        let why = refusal(&config(data.path())).await;
        assert!(why.contains(file.trim_end_matches(".db")) && why.contains("99") && why.contains("newer"), "{file}: {why}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn origins_that_are_not_exact_are_refused() {
    let data = tempfile::tempdir().unwrap();
    for origin in ["*", "https://*.example", "null", "shop.example", "https://shop.example/", "https://", "https://a@b", "ftp://x", ""] {
        let mut config = config(data.path());
        config.cors_origins = vec!["https://shop.example".into(), origin.into()];
        let why = refusal(&config).await;
        assert!(why.contains("exact origin"), "{origin}: {why}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_changes_nothing_that_was_answered() {
    let cast = Cast::gather().await;
    let order = cast.order(Stage::Picked).await;
    let path = format!("/orders/{order}");
    let (before, kim, han) = (cast.house.get(&path, &cast.kim).await, cast.kim.clone(), cast.han.clone());
    let data = cast.house.close().await;
    let again = config(data.path());
    let house = House::open_on(data, &again).await;
    let after = house.get(&path, &kim).await;
    let plain = |text: &str| text.split("\"_links\"").next().unwrap().to_owned();
    assert_eq!(plain(&after.text), plain(&before.text));
    assert_eq!(after.header("baemin-journal"), before.header("baemin-journal"));
    // Tokens, jobs and contacts are what they were.
    let delivery = house.get(&format!("/deliveries/{order}"), &han).await.ok();
    assert_eq!(delivery["contact"]["phone"], crate::cast::PHONE);
}
