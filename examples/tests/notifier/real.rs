//! The same against the real SOLAPI, for whoever has a key: nothing is sent, but what was never sent is not found, which
//! needs an address, a signature and a list that are as SOLAPI has them. With BAEMIN_SOLAPI_TEST_SETTINGS (an address with
//! `from`, `pf` and `template`) and BAEMIN_SOLAPI_TEST_TO one text is sent, and found.

use super::*;
use examples::seed::Seed;
use std::{env, io::Write};

#[tokio::test(flavor = "multi_thread")]
async fn the_real_solapi_keeps_the_contract() {
    let said = |name: &str| env::var(name).ok().filter(|text| !text.is_empty());
    let (Some(key), Some(secret)) = (said("BAEMIN_SOLAPI_TEST_KEY"), said("BAEMIN_SOLAPI_TEST_SECRET")) else {
        let _ =
            writeln!(std::io::stderr(), "LEFT OUT: the real SOLAPI. Set BAEMIN_SOLAPI_TEST_KEY and BAEMIN_SOLAPI_TEST_SECRET to ask it.");
        return;
    };
    let nowhere = || "https://api.solapi.com?from=0200000000&pf=none&template=none".to_owned();
    let settings = said("BAEMIN_SOLAPI_TEST_SETTINGS").unwrap_or_else(nowhere).parse().unwrap();
    let way = Solapi::new(settings, key.parse().unwrap(), secret.parse().unwrap()).unwrap();
    let name = format!("test-{}", Seed::fresh());
    let phone = Phone::new(&said("BAEMIN_SOLAPI_TEST_TO").unwrap_or_else(|| "010-0000-0000".into())).ok();
    let at_ms = (Seed::fresh() / 1_000_000) as i64;
    let message = Message { key: name, phone, at_ms, ..message(0) };
    assert_eq!(way.knows(&message).await, Ok(false));
    if said("BAEMIN_SOLAPI_TEST_TO").is_some() {
        way.send(message.clone()).await.unwrap();
        hand_over(&way, Message { again: true, ..message.clone() }).await.unwrap();
        assert_eq!(way.knows(&message).await, Ok(true));
    }
}
