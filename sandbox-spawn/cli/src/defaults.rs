//! What a program needs in order to start at all: its own file, its interpreter, the libraries.

use std::{
    ffi::OsStr,
    fs::File,
    io::Read,
    os::unix::{ffi::OsStrExt, fs::FileExt},
    path::{Path, PathBuf},
};

use crate::{
    grants::{Access, Grants},
    sys,
};

/// Where libraries are, and the cache that says where.
const LIBRARIES: [&str; 7] =
    ["/usr/lib", "/usr/lib32", "/usr/lib64", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache"];

/// Reading and executing.
const START: Access = Access { write: false, execute: true };

/// What every ELF file begins with.
const MAGIC: &[u8] = b"\x7fELF";

/// How many interpreters may name one another; the kernel follows four.
const MOST_INTERPRETERS: usize = 4;

/// Grants what a program needs in order to start. What is missing is left out: executing will say.
pub(crate) fn grant(grants: &mut Grants, command: Option<&Path>) {
    for library in LIBRARIES {
        let _ = grants.offer(Path::new(library), START, Path::exists);
    }
    let Some(mut file) = command.map(Path::to_owned) else { return };
    for _ in 0..=MOST_INTERPRETERS {
        let Ok(real) = grants.offer(&file, START, is_program) else { break };
        match interpreter(&real) {
            Some(Interpreter::Of(script)) => file = script,
            Some(Interpreter::Linker(linker)) => {
                let _ = grants.offer(&linker, START, is_linker);
                break;
            }
            None => break,
        }
    }
}

/// What a file says that the kernel is to execute in its place.
///
/// The file may be the work of an attacker, who would have any file granted that is named here.
/// So only what the kernel would execute is: nothing that may not be executed, nor what a dynamic
/// linker, which the kernel loads as it is, names in its turn.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Interpreter {
    /// What follows `#!`; it may have an interpreter itself.
    Of(PathBuf),
    /// The dynamic linker of an ELF file.
    Linker(PathBuf),
}

/// The interpreter that a file names: of an ELF file its dynamic linker, of a script what follows
/// `#!`.
fn interpreter(path: &Path) -> Option<Interpreter> {
    let file = File::open(path).ok()?;
    let head = head(&file)?;
    if let Some(line) = head.strip_prefix(b"#!") {
        let line = line.split(|&byte| byte == b'\n').next()?;
        let name =
            line.split(|&byte| byte == b' ' || byte == b'\t').find(|part| !part.is_empty())?;
        return Some(Interpreter::Of(PathBuf::from(OsStr::from_bytes(name))));
    }
    elf_interpreter(&file, &head).map(Interpreter::Linker)
}

/// As much of a file as the kernel looks at to see what it is.
fn head(file: &File) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    file.take(256).read_to_end(&mut head).ok()?;
    Some(head)
}

/// A directory is no program; granting it would grant all that is beneath it.
fn is_program(path: &Path) -> bool {
    path.is_file() && sys::is_executable(path)
}

/// What the kernel takes for a dynamic linker: an ELF file that may be executed.
fn is_linker(path: &Path) -> bool {
    let head = || head(&File::open(path).ok()?);
    is_program(path) && head().is_some_and(|head| head.starts_with(MAGIC))
}

/// `PT_INTERP` of an ELF file in this machine's byte order, see elf(5).
fn elf_interpreter(file: &File, head: &[u8]) -> Option<PathBuf> {
    const PT_INTERP: u32 = 3;
    if !head.starts_with(MAGIC) {
        return None;
    }
    let wide = *head.get(4)? == 2;
    let number = |bytes: &[u8], at: usize, width: usize| -> Option<u64> {
        let bytes = bytes.get(at..at + width)?;
        let mut value = [0; 8];
        if cfg!(target_endian = "little") {
            value[..width].copy_from_slice(bytes);
        } else {
            value[8 - width..].copy_from_slice(bytes);
        }
        Some(u64::from_ne_bytes(value))
    };
    // Offset and width of e_phoff, then the offsets of e_phentsize and e_phnum, then offset and
    // width of p_offset, then the offset of p_filesz.
    let (phoff, width, entry_size, entries, p_offset, p_size) =
        if wide { (32, 8, 54, 56, 8, 32) } else { (28, 4, 42, 44, 4, 16) };
    let start = number(head, phoff, width)?;
    let size = number(head, entry_size, 2)?;
    for index in 0..number(head, entries, 2)?.min(128) {
        let mut entry = [0; 56];
        let length = entry.len().min(usize::try_from(size).ok()?);
        let at = start.checked_add(index.checked_mul(size)?)?;
        file.read_exact_at(&mut entry[..length], at).ok()?;
        if number(&entry, 0, 4)? != u64::from(PT_INTERP) {
            continue;
        }
        let length = usize::try_from(number(&entry, p_size, width)?).ok()?.min(4096);
        let mut name = vec![0; length];
        file.read_exact_at(&mut name, number(&entry, p_offset, width)?).ok()?;
        let name = name.split(|&byte| byte == 0).next()?;
        return Some(PathBuf::from(OsStr::from_bytes(name)));
    }
    None
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_interpreter_of_a_script_is_what_follows_the_mark() {
        let dir = tempfile::tempdir().unwrap();
        let script = dir.path().join("s");
        for (text, expected) in [
            ("#!/bin/sh -e\necho", Some("/bin/sh")),
            ("#! \t/usr/bin/env python3", Some("/usr/bin/env")),
            ("#!\n", None),
            ("echo", None),
            ("", None),
        ] {
            std::fs::write(&script, text).unwrap();
            assert_eq!(
                interpreter(&script),
                expected.map(|name| Interpreter::Of(name.into())),
                "{text:?}"
            );
        }
    }

    /// An ELF file of which nothing is right but what names its dynamic linker.
    fn elf(linker: &Path) -> Vec<u8> {
        let name = linker.as_os_str().as_bytes();
        let mut bytes = vec![0; 120];
        bytes[..5].copy_from_slice(b"\x7fELF\x02");
        bytes[32..40].copy_from_slice(&64_u64.to_ne_bytes());
        bytes[54..56].copy_from_slice(&56_u16.to_ne_bytes());
        bytes[56..58].copy_from_slice(&1_u16.to_ne_bytes());
        bytes[64..68].copy_from_slice(&3_u32.to_ne_bytes());
        bytes[72..80].copy_from_slice(&120_u64.to_ne_bytes());
        bytes[96..104].copy_from_slice(&u64::try_from(name.len()).unwrap().to_ne_bytes());
        bytes.extend_from_slice(name);
        bytes
    }

    #[test]
    fn a_program_cannot_have_a_file_granted_by_calling_it_its_interpreter() {
        let dir = tempfile::tempdir().unwrap();
        let base = std::fs::canonicalize(dir.path()).unwrap();
        let write = |name: &str, mode: u32, bytes: &[u8]| {
            let path = base.join(name);
            std::fs::write(&path, bytes).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            path
        };
        let granted = |command: &Path| {
            let mut grants = Grants::default();
            grant(&mut grants, Some(command));
            let paths = grants.iter().map(|grant| grant.path.clone());
            paths.filter(|path| path.starts_with(&base)).collect::<Vec<_>>()
        };
        let secret = write("secret", 0o644, b"secret");
        let tool = write("tool", 0o755, b"no ELF file, but one that may be executed");
        let linker = write("linker", 0o755, &elf(&tool));
        let library = write("library", 0o755, &elf(&secret));
        for not_run in [&secret, &tool] {
            let program = write("program", 0o755, &elf(not_run));
            assert_eq!(granted(&program), [program]);
        }
        // The kernel asks a dynamic linker for no other, and so may it name anything.
        for runs in [&linker, &library] {
            let program = write("program", 0o755, &elf(runs));
            assert_eq!(granted(&program), [runs.clone(), program]);
        }
        let named = [b"#!", secret.as_os_str().as_bytes(), b"\n"].concat();
        let script = write("script", 0o755, &named);
        assert_eq!(granted(&script), [script]);
        let named = [b"#!", tool.as_os_str().as_bytes(), b"\n"].concat();
        let script = write("script", 0o755, &named);
        assert_eq!(granted(&script), [script, tool]);
    }

    #[test]
    fn broken_elf_files_have_no_interpreter() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("e");
        let mut bytes = [0xff; 200];
        for length in [4, 5, 20, 64, 200] {
            bytes[..5].copy_from_slice(b"\x7fELF\x02");
            std::fs::write(&file, &bytes[..length]).unwrap();
            assert_eq!(interpreter(&file), None, "{length}");
        }
    }
}
