//! The environment that a program is given: a minimal one, and what was asked for.

use std::{
    collections::BTreeMap,
    env,
    ffi::{CString, OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
};

use crate::{error::Error, sys};

/// Where commands are looked up unless the caller says otherwise.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Variables by name.
#[derive(Clone, Debug)]
pub(crate) struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// The minimal environment with these changes, each `NAME` or `NAME=VALUE`.
    pub(crate) fn new(changes: &[OsString]) -> Result<Self, Error> {
        let mut variables = BTreeMap::from([
            (OsString::from("PATH"), OsString::from(DEFAULT_PATH)),
            (OsString::from("HOME"), OsString::from("/")),
        ]);
        if let (true, Some(term)) = (sys::on_a_terminal(), env::var_os("TERM")) {
            variables.insert("TERM".into(), term);
        }
        for change in changes {
            let bytes = change.as_bytes();
            let equals = bytes.iter().position(|&byte| byte == b'=');
            let name = OsStr::from_bytes(&bytes[..equals.unwrap_or(bytes.len())]).to_owned();
            let fault = |reason| Error::Variable { variable: change.clone(), reason };
            if name.is_empty() {
                return Err(fault("the name is empty"));
            }
            let value = match equals {
                Some(at) => OsStr::from_bytes(&bytes[at + 1..]).to_owned(),
                None => env::var_os(&name).ok_or_else(|| {
                    fault("there is no such variable to pass on: give NAME=VALUE")
                })?,
            };
            variables.insert(name, value);
        }
        Ok(Self(variables))
    }

    /// Where commands are looked up.
    pub(crate) fn path(&self) -> &OsStr {
        self.0.get(OsStr::new("PATH")).map_or(OsStr::new(""), OsString::as_os_str)
    }

    /// As execve(2) takes it.
    pub(crate) fn to_strings(&self) -> Result<Vec<CString>, Error> {
        let join = |(name, value): (&OsString, &OsString)| {
            let mut bytes = name.clone().into_vec();
            bytes.push(b'=');
            bytes.extend_from_slice(value.as_bytes());
            CString::new(bytes).map_err(|_| Error::Nul)
        };
        self.0.iter().map(join).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_added_and_replaced_and_faults_are_named() {
        let given = Environment::new(&["A=1=2".into(), "HOME=/x".into(), "B=".into()]).unwrap();
        let strings = given.to_strings().unwrap();
        for expected in [c"A=1=2", c"B=", c"HOME=/x", c"PATH=/usr/local/bin:/usr/bin:/bin"] {
            assert!(strings.iter().any(|string| string.as_c_str() == expected), "{strings:?}");
        }
        assert!(Environment::new(&["=x".into()]).is_err());
        assert!(Environment::new(&["SURELY_NOT_SET_ANYWHERE".into()]).is_err());
    }
}
