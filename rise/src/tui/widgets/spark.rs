//! Numbers over time in one line.

const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// One character a number; nothing is a space, so that little can be told from nothing.
pub(in crate::tui) fn spark(numbers: &[i64], most: i64) -> String {
    let step = |number: &i64| {
        if *number <= 0 {
            return ' ';
        }
        let part = (number - 1).saturating_mul(8) / most.max(1);
        STEPS[usize::try_from(part).unwrap_or(0).min(7)]
    };
    numbers.iter().map(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_can_be_told_from_nothing() {
        assert_eq!(spark(&[0, 1, 50, 100], 100), " ▁▄█");
        assert_eq!(spark(&[0, 0], 0), "  ");
        assert_eq!(spark(&[1, 2, 3], 3), "▁▃▆");
    }
}
