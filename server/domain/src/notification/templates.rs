//! What notices say, in both languages: one text for each topic, with the places of its variables. The inbox and every way
//! read from here; 알림톡 takes a text only when it is, word for word, what was approved.
//!
//! Texts are written so that no particle follows a variable.

use shared::Lang;

/// The places of variables, as 알림톡 writes them.
pub mod place {
    /// From or about which store.
    pub const STORE: &str = "#{가게}";
    /// About which order.
    pub const ORDER: &str = "#{주문번호}";
    /// What the order costs.
    pub const TOTAL: &str = "#{금액}";
    /// Why.
    pub const REASON: &str = "#{사유}";
    /// What goes back.
    pub const REFUND: &str = "#{환불금액}";
    /// What is charged in addition.
    pub const EXTRA: &str = "#{추가금액}";
    /// When the food is expected at the door.
    pub const ETA: &str = "#{도착예상}";
    /// How much longer it takes, in minutes.
    pub const MINUTES: &str = "#{지연분}";
    /// Which dishes.
    pub const DISHES: &str = "#{메뉴}";
    /// Which grade.
    pub const GRADE: &str = "#{등급}";
    /// How many stars.
    pub const STARS: &str = "#{별점}";
    /// What the store says.
    pub const WORDS: &str = "#{인사말}";
}

/// A text with the places of its variables.
#[derive(Debug, PartialEq, Eq)]
pub struct Template {
    /// Names it: the topic, and the case of one that has several.
    pub name: &'static str,
    ko: &'static str,
    en: &'static str,
    /// Whether the store's name goes before it.
    pub of_store: bool,
}

impl Template {
    /// The text in a language, after the store's name.
    pub fn text(&self, lang: Lang) -> String {
        let text = lang.pick(self.ko, self.en);
        if self.of_store { format!("[{}] {text}", place::STORE) } else { text.to_owned() }
    }

    /// The text as 알림톡 must have approved it: it names the order, because it is read outside of the app.
    pub fn alimtalk(&self, lang: Lang) -> String {
        let order = lang.pick("주문번호", "Order");
        format!("{}\n{order} {}", self.text(lang), place::ORDER)
    }
}

macro_rules! templates {
    ($($id:ident $name:literal $of_store:literal: $ko:literal, $en:literal;)*) => {
        $(pub(super) const $id: Template = Template { name: $name, ko: $ko, en: $en, of_store: $of_store };)*
        /// All of them.
        pub static TEMPLATES: &[Template] = &[$($id),*];
    };
}

templates! {
    PENDING_PAYMENT "pending_payment" true: "결제를 기다리고 있어요: #{금액}원", "Waiting for the payment of #{금액} won.";
    PLACED "placed" true: "주문이 접수됐어요: #{금액}원", "Your order is with the store: #{금액} won paid.";
    NEW_ORDER "new_order" true: "새 주문이 들어왔어요: #{금액}원", "A new order: #{금액} won.";
    PAYMENT_FAILED "payment_failed" true: "결제에 실패했어요: #{사유}", "The payment failed: #{사유}.";
    ACCEPTED "accepted" true:
        "가게에서 주문을 확인했어요. 도착 예상 #{도착예상}", "The store accepted your order. Expected at #{도착예상}.";
    DELAYED "delayed" true:
        "#{지연분}분 늦어져요. 도착 예상 #{도착예상}", "It takes #{지연분} minutes longer. Expected at #{도착예상}.";
    REJECTED "rejected" true:
        "주문이 거절됐어요: #{사유}. 환불 #{환불금액}원", "The store declined your order: #{사유}. #{환불금액} won go back to you.";
    COOKING "cooking" true: "조리를 시작했어요", "Your food is being cooked.";
    COOKED "cooked" true: "조리가 끝났어요", "Your food is ready for the rider.";
    PICKED "picked" true: "라이더가 출발했어요", "The rider is on the way.";
    RELEASED "released" true: "다른 라이더를 찾고 있어요", "Another rider is being sought.";
    DELIVERED "delivered" true: "배달이 완료됐어요. 맛있게 드세요", "Delivered. Enjoy your meal.";
    COMPLETED "completed" true: "거래가 완료됐어요", "The order is completed.";
    THANKS "thanks" true: "#{인사말}", "#{인사말}";
    CANCEL_REQUESTED "cancel_requested" true: "취소를 요청했어요", "The store was asked to cancel.";
    CANCEL_REFUSED "cancel_refused" true:
        "이미 조리를 시작해서 취소할 수 없어요", "It is too late to cancel: cooking has started.";
    CANCELLED "cancelled" true:
        "주문이 취소됐어요: #{사유}. 환불 #{환불금액}원", "Your order was cancelled: #{사유}. #{환불금액} won go back to you.";
    CANCELLED_UNPAID "cancelled_unpaid" true:
        "주문이 취소됐어요: #{사유}. 결제된 돈은 없어요", "Your order was cancelled: #{사유}. Nothing was paid.";
    WITHDRAWN "withdrawn" true: "주문이 취소됐어요: #{사유}", "The order was cancelled: #{사유}.";
    CHANGE_REQUESTED "change_requested" true:
        "메뉴 변경을 요청했어요: #{금액}원", "The store was asked for other dishes: #{금액} won.";
    CHANGED_DEARER "changed_dearer" true:
        "메뉴를 바꿨어요: #{금액}원 (추가 결제 #{추가금액}원)", "Your order was changed: #{금액} won, #{추가금액} won charged.";
    CHANGED_CHEAPER "changed_cheaper" true:
        "메뉴를 바꿨어요: #{금액}원 (환불 #{환불금액}원)", "Your order was changed: #{금액} won, #{환불금액} won go back to you.";
    CHANGED "changed" true: "메뉴를 바꿨어요: #{금액}원", "Your order was changed: #{금액} won.";
    ORDER_CHANGED "order_changed" true:
        "고객이 메뉴를 바꿨어요: #{금액}원. 주문전표를 확인해 주세요", "The customer changed the dishes: #{금액} won now. See the ticket.";
    CHANGE_REFUSED "change_refused" true: "메뉴를 바꿀 수 없어요: #{사유}", "Your order stays as it was: #{사유}.";
    OFFER_MADE "offer_made" true:
        "품절: #{메뉴}. 빼고 받으시면 #{환불금액}원을 돌려드려요 (합계 #{금액}원). 답을 기다려요",
        "Sold out: #{메뉴}. Without it #{환불금액} won go back to you, #{금액} won remain. Accept or decline.";
    OFFER_ACCEPTED "offer_accepted" true:
        "고객이 품절 메뉴를 빼는 데 동의했어요: #{금액}원", "The customer agrees to leave out what is sold out: #{금액} won.";
    OFFER_DECLINED "offer_declined" true:
        "고객이 제안을 거절했어요. 주문은 그대로예요", "The customer declined your offer: the order stays as it was.";
    REFUNDED "refunded" false: "환불이 끝났어요: #{환불금액}원", "#{환불금액} won were refunded.";
    OVERDUE "overdue" true: "조리가 예상보다 늦어지고 있어요", "Cooking takes longer than announced.";
    PROMOTED "promoted" false: "등급이 올랐어요: #{등급}", "You have a new grade: #{등급}.";
    REVIEWED "reviewed" true: "새 리뷰가 달렸어요: 별 #{별점}개", "A new review: #{별점} of 5 stars.";
}
