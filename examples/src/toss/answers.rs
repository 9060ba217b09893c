//! The words on the wire: a payment with the fields that the real one has, Korean words and masked card included, and errors.

use super::bank::{Cancel, Moved, No, Payment};
use hyper::body::Bytes;
use jiff::{
    Timestamp,
    tz::{Offset, TimeZone},
};
use serde_json::{Value, json};

/// Korea has one offset, the whole year.
const KOREA: Offset = Offset::constant(9);

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: Bytes,
}

impl Answer {
    /// With this body.
    pub fn json(status: u16, body: &Value) -> Self {
        Self { status, body: body.to_string().into() }
    }

    /// A payment.
    pub fn payment(payment: &Payment) -> Self {
        Self::json(200, &shown(payment))
    }

    /// An error, with the status that belongs to its code.
    pub fn no(No(code): No) -> Self {
        Self::error(code)
    }

    /// The same for a code that somebody wishes to see.
    pub fn error(code: &str) -> Self {
        let (status, message) = meaning(code);
        Self::json(status, &json!({ "code": code, "message": message }))
    }
}

/// The status and the sentence of a code, of those that this simulator says by itself or is often asked to.
fn meaning(code: &str) -> (u16, &'static str) {
    match code {
        "UNAUTHORIZED_KEY" => (401, "인증되지 않은 시크릿 키 혹은 클라이언트 키 입니다."),
        "NOT_FOUND_PAYMENT" => (404, "존재하지 않는 결제 입니다."),
        "NOT_FOUND_PAYMENT_SESSION" => (404, "결제 시간이 만료되어 결제 진행 데이터가 존재하지 않습니다."),
        "IDEMPOTENT_REQUEST_PROCESSING" => (409, "이전 멱등 요청이 처리중입니다."),
        "TOO_MANY_REQUESTS" => (429, "요청이 너무 많습니다."),
        "REJECT_CARD_PAYMENT" => (403, "한도초과 혹은 잔액부족으로 결제에 실패했습니다."),
        "INCORRECT_BASIC_AUTH_FORMAT" => (403, "잘못된 요청입니다. ':' 를 포함해 인코딩해주세요."),
        "NOT_CANCELABLE_AMOUNT" => (403, "취소 할 수 없는 금액 입니다."),
        "NOT_CANCELABLE_PAYMENT" => (403, "취소 할 수 없는 결제 입니다."),
        "REJECT_ACCOUNT_PAYMENT"
        | "REJECT_CARD_COMPANY"
        | "EXCEED_MAX_ONE_DAY_AMOUNT"
        | "NOT_AVAILABLE_BANK"
        | "INVALID_PASSWORD"
        | "FDS_ERROR"
        | "FORBIDDEN_REQUEST"
        | "EXCEED_MAX_REFUND_DUE"
        | "NOT_ALLOWED_PARTIAL_REFUND"
        | "EXCEED_CANCEL_LIMIT"
        | "FORBIDDEN_CONSECUTIVE_REQUEST" => (403, "요청을 처리할 수 없습니다."),
        "ALREADY_PROCESSED_PAYMENT" => (400, "이미 처리된 결제 입니다."),
        "ALREADY_CANCELED_PAYMENT" => (400, "이미 취소된 결제 입니다."),
        "NOT_MATCHES_REFUNDABLE_AMOUNT" => (400, "잔액 결과가 일치하지 않습니다."),
        "DUPLICATED_ORDER_ID" => (400, "이미 승인 및 취소가 진행된 중복된 주문번호 입니다."),
        "INVALID_IDEMPOTENCY_KEY" => (400, "멱등키는 300자 이하여야 합니다."),
        "PROVIDER_ERROR" => (400, "일시적인 오류가 발생했습니다. 잠시 후 다시 시도해주세요."),
        "FAILED_PAYMENT_INTERNAL_SYSTEM_PROCESSING" => (500, "결제가 완료되지 않았어요. 다시 시도해주세요."),
        "FAILED_INTERNAL_SYSTEM_PROCESSING" => (500, "내부 시스템 처리 작업이 실패했습니다. 잠시 후 다시 시도해주세요."),
        "COMMON_ERROR" | "UNKNOWN_PAYMENT_ERROR" | "FAILED_REFUND_PROCESS" => (500, "일시적인 오류가 발생했습니다."),
        _ => (400, "잘못된 요청입니다."),
    }
}

/// A moment, as payments say it.
pub fn moment(ms: i64) -> String {
    let at = Timestamp::from_second(ms.div_euclid(1000)).unwrap_or(Timestamp::UNIX_EPOCH);
    at.display_with_offset(KOREA).to_string()
}

/// A moment, as webhooks say it: with microseconds and without an offset.
pub fn hook_moment(ms: i64) -> String {
    let at = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH);
    at.to_zoned(TimeZone::fixed(KOREA)).strftime("%Y-%m-%dT%H:%M:%S.%6f").to_string()
}

/// A payment, whole.
pub fn shown(payment: &Payment) -> Value {
    // The tax is a tenth of what is supplied, and the two are the balance.
    let supplied = (payment.balance * 10 + 5) / 11;
    let cancels: Vec<Value> = payment.cancels.iter().enumerate().map(|(n, cancel)| cancelled(payment, n, cancel)).collect();
    json!({
        "mId": "tossim", "version": "2022-11-16", "type": "NORMAL", "paymentKey": payment.key,
        "lastTransactionKey": transaction(payment, payment.cancels.len()), "orderId": payment.order_id, "orderName": "배달 주문",
        "status": payment.status.name(), "method": "카드", "currency": "KRW", "country": "KR",
        "totalAmount": payment.amount, "balanceAmount": payment.balance, "suppliedAmount": supplied,
        "vat": payment.balance - supplied, "taxFreeAmount": 0, "taxExemptionAmount": 0,
        "requestedAt": moment(payment.requested_ms), "approvedAt": payment.approved_ms.map(moment),
        "useEscrow": false, "cultureExpense": false, "isPartialCancelable": true,
        "card": { "issuerCode": "4V", "acquirerCode": "21", "number": "40000000****109*", "installmentPlanMonths": 0,
            "isInterestFree": false, "interestPayer": null, "approveNo": "00000000", "useCardPoint": false, "cardType": "미확인",
            "ownerType": "미확인", "acquireStatus": "READY", "amount": payment.amount },
        "virtualAccount": null, "transfer": null, "mobilePhone": null, "giftCertificate": null, "cashReceipt": null,
        "cashReceipts": null, "discount": null, "secret": null, "easyPay": null, "failure": null, "metadata": null,
        "receipt": { "url": "https://example.com/receipt" }, "checkout": { "url": "https://example.com/checkout" },
        "cancels": if cancels.is_empty() { Value::Null } else { cancels.into() },
    })
}

fn cancelled(payment: &Payment, n: usize, cancel: &Cancel) -> Value {
    json!({
        "cancelAmount": cancel.amount, "cancelReason": cancel.reason, "taxFreeAmount": 0, "taxExemptionAmount": 0,
        "refundableAmount": cancel.left, "easyPayDiscountAmount": 0, "canceledAt": moment(cancel.at_ms),
        "transactionKey": transaction(payment, n + 1), "receiptKey": null,
    })
}

/// What a movement of money is called.
pub fn transaction_key(moved: &Moved<'_>) -> String {
    transaction(moved.payment, moved.number)
}

/// A movement of money.
pub fn transaction_shown(moved: &Moved<'_>) -> Value {
    let Moved { payment, number, amount, at_ms } = *moved;
    let is_whole = number == 1 && amount == payment.amount;
    let status = if number == 0 {
        "DONE"
    } else if is_whole {
        "CANCELED"
    } else {
        "PARTIAL_CANCELED"
    };
    json!({
        "mId": "tossim", "transactionKey": transaction_key(moved), "paymentKey": payment.key, "orderId": payment.order_id,
        "method": "카드", "customerKey": null, "useEscrow": false, "receiptUrl": "https://example.com/receipt", "status": status,
        "transactionAt": moment(at_ms), "currency": "KRW", "amount": amount,
    })
}

/// A moment that a merchant wrote, in Korea's time and without an offset.
pub fn read_moment(text: &str) -> Option<i64> {
    let at: jiff::civil::DateTime = text.parse().ok()?;
    Some(KOREA.to_timestamp(at).ok()?.as_millisecond())
}

fn transaction(payment: &Payment, n: usize) -> String {
    format!("{}T{n}", payment.key)
}
