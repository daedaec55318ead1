//! The constants of the FreeBSD backend: a file of `pub(crate) const NAME: TYPE = VALUE;` and
//! nothing else, named as in C.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};

use super::{
    expression::{self, Names, Token},
    macros::{Macros, without_comments},
};

/// One of our constants.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Constant {
    /// How many bits its type has.
    bits: u32,
    value: Vec<Token>,
}

/// Our constants, which may name each other.
#[derive(Debug, Default)]
struct Constants(BTreeMap<String, Constant>);

impl Names for Constants {
    fn value(&self, name: &str, arguments: Option<&[Vec<Token>]>, depth: usize) -> Result<i128> {
        ensure!(arguments.is_none(), "is called");
        let constant = self.0.get(name).context("is none of our constants")?;
        expression::evaluate(&constant.value, self, depth)
    }
}

/// Compares every constant of a Rust file with the macro of the same name; returns how many there
/// are and those that differ or are in no header.
pub(super) fn compare(source: &str, macros: &Macros) -> Result<(usize, Vec<String>)> {
    let ours = read(source)?;
    ensure!(!ours.0.is_empty(), "no constants in {}", super::CONSTANTS);
    let mut faults = Vec::new();
    for (name, constant) in &ours.0 {
        let value = ours.value(name, None, 0).with_context(|| name.clone())?;
        match macros.get(name) {
            None => faults.push(format!("{name} is in none of the headers")),
            Some(Err(error)) => faults.push(format!("{name}: the header's is unclear: {error:#}")),
            Some(Ok(theirs)) if !same(value, theirs, constant.bits) => {
                faults.push(format!("{name} is {value:#x} here and {theirs:#x} in the header"));
            }
            Some(Ok(_)) => {}
        }
    }
    Ok((ours.0.len(), faults))
}

/// Whether two numbers are the same in a type of so many bits, with a sign or without.
fn same(ours: i128, theirs: i128, bits: u32) -> bool {
    let size = 1_i128 << bits;
    let fits = |value: i128| (-size / 2..size).contains(&value);
    fits(ours) && fits(theirs) && (ours - theirs).rem_euclid(size) == 0
}

fn read(source: &str) -> Result<Constants> {
    let mut constants = Constants::default();
    for statement in without_attributes(&without_comments(source)).split(';') {
        let tokens = expression::tokens(statement).with_context(|| statement.trim().to_owned())?;
        if tokens.is_empty() {
            continue;
        }
        let (name, constant) = constant(statement).with_context(|| statement.trim().to_owned())?;
        ensure!(constants.0.insert(name.clone(), constant).is_none(), "{name} is there twice");
    }
    Ok(constants)
}

fn constant(statement: &str) -> Result<(String, Constant)> {
    let (left, value) = statement.split_once('=').context("no constant")?;
    let (left, kind) = left.split_once(':').context("no constant")?;
    let name = left.trim().strip_prefix("pub(crate) const ").context("no `pub(crate) const`")?;
    let kind = kind.trim();
    let bits = bits(kind).with_context(|| format!("a constant of the type {kind}"))?;
    let value = without_extremes(expression::tokens(value)?);
    Ok((name.trim().to_owned(), Constant { bits, value }))
}

fn bits(kind: &str) -> Option<u32> {
    match kind.trim_start_matches("libc::") {
        "i8" | "u8" => Some(8),
        "i16" | "u16" | "c_short" | "c_ushort" => Some(16),
        "i32" | "u32" | "c_int" | "c_uint" => Some(32),
        "i64" | "u64" | "isize" | "usize" | "c_long" | "c_ulong" => Some(64),
        _ => None,
    }
}

/// The tokens with a number in place of each `TYPE::MAX` and `TYPE::MIN`.
fn without_extremes(mut tokens: Vec<Token>) -> Vec<Token> {
    while let Some((index, extreme)) = tokens.windows(3).enumerate().find_map(|(index, three)| {
        let [Token::Name(kind), Token::Sign("::"), Token::Name(which)] = three else { return None };
        Some((index, extreme(kind, which)?))
    }) {
        tokens.splice(index..index + 3, [Token::Number(extreme)]);
    }
    tokens
}

fn extreme(kind: &str, which: &str) -> Option<i128> {
    let bits = bits(kind)?;
    let unsigned = kind.starts_with('u') || kind.starts_with("c_u");
    let size = 1_i128 << bits;
    match (which, unsigned) {
        ("MAX", true) => Some(size - 1),
        ("MAX", false) => Some(size / 2 - 1),
        ("MIN", true) => Some(0),
        ("MIN", false) => Some(-size / 2),
        _ => None,
    }
}

/// A text without lines that are attributes.
fn without_attributes(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    lines.fold(String::new(), |text, line| text + line + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "#define ECAPMODE 94\n#define PD_CLOEXEC 0x2\n#define PD_DAEMON 0x1\n\
                          #define EVFILT_PROCDESC (-8)\n#define NOTE_EXIT 0x80000000\n\
                          #define CAP_IOCTLS_ALL 0x7fffffffffffffff\n";

    fn faults(source: &str) -> Vec<String> {
        let mut macros = Macros::default();
        macros.add(HEADER).expect("a header");
        compare(source, &macros).expect("constants").1
    }

    #[test]
    fn the_values_of_the_header_are_accepted_in_any_spelling() {
        let source = "//! Constants.\n\n/// Not here.\n#[allow(dead_code)]\n\
                      pub(crate) const ECAPMODE: i32 = 94;\n\
                      pub(crate) const PD_DAEMON: i32 = 1; // one\n\
                      pub(crate) const PD_CLOEXEC: libc::c_int = PD_DAEMON << 1;\n\
                      pub(crate) const EVFILT_PROCDESC: i16 = -8;\n\
                      pub(crate) const NOTE_EXIT: u32 = 0x8000_0000;\n\
                      pub(crate) const CAP_IOCTLS_ALL: isize = isize::MAX;\n";
        assert_eq!(faults(source), [""; 0]);
    }

    #[test]
    fn a_value_wrong_by_one_digit_is_found() {
        for wrong in [
            "ECAPMODE: i32 = 93",
            "PD_CLOEXEC: i32 = 0x3",
            "EVFILT_PROCDESC: i16 = 8",
            "NOTE_EXIT: u32 = 0x8000_0001",
            "CAP_IOCTLS_ALL: isize = i32::MAX",
            "CAP_IOCTLS_ALL: isize = isize::MAX - 1",
            "NOTE_EXIT: u64 = 0x1_8000_0000",
        ] {
            assert_eq!(faults(&format!("pub(crate) const {wrong};")).len(), 1, "{wrong}");
        }
    }

    #[test]
    fn a_constant_of_no_header_is_found() {
        assert_eq!(faults("pub(crate) const EFOO: i32 = 94;").len(), 1);
    }

    #[test]
    fn what_is_no_constant_is_an_error() {
        for source in [
            "",
            "use std::io;",
            "pub(crate) const A: &str = \"a\";",
            "pub(crate) fn a() {}",
            "pub(crate) const ECAPMODE: i32 = 94; pub(crate) const ECAPMODE: i32 = 94;",
            "pub(crate) const ECAPMODE: i32 = libc::ECAPMODE;",
        ] {
            assert!(compare(source, &Macros::default()).is_err(), "{source}");
        }
    }

    #[test]
    fn numbers_are_compared_as_the_type_holds_them() {
        assert!(same(-1, 0xffff_ffff, 32));
        assert!(!same(-1, 0xffff_ffff, 64));
        assert!(!same(1, 0x1_0000_0001, 32));
    }
}
