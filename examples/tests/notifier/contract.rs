//! What every way promises: what it has taken has arrived, under the notice's name; what has not arrived it has not taken;
//! and a repeat has the same name.

use super::*;
use domain::notification::text::{alimtalk, say};
use server::notifier::{Log, webhook::Webhook};
use shared::notice::{Notice, Topic};
use std::collections::BTreeSet;

const MANY: usize = 200;

async fn keeps(way: &dyn Notifier, names: impl AsyncFn() -> Vec<String>) {
    hand_over_all(way, 0..MANY).await;
    let arrived = names().await;
    assert_eq!(arrived.len(), MANY, "each arrives once");
    let arrived: BTreeSet<_> = arrived.into_iter().collect();
    assert_eq!(arrived, (0..MANY).map(|n| format!("n{n}")).collect());
    // A process that ended before it knew: the notice comes again, and nobody takes it for another one.
    hand_over(way, Message { again: true, ..message(3) }).await.unwrap();
    assert_eq!(names().await.into_iter().collect::<BTreeSet<_>>(), arrived);
}

async fn refuses_to_guess(way: &dyn Notifier) {
    for again in [false, true] {
        assert_eq!(way.send(Message { again, ..message(9_000) }).await, Err(Fault::Broken), "nobody is there");
    }
}

#[tokio::test]
async fn the_log_keeps_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notices.log");
    let name = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["key"].as_str().unwrap().to_owned();
    keeps(&Log::open(dir.path()).unwrap(), async || std::fs::read_to_string(&path).unwrap().lines().map(name).collect()).await;
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains("010-"), "no phone is in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn solapi_keeps_the_contract() {
    let sim = Sim::start(&[]).await;
    let way = sim.way();
    keeps(&way, async || sim.names()).await;
    let before = sim.names().len();
    hand_over(&way, Message { again: true, ..message(5) }).await.unwrap();
    assert_eq!(sim.names().len(), before, "what was accepted is found, and not sent again");
    // Without a mobile phone this way leads nowhere, and says so.
    for phone in [None, Phone::new("02-123-4567").ok()] {
        assert_eq!(way.send(Message { phone, ..message(9_001) }).await, Err(Fault::Refused));
    }
    sim.server.kill().await.unwrap();
    refuses_to_guess(&way).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn solapi_says_no() {
    let sim = Sim::start(&["--template=KA01TP=#{다른}"]).await;
    assert_eq!(sim.way().send(message(1)).await, Err(Fault::Refused), "1043: the text is not the template's");
    let sim = Sim::start(&["--template=OTHER=x"]).await;
    assert_eq!(sim.way().send(message(1)).await, Err(Fault::Refused), "1042: the template is not approved");
    let settings = format!("{}?from=0212345678&pf=KA01PF&template=KA01TP", sim.server.url).parse().unwrap();
    let stranger = Solapi::new(settings, "sim-key".parse().unwrap(), "wrong".parse().unwrap()).unwrap();
    assert_eq!(stranger.send(message(1)).await, Err(Fault::Broken), "a wrong secret is ours to mend");
    sim.server.kill().await.unwrap();
}

/// The file as it is in the repository, with an id for each text; and the texts as SOLAPI has approved them.
fn approved(form: &str) -> (String, Vec<(String, String)>) {
    let (mut file, mut texts) = (String::new(), vec![]);
    for (n, part) in form.split("id = \"\"").enumerate() {
        file += part;
        if let Some((_, text)) = part.split_once("text = \"\"\"\n") {
            let id = format!("KA{n:02}");
            file += &format!("id = \"{id}\"");
            texts.push((id, text.trim_end().trim_end_matches("\"\"\"").to_owned()));
        }
    }
    (file, texts)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_topic_goes_out_by_the_text_that_was_registered_for_it() {
    let (file, texts) = approved(include_str!("../../../server/alimtalk.toml"));
    let arguments: Vec<String> = texts.iter().map(|(id, text)| format!("--template={id}={text}")).collect();
    // Nothing else is approved: what goes out by the general template is refused.
    let mut sim = Sim::start(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let path = sim.dir.path().join("alimtalk.toml");
    std::fs::write(&path, file).unwrap();
    let settings = format!("{}?from=0212345678&pf=KA01PF&template=KA01TP&templates={}", sim.server.url, path.display());
    let way = Solapi::new(settings.parse().unwrap(), "sim-key".parse().unwrap(), "sim-secret".parse().unwrap()).unwrap();
    for (n, topic) in samples::topics().into_iter().enumerate() {
        let is_of_store = !matches!(topic, Topic::Refunded { .. } | Topic::Promoted { .. });
        let told = Notice { topic, ..samples::notice() };
        let told = Notice { store_name: told.store_name.clone().filter(|_| is_of_store), ..told };
        for (k, lang) in [Lang::Ko, Lang::En].into_iter().enumerate() {
            let (text, alimtalk) = (say(&told, lang), alimtalk(&told, lang));
            let sent = way.send(Message { lang, text, alimtalk, ..message(n * 20 + k) }).await;
            assert_eq!(sent, Ok(()), "{:?} in {lang:?}", told.topic);
        }
    }
    let taken: Vec<Taken> = serde_json::from_slice(&sim.ask(Method::GET, "/sim/journal", vec![]).await).unwrap();
    let used: BTreeSet<&str> = taken.iter().map(|taken| taken.template.as_str()).collect();
    assert_eq!(used, texts.iter().map(|(id, _)| id.as_str()).collect(), "each text was used");
    assert!(taken.iter().all(|taken| taken.status_code == "4000"));
    sim.server.kill().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_no_kakaotalk_gets_a_text_message() {
    let mut sim = Sim::start(&[]).await;
    sim.way().send(message(9)).await.unwrap();
    let taken: Vec<Taken> = serde_json::from_slice(&sim.ask(Method::GET, "/sim/journal", vec![]).await).unwrap();
    let kinds: Vec<_> = taken.iter().map(|taken| (taken.kind.as_str(), taken.status_code.as_str(), taken.replacement)).collect();
    assert_eq!(kinds, [("ATA", "3104", false), ("SMS", "4000", true)]);
    sim.server.kill().await.unwrap();
}

#[tokio::test]
async fn the_webhook_keeps_the_contract() {
    let (hook, url) = hook::start().await;
    let way = Webhook::new(url.parse().unwrap(), &hook::SECRET.parse().unwrap()).unwrap();
    keeps(&way, async || hook.lock().unwrap().names.clone()).await;
    assert!(hook.lock().unwrap().bodies.iter().all(|body| !body.to_string().contains("010-")), "no phone travels");
    for (status, wanted) in [(429, Fault::Full), (503, Fault::Full), (500, Fault::Broken), (302, Fault::Broken), (410, Fault::Refused)] {
        hook.lock().unwrap().status = status;
        assert_eq!(way.send(message(9_000)).await, Err(wanted), "{status}");
    }
    hook.lock().unwrap().status = 204;
    let forger = Webhook::new(url.parse().unwrap(), &"whsec_AAAA".parse().unwrap()).unwrap();
    assert_eq!(forger.send(message(1)).await, Err(Fault::Broken), "another secret's signature is not believed");
    let nobody = Webhook::new("http://127.0.0.1:9/".parse().unwrap(), &hook::SECRET.parse().unwrap()).unwrap();
    refuses_to_guess(&nobody).await;
}
