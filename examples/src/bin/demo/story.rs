//! What happens on stage.

use examples::stage::{Stage, Told, say};
use serde_json::Value;

/// Where the people live: all in Gangnam, a few hundred metres apart.
const STORE: &str = "교촌치킨";

fn title(text: &str) {
    say(&format!("\n=== {text}"));
}

/// Everything, in order. Gives the number of claims that were checked.
pub fn tell(stage: &mut Stage) -> Told<u32> {
    prepare(stage)?;
    happy(stage)?;
    grade(stage)?;
    cancel(stage)?;
    late_cancel(stage)?;
    change(stage)?;
    sold_out(stage)?;
    capacity(stage)?;
    decline(stage)?;
    two_riders(stage)?;
    books(stage)?;
    Ok(stage.checks)
}

fn prepare(stage: &mut Stage) -> Told<()> {
    title("A store opens, customers and riders join");
    stage.run("lee", &format!("store register --name {STORE} --address '강남대로 396' --at 37.4979,127.0276"), 0)?;
    stage.run("lee", "store dish set 후라이드 --price 18000 --option 치즈=1000", 0)?;
    stage.run("lee", "store dish set 양념 --price 20000", 0)?;
    stage.run("lee", "store dish set 콜라 --price 2000", 0)?;
    stage.run("lee", "store terms --minimum 12000 --fee 3000", 0)?;
    stage.run("lee", "store thanks '맛있게 드셨나요? 또 오세요'", 0)?;
    stage.run("lee", "store open", 0)?;
    stage.run("kim", "customer join --name 김배민 --phone 010-1234-5678 --address '역삼로 12, 301호' --at 37.4995,127.0312", 0)?;
    stage.run("choi", "customer join --name Choi --phone 010-8765-4321 --address '34 Teheran-ro' --at 37.5002,127.0335", 0)?;
    for rider in ["park", "jung"] {
        stage.run(rider, &format!("rider register --name {rider}"), 0)?;
        stage.run(rider, "rider on --at 37.4985,127.0280", 0)?;
    }
    stage.run("kim", "customer stores --open", 0)?;
    stage.run("kim", &format!("customer menu {STORE}"), 0)?;
    Ok(())
}

fn happy(stage: &mut Stage) -> Told<()> {
    title("From menu to doorstep, with a watch beside it");
    let args = format!("--store {STORE} --item 후라이드=2:치즈 --item 콜라=1 --note '덜 맵게' --rider-note '문 앞에'");
    let order = stage.order("kim", &args, 0)?;
    let placed = stage.ask("kim", &format!("status show {order}"))?;
    stage.check("the server priced it: 2 x (18,000 + 1,000) + 2,000 + 3,000 = 43,000 won", placed["basket"]["total"] == 43_000)?;
    let screen = stage.beside("kim", &format!("status watch {order}"))?;
    let machine = stage.beside("kim", &format!("status watch {order} -o jsonl"))?;
    stage.run("lee", "store tickets", 0)?;
    stage.run("lee", &format!("store accept {order} --minutes 12"), 0)?;
    stage.becomes("the job is on the riders' list before it is cooked", "park", "rider nearby", |list| job(list, &order).is_some())?;
    stage.run("park", &format!("rider pick {order}"), 5)?;
    stage.check("but nobody picks it before it is cooked", true)?;
    stage.run("lee", &format!("store start {order}"), 0)?;
    stage.run("lee", &format!("store finish {order}"), 0)?;
    let list = stage
        .becomes("it is cooked and can be picked", "park", "rider nearby", |list| job(list, &order).is_some_and(|j| j["ready"] == true))?;
    stage.check("the list shows no phone and no door", job(&list, &order).is_some_and(|j| j["contact"].is_null()))?;
    stage.run("park", "rider nearby", 0)?;
    stage.run("park", &format!("rider pick {order}"), 0)?;
    let jobs = stage.ask("park", "rider jobs")?;
    stage.check("its rider sees the door now", jobs["_embedded"]["deliveries"][0]["contact"]["address"] == "역삼로 12, 301호")?;
    stage.run("park", &format!("rider deliver {order}"), 0)?;
    let jobs = stage.ask("park", "rider jobs")?;
    stage.check("and no longer after the delivery", jobs["_embedded"]["deliveries"][0]["contact"].is_null())?;
    stage.becomes("the order knows that it arrived", "kim", &format!("status show {order}"), |o| o["status"] == "delivered")?;
    stage.run("kim", &format!("customer confirm {order}"), 0)?;
    let (lines, code) = screen.finish()?;
    lines.iter().for_each(|line| say(&format!("  | {line}")));
    stage.check("the watch ended by itself with exit code 0", code == 0)?;
    let (lines, _) = machine.finish()?;
    let steps: Vec<Value> = lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let seen: Vec<&str> = steps.iter().filter_map(|s| s["status"].as_str()).collect();
    let all = ["pending_payment", "placed", "accepted", "cooking", "cooked", "picked", "delivered", "completed"];
    stage.check("it saw every status once, in order", seen == all && steps.iter().zip(1u64..).all(|(s, n)| s["version"] == n))?;
    stage.run("kim", &format!("customer review {order} --stars 5 --text '바삭해요'"), 0)?;
    stage.run("kim", &format!("customer review {order} --stars 1 --text '다시'"), 5)?;
    stage.run("lee", &format!("store reply {order} --text '고맙습니다'"), 0)?;
    stage.becomes("the rating is 5.0", "lee", "store today", |day| day["rating"] == 5.0)?;
    stage.run("lee", "store reviews", 0)?;
    stage.run("lee", "store today", 0)?;
    notices(stage, &order)
}

fn notices(stage: &mut Stage, order: &str) -> Told<()> {
    let has = |inbox: &Value, topic: &str| of_order(inbox, order).iter().filter(|n| n["topic"] == topic).count() == 1;
    let topics = ["pending_payment", "placed", "accepted", "cooking", "cooked", "picked", "delivered", "completed", "thanks"];
    let inbox = stage.becomes("every status change sent one notice, and the store said thanks", "kim", "customer inbox", |inbox| {
        topics.iter().all(|topic| has(inbox, topic))
    })?;
    let korean = of_order(&inbox, order).iter().all(|n| n["text"].as_str().is_some_and(|t| t.chars().any(|c| ('가'..='힣').contains(&c))));
    stage.check("in the reader's language", korean)?;
    stage.run("kim", "customer inbox", 0)?;
    Ok(())
}

/// One more order, all the way, without showing it.
fn quick(stage: &mut Stage, who: &str, args: &str) -> Told<String> {
    let order = stage.order(who, &format!("--store {STORE} {args}"), 0)?;
    stage.run("lee", &format!("store accept {order}"), 0)?;
    stage.run("lee", &format!("store start {order}"), 0)?;
    stage.run("lee", &format!("store finish {order}"), 0)?;
    stage.becomes("it waits for a rider", "park", "rider nearby", |list| job(list, &order).is_some_and(|j| j["ready"] == true))?;
    Ok(order)
}

fn arrive(stage: &mut Stage, who: &str, rider: &str, order: &str) -> Told<()> {
    stage.run(rider, &format!("rider deliver {order}"), 0)?;
    stage.becomes("it arrived", who, &format!("status show {order}"), |o| o["status"] == "delivered")?;
    stage.run(who, &format!("customer confirm {order}"), 0)?;
    Ok(())
}

fn grade(stage: &mut Stage) -> Told<()> {
    title("Two more orders make a better grade");
    for _ in 0..2 {
        let order = quick(stage, "kim", "--item 양념=1")?;
        stage.run("park", &format!("rider pick {order}"), 0)?;
        arrive(stage, "kim", "park", &order)?;
    }
    stage.becomes("three completed orders make 귀한분", "kim", "customer profile", |me| {
        me["grade"] == "precious" && me["completed"] == 3
    })?;
    stage.run("kim", "customer profile", 0)?;
    Ok(())
}

/// What went back of an order, once it is back.
fn refunded(stage: &mut Stage, who: &str, order: &str, won: i64) -> Told<()> {
    let claim = format!("{won} won went back");
    stage.becomes(&claim, who, &format!("customer pay-status {order}"), |p| p["refunded"] == won && p["refunding"] == 0)?;
    stage.run(who, &format!("customer pay-status {order}"), 0)?;
    Ok(())
}

fn cancel(stage: &mut Stage) -> Told<()> {
    title("A cancel before cooking");
    let order = stage.order("kim", &format!("--store {STORE} --item 후라이드=1"), 0)?;
    stage.run("lee", &format!("store accept {order}"), 0)?;
    stage.run("kim", &format!("customer cancel {order} --reason '급한 일이 생겼어요'"), 0)?;
    stage.becomes("the store agreed", "kim", &format!("status show {order}"), |o| o["status"] == "cancelled")?;
    refunded(stage, "kim", &order, 21_000)?;
    stage.becomes("the notice names the amount", "kim", "customer inbox", |inbox| {
        of_order(inbox, &order)
            .iter()
            .any(|n| n["topic"] == "cancelled" && n["text"].as_str().is_some_and(|t| t.contains("21,000") && t.contains("급한 일")))
    })?;
    stage.becomes("and the job is off the riders' list", "park", "rider nearby", |list| job(list, &order).is_none())?;
    Ok(())
}

fn late_cancel(stage: &mut Stage) -> Told<()> {
    title("A cancel that comes too late");
    let order = quick(stage, "kim", "--item 후라이드=1")?;
    stage.run("kim", &format!("customer cancel {order}"), 5)?;
    stage.check("cooking had started: refused with exit code 5", true)?;
    let paid = stage.ask("kim", &format!("customer pay-status {order}"))?;
    stage.check("and nothing went back", paid["captured"] == 21_000 && paid["refunded"] == 0)?;
    stage.run("jung", &format!("rider pick {order}"), 0)?;
    arrive(stage, "kim", "jung", &order)
}

fn change(stage: &mut Stage) -> Told<()> {
    title("Other dishes: dearer, cheaper, and dearer with a card that will not pay");
    let order = stage.order("kim", &format!("--store {STORE} --item 후라이드=1"), 0)?;
    stage.run("kim", &format!("customer change {order} --item 후라이드=1 --item 양념=1"), 0)?;
    let paid =
        |captured: i64, refunded: i64| move |p: &Value| p["captured"] == captured && p["refunded"] == refunded && p["refunding"] == 0;
    let pay = format!("customer pay-status {order}");
    stage.becomes("the difference of 20,000 won was charged", "kim", &pay, paid(41_000, 0))?;
    stage.becomes("the change is settled", "kim", &format!("status show {order}"), |o| {
        o["status"] == "placed" && o["basket"]["total"] == 41_000
    })?;
    stage.run("kim", &format!("customer change {order} --item 양념=1"), 0)?;
    stage.becomes("the difference of 18,000 won went back", "kim", &pay, paid(41_000, 18_000))?;
    stage.becomes("the kitchen cooks the new dishes", "lee", "store tickets", |list| {
        let tickets = list["_embedded"]["foodCookings"].as_array().cloned().unwrap_or_default();
        tickets.iter().any(|t| t["order"] == *order && t["basket"]["total"] == 23_000 && t["change"].is_null())
    })?;
    stage.run("lee", &format!("store reject {order} --reason '재료가 떨어졌어요'"), 0)?;
    stage.becomes("rejected, and all of it is back", "kim", &pay, paid(41_000, 41_000))?;

    let order = stage.order("choi", &format!("--store {STORE} --item 후라이드=1 --pay once-card"), 0)?;
    stage.run("choi", &format!("customer change {order} --item 후라이드=1 --item 양념=1"), 5)?;
    let shown = stage
        .becomes("the extra charge was declined: the dishes stay", "choi", &format!("status show {order}"), |o| o["status"] == "placed")?;
    stage.check("for the old price", shown["basket"]["total"] == 21_000)?;
    stage.run("lee", &format!("store reject {order} --reason 'sorry'"), 0)?;
    refunded(stage, "choi", &order, 21_000)
}

fn sold_out(stage: &mut Stage) -> Told<()> {
    title("A dish is sold out: the store offers to leave it out");
    let order = stage.order("kim", &format!("--store {STORE} --item 후라이드=1 --item 콜라=2"), 0)?;
    stage.run("lee", &format!("store offer {order} --without 콜라"), 0)?;
    stage.becomes("the notice names the dish and what would go back", "kim", "customer inbox", |inbox| {
        of_order(inbox, &order)
            .iter()
            .any(|n| n["topic"] == "offer_made" && n["text"].as_str().is_some_and(|t| t.contains("콜라") && t.contains("4,000")))
    })?;
    let show = format!("customer show {order}");
    stage.becomes("and so does the order's page", "kim", &show, |page| page["offer"]["total"] == 21_000)?;
    stage.run("kim", &show, 0)?;
    stage.run("kim", &format!("customer decline-offer {order}"), 0)?;
    stage.becomes("the store is told that the order stays as it was", "lee", "store inbox", |inbox| {
        of_order(inbox, &order).iter().any(|n| n["topic"] == "offer_declined")
    })?;
    stage.run("lee", &format!("store offer {order} --without 콜라"), 0)?;
    stage.run("kim", &format!("customer accept-offer {order}"), 0)?;
    let paid = |refunded: i64| move |p: &Value| p["captured"] == 25_000 && p["refunded"] == refunded && p["refunding"] == 0;
    let pay = format!("customer pay-status {order}");
    stage.becomes("the 4,000 won for the sold-out dish went back", "kim", &pay, paid(4_000))?;
    stage.becomes("the kitchen cooks the rest", "lee", "store tickets", |list| {
        let tickets = list["_embedded"]["foodCookings"].as_array().cloned().unwrap_or_default();
        tickets.iter().any(|t| t["order"] == *order && t["basket"]["total"] == 21_000 && t["change"].is_null())
    })?;
    stage.run("lee", &format!("store reject {order} --reason '재료가 떨어졌어요'"), 0)?;
    stage.becomes("rejected, and all of it is back", "kim", &pay, paid(25_000))?;
    Ok(())
}

fn capacity(stage: &mut Stage) -> Told<()> {
    title("More orders than the kitchen takes");
    stage.run("lee", "store capacity 1", 0)?;
    let first = stage.order("kim", &format!("--store {STORE} --item 후라이드=1"), 0)?;
    stage.becomes("one ticket waits for an answer", "lee", "store tickets", |list| list["page"]["totalElements"] == 1)?;
    let second = stage.order("choi", &format!("--store {STORE} --item 양념=1"), 0)?;
    stage.becomes("the second order is rejected by itself", "choi", &format!("status show {second}"), |o| o["status"] == "rejected")?;
    refunded(stage, "choi", &second, 23_000)?;
    stage.becomes("the notice says why, in English", "choi", "customer inbox", |inbox| {
        of_order(inbox, &second)
            .iter()
            .any(|n| n["topic"] == "rejected" && n["text"].as_str().is_some_and(|t| t.contains("as many orders")))
    })?;
    stage.run("choi", "customer inbox", 0)?;
    stage.run("lee", &format!("store reject {first} --reason '마감'"), 0)?;
    refunded(stage, "kim", &first, 21_000)?;
    stage.run("lee", "store capacity 0", 0)?;
    stage.becomes("a kitchen that takes nothing looks closed", "kim", "customer stores", |list| {
        let stores = list["_embedded"]["storefronts"].as_array().cloned().unwrap_or_default();
        stores.iter().any(|s| s["capacity"] == 0 && s["door"] == "open" && s["open_now"] == false)
    })?;
    stage.run("kim", &format!("customer order --store {STORE} --item 후라이드=1"), 5)?;
    stage.run("lee", "store capacity 10", 0)?;
    stage.becomes("and is open again", "kim", "customer stores --open", |list| list["page"]["totalElements"] == 1)?;
    Ok(())
}

fn decline(stage: &mut Stage) -> Told<()> {
    title("A card that is declined");
    let order = stage.order("choi", &format!("--store {STORE} --item 양념=1 --pay declined-card"), 5)?;
    let shown = stage.ask("choi", &format!("status show {order}"))?;
    stage.check("the order failed", shown["status"] == "payment_failed")?;
    let paid = stage.ask("choi", &format!("customer pay-status {order}"))?;
    stage.check("and no money moved", paid["captured"] == 0)?;
    let tickets = stage.ask("lee", "store tickets")?;
    stage.check("the store never saw it", tickets["page"]["totalElements"] == 0)
}

fn two_riders(stage: &mut Stage) -> Told<()> {
    title("Two riders at one delivery");
    let order = quick(stage, "choi", "--item 후라이드=1")?;
    let codes = stage.at_once(["park", "jung"], &format!("rider pick {order}"))?;
    stage.check("exactly one of them has it, and the other one learns who", codes == [0, 5] || codes == [5, 0])?;
    let winner = if codes[0] == 0 { "park" } else { "jung" };
    arrive(stage, "choi", winner, &order)?;
    stage.run("kim", "customer list", 0)?;
    stage.run("lee", "store today", 0)?;
    Ok(())
}

/// Money is conserved: what came in and did not go back is what the completed orders cost.
fn books(stage: &mut Stage) -> Told<()> {
    title("The books");
    let day = stage.ask("lee", "store today")?;
    let mut kept = 0;
    for who in ["kim", "choi"] {
        let orders = stage.ask(who, "customer list")?;
        for order in orders["_embedded"]["orders"].as_array().cloned().unwrap_or_default() {
            let paid = stage.ask(who, &format!("customer pay-status {}", order["order"].as_str().unwrap_or_default()))?;
            let net = paid["captured"].as_i64().unwrap_or(-1) - paid["refunded"].as_i64().unwrap_or(0);
            let due = if order["status"] == "completed" { order["basket"]["total"].as_i64().unwrap_or(-1) } else { 0 };
            stage.check(&format!("{}: {} costs {due} won", order["order"], order["status"]), net == due)?;
            kept += net;
        }
    }
    stage.check("the store's revenue of the day is what was kept", day["revenue"] == kept)?;
    stage.check("five orders were completed", day["completed"] == 5)
}

fn job(list: &Value, order: &str) -> Option<Value> {
    list["_embedded"]["deliveryInfos"].as_array()?.iter().find(|job| job["order"] == *order).cloned()
}

fn of_order(inbox: &Value, order: &str) -> Vec<Value> {
    let all = inbox["_embedded"]["notifications"].as_array().cloned().unwrap_or_default();
    all.into_iter().filter(|notice| notice["order"] == *order).collect()
}
