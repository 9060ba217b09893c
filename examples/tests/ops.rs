//! The operator's commands, typed as people type them, against a real server.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on shall say where, and shows what it saw to whoever asks"
)]

use examples::stage::Stage;
use serde_json::Value;
use std::{
    fs,
    process::Output,
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(20);

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Runs a command of somebody; it must end well.
fn run(stage: &Stage, who: &str, args: &str) -> String {
    ends(stage, who, args, 0)
}

fn ends(stage: &Stage, who: &str, args: &str, code: i32) -> String {
    let output = stage.command(who, args).output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{who}: {args}\n{}", text(&output));
    text(&output)
}

/// An order that waits for its store's answer.
fn order(stage: &Stage) -> String {
    run(stage, "lee", "store register --name 교촌치킨 --address '강남대로 396' --at 37.4979,127.0276");
    run(stage, "lee", "store dish set 후라이드 --price 18000");
    run(stage, "lee", "store open");
    run(stage, "kim", "customer join --name 김배민 --phone 010-1234-5678 --address '역삼로 12' --at 37.4995,127.0312");
    let placed = stage.ask("kim", "customer order --store 교촌치킨 --item 후라이드=1").unwrap();
    placed["order"].as_str().unwrap().to_owned()
}

fn until(stage: &Stage, args: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let give_up = Instant::now() + PATIENCE;
    loop {
        let told = stage.ask("ops", args).unwrap();
        if holds(&told) {
            return told;
        }
        assert!(Instant::now() < give_up, "{args}: {told}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn an_operator_looks_and_mends() {
    let stage = Stage::open().expect("the server and the command line must be built");
    let password = fs::read_to_string(stage.data().join("operator-password")).unwrap();
    // One operator reads Korean, the other one English.
    for who in ["ops", "choi"] {
        let login = stage.command(who, "login operator").env("BAEMIN_PASSWORD", password.trim()).output().unwrap();
        assert!(login.status.success() && text(&login).contains("ops health"), "{}", text(&login));
    }
    let order = order(&stage);

    // Health and lag: a row for each, and nothing is behind in the end.
    assert!(run(&stage, "ops", "ops health").contains("gateway"));
    until(&stage, "ops lag", |told| {
        let contexts = told.as_array().unwrap();
        let lags = contexts.iter().flat_map(|context| context["subscriptions"].as_array().unwrap());
        contexts.len() == 6 && lags.clone().count() > 10 && lags.into_iter().all(|lag| lag["behind"] == 0)
    });
    let lag = run(&stage, "ops", "ops lag");
    assert!(lag.contains("듣는 곳") && lag.contains("알림"), "{lag}");
    assert_eq!(run(&stage, "ops", "ops lag -o name -q").lines().count(), 6);

    // The saga: who did what, because of what, and what it waits for.
    let is_accepted_by_store = |told: &Value| told["events"].as_array().unwrap().iter().any(|event| event["name"] == "ticket.opened");
    let saga = until(&stage, &format!("ops saga {order}"), is_accepted_by_store);
    assert_eq!(saga["waits"][0]["for"], "answer", "{saga}");
    let who = |name: &str| saga["events"].as_array().unwrap().iter().find(|event| event["name"] == name).unwrap()["who"].clone();
    assert_eq!((who("order.placed"), who("payment.approved")), ("customer".into(), "worker".into()));
    assert!(who("order.paid").as_str().unwrap().starts_with("payment."));
    let told = run(&stage, "ops", &format!("ops saga {order}"));
    for word in ["주문함", "결제 승인", "└ 결제됨", "주문전표 열림", "지금: 접수대기", "기다리는 것: 가게의 답"]
    {
        assert!(told.contains(word), "no {word}:\n{told}");
    }
    let english = run(&stage, "choi", &format!("ops saga {order}"));
    assert!(english.contains("paid, waiting for the store") && english.contains("Waits for the store's answer"), "{english}");
    assert!(run(&stage, "ops", &format!("ops saga {order} -o jsonl")).lines().all(|line| line.starts_with('{')));

    // A view is rebuilt, and nothing differs. A view that does not exist is a mistake of the one who types.
    let rebuilt = stage.ask("ops", "ops rebuild my_page").unwrap();
    assert_eq!((&rebuilt["state"], &rebuilt["differed"], &rebuilt["rows"]), (&"done".into(), &0.into(), &1.into()), "{rebuilt}");
    assert!(ends(&stage, "ops", "ops rebuild nothing", 2).contains("storefront"));

    parked(&stage, &order);
    kept(&stage);

    // Others have no business here.
    ends(&stage, "kim", "ops lag", 4);
    ends(&stage, "kim", &format!("ops saga {order}"), 4);
    ends(&stage, "ops", "ops parked show order:99", 3);
    ends(&stage, "ops", "ops parked show kitchen", 2);
}

/// The provider is not asked for a while: an order is kept, its customer is told so, and is not charged twice.
fn kept(stage: &Stage) {
    ends(stage, "ops", "ops breaker --force open", 2);
    ends(stage, "kim", "ops breaker --force open --reason 점검", 4);
    let forced = run(stage, "ops", "ops breaker --force open --reason 점검");
    assert!(forced.contains("억지로 막음 (forced open)") && forced.contains("점검") && forced.contains("막았어요"), "{forced}");
    let shown = stage.ask("ops", "ops breaker").unwrap();
    assert_eq!((&shown[0]["name"], &shown[0]["state"]), (&"provider".into(), &"forced_open".into()), "{shown}");
    assert!(run(stage, "choi", "ops breaker").contains("forced open"));

    let order = "customer order --store 교촌치킨 --item 후라이드=1";
    // The order is there: whoever tries again what ends with 75 shall not have two.
    let korean = run(stage, "kim", order);
    for word in ["결제대기", "주문은 보관했고", "약 5초 뒤에 직접 결제할 수 있어요", "customer pay ord_"] {
        assert!(korean.contains(word), "no {word}:\n{korean}");
    }
    assert!(ends(stage, "kim", "customer pay last", 75).contains("결제 중"));

    assert!(run(stage, "ops", "ops breaker --release").contains("이제 스스로 정해요"));
    // By itself or by hand, whichever is quicker, and never twice.
    until_paid(stage, "last");
    assert!(ends(stage, "kim", "customer pay last", 5).contains("이미 결제한 주문이에요"));
    difference_kept(stage);
    reconciled(stage);
    unwanted(stage);
}

/// An order is cancelled before its payment was answered: operators see that this is still waited for, until it is known.
fn unwanted(stage: &Stage) {
    run(stage, "ops", "ops breaker --force open --reason 점검");
    run(stage, "kim", "customer order --store 교촌치킨 --item 후라이드=1");
    let order = stage.ask("kim", "status show last").unwrap()["order"].as_str().unwrap().to_owned();
    run(stage, "kim", "customer cancel last");
    let saga = until(stage, &format!("ops saga {order}"), |told| told["status"] == "cancelled" && told["waits"][0].is_object());
    assert_eq!((&saga["waits"][0]["for"], &saga["waits"][0]["amount"]), (&"unwanted_charge".into(), &18_000.into()), "{saga}");
    let told = run(stage, "ops", &format!("ops saga {order}"));
    assert!(told.contains("기다리는 것: 이제 아무도 바라지 않는 결제 18,000원") && !told.contains("기다리는 것이 없어요"), "{told}");
    assert!(run(stage, "choi", &format!("ops saga {order}")).contains("a charge of 18,000 won that nobody wants any more"));
    run(stage, "ops", "ops breaker --release");
}

/// Until this order of kim's is paid.
fn until_paid(stage: &Stage, order: &str) {
    let give_up = Instant::now() + PATIENCE;
    while stage.ask("kim", &format!("customer pay-status {order}")).unwrap()["status"] != "paid" {
        assert!(Instant::now() < give_up, "it was never paid");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// An order that is paid is changed for a dearer one while the provider is not asked: nobody is told that the difference is paid.
fn difference_kept(stage: &Stage) {
    let becomes = |quantity: u32| {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let shown = stage.ask("kim", "status show last").unwrap();
            if shown["status"] == "placed" && shown["basket"]["lines"][0]["quantity"] == quantity {
                return;
            }
            assert!(Instant::now() < give_up, "it was never placed with {quantity}: {shown}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    becomes(1);
    run(stage, "ops", "ops breaker --force open --reason 점검");
    let changed = run(stage, "kim", "customer change last --item 후라이드=2");
    for word in ["추가 결제 18,000원", "customer pay ord_"] {
        assert!(changed.contains(word), "no {word}:\n{changed}");
    }
    let kept = ends(stage, "kim", "customer pay last", 75);
    assert!(kept.contains("추가 결제가 늦어지고 있어요") && !kept.contains("결제했어요"), "{kept}");
    run(stage, "ops", "ops breaker --release");
    becomes(2);
    assert!(ends(stage, "kim", "customer pay last", 5).contains("이미 결제한 주문이에요"));
}

/// The books are compared, and a hole in them ends with another code, so that a script notices.
fn reconciled(stage: &Stage) {
    let korea = jiff::tz::TimeZone::fixed(jiff::tz::offset(9));
    let today = jiff::Timestamp::now().to_zoned(korea).date();
    let told = run(stage, "ops", &format!("ops reconcile --date {today}"));
    assert!(told.contains(&format!("{today} 모두")) && told.contains("원장과 결제사의 기록이 같아요"), "{told}");
    assert!(run(stage, "choi", "ops reconcile").contains("The ledger and the provider agree."), "yesterday");
    let provider = rusqlite::Connection::open(stage.data().join("provider.db")).unwrap();
    provider.busy_timeout(PATIENCE).unwrap();
    assert!(provider.execute("update movements set amount = amount + 100 where kind = 'charge'", []).unwrap() > 0);
    let told = ends(stage, "ops", &format!("ops reconcile --date {today}"), 1);
    assert!(told.contains("다름") && told.contains("ops saga ord_"), "{told}");
    let json = stage.command("ops", &format!("ops reconcile --date {today} -o json")).output().unwrap();
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&json["agrees"], &json["date"]), (&false.into(), &today.to_string().into()), "{json}");
    ends(stage, "ops", "ops reconcile --date yesterday", 2);
    ends(stage, "kim", "ops reconcile", 4);
    for (line, exit, code) in [
        ("ops reconcile -o json", 4, Value::from("forbidden")),
        ("customer -o json", 2, Value::Null),
        ("customer show -o json", 2, Value::Null),
        ("customer pey last -o json", 2, Value::Null),
    ] {
        told_to_a_script(stage, line, exit, &code);
    }
    refused(stage);
}

/// A script reads why a command failed in one object, whoever refused it, and nothing else.
fn told_to_a_script(stage: &Stage, line: &str, exit: i32, code: &Value) {
    let ended = stage.command("kim", line).output().unwrap();
    let told: Value = serde_json::from_slice(&ended.stderr).unwrap();
    assert_eq!((ended.status.code(), &told["exit"], &told["code"]), (Some(exit), &exit.into(), code), "{line}: {told}");
    assert_eq!((&told["problem"]["code"], told["what"].is_string(), ended.stdout.is_empty()), (code, true, true), "{line}: {told}");
}

/// The provider does not give back what it has not taken, and an operator sees it, in the list and in the order's story.
fn refused(stage: &Stage) {
    assert!(run(stage, "ops", "ops refunds").contains("거절된 환불이 없어요"));
    assert!(run(stage, "choi", "ops refunds").contains("No refund is refused."));
    let placed = stage.ask("kim", "customer order --store 교촌치킨 --item 후라이드=1").unwrap();
    let order = placed["order"].as_str().unwrap();
    until_paid(stage, order);
    let provider = rusqlite::Connection::open(stage.data().join("provider.db")).unwrap();
    provider.busy_timeout(PATIENCE).unwrap();
    assert_eq!(provider.execute("update movements set amount = 1 where order_id = ?", [order]).unwrap(), 1);
    run(stage, "kim", &format!("customer cancel {order}"));
    let said = until(stage, "ops refunds", |told| told["total"] == 1);
    assert_eq!(said["_embedded"]["refunds"][0]["order"], order, "{said}");
    let told = run(stage, "ops", "ops refunds");
    assert!(told.contains(order) && told.contains("결제사가 거절했어요") && told.contains("ops saga ord_"), "{told}");
    assert_eq!(run(stage, "ops", "ops refunds -o name -q").trim(), order);
    let saga = run(stage, "ops", &format!("ops saga {order}"));
    assert!(saga.contains("환불 거절됨") && saga.contains("결제사가 돌려주지 않아요"), "{saga}");
    assert!(!saga.contains("기다리는 것이 없어요"), "{saga}");
    let saga = stage.ask("ops", &format!("ops saga {order}")).unwrap();
    assert_eq!(saga["waits"][0]["for"], "refund", "{saga}");
    ends(stage, "kim", "ops refunds", 4);
}

/// Something is parked, as the rules would park it, and is mended.
fn parked(stage: &Stage, order: &str) {
    assert!(run(stage, "ops", "ops parked list").contains("따로 둔 것이 없어요"));
    let orders = rusqlite::Connection::open(stage.data().join("order.db")).unwrap();
    orders.busy_timeout(PATIENCE).unwrap();
    let body = format!(r#"{{"cause":null,"stream":"{order}","command":{{"order":{{"type":"confirm"}}}},"reason":"too_early","at_ms":7}}"#);
    for _ in 0..2 {
        orders.execute("insert into parked (body) values (?)", [&body]).unwrap();
    }
    assert_eq!(run(stage, "ops", "ops parked list -o name -q").lines().collect::<Vec<_>>(), ["order:2", "order:1"]);
    assert!(run(stage, "ops", "ops parked show order:1").contains("too_early"));
    assert!(run(stage, "ops", &format!("ops saga {order}")).contains("따로 둠: order:2"));
    // Still refused: the rule's own words, and its own exit code.
    ends(stage, "ops", "ops parked replay order:1", 5);
    ends(stage, "ops", "ops parked replay --all", 5);
    ends(stage, "ops", "ops parked replay", 2);
    run(stage, "ops", "ops parked drop order:2 --reason '같은 것이 또 있어요'");
    for step in ["store accept last --minutes 5", "store start last", "store finish last"] {
        run(stage, "lee", step);
    }
    run(stage, "park", "rider register --name 박라이더");
    run(stage, "park", "rider on --at 37.4985,127.0280");
    let give_up = Instant::now() + PATIENCE;
    while !stage.command("park", &format!("rider pick {order}")).output().unwrap().status.success() {
        assert!(Instant::now() < give_up, "the job never came");
        std::thread::sleep(Duration::from_millis(20));
    }
    run(stage, "park", &format!("rider deliver {order}"));
    let give_up = Instant::now() + PATIENCE;
    while stage.ask("kim", &format!("status show {order}")).unwrap()["status"] != "delivered" {
        assert!(Instant::now() < give_up, "it never arrived");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(run(stage, "ops", "ops parked replay --all").contains("1건을 다시 처리했어요"));
    let whole = run(stage, "ops", &format!("ops saga {order}"));
    assert!(whole.contains("기다리는 것이 없어요"), "{whole}");
    if std::env::var_os("SHOW").is_some() {
        println!("{whole}\n{}", run(stage, "ops", "ops lag"));
    }
}
