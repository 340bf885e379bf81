//! Who types: kept with whatever a command changes.

use crate::config::{Variable, Variables, failure};
use crate::exit::{Exit, Failure};

/// What a login shell calls its user.
const LOGIN_NAMES: [&str; 2] = ["LOGNAME", "USER"];

/// The operator's name.
pub(super) fn name(variables: &Variables) -> Result<String, Failure> {
    let named = match variables.get(Variable::RiseOperator) {
        Ok(named) => named.map(|value| value.text),
        Err(problem) => return Err(failure(vec![problem])),
    };
    let login = || {
        let mut names = LOGIN_NAMES.into_iter();
        names.find_map(|name| variables.plain(name))
    };
    named.or_else(|| login().map(str::to_owned)).ok_or_else(|| {
        Failure::new(Exit::Usage, "it is not known who you are")
            .hint("set RISE_OPERATOR to your name: it is kept with what you change")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_was_given_is_stronger_than_the_login() {
        let of = |pairs: &[(&str, &str)]| name(&Variables::of(pairs));
        assert_eq!(
            of(&[("RISE_OPERATOR", "ada"), ("USER", "root")]),
            Ok("ada".to_owned())
        );
        assert_eq!(of(&[("USER", "grace")]), Ok("grace".to_owned()));
        assert_eq!(
            of(&[("LOGNAME", "grace"), ("USER", "root")]),
            Ok("grace".to_owned())
        );
        assert!(of(&[("USER", "")]).is_err());
    }
}
