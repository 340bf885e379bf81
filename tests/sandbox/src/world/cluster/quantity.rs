//! Kubernetes' quantities (`1`, `500m`, `90Gi`) as exact numbers of thousandths.

use serde_json::Value;

/// A quantity in thousandths of its unit.
pub(super) type Milli = i128;

/// Reads a quantity: a number with an optional suffix, as a string or a number.
pub(super) fn parse(value: &Value) -> Option<Milli> {
    match value {
        Value::String(text) => parse_text(text),
        Value::Number(number) => parse_text(&number.to_string()),
        _ => None,
    }
}

fn parse_text(text: &str) -> Option<Milli> {
    let split = text
        .find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '-' | '+'))
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(split);
    let scale = scale(suffix)?;
    let (negative, digits) = match number.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.len() > 9 {
        return None;
    }
    let all: i128 = format!("{whole}{fraction}").parse().ok()?;
    let divisor = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
    // Rounded up, as Kubernetes does.
    let milli = (all.checked_mul(scale)? + divisor - 1) / divisor;
    Some(if negative { -milli } else { milli })
}

fn scale(suffix: &str) -> Option<i128> {
    Some(match suffix {
        "m" => 1,
        "" => 1000,
        "k" => 1000 * 1000,
        "M" => 1000 * 1000_i128.pow(2),
        "G" => 1000 * 1000_i128.pow(3),
        "T" => 1000 * 1000_i128.pow(4),
        "P" => 1000 * 1000_i128.pow(5),
        "Ki" => 1000 * 1024,
        "Mi" => 1000 * 1024_i128.pow(2),
        "Gi" => 1000 * 1024_i128.pow(3),
        "Ti" => 1000 * 1024_i128.pow(4),
        "Pi" => 1000 * 1024_i128.pow(5),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn quantities() {
        for (text, milli) in [
            (json!("1"), Some(1000)),
            (json!(2), Some(2000)),
            (json!("500m"), Some(500)),
            (json!("1.5"), Some(1500)),
            (json!("90Gi"), Some(90 * 1024_i128.pow(3) * 1000)),
            (json!("0.0001"), Some(1)),
            (json!("-1"), Some(-1000)),
            (json!("one"), None),
            (json!("1Q"), None),
            (json!(""), None),
        ] {
            assert_eq!(parse(&text), milli, "{text}");
        }
    }
}
