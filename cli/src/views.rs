//! How each thing looks as a table. Machines read the server's own document instead.

use crate::{
    Failure,
    client::Reply,
    orders::tell_step,
    table::{
        Align::{Left, Right},
        Sheet,
    },
    times,
};
use shared::{
    Lang, Millis, Won,
    api::{
        CustomerShown, DeliveryShown, MaybeSealed, MyPage, NoticeShown, OrderShown, PaymentShown, ReviewShown, RiderShown, ShopPage,
        StorefrontShown, TicketShown,
    },
    order::{self, Basket, Line, Status},
    payment,
    store::{Dish, Door, Profile},
};

/// A price.
pub fn won(amount: Won, lang: Lang) -> String {
    lang.pick(format!("{amount}원"), format!("{amount} won"))
}

fn line(line: &Line) -> String {
    let options: Vec<&str> = line.options.iter().map(|o| &**o).collect();
    let options = if options.is_empty() { String::new() } else { format!(" ({})", options.join(", ")) };
    format!("{}{options} {}", line.item, line.quantity)
}

/// The dishes of an order in one line.
pub fn dishes(basket: &Basket) -> String {
    basket.lines.iter().map(line).collect::<Vec<_>>().join(", ")
}

fn or_dash(text: Option<impl ToString>) -> String {
    text.map_or_else(|| "-".into(), |t| t.to_string())
}

fn yes_no(is: bool, lang: Lang) -> &'static str {
    if is { lang.pick("예", "yes") } else { lang.pick("아니요", "no") }
}

/// Orders, one a row.
pub fn orders(reply: &Reply, lang: Lang) -> Result<Sheet, Failure> {
    let mut sheet = Sheet::new(&[
        ("주문", "ORDER", Left),
        ("가게", "STORE", Left),
        ("상태", "STATUS", Left),
        ("메뉴", "DISHES", Left),
        ("금액", "TOTAL", Right),
        ("시각", "WHEN", Left),
    ]);
    let now = times::now_ms();
    for order in reply.list::<OrderShown>()? {
        let when = order.timeline.first().map(|s| times::ago(s.at_ms, now, lang));
        let total = order.basket.total.to_string();
        sheet.row([
            order.order.to_string(),
            order.store_name.to_string(),
            order.status.label(lang).into(),
            dishes(&order.basket),
            total,
            or_dash(when),
        ]);
    }
    Ok(sheet)
}

/// One order.
pub fn order(reply: &Reply, lang: Lang) -> Result<Sheet, Failure> {
    let order: OrderShown = reply.read()?;
    let mut card = Sheet::card()
        .with(lang.pick("주문", "Order"), order.order)
        .with(lang.pick("가게", "Store"), &order.store_name)
        .with(lang.pick("상태", "Status"), order.status.label(lang))
        .with(lang.pick("메뉴", "Dishes"), dishes(&order.basket))
        .with(lang.pick("합계", "Total"), total(&order.basket, lang));
    open(&mut card, &order.basket, order.change.as_ref(), order.offer.as_ref(), lang);
    for (name, value) in [
        (lang.pick("요청", "Note"), order.cook_note.map(|n| n.to_string())),
        (lang.pick("라이더", "Rider"), order.rider.map(|r| r.to_string())),
        (lang.pick("도착 예상", "Expected"), expected(order.eta_ms, order.status)),
    ] {
        value.into_iter().for_each(|v| card.field(name, v));
    }
    if let Some(last) = order.timeline.last() {
        card.field(lang.pick("최근", "Latest"), tell_step(last, lang).line());
    }
    Ok(card)
}

/// When the food is expected; of an order that has ended none is.
fn expected(eta_ms: Option<Millis>, status: Status) -> Option<String> {
    eta_ms.filter(|_| !status.is_final()).map(times::minute)
}

/// What is asked for instead of an order's dishes, by the customer and by the store.
fn open(card: &mut Sheet, basket: &Basket, change: Option<&Basket>, left: Option<&Basket>, lang: Lang) {
    if let Some(change) = change {
        card.field(lang.pick("변경 요청", "Asked for"), format!("{}  {}", dishes(change), won(change.total, lang)));
    }
    if let Some(left) = left {
        card.field(lang.pick("가게 제안", "Offered"), offer(basket, left, lang));
    }
}

/// What would be left out of an order, what would be left of it, and what would go back.
fn offer(basket: &Basket, left: &Basket, lang: Lang) -> String {
    let without: Vec<String> = basket.lines.iter().filter(|dish| !left.lines.contains(dish)).map(line).collect();
    let (without, stays) = (without.join(", "), format!("{}  {}", dishes(left), won(left.total, lang)));
    let refund = won(basket.total - left.total, lang);
    lang.pick(format!("{without} 빼고 {stays} (환불 {refund})"), format!("without {without}: {stays} ({refund} back)"))
}

fn total(basket: &Basket, lang: Lang) -> String {
    let fee = won(basket.delivery_fee, lang);
    lang.pick(format!("{}원 (배달비 {fee} 포함)", basket.total), format!("{} won (delivery {fee} included)", basket.total))
}

/// An order's whole story.
pub fn my_page(reply: &Reply, lang: Lang) -> Result<Sheet, Failure> {
    let page: MyPage = reply.read()?;
    let mut card = Sheet::card()
        .with(lang.pick("주문", "Order"), page.order)
        .with(lang.pick("가게", "Store"), &page.store_name)
        .with(lang.pick("상태", "Status"), page.status.label(lang))
        .with(lang.pick("메뉴", "Dishes"), dishes(&page.basket))
        .with(lang.pick("합계", "Total"), total(&page.basket, lang))
        .with(lang.pick("결제", "Paid"), won(page.paid, lang));
    open(&mut card, &page.basket, page.change.as_ref(), page.offer.as_ref(), lang);
    if page.refunded != Won::ZERO {
        card.field(lang.pick("환불", "Refunded"), won(page.refunded, lang));
    }
    let refunding = refunding(&page);
    if refunding > Won::ZERO {
        card.field(lang.pick("환불 중", "Refunding"), won(refunding, lang));
    }
    card.field(lang.pick("주문 시각", "Ordered"), times::full(page.placed_ms));
    if let Some(eta) = expected(page.eta_ms, page.status) {
        card.field(lang.pick("도착 예상", "Expected"), eta);
    }
    for step in &page.timeline {
        card.field("", tell_step(step, lang).line());
    }
    Ok(card)
}

/// What has yet to come back of an order that ended: the story tells of it as soon as it is promised.
fn refunding(page: &MyPage) -> Won {
    let is_over = matches!(page.status, order::Status::Rejected | order::Status::Cancelled | order::Status::PaymentFailed);
    if is_over { page.paid - page.refunded } else { Won::ZERO }
}

/// A payment.
pub fn payment(reply: &Reply, lang: Lang) -> Result<Sheet, Failure> {
    let shown: PaymentShown = reply.read()?;
    let (ko, en) = match shown.status {
        payment::Status::Charging => ("결제 중", "being charged"),
        payment::Status::Paid => ("결제 완료", "paid"),
        payment::Status::Declined => ("거절됨", "declined"),
        payment::Status::Refunding => ("환불 중", "being refunded"),
        payment::Status::Refunded => ("환불 완료", "refunded"),
        payment::Status::Voided => ("취소됨", "void"),
    };
    Ok(Sheet::card()
        .with(lang.pick("주문", "Order"), shown.order)
        .with(lang.pick("상태", "Status"), lang.pick(ko, en))
        .with(lang.pick("결제", "Captured"), won(shown.captured, lang))
        .with(lang.pick("환불", "Refunded"), won(shown.refunded, lang))
        .with(lang.pick("환불 중", "Refunding"), won(shown.refunding, lang)))
}

/// Tickets on the wall.
pub fn tickets(reply: &Reply, lang: Lang) -> Result<Sheet, Failure> {
    let mut sheet = Sheet::new(&[
        ("주문", "ORDER", Left),
        ("상태", "STATUS", Left),
        ("메뉴", "DISHES", Left),
        ("요청", "NOTE", Left),
        ("조리", "MIN", Right),
        ("접수", "CAME", Left),
    ]);
    let now = times::now_ms();
    for ticket in reply.list::<TicketShown>()? {
        let late = if ticket.overdue { lang.pick(" (늦음)", " (late)") } else { "" };
        let wished = ticket.change.as_ref().map_or_else(String::new, |c| format!(" => {}", dishes(c)));
        sheet.row([
            ticket.order.to_string(),
            format!("{}{late}", ticket.status.label(lang)),
            format!("{}{wished}", dishes(&ticket.basket)),
            or_dash(ticket.note),
            or_dash(ticket.cook_minutes),
            times::ago(ticket.opened_ms, now, lang),
        ]);
    }
    Ok(sheet)
}

/// What people read about a door.
pub fn door(door: Door, lang: Lang) -> &'static str {
    let (ko, en) = match door {
        Door::Open => ("영업중", "open"),
        Door::Paused => ("잠시멈춤", "paused"),
        Door::Closed => ("영업종료", "closed"),
    };
    lang.pick(ko, en)
}

/// Stores to order from.
pub fn storefronts(reply: &Reply, lang: Lang) -> Result<Sheet, Failure> {
    let mut sheet = Sheet::new(&[
        ("가게", "STORE", Left),
        ("이름", "NAME", Left),
        ("영업", "OPEN", Left),
        ("최소", "MINIMUM", Right),
        ("배달비", "FEE", Right),
        ("거리", "KM", Right),
    ]);
    for store in reply.list::<StorefrontShown>()? {
        let (profile, open) = (store.profile, if store.open_now { Door::Open } else { Door::Closed });
        let km = store.distance_km.map(|km| format!("{km:.1}"));
        let (id, name) = (profile.store.to_string(), profile.name.to_string());
        sheet.row([id, name, door(open, lang).into(), profile.minimum.to_string(), profile.delivery_fee.to_string(), or_dash(km)]);
    }
    Ok(sheet)
}

/// What is on a menu.
pub fn menu(menu: &[Dish], lang: Lang) -> Sheet {
    let mut sheet = Sheet::new(&[("메뉴", "DISH", Left), ("가격", "PRICE", Right), ("옵션", "OPTIONS", Left), ("", "", Left)]);
    for dish in menu {
        let choices: Vec<String> = dish.choices.iter().map(|c| format!("{} +{}", c.name, Won::from(c.price))).collect();
        let sold_out = if dish.sold_out { lang.pick("품절", "sold out") } else { "" };
        let choices = if choices.is_empty() { "-".into() } else { choices.join(", ") };
        sheet.row([dish.name.to_string(), Won::from(dish.price).to_string(), choices, sold_out.into()]);
    }
    sheet
}

/// A store as its owner sees it; `reply` may be of `/stores` as well as of `/storefronts`.
pub fn store(reply: &Reply, lang: Lang) -> Result<Sheet, Failure> {
    let profile: Profile = reply.read()?;
    let hours = profile.hours.map(|h| format!("{}-{}", times::of_day(h.from_minute.get()), times::of_day(h.to_minute.get())));
    let mut card = Sheet::card()
        .with(lang.pick("가게", "Store"), profile.store)
        .with(lang.pick("이름", "Name"), &profile.name)
        .with(lang.pick("주소", "Address"), &profile.address)
        .with(lang.pick("영업", "Door"), door(profile.door, lang))
        .with(lang.pick("시간", "Hours"), hours.unwrap_or_else(|| lang.pick("항상", "always").into()))
        .with(lang.pick("최소 주문", "Minimum"), won(profile.minimum, lang))
        .with(lang.pick("배달비", "Delivery"), won(profile.delivery_fee, lang))
        .with(lang.pick("주문수용량", "Capacity"), profile.capacity);
    if let Some(open) = reply.body.get("open_tickets").and_then(serde_json::Value::as_u64) {
        card.field(lang.pick("진행 중", "Open tickets"), open);
    }
    if let Some(thanks) = &profile.thanks {
        card.field(lang.pick("감사 인사", "Thanks"), thanks);
    }
    for dish in &profile.menu {
        let sold_out = if dish.sold_out { lang.pick("  품절", "  sold out") } else { "" };
        card.field("", format!("{}  {}{sold_out}", dish.name, won(dish.price.into(), lang)));
    }
    Ok(card)
}

/// Stores of an owner.
pub fn stores(reply: &Reply, lang: Lang) -> Result<Sheet, Failure> {
    let mut sheet = Sheet::new(&[
        ("가게", "STORE", Left),
        ("이름", "NAME", Left),
        ("영업", "DOOR", Left),
        ("메뉴", "DISHES", Right),
        ("수용량", "CAPACITY", Right),
    ]);
    for p in reply.list::<Profile>()? {
        sheet.row([p.store.to_string(), p.name.to_string(), door(p.door, lang).into(), p.menu.len().to_string(), p.capacity.to_string()]);
    }
    Ok(sheet)
}

/// A store's day.
pub fn today(reply: &Reply, lang: Lang) -> Result<Sheet, Failure> {
    let page: ShopPage = reply.read()?;
    let rating = page.rating().map_or_else(|| "-".into(), |r| format!("{r:.1} ({})", page.reviews));
    Ok(Sheet::card()
        .with(lang.pick("날짜", "Day"), times::day(page.day))
        .with(lang.pick("주문", "Orders"), page.orders)
        .with(lang.pick("완료", "Completed"), page.completed)
        .with(lang.pick("거절", "Rejected"), page.rejected)
        .with(lang.pick("취소", "Cancelled"), page.cancelled)
        .with(lang.pick("매출", "Revenue"), won(page.revenue, lang))
        .with(lang.pick("평점", "Rating"), rating))
}

/// Reviews.
pub fn reviews(reply: &Reply, lang: Lang) -> Result<Sheet, Failure> {
    let mut sheet = Sheet::new(&[
        ("주문", "ORDER", Left),
        ("별점", "STARS", Right),
        ("리뷰", "REVIEW", Left),
        ("답글", "REPLY", Left),
        ("시각", "WHEN", Left),
    ]);
    let now = times::now_ms();
    for review in reply.list::<ReviewShown>()? {
        let stars = review.stars.map(|s| format!("{s}/5"));
        let when = times::ago(review.at_ms, now, lang);
        sheet.row([review.order.to_string(), or_dash(stars), or_dash(review.text), or_dash(review.reply), when]);
    }
    Ok(sheet)
}

/// An inbox.
pub fn notices(reply: &Reply, lang: Lang) -> Result<Sheet, Failure> {
    let mut sheet = Sheet::new(&[("시각", "WHEN", Left), ("주문", "ORDER", Left), ("알림", "NOTICE", Left)]);
    let now = times::now_ms();
    for notice in reply.list::<NoticeShown>()? {
        sheet.row([times::ago(notice.at_ms, now, lang), notice.order.to_string(), notice.text]);
    }
    Ok(sheet)
}

/// Jobs of a rider, or near one.
pub fn deliveries(reply: &Reply, lang: Lang) -> Result<Sheet, Failure> {
    let mut sheet = Sheet::new(&[
        ("주문", "ORDER", Left),
        ("가게", "STORE", Left),
        ("거리", "KM", Right),
        ("보수", "PAY", Right),
        ("상태", "STATUS", Left),
        ("준비", "READY", Left),
        ("요청", "NOTE", Left),
    ]);
    for job in reply.list::<DeliveryShown>()? {
        let ready = if job.ready { lang.pick("완료", "yes").to_owned() } else { times::minute(job.ready_ms) };
        let km = job.distance_km.map(|km| format!("{km:.1}"));
        let (store, status) = (job.store_name.to_string(), job.status.label(lang).to_owned());
        sheet.row([job.order.to_string(), store, or_dash(km), job.fee.to_string(), status, ready, or_dash(job.note)]);
    }
    Ok(sheet)
}

/// One job; phone and door while it is in the rider's hands.
pub fn delivery(reply: &Reply, lang: Lang) -> Result<Sheet, Failure> {
    let job: DeliveryShown = reply.read()?;
    let mut card = Sheet::card()
        .with(lang.pick("주문", "Order"), job.order)
        .with(lang.pick("가게", "Store"), format!("{}  {},{}", job.store_name, job.store_at.lat, job.store_at.lng))
        .with(lang.pick("상태", "Status"), job.status.label(lang))
        .with(lang.pick("준비", "Ready"), if job.ready { yes_no(true, lang).to_owned() } else { times::minute(job.ready_ms) })
        .with(lang.pick("배달지", "Area"), format!("{},{}", job.area.lat, job.area.lng))
        .with(lang.pick("보수", "Pay"), won(job.fee, lang));
    if let Some(note) = &job.note {
        card.field(lang.pick("요청", "Note"), note);
    }
    if let Some(MaybeSealed::Open(contact)) = &job.contact {
        card.field(lang.pick("주소", "Address"), &contact.address);
        card.field(lang.pick("위치", "Door at"), format!("{},{}", contact.at.lat, contact.at.lng));
        card.field(lang.pick("전화", "Phone"), contact.phone.as_str());
    }
    Ok(card)
}

/// A rider.
pub fn rider(reply: &Reply, lang: Lang) -> Result<Sheet, Failure> {
    let rider: RiderShown = reply.read()?;
    let at = rider.at.map(|p| format!("{},{}", p.lat, p.lng));
    let jobs: Vec<String> = rider.jobs.iter().map(ToString::to_string).collect();
    Ok(Sheet::card()
        .with(lang.pick("라이더", "Rider"), rider.rider)
        .with(lang.pick("이름", "Name"), &rider.name)
        .with(lang.pick("근무", "On shift"), yes_no(rider.on_shift, lang))
        .with(lang.pick("위치", "At"), or_dash(at))
        .with(lang.pick("배달", "Jobs"), if jobs.is_empty() { "-".into() } else { jobs.join(", ") }))
}

/// A customer.
pub fn customer(reply: &Reply, lang: Lang) -> Result<Sheet, Failure> {
    let customer: CustomerShown = reply.read()?;
    let mut card = Sheet::card()
        .with(lang.pick("고객", "Customer"), customer.customer)
        .with(lang.pick("이름", "Name"), &customer.name)
        .with(lang.pick("등급", "Grade"), format!("{} ({})", customer.grade.label(lang), customer.completed))
        .with(lang.pick("알림 언어", "Notices in"), customer.lang.pick("ko", "en"))
        .with(lang.pick("진행 알림", "Progress"), yes_no(customer.progress, lang));
    if let Some(MaybeSealed::Open(contact)) = &customer.contact {
        card.field(lang.pick("주소", "Address"), &contact.address);
        card.field(lang.pick("위치", "At"), format!("{},{}", contact.at.lat, contact.at.lng));
        card.field(lang.pick("전화", "Phone"), contact.phone.as_str());
    }
    Ok(card)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may end here")]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_an_order_that_ended_has_yet_to_get_back_is_on_its_way() {
        let basket = json!({ "lines": [], "delivery_fee": 3_000, "total": 20_000 });
        let page = |status: &str, refunded: i64| -> MyPage {
            serde_json::from_value(json!({
                "order": "ord_040g2081040g2081", "customer": "cus_0m2ga1850m2ga185", "store": "sto_0c1g60r30c1g60r3", "store_name": "교촌",
                "status": status, "basket": basket, "eta_ms": null, "paid": 20_000, "refunded": refunded, "placed_ms": 0, "timeline": [],
            }))
            .unwrap()
        };
        for (status, refunded, wanted) in
            [("cancelled", 0, 20_000), ("rejected", 5_000, 15_000), ("cancelled", 20_000, 0), ("cooking", 0, 0)]
        {
            assert_eq!(refunding(&page(status, refunded)), Won(wanted), "{status} {refunded}");
        }
    }

    #[test]
    fn an_offer_says_what_is_left_out_and_what_stays() {
        let basket = |dishes: &[(&str, i64)]| -> Basket {
            let lines: Vec<_> = dishes.iter().map(|(item, each)| json!({ "item": item, "quantity": 1, "each": each })).collect();
            let total: i64 = dishes.iter().map(|(_, each)| each).sum();
            serde_json::from_value(json!({ "lines": lines, "delivery_fee": 0, "total": total })).unwrap()
        };
        let (ordered, left) = (basket(&[("후라이드", 18_000), ("콜라", 2_000)]), basket(&[("후라이드", 18_000)]));
        assert_eq!(offer(&ordered, &left, Lang::Ko), "콜라 1 빼고 후라이드 1  18,000원 (환불 2,000원)");
        assert_eq!(offer(&ordered, &left, Lang::En), "without 콜라 1: 후라이드 1  18,000 won (2,000 won back)");
    }
}
