//! What the header of an executable says: for which system it is and which libraries it needs.

use anyhow::{Context, Result, bail, ensure};
use object::{
    Endianness, StringTable,
    elf::{DT_NEEDED, DT_STRSZ, DT_STRTAB, ELFOSABI_FREEBSD, EM_X86_64, FileHeader64},
    read::elf::{Dyn, FileHeader, ProgramHeader},
};

/// The libraries of FreeBSD 14.0 that are there without any package: what our executables may
/// need. libcasper is not among them, since a system may lack its services: it is loaded at run
/// time where it is there.
const BASE_LIBRARIES: [&str; 11] = [
    "libc.so.7",
    "libdevstat.so.7",
    "libexecinfo.so.1",
    "libgcc_s.so.1",
    "libkvm.so.7",
    "libm.so.5",
    "libmemstat.so.3",
    "libprocstat.so.1",
    "librt.so.1",
    "libthr.so.3",
    "libutil.so.9",
];

/// The run-time linker of FreeBSD.
const INTERPRETER: &[u8] = b"/libexec/ld-elf.so.1";

/// The libraries that an executable needs; an error where it is none for FreeBSD or needs others
/// than those of the base system.
pub(super) fn needed(data: &[u8]) -> Result<Vec<String>> {
    let header = FileHeader64::<Endianness>::parse(data).context("no 64-bit ELF file")?;
    let endian = header.endian()?;
    ensure!(header.e_machine(endian) == EM_X86_64, "not for x86_64");
    let abi = header.e_ident().os_abi;
    ensure!(
        abi == ELFOSABI_FREEBSD,
        "made for the system {}, not FreeBSD ({})",
        abi.0,
        ELFOSABI_FREEBSD.0
    );
    let segments = header.program_headers(endian, data)?;

    let interpreter = segments.iter().find_map(|segment| segment.interpreter(endian, data).ok()?);
    ensure!(interpreter == Some(INTERPRETER), "its run-time linker is not FreeBSD's");
    let dynamic = segments.iter().find_map(|segment| segment.dynamic(endian, data).ok()?);
    let dynamic = dynamic.context("no dynamic section")?;
    let value = |tag| {
        let entry = dynamic.iter().find(|entry| entry.d_tag(endian) == tag);
        entry.map(|entry| entry.d_val(endian)).context("no string table")
    };
    let (address, size) = (value(DT_STRTAB)?, value(DT_STRSZ)?);
    let strings = segments
        .iter()
        .find_map(|segment| segment.data_range(endian, data, address, size).ok()?)
        .context("the string table is in no segment")?;
    let strings = StringTable::new(strings, 0, strings.len() as u64);

    let mut libraries = Vec::new();
    for entry in dynamic.iter().filter(|entry| entry.d_tag(endian) == DT_NEEDED) {
        let name = entry.val32(endian).and_then(|offset| strings.get(offset).ok());
        let name = String::from_utf8_lossy(name.context("a library without a name")?).into_owned();
        if !BASE_LIBRARIES.contains(&name.as_str()) {
            bail!("needs {name}, which is not in FreeBSD's base system");
        }
        libraries.push(name);
    }
    libraries.sort();
    Ok(libraries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_executable_for_another_system_is_refused() {
        let mut this = std::env::current_exe().and_then(std::fs::read).expect("a running test");
        let refusal = |this: &[u8]| needed(this).expect_err("not for FreeBSD").to_string();
        this[18..20].copy_from_slice(&EM_X86_64.0.to_le_bytes());
        this[7] = 3;
        assert_eq!(refusal(&this), "made for the system 3, not FreeBSD (9)");
        this[18..20].copy_from_slice(&[183, 0]);
        assert_eq!(refusal(&this), "not for x86_64");
    }

    #[test]
    fn what_is_no_executable_is_refused() {
        assert!(needed(b"").is_err());
        assert!(needed(b"#!/bin/sh\nexec /usr/bin/true\n").is_err());
    }
}
