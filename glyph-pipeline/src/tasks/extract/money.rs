//! Amounts of money.

use super::{ExtractionKind, Found, ascii};
use regex::Regex;
use std::sync::LazyLock;

const AMOUNT: &str = r"(?P<n>\d{1,3}(?:\.\d{3})+,\d{2}|\d{1,3}(?:[,'’\u{a0}\u{202f}，]\d{3})+(?:\.\d+)?|\d+(?:[.,]\d{1,2})?|\d+\.\d+)";
const SCALE: &str = r"(?:\s?(?P<s>(?i:thousand|million|billion|trillion|mn|bn)\b|[kKmMbB]\b|万亿|千万|百万|十万|千|万|亿))?";
const CODES: &str = "USD|EUR|GBP|CNY|RMB|JPY|CHF|HKD|TWD|AUD|CAD|INR|KRW|SEK|NOK|DKK|SGD|PLN|CZK|NZD|BRL|MXN|ZAR|TRY";

static FORMS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let form = |source: &str| {
        ascii(
            &source
                .replace("AMOUNT", AMOUNT)
                .replace("SCALE", SCALE)
                .replace("CODES", CODES),
        )
    };
    vec![
        form(
            r"(?P<c>US\$|HK\$|NT\$|AU?\$|CA?\$|S\$|[$€£¥￥₹₩₽]|\b(?:CODES)\b|人民币|美元|欧元)\s?-?AMOUNT(?P<d>SCALE)(?:\n?(?P<u>元|美元|欧元|日元|港元|英镑))?",
        ),
        form(
            r"AMOUNTSCALE\s?(?P<c>(?i:US\s)?(?i:dollars?|euros?|pounds?\s+sterling|pounds?|yen|yuan|francs?|rupees?|cents)\b|\b(?:CODES)\b|[€£¥₽]|美元|欧元|日元|港元|英镑|元|块|人民币)",
        ),
    ]
});

/// Finds amounts with a currency.
pub(super) fn find(text: &str) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    for form in FORMS.iter() {
        for captures in form.captures_iter(text) {
            let whole = captures.get_match();
            let bytes = whole.start()..whole.end();
            if found.iter().any(|own| super::overlap(&own.bytes, &bytes)) {
                continue;
            }
            let name = |group| captures.name(group).map_or("", |m| m.as_str());
            let unit = name("u");
            let sign = if unit.is_empty() || unit == "元" {
                name("c")
            } else {
                unit
            };
            let normalized = currency(sign, unit).map(|code| {
                let minus = if whole.as_str().contains('-') {
                    "-"
                } else {
                    ""
                };
                format!("{code} {minus}{}", decimal(name("n"), shift(name("s"))))
            });
            found.push(Found {
                bytes,
                kind: ExtractionKind::Money,
                normalized,
            });
        }
    }
    found
}

fn currency(sign: &str, unit: &str) -> Option<&'static str> {
    let lower = sign.to_lowercase();
    let known = match lower.trim_start_matches("us ").trim() {
        "$" | "us$" | "美元" => "USD",
        s if s.starts_with("dollar") => "USD",
        "€" | "欧元" => "EUR",
        s if s.starts_with("euro") => "EUR",
        "£" | "英镑" => "GBP",
        s if s.starts_with("pound") => "GBP",
        "¥" | "￥" if unit == "元" => "CNY",
        "￥" | "元" | "块" | "人民币" | "rmb" | "yuan" => "CNY",
        "日元" | "yen" => "JPY",
        "港元" | "hk$" => "HKD",
        "nt$" => "TWD",
        "a$" | "au$" => "AUD",
        "c$" | "ca$" => "CAD",
        "s$" => "SGD",
        "₹" => "INR",
        s if s.starts_with("rupee") => "INR",
        "₩" => "KRW",
        "₽" => "RUB",
        s if s.starts_with("franc") => "CHF",
        s if s.len() == 3 => CODES.split('|').find(|code| code.eq_ignore_ascii_case(s))?,
        // A bare ¥ is yen or yuan; cents are cents of something.
        _ => return None,
    };
    Some(known)
}

/// By how many powers of ten a word multiplies.
fn shift(scale: &str) -> usize {
    match scale.to_lowercase().as_str() {
        "k" | "thousand" | "千" => 3,
        "万" => 4,
        "十万" => 5,
        "m" | "mn" | "million" | "百万" => 6,
        "千万" => 7,
        "亿" => 8,
        "b" | "bn" | "billion" => 9,
        "trillion" | "万亿" => 12,
        _ => 0,
    }
}

/// The amount as a plain decimal, with its point moved to the right.
fn decimal(amount: &str, shift: usize) -> String {
    // The last mark is a decimal one unless three digits follow a comma.
    let point = amount.rfind(['.', ',', '，']).filter(|&at| {
        let after = amount[at..].chars().filter(char::is_ascii_digit).count();
        amount[at..].starts_with('.') && (amount.matches('.').count() <= 1) || after != 3
    });
    let digits = |part: &str| -> String { part.chars().filter(char::is_ascii_digit).collect() };
    let (mut whole, mut rest) = match point {
        Some(at) => (digits(&amount[..at]), digits(&amount[at..])),
        None => (digits(amount), String::new()),
    };
    if shift > 0 {
        while rest.len() < shift {
            rest.push('0');
        }
        whole.push_str(&rest[..shift]);
        rest = rest[shift..].trim_end_matches('0').to_owned();
    }
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    if rest.is_empty() {
        whole.to_owned()
    } else {
        format!("{whole}.{rest}")
    }
}
