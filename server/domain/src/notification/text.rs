//! What a notice says, in both languages. Texts are written so that no particle follows a variable.

use crate::clock;
use shared::{Lang, Millis, Text, notice::Notice, notice::Topic};

/// Dishes that a notice names; of more it tells the number, because a text message has its limits.
const NAMED: usize = 3;

/// The text of a notice in a language.
pub fn say(notice: &Notice, lang: Lang) -> String {
    let text = topic(&notice.topic, lang);
    match &notice.store_name {
        Some(name) => format!("[{name}] {text}"),
        None => text,
    }
}

fn topic(topic: &Topic, lang: Lang) -> String {
    use Topic as T;
    match topic {
        T::PendingPayment { total } => {
            lang.pick(format!("결제를 기다리고 있어요: {total}원"), format!("Waiting for the payment of {total} won."))
        }
        T::Placed { total } => {
            lang.pick(format!("주문이 접수됐어요: {total}원"), format!("Your order is with the store: {total} won paid."))
        }
        T::NewOrder { total } => lang.pick(format!("새 주문이 들어왔어요: {total}원"), format!("A new order: {total} won.")),
        T::PaymentFailed { reason } => {
            lang.pick(format!("결제에 실패했어요: {}", reason.say(lang)), format!("The payment failed: {}.", reason.say(lang)))
        }
        T::Accepted { eta_ms } => lang.pick(
            format!("가게에서 주문을 확인했어요. 도착 예상 {}", hour(*eta_ms)),
            format!("The store accepted your order. Expected at {}.", hour(*eta_ms)),
        ),
        T::Delayed { minutes, eta_ms } => lang.pick(
            format!("{minutes}분 늦어져요. 도착 예상 {}", hour(*eta_ms)),
            format!("It takes {minutes} minutes longer. Expected at {}.", hour(*eta_ms)),
        ),
        T::Rejected { reason, refund } => lang.pick(
            format!("주문이 거절됐어요: {}. 환불 {refund}원", reason.say(lang)),
            format!("The store declined your order: {}. {refund} won go back to you.", reason.say(lang)),
        ),
        T::Cooking {} => lang.pick("조리를 시작했어요", "Your food is being cooked.").into(),
        T::Cooked {} => lang.pick("조리가 끝났어요", "Your food is ready for the rider.").into(),
        T::Picked {} => lang.pick("라이더가 출발했어요", "The rider is on the way.").into(),
        T::Released {} => lang.pick("다른 라이더를 찾고 있어요", "Another rider is being sought.").into(),
        T::Delivered {} => lang.pick("배달이 완료됐어요. 맛있게 드세요", "Delivered. Enjoy your meal.").into(),
        T::Completed {} => lang.pick("거래가 완료됐어요", "The order is completed.").into(),
        T::Thanks { words } => words.to_string(),
        T::CancelRequested {} => lang.pick("취소를 요청했어요", "The store was asked to cancel.").into(),
        T::CancelRefused {} => lang.pick("이미 조리를 시작해서 취소할 수 없어요", "It is too late to cancel: cooking has started.").into(),
        T::Cancelled { reason, refund } => lang.pick(
            format!("주문이 취소됐어요: {}. 환불 {refund}원", reason.say(lang)),
            format!("Your order was cancelled: {}. {refund} won go back to you.", reason.say(lang)),
        ),
        T::Withdrawn { reason } => {
            lang.pick(format!("주문이 취소됐어요: {}", reason.say(lang)), format!("The order was cancelled: {}.", reason.say(lang)))
        }
        T::ChangeRequested { total } => {
            lang.pick(format!("메뉴 변경을 요청했어요: {total}원"), format!("The store was asked for other dishes: {total} won."))
        }
        T::Changed { total, difference } if difference.0 > 0 => lang.pick(
            format!("메뉴를 바꿨어요: {total}원 (추가 결제 {difference}원)"),
            format!("Your order was changed: {total} won, {difference} won charged."),
        ),
        T::Changed { total, difference } if difference.0 < 0 => {
            let back = shared::Won(-difference.0);
            lang.pick(
                format!("메뉴를 바꿨어요: {total}원 (환불 {back}원)"),
                format!("Your order was changed: {total} won, {back} won go back to you."),
            )
        }
        T::Changed { total, .. } => lang.pick(format!("메뉴를 바꿨어요: {total}원"), format!("Your order was changed: {total} won.")),
        T::ChangeRefused { reason } => {
            lang.pick(format!("메뉴를 바꿀 수 없어요: {}", reason.say(lang)), format!("Your order stays as it was: {}.", reason.say(lang)))
        }
        T::OfferMade { without, refund, total } => lang.pick(
            format!("품절: {}. 빼고 받으시면 {refund}원을 돌려드려요 (합계 {total}원). 답을 기다려요", names(without, lang)),
            format!("Sold out: {}. Without it {refund} won go back to you, {total} won remain. Accept or decline.", names(without, lang)),
        ),
        T::OfferAccepted { total } => lang.pick(
            format!("고객이 품절 메뉴를 빼는 데 동의했어요: {total}원"),
            format!("The customer agrees to leave out what is sold out: {total} won."),
        ),
        T::OfferDeclined {} => {
            lang.pick("고객이 제안을 거절했어요. 주문은 그대로예요", "The customer declined your offer: the order stays as it was.").into()
        }
        T::Refunded { amount } => lang.pick(format!("환불이 끝났어요: {amount}원"), format!("{amount} won were refunded.")),
        T::Overdue {} => lang.pick("조리가 예상보다 늦어지고 있어요", "Cooking takes longer than announced.").into(),
        T::Promoted { grade } => {
            lang.pick(format!("등급이 올랐어요: {}", grade.label(lang)), format!("You have a new grade: {}.", grade.label(lang)))
        }
        T::Reviewed { stars } => lang.pick(format!("새 리뷰가 달렸어요: 별 {stars}개"), format!("A new review: {stars} of 5 stars.")),
    }
}

/// Some dishes, and how many more.
fn names(dishes: &[Text<60>], lang: Lang) -> String {
    let first = dishes.iter().take(NAMED).map(|name| &**name).collect::<Vec<_>>().join(", ");
    match dishes.len().saturating_sub(NAMED) {
        0 => first,
        more => lang.pick(format!("{first} 외 {more}개"), format!("{first} and {more} more")),
    }
}

/// The hour and minute in Korea, where the food is.
fn hour(at_ms: Millis) -> String {
    let minute = clock::minute(at_ms);
    format!("{:02}:{:02}", minute / 60, minute % 60)
}
