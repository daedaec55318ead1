//! Constant integer expressions, as C headers and our own constants write them.

use anyhow::{Context, Result, bail, ensure};

/// The smallest parts of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Number(i128),
    Name(String),
    Sign(&'static str),
}

const SIGNS: [&str; 25] = [
    "<<", ">>", "...", "->", "##", "::", "(", ")", "[", "]", "{", "}", "|", "&", "^", "~", "+",
    "-", "*", "/", "%", "<", ">", ",", ";",
];
/// Signs that occur in headers and that no expression of ours evaluates.
const OTHER_SIGNS: [&str; 8] = ["=", ":", "?", "!", ".", "#", "@", "\\"];

/// Splits a text without comments.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if first.is_ascii_digit() {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let end = end.unwrap_or(rest.len());
            tokens.push(Token::Number(number(&rest[..end])?));
            end
        } else if first.is_ascii_alphabetic() || first == '_' {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let end = end.unwrap_or(rest.len());
            tokens.push(Token::Name(rest[..end].to_owned()));
            end
        } else if first == '\'' {
            let mut characters = rest.chars().skip(1);
            let (Some(character), Some('\'')) = (characters.next(), characters.next()) else {
                bail!("a character that is not understood: {rest}");
            };
            tokens.push(Token::Number(i128::from(u32::from(character))));
            2 + character.len_utf8()
        } else {
            let signs = SIGNS.iter().chain(&OTHER_SIGNS);
            let sign = signs.copied().find(|sign| rest.starts_with(sign));
            let sign = sign.with_context(|| format!("not understood: {rest}"))?;
            tokens.push(Token::Sign(sign));
            sign.len()
        };
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

/// A number of C (`0x1ULL`, `017`) or Rust (`0x1_0000u64`, `0o17`).
fn number(text: &str) -> Result<i128> {
    let plain = text.replace('_', "").to_ascii_lowercase();
    let (digits, radix) = match plain.as_bytes() {
        [b'0', b'x', ..] => (&plain[2..], 16),
        [b'0', b'b', ..] => (&plain[2..], 2),
        [b'0', b'o', ..] => (&plain[2..], 8),
        [b'0', b'0'..=b'9', ..] => (&plain[1..], 8),
        _ => (plain.as_str(), 10),
    };
    let end = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
    let (digits, suffix) = digits.split_at(end);
    let known =
        ["", "u", "l", "ul", "ll", "ull", "i8", "u8", "i16", "u16", "i32", "u32", "i64", "u64"];
    ensure!(known.contains(&suffix) || suffix.ends_with("size"), "not a number: {text}");
    i128::from_str_radix(digits, radix).with_context(|| format!("not a number: {text}"))
}

/// What gives names their values.
pub(super) trait Names {
    /// The value of a name, or of a macro with arguments.
    fn value(&self, name: &str, arguments: Option<&[Vec<Token>]>, depth: usize) -> Result<i128>;
}

/// How deep names may stand for names.
const DEPTH: usize = 40;

/// The value of an expression.
pub(super) fn evaluate(tokens: &[Token], names: &dyn Names, depth: usize) -> Result<i128> {
    ensure!(depth < DEPTH, "names that stand for each other without end");
    let mut parser = Parser { tokens, names, depth };
    let value = parser.binary(0)?;
    ensure!(parser.tokens.is_empty(), "something follows: {:?}", parser.tokens);
    Ok(value)
}

struct Parser<'a> {
    tokens: &'a [Token],
    names: &'a dyn Names,
    depth: usize,
}

/// The operators from the loosest to the tightest.
const OPERATORS: [&[&str]; 6] =
    [&["|"], &["^"], &["&"], &["<<", ">>"], &["+", "-"], &["*", "/", "%"]];

/// The types that a cast may name, with their size for `sizeof`.
const TYPES: [(&str, i128); 14] = [
    ("char", 1),
    ("short", 2),
    ("int", 4),
    ("unsigned", 4),
    ("long", 8),
    ("u_int", 4),
    ("u_long", 8),
    ("int32_t", 4),
    ("uint32_t", 4),
    ("int64_t", 8),
    ("uint64_t", 8),
    ("size_t", 8),
    ("ssize_t", 8),
    ("pid_t", 4),
];

fn type_size(token: &Token) -> Option<i128> {
    let Token::Name(name) = token else { return None };
    TYPES.iter().find(|(known, _)| known == name).map(|(_, size)| *size)
}

impl Parser<'_> {
    fn next_is(&mut self, sign: &'static str) -> bool {
        let is = self.tokens.first() == Some(&Token::Sign(sign));
        if is {
            self.tokens = &self.tokens[1..];
        }
        is
    }

    fn binary(&mut self, level: usize) -> Result<i128> {
        let Some(operators) = OPERATORS.get(level) else { return self.unary() };
        let mut left = self.binary(level + 1)?;
        while let Some(operator) = operators.iter().copied().find(|sign| self.next_is(sign)) {
            let right = self.binary(level + 1)?;
            left = apply(operator, left, right)
                .with_context(|| format!("out of range: {left} {operator} {right}"))?;
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<i128> {
        if self.next_is("-") {
            return Ok(-self.unary()?);
        }
        if self.next_is("~") {
            return Ok(!self.unary()?);
        }
        if self.next_is("(") {
            return self.parenthesis();
        }
        let Some((first, rest)) = self.tokens.split_first() else { bail!("no value") };
        self.tokens = rest;
        match first {
            Token::Number(number) => Ok(*number),
            Token::Name(name) if name == "sizeof" => self.size(),
            Token::Name(name) => {
                let arguments = if self.next_is("(") { Some(self.arguments()?) } else { None };
                let value = self.names.value(name, arguments.as_deref(), self.depth + 1);
                value.with_context(|| name.clone())
            }
            Token::Sign(sign) => bail!("no value: {sign}"),
        }
    }

    /// After `(`: a cast, which changes no value here, or an expression.
    fn parenthesis(&mut self) -> Result<i128> {
        let types = self.tokens.iter().take_while(|token| type_size(token).is_some()).count();
        if types > 0 && self.tokens.get(types) == Some(&Token::Sign(")")) {
            self.tokens = &self.tokens[types + 1..];
            return self.unary();
        }
        let value = self.binary(0)?;
        ensure!(self.next_is(")"), "a parenthesis is not closed");
        Ok(value)
    }

    /// After `sizeof`: the size of one of the types above.
    fn size(&mut self) -> Result<i128> {
        ensure!(self.next_is("("), "sizeof of a value");
        let size = self.tokens.first().and_then(type_size).context("sizeof of an unknown type")?;
        self.tokens = &self.tokens[1..];
        ensure!(self.next_is(")"), "sizeof of an unknown type");
        Ok(size)
    }

    /// After `(`: the arguments of a macro.
    fn arguments(&mut self) -> Result<Vec<Vec<Token>>> {
        let mut arguments = vec![Vec::new()];
        let mut open = 0;
        while let Some((token, rest)) = self.tokens.split_first() {
            self.tokens = rest;
            match token {
                Token::Sign(")") if open == 0 => return Ok(arguments),
                Token::Sign(",") if open == 0 => {
                    arguments.push(Vec::new());
                    continue;
                }
                Token::Sign("(") => open += 1,
                Token::Sign(")") => open -= 1,
                _ => {}
            }
            arguments.last_mut().context("no argument")?.push(token.clone());
        }
        bail!("a parenthesis is not closed")
    }
}

fn apply(operator: &str, left: i128, right: i128) -> Option<i128> {
    match operator {
        "|" => Some(left | right),
        "^" => Some(left ^ right),
        "&" => Some(left & right),
        "<<" => left.checked_mul(1_i128.checked_shl(u32::try_from(right).ok()?)?),
        ">>" => left.checked_shr(u32::try_from(right).ok()?),
        "+" => left.checked_add(right),
        "-" => left.checked_sub(right),
        "*" => left.checked_mul(right),
        "/" => left.checked_div(right),
        _ => left.checked_rem(right),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct NoNames;

    impl Names for NoNames {
        fn value(&self, name: &str, _: Option<&[Vec<Token>]>, _: usize) -> Result<i128> {
            bail!("{name} is unknown")
        }
    }

    fn value(text: &str) -> Result<i128> {
        evaluate(&tokens(text)?, &NoNames, 0)
    }

    #[test]
    fn numbers_of_c_and_rust_are_read() {
        for (text, number) in [
            ("0x0000000000000400ULL", 0x400),
            ("0x8000_0000_u32", 0x8000_0000),
            ("017", 15),
            ("0o17", 15),
            ("0b101", 5),
            ("1UL", 1),
            ("0", 0),
            ("12i64", 12),
            ("'f'", 102),
        ] {
            assert_eq!(value(text).expect(text), number, "{text}");
        }
        for text in ["0xg", "08", "1.5", "12banana", ""] {
            assert!(value(text).is_err(), "{text}");
        }
    }

    #[test]
    fn operators_bind_as_in_c() {
        for (text, number) in [
            ("1 | 2 & 2", 3),
            ("1 << 2 + 1", 8),
            ("(1ULL << (57 + (0))) | (0x1ULL)", (1 << 57) | 1),
            ("-8", -8),
            ("(-8)", -8),
            ("~0x0f & 0xff", 0xf0),
            ("(int)0x80", 0x80),
            ("(unsigned int)3 * sizeof(int)", 12),
        ] {
            assert_eq!(value(text).expect(text), number, "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for text in ["1 +", "(1", "1 2", "NAME", "sizeof(struct x)", "1 ? 2 : 3", "1 << 200"] {
            assert!(value(text).is_err(), "{text}");
        }
    }
}
