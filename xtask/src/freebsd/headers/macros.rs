//! The `#define`s of C headers.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};

use super::expression::{self, Names, Token};

/// Macros by name. One that is defined twice (for two machines, say) has a value where all its
/// definitions agree.
#[derive(Debug, Default)]
pub(super) struct Macros(BTreeMap<String, Vec<Definition>>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Definition {
    /// The parameters, where it takes some.
    parameters: Option<Vec<String>>,
    body: String,
}

/// What is known of an `#if`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    Holds,
    Fails,
    Unknown,
}

impl Condition {
    fn otherwise(self) -> Self {
        match self {
            Self::Holds => Self::Fails,
            Self::Fails => Self::Holds,
            Self::Unknown => Self::Unknown,
        }
    }
}

impl Macros {
    /// Adds the macros of a header. Of conditions only `__LP64__` is understood, which holds for
    /// our target; the macros under all others are taken as they are.
    pub(super) fn add(&mut self, header: &str) -> Result<()> {
        let mut conditions = Vec::new();
        for line in without_comments(header).replace("\\\n", " ").lines() {
            let Some(directive) = line.trim_start().strip_prefix('#') else { continue };
            let directive = directive.trim();
            let (word, rest) = directive.split_once(char::is_whitespace).unwrap_or((directive, ""));
            let lp64 = rest.trim() == "__LP64__";
            match word {
                "ifdef" if lp64 => conditions.push(Condition::Holds),
                "ifndef" if lp64 => conditions.push(Condition::Fails),
                "if" | "ifdef" | "ifndef" => conditions.push(Condition::Unknown),
                "else" => {
                    let condition = conditions.pop().context("an `#else` without an `#if`")?;
                    conditions.push(condition.otherwise());
                }
                "endif" => {
                    conditions.pop().context("an `#endif` without an `#if`")?;
                }
                "define" if !conditions.contains(&Condition::Fails) => {
                    self.define(rest.trim()).with_context(|| line.trim().to_owned())?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn define(&mut self, define: &str) -> Result<()> {
        let end = define.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let (name, rest) = define.split_at(end.unwrap_or(define.len()));
        ensure!(!name.is_empty(), "a macro without a name");
        let (parameters, body) = match rest.strip_prefix('(') {
            Some(rest) => {
                let (parameters, body) = rest.split_once(')').context("no end of parameters")?;
                let parameters = parameters.split(',').map(|name| name.trim().to_owned());
                (Some(parameters.collect()), body)
            }
            None => (None, rest),
        };
        let definition = Definition { parameters, body: body.trim().to_owned() };
        let definitions = self.0.entry(name.to_owned()).or_default();
        if !definitions.contains(&definition) {
            definitions.push(definition);
        }
        Ok(())
    }

    /// The names of the macros without parameters.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let plain = |definitions: &[Definition]| {
            definitions.iter().any(|definition| definition.parameters.is_none())
        };
        self.0.iter().filter(move |(_, all)| plain(all)).map(|(name, _)| name.as_str())
    }

    /// The value of a macro without parameters; nothing where there is none of that name.
    pub(super) fn get(&self, name: &str) -> Option<Result<i128>> {
        self.0.contains_key(name).then(|| self.value(name, None, 0))
    }
}

impl Names for Macros {
    fn value(&self, name: &str, arguments: Option<&[Vec<Token>]>, depth: usize) -> Result<i128> {
        let definitions = self.0.get(name).context("is defined nowhere")?;
        let mut value = None;
        for definition in definitions {
            let body = substitute(definition, arguments)?;
            let this = expression::evaluate(&body, self, depth)
                .with_context(|| format!("in `{}`", definition.body))?;
            if *value.get_or_insert(this) != this {
                bail!("is defined in two ways");
            }
        }
        value.context("is defined nowhere")
    }
}

fn substitute(definition: &Definition, arguments: Option<&[Vec<Token>]>) -> Result<Vec<Token>> {
    let body = expression::tokens(&definition.body)?;
    let none = Vec::new();
    let parameters = definition.parameters.as_ref().unwrap_or(&none);
    let arguments = arguments.unwrap_or_default();
    ensure!(parameters.len() == arguments.len(), "takes {} arguments", parameters.len());
    let argument = |token: &Token| {
        let Token::Name(name) = token else { return None };
        let index = parameters.iter().position(|parameter| parameter == name)?;
        Some(arguments[index].clone())
    };
    Ok(body.iter().flat_map(|token| argument(token).unwrap_or(vec![token.clone()])).collect())
}

/// A text without the comments of C and Rust; each becomes a space.
pub(super) fn without_comments(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("/*").into_iter().chain(rest.find("//")).min() {
        plain.push_str(&rest[..start]);
        plain.push(' ');
        let comment = &rest[start..];
        let end = if comment.starts_with("/*") {
            comment.find("*/").map(|end| end + 2)
        } else {
            comment.find('\n')
        };
        rest = &comment[end.unwrap_or(comment.len())..];
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn macros(header: &str) -> Macros {
        let mut macros = Macros::default();
        macros.add(header).expect("a header");
        macros
    }

    #[test]
    fn macros_stand_for_numbers_names_and_macros_with_arguments() {
        let macros = macros(
            "#define\tCAPRIGHT(idx, bit)\t((1ULL << (57 + (idx))) | (bit))\n\
             /* Allows for lseek(2). */\n#define CAP_READ CAPRIGHT(0, 0x1ULL) /* reads\n * on */\n\
             # define CAP_LOOKUP CAPRIGHT(0, 0x400ULL) // looks\n\
             #define CAP_BOTH \\\n\t(CAP_READ | \\\n\t CAP_LOOKUP)\n",
        );
        let value = macros.get("CAP_BOTH").expect("defined").expect("a number");
        assert_eq!(value, (1 << 57) | 0x401);
        assert_eq!(macros.names().collect::<Vec<_>>(), ["CAP_BOTH", "CAP_LOOKUP", "CAP_READ"]);
        assert!(macros.get("CAP_NEITHER").is_none());
    }

    #[test]
    fn a_macro_with_two_values_has_none() {
        let twice = |second: &str| macros(&format!("#define A 1\n#define A {second}\n")).get("A");
        assert!(twice("2").expect("defined").is_err());
        assert_eq!(twice("(1)").expect("defined").expect("a number"), 1);
    }

    #[test]
    fn the_numbers_of_a_64_bit_machine_are_taken() {
        let macros = macros(
            "#if A\n#ifdef\t__LP64__\n#define MAX 64\n#if B\n#define B 1\n#else\n#define C 2\n#endif\n\
             #else\n#define MAX 32\n#endif\n#ifndef __LP64__\n#define D 3\n#endif\n#endif\n",
        );
        assert_eq!(macros.get("MAX").expect("defined").expect("a number"), 64);
        assert_eq!(macros.names().collect::<Vec<_>>(), ["B", "C", "MAX"]);
    }

    #[test]
    fn a_macro_without_a_number_has_no_value() {
        let macros =
            macros("#define GUARD\n#define LOOP LOOP\n#define F(x) x\n#define TEXT \"a\"\n");
        for name in ["GUARD", "LOOP", "F", "TEXT"] {
            assert!(macros.get(name).expect("defined").is_err(), "{name}");
        }
    }
}
