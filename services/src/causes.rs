//! An error and its causes in one line: a log line in JSON holds only an error's own text.

use std::error::Error;
use std::fmt;

/// Shows the causes too. One that its effect already told is left out.
pub(crate) struct WithCauses<'a>(pub(crate) &'a dyn Error);

impl fmt::Display for WithCauses<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told = self.0.to_string();
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !told.contains(&text) {
                told = format!("{told}: {text}");
            }
            cause = error.source();
        }
        f.write_str(&told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the pod was not made: {reason}")]
    struct Pod {
        #[source]
        reason: Call,
    }

    #[derive(Debug, thiserror::Error)]
    #[error("the call failed")]
    struct Call(#[source] fmt::Error);

    #[test]
    fn causes_follow_and_nothing_is_told_twice() {
        let error = Pod {
            reason: Call(fmt::Error),
        };
        assert_eq!(
            WithCauses(&error).to_string(),
            format!("the pod was not made: the call failed: {}", fmt::Error)
        );
    }
}
