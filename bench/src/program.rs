//! Programs of classic BPF: our own, as the library's tests print them, and how many instructions
//! a call executes.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result, bail};

/// An instruction, as `struct sock_filter` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Insn {
    pub(crate) code: u16,
    pub(crate) jt: u8,
    pub(crate) jf: u8,
    pub(crate) k: u32,
}

/// What `tests::cost` of the library prints.
#[derive(Debug, Default)]
pub(crate) struct Printed {
    /// By level and number of grants.
    pub(crate) programs: BTreeMap<(String, usize), Vec<Insn>>,
    /// Microseconds that compiling takes.
    pub(crate) compiling: BTreeMap<(String, usize), f64>,
    /// Instructions that calls execute, typically and at worst, by the library's interpreter.
    pub(crate) executed: BTreeMap<usize, (usize, usize)>,
    /// Calls that are allowed whatever their arguments.
    pub(crate) free: Vec<i64>,
    /// Calls whose arguments decide.
    pub(crate) conditional: Vec<i64>,
}

impl Printed {
    /// Reads the lines that begin with `figure`.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let mut printed = Self::default();
        for line in text.lines().filter_map(|line| line.strip_prefix("figure ")) {
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["free", number] => printed.free.push(number.parse()?),
                ["conditional", number] => printed.conditional.push(number.parse()?),
                ["executed", grants, typical, worst] => {
                    let executed = (typical.parse()?, worst.parse()?);
                    printed.executed.insert(grants.parse()?, executed);
                }
                ["compile", level, grants, micros] => {
                    printed.compiling.insert((level.to_owned(), grants.parse()?), micros.parse()?);
                }
                ["program", level, grants, code] => {
                    let program = parse(code).with_context(|| format!("a program: {line:.60}"))?;
                    printed.programs.insert((level.to_owned(), grants.parse()?), program);
                }
                _ => bail!("not understood: {line:.60}"),
            }
        }
        if printed.programs.is_empty() || printed.free.is_empty() {
            bail!("{}: the library's tests printed no programs", path.display());
        }
        Ok(printed)
    }

    pub(crate) fn program(&self, level: &str, grants: usize) -> Result<&[Insn]> {
        let found = self.programs.get(&(level.to_owned(), grants));
        found.map(Vec::as_slice).with_context(|| format!("no program: {level}, {grants} grants"))
    }
}

/// `code:jt:jf:k` in hexadecimal, comma after comma.
fn parse(code: &str) -> Option<Vec<Insn>> {
    let field = |text: Option<&str>| u32::from_str_radix(text?, 16).ok();
    code.split(',')
        .map(|insn| {
            let mut fields = insn.split(':');
            Some(Insn {
                code: field(fields.next())?.try_into().ok()?,
                jt: field(fields.next())?.try_into().ok()?,
                jf: field(fields.next())?.try_into().ok()?,
                k: field(fields.next())?,
            })
        })
        .collect()
}

/// A call: its number and arguments.
pub(crate) type Call = (i64, [u64; 6]);

/// How many instructions a native call executes, and the verdict; `None` for a program that the
/// kernel would not load.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(crate) fn execute(program: &[Insn], (number, arguments): Call) -> Option<(usize, u32)> {
    let (mut a, mut x, mut at, mut executed) = (0_u32, 0_u32, 0, 0);
    let mut scratch = [0_u32; 16];
    loop {
        let Insn { code, jt, jf, k } = *program.get(at)?;
        at += 1;
        executed += 1;
        let operand = if code & 8 == 0 { k } else { x };
        let jump = |holds: bool| usize::from(if holds { jt } else { jf });
        match code & !8 {
            0x20 => {
                a = match k {
                    0 => number as u32,
                    4 if cfg!(target_arch = "x86_64") => 0xc000_003e,
                    4 => 0xc000_00b7,
                    16..64 => {
                        let argument = arguments[(k as usize - 16) / 8];
                        (if k % 8 == 0 { argument } else { argument >> 32 }) as u32
                    }
                    _ => return None,
                }
            }
            0x00 => a = operand,
            0x01 => x = k,
            0x60 => a = *scratch.get(k as usize)?,
            0x61 => x = *scratch.get(k as usize)?,
            0x02 => *scratch.get_mut(k as usize)? = a,
            0x03 => *scratch.get_mut(k as usize)? = x,
            0x04 => a = a.wrapping_add(operand),
            0x14 => a = a.wrapping_sub(operand),
            0x44 => a |= operand,
            0x54 => a &= operand,
            0x64 => a = a.checked_shl(operand)?,
            0x74 => a = a.checked_shr(operand)?,
            0x05 => at += k as usize,
            0x15 => at += jump(a == operand),
            0x25 => at += jump(a > operand),
            0x35 => at += jump(a >= operand),
            0x45 => at += jump(a & operand != 0),
            0x06 => return Some((executed, k)),
            0x07 if code == 0x07 => x = a,
            0x87 => a = x,
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_program_says_what_it_says_in_as_many_steps() {
        let program = parse("20:0:0:0,15:0:1:27,6:0:0:7fff0000,6:0:0:50001").unwrap();
        assert_eq!(execute(&program, (39, [0; 6])), Some((3, 0x7fff_0000)));
        assert_eq!(execute(&program, (40, [0; 6])), Some((3, 0x5_0001)));
        assert_eq!(execute(&program[..2], (40, [0; 6])), None);
        assert_eq!(parse("20:0:0"), None);
    }
}
