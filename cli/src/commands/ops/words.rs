//! The words in which operators read of contexts, events and deadlines.

use shared::{
    Context, Lang, Millis,
    order::{Reason, Status},
};

/// A context.
pub fn context(context: Context, lang: Lang) -> &'static str {
    let (ko, en) = match context {
        Context::Order => ("주문", "order"),
        Context::Payment => ("결제", "payment"),
        Context::Store => ("가게", "store"),
        Context::Rider => ("라이더", "rider"),
        Context::Customer => ("고객", "customer"),
        Context::Notification => ("알림", "notification"),
    };
    lang.pick(ko, en)
}

/// Who did something, or what.
pub fn who(who: &str, lang: Lang) -> &str {
    let (ko, en) = match who {
        "customer" => ("고객", "customer"),
        "owner" => ("점주", "owner"),
        "rider" => ("라이더", "rider"),
        "person" => ("사람", "somebody"),
        "timer" => ("타이머", "timer"),
        "worker" => ("작업자", "worker"),
        other => (other, other),
    };
    lang.pick(ko, en)
}

/// An event, by its kind and type.
pub fn event(name: &str, lang: Lang) -> String {
    let found = EVENTS.iter().find(|(known, _, _)| *known == name);
    found.map_or_else(|| name.replace(['.', '_'], " "), |(_, ko, en)| (*lang.pick(ko, en)).to_owned())
}

/// What a deadline is for.
pub fn deadline(name: &str, lang: Lang) -> &str {
    let (ko, en) = match name {
        "payment" => ("결제", "the payment"),
        "answer" => ("가게의 답", "the store's answer"),
        "overdue" => ("예고한 조리 시간", "the announced cooking time"),
        "cook" => ("조리", "the food"),
        "widen" => ("가까운 라이더", "a rider near by"),
        "rider" => ("라이더", "a rider"),
        "door" => ("배달", "the door"),
        "receipt" => ("고객의 확인", "the customer's confirmation"),
        "extra" => ("추가 결제", "the extra payment"),
        other => (other, other),
    };
    lang.pick(ko, en)
}

/// Why the provider refuses a refund. In an order's own words a declined payment is one that its customer could not make.
/// The code is the provider's own word for it, by which one finds it in its manual, or asks there.
pub fn refusal(reason: &Reason, code: Option<&str>, lang: Lang) -> String {
    let said: String = match reason {
        Reason::Declined => lang.pick("결제사가 거절했어요", "the provider declined").into(),
        other => other.say(lang),
    };
    match code {
        Some("no_charges") => lang.pick(format!("{said}: 어느 결제의 환불인지 몰라요"), format!("{said}: of which payment is not known")),
        Some("another_amount") => lang
            .pick(format!("{said}: 같은 사유로 다른 금액이 취소됐어요"), format!("{said}: another amount was cancelled with its reason")),
        Some(code) => format!("{said}: {code}"),
        None => said,
    }
}

/// The deadlines that mean something while an order stands so. The others were set on its way, and end without effect.
pub fn deadlines(status: Status) -> &'static [&'static str] {
    match status {
        Status::PendingPayment => &["payment"],
        Status::Placed => &["answer"],
        Status::Accepted | Status::Cooking => &["overdue", "cook"],
        Status::Cooked => &["widen", "rider"],
        Status::Picked => &["door"],
        Status::Delivered => &["receipt"],
        Status::CancelRequested | Status::ChangeRequested => &["answer", "extra", "overdue", "cook"],
        _ => &[],
    }
}

/// A time between two moments, as long as it takes to read.
pub fn span(ms: Millis, lang: Lang) -> String {
    match ms.max(0) {
        ms if ms < 1_000 => format!("{ms}ms"),
        ms if ms < 60_000 => format!("{}.{}s", ms / 1_000, ms % 1_000 / 100),
        ms if ms < 3_600_000 => lang.pick(format!("{}분", ms / 60_000), format!("{} min", ms / 60_000)),
        ms => lang.pick(format!("{}시간", ms / 3_600_000), format!("{} h", ms / 3_600_000)),
    }
}

const EVENTS: [(&str, &str, &str); 75] = [
    ("order.placed", "주문함", "ordered"),
    ("order.paid", "결제됨, 접수대기", "paid, waiting for the store"),
    ("order.payment_failed", "결제 실패로 끝남", "ended: payment failed"),
    ("order.accepted", "주문승인", "accepted"),
    ("order.delayed", "늦어짐", "delayed"),
    ("order.rejected", "주문거절로 끝남", "ended: rejected"),
    ("order.started", "조리중", "cooking"),
    ("order.cooked", "조리완료", "cooked"),
    ("order.picked", "배달중", "on its way"),
    ("order.released", "라이더가 내려놓음", "given back by the rider"),
    ("order.delivered", "배달완료", "delivered"),
    ("order.completed", "거래완료", "completed"),
    ("order.cancel_requested", "취소 요청", "cancel asked for"),
    ("order.cancel_refused", "취소 거절", "cancel refused"),
    ("order.cancelled", "주문취소로 끝남", "ended: cancelled"),
    ("order.change_requested", "변경 요청", "change asked for"),
    ("order.changed", "주문 변경", "changed"),
    ("order.change_refused", "변경 거절", "change refused"),
    ("order.offer_made", "품절 메뉴 빼기 제안", "offered to leave out"),
    ("order.offer_accepted", "제안 수락", "offer accepted"),
    ("order.offer_declined", "제안 거절", "offer declined"),
    ("payment.requested", "결제 요청", "charge asked for"),
    ("payment.approved", "결제 승인", "charged"),
    ("payment.declined", "결제 거절", "declined"),
    ("payment.voided", "결제 무효", "charge voided"),
    ("payment.refund_requested", "환불 요청", "refund asked for"),
    ("payment.refund_refused", "환불 거절됨", "refund refused"),
    ("payment.refunded", "환불함", "refunded"),
    ("payment.adjusted", "차액 정산", "difference settled"),
    ("payment.adjust_failed", "차액 결제 실패", "difference not paid"),
    ("store.changed", "가게 정보 바꿈", "store changed"),
    ("store.admitted", "주문수용량에 넣음", "admitted to the kitchen"),
    ("store.turned_away", "주문수용량 초과", "over capacity"),
    ("store.released", "주문수용량에서 뺌", "left the kitchen"),
    ("ticket.opened", "주문전표 열림", "ticket opened"),
    ("ticket.dropped", "주문전표 버림", "ticket dropped"),
    ("ticket.accepted", "주문전표 승인", "ticket accepted"),
    ("ticket.rejected", "주문전표 거절", "ticket rejected"),
    ("ticket.started", "조리 시작", "cooking started"),
    ("ticket.delayed", "조리 지연", "cooking delayed"),
    ("ticket.overdue", "조리 시간 초과", "cooking overdue"),
    ("ticket.finished", "조리 끝", "cooking finished"),
    ("ticket.withdrawn", "주문전표 거둠", "ticket withdrawn"),
    ("ticket.withdrawal_refused", "거두기 거절", "withdrawal refused"),
    ("ticket.revised", "주문전표 고침", "ticket revised"),
    ("ticket.revision_refused", "고치기 거절", "revision refused"),
    ("ticket.settled", "고친 주문전표 확정", "revision settled"),
    ("ticket.reverted", "주문전표 되돌림", "revision undone"),
    ("ticket.abandoned", "조리 포기", "not cooked in time"),
    ("rider.registered", "라이더 등록", "joined as a rider"),
    ("rider.started", "근무 시작", "on shift"),
    ("rider.ended", "근무 끝", "off shift"),
    ("rider.moved", "위치 바꿈", "moved"),
    ("rider.took", "맡은 배달 늘어남", "one job more"),
    ("rider.dropped", "맡은 배달 줄어듦", "one job less"),
    ("delivery.offered", "배달 알림", "offered to riders"),
    ("delivery.ready", "픽업 가능", "ready to pick"),
    ("delivery.picked", "픽업", "picked"),
    ("delivery.released", "배달 포기", "given back"),
    ("delivery.delivered", "문 앞 도착", "at the door"),
    ("delivery.called_off", "배달 취소", "called off"),
    ("delivery.widened", "더 멀리 알림", "offered wider"),
    ("delivery.failed", "라이더 없음", "no rider"),
    ("customer.registered", "고객 가입", "joined as a customer"),
    ("customer.contact_set", "연락처 바꿈", "contact changed"),
    ("customer.preferences_set", "알림 설정 바꿈", "preferences changed"),
    ("customer.counted", "거래완료 셈", "completed order counted"),
    ("customer.promoted", "등급 오름", "rose in grade"),
    ("review.invited", "리뷰 초대", "invited to review"),
    ("review.written", "리뷰", "reviewed"),
    ("review.replied", "리뷰 답글", "review answered"),
    ("notice.queued", "알림 대기", "notice queued"),
    ("notice.sent", "알림 보냄", "notice sent"),
    ("notice.skipped", "알림 생략", "notice left out"),
    ("notice.reported", "알림 결과", "outcome of a notice"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_without_words_is_named_as_it_is() {
        assert_eq!(event("order.placed", Lang::Ko), "주문함");
        assert_eq!(event("kitchen.on_fire", Lang::En), "kitchen on fire");
    }

    #[test]
    fn every_event_has_words_and_nothing_else_has() {
        let sources = [
            ("order", include_str!("../../../../shared/src/order.rs")),
            ("payment", include_str!("../../../../shared/src/payment.rs")),
            ("store", include_str!("../../../../shared/src/store.rs")),
            ("ticket", include_str!("../../../../shared/src/ticket.rs")),
            ("rider", include_str!("../../../../shared/src/rider.rs")),
            ("delivery", include_str!("../../../../shared/src/delivery.rs")),
            ("customer", include_str!("../../../../shared/src/customer.rs")),
            ("review", include_str!("../../../../shared/src/review.rs")),
            ("notice", include_str!("../../../../shared/src/notice.rs")),
        ];
        let mut events: Vec<String> = vec![];
        for (kind, source) in sources {
            let variants = source.split("pub enum Event {").nth(1).and_then(|from| from.split("\n}").next()).unwrap_or_default();
            let variants = variants.lines().filter_map(|line| line.strip_prefix("    "));
            events.extend(variants.filter(|line| line.starts_with(char::is_alphabetic)).map(|line| format!("{kind}.{}", snake(line))));
        }
        let mut known: Vec<&str> = EVENTS.iter().map(|(name, _, _)| *name).collect();
        events.sort();
        known.sort();
        assert_eq!(known, events);
    }

    /// The first word of a line, as it is written in JSON.
    fn snake(line: &str) -> String {
        let mut name = String::new();
        for c in line.chars().take_while(char::is_ascii_alphanumeric) {
            if c.is_ascii_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.push(c.to_ascii_lowercase());
        }
        name
    }

    #[test]
    fn a_span_is_told_shortly() {
        let told: Vec<String> = [7, 1_250, 61_000, 7_200_000, -5].map(|ms| span(ms, Lang::Ko)).into();
        assert_eq!(told, ["7ms", "1.2s", "1분", "2시간", "0ms"]);
    }
}
